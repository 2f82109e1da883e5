package server

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/windowsclient"
)

// enrolledComputer is a computer that enrolled by self-service.
func (w *world) enrolledComputer(n int, name, passcode string) *windowsclient.Client {
	w.t.Helper()
	w.user(adminToken, name, name+"@example.com")
	c := w.computer(n)
	require.NoError(w.t, c.Enroll(w.t.Context(), w.login(name, passcode)))
	return c
}

// stranger makes a certificate of another authority that says the same.
func stranger(t *testing.T, like *x509.Certificate) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := newComputerKey()
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: like.SerialNumber, Subject: like.Subject, NotBefore: like.NotBefore, NotAfter: like.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: like.ExtKeyUsage,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: like.Issuer}, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

func TestASessionIsForTheDeviceOfTheCertificate(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		passcode := w.passcode(adminToken)
		a, b := w.enrolledComputer(1, "ann", passcode), w.enrolledComputer(2, "bob", passcode)
		forbidden := func(what string, err error) {
			t.Helper()
			refusal := new(windowsclient.StatusError)
			require.True(t, errors.As(err, &refusal), "%s: %v", what, err)
			assert.Equal(t, http.StatusForbidden, refusal.Status, what)
		}
		_, err := a.SyncAs(t.Context(), b.Device.ID)
		forbidden("another device's name with one's own certificate", err)

		mine, key := a.Provision.Certificate, a.Key
		a.Provision.Certificate, a.Key = stranger(t, mine)
		_, err = a.Sync(t.Context())
		forbidden("a certificate of another authority", err)
		a.Provision.Certificate, a.Key = mine, key

		bare := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(a)}}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.Provision.Address, strings.NewReader("x"))
		require.NoError(t, err)
		got, err := bare.Do(r)
		require.NoError(t, err)
		_ = got.Body.Close()
		assert.Equal(t, http.StatusForbidden, got.StatusCode, "no certificate")
		assert.Equal(t, http.StatusForbidden, w.send(plain, http.MethodPost, "/platform/windows/manage", nil, "x").status, "where no certificate is asked for")
		for _, path := range []string{"/", "/sign-in", "/api/v1/site", "/platform/windows/enrollment", "/EnrollmentServer/Discovery.svc"} {
			got, err := bare.Get(w.windowsURL() + path)
			require.NoError(t, err)
			_ = got.Body.Close()
			assert.Equal(t, http.StatusNotFound, got.StatusCode, "only sessions are answered there: %s", path)
		}
		_, err = (&http.Client{}).Get(w.windowsURL())
		assert.ErrorContains(t, err, "certificate", "who has not enrolled does not trust the listener")
		old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(a), MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}} //nolint:gosec // to be refused
		_, err = old.Get(w.windowsURL())
		assert.ErrorContains(t, err, "protocol version")

		for _, r := range w.windowsRows() {
			assert.Equal(t, "pending", r.State, "nobody's session changed anything")
		}
		w.noted("windows/manage: certificate_of_another", "windows/manage: certificate_unknown", "windows/manage: certificate_missing")
		for _, c := range []*windowsclient.Client{a, b} {
			_, err := c.Sync(t.Context())
			require.NoError(t, err)
		}
		for _, r := range w.windowsRows() {
			assert.Equal(t, "active", r.State)
		}
	})
}

func rootsOf(c *windowsclient.Client) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, root := range c.Provision.Roots {
		pool.AddCert(root)
	}
	return pool
}

func TestADisturbedOrderEndsInOneComputer(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w, number := start(t, on), 0
		passcode := w.passcode(adminToken)
		for what, enroll := range map[string]func(t *testing.T, c *windowsclient.Client, with windowsclient.Credential){
			"a request without the policies": func(t *testing.T, c *windowsclient.Client, with windowsclient.Credential) {
				require.NoError(t, c.Request(t.Context(), with))
			},
			"two requests at once": func(t *testing.T, c *windowsclient.Client, with windowsclient.Credential) {
				var both sync.WaitGroup
				errs := make([]error, 2)
				twin := &windowsclient.Client{Device: c.Device, HTTP: c.HTTP, NewKey: c.NewKey, Services: c.Services}
				for i, one := range []*windowsclient.Client{c, twin} {
					both.Go(func() { errs[i] = one.Request(t.Context(), with) })
				}
				both.Wait()
				require.NoError(t, errors.Join(errs...))
				_, err := twin.Sync(t.Context())
				require.NoError(t, err, "both certificates are good")
			},
			"a session before the answer arrived": func(t *testing.T, c *windowsclient.Client, with windowsclient.Credential) {
				require.NoError(t, c.Request(t.Context(), with))
				_, err := c.Sync(t.Context()) // with what another try of the same device brought
				require.NoError(t, err)
				require.NoError(t, c.Request(t.Context(), with), "the first answer was lost")
			},
			"policies after the certificate": func(t *testing.T, c *windowsclient.Client, with windowsclient.Credential) {
				require.NoError(t, c.Request(t.Context(), with))
				require.NoError(t, c.Policies(t.Context(), with))
				require.NoError(t, c.Discover(t.Context(), with.Username))
				require.NoError(t, c.Request(t.Context(), with))
			},
			"an early goodbye of nobody": func(t *testing.T, c *windowsclient.Client, with windowsclient.Credential) {
				_, err := c.Leave(t.Context())
				require.Error(t, err)
				require.NoError(t, c.Request(t.Context(), with))
			},
		} {
			t.Run(what, func(t *testing.T) {
				before := len(w.windowsRows())
				number++
				name := fmt.Sprintf("user%d", number)
				w.user(adminToken, name, name+"@example.com")
				with := w.login(name, passcode)
				c := w.computer(number)
				require.NoError(t, c.Discover(t.Context(), with.Username))
				enroll(t, c, with)
				for range 2 {
					_, err := c.Sync(t.Context())
					require.NoError(t, err)
				}
				list := w.windowsRows()
				assert.Len(t, list, before+1)
				for _, r := range list {
					assert.Equal(t, "active", r.State)
				}
			})
		}
	})
}

func TestAComputerThatLeavesIsUnenrolledAndOneThatIsSilentUnresponsive(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.policy(map[string]any{"unresponsive_after_seconds": 2})
		passcode := w.passcode(adminToken)
		c := w.enrolledComputer(1, "ann", passcode)
		_, err := c.Sync(t.Context())
		require.NoError(t, err)
		id := w.theComputer().ID
		w.eventually("silence is noticed", func() bool { return w.detail(id).State == "unresponsive" })
		_, err = c.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "active", w.theComputer().State, "a session is a sign of life")

		_, err = c.Leave(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "unenrolled", w.theComputer().State)
		s, err := c.Sync(t.Context())
		require.NoError(t, err)
		assert.Empty(t, s.Asked)
		assert.Equal(t, "unenrolled", w.theComputer().State, "a session after the goodbye brings nothing back")

		// The same computer enrolls again, by another login.
		require.NoError(t, c.Enroll(t.Context(), w.login("ann", passcode)))
		_, err = c.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "active", w.theComputer().State)
		assert.Equal(t, id, w.theComputer().ID)
	})
}

func TestACertificateIsRenewedByTheOneBefore(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		c := w.enrolledComputer(1, "ann", w.passcode(adminToken))
		before, key := c.Provision.Certificate, c.Key
		assert.Greater(t, time.Until(before.NotAfter), 300*24*time.Hour)
		assert.NotEmpty(t, c.Provision.RenewPeriod)
		require.NoError(t, c.Renew(t.Context()))
		assert.NotEqual(t, before.SerialNumber, c.Provision.Certificate.SerialNumber)
		_, err := c.Sync(t.Context())
		require.NoError(t, err)

		foreign := w.computer(2)
		foreign.Services, foreign.Provision = c.Services, &windowsclient.Provision{Roots: c.Provision.Roots}
		foreign.Provision.Certificate, foreign.Key = stranger(t, before)
		err = foreign.Renew(t.Context())
		refused(t, err, "", "NotEligibleToRenew")
		stolen := w.computer(3) // the certificate is public, its key is not
		stolen.Services, stolen.Provision, stolen.Key = c.Services, &windowsclient.Provision{Roots: c.Provision.Roots, Certificate: before}, foreign.Key
		require.Error(t, stolen.Renew(t.Context()))

		_, err = c.Leave(t.Context())
		require.NoError(t, err)
		c.Key, c.Provision.Certificate = key, before
		refused(t, c.Renew(t.Context()), "", "NotEligibleToRenew", "a device that has left")
		assert.Equal(t, "unenrolled", w.theComputer().State)
	})
}

func TestWhoeverCallsTheHostByItsMailDomainFindsTheServer(t *testing.T) {
	w := start(t, func(c *Config) {
		c.PublicURL = mustParse(t, "https://enroll.example.com")
		c.Windows = Windows{Listen: "127.0.0.1:0"}
	})
	w.base = "http://" + serving(t, w)
	for _, host := range []string{"enroll.example.com", "EnterpriseEnrollment.example.org"} {
		probe := w.send(plain, http.MethodGet, "/EnrollmentServer/Discovery.svc", http.Header{"Host": {host}}, "")
		assert.Equal(t, http.StatusOK, probe.status)
		assert.Equal(t, "0", probe.header.Get("Content-Length"))
		assert.Equal(t, http.StatusMisdirectedRequest, w.send(plain, http.MethodGet, "/sign-in", http.Header{"Host": {"EnterpriseEnrollment.example.org"}}, "").status)
	}
	c := w.computer(1)
	c.Origin = w.base
	require.NoError(t, c.Discover(t.Context(), "ann@example.org"))
	assert.Equal(t, "https://enroll.example.com/platform/windows/enrollment", c.Services.Enrollment)
	assert.True(t, strings.HasPrefix(w.windowsURL(), "https://enroll.example.com:"), w.windowsURL())
}

func TestWithoutAListenerPeopleWithWindowsAreLedToTheAgent(t *testing.T) {
	for what, change := range map[string]func(*Config){
		"off":                         func(c *Config) { c.Windows.Off = true },
		"not on loopback, not set up": func(c *Config) { c.PublicURL = mustParse(t, "https://enroll.example.com") },
	} {
		w := start(t, change)
		w.base = "http://" + serving(t, w)
		header := http.Header{"Host": {"localhost"}}
		got := w.send(plain, http.MethodGet, "/EnrollmentServer/Discovery.svc", header, "")
		assert.NotEqual(t, http.StatusOK, got.status, what)
		got = w.send(plain, http.MethodPost, "/platform/windows/enrollment", header, "<x/>")
		assert.Equal(t, http.StatusNotFound, got.status, what)
		assert.NotContains(t, w.log.String(), "windows_url", what)
	}
}

// The worst moment for the server to fail: the login is used up, the device is
// there, and its certificate cannot be kept.
func TestAComputerWhoseCertificateCouldNotBeKeptAsksAgain(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.user(adminToken, "Ann", "ann@example.com")
		with := w.login("ann", w.passcode(adminToken))
		c := w.computer(1)
		require.NoError(t, c.Discover(t.Context(), with.Username))
		db := databasetest.Beside(t, w.database)
		_, err := db.Exec(t.Context(), `ALTER TABLE ref_certificates RENAME TO ref_certificates_away`)
		require.NoError(t, err)
		refused(t, c.Request(t.Context(), with), "EnrollmentServer", "")
		assert.Equal(t, "pending", w.theComputer().State)
		_, err = db.Exec(t.Context(), `ALTER TABLE ref_certificates_away RENAME TO ref_certificates`)
		require.NoError(t, err)
		require.NoError(t, c.Request(t.Context(), with))
		_, err = c.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "active", w.theComputer().State)
	})
}
