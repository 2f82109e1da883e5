package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/windowsclient"
	"example.com/enrollkit/refserver/pgtest"
)

// until waits for a status of /readyz and returns how long that took.
func (w *world) until(status int) time.Duration {
	w.t.Helper()
	began := time.Now()
	w.eventually(http.StatusText(status), func() bool {
		return w.send(plain, http.MethodGet, "/readyz", nil, "").status == status
	})
	return time.Since(began)
}

func TestALostDatabaseIsSaidAndNoticedWhenItIsBack(t *testing.T) {
	cluster := pgtest.Own(t)
	w := start(t, func(c *Config) { c.Database = cluster.DSN("postgres") })
	w.invite(adminToken, w.user(adminToken, "Ann Lee", "ann@example.com"))
	w.mailTo(adminToken, "ann@example.com", "mail.invitation") // one under way would wait until its lease is over
	b := w.signIn(adminEmail, adminToken)
	c := w.computer(1)
	require.NoError(t, c.Discover(t.Context(), "ann@example.com"))

	require.NoError(t, cluster.Kill())
	lost := w.until(http.StatusServiceUnavailable)

	// Everything that needs the database says so, and when to come again; nothing
	// is taken for wrong, gone or unknown.
	for _, r := range []struct{ method, path string }{
		{"GET", "/api/v1/slots"}, {"GET", "/api/v1/site"}, {"POST", "/api/v1/users"}, {"POST", "/api/v1/invitations"},
		{"POST", "/api/v1/sites"}, {"POST", "/device/v1/enroll"}, {"POST", "/device/v1/report"}, {"POST", "/device/v1/checkin"},
		{"GET", "/i/" + strings.Repeat("A", 43)}, {"POST", "/enroll"}, {"POST", "/sign-in"}, {"GET", "/devices"}, {"GET", "/devices/live"}, {"GET", "/mailbox"},
	} {
		got := w.send(b.client, r.method, r.path, http.Header{"Authorization": {"Bearer " + adminToken}, "Origin": {w.base}}, "{}")
		assert.Equal(t, http.StatusServiceUnavailable, got.status, r)
		assert.NotEmpty(t, got.header.Get("Retry-After"), r)
		assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"), r)
		assert.Contains(t, got.body, `"code":"unavailable"`, r)
	}
	require.NoError(t, c.Probe(t.Context()))
	with := windowsclient.Credential{Username: "ann@example.com", Password: "AAAA-AAAA-AAAA-AAAA"}
	for what, ask := range map[string]func() error{
		"discovery":  func() error { return c.Discover(t.Context(), with.Username) },
		"policy":     func() error { return c.Policies(t.Context(), with) },
		"enrollment": func() error { return c.Request(t.Context(), with) },
	} {
		refused(t, ask(), "EnrollmentServer", "", what)
	}
	page := w.send(b.client, http.MethodGet, "/devices", http.Header{"Accept": {"text/html"}}, "")
	assert.Equal(t, http.StatusServiceUnavailable, page.status)
	assert.Contains(t, page.header.Get("Content-Type"), "text/html", "people get a page")
	for _, path := range []string{"/healthz", "/openapi.yaml", "/static/style.css"} {
		assert.Equal(t, http.StatusOK, w.send(plain, http.MethodGet, path, nil, "").status, path)
	}

	require.NoError(t, cluster.Restart())
	back := w.until(http.StatusOK)
	w.eventually("requests are answered", func() bool {
		return w.send(b.client, http.MethodGet, "/devices", nil, "").status == http.StatusOK
	})
	assert.Contains(t, b.get("/devices"), "Ann Lee", "what was acknowledged is there, and the browser is signed in")
	assert.Contains(t, w.api(adminToken, http.MethodGet, "/api/v1/slots", "", http.StatusOK).body, "ann@example.com")
	w.invite(adminToken, w.user(adminToken, "Bob Ray", "bob@example.com"))
	w.mailTo(adminToken, "bob@example.com", "mail.invitation") // the relay goes on, too
	t.Logf("not ready %s after the loss, ready again %s after the return", lost.Round(time.Millisecond), back.Round(time.Millisecond))
}

// A server that is hung answers nothing and closes nothing.
func TestADatabaseThatHangsIsNoticed(t *testing.T) {
	cluster := pgtest.Own(t)
	silent := newValve(t, cluster.Addr())
	w := start(t, func(c *Config) { c.Database = strings.Replace(cluster.DSN("postgres"), cluster.Addr(), silent.addr, 1) })
	w.user(adminToken, "Ann Lee", "ann@example.com")
	silent.close()
	lost := w.until(http.StatusServiceUnavailable)
	got := w.send(plain, http.MethodGet, "/api/v1/slots", http.Header{"Authorization": {"Bearer " + adminToken}}, "")
	assert.Equal(t, http.StatusServiceUnavailable, got.status)
	silent.open()
	back := w.until(http.StatusOK)
	w.eventually("requests are answered", func() bool {
		return w.send(plain, http.MethodGet, "/api/v1/slots", http.Header{"Authorization": {"Bearer " + adminToken}}, "").status == http.StatusOK
	})
	t.Logf("not ready %s after it fell silent, ready again %s after it spoke", lost.Round(time.Millisecond), back.Round(time.Millisecond))
}

func TestANodeWhoseClockIsOffIsNotReady(t *testing.T) {
	for name, c := range map[string]struct {
		off  time.Duration
		want int
	}{
		"a little":     {3 * time.Second, http.StatusOK},
		"too far on":   {7 * time.Second, http.StatusServiceUnavailable},
		"too far back": {-7 * time.Second, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, func(cfg *Config) {
				cfg.Database = pgtest.DSN(t)
				cfg.Now = func() time.Time { return time.Now().Add(c.off) }
			})
			assert.Equal(t, c.want, w.send(plain, http.MethodGet, "/readyz", nil, "").status)
			if c.want != http.StatusOK {
				assert.Contains(t, w.send(plain, http.MethodGet, "/readyz", nil, "").body, "clock")
			}
			w.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK) // who comes all the same is answered
		})
	}
}
