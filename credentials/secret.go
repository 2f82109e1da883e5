package credentials

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Errors about values that came from outside. They never contain the value.
var (
	// ErrMalformed says that an input does not have the shape of what it should
	// be. Nothing was compared, so it costs the sender no try.
	ErrMalformed = errors.New("credentials: malformed")

	// ErrTooLong says that a value exceeds what its container holds.
	ErrTooLong = errors.New("credentials: too long")
)

// redacted is what every Secret shows instead of itself.
const redacted = "[redacted]"

// Secret holds bytes that must not appear in logs, errors, traces or JSON.
// Every way of formatting it shows "[redacted]"; [Secret.Reveal] is the only
// way out.
//
// The bytes are behind two pointers because fmt and slog skip the methods of a
// value in an unexported field and print its content instead. There they print a
// pointer as an address, except under a verb that does not fit pointers: "%s" of
// such a struct follows one pointer, though never two. Tools that follow pointers
// by reflection (deep-dump libraries, debuggers) still see the content.
//
// A Secret is immutable and safe for concurrent use. The zero value is "no
// secret". Do not compare with ==, which compares identity; use [Secret.Equal].
type Secret struct{ p **[]byte }

// box is what a Secret points to. Constructors embed it in one allocation with
// the bytes.
type box struct {
	p *[]byte
	b []byte
}

// secret returns the Secret of b, which the box keeps without a copy.
func (x *box) secret(b []byte) Secret {
	x.b = b
	x.p = &x.b
	return Secret{&x.p}
}

// NewSecret returns a Secret with a copy of b. Empty bytes give the zero Secret.
// The caller may clear b afterwards.
func NewSecret(b []byte) Secret {
	if len(b) == 0 {
		return Secret{}
	}
	return new(box).secret(append([]byte(nil), b...))
}

// SecretString is [NewSecret] for a string, which cannot be cleared.
func SecretString(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return new(box).secret([]byte(s))
}

// Reveal returns the secret itself. Use it only where the secret must leave: in
// a page, a mail, an answer to the administrator who asked.
func (s Secret) Reveal() string { return string(s.bytes()) }

// IsZero reports whether s holds nothing.
func (s Secret) IsZero() bool { return len(s.bytes()) == 0 }

// Equal reports whether both hold the same bytes, in a time that depends only on
// their lengths. The zero Secret equals nothing, not even itself, so that a
// missing secret never matches a missing one.
func (s Secret) Equal(t Secret) bool {
	if s.IsZero() || t.IsZero() {
		return false
	}
	return subtle.ConstantTimeCompare(s.bytes(), t.bytes()) == 1
}

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]", also for %#v.
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb and flags.
func (Secret) Format(f fmt.State, _ rune) {
	// A failing writer is fmt's to report; there is nothing else to write.
	_, _ = io.WriteString(f, redacted)
}

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns the JSON string "[redacted]" rather than an error, so that
// a log line or an answer holding a Secret by mistake stays useful. There is no
// UnmarshalJSON: a Secret does not round-trip.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns "[redacted]", for encoders that prefer text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// bytes returns the bytes themselves; callers in this package only read them.
func (s Secret) bytes() []byte {
	if s.p == nil {
		return nil
	}
	return **s.p
}
