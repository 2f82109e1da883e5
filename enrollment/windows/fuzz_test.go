package windows_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/xml"
	"math/big"
	"strings"
	"testing"
	"time"

	"example.com/enrollkit/enrollment/windows"
)

// Whatever comes, a message is read or refused, and one that is read is short.
func FuzzMessage(f *testing.F) {
	for _, name := range []string{"discover", "get_policies", "request"} {
		f.Add([]byte(vector(f, name)))
	}
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "a">]><a>&a;</a>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, id, username, password, err := windows.Login(raw)
		if len(id) > 256 {
			t.Error("an id that is too long is answered")
		}
		if err == nil && (username == "" || len(username) > 256 || len(password) > 256) {
			t.Errorf("a login of %d and %d characters", len(username), len(password))
		}
		if _, code := windows.FaultOf(err); err != nil && code == "unavailable" {
			t.Error("what cannot be read is not an accident")
		}
		if _, request, context, err := windows.TokenRequest(raw); err == nil {
			if len(request) == 0 {
				t.Error("no request in a request")
			}
			for name, value := range context {
				if len(name) > 256 || len(value) > 256 || strings.ContainsAny(name+value, "\x00\n") {
					t.Error("what is not short is kept")
				}
			}
		}
		if version, _, err := windows.DiscoverRequest(raw); err == nil && len(version) != 3 {
			t.Errorf("version %q", version)
		}
	})
}

// What answers a message is XML, whatever the message is.
func FuzzSession(f *testing.F) {
	f.Add([]byte(vector(f, "unenrolled")))
	f.Add([]byte(`<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Source><LocURI>a</LocURI></Source></SyncHdr><SyncBody><Results><Item><Source><LocURI>./DevDetail/SwV</LocURI></Source><Data>1</Data></Item></Results></SyncBody></SyncML>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		source, _, _, results, reply, err := windows.Session(raw)
		if err != nil {
			return
		}
		if source == "" || len(source) > 256 {
			t.Errorf("a sender of %d characters", len(source))
		}
		for node, value := range results {
			if len(node) > 256 || len(value) > 256 || value == "" {
				t.Error("what is not short is kept")
			}
		}
		if err := xml.Unmarshal([]byte(reply), new(struct{})); err != nil {
			t.Errorf("%v in %s", err, reply)
		}
	})
}

// A request that is taken has a key that is strong enough and was proved.
func FuzzCSR(f *testing.F) {
	key := keys[0]()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		public, err := windows.ParseCSR(der)
		if err != nil {
			return
		}
		if bits := public.(*rsa.PublicKey).N.BitLen(); bits < 2048 || bits > 4096 {
			t.Errorf("a key of %d bits", bits)
		}
	})
}

// What is said to be signed was signed by the key of the certificate.
func FuzzSigned(f *testing.F) {
	key := keys[0]()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed(f, []byte("content"), cert, key, signing{}))
	f.Add(signed(f, []byte("content"), cert, key, signing{bare: true}))
	f.Fuzz(func(t *testing.T, der []byte) {
		content, signer, err := windows.ParseSigned(der)
		// The only key there is signed nothing else.
		if err == nil && signer.PublicKey.(*rsa.PublicKey).Equal(key.Public()) && string(content) != "content" {
			t.Errorf("%q was never signed", content)
		}
	})
}

// A name of an enrollment is read as it was written.
func FuzzEnrollmentName(f *testing.F) {
	f.Add("hren9g0d87kd892qemjp6s1v0m-f8x6x8tb-06eah81yg3mmp0rfxzqadj0q1g-u")
	f.Add("a-b-c-d-s")
	f.Add("---u")
	f.Fuzz(func(t *testing.T, name string) {
		if again, ok := windows.EnrollmentName(name); ok && again != name {
			t.Errorf("%q became %q", name, again)
		}
	})
}
