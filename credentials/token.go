package credentials

import (
	"encoding/base64"
	"fmt"
	"io"
)

const (
	// TokenBytes is the entropy of a token: 256 bits, beyond any guessing, which
	// is why tokens are never throttled (RFC 6749 §10.10 asks for 160).
	TokenBytes = 32

	// TokenLength is the length of a token in characters: TokenBytes in base64url
	// without padding (RFC 4648 §5).
	TokenLength = 43
)

// tokenEncoding is strict: without it the two spare bits of the last character
// could be set freely and one token would have four spellings.
func tokenEncoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// NewToken returns a fresh token: TokenBytes bytes of rand as [TokenLength]
// characters of base64url. rand is normally crypto/rand.Reader; its error is
// returned wrapped, and there is no weaker way.
func NewToken(rand io.Reader) (Secret, error) {
	// One allocation: the box, the text and the raw bytes in one object.
	t := new(struct {
		box
		text [TokenLength]byte
		raw  [TokenBytes]byte
	})
	if _, err := io.ReadFull(rand, t.raw[:]); err != nil {
		return Secret{}, fmt.Errorf("credentials: read randomness: %w", err)
	}
	base64.RawURLEncoding.Encode(t.text[:], t.raw[:])
	clear(t.raw[:])
	return t.secret(t.text[:]), nil
}

// ParseToken reads a token as a client sent it. It accepts exactly one spelling
// of each token: [TokenLength] characters of base64url, no padding, no space,
// spare bits zero. Anything else is [ErrMalformed].
func ParseToken(s string) (Secret, error) {
	if !isToken(s) {
		return Secret{}, ErrMalformed
	}
	return SecretString(s), nil
}

// isToken reports whether s is the canonical spelling of a token.
func isToken[T ~string | ~[]byte](s T) bool {
	if len(s) != TokenLength {
		return false
	}
	var text [TokenLength]byte
	var raw [TokenBytes]byte
	copy(text[:], s)
	// The decoder skips CR and LF, hence the check of the decoded length.
	n, err := tokenEncoding().Decode(raw[:], text[:])
	return err == nil && n == TokenBytes
}
