package credentials

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
)

// packVersion starts every packed Set.
const packVersion = 1

// setSize is the longest packed Set in bytes: version, two lengths, two secrets.
// With the padding's prefix it stays within one size class, PIN or not.
const setSize = 3 + TokenLength + MaxPINDigits

// Set is what one invitation carries. Its secrets are made and sealed together,
// since they are shown together. A zero Secret is a credential the invitation
// does not have: a burnt PIN, a PIN switched off.
type Set struct {
	Token Secret // in the link and the QR code
	PIN   Secret // typed together with the e-mail address
}

// NewSet returns a fresh token and a fresh PIN of that many digits, as
// [NewToken] and [NewPIN] do, with one allocation for both.
func NewSet(rand io.Reader, digits int) (Set, error) {
	if digits < MinPINDigits || digits > MaxPINDigits {
		return Set{}, fmt.Errorf("%w: a PIN has %d to %d digits", ErrMalformed, MinPINDigits, MaxPINDigits)
	}
	s := new(struct {
		token, pin box
		text       [TokenLength]byte
		digits     [MaxPINDigits]byte
		raw        [TokenBytes + 8]byte
	})
	for {
		// Both in one read; a PIN is redrawn less than once in ten million times.
		if _, err := io.ReadFull(rand, s.raw[:]); err != nil {
			return Set{}, fmt.Errorf("credentials: read randomness: %w", err)
		}
		if drawPIN(s.digits[:digits], binary.BigEndian.Uint64(s.raw[TokenBytes:])) {
			break
		}
	}
	base64.RawURLEncoding.Encode(s.text[:], s.raw[:TokenBytes])
	clear(s.raw[:])
	return Set{Token: s.token.secret(s.text[:]), PIN: s.pin.secret(s.digits[:digits])}, nil
}

// Pack returns the set as one Secret, for [Keyring.Seal]. The zero Set packs to
// the zero Secret.
func (s Set) Pack() Secret {
	if s.Token.IsZero() && s.PIN.IsZero() {
		return Secret{}
	}
	var buf [setSize]byte
	defer clear(buf[:])
	return NewSecret(s.append(buf[:0]))
}

// append appends the packed set.
func (s Set) append(dst []byte) []byte {
	dst = append(dst, packVersion, byte(len(s.Token.bytes())))
	dst = append(dst, s.Token.bytes()...)
	dst = append(dst, byte(len(s.PIN.bytes())))
	return append(dst, s.PIN.bytes()...)
}

// UnpackSet reads what [Set.Pack] returned. Anything else, an empty set and a
// secret of the wrong shape included, is [ErrMalformed].
func UnpackSet(packed Secret) (Set, error) {
	b := packed.bytes()
	if len(b) < 3 || b[0] != packVersion {
		return Set{}, fmt.Errorf("%w: packed set", ErrMalformed)
	}
	token, rest, ok := cutCounted(b[1:])
	if !ok || len(token) > 0 && !isToken(token) {
		return Set{}, fmt.Errorf("%w: packed set", ErrMalformed)
	}
	pin, rest, ok := cutCounted(rest)
	if !ok || len(rest) > 0 || len(pin) > 0 && !isPIN(pin) || len(token)+len(pin) == 0 {
		return Set{}, fmt.Errorf("%w: packed set", ErrMalformed)
	}
	return Set{Token: NewSecret(token), PIN: NewSecret(pin)}, nil
}

// SealSet is [Keyring.Seal] of the packed set, without the copy between. A
// secret of the wrong shape, or none at all, is [ErrMalformed].
func (k *Keyring) SealSet(rand io.Reader, a AAD, set Set) ([]byte, error) {
	token, pin := set.Token.bytes(), set.PIN.bytes()
	if len(token) > 0 && !isToken(token) || len(pin) > 0 && !isPIN(pin) || len(token)+len(pin) == 0 {
		return nil, fmt.Errorf("%w: set", ErrMalformed)
	}
	s := k.r.sites.scratch()
	defer k.r.sites.release(s)
	s.text = set.append(s.text)
	return k.seal(rand, a, s)
}

// OpenSet is [Keyring.Open] and [UnpackSet].
func (k *Keyring) OpenSet(a AAD, envelope []byte) (Set, error) {
	packed, err := k.Open(a, envelope)
	if err != nil {
		return Set{}, err
	}
	return UnpackSet(packed)
}

// cutCounted splits off the field at the start of b, which has its length before
// it.
func cutCounted(b []byte) (field, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	n := int(b[0])
	return b[1 : 1+n], b[1+n:], true
}
