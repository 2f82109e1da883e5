package authority_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
)

func TestACertificateIsStoredBeforeItIsOut(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		a := w.node(authority.Apple)
		cert := w.issue(a)
		assert.Equal(t, 1, w.count(`SELECT count(*) FROM ref_certificates WHERE serial = ?`, cert.SerialNumber.Text(16)))
		assert.Equal(t, "e1", cert.Subject.CommonName)
		assert.Equal(t, []string{"acme"}, cert.Subject.Organization)
		_, err := w.db.Exec(t.Context(), `DROP TABLE ref_certificates`)
		require.NoError(t, err)
		cert, err = a.Issue(t.Context(), request(ann))
		require.Error(t, err)
		assert.Nil(t, cert, "what cannot be stored is not given")
		cert, _, err = a.Claim(t.Context(), request(ann), nil)
		require.Error(t, err)
		assert.Nil(t, cert)
	})
}

func TestOnlyWhatTheAuthorityGaveIsKnown(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	a, windows := w.node(authority.Apple), w.node(authority.Windows)
	cert := w.issue(a)

	unknown := func(cert *x509.Certificate, a *authority.Authority) {
		t.Helper()
		holder, err := a.Holder(t.Context(), cert)
		require.ErrorIs(t, err, authority.ErrUnknown)
		assert.Zero(t, holder)
	}
	unknown(cert, windows)

	d, err := a.Deputy(t.Context(), authority.Registration)
	require.NoError(t, err)
	unknown(d.Certificate, a)
	unknown(a.First(), a)
	forged := func(parent *x509.Certificate, key any) *x509.Certificate {
		t.Helper()
		template := *cert
		template.SubjectKeyId, template.AuthorityKeyId, template.SignatureAlgorithm = nil, nil, x509.UnknownSignatureAlgorithm
		der, err := x509.CreateCertificate(rand.Reader, &template, parent, newKey().Public(), key)
		require.NoError(t, err)
		out, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return out
	}
	unknown(forged(d.Certificate, d.Key), a) // a deputy issues nothing
	key := newKey()
	self := *cert
	self.PublicKey = key.Public()
	unknown(forged(&self, key), a)
	unknown(forged(a.First(), a.KeyOf()), a) // the serial of one, and another key

	_, err = w.db.Exec(t.Context(), `DELETE FROM ref_certificates`)
	require.NoError(t, err)
	unknown(cert, a)
}

func TestACertificateEndsInItsTime(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	a := w.node(authority.Apple)
	cert := w.issue(a)
	w.later.Store(int64(year + 2*time.Hour))
	holder, err := a.Holder(t.Context(), cert)
	require.ErrorIs(t, err, authority.ErrExpired)
	assert.Equal(t, ann, holder, "whose it was is known")
	w.later.Store(int64(-2 * time.Hour))
	_, err = a.Holder(t.Context(), cert)
	require.ErrorIs(t, err, authority.ErrExpired, "it is not good yet")
}

func TestAnAuthorityThatHasExpiredIssuesNothingUntilItIsRotated(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	a := w.node(authority.Apple)
	w.later.Store(int64(19*year + year/2))
	late := w.issue(a)
	assert.Equal(t, a.First().NotAfter, late.NotAfter, "nothing outlives its root")
	w.later.Store(int64(21 * year))
	_, err := a.Issue(t.Context(), request(ann))
	require.ErrorIs(t, err, authority.ErrAuthorityExpired)
	_, _, err = a.Claim(t.Context(), request(ann), nil)
	require.ErrorIs(t, err, authority.ErrAuthorityExpired)
	_, err = a.Holder(t.Context(), late)
	require.ErrorIs(t, err, authority.ErrExpired)
	w.rotate()
	w.issue(a)
}

func TestKeysThatAreTooWeakOrTooLargeGetNothing(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	a := w.node(authority.Apple)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	old, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for _, r := range []authority.Request{
		{Holder: ann, Public: small.Public(), Life: year}, {Holder: ann, Public: old.Public(), Life: year},
		{Holder: ann, Life: year}, {Holder: ann, Public: newKey().Public()}, {Public: newKey().Public(), Life: year},
	} {
		_, err := a.Issue(t.Context(), r)
		require.ErrorIs(t, err, authority.ErrRequest)
	}
	assert.Zero(t, w.count(`SELECT count(*) FROM ref_certificates`))
}

func TestTheFirstKeyOfAnEnrollmentGetsItsCertificateAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		a := w.node(authority.Apple)
		own := request(ann)
		cert, confirmed, err := a.Claim(t.Context(), own, nil)
		require.NoError(t, err)
		assert.False(t, confirmed)
		again, confirmed, err := w.node(authority.Apple).Claim(t.Context(), own, nil)
		require.NoError(t, err)
		assert.False(t, confirmed)
		assert.Equal(t, cert.Raw, again.Raw)
		_, err = a.Holder(t.Context(), cert)
		require.ErrorIs(t, err, authority.ErrUnknown, "nobody was to get it yet")
		require.NoError(t, a.Confirm(t.Context(), cert))
		again, confirmed, err = a.Claim(t.Context(), own, nil)
		require.NoError(t, err)
		assert.True(t, confirmed)
		assert.Equal(t, cert.Raw, again.Raw)
		_, _, err = a.Claim(t.Context(), request(ann), nil)
		require.ErrorIs(t, err, authority.ErrOtherKey)
		require.NoError(t, a.Withdraw(t.Context(), cert), "what is confirmed stays")
		_, err = a.Holder(t.Context(), cert)
		require.NoError(t, err)

		bob, carl := authority.Holder{Site: "acme", Enrollment: "e2"}, authority.Holder{Site: "other", Enrollment: "e2"}
		cert, _, err = a.Claim(t.Context(), request(bob), nil)
		require.NoError(t, err)
		_, _, err = a.Claim(t.Context(), request(carl), nil)
		require.NoError(t, err, "an id is one of its site")
		require.NoError(t, a.Withdraw(t.Context(), cert))
		require.Error(t, a.Confirm(t.Context(), cert), "nobody may give what was withdrawn")
		_, _, err = a.Claim(t.Context(), request(bob), nil)
		require.NoError(t, err)
	})
}

func TestOfManyKeysAtOnceOneGetsTheCertificate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		a := w.node(authority.Apple)
		const rounds, keys = 20, 4
		for n := range rounds {
			var won, lost atomic.Int64
			var ready, at sync.WaitGroup
			ready.Add(keys)
			for range keys {
				at.Go(func() {
					r := request(authority.Holder{Site: "acme", Enrollment: fmt.Sprint("e", n)})
					ready.Done()
					ready.Wait()
					_, _, err := a.Claim(t.Context(), r, nil)
					if err == nil {
						won.Add(1)
					} else if assert.ErrorIs(t, err, authority.ErrOtherKey) {
						lost.Add(1)
					}
				})
			}
			at.Wait()
			require.EqualValues(t, 1, won.Load())
			require.EqualValues(t, keys-1, lost.Load())
		}
	})
}
