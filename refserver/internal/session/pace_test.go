package session

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

func newPace(t *testing.T, store enrollment.Storage, ring *credentials.Keyring) func(ip string, now time.Time, failures int) time.Duration {
	t.Helper()
	p := NewPace(store, func() *credentials.Keyring { return ring })
	return func(ip string, now time.Time, failures int) time.Duration {
		t.Helper()
		source := netip.MustParseAddr(ip)
		for range failures {
			wait, err := p.Wait(t.Context(), source, now)
			require.NoError(t, err)
			require.Zero(t, wait)
			require.NoError(t, p.Failed(t.Context(), source, now))
		}
		wait, err := p.Wait(t.Context(), source, now)
		require.NoError(t, err)
		return wait
	}
}

func newRing(t *testing.T) *credentials.Keyring {
	t.Helper()
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	return ring
}

func TestASourceWaitsAfterTenFailures(t *testing.T) {
	wait := newPace(t, memstore.New(), newRing(t))
	now := time.Unix(1000, 0)
	assert.Equal(t, failureWindow, wait("192.0.2.1", now, maxFailures))
	assert.Zero(t, wait("192.0.2.2", now, 0), "others go on")
	assert.Zero(t, wait("192.0.2.1", now.Add(failureWindow), 0))
}

func TestANetworkIsOneSource(t *testing.T) {
	wait := newPace(t, memstore.New(), newRing(t))
	now := time.Unix(1000, 0)
	wait("2001::1", now, maxFailures)
	assert.NotZero(t, wait("2001::ffff", now, 0))
	assert.Zero(t, wait("2001:0:0:1::1", now, 0))
}

func TestNodesCountASourceTogetherAlsoAcrossARotation(t *testing.T) {
	store, ring := memstore.New(), newRing(t)
	rotated, err := ring.Rotate(rand.Reader)
	require.NoError(t, err)
	now := time.Unix(1000, 0)
	newPace(t, store, ring)("192.0.2.1", now, maxFailures/2)
	assert.Equal(t, failureWindow, newPace(t, store, rotated)("192.0.2.1", now, maxFailures-maxFailures/2))
}
