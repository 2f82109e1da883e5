package apple

import (
	"net/url"
	"strings"

	"example.com/enrollkit/device"
)

// Sender is who sent a message, as far as its channel proved it: of a profile of
// ours, the organization and the common name of the certificate's subject. All
// empty but Site: an enrollment that is not of ours, known by its Ref alone.
type Sender struct {
	Site       string
	Enrollment string
	// Device is the id of the enrollment's device, from the Status of an earlier
	// message. With it, a device that was deleted is known to be gone, and one that
	// has another enrollment by now to be no business of this one
	// (enrollment.ErrSuperseded), also when the grant of this one is long forgotten.
	// May be empty.
	Device string
}

// SenderOf reads the parameters of the address that a message came to. They are
// what the profile says and no proof: use them where every message is checked
// against the certificate of its enrollment, and compare them with it.
func SenderOf(q url.Values) Sender {
	return Sender{Site: q.Get(paramSite), Enrollment: q.Get(paramEnrollment)}
}

// Identity is who a device says it is. A user enrollment has an EnrollmentID and
// nothing else.
type Identity struct {
	UDID         string
	EnrollmentID string
	// UserID and EnrollmentUserID are set on the channel of one of the device's
	// users, which says nothing of whether the device is managed.
	UserID, EnrollmentUserID string
}

// id is the device's name in its channel.
func (i Identity) id() string {
	if i.UDID != "" {
		return i.UDID
	}
	return i.EnrollmentID
}

func (i Identity) userChannel() bool { return i.UserID != "" || i.EnrollmentUserID != "" }

// private says that the device keeps its hardware ids to itself.
func (i Identity) private() bool { return i.UDID == "" }

// Authenticate is the message of a device on which somebody agreed to the
// profile. It is not enrolled yet: other payloads may still fail.
type Authenticate struct {
	Identity
	Topic                        string
	OSVersion, BuildVersion      string
	ProductName                  string // "iPhone12,1", "Mac14,2"
	SerialNumber, IMEI, MEID     string
	DeviceName, Model, ModelName string // macOS
}

// TokenUpdate is the message that makes a device reachable: the first one of the
// device's own channel means that it is enrolled. The push token is none of this
// package's business.
type TokenUpdate struct {
	Identity
	Topic                 string
	AwaitingConfiguration bool
}

// CheckOut is the goodbye of a device whose profile is removed.
type CheckOut struct {
	Identity
	Topic string
}

// Connect is a device that asks for commands or answers one.
type Connect struct {
	Identity
	Status string // "Idle", "Acknowledged", "Error", "NotNow" ...
}

// DeviceInformation is what is used of the answer to that command. A pointer is
// nil where the answer says nothing.
type DeviceInformation struct {
	Identity
	DeviceName, OSVersion, BuildVersion string
	ProductName, Model, ModelName       string
	SerialNumber, IMEI, MEID            string
	IsSupervised                        *bool
	// More goes into the inventory as it is, by Apple's names.
	More map[string]any
}

// SecurityInfo is what is used of the answer to that command.
type SecurityInfo struct {
	Identity
	EnrolledViaDEP         *bool
	UserApprovedEnrollment *bool // macOS: somebody approved the profile
	IsUserEnrollment       *bool
}

// QueriesOf lists the DeviceInformation queries whose answers are used.
func QueriesOf(p device.Platform) []string {
	list := []string{
		"UDID", "DeviceName", "OSVersion", "BuildVersion", "ModelName", "Model", "ProductName", "SerialNumber",
		"DeviceCapacity", "IsSupervised",
	}
	if p == device.IOS {
		list = append(list, "IMEI", "MEID", "BatteryLevel")
	}
	return list
}

// platformOf judges by a product name, "" if it is none.
func platformOf(product string) device.Platform {
	switch {
	case product == "":
		return ""
	case strings.Contains(product, "Mac"), strings.HasPrefix(product, "Xserve"):
		return device.MacOS
	}
	return device.IOS
}
