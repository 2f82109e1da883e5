package server

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/windowsclient"
)

// known is a message that is known to work, from the client's vectors.
func known(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../windowsclient/testdata/" + name + ".xml")
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// soap sends a text to one of the services and wants a fault.
func (w *world) soap(path, text, want string) {
	w.t.Helper()
	w.fault(http.MethodPost, path, text, http.StatusOK, want)
}

func (w *world) fault(method, path, text string, status int, want string) {
	w.t.Helper()
	got := w.send(plain, method, path, http.Header{"Content-Type": {"application/soap+xml; charset=utf-8"}}, text)
	assert.Equal(w.t, status, got.status)
	assert.Contains(w.t, got.header.Get("Content-Type"), "application/soap+xml")
	assert.NotEmpty(w.t, got.header.Get("Content-Length"))
	assert.Contains(w.t, got.body, "<s:Fault>")
	assert.Contains(w.t, got.body, want)
}

const (
	discoveryService  = "/EnrollmentServer/Discovery.svc"
	policyService     = "/platform/windows/policy"
	enrollmentService = "/platform/windows/enrollment"
)

// flood sends 10 MiB and reads the answer meanwhile: the server does not wait for
// all of it.
func flood(t *testing.T, address string, secure *tls.Config, path string) answer {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	require.NoError(t, err)
	if secure != nil {
		secure.ServerName, _, _ = net.SplitHostPort(address)
		connection = tls.Client(connection, secure)
	}
	defer func() { _ = connection.Close() }()
	_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/soap+xml\r\nContent-Length: %d\r\n\r\n", path, address, 10<<20)
	require.NoError(t, err)
	go func() {
		block := make([]byte, 64<<10)
		for range 160 {
			if _, err := connection.Write(block); err != nil {
				return // it is not listened to
			}
		}
	}()
	got, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return answer{got.StatusCode, got.Header, string(text), got.Close}
}

func TestBadMessagesOfComputersGetAFaultAndALineInTheJournal(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		discover, policies, rst := known(t, "discover"), known(t, "get_policies"), known(t, "rst")
		bomb := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>`
		deep := strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000)
		for _, path := range []string{discoveryService, policyService, enrollmentService} {
			for _, text := range []string{
				"", "<", "no XML", "<html/>", "\x00\x01\x02", "<s:Envelope/>", discover[:len(discover)/2], deep,
				bomb + strings.Replace(policies, "user@example.com", "&c;", 1), strings.Repeat(" ", 100<<10),
				strings.ReplaceAll(policies, "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"),
			} {
				w.soap(path, text, "<s:Value>s:MessageFormat</s:Value>")
			}
		}
		flooded := flood(t, strings.TrimPrefix(w.base, "http://"), nil, enrollmentService)
		assert.Equal(t, http.StatusOK, flooded.status)
		assert.Contains(t, flooded.body, "s:MessageFormat")

		// Each service knows its own action, and none knows what there is not.
		w.soap(discoveryService, policies, "s:MessageFormat")
		w.soap(policyService, rst, "s:MessageFormat")
		w.soap(enrollmentService, discover, "s:MessageFormat")
		w.soap(policyService, strings.Replace(policies, "IPolicy/GetPolicies<", "IPolicy/GetCAs<", 1), "s:MessageFormat")
		w.soap(policyService, strings.Replace(policies, "<wsse:Password", "<wsse:Word", 1), "s:MessageFormat") // not well-formed
		w.soap(policyService, policies[:strings.Index(policies, "<wsse:Security")]+policies[strings.Index(policies, "</s:Header>"):], "a:InvalidSecurity")
		w.soap(discoveryService, strings.ReplaceAll(discover, "OnPremise", "Certificate"), "NotSupported")
		w.soap(discoveryService, strings.ReplaceAll(discover, "CIMClient_Windows", "WindowsPhone"), "DeviceNotSupported")
		for _, method := range []string{http.MethodGet, http.MethodPost} { // the page of a federated sign-in, which there is not
			w.fault(method, discoveryService+"?appru=https://evil.test/&login_hint=x", "", http.StatusBadRequest, "NotSupported")
		}
		w.soap(enrollmentService, rst, "s:CertificateRequest") // what is there is no request
		w.soap(enrollmentService, strings.Replace(rst, "200512/Issue", "200512/Cancel", 1), "InvalidEnrollmentData")

		w.noted("windows/discovery: too_large", "windows/discovery: xml_malformed", "windows/discovery: action_unknown", "windows/discovery: federated_not_served",
			"windows/policy: envelope_malformed", "windows/policy: security_malformed", "windows/enroll: certificate_request_malformed", "windows/enroll: request_type_unknown")
		assert.Empty(t, w.windowsRows())
		w.stop()
		assert.NotContains(t, w.log.String(), "panic")
		assert.NotContains(t, w.log.String(), "4F7K9QXT", "the password of the messages")
	})
}

func TestAWrongCertificateRequestCostsNoLogin(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.user(adminToken, "Ann", "ann@example.com")
		with := w.login("ann", w.passcode(adminToken))
		c := w.computer(1)
		require.NoError(t, c.Discover(t.Context(), with.Username))
		key, err := newComputerKey()
		require.NoError(t, err)
		make := func(key any, how x509.SignatureAlgorithm) []byte {
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: how}, key)
			require.NoError(t, err)
			return der
		}
		weak, err := rsa.GenerateKey(rand.Reader, 1024)
		require.NoError(t, err)
		curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		unproved := make(key, x509.SHA256WithRSA)
		unproved[len(unproved)-1] ^= 1
		for what, der := range map[string][]byte{
			"nothing": nil, "something else": []byte("request"), "half": make(key, x509.SHA256WithRSA)[:200],
			"a weak key": make(weak, x509.SHA256WithRSA), "a key of another kind": make(curve, x509.ECDSAWithSHA256), "a broken signature": unproved,
			"more behind it": append(make(key, x509.SHA256WithRSA), 0),
		} {
			refused(t, c.RequestWith(t.Context(), with, der, key), "CertificateRequest", "", what)
		}
		c.Device.ID = ""
		refused(t, c.RequestFor(t.Context(), with, key), "", "InvalidEnrollmentData", "without a DeviceID")
		c.Device = windowsclient.NewDevice(1)
		require.NoError(t, c.RequestFor(t.Context(), with, key), "the login is as good as before")
		w.noted("windows/enroll: certificate_request_weak", "windows/enroll: certificate_request_unproved", "windows/enroll: device_id_missing")
	})
}

func TestBadMessagesInASessionAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		c := w.enrolledComputer(1, "ann", w.passcode(adminToken))
		for text, want := range map[string]int{
			"": http.StatusBadRequest, "<SyncML": http.StatusBadRequest, "<html/>": http.StatusBadRequest,
			`<!DOCTYPE x [<!ENTITY a "a">]><SyncML/>`: http.StatusBadRequest,
			strings.Repeat(" ", 100<<10):              http.StatusRequestEntityTooLarge,
		} {
			status, err := c.Say(t.Context(), text)
			require.NoError(t, err)
			assert.Equal(t, want, status)
		}
		mine := &tls.Config{RootCAs: rootsOf(c), Certificates: []tls.Certificate{{Certificate: [][]byte{c.Provision.Certificate.Raw}, PrivateKey: c.Key}}}
		flooded := flood(t, strings.TrimPrefix(w.windowsURL(), "https://"), mine, "/platform/windows/manage")
		assert.Equal(t, http.StatusRequestEntityTooLarge, flooded.status)
		w.noted("windows/manage: session_malformed", "windows/manage: too_large")
		assert.Equal(t, "pending", w.theComputer().State)
		_, err := c.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "active", w.theComputer().State)
	})
}

func TestAHandshakeThatFailsIsLoggedWithoutAnAddress(t *testing.T) {
	var out strings.Builder
	log := handshakes{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, text := range []string{
		"http: TLS handshake error from 192.0.2.1:50000: remote error: tls: unknown certificate authority\n",
		"http: TLS handshake error from [2001:db8::7]:50000: EOF\n",
		"http: Accept error: accept tcp: too many open files; retrying in 5ms\n",
		"http: panic serving 192.0.2.1:50000: canary\n",
		"http: response.WriteHeader on hijacked connection, 192.0.2.1:50000, [2001:db8::7]:50000, 2001:db8::8\n",
	} {
		_, err := log.Write([]byte(text))
		require.NoError(t, err)
	}
	assert.Contains(t, out.String(), "remote error: tls: unknown certificate authority")
	assert.Contains(t, out.String(), "EOF")
	for _, want := range []string{"too many open files", "on hijacked connection, peer peer peer"} {
		assert.Regexp(t, "level=WARN .*"+want, out.String())
	}
	assert.NotContains(t, out.String(), "192.0.2.1")
	assert.NotContains(t, out.String(), "2001:db8")
	assert.NotContains(t, out.String(), "canary")
}
