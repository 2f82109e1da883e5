package authority_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const year = 365 * 24 * time.Hour

// world is a database with a clock and a key ring.
type world struct {
	testing.TB
	name  string
	db    *database.DB
	ring  *credentials.Keyring
	later atomic.Int64 // what the clock is ahead
}

func newWorld(t *testing.T, name string) *world {
	t.Helper()
	return &world{TB: t, name: name, db: databasetest.Open(t, name), ring: newRing(t, 1)}
}

func newRing(t testing.TB, id uint32) *credentials.Keyring {
	t.Helper()
	key, err := credentials.NewKey(id, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	return ring
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.later.Load())) }

// node opens the authority as another process does.
func (w *world) node(name string) *authority.Authority {
	w.Helper()
	a, err := authority.Open(w.Context(), w.db, name, func() *credentials.Keyring { return w.ring }, w.now)
	require.NoError(w, err)
	return a
}

func (w *world) rotate() int64 {
	w.Helper()
	n, err := authority.Rotate(w.Context(), w.db, authority.Apple, w.ring, w.now())
	require.NoError(w, err)
	return n
}

var ann = authority.Holder{Site: "acme", Enrollment: "e1", Invitation: "inv_1"}

func request(h authority.Holder) authority.Request {
	return authority.Request{Holder: h, Public: newKey().Public(), Life: year}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// issue gives ann a certificate.
func (w *world) issue(a *authority.Authority) *x509.Certificate {
	w.Helper()
	cert, err := a.Issue(w.Context(), request(ann))
	require.NoError(w, err)
	return cert
}

func (w *world) count(query string, args ...any) (n int) {
	w.Helper()
	require.NoError(w, w.db.Row(context.WithoutCancel(w.Context()), query, args, &n))
	return n
}
