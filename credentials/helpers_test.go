package credentials_test

import (
	"encoding/base64"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

// fixed returns randomness that is the same in every run.
func fixed(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// newRing returns a ring of the keys 1 to n, the last being current.
func newRing(t testing.TB, n int) *credentials.Keyring {
	t.Helper()
	key, err := credentials.NewKey(1, fixed(1))
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	for i := 1; i < n; i++ {
		ring, err = ring.Rotate(fixed(byte(1 + i)))
		require.NoError(t, err)
	}
	return ring
}

// at is a time that many minutes after an arbitrary one.
func at(minutes float64) time.Time {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return start.Add(time.Duration(minutes * float64(time.Minute)))
}

// brokenReader has no randomness left.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// decodeRaw decodes base64url without padding.
func decodeRaw(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
