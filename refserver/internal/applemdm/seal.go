package applemdm

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"example.com/enrollkit/credentials"
)

// purpose separates these keys from every other use of the ring.
const purpose = credentials.Purpose("refserver-apple")

// seal encrypts a text for its place under the ring's current key. Unlock tokens
// and certificate keys are larger than what Keyring.Seal takes.
func seal(ring *credentials.Keyring, plain []byte, place ...string) (key int64, sealed []byte, err error) {
	aead, err := cipherFor(ring, ring.Current(), place)
	if err != nil {
		return 0, nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // it does not fail
	return int64(ring.Current()), aead.Seal(nonce, nonce, plain, nil), nil
}

// open decrypts what seal wrote for the same place.
func open(ring *credentials.Keyring, key int64, sealed []byte, place ...string) ([]byte, error) {
	aead, err := cipherFor(ring, uint32(key), place)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("applemdm: a sealed text is too short")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return nil, errors.New("applemdm: a sealed text was changed")
	}
	return plain, nil
}

func cipherFor(ring *credentials.Keyring, key uint32, place []string) (cipher.AEAD, error) {
	parts := make([][]byte, len(place))
	for i, p := range place {
		parts[i] = []byte(p)
	}
	derived, err := ring.Derive(key, purpose, parts...)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(derived[:])
}
