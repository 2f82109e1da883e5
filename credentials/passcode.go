package credentials

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// PasscodeLength is the length of a company passcode in characters.
const PasscodeLength = 12

// passcodeAlphabet is what a passcode is made of: digits, upper and lower case.
const passcodeAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// asciiSpace is the white space around typed or pasted input.
const asciiSpace = " \t\n\v\f\r"

// NewPasscode returns a fresh company passcode: [PasscodeLength] characters of
// [0-9A-Za-z] with at least one digit, one lower-case and one upper-case letter,
// uniform over exactly that set of 2.8e21 (71.3 bits; without the three classes
// it would be 71.5). rand is normally crypto/rand.Reader; its error is returned
// wrapped.
//
// A draw without one of the classes is thrown away as a whole, about one in
// eight: putting a missing class into it would favour some passcodes.
func NewPasscode(rand io.Reader) (Secret, error) {
	// One allocation; raw is refilled as symbols and draws are refused.
	p := new(struct {
		box
		text [PasscodeLength]byte
		raw  [16]byte
	})
	defer clear(p.raw[:])
	raw := p.raw[:0]
	for n := 0; n < len(p.text) || !hasPasscodeClasses(p.text[:]); {
		if n == len(p.text) {
			n = 0
		}
		if len(raw) == 0 {
			if _, err := io.ReadFull(rand, p.raw[:]); err != nil {
				clear(p.text[:])
				return Secret{}, fmt.Errorf("credentials: read randomness: %w", err)
			}
			raw = p.raw[:]
		}
		// Six bits are one of 64; two of them are no symbol and are drawn again,
		// where a remainder would favour the first ones.
		if v := raw[0] & 63; int(v) < len(passcodeAlphabet) {
			p.text[n] = passcodeAlphabet[v]
			n++
		}
		raw = raw[1:]
	}
	return p.secret(p.text[:]), nil
}

// ParsePasscode reads a company passcode as a person typed or pasted it: exactly
// [PasscodeLength] ASCII digits and letters, with ASCII white space around them
// and none between; case matters. Anything else is [ErrMalformed].
//
// A missing class is not refused: only length and alphabet may be answered
// before a try is counted, and whoever types an impossible passcode spends one.
func ParsePasscode(s string) (Secret, error) {
	s = strings.Trim(s, asciiSpace)
	if len(s) != PasscodeLength {
		return Secret{}, ErrMalformed
	}
	for i := range len(s) {
		if digit, lower, upper := classOf(s[i]); !digit && !lower && !upper {
			return Secret{}, ErrMalformed
		}
	}
	return SecretString(s), nil
}

// hasPasscodeClasses reports whether text has a digit, a lower-case and an
// upper-case letter.
func hasPasscodeClasses(text []byte) bool {
	var digits, lowers, uppers bool
	for _, c := range text {
		digit, lower, upper := classOf(c)
		digits, lowers, uppers = digits || digit, lowers || lower, uppers || upper
	}
	return digits && lowers && uppers
}

func classOf(c byte) (digit, lower, upper bool) {
	return '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z'
}

// passcodeSpace returns how many passcodes [NewPasscode] can return: all texts,
// less those without a class, with those without two of them put back.
func passcodeSpace() float64 {
	texts := func(symbols float64) float64 { return math.Pow(symbols, PasscodeLength) }
	const digits, letters = 10, 26 // letters of one case
	return texts(digits+2*letters) -
		texts(2*letters) - 2*texts(digits+letters) +
		2*texts(letters) + texts(digits)
}
