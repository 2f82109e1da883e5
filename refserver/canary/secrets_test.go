package canary

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/refserver/internal/server"
)

// meantFor are the secrets that an answer is there to show. A page of an
// invitation links to itself.
func meantFor(op string) []string {
	_, path, _ := strings.Cut(op, " ")
	switch {
	case strings.HasPrefix(path, "/mailbox/{id}"):
		return []string{"token", "PIN", "second token", "second PIN", "third token", "third PIN", "password", "grouped password"}
	case strings.Contains(path, "/passcode/"), strings.HasPrefix(path, "/self-service/"):
		return []string{"passcode"}
	case strings.HasSuffix(path, "/credentials"):
		return []string{"token", "PIN", "second token", "second PIN", "third token", "third PIN"}
	case op == "POST /i/{token}/accept": // its own; nobody else's
		return []string{"token", "typed token", "third token", "sign-in password", "grouped sign-in password"}
	case strings.HasPrefix(path, "/i/"):
		return []string{"token", "typed token", "third token"}
	case path == "/device/v1/enroll":
		return []string{"device token", "second device token"}
	case op == "POST /sign-in":
		return []string{"session"}
	case path == "/api/v1/users/{id}/export", path == "/users/{id}/held":
		return []string{"enrollment id"} // everything that is held of a person
	}
	return nil
}

// echoes are routes whose answer may repeat what its own request brought, and
// why.
var echoes = map[string]string{
	"GET /devices":               "the links of a list repeat its query",
	"GET /invitations":           "the links of a list repeat its query",
	"GET /users":                 "the links of a list repeat its query",
	"POST /site":                 "a form that is refused comes again as it was filled in",
	"POST /sign-in":              "a form that is refused comes again as it was filled in",
	"POST /users/new":            "a form that is refused comes again as it was filled in",
	"POST /users/{id}":           "a form that is refused comes again as it was filled in",
	"POST /invitations/new":      "a form that is refused comes again as it was filled in",
	"POST /invitations/outside":  "a form that is refused comes again as it was filled in",
	"POST /api/v1/devices/renew": "each result names its device",
	"GET /api/v1/events":         "a page without events ends where it began",
	"POST /device/v1/report":     "an error names the fact that does not exist",
}

// hostile are requests to a route with a secret at a place where none belongs.
func (w *world) hostile(r route, secret string) (list []request) {
	with := func(change func(q *request)) {
		q := w.valid(r)
		q.header = q.header.Clone()
		change(&q)
		list = append(list, q)
	}
	quoted := `"` + secret + `"`
	if strings.Contains(r.path, "{") {
		with(func(q *request) { q.path = w.fill(r.path, secret) })
		with(func(q *request) { q.path = w.fill(r.path, secret+"x") })
		with(func(q *request) { q.path = w.fill(r.path, "..%2f"+secret+"%00") })
	}
	with(func(q *request) { q.path += "/" + secret })
	for _, name := range []string{"page_token", "state", "sort", "after", "limit", "page_size", "before", "platform", "ownership", "user_id", secret} {
		with(func(q *request) { q.path += "?" + name + "=" + secret })
	}
	with(func(q *request) { q.path += "?%zz" + secret })
	for _, name := range []string{"Authorization", "Cookie", "Content-Type", "Accept", "Referer", "User-Agent", "X-Forwarded-For", "Host", "Origin", secret} {
		with(func(q *request) { q.header.Set(name, secret) })
	}
	with(func(q *request) { q.header.Set("Authorization", "Bearer "+secret) })
	with(func(q *request) { q.header.Set("Cookie", "enrollkit="+secret) })
	if r.method == http.MethodGet {
		return list
	}
	for _, body := range []string{
		quoted, secret, `{` + quoted + `:1}`, `{"name":` + quoted, `{` + quoted + `:1,` + quoted + `:1}`, `[` + quoted + `]`,
		`{"users":` + quoted + `,"email":` + quoted + `}`, `{"email":` + quoted + `}`, `{"ids":[` + quoted + `]}`,
		`{"users":[{"user_id":` + quoted + `,"mode":` + quoted + `}],"mode":` + quoted + `,"if_active":` + quoted + `}`,
		`{"users":[{"email":` + quoted + `}],"ownership":` + quoted + `,"deliver":` + quoted + `}`,
		`{"enrollment_id":"x","credential":{"type":"token","token":` + quoted + `},"device":{"platform":"android"}}`,
		`{"enrollment_id":"x","credential":{"type":"pin","email":"jan@example.com","pin":` + quoted + `},"device":{"platform":"android"}}`,
		`{"enrollment_id":"x","credential":{"type":"pin","email":` + quoted + `,"pin":"12345678"},"device":{"platform":` + quoted + `}}`,
		`{"enrollment_id":"x","credential":{"type":` + quoted + `,"password":` + quoted + `},"mode":` + quoted + `,"device":{}}`,
		`{"seq":` + quoted + `,"facts":{` + quoted + `:true}}`, `{"seq":7,"facts":{` + quoted + `:true}}`,
		`{"policy":{"pin_digits":` + quoted + `,` + quoted + `:1}}`, `{"agents":{` + quoted + `:{}},"languages":[` + quoted + `]}`,
		`{"name":"Third","admin_email":` + quoted + `}`,
	} {
		with(func(q *request) { q.body = body; q.header.Set("Content-Type", "application/json") })
	}
	for _, form := range []url.Values{
		{"form_token": {secret}}, {secret: {secret}}, {"ownership": {secret}, "platform": {secret}},
		{"form_token": {w.formToken}, "mode": {secret}, "ownership": {secret}, "expires_at": {secret}, "max_devices": {secret}, "user": {secret}, "ids": {secret}, "id": {secret}},
		{"form_token": {w.formToken}, "policy.pin_digits": {secret}, "pin_digits": {secret}, "languages": {secret}},
		{"email": {"admin@localhost"}, "token": {secret}},
	} {
		with(func(q *request) {
			q.body = form.Encode()
			q.header.Set("Content-Type", "application/x-www-form-urlencoded")
		})
	}
	with(func(q *request) {
		q.body = "a=%zz" + secret
		q.header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	return list
}

// rename takes tables away from the server, or brings them back.
func (w *world) rename(t *testing.T, away bool, suits func(table string) bool) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.database()+"?_pragma=busy_timeout(5000)&_pragma=legacy_alter_table(1)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, table := range tableNames(t, db) {
		name, hidden := strings.CutPrefix(table, "hidden_")
		if hidden == away || !suits(name) {
			continue
		}
		to := name
		if away {
			to = "hidden_" + name
		}
		_, err := db.ExecContext(t.Context(), `ALTER TABLE "`+table+`" RENAME TO "`+to+`"`)
		require.NoError(t, err)
	}
}

// T27, T28, T53: secrets through every route, every error and the mail, and then
// looked for everywhere.
func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.live(true)
	for _, below := range []string{"", "/qr.png", "/qr.svg"} { // of the invitation that shows a password once it is accepted
		q := request{"GET", "/i/{token}" + below, "/i/" + w.secrets["third token"] + below, http.Header{}, "", ""}
		require.Equal(t, http.StatusOK, w.send(q).status)
	}
	list := routes(t)
	slices.SortStableFunc(list, func(a, b route) int { return rank(a) - rank(b) })

	tour := func(when string, want func(status int) bool) {
		answered := 0
		for _, r := range list {
			if r.path == "/sign-out" {
				continue // the others need the session, and who guessed too often waits for a new one
			}
			got := w.send(w.valid(r))
			if want(got.status) && got.header.Get("Location") != "/sign-in" {
				answered++
			}
		}
		t.Logf("%s: %d of %d routes answer as they should", when, answered, len(list))
		require.Greater(t, answered, len(list)*6/10)
	}

	// With secrets where none belong: those that somebody has, and some that
	// nobody has.
	names := []string{"typed token", "typed PIN", "token", "PIN", "device token", "admin token", "session", "passcode", "password", "sign-in password"}
	var hostile, ending []request
	for k, name := range names {
		for n, r := range list {
			for i, q := range w.hostile(r, w.secrets[name]) {
				if (n+i)%len(names) == k { // each place of each route has one of them
					q.brings = name
					switch {
					case r.path == "/sign-out": // the others need the session
					case rank(r) > 0:
						ending = append(ending, q)
					default:
						hostile = append(hostile, q)
					}
				}
			}
		}
	}
	w.sendAll(hostile)
	tour("with valid ids", func(status int) bool { return status < 400 })
	w.sendAll(ending)
	t.Logf("%d requests with a secret where none belongs", len(hostile)+len(ending))
	asked := len(w.answers)

	w.rename(t, true, func(table string) bool { return strings.HasPrefix(table, "enroll_") })
	tour("without the SDK's tables", func(status int) bool { return status >= 500 || status < 400 })
	w.rename(t, true, func(table string) bool { return strings.HasPrefix(table, "ref_") })
	tour("without any table", func(status int) bool { return status >= 500 })
	w.rename(t, false, func(string) bool { return true })
	failed := 0
	for _, a := range w.answers[asked:] {
		if a.status >= 500 {
			failed++
		}
	}
	require.Greater(t, failed, len(list))
	w.send(w.valid(route{"POST", "/sign-out"}))

	// What was made by the way has secrets of its own.
	ring, err := os.ReadFile(filepath.Join(w.dir, "canary.keyring"))
	require.NoError(t, err)
	for word := range strings.FieldsSeq(string(ring)) {
		if len(word) >= 32 {
			w.secrets["root key "+word[:4]] = word
		}
	}
	require.GreaterOrEqual(t, len(w.secrets), 12)

	var stored []place
	stored = append(stored, files(t, w.database(), "while it runs")...)
	w.stop()
	stored = append(stored, files(t, w.database(), "afterwards")...)
	stored = append(stored, tables(t, w.database())...)
	told := []place{
		{name: "log as text", text: w.logs.text.bytes()}, {name: "log as JSON", text: w.logs.json.bytes()},
		{name: "standard output", text: w.out.bytes()},
	}
	require.Greater(t, len(told[0].text), 100_000)
	require.Greater(t, len(told[1].text), 100_000)
	for _, a := range w.answers {
		meant := meantFor(a.op)
		if a.brought != "" && echoes[a.op] != "" {
			meant = append(meant, a.brought)
		}
		told = append(told, place{fmt.Sprintf("answer %d to %s (%.200s)", a.status, a.op, a.path), a.all(), meant})
	}
	report(t, search(w.secrets, append(stored, told...)))

	// A key that makes a request repeatable is no secret of ours, but somebody's
	// business: it is stored, and told to nobody.
	keys := map[string]string{"idempotency key": sentKey, "enrollment id": enrollmentID}
	journal := slices.DeleteFunc(stored, func(p place) bool { return !strings.HasPrefix(p.name, "column enroll_events.") })
	require.NotEmpty(t, journal)
	report(t, search(keys, append(journal, told...)))
	t.Logf("%d secrets, %d answers, %d columns and files, %d bytes of log", len(w.secrets), len(w.answers), len(stored), len(told[0].text)+len(told[1].text))
}

// report fails with what was found, at most so much of it.
func report(t *testing.T, found []string) {
	t.Helper()
	slices.Sort(found)
	for _, f := range found[:min(len(found), 25)] {
		t.Error(f)
	}
	if len(found) > 25 {
		t.Errorf("and %d more", len(found)-25)
	}
}

// A mail server that quotes the mail in its refusal, and one that is not there.
func TestSecretsNeverPrintWhenMailFails(t *testing.T) {
	for name, address := range map[string]string{"refused": quoting(t), "nobody there": "127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			w := start(t, func(c *server.Config) {
				c.SMTP = credentials.SecretString("smtp://canary:" + smtpPassword + "@" + address)
				if name == "refused" {
					c.SMTP = credentials.SecretString("smtp://" + address)
				}
			})
			w.live(false)
			w.secrets["SMTP password"] = smtpPassword
			require.Eventually(t, func() bool {
				return strings.Contains(string(w.logs.text.bytes()), "message not delivered")
			}, 20*time.Second, 20*time.Millisecond)
			w.stop()
			report(t, search(w.secrets, append(tables(t, w.database()),
				place{name: "log as text", text: w.logs.text.bytes()}, place{name: "log as JSON", text: w.logs.json.bytes()})))
		})
	}
}

// quoting is a mail server that refuses every mail with the mail's own words.
func quoting(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				say := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
				say("220 quoting")
				var mail []string
				lines := bufio.NewScanner(conn)
				for data := false; lines.Scan(); {
					line := lines.Text()
					switch {
					case data && line == ".":
						for _, quoted := range mail {
							say("554-" + quoted)
						}
						say("554 no")
						return
					case data:
						mail = append(mail, line)
					case strings.HasPrefix(strings.ToUpper(line), "DATA"):
						say("354 go on")
						data = true
					default:
						say("250 ok")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// panicking is a store whose units panic with whatever it is told, once it is.
type panicking struct {
	enrollment.Storage
	with any
}

func (p *panicking) boom() {
	if p.with != nil {
		panic(p.with)
	}
}

func (p *panicking) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	p.boom()
	return p.Storage.Update(ctx, fn)
}

func (p *panicking) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	p.boom()
	return p.Storage.View(ctx, fn)
}

func (p *panicking) Touch(ctx context.Context, list []enrollment.Touch) ([]enrollment.Contact, error) {
	p.boom()
	return p.Storage.Touch(ctx, list)
}

// The same for a panic that quotes the request, behind the SDK's handlers as the
// server mounts them.
func TestSecretsNeverPrintInAPanic(t *testing.T) {
	var l logs
	store := &panicking{Storage: memstore.New()}
	key, err := credentials.NewKey(1, strings.NewReader(strings.Repeat("not random at all", 10)))
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	svc, err := enrollment.New(store, enrollment.Config{
		Keyring: ring, Logger: l.logger(), Sites: enrollment.OneSite{ID: "site", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}},
	})
	require.NoError(t, err)
	people, err := enrollhttp.New(svc, enrollhttp.Options{Logger: l.logger()})
	require.NoError(t, err)
	admin := adminhttp.New(svc, func(*http.Request) (enrollment.Actor, error) {
		return enrollment.Actor{Site: "site", ID: "admin"}, nil
	}, adminhttp.BasePath("/api/v1"), adminhttp.Logger(l.logger()))
	root := http.NewServeMux()
	root.Handle("/api/v1/", admin)
	root.Handle("/", people)
	noise := slog.NewLogLogger(slog.NewTextHandler(&l.text, nil), slog.LevelError) // net/http's own
	front := httptest.NewUnstartedServer(root)
	front.Config.ErrorLog = noise
	front.Start()
	defer front.Close()

	w := &world{t: t, base: front.URL, secrets: map[string]string{
		"token": typedToken, "PIN": typedPIN, "second device token": adminToken,
	}, ids: ids{user: "u", invitation: "inv_1", device: "dev_1"}}
	sdk := slices.DeleteFunc(routes(t), func(r route) bool {
		return isScreen(r.path) || strings.HasPrefix(r.path, "/platform/") || strings.HasPrefix(r.path, "/api/v1/site") || strings.HasPrefix(r.path, "/api/v1/users")
	})
	type leak struct{ Token, PIN string }
	panics := 0
	for _, with := range []any{
		"quotes " + typedToken + " and " + typedPIN, fmt.Errorf("quotes %s: %w", typedPIN, errors.New(typedToken)),
		leak{typedToken, typedPIN}, &leak{typedToken, typedPIN}, []byte(typedToken),
	} {
		store.with = with
		for _, r := range sdk {
			if got := w.send(w.valid(r)); got.status == http.StatusInternalServerError {
				panics++
			}
		}
	}
	require.Greater(t, panics, 5*len(sdk)/2)
	var places []place
	for _, a := range w.answers {
		places = append(places, place{name: fmt.Sprintf("answer %d to %s", a.status, a.op), text: a.all()})
	}
	report(t, search(w.secrets, append(places, place{name: "log as text", text: l.text.bytes()}, place{name: "log as JSON", text: l.json.bytes()})))
	assert.Contains(t, string(l.text.bytes()), "panic")
}
