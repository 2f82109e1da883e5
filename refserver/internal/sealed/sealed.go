// Package sealed encrypts what the reference server keeps of its own and what is
// larger than credentials.Keyring.Seal takes: keys of certificates, tokens that open
// something on a device.
package sealed

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"example.com/enrollkit/credentials"
)

// ErrChanged says that a text was changed, or moved from the place it was sealed
// for.
var ErrChanged = errors.New("sealed: a text was changed")

// Seal encrypts a text for its place under the ring's current key, whose id it
// returns.
func Seal(ring *credentials.Keyring, purpose credentials.Purpose, plain []byte, place ...string) (key int64, text []byte, err error) {
	aead, err := cipherFor(ring, ring.Current(), purpose, place)
	if err != nil {
		return 0, nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // it does not fail
	return int64(ring.Current()), aead.Seal(nonce, nonce, plain, nil), nil
}

// Open decrypts what Seal wrote for the same purpose and place. It returns an error
// wrapping credentials.ErrUnknownKey if the ring lacks the key, and [ErrChanged].
func Open(ring *credentials.Keyring, purpose credentials.Purpose, key int64, text []byte, place ...string) ([]byte, error) {
	aead, err := cipherFor(ring, uint32(key), purpose, place)
	if err != nil {
		return nil, err
	}
	if len(text) < aead.NonceSize() {
		return nil, ErrChanged
	}
	plain, err := aead.Open(nil, text[:aead.NonceSize()], text[aead.NonceSize():], nil)
	if err != nil {
		return nil, ErrChanged
	}
	return plain, nil
}

func cipherFor(ring *credentials.Keyring, key uint32, purpose credentials.Purpose, place []string) (cipher.AEAD, error) {
	parts := make([][]byte, len(place))
	for i, p := range place {
		parts[i] = []byte(p)
	}
	derived, err := ring.Derive(key, purpose, parts...)
	if err != nil {
		return nil, fmt.Errorf("sealed with key %d: %w", key, err)
	}
	return chacha20poly1305.NewX(derived[:])
}
