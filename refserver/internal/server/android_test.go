package server

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/refserver/simulate"
)

const androidAgent = `{"name":"Acme","agents":{"android":{"name":"Acme Agent","package":"com.example.agent","component":"com.example.agent/.AdminReceiver",` +
	`"download_url":"https://mdm.example.com/agent.apk","certificate":"80:90:F6:63:0B:4E:89:62:47:91:23:24:90:87:CB:46:58:FE:AA:E3:6A:1B:57:DB:EA:FD:74:D1:09:B3:33:DC","identifier":"afw#acme"}}}`

// invited is one invitation of a mode, with its link and what its code says.
func (w *world) invited(email, mode string) (id, link, code string, png []byte) {
	w.t.Helper()
	var made struct {
		Results []struct {
			ID string `json:"invitation_id"`
		} `json:"results"`
	}
	w.api(adminToken, http.MethodPost, "/api/v1/invitations",
		`{"users":[{"email":"`+email+`","name":"Ann"}],"deliver":"none","mode":"`+mode+`"}`, http.StatusCreated).decode(w.t, &made)
	var shown struct {
		URL     string `json:"url"`
		Payload string `json:"qr_payload"`
		PNG     string `json:"qr_png"`
	}
	w.api(adminToken, http.MethodPost, "/api/v1/invitations/"+made.Results[0].ID+"/credentials", "{}", http.StatusOK).decode(w.t, &shown)
	png, err := base64.StdEncoding.DecodeString(shown.PNG)
	require.NoError(w.t, err)
	return made.Results[0].ID, strings.TrimPrefix(shown.URL, w.base), shown.Payload, png
}

func TestANewAndroidDeviceScansItsCodeAndEnrolls(t *testing.T) {
	w := start(t)
	w.api(adminToken, http.MethodPut, "/api/v1/site", androidAgent, http.StatusOK)
	for _, mode := range []string{"android_fully_managed", "android_dedicated", "android_company_work_profile"} {
		_, link, code, png := w.invited(mode+"@example.com", mode)
		require.NoError(t, android.CheckPayload([]byte(code)))
		read, err := simulate.ReadQR(png)
		require.NoError(t, err)
		assert.Equal(t, code, read, "byte for byte, by a decoder that is not ours")

		page := w.send(plain, http.MethodPost, link+"/accept", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "ownership=company&platform=android")
		require.Equal(t, http.StatusOK, page.status, page.body)
		assert.Contains(t, page.body, "type afw#acme where it asks for a Google account")
		drawn := w.send(plain, http.MethodGet, link+"/qr.png?platform=android", nil, "")
		read, err = simulate.ReadQR([]byte(drawn.body))
		require.NoError(t, err)
		require.NoError(t, android.CheckPayload([]byte(read)))

		qr, err := credentials.EncodeQR(credentials.SecretString(read))
		require.NoError(t, err)
		small, err := simulate.ReadQR(qr.AppendPNG(nil, 3))
		require.NoError(t, err, "%s at 3 pixels a module", mode)
		assert.Equal(t, read, small)

		begin, err := android.ReadStart(read)
		require.NoError(t, err)
		assert.Equal(t, w.base, begin.Server.String())
		w.enroll(`{"type":"token","token":"`+begin.Token.Reveal()+`"}`, "e-"+mode, "S-"+mode, http.StatusCreated)
	}
}

func TestAPersonsAndroidPhoneIsLedToTheStore(t *testing.T) {
	w := start(t)
	w.api(adminToken, http.MethodPut, "/api/v1/site", androidAgent, http.StatusOK)
	id, link, code, _ := w.invited("ann@example.com", "")
	assert.Equal(t, w.base+link, code)
	progress := func() (reached, hint string) {
		var shown struct {
			Progress struct{ Reached, Hint string }
		}
		w.api(adminToken, http.MethodGet, "/api/v1/invitations/"+id, "", http.StatusOK).decode(t, &shown)
		return shown.Progress.Reached, shown.Progress.Hint
	}
	before := w.send(plain, http.MethodGet, link+"/android/store", nil, "")
	assert.Equal(t, http.StatusSeeOther, before.status)
	back, err := url.Parse(w.base + link + "/android/store")
	require.NoError(t, err)
	back, err = back.Parse(before.header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, w.base+link, back.String(), "nobody has accepted yet")

	page := w.send(plain, http.MethodPost, link+"/accept", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126 Mobile"},
	}, "ownership=personal&platform=android")
	assert.Contains(t, page.body, link+"/android/store")
	assert.Contains(t, page.body, "intent://")
	to := w.send(plain, http.MethodGet, link+"/android/store", nil, "")
	require.Equal(t, http.StatusFound, to.status)
	play, err := url.Parse(to.header.Get("Location"))
	require.NoError(t, err)
	begin, err := android.ReadStart(play.Query().Get("referrer"))
	require.NoError(t, err)
	assert.Equal(t, w.base+link, w.base+"/i/"+begin.Token.Reveal())
	reached, hint := progress()
	assert.Equal(t, []string{"store_redirected", "install_and_open_agent"}, []string{reached, hint})
	assert.Contains(t, w.signIn(adminEmail, adminToken).get("/devices"), "Was sent to the store")
	assert.NotContains(t, w.log.String(), begin.Token.Reveal())

	w.api(adminToken, http.MethodPost, "/api/v1/invitations/"+id+"/deactivate", "{}", http.StatusOK)
	assert.Equal(t, http.StatusGone, w.send(plain, http.MethodGet, link+"/android/store", nil, "").status)
}

func TestTheWayToTheAgentFromAOneTimeLogin(t *testing.T) {
	w := start(t)
	w.api(adminToken, http.MethodPut, "/api/v1/site", androidAgent, http.StatusOK)
	w.user(adminToken, "Ann Lee", "ann@example.com")
	require.Equal(t, http.StatusOK, w.ask("ann@example.com", w.passcode(adminToken)).status)
	username, password := loginIn(t, w.mailTo(adminToken, "ann@example.com", "mail.self_service"))
	page := w.send(plain, http.MethodPost, "/enroll/login/accept", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126 Mobile"},
	}, url.Values{"username": {username}, "password": {password}, "platform": {"android"}, "ownership": {"personal"}}.Encode())
	require.Equal(t, http.StatusOK, page.status, page.body)
	link := regexp.MustCompile(`/platform/android/login/[A-Za-z0-9_-]+/store`).FindString(page.body)
	require.NotEmpty(t, link, page.body)
	to := w.send(plain, http.MethodGet, link, nil, "")
	require.Equal(t, http.StatusFound, to.status, to.body)
	play, err := url.Parse(to.header.Get("Location"))
	require.NoError(t, err)
	begin, err := android.ReadStart(play.Query().Get("referrer"))
	require.NoError(t, err)
	assert.Equal(t, w.base, begin.Server.String())
	assert.True(t, begin.Token.IsZero(), "there is no invitation")

	phone := w.enroll(`{"type":"one_time","username":"`+username+`","password":"`+password+`"}`, "one", "Ann's phone", http.StatusCreated)
	assert.Equal(t, "active", w.report(phone))
	assert.Equal(t, http.StatusGone, w.send(plain, http.MethodGet, link, nil, "").status, "it is used up")
}

func TestTheServersLinksOpenItsSitesAgents(t *testing.T) {
	w := start(t)
	links := func() string { return w.send(plain, http.MethodGet, "/.well-known/assetlinks.json", nil, "").body }
	assert.Equal(t, "[]", links())
	w.api(adminToken, http.MethodPut, "/api/v1/site", androidAgent, http.StatusOK)
	assert.Contains(t, links(), `"package_name":"com.example.agent","sha256_cert_fingerprints":["80:90:F6:`)
	assert.Equal(t, http.StatusMethodNotAllowed, w.send(plain, http.MethodPost, "/.well-known/assetlinks.json", nil, "").status)
}

func TestOneTenantsAgentDoesNotOpenAnothersLinks(t *testing.T) {
	w := start(t)
	w.api(adminToken, http.MethodPut, "/api/v1/site", androidAgent, http.StatusOK)
	w.api(operatorToken, http.MethodPost, "/api/v1/sites", `{"name":"Other","admin_email":"root@other.example"}`, http.StatusCreated)
	got := w.send(plain, http.MethodGet, "/.well-known/assetlinks.json", nil, "")
	assert.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, "[]", got.body)
}

func TestAnAgentThatDevicesWouldNotTakeIsNotSaved(t *testing.T) {
	w := start(t)
	for field, bad := range map[string]string{
		"component": "com.example.agent", "certificate": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "identifier": "example", "download_url": "http://mdm.example.com/a.apk",
	} {
		got := w.api(adminToken, http.MethodPut, "/api/v1/site", `{"name":"Acme","agents":{"android":{"`+field+`":"`+bad+`"}}}`, http.StatusUnprocessableEntity)
		assert.Contains(t, got.body, `"agents.android.`+field+`"`)
	}
}
