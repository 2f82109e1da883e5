package device

import (
	"fmt"
	"slices"
)

// Platform is the family of operating systems a device belongs to.
type Platform string

const (
	Android Platform = "android"
	IOS     Platform = "ios" // iPhone and iPad
	MacOS   Platform = "macos"
	Windows Platform = "windows"
)

// Platforms lists every platform.
func Platforms() []Platform { return []Platform{Android, IOS, MacOS, Windows} }

// Valid reports whether p is one of [Platforms].
func (p Platform) Valid() bool { return slices.Contains(Platforms(), p) }

// Ownership says whose device it is. Empty means not said yet.
type Ownership string

const (
	Company  Ownership = "company"
	Personal Ownership = "personal"
)

// Valid reports whether o is company or personal.
func (o Ownership) Valid() bool { return o == Company || o == Personal }

// Mode is the way in which a platform lets a device be managed.
type Mode string

const (
	AndroidWorkProfile        Mode = "android_work_profile"
	AndroidFullyManaged       Mode = "android_fully_managed"
	AndroidCompanyWorkProfile Mode = "android_company_work_profile"
	AndroidDedicated          Mode = "android_dedicated"
	AndroidDeviceAdmin        Mode = "android_device_admin"
	IOSUnsupervised           Mode = "ios_unsupervised"
	IOSSupervised             Mode = "ios_supervised"
	IOSUserEnrollment         Mode = "ios_user_enrollment"
	MacOSMode                 Mode = "macos"
	WindowsMode               Mode = "windows"
)

// modes is the table of what there is: the platform of each mode, the first of
// a platform being its default, and the facts that make it complete.
var modes = []struct {
	mode     Mode
	platform Platform
	requires []Fact
}{
	{AndroidWorkProfile, Android, []Fact{AgentInstalled, WorkProfile, Permissions, InventoryReceived}},
	{AndroidFullyManaged, Android, []Fact{AgentInstalled, DeviceOwner, Permissions, InventoryReceived}},
	{AndroidCompanyWorkProfile, Android, []Fact{AgentInstalled, WorkProfile, Permissions, InventoryReceived}},
	{AndroidDedicated, Android, []Fact{AgentInstalled, DeviceOwner, InventoryReceived}},
	{AndroidDeviceAdmin, Android, []Fact{AgentInstalled, AdminRights, Permissions, InventoryReceived}},
	{IOSUnsupervised, IOS, []Fact{ManagementProfile, InventoryReceived}},
	{IOSSupervised, IOS, []Fact{ManagementProfile, Supervised, InventoryReceived}},
	{IOSUserEnrollment, IOS, []Fact{ManagementProfile, InventoryReceived}},
	{MacOSMode, MacOS, []Fact{ManagementProfile, UserApproved, InventoryReceived}},
	{WindowsMode, Windows, []Fact{ManagementProfile, InventoryReceived}},
}

// Modes lists every mode of p; with p empty, of every platform.
func Modes(p Platform) []Mode {
	var list []Mode
	for _, m := range modes {
		if p == "" || m.platform == p {
			list = append(list, m.mode)
		}
	}
	return list
}

// DefaultMode is the mode of a device of platform p that nothing else decides.
func DefaultMode(p Platform) Mode {
	if list := Modes(p); p.Valid() {
		return list[0]
	}
	return ""
}

// Platform returns the platform of m, empty if m is not a mode.
func (m Mode) Platform() Platform {
	for _, row := range modes {
		if row.mode == m {
			return row.platform
		}
	}
	return ""
}

// Requirements says which facts make a device of each mode complete. A mode
// that it does not name has the defaults of [DefaultRequirements]; an empty
// list requires nothing.
type Requirements map[Mode][]Fact

// DefaultRequirements returns a new copy of the requirements of every mode.
func DefaultRequirements() Requirements {
	r := make(Requirements, len(modes))
	for _, m := range modes {
		r[m.mode] = slices.Clone(m.requires)
	}
	return r
}

// Of returns what m requires.
func (r Requirements) Of(m Mode) []Fact {
	if list, ok := r[m]; ok {
		return list
	}
	for _, row := range modes {
		if row.mode == m {
			return row.requires
		}
	}
	return nil
}

// Validate says what in r is not a mode or not a fact.
func (r Requirements) Validate() error {
	for m, list := range r {
		if m.Platform() == "" {
			return fmt.Errorf("device: unknown mode %q in requirements", m)
		}
		for _, f := range list {
			if !f.Valid() {
				return fmt.Errorf("device: unknown fact %q required by %s", f, m)
			}
		}
	}
	return nil
}
