package credentials

import "strings"

// Lengths of an e-mail address in octets (RFC 5321 §4.5.3.1, RFC 3696 erratum
// 1690) and of a DNS label (RFC 1035 §2.3.4).
const (
	maxEmail = 254
	maxLocal = 64
	maxLabel = 63
)

// CanonicalEmail returns the one spelling under which an e-mail address is
// looked up and its tries are counted. Mail always goes to the stored address,
// never to this one.
//
// It trims ASCII white space around, then accepts a strict ASCII addr-spec: a
// dot-atom of at most 64 octets, an at sign, and a domain of at least two LDH
// labels, at most 254 octets in all. There is no quoted local part, comment,
// display name, IP address or trailing dot. A to Z become a to z in both parts,
// bytewise: Unicode case mapping would fold U+212A to k and U+0130 to i and let
// two people share one key. Tags ("+x") and dots stay, since only the receiving
// system knows what they mean. A non-ASCII domain has to come as punycode.
//
// Anything else is [ErrMalformed]. The function is idempotent, and does not
// allocate when s is canonical already.
func CanonicalEmail(s string) (string, error) {
	s = strings.Trim(s, " \t\r\n")
	if len(s) > maxEmail {
		return "", ErrMalformed
	}
	// An at sign is not an atom character, so a second one fails below.
	local, domain, ok := strings.Cut(s, "@")
	if !ok || !isDotAtom(local) || !isHostname(domain) {
		return "", ErrMalformed
	}
	// Only ASCII is left, where ToLower is bytewise.
	return strings.ToLower(s), nil
}

// isDotAtom reports whether s is a dot-atom (RFC 5322 §3.2.3) of 1 to 64 octets.
func isDotAtom(s string) bool {
	if s == "" || len(s) > maxLocal {
		return false
	}
	dot := true // a dot may neither lead nor follow a dot
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if dot {
				return false
			}
			dot = true
		case isAlphanumeric(c), strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
			dot = false
		default:
			return false
		}
	}
	return !dot
}

// isHostname reports whether s is two or more LDH labels (RFC 5890 §2.3.1) and
// not an IPv4 address: a top-level label is never all digits (RFC 3696 §2).
func isHostname(s string) bool {
	labels, numeric := 0, false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		numeric = true
		for i := range len(label) {
			c := label[i]
			if !isAlphanumeric(c) && c != '-' {
				return false
			}
			numeric = numeric && '0' <= c && c <= '9'
		}
		labels++
	}
	return labels >= 2 && !numeric
}

// isAlphanumeric reports whether c is an ASCII letter or digit.
func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
