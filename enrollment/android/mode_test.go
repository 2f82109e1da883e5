package android_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/android"
)

func TestModesAreJudgedByTheVersionOfAndroid(t *testing.T) {
	for _, c := range []struct {
		mode    device.Mode
		version string
		warning android.Warning
		refused bool
	}{
		{device.AndroidDeviceAdmin, "9", "", false},
		{device.AndroidDeviceAdmin, "10", android.WarnDeviceAdmin, false},
		{device.AndroidDeviceAdmin, "Android 15", android.WarnDeviceAdmin, false},
		{device.AndroidDeviceAdmin, "16", "", true},
		{device.AndroidDeviceAdmin, "", "", false},
		{device.AndroidDeviceAdmin, "Tiramisu", "", false},
		{device.AndroidWorkProfile, "4.4.2", "", true},
		{device.AndroidWorkProfile, "5.1", "", false},
		{device.AndroidCompanyWorkProfile, "7.1.1", "", true},
		{device.AndroidFullyManaged, "14", "", false},
		{device.AndroidDedicated, "5.0", "", true},
		{device.IOSSupervised, "1", "", false},
	} {
		warnings, err := android.Advise(c.mode, c.version, 0)
		if c.refused {
			assert.ErrorIs(t, err, android.ErrMode, c)
			continue
		}
		assert.NoError(t, err, c)
		if c.warning == "" {
			assert.Empty(t, warnings, c)
		} else {
			assert.Equal(t, []android.Warning{c.warning}, warnings, c)
		}
	}
	_, err := android.Advise(device.AndroidDeviceAdmin, "13", 12)
	assert.EqualError(t, err, "android: android_device_admin does not work on Android 13")
}
