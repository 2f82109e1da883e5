package credentials

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	// MinNonceBytes is the shortest nonce from which secrets are derived. The
	// nonce is kept in the row and is no secret; it makes each secret its own.
	MinNonceBytes = 16

	// MaxNonceBytes is the longest nonce of [DeviceToken], but for those that
	// [RekeyDeviceToken] makes, which are longer.
	MaxNonceBytes = 32

	// OneTimePasswordLength is the length of a one-time password in characters of
	// five bits: 80 bits.
	OneTimePasswordLength = 16

	// crockford is the alphabet of Crockford's base32: no I, L, O and U.
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// DeviceToken returns the token of a device: the same for the same arguments, so
// that a lost answer can be repeated without storing the secret, and unrelated
// for any other, so that a new generation ends the old token. It has the shape
// of an invitation's token; [ParseToken] reads it.
//
// keyID is the key noted in the row; nonce its [MinNonceBytes] to
// [MaxNonceBytes] random bytes, or what [RekeyDeviceToken] made of them. A ring
// without that key gives [ErrUnknownKey], a nonce of another length
// [ErrMalformed].
func DeviceToken(ring *Keyring, keyID uint32, site, device string, generation int, nonce []byte) (Secret, error) {
	raw, err := ring.deviceToken(keyID, site, device, generation, nonce)
	if err != nil {
		return Secret{}, err
	}
	defer clear(raw[:])
	var text [TokenLength]byte
	base64.RawURLEncoding.Encode(text[:], raw[:])
	return NewSecret(text[:]), nil
}

// OneTimePassword returns the one-time password of a self-service login, or of an
// invitation, as [DeviceToken] does for a device: [OneTimePasswordLength] characters of
// Crockford's base32, upper case. [ParseOneTimePassword] reads it.
func OneTimePassword(ring *Keyring, keyID uint32, site, owner string, generation int, nonce []byte) (Secret, error) {
	raw, err := ring.reproduce(keyID, PurposeOneTime, site, owner, generation, nonce)
	if err != nil {
		return Secret{}, err
	}
	var text [OneTimePasswordLength]byte
	// Five bytes are eight characters, and the password is two such groups.
	for i := range text {
		group := raw[i/8*5:]
		bits := uint64(group[0])<<32 | uint64(binary.BigEndian.Uint32(group[1:]))
		text[i] = crockford[bits>>(35-5*(i%8))&31]
	}
	return NewSecret(text[:]), nil
}

// ParseOneTimePassword reads a one-time password as a person typed it: any case,
// spaces and dashes ignored, O read as 0, I and L as 1 (Crockford's rules).
// Anything else is [ErrMalformed]; the result is as [OneTimePassword] wrote it.
func ParseOneTimePassword(s string) (Secret, error) {
	if len(s) > 4*OneTimePasswordLength {
		return Secret{}, ErrMalformed
	}
	var text [OneTimePasswordLength]byte
	n := 0
	for i := range len(s) {
		if s[i] == ' ' || s[i] == '-' {
			continue
		}
		c, ok := crockfordSymbol(s[i])
		if n == len(text) || !ok {
			return Secret{}, ErrMalformed
		}
		text[n] = c
		n++
	}
	if n != len(text) {
		return Secret{}, ErrMalformed
	}
	return NewSecret(text[:]), nil
}

// GroupOneTimePassword returns a one-time password in groups of four, as people
// read and type it: "ABCD-EFGH-JKMN-PQRS". [ParseOneTimePassword] reads the
// result back. A string that is not a bare one-time password is returned as it
// is.
func GroupOneTimePassword(password string) string {
	if len(password) != OneTimePasswordLength {
		return password
	}
	var out [OneTimePasswordLength + 3]byte
	dst := out[:0]
	for i := range len(password) {
		if strings.IndexByte(crockford, password[i]) < 0 {
			return password
		}
		if i > 0 && i%4 == 0 {
			dst = append(dst, '-')
		}
		dst = append(dst, password[i])
	}
	return string(dst)
}

// crockfordSymbol reads one character by Crockford's rules: any case, O as 0, I
// and L as 1. It reports false for what is no symbol, such as U.
func crockfordSymbol(c byte) (byte, bool) {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	switch c {
	case 'O':
		c = '0'
	case 'I', 'L':
		c = '1'
	}
	return c, strings.IndexByte(crockford, c) >= 0
}

// reproduce derives the raw bytes of one secret of one row.
func (k *Keyring) reproduce(
	keyID uint32, p Purpose, site, owner string, generation int, nonce []byte,
) (raw [KeyBytes]byte, err error) {
	if len(nonce) < MinNonceBytes {
		return raw, fmt.Errorf("%w: nonce of %d bytes, want at least %d", ErrMalformed, len(nonce), MinNonceBytes)
	}
	return k.derived(keyID, p, site, owner, generation, nonce)
}

// derived sums what a row says and further parts, if any.
func (k *Keyring) derived(
	keyID uint32, p Purpose, site, owner string, generation int, nonce []byte, more ...string,
) (raw [KeyBytes]byte, err error) {
	key, err := k.find(keyID)
	if err != nil {
		return raw, err
	}
	var gen [8]byte
	binary.BigEndian.PutUint64(gen[:], uint64(generation))
	h := key.derive(p).get()
	addPart(h, site)
	addPart(h, owner)
	addPart(h, gen[:])
	addPart(h, nonce)
	addParts(h, more)
	return h.sum(), nil
}
