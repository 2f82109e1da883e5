package windows

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"example.com/enrollkit/device"
)

// The sources of a device's Refs. [EnrollmentRef] has the device's enrollment,
// which is in its certificate and which no device can claim for itself; RefSource
// the name by which its messages call it, a claim that only one device of a site
// gets.
const (
	RefSource     = Name
	EnrollmentRef = Name + "-enrollment"
)

// The stores for a device's certificate.
const (
	storeUser   = "User"
	storeSystem = "System"
)

// devicePrefix is before every id of a device.
const devicePrefix = "dev_"

// enrolledAs is what the name of an enrollment says. The name is all that a
// certificate tells a session, and what a session may do is judged by it alone:
// the grant that was used, how the computer called itself when it asked for this
// certificate, the device that came of it, and the store that its certificates go
// to.
type enrolledAs struct {
	grant    string
	computer string // computerOf the device
	device   string // our id
	store    string
}

var shortText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// computerOf stands for a name of a computer, such as that by which its messages
// call it. Two computers that want to be taken for each other could; it is their
// certificates that tell them apart.
func computerOf(deviceID string) string {
	sum := sha256.Sum256([]byte("enrollkit/windows/device/" + strings.ToLower(deviceID)))
	return shortText.EncodeToString(sum[:5])
}

// ref names the device in the channel: one grant enrolls one device.
func (e enrolledAs) ref() device.Ref {
	return device.Ref{Source: EnrollmentRef, ID: e.grant}
}

// name is at most 64 characters, as much as a common name may have.
func (e enrolledAs) name() string {
	store := "u"
	if e.store == storeSystem {
		store = "s"
	}
	return strings.Join([]string{e.grant, e.computer, strings.TrimPrefix(e.device, devicePrefix), store}, "-")
}

// parseEnrolledAs reads what name wrote.
func parseEnrolledAs(name string) (e enrolledAs, ok bool) {
	parts := strings.Split(name, "-")
	n := len(parts)
	if n < 4 || len(name) > maxText {
		return e, false
	}
	e = enrolledAs{
		grant: strings.Join(parts[:n-3], "-"), computer: parts[n-3], device: devicePrefix + parts[n-2], store: storeUser,
	}
	if parts[n-1] == "s" {
		e.store = storeSystem
	}
	return e, e.grant != "" && e.computer != "" && parts[n-2] != "" && (parts[n-1] == "s" || parts[n-1] == "u")
}

// identifies returns an id that identifies hardware, and "" in the place of what
// vendors ship on many machines.
func identifies(id string) string {
	id = strings.TrimSpace(id)
	if (device.Hardware{HWDevID: id}).Identity("") == "" {
		return ""
	}
	return id
}
