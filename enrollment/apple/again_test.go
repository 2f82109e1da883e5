package apple_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/apple"
)

func TestADeviceThatEnrollsAgainIsTheSameWhateverWasAccepted(t *testing.T) {
	pad := phone("00008030-001C2D3E4F50602E")
	pad.ProductName = "iPad13,1"
	mac := pad
	mac.ProductName = "Mac14,2"
	for name, c := range map[string]struct {
		m        apple.Authenticate
		was, now device.Platform // accepted
		want     device.Platform
		mode     device.Mode
	}{
		"an iPad, accepted as a Mac":      {pad, device.IOS, device.MacOS, device.IOS, device.IOSUnsupervised},
		"a Mac, accepted as an iPad":      {mac, device.MacOS, device.IOS, device.MacOS, device.MacOSMode},
		"an iPad, accepted as an Android": {pad, device.IOS, device.Android, device.IOS, device.IOSUnsupervised},
	} {
		for _, tokenFirst := range []bool{true, false} {
			w := newWorld(t)
			_, tok := w.invite("ann")
			w.accept(tok, c.was)
			old, err := w.checkins.Authenticate(t.Context(), w.certified(tok), c.m, w.now)
			require.NoError(t, err, name)
			w.now = w.now.Add(time.Hour)
			w.accept(tok, c.now)
			from := w.certified(tok)
			if tokenFirst {
				status, err := w.checkins.TokenUpdate(t.Context(), from, token(c.m.Identity), w.now)
				require.NoError(t, err, name)
				assert.Equal(t, old.Device, status.Device, name)
				w.now = w.now.Add(time.Second)
			}
			status, err := w.checkins.Authenticate(t.Context(), from, c.m, w.now)
			require.NoError(t, err, name)
			assert.Equal(t, old.Device, status.Device, name)
			list := w.devices()
			require.Len(t, list, 1, "%s: %v", name, tokenFirst)
			d := list[0]
			assert.Equal(t, c.want, d.Platform, name)
			assert.Equal(t, c.mode, d.Mode, name)
			assert.Empty(t, d.Conflict, name)
			assert.Equal(t, 2, d.Generation, name)
		}
	}
}

func TestAnotherUsersDeviceIsNobodysOwnWhateverWasAccepted(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	m := phone("00008030-001C2D3E4F50602E")
	anns, err := w.checkins.Authenticate(t.Context(), w.certified(tok), m, w.now)
	require.NoError(t, err)
	_, bobs := w.invite("bob")
	w.accept(bobs, device.MacOS)
	from := w.certified(bobs)
	w.now = w.now.Add(time.Second)
	first, err := w.checkins.TokenUpdate(t.Context(), from, token(m.Identity), w.now)
	require.NoError(t, err)
	assert.NotEqual(t, anns.Device, first.Device)
	_, err = w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	assert.Equal(t, anns.Device, w.device(first.Device).Conflict)

	w.now = w.now.Add(time.Second)
	again, err := w.checkins.TokenUpdate(t.Context(), w.certified(bobs), token(m.Identity), w.now)
	require.NoError(t, err)
	assert.Equal(t, first.Device, again.Device, "who is in conflict comes back to his own row")
	assert.Equal(t, anns.Device, w.device(first.Device).Conflict)
}
