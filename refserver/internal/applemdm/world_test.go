package applemdm_test

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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var admin = enrollment.Actor{Site: "acme", ID: "adm-1"}

// world is the Apple side behind enrollhttp, on a listener.
type world struct {
	testing.TB
	db     *database.DB
	ring   *credentials.Keyring
	svc    *enrollment.Service
	apple  *applemdm.Server
	server *httptest.Server
	public *url.URL
	clock  *clock
	log    *syncBuffer
	mails  chan enrollment.Mail
	down   atomic.Bool // whether the sites are
	left   func() bool // whether everybody has left; nil: nobody has
}

type clock struct {
	mu  sync.Mutex
	add time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.add)
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add += d
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func (w *world) Site(_ context.Context, id string) (enrollment.Site, error) {
	if w.down.Load() {
		return enrollment.Site{}, errors.New("sites are down")
	}
	if id != "acme" {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return enrollment.Site{Name: "Acme", PublicURL: w.public}, nil
}

func (w *world) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return w.Site(ctx, "acme")
}

func (*world) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("acme", nil) }
}

func (w *world) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	if w.left != nil && w.left() {
		return enrollment.User{}, enrollment.ErrNotFound
	}
	return enrollment.User{Site: site, ID: id, Name: "Ann", Email: id + "@example.com"}, nil
}

func (*world) ByEmail(_ context.Context, email string) ([]enrollment.User, error) {
	id, _, _ := strings.Cut(email, "@")
	return []enrollment.User{{Site: "acme", ID: id, Name: "Ann", Email: email}}, nil
}

func (w *world) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mails <- m
	return nil
}

func newWorld(t testing.TB, name string) *world {
	t.Helper()
	db, err := database.Open(t.Context(), name, database.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Migrate(t.Context()))
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	w := &world{TB: t, db: db, clock: &clock{}, log: &syncBuffer{}, mails: make(chan enrollment.Mail, 10)}
	w.ring, err = credentials.NewKeyring(key)
	require.NoError(t, err)
	w.apple, err = applemdm.Open(t.Context(), applemdm.Options{
		Database: w.db, Keyring: func() *credentials.Keyring { return w.ring }, Now: w.clock.Now,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	require.NoError(t, err)
	platforms := []enrollment.Platform{w.apple.Platform()}
	w.svc, err = enrollment.New(w.db.Store, enrollment.Config{
		Keyring: w.ring, Sites: w, Directory: w, Deliverer: w, Platforms: platforms, Now: w.clock.Now, Handlers: w.apple.Handlers(),
	})
	require.NoError(t, err)
	require.NoError(t, w.svc.Check(t.Context()))
	w.apple.Use(w.svc)
	pages, err := enrollhttp.New(w.svc, enrollhttp.Options{Platforms: platforms, AnswerTime: -1})
	require.NoError(t, err)
	w.server = httptest.NewServer(pages)
	t.Cleanup(w.server.Close)
	t.Cleanup(w.sound)
	w.public, err = url.Parse(w.server.URL)
	require.NoError(t, err)
	return w
}

// sound looks whether what is left is as it should be, after every test.
func (w *world) sound() {
	report, err := verify.Check(context.WithoutCancel(w.Context()), w.db.Store, verify.Options{Keyring: w.ring, Now: w.clock.Now()})
	require.NoError(w, err)
	if !report.OK() {
		var out strings.Builder
		_ = report.Print(&out)
		w.Error(out.String())
	}
}

func (w *world) keyring() *credentials.Keyring { return w.ring }

var quiet = slog.New(slog.DiscardHandler)

// invite invites and returns the invitation and its page.
func (w *world) invite(user string) (id, page string) {
	w.Helper()
	result, err := w.svc.Invite(w.Context(), admin, enrollment.InviteRequest{User: user})
	require.NoError(w, err)
	revealed, err := w.svc.Reveal(w.Context(), admin, result.Invitation)
	require.NoError(w, err)
	return result.Invitation, revealed.URL.Reveal()
}

// accept chooses on the page, as a person does, and returns where the answer
// leads.
func (w *world) accept(page string, p device.Platform) string {
	w.Helper()
	return w.follow(page+"/accept", url.Values{"ownership": {"personal"}, "platform": {string(p)}})
}

func (w *world) follow(address string, form url.Values) string {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(w, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Mobile/15E148 Safari/604.1")
	if form.Get("platform") == "macos" {
		r.Header.Set("User-Agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15")
	}
	answer, err := w.server.Client().Do(r)
	require.NoError(w, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(w, err)
	require.Equal(w, 200, answer.StatusCode, string(body))
	_, rest, found := strings.Cut(string(body), `<a class="button" href="`)
	require.True(w, found, "a button: %s", body)
	address, _, _ = strings.Cut(rest, `"`)
	return strings.ReplaceAll(address, "&amp;", "&")
}

// deviceOf is the one device of an invitation.
func (w *world) deviceOf(invitation string) device.Device {
	w.Helper()
	list := w.devices(func(d device.Device) bool { return d.Invitation == invitation })
	require.Len(w, list, 1)
	return list[0]
}

func (w *world) devices(keep func(device.Device) bool) (list []device.Device) {
	w.Helper()
	require.NoError(w, w.db.Store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		all, err := tx.Devices().List(ctx, enrollment.DeviceQuery{Site: "acme"})
		list = nil
		for _, d := range all {
			if keep(d) {
				list = append(list, d)
			}
		}
		return err
	}))
	return list
}

// reasons are those of the refusals in the journal of a subject.
func (w *world) reasons(subject string) (list []string) {
	w.Helper()
	require.NoError(w, w.db.Store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		events, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme", Subject: subject})
		list = nil
		for _, e := range events {
			if e.Type == enrollment.EventRefused {
				list = append(list, e.Data["step"]+": "+e.Reason)
			}
		}
		return err
	}))
	return list
}

// deliver runs the outbox until it is empty.
func (w *world) deliver() {
	w.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = w.svc.DeliverDue(w.Context())
		require.NoError(w, err)
	}
}
