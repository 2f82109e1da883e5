package sealed_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/sealed"
)

func newRing(t *testing.T, id uint32) *credentials.Keyring {
	t.Helper()
	key, err := credentials.NewKey(id, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	return ring
}

func TestWhatIsSealedOpensInItsPlaceWithItsKeyAlone(t *testing.T) {
	ring := newRing(t, 3)
	key, text, err := sealed.Seal(ring, "a", []byte("secret"), "row", "1")
	require.NoError(t, err)
	assert.EqualValues(t, 3, key)
	assert.NotContains(t, string(text), "secret")
	plain, err := sealed.Open(ring, "a", key, text, "row", "1")
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))

	for name, open := range map[string]func() error{
		"another place":   func() error { _, err := sealed.Open(ring, "a", key, text, "row", "2"); return err },
		"places together": func() error { _, err := sealed.Open(ring, "a", key, text, "row1"); return err },
		"another purpose": func() error { _, err := sealed.Open(ring, "b", key, text, "row", "1"); return err },
		"changed": func() error {
			_, err := sealed.Open(ring, "a", key, append([]byte{text[0] ^ 1}, text[1:]...), "row", "1")
			return err
		},
		"cut":         func() error { _, err := sealed.Open(ring, "a", key, text[:10], "row", "1"); return err },
		"another key": func() error { _, err := sealed.Open(newRing(t, 3), "a", key, text, "row", "1"); return err },
	} {
		require.ErrorIs(t, open(), sealed.ErrChanged, name)
	}
	_, err = sealed.Open(newRing(t, 4), "a", key, text, "row", "1")
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	require.ErrorContains(t, err, "key 3")
}
