package authority_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/sealed"
)

func TestNodesThatOpenAtOnceHaveOneAuthority(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		var nodes [4]*authority.Authority
		var at sync.WaitGroup
		for i := range nodes {
			at.Go(func() { nodes[i] = w.node(authority.Apple) })
		}
		at.Wait()
		require.False(t, t.Failed())
		for _, n := range nodes {
			assert.Equal(t, nodes[0].First().Raw, n.First().Raw)
		}
		cert := w.issue(nodes[1])
		holder, err := nodes[2].Holder(t.Context(), cert)
		require.NoError(t, err)
		assert.Equal(t, ann, holder)

		var deputies [4]authority.Deputy
		for i := range nodes {
			at.Go(func() {
				var err error
				deputies[i], err = nodes[i].Deputy(t.Context(), authority.Registration)
				assert.NoError(t, err)
			})
		}
		at.Wait()
		require.False(t, t.Failed())
		for _, d := range deputies {
			assert.True(t, deputies[0].Key.Equal(d.Key), "what one encrypts to, another reads")
		}
		assert.Equal(t, 2, w.count(`SELECT count(*) FROM ref_authorities`))
	})
}

func TestAnAuthorityThatWasRotatedStillKnowsWhatItGave(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		running, other := w.node(authority.Apple), w.node(authority.Apple)
		early := w.issue(running)
		before, err := running.Root(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2, w.rotate())

		cert := w.issue(running)
		after, err := running.Root(t.Context())
		require.NoError(t, err)
		assert.NotEqual(t, before.Raw, after.Raw)
		require.NoError(t, cert.CheckSignatureFrom(after), "a node that runs signs with the new root")
		require.Error(t, cert.CheckSignatureFrom(before))
		for _, a := range []*authority.Authority{running, other, w.node(authority.Apple)} {
			for _, c := range []*x509.Certificate{cert, early} {
				holder, err := a.Holder(t.Context(), c)
				require.NoError(t, err)
				assert.Equal(t, ann, holder)
			}
			assert.Equal(t, before.Raw, a.First().Raw)
		}

		list, err := authority.List(t.Context(), w.db, w.now())
		require.NoError(t, err)
		require.Len(t, list, 2)
		for i, g := range list {
			assert.Equal(t, authority.Apple, g.Name)
			assert.EqualValues(t, i+1, g.Number)
			assert.EqualValues(t, 1, g.Certificates)
		}
		w.later.Store(int64(2 * year))
		list, err = authority.List(t.Context(), w.db, w.now())
		require.NoError(t, err)
		assert.Zero(t, list[0].Certificates, "the last certificate of it is over")
		assert.True(t, list[0].Last.IsZero())
	})
}

func TestTheDeputyFromBeforeARotationWorksForADay(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	running := w.node(authority.Apple)
	before, err := running.Deputy(t.Context(), authority.Registration)
	require.NoError(t, err)
	w.rotate()
	for _, a := range []*authority.Authority{running, w.node(authority.Apple)} {
		list, err := a.Deputies(t.Context(), authority.Registration)
		require.NoError(t, err)
		require.Len(t, list, 2)
		assert.False(t, before.Key.Equal(list[0].Key))
		assert.True(t, before.Key.Equal(list[1].Key))
	}
	assert.Equal(t, 2, w.count(`SELECT count(*) FROM ref_authorities WHERE role = 'registration'`), "made by the rotation")
	assert.Zero(t, w.count(`SELECT count(*) FROM ref_authorities WHERE role = 'signing'`), "nobody makes what nobody had")
	w.later.Store(int64(25 * time.Hour))
	list, err := running.Deputies(t.Context(), authority.Registration)
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

func TestWhatIsNotThereIsNotRotated(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	w.node(authority.Apple)
	_, err := authority.Rotate(t.Context(), w.db, authority.Windows, w.ring, w.now())
	require.ErrorIs(t, err, enrollment.ErrNotFound)
	assert.Equal(t, 1, w.count(`SELECT count(*) FROM ref_authorities`))
}

func TestTheDatabaseFileHasNoPrivateKey(t *testing.T) {
	name := databasetest.SQLite(t)
	w := newWorld(t, name)
	a := w.node(authority.Apple)
	d, err := a.Deputy(t.Context(), authority.Signing)
	require.NoError(t, err)
	path := strings.TrimPrefix(name, "sqlite:")
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if bytes.Contains(text, a.First().RawSubject) {
			found++ // so that the search finds what is there
		}
		for _, key := range [][]byte{
			a.KeyOf().D.Bytes(), a.KeyOf().Primes[0].Bytes(), a.KeyOf().Primes[1].Bytes(),
			d.Key.D.Bytes(), d.Key.Primes[0].Bytes(), d.Key.Primes[1].Bytes(),
		} {
			assert.False(t, bytes.Contains(text, key[:16]), file)
		}
	}
	assert.Positive(t, found)
}

func TestAWrongRingSaysWhichKeyItLacks(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	w.node(authority.Apple)
	open := func(ring *credentials.Keyring) error {
		_, err := authority.Open(t.Context(), w.db, authority.Apple, func() *credentials.Keyring { return ring }, w.now)
		return err
	}
	err := open(newRing(t, 7))
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	assert.ErrorContains(t, err, "authority: apple 1: sealed with key 1")
	require.ErrorIs(t, open(newRing(t, 1)), sealed.ErrChanged, "another key of the same id")
	assert.Equal(t, 1, w.count(`SELECT count(*) FROM ref_authorities`), "and nothing is made in its place")
}

func TestASealedKeyIsForItsPlaceAlone(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	w.node(authority.Apple)
	w.node(authority.Windows)
	_, err := w.db.Exec(t.Context(), `UPDATE ref_authorities SET
		sealed = (SELECT sealed FROM ref_authorities WHERE name = 'apple'), certificate = (SELECT certificate FROM ref_authorities WHERE name = 'apple')
		WHERE name = 'windows'`)
	require.NoError(t, err)
	_, err = authority.Open(t.Context(), w.db, authority.Windows, func() *credentials.Keyring { return w.ring }, w.now)
	require.ErrorIs(t, err, sealed.ErrChanged)
}

func TestKeysOfAuthoritiesMoveToAnotherKeyOfTheRing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		a := w.node(authority.Apple)
		_, err := a.Deputy(t.Context(), authority.Registration)
		require.NoError(t, err)
		w.node(authority.Windows)
		w.rotate()
		cert := w.issue(a)
		next, err := credentials.NewKey(2, bytes.NewReader(bytes.Repeat([]byte("0123456789abcdef"), 16)))
		require.NoError(t, err)
		ring, err := w.ring.Add(next)
		require.NoError(t, err)
		ring, err = ring.Promote(2)
		require.NoError(t, err)
		n, err := authority.Rekey(t.Context(), w.db, ring)
		require.NoError(t, err)
		assert.Equal(t, 5, n)
		n, err = authority.Rekey(t.Context(), w.db, ring)
		require.NoError(t, err)
		assert.Zero(t, n)
		uses, err := authority.KeyUses(t.Context(), w.db)
		require.NoError(t, err)
		assert.Equal(t, map[uint32]int64{2: 5}, uses)

		w.ring, err = ring.Without(1)
		require.NoError(t, err)
		alone := w.node(authority.Apple)
		list, err := alone.Deputies(t.Context(), authority.Registration)
		require.NoError(t, err)
		assert.Len(t, list, 2)
		_, err = alone.Holder(t.Context(), cert)
		require.NoError(t, err)
		w.issue(alone)
	})
}
