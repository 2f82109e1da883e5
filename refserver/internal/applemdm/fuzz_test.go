package applemdm_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
)

// fuzzed is a server with a phone that is managed, for one fuzzing process.
func fuzzed(f *testing.F) (*world, *phone) {
	w := newWorld(f, "sqlite:"+filepath.Join(f.TempDir(), "fuzz.db"))
	_, p := w.managed("ann", 1)
	return w, p
}

// ask sends one request past the listener. A panic is a failure, and so is 401.
func (w *world) ask(t *testing.T, method, path string, header http.Header, body []byte) int {
	r := httptest.NewRequest(method, path, bytes.NewReader(body)).WithContext(t.Context())
	for k, v := range header {
		r.Header[k] = v
	}
	rec := httptest.NewRecorder()
	w.apple.ServeHTTP(rec, r)
	if rec.Code == http.StatusUnauthorized {
		t.Errorf("%s %s: 401", method, path)
	}
	return rec.Code
}

func FuzzSignature(f *testing.F) {
	w, p := fuzzed(f)
	body := plistOf("MessageType", "CheckOut", "Topic", p.topic(), "UDID", p.udid)
	signature, err := p.channel.SignMessage(f.Context(), body)
	require.NoError(f, err)
	f.Add(decodeSeed(f, signature))
	f.Add([]byte{0x30, 0x80, 0x06, 0x09})
	f.Fuzz(func(t *testing.T, der []byte) {
		other := append(bytes.Clone(body), ' ') // so that no signature is right
		code := w.ask(t, http.MethodPut, "/checkin", http.Header{"Mdm-Signature": {base64.StdEncoding.EncodeToString(der)}}, other)
		if code != http.StatusBadRequest {
			t.Errorf("status %d", code)
		}
	})
}

func FuzzMessage(f *testing.F) {
	w, p := fuzzed(f)
	for _, seed := range [][]byte{
		plistOf("MessageType", "Authenticate", "Topic", p.topic(), "UDID", p.udid),
		plistOf("MessageType", "TokenUpdate", "Topic", p.topic(), "UDID", p.udid, "Token", "<data>AAAA</data>", "PushMagic", "m"),
		plistOf("MessageType", "SetBootstrapToken", "UDID", p.udid, "BootstrapToken", "<data>AAAA</data>"),
		plistOf("Status", "Acknowledged", "UDID", p.udid, "CommandUUID", "x", "QueryResponses", "<dict></dict>"),
		[]byte("bplist00\xd1\x01\x02"), nil,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body []byte, checkIn bool) {
		signature, err := p.channel.SignMessage(t.Context(), body)
		require.NoError(t, err)
		path := "/mdm"
		if checkIn {
			path = "/checkin"
		}
		code := w.ask(t, http.MethodPut, path, http.Header{"Mdm-Signature": {signature}}, body)
		if code == http.StatusInternalServerError || strings.Contains(w.log.String(), "panic") {
			t.Errorf("status %d", code)
		}
	})
}

func FuzzSCEP(f *testing.F) {
	w, _ := fuzzed(f)
	f.Add([]byte("x"))
	f.Add([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02})
	p := newPhone(w.server.Client(), 2)
	_, page := w.invite("bob")
	if err := p.download(f.Context(), w.accept(page, device.IOS)); err != nil {
		f.Fatal(err)
	}
	recorder := &recording{next: http.DefaultTransport}
	p.http = &http.Client{Transport: recorder}
	if err := p.certify(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Add(recorder.body)
	f.Fuzz(func(t *testing.T, body []byte) {
		code := w.ask(t, http.MethodPost, "/scep?operation=PKIOperation", nil, body)
		if code != http.StatusOK && code != http.StatusBadRequest && code != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d", code)
		}
	})
}

// recording keeps the last body that was posted.
type recording struct {
	next http.RoundTripper
	body []byte
}

func (r *recording) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPost {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		r.body = body
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r.next.RoundTrip(request)
}

func decodeSeed(f *testing.F, s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	require.NoError(f, err)
	return b
}
