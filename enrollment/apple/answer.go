package apple

import (
	"errors"
	"net/http"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// Answer is what a device is told of a message that was not taken.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
	// Code is the stable code of the reason, for logs and journals; the device is
	// not told.
	Code string
}

// unrecognized is Apple's ErrorUnrecognizedDevice.
const unrecognized = "com.apple.unrecognized.device"

// AnswerTo says what a device is told of an error: 400 to a message that is none,
// 503 where it should try again, and 403 with Apple's ErrorUnrecognizedDevice
// where it is not, or no longer, wanted, by which it drops the profile. Never 401:
// that, too, makes a device drop its profile, even one that is only unlucky. For
// nil it is 200, and for enrollment.ErrSuperseded: what an enrollment says that the
// device has replaced is taken and changes nothing.
func AnswerTo(err error) Answer {
	code := CodeOf(err)
	switch {
	case err == nil:
		return Answer{Status: http.StatusOK}
	case errors.Is(err, enrollment.ErrSuperseded):
		return Answer{Status: http.StatusOK, Code: code}
	case wrong(err):
		return Answer{Status: http.StatusBadRequest, Code: code}
	case !Refused(err):
		return Answer{Status: http.StatusServiceUnavailable, Code: code}
	}
	p := newPlist()
	p.value(dict{{"code", unrecognized}, {"description", code}})
	return Answer{Status: http.StatusForbidden, ContentType: "application/xml; charset=utf-8", Body: p.finish(), Code: code}
}

// CodeOf is enrollment.Code that knows this package's errors too.
func CodeOf(err error) string {
	switch {
	case errors.Is(err, ErrTopic):
		return "topic_unknown"
	case errors.Is(err, ErrIdentity):
		return "identity_malformed"
	}
	return enrollment.Code(err)
}

// wrong says that a message cannot be meant.
func wrong(err error) bool {
	_, invalid := errors.AsType[*enrollment.ValidationError](err)
	return invalid || errors.Is(err, ErrTopic) || errors.Is(err, ErrIdentity)
}

// Refused says that a device was turned away for good, by what admits it or by
// being deleted, and not by accident. enrollment.ErrNotFound is none: a site or a
// row that is not there yet, or not there now, must not cost a fleet its profiles.
func Refused(err error) bool {
	for _, refusal := range []error{
		enrollment.ErrDeviceGone, enrollment.ErrInvitationUnknown, enrollment.ErrCredentialRefused,
		enrollment.ErrGrantRefused, enrollment.ErrGrantExpired, enrollment.ErrGrantUsed,
		invitation.ErrDeactivated, invitation.ErrExpired, invitation.ErrExhausted, enrollment.ErrSiteFull,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
