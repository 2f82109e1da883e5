package server

import (
	"html"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// payloads try to leave text and attributes.
var payloads = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`'><svg/onload=alert(1)>`,
	`</title><script>alert(1)</script>`,
	`</textarea><iframe src=javascript:alert(1)>`,
	"`${alert(1)}`{{.Secret}}<b>",
}

func TestNamesOfUsersAndDevicesAreTextOnEveryPage(t *testing.T) {
	for _, payload := range payloads {
		t.Run(payload, func(t *testing.T) {
			w := start(t)
			w.api(adminToken, http.MethodPut, "/api/v1/site", `{"name":`+quote(t, payload)+`,"support":`+quote(t, payload)+`}`, http.StatusOK)
			user := w.user(adminToken, payload, "ann@example.com")
			invitation := w.invite(adminToken, user)
			m := w.mailTo(adminToken, "ann@example.com", "mail.invitation")
			token := strings.TrimPrefix(scan(t, m.Inline[0].Data), w.base+"/i/")
			phone := w.enroll(`{"type":"token","token":"`+token+`"}`, "one", payload, 201)
			w.report(phone)
			b := w.signIn(adminEmail, adminToken)
			x := tenants{world: w, user: user, invitation: invitation, device: phone.Device, mailID: m.ID}
			seen := 0
			for _, op := range ownOperations(t) {
				if op.method != http.MethodGet || strings.HasPrefix(op.path, "/api/") || strings.HasPrefix(op.path, "/static/") {
					continue
				}
				got := b.send(b.client, http.MethodGet, x.ids(op.path), nil, "")
				policy := got.header.Get("Content-Security-Policy")
				assert.Contains(t, policy, "default-src 'none'", op.path)
				assert.NotContains(t, strings.Replace(policy, "style-src 'unsafe-inline'", "", 1), "unsafe", op.path)
				assert.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), op.path)
				if strings.HasSuffix(op.path, "/html") { // the mail itself, in its sandbox
					assert.Contains(t, policy, "sandbox")
					assert.NotContains(t, policy, "allow-scripts")
					assert.NotContains(t, policy, "allow-same-origin")
				}
				assert.NotContains(t, got.body, payload, op.path)
				if strings.Contains(html.UnescapeString(got.body), payload) {
					seen++
				}
			}
			assert.Greater(t, seen, 8, "the payload is on most pages, as text")
		})
	}
}

func quote(t *testing.T, s string) string {
	t.Helper()
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String() + `"`
}

func TestThePageOfALogLineIsItsPattern(t *testing.T) {
	w := start(t)
	b := w.signIn(adminEmail, adminToken)
	b.send(b.client, http.MethodGet, "/users/u_canary42", nil, "")
	b.send(b.client, http.MethodGet, "/i/"+strings.Repeat("c", 43), nil, "")
	b.send(b.client, http.MethodGet, "/canary43", nil, "")
	log := w.log.String()
	assert.Contains(t, log, `"route":"/users/{id`)
	assert.Contains(t, log, `"request_id":`)
	for _, leak := range []string{"canary42", "canary43", strings.Repeat("c", 43)} {
		assert.NotContains(t, log, leak)
	}
}

func TestReadinessEndsBeforeTheServerDoes(t *testing.T) {
	w := start(t)
	assert.Equal(t, http.StatusOK, w.send(plain, http.MethodGet, "/healthz", nil, "").status)
	assert.Equal(t, http.StatusOK, w.send(plain, http.MethodGet, "/readyz", nil, "").status)
	w.stop()
	assert.Contains(t, w.log.String(), "stopping")
}
