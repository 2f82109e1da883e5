package enrollment

import (
	"errors"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// What a verb answers besides the store's ErrNotFound.
var (
	// ErrForbidden: the actor may not do this.
	ErrForbidden = errors.New("enrollment: not allowed")
	// ErrInvitationUnknown: no invitation has this token. Malformed tokens get
	// the same answer.
	ErrInvitationUnknown = errors.New("enrollment: invitation unknown")
	// ErrCredentialRefused is the one answer for a wrong, unknown or burnt PIN
	// and for an address that nobody has.
	ErrCredentialRefused = errors.New("enrollment: credential refused")
	// ErrLoginUsed, ErrLoginExpired and ErrSelfServiceOff say why a one-time login,
	// or a one-time password of an invitation, was refused to somebody who proved
	// it. They are never answered alone, see [Service.UseLogin].
	ErrLoginUsed      = errors.New("enrollment: login used before")
	ErrLoginExpired   = errors.New("enrollment: login expired")
	ErrSelfServiceOff = errors.New("enrollment: self-service is off")
	// ErrDeviceGone: the device was deleted; its token will never work again.
	ErrDeviceGone = errors.New("enrollment: device deleted")
	// ErrSuperseded: the device has enrolled anew since, in another way; what
	// belongs to its enrollment before says nothing of it. It wraps [ErrStale].
	ErrSuperseded = fmt.Errorf("enrollment: the device has another enrollment by now: %w", ErrStale)
	// ErrTokenRefused: no device has this token, or no longer.
	ErrTokenRefused = errors.New("enrollment: device token refused")
	// ErrActive: the user has an active invitation, and the caller asked not
	// to touch it.
	ErrActive = errors.New("enrollment: user has an active invitation")
	// ErrKeyReused: the idempotency key was used for another request.
	ErrKeyReused = errors.New("enrollment: idempotency key used for another request")
	// ErrPageToken: the page token is not one of this query.
	ErrPageToken = errors.New("enrollment: page token of another query")
	// ErrNoAddress: there is no address to send to.
	ErrNoAddress = errors.New("enrollment: no e-mail address")
)

// PacedError refuses a try that came too soon. Nothing was compared and nothing
// was counted.
type PacedError struct {
	RetryAt time.Time // when to come back
}

func (e *PacedError) Error() string { return "enrollment: too many tries" }

// LoginExpiredError is an [ErrLoginExpired] that says since when, for who has to
// judge what happened before.
type LoginExpiredError struct {
	At time.Time // the first moment at which nobody enrolls by it any more
}

func (e *LoginExpiredError) Error() string { return ErrLoginExpired.Error() }

// Unwrap returns [ErrLoginExpired].
func (e *LoginExpiredError) Unwrap() error { return ErrLoginExpired }

// refusal is [ErrCredentialRefused] for somebody who proved the credential: it
// reads, and has the code, like that of one that nobody has, and is its reason
// besides, for a channel whose devices have words for it.
type refusal struct{ why error }

func (r *refusal) Error() string   { return ErrCredentialRefused.Error() }
func (r *refusal) Unwrap() []error { return []error{ErrCredentialRefused, r.why} }

// reasonOf is the code that the journal, which outsiders do not see, has for err.
func reasonOf(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return Code(r.why)
	}
	return Code(err)
}

// FieldError is one thing wrong with one field of a request.
type FieldError struct {
	Field string // as on the wire: "users[2].email"
	// Code is stable: "required", "malformed", "too_long", "too_many",
	// "unknown", "not_allowed", "mismatch", "repeated", "past", "out_of_range".
	Code string
}

// ValidationError lists what is wrong with a request. Nothing was done. It
// never holds the values.
type ValidationError struct {
	Fields []FieldError
}

func (e *ValidationError) Error() string {
	if len(e.Fields) == 0 {
		return "enrollment: invalid request"
	}
	return fmt.Sprintf("enrollment: invalid request: %s: %s", e.Fields[0].Field, e.Fields[0].Code)
}

// invalid is a ValidationError of one field.
func invalid(field, code string) error {
	return &ValidationError{Fields: []FieldError{{Field: field, Code: code}}}
}

// codes is the stable name of every answer, for wires and journals.
var codes = []struct {
	err  error
	code string
}{
	{ErrForbidden, "forbidden"},
	{ErrCredentialRefused, "credential_refused"}, // before what it may be joined with, see refusal
	{ErrInvitationUnknown, "invitation_unknown"},
	{invitation.ErrDeactivated, "invitation_deactivated"},
	{invitation.ErrExpired, "invitation_expired"},
	{invitation.ErrExhausted, "invitation_exhausted"},
	{ErrSiteFull, "site_full"},
	{ErrLoginUsed, "login_used"},
	{ErrLoginExpired, "login_expired"},
	{ErrSelfServiceOff, "self_service_off"},
	{ErrDeviceGone, "device_gone"},
	{ErrTokenRefused, "device_token_refused"},
	{ErrActive, "invitation_active"},
	{ErrKeyReused, "idempotency_key_reused"},
	{ErrPageToken, "page_token_invalid"},
	{ErrNoAddress, "no_address"},
	{ErrOwnTransaction, "own_transaction"},
	{ErrGrantRefused, "grant_refused"},
	{ErrGrantExpired, "grant_expired"},
	{ErrGrantUsed, "grant_used"},
	{invitation.ErrIllegalTransition, "illegal_transition"},
	{device.ErrIllegalTransition, "illegal_transition"},
	{ErrNotFound, "not_found"},
	{ErrExists, "conflict"},
	{ErrStale, "conflict"},
	{credentials.ErrMalformed, "malformed"},
}

// Code returns the stable code of an error of this package: "not_found",
// "credential_refused" and so on; "invalid" for a [*ValidationError], "paced"
// for a [*PacedError], "unavailable" for everything else, which is the store's
// or the embedder's trouble, and "" for nil.
func Code(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*ValidationError](err); ok {
		return "invalid"
	}
	if _, ok := errors.AsType[*PacedError](err); ok {
		return "paced"
	}
	for _, row := range codes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return "unavailable"
}

// errorOf returns the error of a code that was kept, nil for none.
func errorOf(code string) error {
	switch code {
	case "":
		return nil
	case "invalid":
		return &ValidationError{}
	}
	for _, row := range codes {
		if row.code == code {
			return row.err
		}
	}
	return errors.New("enrollment: " + code)
}
