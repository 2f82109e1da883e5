package enrollment

import "example.com/enrollkit/device"

// offersWorkProfile reports whether d, managed by device administrator rights, may
// go on to a work profile.
func (p Policy) offersWorkProfile(d device.Device) bool {
	return d.Mode == device.AndroidDeviceAdmin && !p.KeepDeviceAdmin
}

// waiting is [device.Device.Waiting] that, where nothing is missing, names what
// the site offers. Nobody waits for that.
func (p Policy) waiting(d device.Device, missing []device.Fact) (device.Party, device.Action) {
	party, next := d.Waiting(missing)
	if party == device.WaitsNobody && next == device.NoAction && d.State == device.Active && p.offersWorkProfile(d) {
		next = device.CreateWorkProfile
	}
	return party, next
}

// promoted moves d from device administrator to its work profile once it has one:
// the row, its history and its token stay, and the requirements are those of the
// new mode. The agent in the profile takes the device token over from the one
// outside.
func (p Policy) promoted(d device.Device, moved map[string]string, changed bool) (device.Device, bool) {
	if !p.offersWorkProfile(d) || !d.Facts.Holds(device.WorkProfile) {
		return d, changed
	}
	d.Mode = device.AndroidWorkProfile
	moved["mode"] = string(d.Mode)
	return d, true
}
