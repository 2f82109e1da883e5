package android

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"example.com/enrollkit/device"
)

// DefaultDeviceAdminUntil is the last version of Android on which a device
// enrolls as device admin: since 16, the rights that are left manage nothing.
const DefaultDeviceAdminUntil = 15

// ErrMode is what every [*ModeError] unwraps to.
var ErrMode = errors.New("android: the mode does not work on this device")

// ModeError says that a version of Android does not have a mode.
type ModeError struct {
	Mode    device.Mode
	Version int
	// Least and Most bound the versions that have it; 0: no bound.
	Least, Most int
}

func (e *ModeError) Error() string {
	return fmt.Sprintf("android: %s does not work on Android %d", e.Mode, e.Version)
}

// Unwrap returns [ErrMode].
func (e *ModeError) Unwrap() error { return ErrMode }

// modes is what each mode needs. What starts on the device's first screen is new
// to it, or reset; the rest is installed on a phone in use.
var modes = []struct {
	mode    device.Mode
	least   int // the first version of Android that has it
	atSetup bool
}{
	{device.AndroidWorkProfile, 5, false},
	{device.AndroidFullyManaged, 6, true},
	{device.AndroidCompanyWorkProfile, 8, true},
	{device.AndroidDedicated, 6, true},
	{device.AndroidDeviceAdmin, 0, false},
}

// startsAtSetup reports whether a device of mode m is provisioned on its first
// screen.
func startsAtSetup(m device.Mode) bool {
	for _, row := range modes {
		if row.mode == m {
			return row.atSetup
		}
	}
	return false
}

// Advise says what stands against mode m on a version of Android as a device gives
// it, "14" or "8.1.0": a [*ModeError] where it does not work, deviceAdminUntil
// being the last version for device admin (0: [DefaultDeviceAdminUntil]), and
// warnings where it does. A version that is not known, or a mode of another
// platform, is not judged.
func Advise(m device.Mode, version string, deviceAdminUntil int) ([]Warning, error) {
	major := majorOf(version)
	if major == 0 {
		return nil, nil
	}
	if deviceAdminUntil == 0 {
		deviceAdminUntil = DefaultDeviceAdminUntil
	}
	if m == device.AndroidDeviceAdmin {
		switch {
		case major > deviceAdminUntil:
			return nil, &ModeError{Mode: m, Version: major, Most: deviceAdminUntil}
		case major >= 10:
			return []Warning{WarnDeviceAdmin}, nil
		}
		return nil, nil
	}
	for _, row := range modes {
		if row.mode == m && major < row.least {
			return nil, &ModeError{Mode: m, Version: major, Least: row.least}
		}
	}
	return nil, nil
}

// majorOf reads the first number of a version; 0: there is none.
func majorOf(version string) int {
	version = strings.TrimSpace(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(version)), "android"))
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(version)
	}
	n, err := strconv.Atoi(version[:end])
	if err != nil || n > 1000 {
		return 0
	}
	return n
}
