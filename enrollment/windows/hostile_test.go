package windows_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/windows"
)

func TestWhatCannotBeMeantIsRefusedWithAFaultAndAReason(t *testing.T) {
	good := func(w *world) string { return w.computer(1).request("abcdefghjk", "AAAA-AAAA-AAAA-AAAA") }
	swap := func(old, with string) func(*world) string {
		return func(w *world) string {
			text := good(w)
			require.Contains(w, text, old)
			return strings.Replace(text, old, with, 1)
		}
	}
	token := func(kind string, der []byte) func(*world) string {
		return func(w *world) string {
			return envelope(requestToken, security("abcdefghjk", "AAAA-AAAA-AAAA-AAAA"), rst("Issue", kind, der, w.computer(1).context()))
		}
	}
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>`
	for _, c := range []struct {
		what, fault, code string
		message           func(*world) string
	}{
		{"nothing", "s:MessageFormat", "xml_malformed", func(*world) string { return "" }},
		{"text", "s:MessageFormat", "xml_malformed", func(*world) string { return "username=x&password=y" }},
		{"half a message", "s:MessageFormat", "xml_malformed", func(w *world) string { return good(w)[:2000] }},
		{"two documents", "s:MessageFormat", "xml_malformed", func(w *world) string { return good(w) + good(w) }},
		{"a document type", "s:MessageFormat", "xml_malformed", func(w *world) string { return bomb + good(w) }},
		{"an entity of its own", "s:MessageFormat", "xml_malformed", swap("abcdefghjk", "&a;")},
		{"a processing instruction", "s:MessageFormat", "xml_malformed", swap("<s:Header>", `<?php x?><s:Header>`)},
		{"another encoding", "s:MessageFormat", "xml_malformed", func(w *world) string { return `<?xml version="1.0" encoding="utf-16"?>` + good(w) }},
		{"depth", "s:MessageFormat", "xml_malformed", func(*world) string {
			return strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
		}},
		{"many elements", "s:MessageFormat", "xml_malformed", func(*world) string { return "<a>" + strings.Repeat("<b/>", 2500) + "</a>" }},
		{"many comments", "s:MessageFormat", "xml_malformed", func(*world) string { return "<a>" + strings.Repeat("<!---->x", 8000) + "</a>" }},
		{"many attributes", "s:MessageFormat", "xml_malformed", func(*world) string {
			var b strings.Builder
			for i := range 500 {
				fmt.Fprintf(&b, ` a%d=""`, i)
			}
			return "<a" + b.String() + "/>"
		}},
		{"too much", "s:MessageFormat", "too_large", func(w *world) string { return good(w) + strings.Repeat(" ", windows.MaxBody) }},
		{"another envelope", "s:MessageFormat", "envelope_malformed", swap("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/")},
		{"two bodies", "s:MessageFormat", "envelope_malformed", swap("</s:Body>", "</s:Body><s:Body><x/></s:Body>")},
		{"two actions", "s:MessageFormat", "envelope_malformed", swap("<a:MessageID>", "<a:Action>x</a:Action><a:MessageID>")},
		{"an unknown action", "s:MessageFormat", "action_unknown", swap("/RST/wstep", "/RST/other")},
		{"the action of another place", "s:MessageFormat", "action_unknown", func(*world) string {
			return envelope(getPolicies, security("a", "b"), policiesBody)
		}},
		{"another body", "s:Authorization InvalidEnrollmentData", "request_malformed", func(*world) string {
			return envelope(requestToken, security("a", "b"), policiesBody)
		}},
		{"another token", "s:Authorization InvalidEnrollmentData", "token_type_unknown", swap("DeviceEnrollmentToken", "OtherToken")},
		{"another kind of request", "s:Authorization InvalidEnrollmentData", "request_type_unknown", swap("200512/Issue", "200512/Cancel")},
		{"no security", "a:InvalidSecurity", "security_malformed", func(w *world) string {
			return envelope(requestToken, "", rst("Issue", "PKCS10", w.computer(1).csr(), w.computer(1).context()))
		}},
		{"two securities", "a:InvalidSecurity", "security_malformed", func(w *world) string {
			return envelope(requestToken, security("a", "b")+security("c", "d"), rst("Issue", "PKCS10", w.computer(1).csr(), w.computer(1).context()))
		}},
		{"a digest of a password", "a:InvalidSecurity", "security_malformed", swap("#PasswordText", "#PasswordDigest")},
		{"a federated token", "a:InvalidSecurity", "security_malformed", swap("<wsse:UsernameToken", `<wsse:BinarySecurityToken>eA==</wsse:BinarySecurityToken><wsse:UsernameToken`)},
		{"no certificate request", "s:CertificateRequest", "certificate_request_malformed", token("PKCS10", nil)},
		{"a certificate request that is none", "s:CertificateRequest", "certificate_request_malformed", token("PKCS10", []byte("hello"))},
		{"one with something behind it", "s:CertificateRequest", "certificate_request_malformed", func(w *world) string {
			return token("PKCS10", append(w.computer(1).csr(), 0))(w)
		}},
		{"one that is not in base64", "s:CertificateRequest", "certificate_request_malformed", swap("#base64binary\">", "#base64binary\">!")},
		{"one of another kind", "s:CertificateRequest", "certificate_request_malformed", func(w *world) string { return token("PKCS7", w.computer(1).csr())(w) }},
		{"a short key", "s:CertificateRequest", "certificate_request_weak", func(w *world) string { return token("PKCS10", shortCSR(w.T))(w) }},
		{"a key that is not RSA", "s:CertificateRequest", "certificate_request_weak", func(w *world) string { return token("PKCS10", ellipticCSR(w.T))(w) }},
		{"a SHA-1 signature", "s:CertificateRequest", "certificate_request_weak", func(w *world) string {
			return token("PKCS10", bytes.Replace(w.computer(1).csr(), []byte{0xf7, 0x0d, 1, 1, 11}, []byte{0xf7, 0x0d, 1, 1, 5}, 1))(w)
		}},
		{"a key that is another's", "s:CertificateRequest", "certificate_request_unproved", func(w *world) string {
			der := w.computer(1).csr()
			der[len(der)-1] ^= 1
			return token("PKCS10", der)(w)
		}},
		{"no name of the device", "s:Authorization InvalidEnrollmentData", "device_id_missing", swap(`Name="DeviceID"`, `Name="Other"`)},
		{"a telephone", "s:Authorization DeviceNotSupported", "device_type_not_supported", swap("CIMClient_Windows", "WindowsPhone")},
		{"a name that is too long", "s:Authorization InvalidEnrollmentData", "context_malformed", swap("DESKTOP-1", strings.Repeat("x", 257))},
		{"a name with control characters", "s:Authorization InvalidEnrollmentData", "context_malformed", swap("DESKTOP-1", "a&#9;b")},
		{"too many things about itself", "s:Authorization InvalidEnrollmentData", "context_too_long", swap("</ac:AdditionalContext>",
			strings.Repeat(`<ac:ContextItem Name="MAC"><ac:Value>1</ac:Value></ac:ContextItem>`, 200)+"</ac:AdditionalContext>")},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			assert.Equal(t, c.fault, w.refused(w.soap("/enrollment", c.message(w))))
			assert.Equal(t, []string{"windows/enroll: " + c.code}, w.reasons())
			w.soap("/enrollment", c.message(w))
			assert.Len(t, w.reasons(), 1, "one who repeats himself does not fill the journal")
		})
	}
}

func shortCSR(t *testing.T) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return der
}

func ellipticCSR(t *testing.T) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return der
}

// Windows writes characters into the subject that have no place there.
func TestTheSubjectOfARequestIsNotLookedAt(t *testing.T) {
	w := newWorld(t)
	c := w.computer(1)
	username, password := w.login("ann")
	info := bytes.Replace(c.csr(), []byte("341-01B254"), []byte("341!01B\x0054"), 1)
	der := c.sign(info)
	_, err := x509.ParseCertificateRequest(der)
	require.Error(t, err, "crypto/x509 does not read it")
	c.keep(w.soap("/enrollment", envelope(requestToken, security(username, password), rst("Issue", "PKCS10", der, c.context()))))
}

// Ten megabytes are not read, whether the message says so or not.
func TestALargeBodyIsNotRead(t *testing.T) {
	w := newWorld(t)
	for _, length := range []int64{10 << 20, -1} {
		for _, path := range []string{"/discovery", "/policy", "/enrollment"} {
			read := &counter{Reader: io.LimitReader(zeros{}, 10<<20)}
			r := httptest.NewRequest(http.MethodPost, "https://mdm.example.com"+path, read)
			r.ContentLength = length
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			assert.Equal(t, "s:MessageFormat", w.refused(rec.Body.String()))
			if length > 0 {
				assert.Zero(t, read.n)
			}
			assert.LessOrEqual(t, read.n, 2*windows.MaxBody)
		}
	}
	assert.Contains(t, w.reasons(), "windows/policy: too_large")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

func TestAnyWhiteSpaceAndRepeatedItemsAreRead(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)
	message := c.request(username, password)
	for _, text := range []string{username, password, requestToken, c.id, "CIMClient_Windows"} {
		message = strings.ReplaceAll(message, ">"+text+"<", ">\n\t  "+text+"\r\n <")
	}
	message = strings.ReplaceAll(message, "><", ">\n    <")
	at := strings.Index(message, "#base64binary\">") + 200
	message = message[:at] + "\r\n  " + message[at:]
	message = strings.Replace(message, "</ac:AdditionalContext>", `<ac:ContextItem Name="DeviceName"><ac:Value>OTHER</ac:Value></ac:ContextItem>`+
		`<ac:ContextItem Name="IMEI"><ac:Value>490154203237518</ac:Value></ac:ContextItem><ac:ContextItem Name="IMEI"><ac:Value>490154203237526</ac:Value></ac:ContextItem></ac:AdditionalContext>`, 1)
	message = "\xef\xbb\xbf\n<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- hello -->\n" + message + "\n"
	c.keep(w.soap("/enrollment", message))
	assert.Equal(t, "DESKTOP-1", w.device().Name, "the first counts")
	assert.Equal(t, device.Hardware{HWDevID: "00AA11BB01", IMEI: "490154203237518"}, w.device().Hardware)
	c.session()
	assert.Equal(t, device.Active, w.device().State)
}

// What the store, the directory or the authority cannot do is no refusal.
func TestAnAccidentIsToldAsOneAndNotNoted(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	w.users = io.ErrUnexpectedEOF
	for _, message := range []string{w.computer(1).policies(username, password), w.soap("/enrollment", w.computer(1).request(username, password))} {
		assert.Equal(t, "s:EnrollmentServer", w.refused(message))
		assert.NotContains(t, message, "EOF")
	}
	assert.Empty(t, w.reasons())
}

func TestOnlyPostsAreTaken(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{"/policy": 405, "/enrollment": 405, "/manage": 405, "/discovery": 200, "/other": 404, "/": 404} {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "https://mdm.example.com"+path, nil))
		assert.Equal(t, want, rec.Code, path)
	}
	r := httptest.NewRequest(http.MethodPost, "https://mdm.example.com/enrollment", nil)
	r.SetPathValue("token", "7ZZZ")
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	assert.Equal(t, 404, rec.Code, "below an invitation's token there is nothing")
}

// No password gets into the log, and no name either.
func TestNothingSecretIsLogged(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, func(c *windows.Config) { c.Logger = lines(&log) })
	username, password := w.login("ann")
	c := w.computer(1).enroll(username, password)
	c.session()
	w.soap("/enrollment", w.computer(2).request(username, password))
	w.computer(2).policies(username, "BBBB-BBBB-BBBB-BBBB")
	w.authority.fails = fmt.Errorf("no room for %s", password)
	w.soap("/enrollment", c.request(username, password))
	require.Contains(t, log.String(), "code=grant_used")
	require.Contains(t, log.String(), "code=credential_refused")
	require.Contains(t, log.String(), "code=unavailable")
	for _, secret := range []string{username, password, "BBBB-BBBB-BBBB-BBBB", c.id, "ann"} {
		assert.NotContains(t, log.String(), secret)
	}
}

// Text in thousands of pieces costs what it is long, and not its square. What is
// measured is what was allocated, which is the same on any machine.
func TestTextInManyPiecesCostsWhatItIsLong(t *testing.T) {
	piece := "<!---->12345678"
	message := []byte("<a>" + strings.Repeat(piece, 3900) + "</a>")
	require.Less(t, len(message), windows.MaxBody)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := windows.ParseXML(message)
	runtime.ReadMemStats(&after)
	require.NoError(t, err, "it is within the bounds")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100*windows.MaxBody))
}
