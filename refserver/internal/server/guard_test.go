package server

import (
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/assert/yaml"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/refserver/internal/session"
)

var (
	noSecret credentials.Secret
	discard  = slog.New(slog.DiscardHandler)
)

// operation is one method of one path, with {id} in it.
type operation struct{ method, path string }

// ownOperations walks the router of everything that is not the SDK's.
func ownOperations(t *testing.T) (list []operation) {
	t.Helper()
	dir := t.TempDir()
	s := &server{Config: Config{
		Database: filepath.Join(dir, "x.db"), Keyring: filepath.Join(dir, "x.keyring"), MailFrom: "a@example.com",
		AdminEmail: adminEmail, Log: discard,
	}, public: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}}
	_, err := s.open(t.Context())
	require.NoError(t, err)
	defer func() { _ = s.db.Close() }()
	guard, err := session.New(s.accounts, s.public)
	require.NoError(t, err)
	router, err := s.ownRoutes(guard)
	require.NoError(t, err)
	vars := regexp.MustCompile(`\{(\w+):[^/]*\}`)
	require.NoError(t, router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		methods, _ := route.GetMethods() // none: all
		for _, method := range methods {
			if method != http.MethodHead {
				list = append(list, operation{method, vars.ReplaceAllString(path, "{$1}")})
			}
		}
		return err
	}))
	require.Greater(t, len(list), 40)
	return list
}

// documented reads the operations of an OpenAPI document.
func documented(t *testing.T, document []byte, base string) (list []operation) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(document, &doc))
	for path, methods := range doc.Paths {
		for method := range methods {
			if method := strings.ToUpper(method); slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) {
				list = append(list, operation{method, base + path})
			}
		}
	}
	return list
}

// tenants are two sites on one server, each with one of everything.
type tenants struct {
	*world
	other                            string // the second site's token
	user, invitation, device, mailID string // of the first site
	list                             string // being imported
	passcode                         string
}

func twoSites(t *testing.T, change ...func(*Config)) tenants {
	w := start(t, change...)
	var made struct {
		ID    string
		Token string `json:"admin_token"`
	}
	w.api(operatorToken, http.MethodPost, "/api/v1/sites", `{"name":"Other","admin_email":"root@other.example"}`, http.StatusCreated).decode(t, &made)
	x := tenants{world: w, other: made.Token}
	x.user = w.user(adminToken, "Secret Agent", "agent@example.com")
	x.invitation = w.invite(adminToken, x.user)
	m := w.mailTo(adminToken, "agent@example.com", "mail.invitation")
	x.mailID = m.ID
	token := strings.TrimPrefix(scan(t, m.Inline[0].Data), w.base+"/i/")
	x.device = w.enroll(`{"type":"token","token":"`+token+`"}`, "one", "Secret phone", 201).Device
	w.invite(made.Token, w.user(made.Token, "Somebody", "somebody@other.example"))
	var job struct{ ID string }
	w.upload(adminToken, "?background=true&dry_run=true", "email,name\nagent@example.com,Secret Agent\nlisted@example.com,Secret Listed\n", http.StatusAccepted).decode(t, &job)
	x.list = job.ID
	x.passcode = w.passcode(adminToken)
	w.api(adminToken, http.MethodPut, "/api/v1/messages/self_service/en", `{"subject":"Secret subject","text":"{{.Username}} {{.Password}}","html":"<p>{{.Username}} {{.Password}}</p>"}`, http.StatusOK)
	return x
}

// ids are the ids of the first site that fit into a path.
func (x tenants) ids(path string) string {
	id := map[string]string{"users": x.user, "invitations": x.invitation, "devices": x.device, "mailbox": x.mailID}
	path = strings.NewReplacer("{kind}", "self_service", "{language}", "en").Replace(path)
	if strings.Contains(path, "/users/import") {
		return strings.ReplaceAll(path, "{id}", x.list)
	}
	for part, id := range id {
		if strings.Contains(path, "/"+part+"/") {
			path = strings.ReplaceAll(path, "{id}", id)
		}
	}
	return strings.NewReplacer("{n}", "0", "{file}", "style.css").Replace(path)
}

func TestASiteSeesNothingOfAnother(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		x := twoSites(t, on)
		b := x.signIn("root@other.example", x.other)
		before := x.signIn(adminEmail, adminToken).get("/devices/" + x.device)

		admin := documented(t, adminhttp.OpenAPI(), "/api/v1")
		for _, op := range slices.Concat(ownOperations(t), admin) {
			t.Run(op.method+" "+op.path, func(t *testing.T) {
				if op.path == "/sign-in" || op.path == "/sign-out" || strings.HasPrefix(op.path, "/static/") {
					t.Skip("belongs to no site")
				}
				x := x
				x.world = &world{t: t, base: x.base}
				path := x.ids(op.path)
				var got answer
				if strings.HasPrefix(path, "/api/") {
					body := ""
					if op.method == http.MethodPatch {
						body = `{"email":"thief@other.example"}`
					}
					if strings.HasSuffix(path, "/devices/renew") {
						body = `{"ids":["` + x.device + `"]}`
					}
					header := http.Header{"Authorization": {"Bearer " + x.other}, "Content-Type": {"application/json"}}
					got = x.send(plain, op.method, path, header, body)
					if strings.Contains(op.path, "{id}") {
						nobody := x.send(plain, op.method, strings.NewReplacer(x.user, "u_none", x.invitation, "inv_none", x.device, "dev_none", x.list, "imp_none").Replace(path), header, body)
						assert.Equal(t, nobody.body, got.body, "an id of another site is answered as one that never was")
					}
				} else {
					b := &browser{x.world, b.client}
					form := url.Values{"email": {"thief@other.example"}, "name": {"x"}, "id": {x.device}, "user": {x.user}}
					if op.method == http.MethodPost {
						form.Set("form_token", formToken.FindStringSubmatch(b.get("/users/new"))[1])
					}
					got = b.send(b.client, op.method, path, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {x.base}}, form.Encode())
				}
				if strings.Contains(op.path, "{id}") {
					assert.Equal(t, http.StatusNotFound, got.status, got.body)
				}
				for _, secret := range []string{"Secret Agent", "Secret phone", "agent@example.com", "Secret Listed", "Secret subject", x.passcode} {
					assert.NotContains(t, got.body, secret)
				}
			})
		}
		assert.Equal(t, x.passcode, x.reveal(adminToken), "the other site's passcode was made, not this one")
		after := x.signIn(adminEmail, adminToken).get("/devices/" + x.device)
		events := regexp.MustCompile(`<li><span class="dot`)
		assert.Equal(t, len(events.FindAllString(before, -1)), len(events.FindAllString(after, -1)), "nothing happened to the device")
	})
}

func TestNoChangeIsTakenFromAnotherSitesPage(t *testing.T) {
	x := twoSites(t)
	b := x.signIn(adminEmail, adminToken)
	token := formToken.FindStringSubmatch(b.get("/users/new"))[1]
	origins := map[string]http.Header{
		"cross-site":               {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":                {"Sec-Fetch-Site": {"same-site"}},
		"another origin":           {"Origin": {"https://evil.test"}},
		"a null origin":            {"Origin": {"null"}},
		"another origin with same": {"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"cross-site"}},
	}
	for _, op := range slices.Concat(ownOperations(t), documented(t, adminhttp.OpenAPI(), "/api/v1")) {
		if op.method == http.MethodGet || op.path == "/api/v1/sites" { // that one has no cookie
			continue
		}
		t.Run(op.method+" "+op.path, func(t *testing.T) {
			w := &world{t: t, base: x.base}
			path := x.ids(op.path)
			for name, header := range origins {
				for _, media := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json"} {
					header := header.Clone()
					header.Set("Content-Type", media)
					body := url.Values{"form_token": {token}, "email": {"x@example.com"}, "token": {adminToken}}.Encode()
					if media == "application/json" {
						body = "{}"
					}
					got := w.send(b.client, op.method, path, header, body)
					assert.Equal(t, http.StatusForbidden, got.status, "%s, %s: %s", name, media, got.body)
				}
			}
			if op.path == "/sign-in" {
				return
			}
			// What says nothing of its origin needs the form's token, or to be JSON.
			for _, media := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"} {
				got := w.send(b.client, op.method, path, http.Header{"Content-Type": {media}}, "email=x@example.com")
				assert.Equal(t, http.StatusForbidden, got.status, "no origin, %s: %s", media, got.body)
			}
		})
	}
	assert.Contains(t, b.get("/devices"), "Secret Agent", "still signed in, and everything is there")
	assert.Contains(t, b.get("/invitations/"+x.invitation), "Invitation opened")
	assert.Contains(t, b.post("/self-service/reveal", nil, 200).body, x.passcode)
	assert.Contains(t, b.get("/messages/self_service/en"), "Secret subject")
	assert.Contains(t, b.get("/users/import/"+x.list), "Checked")
	assert.NotContains(t, b.get("/users"), "Secret Listed")
}

func TestGetChangesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		x := twoSites(t, on)
		b := x.signIn(adminEmail, adminToken)
		journal := func() string {
			return x.api(adminToken, http.MethodGet, "/api/v1/events", "", http.StatusOK).body
		}
		x.eventually("the journal is in order", func() bool {
			text := journal()
			return strings.Contains(text, "device.enrolled") && strings.Contains(text, `"reason":"accepted"`) &&
				strings.Contains(text, "passcode.generated")
		})
		before := journal()
		for _, op := range ownOperations(t) {
			if op.method == http.MethodGet {
				b.send(b.client, http.MethodGet, x.ids(op.path), nil, "")
				b.send(b.client, http.MethodHead, x.ids(op.path), nil, "")
			}
		}
		assert.Equal(t, before, journal())
	})
}

func TestWhoIsNotSignedInSeesTheSignInPage(t *testing.T) {
	w := start(t)
	for _, op := range ownOperations(t) {
		if op.path == "/sign-in" || strings.HasPrefix(op.path, "/static/") || op.path == "/openapi.yaml" {
			continue
		}
		path := strings.NewReplacer("{id}", "x", "{n}", "0", "{kind}", "alert", "{language}", "en").Replace(op.path)
		got := w.send(plain, op.method, path, http.Header{"Origin": {w.base}}, "")
		if strings.HasPrefix(path, "/api/") {
			assert.Equal(t, http.StatusUnauthorized, got.status, path)
			continue
		}
		assert.Equal(t, http.StatusSeeOther, got.status, path)
		assert.Equal(t, "/sign-in", got.header.Get("Location"), path)
	}
}

func TestSignIn(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		try := func(email, token string) answer {
			return w.send(plain, http.MethodPost, "/sign-in", http.Header{
				"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {w.base},
			}, url.Values{"email": {email}, "token": {token}}.Encode())
		}
		wrong := try(adminEmail, "wrong")
		assert.Equal(t, http.StatusUnauthorized, wrong.status)
		assert.Equal(t, http.StatusUnauthorized, try("other@localhost", adminToken).status, "the token of somebody else")
		good := try("Admin@Localhost", adminToken)
		assert.Equal(t, http.StatusSeeOther, good.status)
		cookie := good.header.Get("Set-Cookie")
		assert.Contains(t, cookie, "HttpOnly")
		assert.Contains(t, cookie, "SameSite=Lax")

		b := w.signIn(adminEmail, adminToken)
		session := b.client.Jar.Cookies(mustParse(t, w.base))[0]
		b.post("/sign-out", nil, http.StatusSeeOther)
		got := w.send(plain, http.MethodGet, "/devices", http.Header{"Cookie": {session.Name + "=" + session.Value}}, "")
		assert.Equal(t, http.StatusSeeOther, got.status, "the session is over, not only the cookie")

		for range 10 {
			try(adminEmail, "wrong")
		}
		limited := try(adminEmail, adminToken)
		assert.Equal(t, http.StatusTooManyRequests, limited.status)
		assert.NotEmpty(t, limited.header.Get("Retry-After"))
		w.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK) // programs go on
	})
}

func TestTheCookieOfAnHTTPSServerIsForHTTPSAlone(t *testing.T) {
	w := start(t, func(c *Config) { c.PublicURL = mustParse(t, "https://enroll.example.com") })
	w.base = "http://" + regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(w.log.String())[1]
	got := w.send(plain, http.MethodPost, "/sign-in", http.Header{
		"Host": {"enroll.example.com"}, "Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://enroll.example.com"},
	}, url.Values{"email": {adminEmail}, "token": {adminToken}}.Encode())
	assert.Regexp(t, `^__Host-enrollkit=.*; Secure`, got.header.Get("Set-Cookie"))
}

func TestOnlyKnownHostsAreAnswered(t *testing.T) {
	w := start(t, func(c *Config) { c.PublicURL = mustParse(t, "https://enroll.example.com") })
	w.base = "http://" + regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(w.log.String())[1]
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:1234": 200, "[::1]:80": 200, "enroll.example.com": 200, "Enroll.example.com:443": 200,
		"enroll.example.com:444": 421, "enroll.example.com.": 421,
		"evil.test": 421, "127.0.0.1.evil.test": 421, "localhost.evil.test:8080": 421,
	} {
		got := w.send(plain, http.MethodGet, "/sign-in", http.Header{"Host": {host}}, "")
		assert.Equal(t, want, got.status, host)
	}
	assert.Equal(t, 200, w.send(plain, http.MethodGet, "/readyz", http.Header{"Host": {"10.0.0.7"}}, "").status, "probes ask by address")
}

func TestTheDocumentIsServedAndEveryOperationInItExists(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		document := w.send(plain, http.MethodGet, "/openapi.yaml", nil, "").body
		for _, op := range documented(t, []byte(document), "") {
			token := adminToken
			if op.path == "/api/v1/sites" {
				token = operatorToken
			}
			got := w.send(plain, op.method, strings.ReplaceAll(op.path, "{id}", "x"), http.Header{"Authorization": {"Bearer " + token}}, "{}")
			if !strings.Contains(op.path, "{") { // what is named there does not exist
				assert.NotEqual(t, http.StatusNotFound, got.status, op)
			}
			assert.NotEqual(t, http.StatusMethodNotAllowed, got.status, op)
			assert.Less(t, got.status, 500, op)
		}
		for _, op := range ownOperations(t) {
			if strings.HasPrefix(op.path, "/api/") {
				assert.Contains(t, documented(t, []byte(document), ""), op)
			}
		}
	})
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}
