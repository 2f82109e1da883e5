package android_test

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/invitation"
)

var admin = enrollment.Actor{Site: "acme", ID: "adm-1"}

// world is a Service with an Android platform, without enrollhttp around it.
type world struct {
	*testing.T
	now     time.Time
	site    enrollment.Site
	others  []string // ids of sites that are like it
	store   *memstore.Store
	svc     *enrollment.Service
	handler http.Handler
	mails   chan enrollment.Mail
}

// mounted is a platform that speaks HTTP.
type mounted interface {
	enrollment.Platform
	Handler(svc *enrollment.Service) http.Handler
}

func newWorld(t *testing.T, platform mounted) *world {
	t.Helper()
	w := &world{
		T: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), store: memstore.New(), mails: make(chan enrollment.Mail, 10),
		site: enrollment.Site{
			ID: "acme", Name: "Acme & Sons", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com", Path: "/join"},
			Agents: map[device.Platform]enrollment.Agent{device.Android: {
				Name: "Example Agent", Package: "com.example.agent",
				Component: "com.example.agent/.AdminReceiver", DownloadURL: "https://mdm.example.com/agent.apk",
				Certificate: testDPC, Identifier: "afw#example",
			}},
		},
	}
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	w.svc, err = enrollment.New(w.store, enrollment.Config{
		Keyring: ring, Sites: w, Directory: w, Deliverer: w,
		Platforms: []enrollment.Platform{platform}, Now: func() time.Time { return w.now },
	})
	require.NoError(t, err)
	w.handler = platform.Handler(w.svc)
	return w
}

func own(t *testing.T) mounted {
	t.Helper()
	p, err := android.New(android.Config{})
	require.NoError(t, err)
	return p
}

func (w *world) Site(_ context.Context, id string) (enrollment.Site, error) {
	if slices.Contains(w.others, id) {
		other := w.site
		other.ID = id
		return other, nil
	}
	if id != w.site.ID {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return w.site, nil
}
func (w *world) Host(context.Context, string) (enrollment.Site, error) { return w.site, nil }
func (w *world) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("acme", nil) }
}
func (w *world) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Ann", Email: id + "@example.com"}, nil
}
func (w *world) ByEmail(_ context.Context, email string) ([]enrollment.User, error) {
	id, _, _ := strings.Cut(email, "@")
	return []enrollment.User{{Site: "acme", ID: id, Name: "Ann", Email: email}}, nil
}
func (w *world) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mails <- m
	return nil
}

// invite returns an invitation and its token.
func (w *world) invite(user string, mode device.Mode, change ...func(*enrollment.InviteRequest)) (id, token string) {
	w.Helper()
	r := enrollment.InviteRequest{User: user, Mode: mode}
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
	return result.Invitation, secret.Reveal()
}

func (w *world) accept(token string, o device.Ownership) enrollment.Accepted {
	w.Helper()
	accepted, err := w.svc.Accept(w.Context(), token, enrollment.AcceptRequest{Ownership: o, Platform: device.Android})
	require.NoError(w, err)
	return accepted
}

// login goes through self-service and returns the next step.
func (w *world) login(user string) (enrollment.NextStep, enrollment.Presented) {
	w.Helper()
	mailed := w.mailed(user)
	return w.acceptLogin(mailed), mailed
}

// mailed is a one-time login as it is mailed.
func (w *world) mailed(user string) enrollment.Presented {
	w.Helper()
	passcode, _, err := w.svc.GeneratePasscode(w.Context(), admin)
	require.NoError(w, err)
	require.NoError(w, w.svc.RequestLogin(w.Context(), enrollment.LoginRequest{Email: user + "@example.com", Passcode: passcode}))
	for n := 1; n > 0; {
		n, err = w.svc.DeliverDue(w.Context())
		require.NoError(w, err)
	}
	mail := <-w.mails
	return enrollment.Presented{Username: mail.Login.Username, Password: mail.Login.Password}
}

// acceptLogin types a one-time login into the page.
func (w *world) acceptLogin(p enrollment.Presented) enrollment.NextStep {
	w.Helper()
	offer, err := w.svc.AcceptLogin(w.Context(), enrollment.Login{Username: p.Username, Password: p.Password},
		enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	require.NoError(w, err)
	return offer.Next
}

// follow goes to an address that the platform gave out, as enrollhttp would have
// it answered.
func (w *world) follow(method, address string, headers ...string) *httptest.ResponseRecorder {
	w.Helper()
	path, ours := strings.CutPrefix(address, "https://mdm.example.com/join")
	require.True(w, ours, address)
	token := ""
	if rest, ok := strings.CutPrefix(path, "/i/"); ok {
		token, path, _ = strings.Cut(rest, "/android")
	} else {
		path = strings.TrimPrefix(path, "/platform/android")
	}
	r := httptest.NewRequest(method, path, nil)
	r.SetPathValue("token", token)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	require.Equal(w, "no-store", rec.Header().Get("Cache-Control"))
	require.Equal(w, "no-referrer", rec.Header().Get("Referrer-Policy"))
	return rec
}

// seen counts the evidence of an invitation.
func (w *world) seen(id string) map[invitation.Evidence]int64 {
	w.Helper()
	detail, err := w.svc.Invitation(w.Context(), admin, id)
	require.NoError(w, err)
	out := map[invitation.Evidence]int64{}
	for _, s := range detail.Sightings {
		out[s.Evidence] = s.Count
	}
	return out
}

func (w *world) device(id string) enrollment.DeviceDetail {
	w.Helper()
	d, err := w.svc.Device(w.Context(), admin, id)
	require.NoError(w, err)
	return d
}
