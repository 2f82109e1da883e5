package android_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/invitation"
)

func TestAPersonsPhoneGoesToTheStoreWithTheInvitationInItsReferrer(t *testing.T) {
	w := newWorld(t, own(t))
	inv, tok := w.invite("ann", "")
	next := w.accept(tok, device.Personal).Next
	assert.Equal(t, device.InstallAgent, next.Action)
	assert.Equal(t, device.AndroidWorkProfile, next.Mode)
	assert.Equal(t, "https://mdm.example.com/join/i/"+tok+"/android/store", next.URL)
	assert.Equal(t, "intent://mdm.example.com/join/i/"+tok+"#Intent;scheme=https;package=com.example.agent;"+
		"S.browser_fallback_url=https%3A%2F%2Fmdm.example.com%2Fjoin%2Fi%2F"+tok+"%2Fandroid%2Fstore;end", next.OpenURL.Reveal())

	rec := w.follow(http.MethodGet, next.URL)
	require.Equal(t, http.StatusFound, rec.Code, rec.Body)
	to, err := url.Parse(rec.Header().Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, "play.google.com", to.Host)
	assert.Equal(t, "com.example.agent", to.Query().Get("id"))
	start, err := android.ReadStart(to.Query().Get("referrer"))
	require.NoError(t, err)
	assert.Equal(t, tok, start.Token.Reveal())
	assert.Equal(t, "https://mdm.example.com/join", start.Server.String())

	assert.Equal(t, int64(1), w.seen(inv)[invitation.StoreRedirected])
	assert.Equal(t, http.StatusFound, w.follow(http.MethodHead, next.URL).Code)
	assert.Equal(t, int64(1), w.seen(inv)[invitation.StoreRedirected], "HEAD leaves nothing")

	in, err := w.svc.Enroll(t.Context(), enrollment.EnrollRequest{
		EnrollmentID: "e", Credential: enrollment.Presented{Token: start.Token}, Device: enrollment.Claim{Platform: device.Android},
	})
	require.NoError(t, err)
	assert.Equal(t, inv, in.Device.Invitation)
}

func TestTheAgentsOwnSchemeOpensItWithTheInvitation(t *testing.T) {
	w := newWorld(t, own(t))
	agent := w.site.Agents[device.Android]
	agent.OpenURL = "exampleagent://enroll"
	w.site.Agents[device.Android] = agent
	_, tok := w.invite("ann", "")
	open := w.accept(tok, device.Personal).Next.OpenURL.Reveal()
	assert.True(t, strings.HasPrefix(open, "intent://enroll?url=https%3A%2F%2Fmdm.example.com%2Fjoin%2Fi%2F"+tok+"#Intent;scheme=exampleagent;package=com.example.agent;"), open)

	agent.Package = ""
	w.site.Agents[device.Android] = agent
	open = w.accept(tok, device.Personal).Next.OpenURL.Reveal()
	assert.Equal(t, "exampleagent://enroll?url=https%3A%2F%2Fmdm.example.com%2Fjoin%2Fi%2F"+tok, open)
}

func TestNobodyIsLedOnBeforeAcceptingOrAfterTheEnd(t *testing.T) {
	w := newWorld(t, own(t))
	inv, tok := w.invite("ann", "")
	store := "https://mdm.example.com/join/i/" + tok + "/android/store"
	rec := w.follow(http.MethodGet, store)
	assert.Equal(t, http.StatusSeeOther, rec.Code)
	assert.Equal(t, "../../"+tok, rec.Header().Get("Location"))
	w.accept(tok, device.Personal)
	_, err := w.svc.Deactivate(t.Context(), admin, inv)
	require.NoError(t, err)
	rec = w.follow(http.MethodGet, store, "Accept", "application/json")
	assert.Equal(t, http.StatusGone, rec.Code)
	assert.Contains(t, rec.Body.String(), `"code":"invitation_deactivated"`)
	assert.Empty(t, rec.Header().Get("Location"))
	assert.Zero(t, w.seen(inv)[invitation.StoreRedirected])

	for address, want := range map[string]int{
		"https://mdm.example.com/join/i/" + strings.Repeat("A", 43) + "/android/store": 404,
		"https://mdm.example.com/join/i/" + tok + "/android/other":                     404,
		"https://mdm.example.com/join/platform/android/store":                          404,
		"https://mdm.example.com/join/platform/android/login/x/store":                  404,
	} {
		assert.Equal(t, want, w.follow(http.MethodGet, address).Code, address)
	}
	rec = w.follow(http.MethodPost, store)
	assert.Equal(t, http.StatusMethodNotAllowed, rec.Code)
	assert.Equal(t, "GET, HEAD", rec.Header().Get("Allow"))
}

func TestTheWholeWayFromAOneTimeLogin(t *testing.T) {
	w := newWorld(t, own(t))
	next, login := w.login("ann")
	assert.Equal(t, device.InstallAgent, next.Action)
	rec := w.follow(http.MethodGet, next.URL)
	require.Equal(t, http.StatusFound, rec.Code, rec.Body)
	to, err := url.Parse(rec.Header().Get("Location"))
	require.NoError(t, err)
	start, err := android.ReadStart(to.Query().Get("referrer"))
	require.NoError(t, err)
	assert.True(t, start.Token.IsZero())
	assert.Contains(t, next.OpenURL.Reveal(), "intent://mdm.example.com/join/enroll/login#Intent;")

	in, err := w.svc.Enroll(t.Context(), enrollment.EnrollRequest{EnrollmentID: "e", Credential: login, Device: enrollment.Claim{Platform: device.Android}})
	require.NoError(t, err)
	assert.Equal(t, device.BySelfService, in.Device.Origin)
	assert.Equal(t, http.StatusGone, w.follow(http.MethodGet, next.URL).Code, "the login is used up")
	w.now = w.now.Add(2 * time.Hour)
	assert.Equal(t, http.StatusGone, w.follow(http.MethodGet, next.URL).Code)
}

func TestANewDeviceScansACodeThatTheCheckerTakes(t *testing.T) {
	for _, mode := range []device.Mode{device.AndroidFullyManaged, device.AndroidDedicated, device.AndroidCompanyWorkProfile} {
		w := newWorld(t, own(t))
		_, tok := w.invite("ann", mode)
		next := w.accept(tok, device.Company).Next
		assert.Equal(t, device.ProvisionDevice, next.Action, mode)
		assert.Empty(t, next.URL)
		assert.Empty(t, next.Typed)
		code, err := w.svc.QR(t.Context(), tok, device.Android)
		require.NoError(t, err)
		require.NoError(t, android.CheckPayload([]byte(code.Reveal())))
		start, err := android.ReadStart(code.Reveal())
		require.NoError(t, err)
		assert.Equal(t, tok, start.Token.Reveal())
		assert.Equal(t, mode, start.Mode)
		assert.Equal(t, device.Company, start.Ownership)
	}
}

func TestAPhoneInUseScansTheDeploymentURL(t *testing.T) {
	w := newWorld(t, own(t))
	for _, mode := range []device.Mode{"", device.AndroidWorkProfile, device.AndroidDeviceAdmin} {
		_, tok := w.invite("ann", mode)
		code, err := w.svc.QR(t.Context(), tok, device.Android)
		require.NoError(t, err)
		assert.Equal(t, "https://mdm.example.com/join/i/"+tok, code.Reveal())
	}
}

func TestWithoutACodeTheAgentIsCalledByItsIdentifier(t *testing.T) {
	w := newWorld(t, own(t))
	w.site.Agents[device.Android] = enrollment.Agent{Package: "com.example.agent", Identifier: "afw#example"}
	_, tok := w.invite("ann", device.AndroidFullyManaged)
	assert.Equal(t, "afw#example", w.accept(tok, device.Company).Next.Typed)
	code, err := w.svc.QR(t.Context(), tok, device.Android)
	require.NoError(t, err)
	assert.Equal(t, "https://mdm.example.com/join/i/"+tok, code.Reveal(), "for the agent that it brings")

	w.site.Agents[device.Android] = enrollment.Agent{Component: "com.example.agent/.R", DownloadURL: "https://a.example/a.apk", Certificate: "80:90"}
	_, err = w.svc.QR(t.Context(), tok, device.Android)
	assert.ErrorIs(t, err, android.ErrPayload, "a checksum that is wrong is no checksum")
}

func TestWhatTheSiteAddsIsInTheCode(t *testing.T) {
	p, err := android.New(android.Config{Adapt: func(p *android.Provisioning, o enrollment.Offer) {
		p.WiFi, p.Locale = &android.WiFi{SSID: o.Site.Name}, "cs_CZ"
	}})
	require.NoError(t, err)
	w := newWorld(t, p)
	_, tok := w.invite("ann", device.AndroidFullyManaged)
	code, err := w.svc.QR(t.Context(), tok, device.Android)
	require.NoError(t, err)
	assert.Contains(t, code.Reveal(), `"android.app.extra.PROVISIONING_WIFI_SSID":"Acme & Sons"`)
}

func TestADeviceAdminIsRefusedWhereItNoLongerWorks(t *testing.T) {
	w := newWorld(t, own(t))
	_, tok := w.invite("ann", device.AndroidDeviceAdmin)
	start, err := android.ReadStart("https://mdm.example.com/join/i/" + tok)
	require.NoError(t, err)
	enroll := func(version string, mode device.Mode) error {
		_, err := w.svc.Enroll(t.Context(), enrollment.EnrollRequest{
			EnrollmentID: "e-" + version + string(mode), Credential: enrollment.Presented{Token: start.Token}, Mode: mode,
			Device: enrollment.Claim{Platform: device.Android, OSVersion: version},
		})
		return err
	}
	err = enroll("16", "")
	assert.Equal(t, &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "mode", Code: "not_supported"}}}, err)
	assert.NoError(t, enroll("15", ""))
	assert.NoError(t, enroll("16", device.AndroidWorkProfile))
}
