package windowsmdm

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestTheListenersCertificateIsRenewedByItself(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		key, err := credentials.NewKey(1, rand.Reader)
		require.NoError(t, err)
		ring, err := credentials.NewKeyring(key)
		require.NoError(t, err)
		now := time.Now()
		clock := func() time.Time { return now }
		a, err := authority.Open(t.Context(), db, authority.Windows, func() *credentials.Keyring { return ring }, clock)
		require.NoError(t, err)
		var log strings.Builder
		own := &ownCertificate{authority: a, name: "mdm.example.com", now: clock, log: slog.New(slog.NewTextHandler(&log, nil))}
		get := func(ctx context.Context) *tls.Certificate {
			t.Helper()
			cert, err := own.get(ctx)
			require.NoError(t, err)
			require.NoError(t, cert.Leaf.VerifyHostname("mdm.example.com"))
			return cert
		}
		first := get(t.Context())
		assert.Same(t, first, get(t.Context()))
		now = now.Add(59 * 24 * time.Hour)
		assert.Same(t, first, get(t.Context()))
		now = now.Add(2 * 24 * time.Hour)
		second := get(t.Context())
		assert.NotSame(t, first, second, "after two thirds of its life")
		assert.True(t, second.Leaf.NotAfter.After(now.Add(80*24*time.Hour)))
		assert.True(t, first.Leaf.NotAfter.After(now), "the one before would still have been good")

		_, err = authority.Rotate(t.Context(), db, authority.Windows, ring, now)
		require.NoError(t, err)
		third := get(t.Context())
		assert.NotSame(t, second, third, "the authority has a new root")
		assert.Len(t, third.Certificate, 2, "and the root before says so")

		over, cancel := context.WithCancel(t.Context())
		cancel()
		now = now.Add(61 * 24 * time.Hour)
		assert.Same(t, third, get(over), "while the database is away, the one there is")
		assert.Contains(t, log.String(), "could not be looked at")
		assert.NotSame(t, third, get(t.Context()))
	})
}

func TestAListenerWithoutACertificateSaysWhy(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	late := time.Now()
	a, err := authority.Open(t.Context(), db, authority.Windows, func() *credentials.Keyring { return ring }, func() time.Time { return late })
	require.NoError(t, err)
	late = late.Add(21 * 365 * 24 * time.Hour)
	own := &ownCertificate{authority: a, name: "127.0.0.1", now: func() time.Time { return late }, log: slog.New(slog.DiscardHandler)}
	_, err = own.get(t.Context())
	assert.ErrorIs(t, err, authority.ErrAuthorityExpired)
}
