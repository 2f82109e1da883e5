package enrollment

import "example.com/enrollkit/device"

// Recommendation says how a mode is best begun.
type Recommendation struct {
	Mode device.Mode
	// Send: the invitation is mailed to its user, who does the rest. Otherwise it is
	// created only, for an administrator who has the device in hand.
	Send bool
}

// recommended is the table of recommended enrollment modes. The first four lines are
// those of the product that enrollkit follows; the others go by the same reason:
// what starts with a factory reset is done by who has the device in hand.
var recommended = []Recommendation{
	{device.AndroidWorkProfile, true},
	{device.AndroidFullyManaged, false},
	{device.IOSUnsupervised, true},
	{device.IOSSupervised, true},

	{device.AndroidCompanyWorkProfile, false},
	{device.AndroidDedicated, false},
	{device.AndroidDeviceAdmin, true},
	{device.IOSUserEnrollment, true},
	{device.MacOSMode, true},
	{device.WindowsMode, true},
}

// Recommendations lists every mode with how it is best begun, the commonest first.
func Recommendations() []Recommendation {
	return append([]Recommendation(nil), recommended...)
}
