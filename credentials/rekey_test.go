package credentials_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestADeviceTokenOutlivesTheKeyItWasDerivedFrom(t *testing.T) {
	ring := newRing(t, 1)
	id, nonce := uint32(1), bytes.Repeat([]byte{7}, credentials.MinNonceBytes)
	token := func(r *credentials.Keyring) credentials.Secret {
		t.Helper()
		got, err := credentials.DeviceToken(r, id, "site", "dev", 3, nonce)
		require.NoError(t, err)
		return got
	}
	want := token(ring)
	for round := range 3 {
		next, err := ring.Rotate(fixed(byte(20 + round)))
		require.NoError(t, err)
		newID, newNonce, err := credentials.RekeyDeviceToken(next, id, "site", "dev", 3, nonce, fixed(byte(40+round)))
		require.NoError(t, err)
		require.Equal(t, next.Current(), newID)
		id, nonce = newID, newNonce
		require.True(t, want.Equal(token(next)))
		ring, err = next.Without(ring.Current())
		require.NoError(t, err)
		require.True(t, want.Equal(token(ring)), "the old key is gone")
		require.True(t, want.Equal(token(ring.Public())), "on the public plane too")
		require.NotContains(t, string(nonce), want.Reveal())

		sameID, same, err := credentials.RekeyDeviceToken(ring, id, "site", "dev", 3, nonce, brokenReader{})
		require.NoError(t, err)
		require.Equal(t, id, sameID)
		require.Equal(t, nonce, same, "a token at the current key stays where it is")
	}
}

func TestACarriedTokenIsBoundToItsRow(t *testing.T) {
	ring := newRing(t, 2)
	id, nonce, err := credentials.RekeyDeviceToken(ring, 1, "s", "d", 1, make([]byte, 16), fixed(3))
	require.NoError(t, err)
	want, err := credentials.DeviceToken(ring, id, "s", "d", 1, nonce)
	require.NoError(t, err)
	for what, get := range map[string]func() (credentials.Secret, error){
		"site":       func() (credentials.Secret, error) { return credentials.DeviceToken(ring, id, "t", "d", 1, nonce) },
		"device":     func() (credentials.Secret, error) { return credentials.DeviceToken(ring, id, "s", "e", 1, nonce) },
		"generation": func() (credentials.Secret, error) { return credentials.DeviceToken(ring, id, "s", "d", 2, nonce) },
		"key":        func() (credentials.Secret, error) { return credentials.DeviceToken(ring, 1, "s", "d", 1, nonce) },
		"a plain nonce of the same beginning": func() (credentials.Secret, error) {
			return credentials.DeviceToken(ring, id, "s", "d", 1, nonce[:16])
		},
	} {
		got, err := get()
		require.NoError(t, err, what)
		require.False(t, want.Equal(got), "another %s", what)
	}
	again, other, err := credentials.RekeyDeviceToken(ring, 1, "s", "d", 1, make([]byte, 16), fixed(4))
	require.NoError(t, err)
	require.Equal(t, id, again)
	require.NotEqual(t, nonce[16:], other[16:], "each time under another pad")
}

func TestATokenThatCannotBeMadeCannotBeCarried(t *testing.T) {
	ring := newRing(t, 2)
	for what, c := range map[string]struct {
		id    uint32
		nonce []byte
		err   error
	}{
		"unknown key": {9, make([]byte, 16), credentials.ErrUnknownKey},
		"short nonce": {1, make([]byte, 15), credentials.ErrMalformed},
		"long nonce":  {1, make([]byte, 33), credentials.ErrMalformed},
		"longer":      {1, make([]byte, 49), credentials.ErrMalformed},
	} {
		_, _, err := credentials.RekeyDeviceToken(ring, c.id, "s", "d", 1, c.nonce, fixed(1))
		require.ErrorIs(t, err, c.err, what)
	}
	_, _, err := credentials.RekeyDeviceToken(ring, 1, "s", "d", 1, make([]byte, 16), brokenReader{})
	require.Error(t, err)
}
