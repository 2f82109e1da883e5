package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/memstore"
)

var admin = enrollment.Actor{Site: "acme", ID: "admin"}

// world is a server, and a network in front of it that loses answers.
type world struct {
	*testing.T
	svc   *enrollment.Service
	h     http.Handler
	mails chan enrollment.Mail
	lose  func(path string, n int) bool // whether the n-th answer of a path is lost; nil: none
	asked map[string]int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, mails: make(chan enrollment.Mail, 5), asked: map[string]int{}}
	platform, err := android.New(android.Config{})
	require.NoError(t, err)
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	platforms := []enrollment.Platform{platform}
	w.svc, err = enrollment.New(memstore.New(), enrollment.Config{
		Keyring: ring, Platforms: platforms, Deliverer: w, Directory: w,
		Sites: enrollment.OneSite{
			ID: "acme", Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"},
			Agents: map[device.Platform]enrollment.Agent{device.Android: {
				Package: "com.example.agent", Component: "com.example.agent/.R", DownloadURL: "https://mdm.example.com/agent.apk",
				Certificate: "gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w",
			}},
		},
	})
	require.NoError(t, err)
	w.h, err = enrollhttp.New(w.svc, enrollhttp.Options{Platforms: platforms, AnswerTime: -1})
	require.NoError(t, err)
	return w
}

func (w *world) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Email: id + "@example.com"}, nil
}
func (w *world) ByEmail(_ context.Context, email string) ([]enrollment.User, error) {
	return []enrollment.User{{Site: "acme", ID: "ann", Email: email}}, nil
}
func (w *world) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mails <- m
	return nil
}

// RoundTrip hands a request to the server, and loses the answer where it should:
// the server has acted, and the agent does not know.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	r.RemoteAddr = netip.MustParseAddrPort("192.0.2.1:1").String()
	w.h.ServeHTTP(rec, r)
	w.asked[r.URL.Path]++
	if w.lose != nil && w.lose(r.URL.Path, w.asked[r.URL.Path]) {
		return nil, errors.New("connection reset")
	}
	resp := rec.Result()
	resp.Body = io.NopCloser(bytes.NewReader(rec.Body.Bytes()))
	return resp, nil
}

// agent is a process with a state file; it does not wait between two tries.
func (w *world) agent(file string) *agent {
	w.Helper()
	a, err := open(file, &http.Client{Transport: w})
	require.NoError(w, err)
	a.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return a
}

func (w *world) file() string { return filepath.Join(w.TempDir(), "agent.json") }

func (w *world) invite(mode device.Mode) enrollment.Revealed {
	w.Helper()
	result, err := w.svc.Invite(w.Context(), admin, enrollment.InviteRequest{User: "ann", Mode: mode})
	require.NoError(w, err)
	revealed, err := w.svc.Reveal(w.Context(), admin, result.Invitation)
	require.NoError(w, err)
	return revealed
}

// by is a request with what an agent is started by.
func (w *world) by(start, email, username string) request {
	w.Helper()
	r := request{Device: thisDevice("SN1")}
	var err error
	r.Server, r.Credential, err = credential(start, "https://mdm.example.com", email, username)
	require.NoError(w, err)
	if start != "" {
		r.adopt(start)
	}
	return r
}

func (w *world) devices() []enrollment.SlotView {
	w.Helper()
	page, err := w.svc.Overview(w.Context(), admin, enrollment.OverviewQuery{})
	require.NoError(w, err)
	var list []enrollment.SlotView
	for _, row := range page.Slots {
		if row.Kind == enrollment.SlotDevice {
			list = append(list, row)
		}
	}
	return list
}

func TestAnAgentEnrollsByWhateverItWasStartedWith(t *testing.T) {
	for name, start := range map[string]func(*world) request{
		"a scanned deployment URL": func(w *world) request { return w.by(w.invite("").QR.Reveal(), "", "") },
		"a provisioning code":      func(w *world) request { return w.by(w.invite(device.AndroidFullyManaged).QR.Reveal(), "", "") },
		"an install referrer": func(w *world) request {
			token, err := credentials.ParseDeploymentURL(w.invite("").URL.Reveal())
			require.NoError(w, err)
			return w.by(url.Values{"invite": {token.Reveal()}, "srv": {"https://mdm.example.com"}}.Encode(), "", "")
		},
		"address and PIN": func(w *world) request {
			w.Setenv("ENROLL_PIN", w.invite("").PIN.Reveal())
			return w.by("", "ann@example.com", "")
		},
		"a one-time login": func(w *world) request {
			passcode, _, err := w.svc.GeneratePasscode(w.Context(), admin)
			require.NoError(w, err)
			require.NoError(w, w.svc.RequestLogin(w.Context(), enrollment.LoginRequest{Email: "ann@example.com", Passcode: passcode}))
			_, err = w.svc.DeliverDue(w.Context())
			require.NoError(w, err)
			_, err = w.svc.DeliverDue(w.Context())
			require.NoError(w, err)
			mail := <-w.mails
			w.Setenv("ENROLL_PASSWORD", mail.Login.Password.Reveal())
			return w.by("", "", mail.Login.Username)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.agent(w.file())
			now, err := a.enroll(t.Context(), start(w))
			require.NoError(t, err)
			assert.Equal(t, device.Pending, now.State)
			require.NoError(t, a.settle(t.Context(), grantEverything))
			require.NoError(t, a.checkIn(t.Context()))
			assert.Equal(t, device.Active, a.told.State)
			require.Len(t, w.devices(), 1)
			if name == "a provisioning code" {
				assert.Equal(t, device.Company, w.devices()[0].Ownership)
			}
		})
	}
}

func TestAnswersThatAreLostChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.lose = func(_ string, n int) bool { return n%3 != 0 } // two of three
	a := w.agent(w.file())
	_, err := a.enroll(t.Context(), w.by(w.invite("").URL.Reveal(), "", ""))
	require.NoError(t, err)
	require.NoError(t, a.settle(t.Context(), grantEverything))
	require.NoError(t, a.checkIn(t.Context()))
	require.Len(t, w.devices(), 1)
	assert.Equal(t, string(device.Active), w.devices()[0].State)
	assert.Equal(t, 3, w.asked["/device/v1/enroll"])
	assert.Equal(t, int64(5), a.Seq, "four things said, each once")
}

func TestAProcessThatDiedBeforeTheAnswerAsksByTheSameId(t *testing.T) {
	w := newWorld(t)
	file, r := w.file(), w.by(w.invite("").URL.Reveal(), "", "")
	r.Device.Serial = "" // so that nothing but the id tells that it is the same
	w.lose = func(string, int) bool { return true }
	_, err := w.agent(file).enroll(t.Context(), r)
	require.EqualError(t, err, "the server was not reached")
	require.Len(t, w.devices(), 1, "the server has taken it in")

	w.lose = nil
	a := w.agent(file)
	require.False(t, a.enrolled())
	_, err = a.enroll(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, w.devices(), 1)
	assert.Equal(t, w.devices()[0].ID, a.DeviceID)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestALostCounterIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	a := w.agent(file)
	_, err := a.enroll(t.Context(), w.by(w.invite("").URL.Reveal(), "", ""))
	require.NoError(t, err)
	require.NoError(t, a.settle(t.Context(), grantEverything))
	before := a.Seq

	a.Seq = 0
	require.NoError(t, a.save())
	a = w.agent(file)
	now, err := a.report(t.Context(), map[device.Fact]bool{device.Permissions: false}, nil)
	require.NoError(t, err)
	assert.Equal(t, device.Impaired, now.State, "what it said was taken")
	assert.Equal(t, before+1, a.Seq)
}

func TestWhoWillNotGoOnStaysPending(t *testing.T) {
	w := newWorld(t)
	a := w.agent(w.file())
	_, err := a.enroll(t.Context(), w.by(w.invite("").URL.Reveal(), "", ""))
	require.NoError(t, err)
	err = a.settle(t.Context(), func(next device.Action) bool { return next != device.GrantPermissions })
	require.EqualError(t, err, "waits for grant_permissions")
	assert.Equal(t, string(device.Pending), w.devices()[0].State)
	assert.Equal(t, []device.Fact{device.Permissions, device.InventoryReceived}, w.devices()[0].Missing)
}

func TestARefusalEndsTheTries(t *testing.T) {
	w := newWorld(t)
	r := w.by(w.invite("").URL.Reveal(), "", "")
	w.invite("") // in its place
	_, err := w.agent(w.file()).enroll(t.Context(), r)
	require.EqualError(t, err, "refused: 410 invitation_deactivated")
	assert.Equal(t, 1, w.asked["/device/v1/enroll"])
}

func TestADeviceThatWasDeletedForgetsTheServer(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	a := w.agent(file)
	_, err := a.enroll(t.Context(), w.by(w.invite("").URL.Reveal(), "", ""))
	require.NoError(t, err)
	require.NoError(t, w.svc.Delete(t.Context(), admin, a.DeviceID))
	err = a.live(t.Context(), time.Minute)
	require.EqualError(t, err, "refused: 410 device_gone")
	assert.NoFileExists(t, file)
}

func TestWhoLeavesIsUnenrolled(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	a := w.agent(file)
	_, err := a.enroll(t.Context(), w.by(w.invite("").URL.Reveal(), "", ""))
	require.NoError(t, err)
	require.NoError(t, a.leave(t.Context()))
	assert.NoFileExists(t, file)
	assert.Equal(t, string(device.Unenrolled), w.devices()[0].State)
}

func TestACredentialGoesToNobodyElse(t *testing.T) {
	for _, server := range []string{"http://mdm.example.com", "ftp://mdm.example.com", "https://ann@mdm.example.com"} {
		_, _, err := credential("", server, "ann@example.com", "")
		assert.Error(t, err, server)
	}
	_, _, err := credential("", "http://127.0.0.1:8080", "ann@example.com", "")
	require.NoError(t, err)

	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	a, err := open(filepath.Join(t.TempDir(), "agent.json"), server.Client())
	require.NoError(t, err)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	_, err = a.enroll(t.Context(), request{Server: at, Credential: map[string]string{"type": "pin", "pin": "12345678"}})
	var no *refusal
	require.ErrorAs(t, err, &no)
	assert.Equal(t, http.StatusTemporaryRedirect, no.Status)
	assert.Zero(t, elsewhere, "nor where the server points")
}
