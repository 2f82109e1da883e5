package windows_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/windows"
)

var admin = enrollment.Actor{Site: "acme", ID: "adm-1"}

// world is a Service with a Windows platform, without enrollhttp around it.
type world struct {
	*testing.T
	clock     sync.Mutex
	at        time.Time
	site      enrollment.Site
	store     *memstore.Store
	svc       *enrollment.Service
	authority *authority
	handler   http.Handler
	discovery http.Handler
	cert      *x509.Certificate // of whoever speaks, where there is TLS
	mails     chan enrollment.Mail
	users     error // of the directory, if set
}

func newWorld(t *testing.T, change ...func(*windows.Config)) *world {
	t.Helper()
	w := &world{
		T: t, at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), store: memstore.New(), mails: make(chan enrollment.Mail, 100),
		site: enrollment.Site{
			ID: "acme", Name: "Acme & Sons", SoleHost: true,
			PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com", Path: "/join"},
		},
	}
	w.site.Policy.Credentials.PasscodePace, w.site.Policy.Credentials.GlobalPace = credentials.Off, credentials.Off
	w.authority = newAuthority(w.now)
	cfg := windows.Config{Authority: w.authority, Sites: w, ProviderID: "ExampleMDM"}
	for _, c := range change {
		c(&cfg)
	}
	platform, err := windows.New(cfg)
	require.NoError(t, err)
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	w.svc, err = enrollment.New(w.store, enrollment.Config{
		Keyring: ring, Sites: w, Directory: w, Deliverer: w,
		Platforms: []enrollment.Platform{platform}, Now: w.now,
	})
	require.NoError(t, err)
	w.handler, w.discovery = platform.Handler(w.svc), platform.Discovery(w.svc)
	return w
}

func (w *world) now() time.Time {
	w.clock.Lock()
	defer w.clock.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) Site(_ context.Context, id string) (enrollment.Site, error) {
	if id != w.site.ID {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	site := w.site
	site.ID = "" // who asks knows it
	return site, nil
}
func (w *world) Host(context.Context, string) (enrollment.Site, error) { return w.site, nil }
func (w *world) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("acme", nil) }
}
func (w *world) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Ann", Email: id + "@example.com"}, w.users
}
func (w *world) ByEmail(_ context.Context, email string) ([]enrollment.User, error) {
	id, _, _ := strings.Cut(email, "@")
	return []enrollment.User{{Site: "acme", ID: id, Name: "Ann", Email: email}}, nil
}
func (w *world) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mails <- m
	return nil
}

// lines is a logger of texts.
func lines(b *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// login goes through self-service.
func (w *world) login(user string) (username, password string) {
	w.Helper()
	passcode, _, err := w.svc.GeneratePasscode(w.Context(), admin)
	require.NoError(w, err)
	require.NoError(w, w.svc.RequestLogin(w.Context(), enrollment.LoginRequest{Email: user + "@example.com", Passcode: passcode}))
	w.deliver()
	for {
		if mail := <-w.mails; mail.Login != nil {
			return mail.Login.Username, mail.Login.Password.Reveal()
		}
	}
}

func (w *world) deliver() {
	w.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = w.svc.DeliverDue(w.Context())
		require.NoError(w, err)
	}
}

// invite invites a user and accepts for a Windows computer.
func (w *world) invite(user string, change ...func(*enrollment.InviteRequest)) (id, token string, next enrollment.NextStep) {
	w.Helper()
	r := enrollment.InviteRequest{User: user}
	for _, c := range change {
		c(&r)
	}
	result, err := w.svc.Invite(w.Context(), admin, r)
	require.NoError(w, err)
	require.NoError(w, result.Err)
	revealed, err := w.svc.Reveal(w.Context(), admin, result.Invitation)
	require.NoError(w, err)
	secret, err := credentials.ParseDeploymentURL(revealed.URL.Reveal())
	require.NoError(w, err)
	return result.Invitation, secret.Reveal(), w.accept(secret.Reveal())
}

func (w *world) accept(token string) enrollment.NextStep {
	w.Helper()
	accepted, err := w.svc.Accept(w.Context(), token, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Windows})
	require.NoError(w, err)
	return accepted.Next
}

// post sends one message to one of the platform's places.
func (w *world) post(path, body string) *httptest.ResponseRecorder {
	return w.postAs(w.cert, path, body)
}

func (w *world) postAs(cert *x509.Certificate, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://mdm.example.com"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	r.TLS.PeerCertificates = nil
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// soap sends a message and returns the answer, which has a length.
func (w *world) soap(path, body string) string {
	w.Helper()
	rec := w.post(path, body)
	require.Equal(w, http.StatusOK, rec.Code, rec.Body)
	require.Equal(w, "application/soap+xml; charset=utf-8", rec.Header().Get("Content-Type"))
	require.Equal(w, strconv.Itoa(rec.Body.Len()), rec.Header().Get("Content-Length"))
	return rec.Body.String()
}

// refused returns the fault of an answer as subcode, and type if it has one.
func (w *world) refused(answer string) string {
	w.Helper()
	require.True(w, strings.Contains(answer, "<s:Fault>"), "a certificate, and no fault")
	subcode := between(answer, "<s:Subcode><s:Value>", "<")
	if kind := between(answer, "<ErrorType>", "<"); kind != "" {
		subcode += " " + kind
	}
	return subcode
}

func between(s, before, after string) string {
	_, rest, ok := strings.Cut(s, before)
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, after)
	return text
}

// reasons are those of the refusals in the journal, each with its step.
func (w *world) reasons() (list []string) {
	w.Helper()
	_, err := w.svc.Sequence(w.Context())
	require.NoError(w, err)
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		events, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme"})
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

// devices are all of the site.
func (w *world) devices() (list []device.Device) {
	w.Helper()
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
		list, err = tx.Devices().List(ctx, enrollment.DeviceQuery{Site: "acme"})
		return err
	}))
	return list
}

// device is the only one.
func (w *world) device() device.Device {
	w.Helper()
	list := w.devices()
	require.Len(w, list, 1)
	return list[0]
}
