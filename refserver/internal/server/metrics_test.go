package server

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestMetricsCountByRouteAndNameNobody(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		address := freeAddress(t)
		w := start(t, on, func(c *Config) { c.MetricsListen = address })
		ann := w.user(adminToken, "Ann Lee", "ann@example.com")
		invitation := w.invite(adminToken, ann)
		m := w.mailTo(adminToken, "ann@example.com", "mail.invitation")
		token := strings.TrimPrefix(scan(t, m.Inline[0].Data), w.base+"/i/")
		phone := w.enroll(`{"type":"token","token":"`+token+`"}`, "one", "Ann's phone", 201)
		w.enroll(`{"type":"pin","email":"ann@example.com","pin":"99999998"}`, "two", "x", 401)
		w.report(phone)
		w.send(plain, http.MethodGet, "/i/"+token, nil, "")
		w.send(plain, http.MethodGet, "/i/"+token+"/nothing", nil, "")
		w.send(plain, http.MethodGet, "/canary-path", nil, "")
		w.send(plain, "CANARY", "/users/"+ann, nil, "")

		read := func() string {
			on := &world{t: t, base: "http://" + address}
			got := on.send(plain, http.MethodGet, "/metrics", nil, "")
			require.Equal(t, http.StatusOK, got.status)
			return got.body
		}
		said := read()
		for _, want := range []string{
			`enrollkit_http_request_duration_seconds_count{method="POST",route="/device/v1/enroll",status="201"} 1`,
			`enrollkit_http_request_duration_seconds_count{method="POST",route="/device/v1/enroll",status="401"} 1`,
			`enrollkit_http_request_duration_seconds_count{method="GET",route="/i/{token}",status="200"} 1`,
			`enrollkit_http_request_duration_seconds_count{method="POST",route="/api/v1/users",status="201"} 1`,
			`route="/mailbox/{id}"`, `method="other"`,
			`enrollkit_verb_duration_seconds_count{outcome="ok",verb="report"} 1`,
			`enrollkit_credential_tries_total{credential="pin",outcome="wrong"} 1`,
			`enrollkit_outbox_attempts_total{kind="mail.invitation",status="done"} 1`,
			"enrollkit_ready 1", "enrollkit_database_up 1", "go_goroutines", "process_open_fds",
		} {
			assert.Contains(t, said, want)
		}
		if w.isPostgres() {
			assert.Contains(t, said, "enrollkit_pool_connections_max")
		}
		for _, private := range []string{"ann@example.com", ann, invitation, token, phone.Device, phone.Token, "canary", "CANARY"} {
			assert.NotContains(t, said, private)
		}
		for _, path := range []string{"/", "/healthz", "/debug/pprof/"} {
			on := &world{t: t, base: "http://" + address}
			assert.Equal(t, http.StatusNotFound, on.send(plain, http.MethodGet, path, nil, "").status, "nothing else is there")
		}
		assert.Equal(t, http.StatusNotFound, w.send(plain, http.MethodGet, "/metrics", nil, "").status, "and nothing of it is on the public address")
	})
}

func TestEveryRequestIsOneLineInTheLog(t *testing.T) {
	w := start(t, func(c *Config) { c.TrustedProxies = nil })
	for _, path := range []string{"/i/" + strings.Repeat("c", 43), "/api/v1/slots", "/sign-in", "/canary", "/enroll"} {
		got := w.send(plain, http.MethodGet, path+"?q=canary", http.Header{"X-Request-Id": {"canary-request-id-of-a-client"}}, "")
		id := got.header.Get("X-Request-Id")
		require.NotEmpty(t, id)
		lines := 0
		for line := range strings.SplitSeq(w.log.String(), "\n") {
			if strings.Contains(line, `"level":"INFO"`) && strings.Contains(line, `"msg":"request"`) && strings.Contains(line, id) {
				lines++
				assert.Contains(t, line, `"route":"`)
				assert.Contains(t, line, `"ms":`)
			}
		}
		assert.Equal(t, 1, lines, path)
	}
	assert.NotContains(t, w.log.String(), "canary")
}
