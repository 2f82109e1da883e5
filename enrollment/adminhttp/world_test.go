package adminhttp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

const base = "/api/v1"

// world is two sites, their people and the API over both.
type world struct {
	t        *testing.T
	store    *switchable
	svc      *enrollment.Service
	messages *fakeMessages
	handler  http.Handler
	api      *api
	now      time.Time
	deny     bool // Authorize refuses
	log      bytes.Buffer
	doc      contract
}

func newWorld(t *testing.T, options ...Option) *world {
	w := &world{t: t, store: &switchable{Storage: memstore.New()}, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), doc: readContract(t)}
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	w.svc, err = enrollment.New(w.store, enrollment.Config{
		Keyring: ring, Sites: fakeSites{}, Directory: fakeDirectory{}, Administrators: fakeAdministrators{},
		Now:       func() time.Time { w.now = w.now.Add(time.Second); return w.now },
		Authorize: func(context.Context, enrollment.Actor, enrollment.Permission) error { return w.refusal() },
	})
	require.NoError(t, err)
	w.messages = &fakeMessages{world: w, edited: map[string]MessageText{}}
	options = append([]Option{BasePath(base), WithMessages(w.messages), Logger(slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))}, options...)
	w.handler = New(w.svc, actorOf, options...)
	w.api = &api{svc: w.svc, actor: actorOf, config: config{base: base, messages: w.messages, log: slog.New(slog.DiscardHandler)}}
	return w
}

// refusal is what everybody who decides who may do what answers.
func (w *world) refusal() error {
	if w.deny {
		return enrollment.ErrForbidden
	}
	return nil
}

// actorOf takes "Bearer site/id".
func actorOf(r *http.Request) (enrollment.Actor, error) {
	switch bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
	case bearer == "":
		return enrollment.Actor{}, fmt.Errorf("no session: %w", ErrUnauthenticated)
	case bearer == "locked":
		return enrollment.Actor{}, fmt.Errorf("ann is locked out: %w", enrollment.ErrForbidden)
	default:
		site, id, _ := strings.Cut(bearer, "/")
		return enrollment.Actor{Site: site, ID: id}, nil
	}
}

// answer is what came back.
type answer struct {
	t      *testing.T
	Status int
	Header http.Header
	Body   string
}

// acme and globex are administrators of the two sites.
const (
	acme   = "acme/ann"
	globex = "globex/gus"
)

// do asks as an administrator; header has more headers as "Name: value". Every
// status has to be in the contract.
func (w *world) do(who, method, path, body string, header ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, base+path, strings.NewReader(body))
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		if i == 0 {
			r.Header.Del(name)
		}
		r.Header.Add(name, value)
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	got := answer{w.t, recorder.Code, recorder.Header(), recorder.Body.String()}
	w.doc.check(w.t, method, r.URL.Path, got)
	return got
}

// get is do that expects 200.
func (w *world) get(who, path string) answer {
	w.t.Helper()
	got := w.do(who, "GET", path, "")
	require.Equal(w.t, 200, got.Status, got.Body)
	return got
}

// at returns one value of the body: "results.0.state". Numbers are float64.
func (a answer) at(path string) any {
	a.t.Helper()
	var v any
	require.NoError(a.t, json.Unmarshal([]byte(a.Body), &v), a.Body)
	for _, step := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			inner, ok := in[step]
			require.True(a.t, ok, "no %s in %s", step, a.Body)
			v = inner
		case []any:
			i, err := strconv.Atoi(step)
			require.NoError(a.t, err)
			require.Less(a.t, i, len(in), a.Body)
			v = in[i]
		default:
			require.Fail(a.t, "nothing at "+path, a.Body)
		}
	}
	return v
}

func (a answer) text(path string) string {
	a.t.Helper()
	s, ok := a.at(path).(string)
	require.True(a.t, ok, "%s is no text in %s", path, a.Body)
	return s
}

// problem requires a problem of this status and code.
func (a answer) problem(status int, code string) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, a.Body)
	require.Equal(a.t, "application/problem+json", a.Header.Get("Content-Type"))
	require.Equal(a.t, code, a.text("code"), a.Body)
	return a
}

// invalid requires exactly these errors, each "field: code".
func (a answer) invalid(want ...string) {
	a.t.Helper()
	a.problem(422, "invalid")
	var got []string
	for _, e := range a.at("errors").([]any) {
		e := e.(map[string]any)
		got = append(got, fmt.Sprintf("%s: %s", e["field"], e["code"]))
	}
	require.ElementsMatch(a.t, want, got)
}

// invite makes an invitation and returns its id.
func (w *world) invite(who, user string) string {
	w.t.Helper()
	got := w.do(who, "POST", "/invitations", `{"users":[{"user_id":"`+user+`"}]}`)
	require.Equal(w.t, 201, got.Status, got.Body)
	require.Empty(w.t, got.at("results.0.error"), got.Body)
	return got.text("results.0.invitation_id")
}

// token is the secret of an invitation, out of its link.
func (w *world) token(who, invitation string) credentials.Secret {
	w.t.Helper()
	shown := w.do(who, "POST", "/invitations/"+invitation+"/credentials", "")
	require.Equal(w.t, 200, shown.Status, shown.Body)
	token, err := credentials.ParseDeploymentURL(shown.text("url"))
	require.NoError(w.t, err)
	return token
}

// enroll makes a device of a new invitation.
func (w *world) enroll(who, user, serial string) (invitation string, enrolled enrollment.Enrolled) {
	w.t.Helper()
	invitation = w.invite(who, user)
	enrolled, err := w.svc.Enroll(w.t.Context(), enrollment.EnrollRequest{
		EnrollmentID: "enroll-" + serial, Credential: enrollment.Presented{Token: w.token(who, invitation)},
		Ownership: device.Company, Mode: device.AndroidWorkProfile,
		Device: enrollment.Claim{
			Platform: device.Android, Hardware: device.Hardware{Serial: serial},
			Name: "Phone " + serial, Manufacturer: "Example", Model: "One", OSVersion: "16",
		},
	})
	require.NoError(w.t, err)
	return invitation, enrolled
}

// switchable is a store that can be made to fail.
type switchable struct {
	enrollment.Storage
	err error
}

func (s *switchable) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if s.err != nil {
		return s.err
	}
	return s.Storage.Update(ctx, fn)
}

func (s *switchable) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if s.err != nil {
		return s.err
	}
	return s.Storage.View(ctx, fn)
}

// fakeSites knows acme and globex, on one host.
type fakeSites struct{}

func (fakeSites) Site(_ context.Context, id string) (enrollment.Site, error) {
	if id != "acme" && id != "globex" {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return enrollment.Site{ID: id, Name: id, PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com", Path: "/join"}}, nil
}

func (s fakeSites) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return s.Site(ctx, "acme")
}

func (fakeSites) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { _ = yield("acme", nil) && yield("globex", nil) }
}

// fakeDirectory has u-1 to u-9 at acme and g-1 to g-9 at globex; those with a 9
// have no address.
type fakeDirectory struct{}

func (fakeDirectory) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	prefix := map[string]string{"acme": "u-", "globex": "g-"}[site]
	n, ok := strings.CutPrefix(id, prefix)
	if !ok || prefix == "" || len(n) != 1 || n < "1" || n > "9" {
		return enrollment.User{}, fmt.Errorf("directory: %w", enrollment.ErrNotFound)
	}
	user := enrollment.User{Site: site, ID: id, Name: "User " + n + " of " + site, Email: "user" + n + "@" + site + ".example.com"}
	if n == "9" {
		user.Email = ""
	}
	return user, nil
}

// fakeAdministrators knows the address of ann and gus.
type fakeAdministrators struct{}

func (fakeAdministrators) Administrators(_ context.Context, site string) ([]enrollment.Administrator, error) {
	return []enrollment.Administrator{
		{ID: map[string]string{"acme": "ann", "globex": "gus"}[site], Email: "admin@" + site + ".example.com"},
	}, nil
}

func (fakeDirectory) ByEmail(context.Context, string) ([]enrollment.User, error) { return nil, nil }
