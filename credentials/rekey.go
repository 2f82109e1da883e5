package credentials

import (
	"crypto/subtle"
	"fmt"
	"io"
)

// rekeyed is the length of a nonce that carries a token over to another key: a
// fresh nonce, and the token's bytes under a pad that only the new key can make.
const rekeyed = MinNonceBytes + TokenBytes

// RekeyDeviceToken moves a device's token to the ring's current key without
// changing it, so that the key it was derived from can go while the device goes
// on with what it has. It returns the key id and the nonce to store in the row
// in place of keyID and nonce; [DeviceToken] gives the same token from them. A
// token that is at the current key already keeps its nonce.
//
// The new nonce is no more of a secret than the old one: a thief of the database
// learns nothing from it without the key. Errors are those of DeviceToken and of
// rand.
func RekeyDeviceToken(
	ring *Keyring, keyID uint32, site, device string, generation int, nonce []byte, rand io.Reader,
) (newID uint32, newNonce []byte, err error) {
	if keyID == ring.Current() {
		return keyID, nonce, nil
	}
	token, err := ring.deviceToken(keyID, site, device, generation, nonce)
	if err != nil {
		return 0, nil, err
	}
	defer clear(token[:])
	newNonce = make([]byte, rekeyed)
	fresh, carried := newNonce[:MinNonceBytes], newNonce[MinNonceBytes:]
	if _, err := io.ReadFull(rand, fresh); err != nil {
		return 0, nil, fmt.Errorf("credentials: read randomness: %w", err)
	}
	pad, err := ring.pad(ring.Current(), site, device, generation, fresh)
	if err != nil {
		return 0, nil, err
	}
	defer clear(pad[:])
	subtle.XORBytes(carried, token[:], pad[:])
	return ring.Current(), newNonce, nil
}

// deviceToken is the bytes of a device's token.
func (k *Keyring) deviceToken(keyID uint32, site, device string, generation int, nonce []byte) (raw [KeyBytes]byte, err error) {
	switch {
	case len(nonce) == rekeyed:
		if raw, err = k.pad(keyID, site, device, generation, nonce[:MinNonceBytes]); err == nil {
			subtle.XORBytes(raw[:], raw[:], nonce[MinNonceBytes:])
		}
		return raw, err
	case len(nonce) > MaxNonceBytes:
		return raw, fmt.Errorf("%w: nonce of %d bytes, want at most %d", ErrMalformed, len(nonce), MaxNonceBytes)
	}
	return k.reproduce(keyID, PurposeDevice, site, device, generation, nonce)
}

// pad hides one token that was derived from another key. One part more than a
// token has keeps the two apart.
func (k *Keyring) pad(keyID uint32, site, device string, generation int, nonce []byte) ([KeyBytes]byte, error) {
	return k.derived(keyID, PurposeDevice, site, device, generation, nonce, "rekeyed")
}
