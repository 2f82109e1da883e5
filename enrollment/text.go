package enrollment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the greatest length, in bytes, of a name or another short text
// that comes from outside.
const maxText = 256

// plainText reports whether a text from outside is short, valid and free of
// control characters, NUL included.
func plainText(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// trimAddress takes away the white space around an address: what is stored is
// what goes into a mail's header.
func trimAddress(s string) string { return strings.Trim(s, " \t\r\n") }
