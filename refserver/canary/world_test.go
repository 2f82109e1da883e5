package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
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
	"example.com/enrollkit/refserver/internal/server"
)

// The secrets that these tests choose.
const (
	adminToken    = "canary-admin-7QxVb2LkPz93"
	operatorToken = "canary-operator-9ZkWm4TyRc58"
	sentKey       = "canary-idempotency-3HsNd6GfJw17"
	enrollmentID  = "canary-enrollment-5PvXq8KbMt42"
	smtpPassword  = "canary-smtp-8DnRz3CyLh66"

	// What nobody has, in the form of what somebody might.
	typedToken = "canaryTokenThatNobodyHasAtAll0123456789abcd"
	typedPIN   = "271828182845"
)

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

func (b *buffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

// logs are one log in the form of both handlers.
type logs struct{ text, json buffer }

func (l *logs) logger() *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	return slog.New(slog.NewMultiHandler(slog.NewTextHandler(&l.text, o), slog.NewJSONHandler(&l.json, o)))
}

// answer is what came back, with what was asked for.
type answer struct {
	op     string // "GET /api/v1/users"
	path   string
	status int
	header http.Header
	body   []byte

	brought string // the request's brings
}

func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal(a.body, &fields), "%s: %s", a.op, a.body)
	text, _ := fields[name].(string)
	require.NotEmpty(t, text, "%s of %s: %s", name, a.op, a.body)
	return text
}

// all is the whole answer as text.
func (a answer) all() []byte {
	var b bytes.Buffer
	_ = a.header.Write(&b) // to memory
	b.Write(a.body)
	return b.Bytes()
}

// world is a running server.
type world struct {
	t         *testing.T
	dir, base string
	logs      logs
	out       buffer
	mu        sync.Mutex
	answers   []answer
	stop      func()

	session, formToken string
	ids                ids
	secrets            map[string]string // by name
}

// ids are one of everything.
type ids struct{ user, invitation, second, third, device, other, mail, site, job string }

func (w *world) database() string { return filepath.Join(w.dir, "canary.db") }

func start(t *testing.T, change ...func(*server.Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), secrets: map[string]string{}}
	document, err := os.ReadFile("../openapi.yaml")
	require.NoError(t, err)
	ready := make(chan *url.URL, 1)
	cfg := server.Config{
		Listen: "127.0.0.1:0", Database: w.database(), Keyring: filepath.Join(w.dir, "canary.keyring"),
		MailFrom: "enroll@example.com", AdminEmail: "admin@localhost",
		AdminToken: credentials.SecretString(adminToken), OperatorToken: credentials.SecretString(operatorToken),
		OpenAPI: document, Out: &w.out, Log: w.logs.logger(), Ready: func(base *url.URL) { ready <- base },
	}
	for _, c := range change {
		c(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, cfg) }()
	select {
	case base := <-ready:
		w.base = base.String()
	case err := <-ended:
		cancel()
		require.NoError(t, err)
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(w.stop)
	return w
}

var plain = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// request is one request of a test.
type request struct {
	method, route string // the route is a pattern, for reports
	path          string // with its query
	header        http.Header
	body          string
	brings        string // the name of the secret that it carries where none belongs
}

func (w *world) send(q request) answer {
	w.t.Helper()
	a, err := w.try(q)
	require.NoError(w.t, err, "%s %s", q.method, q.route)
	return a
}

// sendAll sends many requests that need not wait for one another: some answers
// take their time, so that it tells nothing.
func (w *world) sendAll(list []request) {
	w.t.Helper()
	var senders sync.WaitGroup
	queue := make(chan request)
	for range 16 {
		senders.Go(func() {
			for q := range queue {
				if _, err := w.try(q); err != nil {
					w.t.Errorf("%s %s: %v", q.method, q.route, err)
				}
			}
		})
	}
	for _, q := range list {
		queue <- q
	}
	close(queue)
	senders.Wait()
}

func (w *world) try(q request) (answer, error) {
	r, err := http.NewRequestWithContext(w.t.Context(), q.method, w.base, strings.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	path, query, _ := strings.Cut(q.path, "?")
	r.URL.Opaque, r.URL.RawQuery = "//"+r.URL.Host+path, query // as it is, however odd
	for name, values := range q.header {
		if name == "Host" {
			r.Host = values[0]
			continue
		}
		r.Header[name] = values
	}
	response, err := plain.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{q.method + " " + q.route, q.path, response.StatusCode, response.Header, body, q.brings}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, a)
	return a, nil
}

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
}

// api calls a route that takes a token, and wants a status.
func (w *world) api(token, method, route, path, body string, want int, more ...string) answer {
	w.t.Helper()
	header := bearer(token)
	for i := 0; i+1 < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	got := w.send(request{method, route, path, header, body, ""})
	require.Equal(w.t, want, got.status, "%s %s: %s", method, path, got.body)
	return got
}

// browser is what a browser of whoever is signed in sends.
func (w *world) browser() http.Header {
	return http.Header{
		"Cookie": {"enrollkit=" + w.session}, "Content-Type": {"application/x-www-form-urlencoded"},
		"Origin": {w.base}, "Sec-Fetch-Site": {"same-origin"},
	}
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// live makes one of everything, and learns every secret there is.
func (w *world) live(mailed bool) {
	t := w.t
	t.Helper()
	w.secrets["admin token"], w.secrets["operator token"] = adminToken, operatorToken
	w.secrets["typed token"], w.secrets["typed PIN"] = typedToken, typedPIN
	// Longer PINs, so that one does not come about by chance.
	w.api(adminToken, "PUT", "/api/v1/site", "/api/v1/site",
		`{"policy":{"pin_digits":12,"pin_pace":0,"source_pace":0,"pin_site_budget":0}}`, 200)
	made := w.api(operatorToken, "POST", "/api/v1/sites", "/api/v1/sites", `{"name":"Second","admin_email":"second@example.com"}`, 201)
	w.ids.site, w.secrets["second site's token"] = made.field(t, "id"), made.field(t, "admin_token")

	user := func(name string) string {
		return w.api(adminToken, "POST", "/api/v1/users", "/api/v1/users", `{"email":"`+name+`@example.com","name":"`+name+` Example"}`, 201).field(t, "id")
	}
	invite := func(id, key string) string {
		got := w.api(adminToken, "POST", "/api/v1/invitations", "/api/v1/invitations", `{"users":[{"user_id":"`+id+`"}]}`, 201, "Idempotency-Key", key)
		var body struct {
			Results []struct {
				ID string `json:"invitation_id"`
			}
		}
		require.NoError(t, json.Unmarshal(got.body, &body))
		return body.Results[0].ID
	}
	w.ids.user = user("jan")
	w.ids.invitation = invite(w.ids.user, sentKey)
	w.ids.second, w.ids.third = invite(user("eva"), "another"), invite(user("pia"), "a third")
	for name, id := range map[string]string{"": w.ids.invitation, "second ": w.ids.second, "third ": w.ids.third} {
		got := w.api(adminToken, "POST", "/api/v1/invitations/{id}/credentials", "/api/v1/invitations/"+id+"/credentials", "", 200)
		link := got.field(t, "url")
		w.secrets[name+"token"], w.secrets[name+"PIN"] = link[strings.LastIndexByte(link, '/')+1:], got.field(t, "pin")
	}
	enroll := func(credential, id, serial string) (device, token string) {
		got := w.send(request{
			"POST", "/device/v1/enroll", "/device/v1/enroll", http.Header{"Content-Type": {"application/json"}},
			`{"enrollment_id":"` + id + `","credential":` + credential + `,"device":{"platform":"android","serial":"` + serial + `","name":"Pixel"}}`, "",
		})
		require.Equal(t, 201, got.status, "%s", got.body)
		return got.field(t, "device_id"), got.field(t, "device_token")
	}
	w.ids.device, w.secrets["device token"] = enroll(`{"type":"token","token":"`+w.secrets["token"]+`"}`, enrollmentID, "SERIAL0001")
	w.ids.other, w.secrets["second device token"] = enroll(`{"type":"pin","email":"eva@example.com","pin":"`+w.secrets["second PIN"]+`"}`, "e-2", "SERIAL0001") // in conflict

	w.typeIn()

	w.secrets["passcode"] = w.api(adminToken, "POST", "/api/v1/passcode/generate", "/api/v1/passcode/generate", "", 200).field(t, "passcode")
	w.ids.job = w.api(adminToken, "POST", "/api/v1/users/import", "/api/v1/users/import?background=true&dry_run=true",
		"email,name\nlist@example.com,List\n", 202, "Content-Type", "text/csv").field(t, "id")

	got := w.send(request{"POST", "/sign-in", "/sign-in", w.browser(), url.Values{"email": {"admin@localhost"}, "token": {adminToken}}.Encode(), ""})
	require.Equal(t, 303, got.status, "%s", got.body)
	for _, c := range (&http.Response{Header: got.header}).Cookies() {
		if c.Name == "enrollkit" {
			w.session = c.Value
		}
	}
	w.secrets["session"] = w.session
	w.readFormToken()

	if mailed {
		w.mails()
		w.answers = nil
	}
}

// getPolicies is how a computer first presents what its user typed.
const getPolicies = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><s:Header><a:Action s:mustUnderstand="1">http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies</a:Action><a:MessageID>urn:uuid:72048b64-0000-0000-0000-000000000003</a:MessageID><wsse:Security s:mustUnderstand="1"><wsse:UsernameToken><wsse:Username>USER</wsse:Username><wsse:Password>PASSWORD</wsse:Password></wsse:UsernameToken></wsse:Security></s:Header><s:Body><GetPolicies xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"><client/></GetPolicies></s:Body></s:Envelope>`

// typeIn accepts the third invitation for a computer, and presents the password
// that the page shows, with its own address and with another's.
func (w *world) typeIn() {
	t := w.t
	t.Helper()
	got := w.send(request{
		"POST", "/i/{token}/accept", "/i/" + w.secrets["third token"] + "/accept",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}, "ownership=company&platform=windows", "",
	})
	require.Equal(t, 200, got.status, "%s", got.body)
	grouped := got.field(t, "password")
	w.secrets["grouped sign-in password"], w.secrets["sign-in password"] = grouped, strings.ReplaceAll(grouped, "-", "")
	for name, policies := range map[string]bool{got.field(t, "username"): true, "eva@example.com": false} {
		body := strings.NewReplacer("USER", name, "PASSWORD", grouped).Replace(getPolicies)
		got := w.send(request{
			"POST", "/platform/windows/policy", "/platform/windows/policy", http.Header{"Content-Type": {"application/soap+xml; charset=utf-8"}}, body, "",
		})
		require.Equal(t, policies, bytes.Contains(got.body, []byte("GetPoliciesResponse>")), "%s", got.body)
	}
}

// readFormToken finds what the forms of the session carry.
func (w *world) readFormToken() {
	page := w.send(request{"GET", "/users/new", "/users/new", w.browser(), "", ""})
	require.Regexp(w.t, formToken, string(page.body))
	w.formToken = formToken.FindStringSubmatch(string(page.body))[1]
}

var password = regexp.MustCompile(`Password: (\S+)`)

// mails asks for a one-time login and waits until every mail is there.
func (w *world) mails() {
	t := w.t
	t.Helper()
	form := url.Values{"email": {"jan@example.com"}, "passcode": {w.secrets["passcode"]}}
	got := w.send(request{"POST", "/enroll", "/enroll", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode(), ""})
	require.Equal(t, 200, got.status, "%s", got.body)
	login := ""
	require.Eventually(t, func() bool {
		var box struct{ Mails []struct{ ID, Kind string } }
		got := w.api(adminToken, "GET", "/mailbox", "/mailbox", "", 200)
		require.NoError(t, json.Unmarshal(got.body, &box))
		for _, m := range box.Mails {
			switch m.Kind {
			case "mail.invitation":
				w.ids.mail = m.ID
			case "mail.self_service":
				login = m.ID
			}
		}
		return len(box.Mails) >= 5 && login != "" // three invitations, the conflict and the login
	}, 20*time.Second, 20*time.Millisecond)
	text := w.api(adminToken, "GET", "/mailbox/{id}", "/mailbox/"+login, "", 200).field(t, "text")
	require.Regexp(t, password, text)
	w.secrets["grouped password"] = password.FindStringSubmatch(text)[1]
	w.secrets["password"] = strings.ReplaceAll(w.secrets["grouped password"], "-", "")
}
