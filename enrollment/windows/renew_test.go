package windows_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/windows"
)

var (
	oidSigned  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidType    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	sha256Only = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, Parameters: asn1.NullRawValue}
	rsaOnly    = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}
)

// signing is how a test signs: what is left empty is as it should be.
type signing struct {
	bare    bool                  // without signed attributes
	digest  []byte                // that the attributes attest
	kind    asn1.ObjectIdentifier // of the content
	key     *rsa.PrivateKey       // that signs
	signers int
	without bool   // the certificate
	twice   bool   // in base64
	as      string // what the device calls itself
}

// signed is a SignedData, as openssl and Windows write it.
func signed(t testing.TB, content []byte, cert *x509.Certificate, key *rsa.PrivateKey, s signing) []byte {
	t.Helper()
	marshal := func(v any, params string) []byte {
		der, err := asn1.MarshalWithParams(v, params)
		require.NoError(t, err)
		return der
	}
	if s.kind == nil {
		s.kind = oidData
	}
	sum := sha256.Sum256(content)
	if s.digest == nil {
		s.digest = sum[:]
	}
	if s.key == nil {
		s.key = key
	}
	type attribute struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
	attributes := marshal([]attribute{
		{oidType, []asn1.RawValue{{FullBytes: marshal(s.kind, "")}}},
		{oidDigest, []asn1.RawValue{{FullBytes: marshal(s.digest, "")}}},
	}, "set")
	toSign := sum[:]
	if !s.bare {
		whole := sha256.Sum256(attributes)
		toSign = whole[:]
	}
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, toSign)
	require.NoError(t, err)
	type signer struct {
		Version   int
		By        struct{ Issuer, Serial asn1.RawValue }
		Digest    pkix.AlgorithmIdentifier
		Signed    asn1.RawValue `asn1:"optional"`
		Algorithm pkix.AlgorithmIdentifier
		Signature []byte
	}
	by := signer{Version: 1, Digest: sha256Only, Algorithm: rsaOnly, Signature: signature}
	by.By.Issuer.FullBytes, by.By.Serial.FullBytes = cert.RawIssuer, marshal(cert.SerialNumber, "")
	if !s.bare {
		var set asn1.RawValue
		_, err := asn1.Unmarshal(attributes, &set)
		require.NoError(t, err)
		by.Signed = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: set.Bytes}
	}
	var data struct {
		Version int
		Digests []pkix.AlgorithmIdentifier `asn1:"set"`
		Content struct {
			Type    asn1.ObjectIdentifier
			Content []byte `asn1:"explicit,tag:0"`
		}
		Certificates asn1.RawValue `asn1:"optional"`
		Signers      []signer      `asn1:"set"`
	}
	data.Version, data.Digests, data.Signers = 1, []pkix.AlgorithmIdentifier{sha256Only}, []signer{by}
	for range s.signers {
		data.Signers = append(data.Signers, by)
	}
	data.Content.Type, data.Content.Content = s.kind, content
	if !s.without {
		data.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: cert.Raw}
	}
	return marshal(struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{oidSigned, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: marshal(data, "")}}, "")
}

// renewal is the message that asks for another certificate.
func (c *computer) renewal(s signing) string {
	c.Helper()
	der := signed(c.T, c.csr(), c.cert, c.key, s)
	if s.twice {
		der = []byte(base64.StdEncoding.EncodeToString(der))
	}
	said := *c
	if s.as != "" {
		said.id = s.as
	}
	// Neither the password that is not there nor this namespace is looked at.
	return strings.Replace(envelope(requestToken, security("user@example.com", ""), rst("Renew", "PKCS7", der, said.context())),
		"http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS7",
		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#PKCS7", 1)
}

func TestACertificateIsRenewedByTheOneBefore(t *testing.T) {
	for what, s := range map[string]signing{
		"with signed attributes": {}, "without": {bare: true}, "in base64 twice": {twice: true}, "under another name": {as: "ANOTHER"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			c := w.enrolled("ann", 1)
			c.session()
			old := c.cert
			w.pass(320 * 24 * time.Hour)
			w.authority.rotate()
			message := c.renewal(s)
			answer := w.soap("/enrollment", message)
			c.keep(answer)
			assert.NotEqual(t, old.SerialNumber, c.cert.SerialNumber)
			assert.Equal(t, old.Subject.CommonName, c.cert.Subject.CommonName)
			assert.True(t, c.cert.NotAfter.After(old.NotAfter))
			assert.Equal(t, old, w.authority.asked[1].Renews)
			raw, err := rawDocument(answer)
			require.NoError(t, err)
			assert.Contains(t, string(raw), `"/><characteristic type="PrivateKeyContainer"/></characteristic></characteristic><characteristic type="WSTEP">`)
			assert.Equal(t, "ExampleMDM", w.document(answer).parm("APPLICATION", "PROVIDER-ID"))
			assert.Empty(t, w.document(answer).parm("APPLICATION", "ADDR"), "only the certificates change")

			w.pass(50 * 24 * time.Hour) // the old one is over
			assert.Equal(t, 403, w.postAs(old, "/manage", c.sync(1, begins)).Code)
			c.session()
			assert.Equal(t, device.Active, w.device().State)
		})
	}
}

func TestWhoseCertificateIsNotRenewed(t *testing.T) {
	const not = "s:Authorization NotEligibleToRenew"
	for _, c := range []struct {
		what, fault, code string
		arrange           func(w *world, c *computer) (message string)
	}{
		{"a device that left", not, "device_unenrolled", func(w *world, c *computer) string {
			c.manage(c.sync(1, goodbye))
			return c.renewal(signing{})
		}},
		{"a device that was deleted", not, "device_gone", func(w *world, c *computer) string {
			require.NoError(w, w.svc.Delete(w.Context(), admin, w.device().ID))
			return c.renewal(signing{})
		}},
		{"a device that has come by another login since", not, "superseded", func(w *world, c *computer) string {
			message := c.renewal(signing{})
			username, password := w.login("ann")
			c.enroll(username, password)
			return message
		}},
		{"an old certificate that is over", not, "certificate_expired", func(w *world, c *computer) string {
			w.pass(366 * 24 * time.Hour)
			return c.renewal(signing{})
		}},
		{"a certificate of another authority", not, "certificate_unknown", func(w *world, c *computer) string {
			c.cert = selfSigned(c)
			return c.renewal(signing{})
		}},
		{"a device that was renewed too often", "s:CertificateRequest", "certificates_too_many", func(w *world, c *computer) string {
			w.authority.fails = fmt.Errorf("test: %w", windows.ErrTooManyCertificates)
			return c.renewal(signing{})
		}},
		{"a signature of another key", "s:CertificateRequest", "certificate_request_unproved", func(w *world, c *computer) string {
			return c.renewal(signing{key: keys[0]()})
		}},
		{"a signature of another key, without attributes", "s:CertificateRequest", "certificate_request_unproved", func(w *world, c *computer) string {
			return c.renewal(signing{key: keys[0](), bare: true})
		}},
		{"a signature over something else", "s:CertificateRequest", "certificate_request_unproved", func(w *world, c *computer) string {
			return c.renewal(signing{digest: make([]byte, 32)})
		}},
		{"other content", "s:CertificateRequest", "certificate_request_malformed", func(w *world, c *computer) string {
			return c.renewal(signing{kind: oidSigned})
		}},
		{"two signers", "s:CertificateRequest", "certificate_request_malformed", func(w *world, c *computer) string {
			return c.renewal(signing{signers: 1})
		}},
		{"no certificate", "s:CertificateRequest", "certificate_request_malformed", func(w *world, c *computer) string {
			return c.renewal(signing{without: true})
		}},
		{"no signature at all", "s:CertificateRequest", "certificate_request_malformed", func(w *world, c *computer) string {
			return envelope(requestToken, "", rst("Renew", "PKCS7", c.csr(), c.context()))
		}},
		{"no request inside", "s:CertificateRequest", "certificate_request_malformed", func(w *world, c *computer) string {
			return envelope(requestToken, "", rst("Renew", "PKCS7", signed(w.T, []byte("hello"), c.cert, c.key, signing{}), c.context()))
		}},
		{"trouble of the authority", "s:EnrollmentServer", "", func(w *world, c *computer) string {
			w.authority.fails = errors.New("no disk")
			return c.renewal(signing{})
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			computer := w.enrolled("ann", 1)
			computer.session()
			w.pass(time.Minute)
			message := c.arrange(w, computer)
			issued := len(w.authority.issued)
			assert.Equal(t, c.fault, w.refused(w.soap("/enrollment", message)))
			assert.Len(t, w.authority.issued, issued)
			if c.code == "" {
				assert.Empty(t, w.reasons())
			} else {
				assert.Equal(t, []string{"windows/renew: " + c.code}, w.reasons())
			}
		})
	}
}
