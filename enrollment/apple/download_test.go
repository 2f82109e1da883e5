package apple_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/invitation"
)

func TestEachDownloadIsAProfileOfItsOwn(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	one, two := w.profile(tok), w.profile(tok)
	assert.NotEqual(t, challenge(one).Reveal(), challenge(two).Reveal())
	assert.NotEqual(t, one["PayloadUUID"], two["PayloadUUID"])
	assert.Equal(t, one["PayloadIdentifier"], two["PayloadIdentifier"], "which is how a device replaces it")
	assert.Equal(t, int64(2), w.seen(inv)[invitation.ProfileDownloaded])

	from := w.sender(one)
	assert.Equal(t, "acme", from.Site)
	scep := payload(one, "com.apple.security.scep")["PayloadContent"].(entries)
	assert.Equal(t, []any{[]any{[]any{"CN", from.Enrollment}}, []any{[]any{"O", "acme"}}}, scep["Subject"])
	assert.Equal(t, "https://mdm.example.com/join/platform/apple/scep", scep["URL"])
	u, err := url.Parse(payload(one, "com.apple.mdm")["ServerURL"].(string))
	require.NoError(t, err)
	assert.Equal(t, "/join/platform/apple/mdm", u.Path)
	for _, secret := range []string{tok, challenge(one).Reveal(), inv} {
		assert.NotContains(t, u.String(), secret, "what is in an address opens nothing")
	}
}

func TestReadingChangesNoState(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	before, err := w.svc.Invitation(t.Context(), admin, inv)
	require.NoError(t, err)
	rec := w.do(http.MethodHead, "/enroll.mobileconfig", tok)
	assert.Equal(t, 200, rec.Code)
	assert.Empty(t, rec.Body.String())
	assert.Zero(t, w.seen(inv)[invitation.ProfileDownloaded])
	w.profile(tok)
	after, err := w.svc.Invitation(t.Context(), admin, inv)
	require.NoError(t, err)
	assert.Equal(t, before.Version, after.Version)
	assert.Equal(t, before.Events, after.Events)
}

func TestAProfileIsForWhoAccepted(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	rec := w.get("/enroll.mobileconfig", tok)
	assert.Equal(t, 303, rec.Code)
	assert.Equal(t, "../../"+tok, rec.Header().Get("Location"))
}

func TestDownloadsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	_, over := w.invite("bob")
	bob, err := w.svc.Peek(t.Context(), over)
	require.NoError(t, err)
	_, err = w.svc.Deactivate(t.Context(), admin, bob.Invitation.ID)
	require.NoError(t, err)
	link := strings.TrimPrefix(w.login("cyd", device.IOS), "https://mdm.example.com/join/platform/apple")
	w.profile(tok)
	stolen := challenge(w.profile(tok)).Reveal()
	for name, c := range map[string]struct {
		method, path, token string
		status              int
		code                string
	}{
		"a token that nobody has":  {"GET", "/enroll.mobileconfig", strings.Repeat("A", 43), 404, "invitation_unknown"},
		"one that is over":         {"GET", "/enroll.mobileconfig", over, 410, "invitation_deactivated"},
		"another method":           {"POST", "/enroll.mobileconfig", tok, 405, "method_not_allowed"},
		"another file":             {"GET", "/other", tok, 404, "not_found"},
		"the file without a token": {"GET", "/enroll.mobileconfig", "", 404, "not_found"},
		"no grant":                 {"GET", "/login//enroll.mobileconfig", "", 404, "grant_refused"},
		"a grant of nobody":        {"GET", "/login/AAAA/enroll.mobileconfig", "", 404, "grant_refused"},
		"the challenge of another": {"GET", "/login/" + stolen + "/enroll.mobileconfig", "", 404, "grant_refused"},
		"a path below":             {"GET", "/login/a/b/enroll.mobileconfig", "", 404, "not_found"},
		"a grant and a token":      {"GET", link, tok, 404, "not_found"},
		"the MDM server, without":  {"PUT", "/checkin", "", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.do(c.method, c.path, c.token, "Accept", "application/json")
			var problem struct{ Code string }
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &problem))
			assert.Equal(t, c.status, rec.Code)
			assert.Equal(t, c.code, problem.Code)
			page := w.do(c.method, c.path, c.token)
			assert.Equal(t, c.status, page.Code)
			assert.Contains(t, page.Header().Get("Content-Type"), "text/html")
			assert.Equal(t, "no-store", page.Header().Get("Cache-Control"))
		})
	}
	assert.Equal(t, 200, w.get(link, "").Code)
	w.now = w.now.Add(time.Hour)
	assert.Equal(t, 410, w.get(link, "").Code, "the page after a login leads on for an hour")
	assert.Empty(t, w.reasons(inv))
}

// failing signs nothing.
type failing struct{}

func (failing) Sign(context.Context, []byte) ([]byte, error) { return nil, errors.New("canary") }

// wrapping signs by putting something around it.
type wrapping struct{}

func (wrapping) Sign(_ context.Context, b []byte) ([]byte, error) {
	return append([]byte("signed:"), b...), nil
}

func TestProfilesAreSigned(t *testing.T) {
	w := newWorld(t, func(c *apple.Config) { c.Signer = wrapping{} })
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	rec := w.get("/enroll.mobileconfig", tok)
	assert.True(t, strings.HasPrefix(rec.Body.String(), "signed:<?xml"))

	w = newWorld(t, func(c *apple.Config) { c.Signer = failing{} })
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	rec = w.get("/enroll.mobileconfig", tok)
	assert.Equal(t, 503, rec.Code)
	assert.NotContains(t, rec.Body.String(), "canary")
	assert.Zero(t, w.seen(inv)[invitation.ProfileDownloaded])
}

func TestTheRestIsTheMDMServers(t *testing.T) {
	w := newWorld(t, func(c *apple.Config) {
		c.MDM = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = rw.Write([]byte(r.Method + " " + r.URL.Path)) })
		c.Endpoints = func(enrollment.Site) apple.Endpoints {
			return apple.Endpoints{Server: "https://nanomdm.example.com/mdm?key=1", SCEP: "https://scep.example.com/scep"}
		}
	})
	_, tok := w.invite("ann")
	w.accept(tok, device.MacOS)
	assert.Equal(t, "PUT /checkin", w.do(http.MethodPut, "/checkin", "").Body.String())
	assert.Equal(t, 404, w.do(http.MethodPut, "/checkin", tok).Code, "not below a token")
	profile := w.profile(tok)
	mdm := payload(profile, "com.apple.mdm")
	assert.Equal(t, mdm["ServerURL"], mdm["CheckInURL"])
	u, err := url.Parse(mdm["ServerURL"].(string))
	require.NoError(t, err)
	assert.Equal(t, "1", u.Query().Get("key"), "what is there stays")
	assert.Equal(t, "System", profile["PayloadScope"])
}

func TestAConfigThatNoDeviceWouldTakeIsRefusedAtTheStart(t *testing.T) {
	for name, cfg := range map[string]apple.Config{
		"nothing":      {},
		"no topic":     {Identifier: "com.example.mdm"},
		"no name":      {Topic: topic},
		"a long life":  {Topic: topic, Identifier: "com.example.mdm", ChallengeLife: 25 * time.Hour},
		"a broken one": {Topic: topic, Identifier: "com.example.mdm", Adapt: func(p *apple.Profile, _ apple.Download) { p.SCEP = nil }},
	} {
		_, err := apple.New(cfg)
		assert.Error(t, err, name)
	}
}
