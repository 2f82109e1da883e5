package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

// The tokens of every test; none of them may show up in a log.
const (
	adminToken    = "canary-administrator-token-7Qx"
	operatorToken = "canary-operator-token-9Zk"
	adminEmail    = "admin@localhost"
)

// world is a running server with its database in a directory of the test.
type world struct {
	t    *testing.T
	base string
	dir  string

	database string // of the latest run
	out      *buffer
	log      *buffer
	stop     func()
}

// buffer is written by the server and read by the test.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestMain(m *testing.M) { pgtest.Main(m) }

// onEach runs a test on every database that the server supports.
func onEach(t *testing.T, test func(t *testing.T, on func(*Config))) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, name string) {
		test(t, func(c *Config) { c.Database = name })
	})
}

// start starts a server in a new directory.
func start(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), out: &buffer{}, log: &buffer{}}
	w.run(change...)
	return w
}

// run starts the server of w; again after stop, over the same files.
func (w *world) run(change ...func(*Config)) {
	w.t.Helper()
	document, err := os.ReadFile("../../openapi.yaml")
	require.NoError(w.t, err)
	cfg := Config{
		Listen: "127.0.0.1:0", Database: filepath.Join(w.dir, "test.db"), Keyring: filepath.Join(w.dir, "test.keyring"),
		MailFrom: "enroll@example.com", AdminEmail: adminEmail,
		AdminToken: credentials.SecretString(adminToken), OperatorToken: credentials.SecretString(operatorToken),
		OpenAPI: document, Out: w.out, AnswerTime: -1, // what the default is good for is enrollhttp's to test
		Log: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	w.database = cfg.Database
	ready := make(chan *url.URL, 1)
	cfg.Ready = func(base *url.URL) { ready <- base }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	select {
	case base := <-ready:
		w.base = base.String()
	case err := <-ended:
		cancel()
		require.NoError(w.t, err)
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-ended)
	})
	w.t.Cleanup(w.stop)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the connection ends with it
}

// decode reads the answer as JSON.
func (a answer) decode(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.body), v), a.body)
}

// send sends a request and follows no redirect.
func (w *world) send(client *http.Client, method, path string, header http.Header, body string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	require.NoError(w.t, err)
	for name, values := range header {
		if name == "Host" {
			r.Host = values[0]
			continue
		}
		r.Header[name] = values
	}
	response, err := client.Do(r)
	require.NoError(w.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return answer{response.StatusCode, response.Header, string(text), response.Close}
}

var plain = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// api calls the JSON API with a token and wants a status.
func (w *world) api(token, method, path, body string, want int) answer {
	w.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + token}}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	got := w.send(plain, method, path, header, body)
	require.Equal(w.t, want, got.status, "%s %s: %s", method, path, got.body)
	return got
}

// browser is somebody who signed in.
type browser struct {
	*world
	client *http.Client
}

// signIn signs in and wants it to work.
func (w *world) signIn(email, token string) *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	b := &browser{w, &http.Client{Jar: jar, CheckRedirect: plain.CheckRedirect}}
	got := b.submit("/sign-in", url.Values{"email": {email}, "token": {token}})
	require.Equal(w.t, http.StatusSeeOther, got.status, got.body)
	return b
}

// get fetches a page and wants 200.
func (b *browser) get(path string) string {
	b.t.Helper()
	got := b.send(b.client, http.MethodGet, path, nil, "")
	require.Equal(b.t, http.StatusOK, got.status, "%s: %s", path, got.body)
	return got.body
}

// submit sends a form as a browser does from our own page.
func (b *browser) submit(path string, form url.Values) answer {
	b.t.Helper()
	return b.send(b.client, http.MethodPost, path, http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"},
	}, form.Encode())
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// post fills in a form of a page of this session and wants a status.
func (b *browser) post(path string, form url.Values, want int) answer {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	form.Set("form_token", formToken.FindStringSubmatch(b.get("/users/new"))[1])
	got := b.submit(path, form)
	require.Equal(b.t, want, got.status, "%s: %s", path, got.body)
	return got
}

// eventually waits until ok.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	require.Eventually(w.t, ok, time.Minute, 20*time.Millisecond, what) // on a busy machine
}

// user adds a user and returns the id.
func (w *world) user(token, name, email string) string {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"name": name, "email": email})
	require.NoError(w.t, err)
	var made struct{ ID string }
	w.api(token, http.MethodPost, "/api/v1/users", string(body), http.StatusCreated).decode(w.t, &made)
	return made.ID
}

// invite invites a user and returns the invitation's id.
func (w *world) invite(token, user string) string {
	w.t.Helper()
	var answer struct {
		Results []struct {
			Invitation string `json:"invitation_id"`
			Error      string
		}
	}
	w.api(token, http.MethodPost, "/api/v1/invitations", `{"users":[{"user_id":"`+user+`"}],"deliver":"send"}`, http.StatusCreated).decode(w.t, &answer)
	require.Len(w.t, answer.Results, 1)
	require.Empty(w.t, answer.Results[0].Error)
	return answer.Results[0].Invitation
}

// mail is one mail as the mailbox tells it to programs.
type mail struct {
	ID, To, Kind, Subject, Text, HTML string
	Inline                            []struct {
		CID, Type string
		Data      []byte
	}
}

// mailTo waits for the latest mail of a kind to somebody.
func (w *world) mailTo(token, to, kind string) (found mail) {
	w.t.Helper()
	w.eventually("mail "+kind+" to "+to, func() bool {
		var list struct{ Mails []mail }
		w.api(token, http.MethodGet, "/mailbox", "", http.StatusOK).decode(w.t, &list)
		for _, m := range list.Mails {
			if m.To == to && m.Kind == kind {
				w.api(token, http.MethodGet, "/mailbox/"+m.ID, "", http.StatusOK).decode(w.t, &found)
				return true
			}
		}
		return false
	})
	return found
}

// enrolled is the answer to a device.
type enrolled struct {
	Device  string `json:"device_id"`
	Token   string `json:"device_token"`
	State   string
	Missing []string
}

// enroll enrolls an Android device.
func (w *world) enroll(credential, id, name string, want int) (e enrolled) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{
		"enrollment_id": id, "credential": json.RawMessage(credential), "ownership": "company",
		"device": map[string]string{"platform": "android", "name": name, "serial": "SN" + id, "manufacturer": "acme", "model": "One", "os_version": "16"},
	})
	require.NoError(w.t, err)
	got := w.send(plain, http.MethodPost, "/device/v1/enroll", http.Header{"Content-Type": {"application/json"}}, string(body))
	require.Equal(w.t, want, got.status, got.body)
	if want < 300 {
		got.decode(w.t, &e)
	}
	return e
}

// report sends everything an Android work profile needs.
func (w *world) report(e enrolled) (state string) {
	w.t.Helper()
	var status struct{ State string }
	w.api(e.Token, http.MethodPost, "/device/v1/report",
		`{"seq":1,"facts":{"agent_installed":true,"work_profile":true,"permissions":true,"inventory_received":true},"inventory":{"storage_gb":128}}`,
		http.StatusOK).decode(w.t, &status)
	return status.State
}

// upload sends a list of users and wants a status.
func (w *world) upload(token, query, list string, want int) answer {
	w.t.Helper()
	got := w.send(plain, http.MethodPost, "/api/v1/users/import"+query, http.Header{
		"Authorization": {"Bearer " + token}, "Content-Type": {"text/csv"},
	}, list)
	require.Equal(w.t, want, got.status, got.body)
	return got
}

// passcode generates a company passcode.
func (w *world) passcode(token string) string {
	w.t.Helper()
	var made struct{ Passcode string }
	w.api(token, http.MethodPost, "/api/v1/passcode/generate", "", http.StatusOK).decode(w.t, &made)
	require.Len(w.t, made.Passcode, 12)
	return made.Passcode
}

// reveal shows the company passcode.
func (w *world) reveal(token string) string {
	w.t.Helper()
	var shown struct{ Passcode string }
	w.api(token, http.MethodPost, "/api/v1/passcode/reveal", "", http.StatusOK).decode(w.t, &shown)
	return shown.Passcode
}
