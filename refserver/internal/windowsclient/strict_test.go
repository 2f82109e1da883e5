package windowsclient

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // thumbprints
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// issued is a root and a certificate of it.
func issued(t *testing.T, name string) (root, cert *x509.Certificate) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, public *rsa.PublicKey, key *rsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
		require.NoError(t, err)
		made, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return made
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root = sign(authority, authority, &key.PublicKey, key)
	return root, sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, root, &key.PublicKey, key)
}

func TestADocumentThatWindowsWouldNotInstallIsRefused(t *testing.T) {
	root, cert := issued(t, "enr-01J8ZK")
	other, _ := issued(t, "enr-01J8ZK")
	document := func(root *x509.Certificate) string {
		thumb := func(c *x509.Certificate) string { return fmt.Sprintf("%X", sha1.Sum(c.Raw)) } //nolint:gosec // as above
		text := vector(t, "provisioning")
		text = strings.Replace(text, `"ROOTSHA1"><parm name="EncodedCertificate" value="B64"`,
			`"`+thumb(root)+`"><parm name="EncodedCertificate" value="`+base64.StdEncoding.EncodeToString(root.Raw)+`"`, 1)
		return strings.Replace(text, `"CLIENTSHA1"><parm name="EncodedCertificate" value="B64"`,
			`"`+thumb(cert)+`"><parm name="EncodedCertificate" value="`+base64.StdEncoding.EncodeToString(cert.Raw)+`"`, 1)
	}
	good := document(root)
	p, err := readProvision([]byte(good), "User", nil)
	require.NoError(t, err)
	assert.Equal(t, &Provision{
		Roots: []*x509.Certificate{root}, Certificate: cert, Address: "https://mdm.example.com/ManagementServer/MDM.svc",
		ProviderID: "ExampleMDM", UPN: "user@example.com", RenewPeriod: "60",
	}, p)
	for want, text := range map[string]string{
		"does not chain":              document(other),
		"its thumbprint is":           strings.Replace(good, fmt.Sprintf("%X", sha1.Sum(cert.Raw)), fmt.Sprintf("%x", sha1.Sum(cert.Raw)), 1), //nolint:gosec // as above
		"no PrivateKeyContainer":      strings.Replace(good, `<characteristic type="PrivateKeyContainer"/>`, "", 1),
		"does not find":               strings.Replace(good, "CN%3denr-01J8ZK", "CN%3denr-01J8ZL", 1),
		"SSLCLIENTCERTSEARCHCRITERIA": strings.Replace(good, "My%5CUser", "My%5CSystem", 1),
		"ADDR":                        strings.Replace(good, "https://mdm", "http://mdm", 1),
		"provider":                    strings.Replace(good, `type="ExampleMDM"`, `type="Other"`, 1),
		"no w7":                       strings.Replace(good, `"APPID" value="w7"`, `"APPID" value="W7"`, 1),
		"no provisioning":             strings.Replace(good, `version="1.1"`, `version="1.0"`, 1),
		"0 certificates in My/System": "",
	} {
		store := "User"
		if text == "" {
			text, store = good, "System"
		}
		_, err := readProvision([]byte(text), store, nil)
		assert.ErrorContains(t, err, want)
	}
}

func TestAnswersThatWindowsDoesNotReadAreRefused(t *testing.T) {
	answer := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
		_, _ = w.Write([]byte(text))
	}
	good := vector(t, "discover_response")
	for want, serve := range map[string]func(w http.ResponseWriter, related string){
		"": func(w http.ResponseWriter, related string) { answer(w, related) },
		"without a Content-Length": func(w http.ResponseWriter, related string) {
			answer(w, related[:100])
			w.(http.Flusher).Flush()
			answer(w, related[100:])
		},
		"of type": func(w http.ResponseWriter, related string) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write([]byte(related))
		},
		"not on one host": func(w http.ResponseWriter, related string) {
			answer(w, strings.Replace(related, "https://mdm.example.com/EnrollmentServer/Policy", "https://other.example.com/EnrollmentServer/Policy", 1))
		},
		"AuthPolicy": func(w http.ResponseWriter, related string) {
			answer(w, strings.Replace(related, "OnPremise", "Federated", 1))
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = w.Write([]byte("hello"))
				return
			}
			serve(w, strings.Replace(good, "urn:uuid:748132ec-0000-0000-0000-000000000001", "urn:uuid:748132ec-d575-4329-b01b-617100000001", 1))
		}))
		c := New(server.URL, NewDevice(1))
		err := c.Discover(t.Context(), "user@example.com")
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
		assert.ErrorContains(t, c.Probe(t.Context()), "with a length of 5")
		server.Close()
	}
}
