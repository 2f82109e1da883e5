package credentials

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Length of a PIN in digits. Eight digits and a lifetime budget of twenty wrong
// tries leave 2^-22.3 for a guesser; six would fall at fleet size whatever the
// lock of each user (threat model, guessing odds).
const (
	MinPINDigits     = 8
	MaxPINDigits     = 12
	DefaultPINDigits = 8
)

// maxPINInput bounds what ParsePIN looks at, in bytes: twelve digits, each with
// generous separators.
const maxPINInput = 64

// NewPIN returns a fresh PIN of [MinPINDigits] to [MaxPINDigits] digits, uniform
// over all of them, leading zeros kept. Other lengths are [ErrMalformed]. rand
// is normally crypto/rand.Reader; its error is returned wrapped.
func NewPIN(rand io.Reader, digits int) (Secret, error) {
	if digits < MinPINDigits || digits > MaxPINDigits {
		return Secret{}, fmt.Errorf("%w: a PIN has %d to %d digits", ErrMalformed, MinPINDigits, MaxPINDigits)
	}
	// One allocation; the text doubles as the buffer for the raw randomness.
	p := new(struct {
		box
		text [MaxPINDigits]byte
	})
	for {
		if _, err := io.ReadFull(rand, p.text[:8]); err != nil {
			return Secret{}, fmt.Errorf("credentials: read randomness: %w", err)
		}
		if drawPIN(p.text[:digits], binary.BigEndian.Uint64(p.text[:8])) {
			break
		}
	}
	return p.secret(p.text[:digits]), nil
}

// drawPIN writes v modulo 10^len(dst) as digits. It reports false when v lies
// above the largest multiple, where the remainder would favour small PINs.
func drawPIN(dst []byte, v uint64) bool {
	space := uint64(1)
	for range dst {
		space *= 10
	}
	if v >= math.MaxUint64/space*space {
		return false
	}
	v %= space
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(v%10)
		v /= 10
	}
	return true
}

// ParsePIN reads a PIN as a person typed it: [MinPINDigits] to [MaxPINDigits]
// ASCII digits, with spaces (U+0020, U+00A0) around and between them and dashes
// between them. The result holds digits only. Anything else, other scripts'
// digits included, is [ErrMalformed].
func ParsePIN(s string) (Secret, error) {
	if len(s) > maxPINInput {
		return Secret{}, ErrMalformed
	}
	s = strings.Trim(s, " \u00a0")
	if strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		return Secret{}, ErrMalformed
	}
	var pin [MaxPINDigits]byte
	n := 0
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		switch {
		case r == ' ' || r == '\u00a0' || r == '-':
		case r < '0' || r > '9' || n == len(pin):
			return Secret{}, ErrMalformed
		default:
			pin[n] = byte(r)
			n++
		}
	}
	if n < MinPINDigits {
		return Secret{}, ErrMalformed
	}
	return NewSecret(pin[:n]), nil
}

// GroupPIN returns the digits of a PIN in groups of three and four, the larger
// first, as people read and type them: "1234 5678", "123 456 789",
// "1234 567 890". [ParsePIN] reads the result back. A string that is not a bare
// PIN is returned as it is.
func GroupPIN(pin string) string {
	if !isPIN(pin) {
		return pin
	}
	var out [MaxPINDigits + 2]byte
	dst := out[:0]
	for groups := (len(pin) + 3) / 4; groups > 0; groups-- {
		size := (len(pin) + groups - 1) / groups
		dst = append(dst, pin[:size]...)
		pin = pin[size:]
		if groups > 1 {
			dst = append(dst, ' ')
		}
	}
	return string(dst)
}

// isPIN reports whether s is digits only, as many as a PIN has.
func isPIN[T ~string | ~[]byte](s T) bool {
	if len(s) < MinPINDigits || len(s) > MaxPINDigits {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
