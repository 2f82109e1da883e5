package applemdm_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
)

// scepURL is where the profile sends the phone for its certificate.
func (p *phone) scepURL() string {
	return p.profile.PayloadContent[p.profile.of("com.apple.security.scep")].PayloadContent.URL
}

// downloaded is a phone with a profile and no certificate.
func (w *world) downloaded(user string, n int) (inv string, p *phone) {
	w.Helper()
	inv, page := w.invite(user)
	p = newPhone(w.server.Client(), n)
	require.NoError(w, p.download(w.Context(), w.accept(page, device.IOS)))
	return inv, p
}

// losing drops the answers of the server, after it has given them.
type losing struct{ http.RoundTripper }

func (l losing) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost {
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		err = io.ErrUnexpectedEOF
	}
	return answer, err
}

func TestALostCertificateIsGivenAgainToTheSameKeyAlone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, p := w.downloaded("ann", 1)
		p.reuse = newKey()
		client := p.http
		p.http = &http.Client{Transport: losing{client.Transport}}
		require.ErrorIs(t, p.certify(t.Context()), io.ErrUnexpectedEOF)
		p.http = client

		require.NoError(t, p.certify(t.Context()))
		first := p.cert
		require.NoError(t, p.certify(t.Context()))
		assert.Equal(t, first.Raw, p.cert.Raw, "it is the same one")
		assert.Empty(t, w.reasons(inv), "which is no refusal")
		thief := *p
		thief.reuse = nil
		require.ErrorContains(t, thief.certify(t.Context()), "scep: 2", "another key gets nothing")
		require.Equal(t, []string{"apple/certificate: grant_used"}, w.reasons(inv))

		require.NoError(t, p.ready())
		require.NoError(t, p.authenticate(t.Context()))
		require.NoError(t, p.tokenUpdate(t.Context()))
		require.Len(t, w.devices(func(device.Device) bool { return true }), 1)
	})
}

// The server fell over after the challenge was spent, before the certificate was
// confirmed.
func TestACertificateThatNobodyConfirmedIsGivenAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, p := w.downloaded("ann", 1)
		p.reuse = newKey()
		require.NoError(t, p.certify(t.Context()))
		first := p.cert
		_, err := w.db.Exec(t.Context(), `UPDATE ref_certificates SET confirmed = 0`)
		require.NoError(t, err)

		require.NoError(t, p.certify(t.Context()))
		assert.Equal(t, first.Raw, p.cert.Raw)
		assert.Equal(t, 1, w.certificates("confirmed = 1"))
		assert.Empty(t, w.reasons(inv), "nobody was turned away")
		require.NoError(t, p.ready())
		require.NoError(t, p.authenticate(t.Context()))
	})
}

func TestOneRequestManyTimesAtOnceIsOneCertificate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, p := w.downloaded("ann", 1)
		p.reuse = newKey()
		var mu sync.Mutex
		var at sync.WaitGroup
		given := map[string]int{}
		for range 8 {
			one := *p
			at.Go(func() {
				if assert.NoError(t, one.certify(context.WithoutCancel(t.Context()))) {
					mu.Lock()
					defer mu.Unlock()
					given[string(one.cert.Raw)]++
				}
			})
		}
		at.Wait()
		assert.Len(t, given, 1)
		assert.Equal(t, 1, w.certificates("confirmed = 1"))
		assert.Empty(t, w.reasons(inv), "nobody was turned away")
	})
}

// What gave the challenge ends after the certificate was made, before the challenge
// is spent.
func TestACertificateWhoseChallengeIsNotSpentIsWithdrawn(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		p := newPhone(w.server.Client(), 1)
		require.NoError(t, p.download(t.Context(), w.byLogin()))
		seen := 0
		w.left = func() bool {
			n := w.certificates("confirmed = 0")
			seen += n
			return n > 0
		}
		require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
		assert.Equal(t, 1, seen)
		assert.Zero(t, w.certificates("1 = 1"), "nobody has it, so it is not there")
		assert.Equal(t, []string{"apple/certificate: credential_refused"}, w.reasons(enrollment.LoginSubject("ann")))

		w.left = nil
		require.NoError(t, p.certify(t.Context()), "the challenge was not spent, and another key may have it")
	})
}

// certificates counts those that are kept.
func (w *world) certificates(where string) (n int) {
	w.Helper()
	require.NoError(w, w.db.Row(context.WithoutCancel(w.Context()), `SELECT count(*) FROM ref_certificates WHERE `+where, nil, &n))
	return n
}

func TestALostCertificateIsGivenNoLongerThanTheChallengeIsGood(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, p := w.downloaded("ann", 1)
	p.reuse = newKey()
	require.NoError(t, p.certify(t.Context()))
	w.clock.Advance(61 * time.Minute)
	require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
	assert.Equal(t, []string{"apple/certificate: grant_expired"}, w.reasons(inv))

	inv, p = w.downloaded("bob", 2)
	p.reuse = newKey()
	require.NoError(t, p.certify(t.Context()))
	_, err := w.svc.Deactivate(t.Context(), admin, inv)
	require.NoError(t, err)
	require.ErrorContains(t, p.certify(t.Context()), "scep: 2", "nor longer than what gave it")
	assert.Equal(t, []string{"apple/certificate: invitation_deactivated"}, w.reasons(inv))
}

func TestOfManyKeysWithOneChallengeOneGetsACertificate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		_, p := w.downloaded("ann", 1)
		var given atomic.Int64
		var at sync.WaitGroup
		for range 8 {
			one := *p
			at.Go(func() {
				if one.certify(context.WithoutCancel(t.Context())) == nil {
					given.Add(1)
				}
			})
		}
		at.Wait()
		assert.EqualValues(t, 1, given.Load())
	})
}

// The key that signs certificates decrypts nothing and signs nothing else: who can
// ask a key to decrypt whatever he likes may have it sign in the end.
func TestTheKeyOfTheAuthoritySignsCertificatesAndNothingElse(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, page := w.invite("ann")
	link := w.accept(page, device.IOS)
	p := newPhone(w.server.Client(), 1)
	body, err := p.do(t.Context(), http.MethodGet, link, nil)
	require.NoError(t, err)
	signed, err := pkcs7.Parse(body)
	require.NoError(t, err)
	require.NoError(t, p.download(t.Context(), link))
	der, err := p.do(t.Context(), http.MethodGet, p.scepURL()+"?operation=GetCACert", nil)
	require.NoError(t, err)
	certs, err := scep.CACerts(der)
	require.NoError(t, err)
	require.Len(t, certs, 2)
	answers, root := certs[0], certs[1]

	require.NoError(t, signed.VerifyWithChain(pool(root)))
	assert.False(t, signed.GetOnlySigner().Equal(root))
	assert.False(t, signed.GetOnlySigner().Equal(answers))
	for _, cert := range []*x509.Certificate{answers, signed.GetOnlySigner()} {
		assert.False(t, cert.IsCA)
		assert.NotEqual(t, root.PublicKey.(*rsa.PublicKey).N, cert.PublicKey.(*rsa.PublicKey).N)
		require.NoError(t, cert.CheckSignatureFrom(root))
	}
	assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, root.KeyUsage)

	p.only = root
	require.ErrorIs(t, p.certify(t.Context()), errStatus(400), "what is encrypted to the authority is not read")
	p.only = answers
	require.NoError(t, p.certify(t.Context()))
	require.NoError(t, p.cert.CheckSignatureFrom(root))
	assert.Empty(t, w.reasons(inv))
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func TestARotationOfTheAuthorityDisturbsNoDevice(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		_, early := w.managed("ann", 1)
		_, between := w.downloaded("bob", 2)
		der, err := between.do(t.Context(), http.MethodGet, between.scepURL()+"?operation=GetCACert", nil)
		require.NoError(t, err)
		before, err := scep.CACerts(der)
		require.NoError(t, err)
		_, err = authority.Rotate(t.Context(), w.db, authority.Apple, w.ring, w.clock.Now())
		require.NoError(t, err)

		between.only, between.trusted = before[0], before
		require.NoError(t, between.certify(t.Context()), "who asked before may answer after")
		between.only, between.trusted = nil, nil
		_, late := w.managed("carl", 3)
		for _, p := range []*phone{early, late} {
			_, err = p.work(t.Context())
			require.NoError(t, err)
		}
		require.Error(t, late.cert.CheckSignatureFrom(before[1]), "it is signed by the new root")
		assert.Equal(t, early.topic(), late.topic(), "the topic is in devices and stays")
		require.NoError(t, between.ready())
		require.NoError(t, between.authenticate(t.Context()))
		require.NoError(t, between.tokenUpdate(t.Context()))

		again, err := applemdm.Open(t.Context(), applemdm.Options{Database: w.db, Keyring: w.keyring, Now: w.clock.Now, Logger: quiet})
		require.NoError(t, err)
		again.Use(w.svc)
		assert.Equal(t, early.topic(), applemdm.TopicOfServer(again))
	})
}

func TestWhatIsNoRequestIsInTheJournalOfTheSite(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	_, p := w.downloaded("ann", 1)
	send := func(address string, body string) int {
		_, err := p.do(t.Context(), http.MethodPost, address+"?operation=PKIOperation", []byte(body))
		return statusOf(err)
	}
	assert.Equal(t, 400, send(p.scepURL(), "x"))
	assert.Equal(t, 400, send(p.scepURL(), "y"))
	assert.Equal(t, 413, send(p.scepURL(), string(make([]byte, 65<<10))))
	assert.Equal(t, 400, send(w.server.URL+"/platform/apple/scep/other", "x"), "of a site that is not there")
	assert.Equal(t, 400, send(w.server.URL+"/platform/apple/scep", "x"), "of none")
	i := p.profile.of("com.apple.security.scep")
	for _, challenge := range []string{"", "guess", "another guess"} {
		p.profile.PayloadContent[i].PayloadContent.Challenge = challenge
		require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
	}
	assert.Equal(t, []string{
		"apple/certificate: malformed", "apple/certificate: too_large", "apple/certificate: grant_refused",
	}, w.reasons("platform/apple"), "each once an hour")
}

func TestAnAddressOfTheAuthorityNamesOneSiteOrNone(t *testing.T) {
	for path, site := range map[string]string{"/scep/acme": "acme", "/scep/": "", "/scep": "", "/other": ""} {
		assert.Equal(t, site, applemdm.SiteOfSCEP(httptest.NewRequest(http.MethodPost, path, nil)), path)
	}
}
