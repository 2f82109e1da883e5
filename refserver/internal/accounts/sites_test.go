package accounts

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// openAccounts returns empty tables.
func openAccounts(t *testing.T) *Accounts {
	t.Helper()
	db := databasetest.Open(t, databasetest.SQLite(t))
	a, err := Open(t.Context(), db, &url.URL{Scheme: "http", Host: "127.0.0.1"})
	require.NoError(t, err)
	return a
}

func site(t *testing.T, a *Accounts, email string, p Policy) string {
	t.Helper()
	s, _, err := a.CreateSite(t.Context(), Settings{Name: "Some", Policy: p}, email, MintToken(Minted))
	require.NoError(t, err)
	return s.ID
}

func TestASiteHasTheHostToItselfUntilThereIsAnother(t *testing.T) {
	a := openAccounts(t)
	one := site(t, a, "one@example.com", Policy{})
	s, err := a.Site(t.Context(), one)
	require.NoError(t, err)
	assert.True(t, s.SoleHost)
	host, err := a.Host(t.Context(), "")
	require.NoError(t, err)
	assert.True(t, host.SoleHost)
	assert.Equal(t, one, host.ID)

	two := site(t, a, "two@example.com", Policy{})
	for _, id := range []string{one, two} {
		s, err := a.Site(t.Context(), id)
		require.NoError(t, err)
		assert.False(t, s.SoleHost)
	}
	host, err = a.Host(t.Context(), "")
	require.NoError(t, err)
	assert.False(t, host.SoleHost)
}

func TestAHostHasTheLoosestPacesOfItsSitesAndNobodysBudgets(t *testing.T) {
	a := openAccounts(t)
	n := func(v int) *int { return &v }
	site(t, a, "one@example.com", Policy{PasscodePace: n(7), PasscodePaceSeconds: n(600), GlobalPace: n(20), OneTimePace: n(3), PasscodeLock: n(50)})
	site(t, a, "two@example.com", Policy{PasscodePace: n(6), PasscodePaceSeconds: n(300), GlobalPace: n(80), OneTimePace: n(0), PasscodeLock: n(500)})
	host, err := a.Host(t.Context(), "")
	require.NoError(t, err)
	p := host.Policy.Credentials
	assert.Equal(t, 7, p.PasscodePace)
	assert.Equal(t, 5*time.Minute, p.PasscodePaceWindow)
	assert.Equal(t, 80, p.GlobalPace)
	assert.Equal(t, credentials.Off, p.OneTimePace)
	assert.Equal(t, 50, p.PasscodeLock, "the first site's, and not used")
	require.NoError(t, p.Validate())
}
