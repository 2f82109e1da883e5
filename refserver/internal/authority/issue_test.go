package authority_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
)

func TestAKeyGetsItsCertificateAgainForADay(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	a := w.node(authority.Apple)
	r := request(ann)
	r.Name = "e1-a"
	first, err := a.Issue(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, "CN=e1-a", first.Subject.String(), "a name is the whole subject")
	issued := func(r authority.Request) (same bool) {
		t.Helper()
		cert, err := w.node(authority.Apple).Issue(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, r.Name, cert.Subject.CommonName)
		root, err := a.Root(t.Context())
		require.NoError(t, err)
		require.NoError(t, cert.CheckSignatureFrom(root))
		return cert.Equal(first)
	}
	w.later.Store(int64(23 * time.Hour))
	for range 50 {
		assert.True(t, issued(r))
	}
	assert.Equal(t, 1, w.count(`SELECT count(*) FROM ref_certificates`))
	other := r
	other.Name = "e1-b"
	assert.False(t, issued(other), "another name is another certificate")
	other = r
	other.Enrollment = "e2"
	assert.False(t, issued(other), "and so is another enrollment")
	w.rotate()
	assert.False(t, issued(r), "and one of the new root")
	w.later.Store(int64(25 * time.Hour))
	assert.False(t, issued(r), "a renewal for the key from before")
}

func TestAnEnrollmentGetsTenCertificatesADay(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		a, b := w.node(authority.Apple), w.node(authority.Apple)
		var at sync.WaitGroup
		for range 40 {
			r := request(ann)
			for _, node := range []*authority.Authority{a, b} {
				at.Go(func() {
					if _, err := node.Issue(t.Context(), r); err != nil {
						assert.ErrorIs(t, err, authority.ErrTooMany)
					}
				})
			}
		}
		at.Wait()
		assert.Equal(t, 10, w.count(`SELECT count(*) FROM ref_certificates`))
		bob := ann
		bob.Enrollment = "e2"
		_, err := a.Issue(t.Context(), request(bob))
		require.NoError(t, err, "another has its own")
		w.later.Store(int64(25 * time.Hour))
		_, err = a.Issue(t.Context(), request(ann))
		require.NoError(t, err)
	})
}
