package android

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Checksum is a SHA-256: of the certificate that signs a program (DER), or of the
// program's file. The zero value is none.
type Checksum [sha256.Size]byte

// ErrChecksum refuses what is not the text of 32 bytes. Devices take a checksum of
// another length without a word, and then refuse the program.
var ErrChecksum = errors.New("android: a checksum is 32 bytes, as hex digits or in URL-safe base64")

// ParseChecksum reads the spellings in use: 64 hex digits, with a colon between
// each two or without, as keytool and apksigner print them, and URL-safe base64
// with or without padding, as it stands in a provisioning code. Standard base64,
// with + and /, is refused, as devices do.
func ParseChecksum(s string) (Checksum, error) {
	var raw []byte
	var err error
	switch len(s) {
	case 3*sha256.Size - 1:
		for i := 2; i < len(s); i += 3 {
			if s[i] != ':' {
				return Checksum{}, ErrChecksum
			}
		}
		raw, err = hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	case 2 * sha256.Size:
		raw, err = hex.DecodeString(s)
	default:
		if strings.ContainsAny(s, "\r\n") { // which encoding/base64 skips
			return Checksum{}, ErrChecksum
		}
		raw, err = base64.RawURLEncoding.Strict().DecodeString(strings.TrimSuffix(s, "="))
	}
	if err != nil || len(raw) != sha256.Size {
		return Checksum{}, ErrChecksum
	}
	return Checksum(raw), nil
}

// IsZero reports whether c is none.
func (c Checksum) IsZero() bool { return c == Checksum{} }

// String is the spelling of provisioning codes: URL-safe base64, not padded.
func (c Checksum) String() string { return base64.RawURLEncoding.EncodeToString(c[:]) }

// Fingerprint is the spelling of assetlinks.json: upper-case hex digits with a
// colon between each two.
func (c Checksum) Fingerprint() string {
	var b strings.Builder
	for i, x := range strings.ToUpper(hex.EncodeToString(c[:])) {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteRune(x)
	}
	return b.String()
}
