package apple_test

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/invitation"
)

const topic = "com.apple.mgmt.External.00000000-0000-0000-0000-000000000000"

var admin = enrollment.Actor{Site: "acme", ID: "adm-1"}

// world is a Service with an Apple platform, without HTTP around it.
type world struct {
	*testing.T
	now      time.Time
	store    *memstore.Store
	svc      *enrollment.Service
	platform *apple.Platform
	handler  http.Handler
	checkins apple.CheckIns
	most     int // Policy.MaxDevices
	mails    chan enrollment.Mail
}

type oneSite struct{ w *world }

func (s oneSite) Site(_ context.Context, id string) (enrollment.Site, error) {
	if id != "acme" {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return enrollment.Site{
		Name: "Acme & Sons", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com", Path: "/join"},
		Policy: enrollment.Policy{MaxDevices: s.w.most},
	}, nil
}

func (s oneSite) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return s.Site(ctx, "acme")
}

func (oneSite) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("acme", nil) }
}

type people struct{}

func (people) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Ann", Email: id + "@example.com"}, nil
}

func (people) ByEmail(_ context.Context, email string) ([]enrollment.User, error) {
	id, _, _ := strings.Cut(email, "@")
	return []enrollment.User{{Site: "acme", ID: id, Name: "Ann", Email: email}}, nil
}

func (w *world) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mails <- m
	return nil
}

func newWorld(t *testing.T, change ...func(*apple.Config)) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), store: memstore.New(), mails: make(chan enrollment.Mail, 10)}
	cfg := apple.Config{Topic: topic, Identifier: "com.example.mdm"}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	w.platform, err = apple.New(cfg)
	require.NoError(t, err)
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	w.svc, err = enrollment.New(w.store, enrollment.Config{
		Keyring: ring, Sites: oneSite{w}, Directory: people{}, Deliverer: w,
		Platforms: []enrollment.Platform{w.platform}, Now: func() time.Time { return w.now },
	})
	require.NoError(t, err)
	w.handler = w.platform.Handler(w.svc)
	w.checkins = apple.CheckIns{Service: w.svc, Topic: topic}
	return w
}

// invite invites a user and returns the invitation and its token.
func (w *world) invite(user string, change ...func(*enrollment.InviteRequest)) (id, token string) {
	w.Helper()
	r := enrollment.InviteRequest{User: user}
	for _, c := range change {
		c(&r)
	}
	result, err := w.svc.Invite(w.Context(), admin, r)
	require.NoError(w, err)
	revealed, err := w.svc.Reveal(w.Context(), admin, result.Invitation)
	require.NoError(w, err)
	secret, err := credentials.ParseDeploymentURL(revealed.URL.Reveal())
	require.NoError(w, err)
	return result.Invitation, secret.Reveal()
}

func (w *world) accept(token string, p device.Platform) enrollment.NextStep {
	w.Helper()
	accepted, err := w.svc.Accept(w.Context(), token, enrollment.AcceptRequest{Ownership: device.Personal, Platform: p})
	require.NoError(w, err)
	return accepted.Next
}

// get asks the platform for one of its own paths.
func (w *world) get(path, token string, headers ...string) *httptest.ResponseRecorder {
	return w.do(http.MethodGet, path, token, headers...)
}

func (w *world) do(method, path, token string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.SetPathValue("token", token)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// profile downloads one by a token and reads it.
func (w *world) profile(token string) entries {
	w.Helper()
	rec := w.get("/enroll.mobileconfig", token)
	require.Equal(w, 200, rec.Code, rec.Body)
	require.Equal(w, apple.ProfileType, rec.Header().Get("Content-Type"))
	return readPlist(w.T, rec.Body.Bytes())
}

// challenge is what a device gives the certificate authority.
func challenge(profile entries) credentials.Secret {
	return credentials.SecretString(payload(profile, "com.apple.security.scep")["PayloadContent"].(entries)["Challenge"].(string))
}

// sender is what the address of the MDM server says.
func (w *world) sender(profile entries) apple.Sender {
	w.Helper()
	u, err := url.Parse(payload(profile, "com.apple.mdm")["CheckInURL"].(string))
	require.NoError(w, err)
	return apple.SenderOf(u.Query())
}

// certified is a sender whose challenge was spent for a certificate.
func (w *world) certified(token string) apple.Sender {
	w.Helper()
	profile := w.profile(token)
	_, err := w.svc.UseGrant(w.Context(), apple.ChallengeUse, challenge(profile), invitation.CertificateIssued)
	require.NoError(w, err)
	return w.sender(profile)
}

// payload is the payload of a type, nil if there is none.
func payload(profile entries, kind string) entries {
	for _, p := range profile["PayloadContent"].([]any) {
		if p := p.(entries); p["PayloadType"] == kind {
			return p
		}
	}
	return nil
}

// reasons are those of the refusals in the journal of an invitation.
func (w *world) reasons(subject string) (list []string) {
	w.Helper()
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) error {
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

// seen are the kinds of evidence of an invitation.
func (w *world) seen(id string) map[invitation.Evidence]int64 {
	w.Helper()
	out := map[invitation.Evidence]int64{}
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Sightings().List(ctx, "acme", id)
		for _, s := range list {
			out[s.Evidence] = s.Count
		}
		return err
	}))
	return out
}

// device is one as it is stored.
func (w *world) device(id string) (d device.Device) {
	w.Helper()
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
		d, err = tx.Devices().Get(ctx, "acme", id)
		return err
	}))
	return d
}

// devices are all there are.
func (w *world) devices() (list []device.Device) {
	w.Helper()
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
		list, err = tx.Devices().List(ctx, enrollment.DeviceQuery{Site: "acme"})
		return err
	}))
	return list
}

// login goes through self-service and returns the address behind the next step.
func (w *world) login(user string, p device.Platform) string {
	w.Helper()
	passcode, _, err := w.svc.GeneratePasscode(w.Context(), admin)
	require.NoError(w, err)
	require.NoError(w, w.svc.RequestLogin(w.Context(), enrollment.LoginRequest{Email: user + "@example.com", Passcode: passcode}))
	for n := 1; n > 0; {
		n, err = w.svc.DeliverDue(w.Context())
		require.NoError(w, err)
	}
	mail := <-w.mails
	offer, err := w.svc.AcceptLogin(w.Context(), enrollment.Login{Username: mail.Login.Username, Password: mail.Login.Password},
		enrollment.AcceptRequest{Ownership: device.Company, Platform: p})
	require.NoError(w, err)
	return offer.Next.URL
}
