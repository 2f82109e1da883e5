package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAPathIsNamedByItsPatternAndNeverByItself(t *testing.T) {
	var p Patterns
	p.Add("", []byte("openapi: 3.1.0\npaths:\n  /i/{token}:\n    get: {}\n  /i/{token}/accept:\n    post: {}\n  /enroll:\n    get: {}\n"))
	p.Add("/api/v1", []byte("paths:\n  /devices/renew:\n    post: {}\n  /devices/{id}:\n    get: {}\n"))
	for path, want := range map[string]string{
		"/i/canary":                "/i/{token}",
		"/i/canary/accept":         "/i/{token}/accept",
		"/i/a%2Faccept":            "/i/{token}",
		"/i/canary/accept/more":    "other",
		"/i/":                      "other",
		"/enroll":                  "/enroll",
		"/enroll/":                 "other",
		"/api/v1/devices/renew":    "/api/v1/devices/renew",
		"/api/v1/devices/dev_1":    "/api/v1/devices/{id}",
		"/api/v1/devices/dev_1/..": "other",
		"/canary":                  "other",
		"/":                        "other",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"?q=canary", nil)
		assert.Equal(t, want, p.Of(r), path)
	}
}

func TestTheIDOfARequestIsAProxysOrOurs(t *testing.T) {
	const sent = "01JD7ZK3Q5V8W9X2Y4A6B8C0D2"
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		peer, id string
		kept     bool
	}{
		{"10.0.0.1:5", sent, true},
		{"192.0.2.1:5", sent, false},
		{"10.0.0.1:5", "12345678", false},                   // as short as a PIN
		{"10.0.0.1:5", sent + sent, false},                  // as long as a token
		{"10.0.0.1:5", sent[:20] + "\" level=ERROR", false}, // as a line of a log
		{"10.0.0.1:5", "", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Request-Id", c.id)
		w := httptest.NewRecorder()
		var seen string
		RequestID(trusted)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = RequestIDFrom(r.Context()) })).ServeHTTP(w, r)
		assert.Equal(t, c.kept, seen == c.id, c)
		assert.NotEmpty(t, seen)
		assert.Equal(t, seen, w.Header().Get("X-Request-Id"))
	}
}
