package server

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/windowsclient"
)

// keys of computers are made once: they take longer than everything else.
var keys = make(chan *rsa.PrivateKey, 64)

func newComputerKey() (*rsa.PrivateKey, error) {
	select {
	case k := <-keys:
		return k, nil
	default:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
}

// computer is a Windows device that has not heard of anything.
func (w *world) computer(n int) *windowsclient.Client {
	c := windowsclient.New(w.base, windowsclient.NewDevice(n))
	// No two computers have one key at a time, whatever a test does with it: a key
	// gets the certificate that it got before.
	var drawn []*rsa.PrivateKey
	var one sync.Mutex
	c.NewKey = func() (*rsa.PrivateKey, error) {
		key, err := newComputerKey()
		one.Lock()
		defer one.Unlock()
		if err == nil {
			drawn = append(drawn, key)
		}
		return key, err
	}
	w.t.Cleanup(func() {
		for _, key := range drawn {
			select {
			case keys <- key:
			default:
			}
		}
	})
	return c
}

// login is a fresh one-time login by self-service for somebody with a user name.
func (w *world) login(name, passcode string) windowsclient.Credential {
	w.t.Helper()
	email := name + "@example.com"
	require.Equal(w.t, http.StatusOK, w.ask(email, passcode).status)
	var with windowsclient.Credential
	w.eventually("a new login", func() bool {
		with.Username, with.Password = loginIn(w.t, w.mailTo(adminToken, email, "mail.self_service"))
		before, _ := logins.Load(email + w.dir)
		return with != before
	})
	logins.Store(email+w.dir, with)
	return with
}

// logins are the latest, so that an old mail is not taken for a new one.
var logins sync.Map

// acceptOnWindows accepts somebody's invitation on a computer.
func (w *world) acceptOnWindows(name, accept string) string {
	w.t.Helper()
	_, rest, found := strings.Cut(w.mailTo(adminToken, name+"@example.com", "mail.invitation").Text, w.base+"/i/")
	require.True(w.t, found)
	got := w.send(plain, http.MethodPost, "/i/"+rest[:43]+"/accept", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {w.base}, "Accept": {accept},
		"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"},
	}, url.Values{"platform": {"windows"}, "ownership": {"personal"}}.Encode())
	require.Equal(w.t, http.StatusOK, got.status, got.body)
	return got.body
}

// signInOf accepts an invitation for Windows and returns what the page says to
// type, and the page.
func (w *world) signInOf(name string) (with windowsclient.Credential, page string) {
	w.t.Helper()
	var next struct{ Action, Server, Username, Password string }
	require.NoError(w.t, json.Unmarshal([]byte(w.acceptOnWindows(name, "application/json")), &next))
	require.Equal(w.t, "sign_in", next.Action)
	require.Equal(w.t, w.base, next.Server)
	page = w.acceptOnWindows(name, "text/html")
	require.Contains(w.t, page, "<code>"+next.Password+"</code>")
	return windowsclient.Credential{Username: next.Username, Password: next.Password}, page
}

// ringFile is the path of the key ring.
func (w *world) ringFile() string { return filepath.Join(w.dir, "test.keyring") }

// row is a device in the view of Mobile devices.
type row struct {
	Kind, ID, State, Platform, Ownership, Name string
	Missing                                    []string
	User                                       struct{ Email string }
}

// windowsRows are the Windows devices.
func (w *world) windowsRows() (list []row) {
	w.t.Helper()
	var page struct{ Slots []row }
	w.api(adminToken, http.MethodGet, "/api/v1/slots?page_size=500", "", http.StatusOK).decode(w.t, &page)
	for _, r := range page.Slots {
		if r.Kind == "device" && r.Platform == "windows" {
			list = append(list, r)
		}
	}
	return list
}

// theComputer is the one Windows device.
func (w *world) theComputer() row {
	w.t.Helper()
	list := w.windowsRows()
	require.Len(w.t, list, 1)
	return list[0]
}

// noted waits until the journal has refusals, each a step and a reason.
func (w *world) noted(want ...string) {
	w.t.Helper()
	var have []string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("in the journal: %v", have)
		}
	}()
	w.eventually(fmt.Sprintf("%v in the journal", want), func() bool {
		have = nil
		var page struct {
			Events []struct {
				Type, Reason string
				Data         map[string]string
			}
		}
		w.api(adminToken, http.MethodGet, "/api/v1/events?page_size=500", "", http.StatusOK).decode(w.t, &page)
		for _, e := range page.Events {
			if e.Type == "enrollment.refused" {
				have = append(have, e.Data["step"]+": "+e.Reason)
			}
		}
		return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) })
	})
}

// refused wants a fault.
func refused(t *testing.T, err error, subcode, kind string, what ...any) {
	t.Helper()
	require.ErrorIs(t, err, &windowsclient.Fault{Subcode: subcode, Type: kind}, what...)
}

// put changes the site's settings.
func (w *world) policy(policy map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"policy": policy})
	require.NoError(w.t, err)
	w.api(adminToken, http.MethodPut, "/api/v1/site", string(body), http.StatusOK)
}

// serving is where the server listens.
func serving(t *testing.T, w *world) string {
	t.Helper()
	found := regexp.MustCompile(`"msg":"serving","address":"([^"]+)"`).FindStringSubmatch(w.log.String())
	require.NotNil(t, found)
	return found[1]
}
