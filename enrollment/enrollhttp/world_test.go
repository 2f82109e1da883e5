package enrollhttp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/memstore"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	admin = enrollment.Actor{Site: "acme", ID: "root"}
)

const (
	safariIPhone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Mobile/15E148 Safari/604.1"
	chromeAndroid = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
	safariMac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
	chromeOS      = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	edgeWindows   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
)

// sites is one tenant, which tests change.
type sites struct{ site enrollment.Site }

func (s *sites) Site(_ context.Context, id string) (enrollment.Site, error) {
	if id != s.site.ID {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return s.site, nil
}
func (s *sites) Host(context.Context, string) (enrollment.Site, error) { return s.site, nil }
func (s *sites) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield(s.site.ID, nil) }
}

// brittle is a store that fails when told to.
type brittle struct {
	enrollment.Storage
	broken, readOnly atomic.Bool
}

var errDown = errors.New("dial tcp 10.1.2.3:5432: password=canary")

func (b *brittle) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if b.broken.Load() || b.readOnly.Load() {
		return errDown
	}
	return b.Storage.Update(ctx, fn)
}

func (b *brittle) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if b.broken.Load() {
		return errDown
	}
	return b.Storage.View(ctx, fn)
}

func (b *brittle) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if b.broken.Load() || b.readOnly.Load() {
		return enrollment.Spent{}, errDown
	}
	return b.Storage.Spend(ctx, now, gate, groups...)
}

func (b *brittle) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	if b.broken.Load() || b.readOnly.Load() {
		return nil, errDown
	}
	return b.Storage.Touch(ctx, touches)
}

// world is a service with one site, one invitation, and the handler in front.
type world struct {
	t     testing.TB
	svc   *enrollment.Service
	store *brittle
	sites *sites
	now   time.Time
	log   *bytes.Buffer
	h     http.Handler

	invitation, token, pin string
}

// newWorld makes a world; change alters what it is made of.
func newWorld(t testing.TB, change ...func(*enrollment.Config, *enrollhttp.Options, *enrollment.InviteRequest, *enrollment.Site)) *world {
	t.Helper()
	w := &world{t: t, store: &brittle{Storage: memstore.New()}, now: start, log: new(bytes.Buffer)}
	public, err := url.Parse("https://mdm.example.com/join")
	w.must(err)
	w.sites = &sites{enrollment.Site{
		ID: "acme", Name: "Acme", PublicURL: public, Support: "help@acme.example",
		Agents: map[device.Platform]enrollment.Agent{
			device.Android: {Name: "Acme Agent", Package: "com.acme.agent", OpenURL: "acmeagent://enroll"},
		},
	}}
	key, err := credentials.NewKey(1, rand.Reader)
	w.must(err)
	ring, err := credentials.NewKeyring(key)
	w.must(err)
	config := enrollment.Config{Keyring: ring, Sites: w.sites, Now: func() time.Time { return w.now }}
	options := enrollhttp.Options{
		AnswerTime: -1,
		BasePath:   "/join",
		Logger:     slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	invite := enrollment.InviteRequest{Email: "jana@example.com", Name: "Jana Nováková"}
	for _, c := range change {
		c(&config, &options, &invite, &w.sites.site)
	}
	w.svc, err = enrollment.New(w.store, config)
	w.must(err)
	w.h, err = enrollhttp.New(w.svc, options)
	w.must(err)
	w.invite(invite)
	return w
}

// invite replaces the world's invitation.
func (w *world) invite(r enrollment.InviteRequest) {
	w.t.Helper()
	result, err := w.svc.Invite(context.Background(), admin, r)
	w.must(err)
	w.must(result.Err)
	revealed, err := w.svc.Reveal(context.Background(), admin, result.Invitation)
	w.must(err)
	token, err := credentials.ParseDeploymentURL(revealed.URL.Reveal())
	w.must(err)
	w.invitation, w.token, w.pin = result.Invitation, token.Reveal(), revealed.PIN.Reveal()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) detail() enrollment.InvitationDetail {
	w.t.Helper()
	d, err := w.svc.Invitation(context.Background(), admin, w.invitation)
	w.must(err)
	return d
}

// page is the path of the world's invitation page, and what is below it.
func (w *world) page(below string) string { return "/join/i/" + w.token + below }

// do sends a request; header are names and values in turn.
func (w *world) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://mdm.example.com"+path, reader)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return rec
}

func (w *world) get(path string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.do(http.MethodGet, path, "", header...)
}

// submit sends the form of the accept page.
func (w *world) submit(form string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.do(http.MethodPost, w.page("/accept"), form, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// call sends JSON to the device API; token may be empty.
func (w *world) call(verb, token, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	return w.do(http.MethodPost, "/join/device/v1/"+verb, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// enrollment is a body for enroll, by the invitation's token.
func (w *world) enrollment(id, serial string) string {
	return `{"enrollment_id":"` + id + `","credential":{"type":"token","token":"` + w.token + `"},"ownership":"personal",` +
		`"device":{"platform":"android","serial":"` + serial + `","manufacturer":"Google","model":"Pixel 8","os_version":"14"}}`
}

// byPIN is a body for enroll, by address and PIN.
func byPIN(id, email, pin string) string {
	return `{"enrollment_id":"` + id + `","credential":{"type":"pin","email":"` + email + `","pin":"` + pin + `"},"device":{"platform":"android"}}`
}

// wrongPIN is a PIN that is not the invitation's.
func (w *world) wrongPIN() string {
	if w.pin == "12345678" {
		return "87654321"
	}
	return "12345678"
}
