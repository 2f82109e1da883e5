package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// limit sets how many devices the first site may have.
func (w *world) limit(n string) {
	w.t.Helper()
	w.api(adminToken, http.MethodPut, "/api/v1/site", `{"name":"Acme","policy":{"max_devices":`+n+`}}`, http.StatusOK)
}

func TestASiteAtItsLimitTakesAComputerOnceAnotherHasLeft(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		passcode := w.passcode(adminToken)
		people := map[string]string{}
		for _, name := range []string{"ann", "bob", "cyd"} {
			people[name] = w.user(adminToken, name, name+"@example.com")
		}
		first := w.computer(1)
		require.NoError(t, first.Enroll(t.Context(), w.login("ann", passcode)))
		id := w.theComputer().ID
		w.limit("1")

		bob := w.login("bob", passcode)
		w.invite(adminToken, people["cyd"])
		cyd, _ := w.signInOf("cyd")
		second, third := w.computer(2), w.computer(3)
		require.NoError(t, second.Discover(t.Context(), bob.Username))
		require.NoError(t, third.Discover(t.Context(), cyd.Username))
		require.NoError(t, second.Policies(t.Context(), bob))
		for range 5 {
			refused(t, second.Request(t.Context(), bob), "Authorization", "UserLicense", "a one-time login")
			refused(t, third.Request(t.Context(), cyd), "Authorization", "UserLicense", "an invitation's password")
		}
		wrong := bob
		wrong.Password = "0000-0000-0000-0000"
		refused(t, second.Request(t.Context(), wrong), "Authentication", "", "who proved nothing is not told")
		assert.Equal(t, id, w.theComputer().ID)
		w.noted("windows/enroll: site_full")

		require.NoError(t, first.Request(t.Context(), w.login("ann", passcode)), "one that is here enrolls again")
		w.api(adminToken, http.MethodDelete, "/api/v1/devices/"+id, "", http.StatusNoContent)
		require.NoError(t, second.Request(t.Context(), bob), "with the login of before")
		_, err := second.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "DESKTOP-2", w.theComputer().Name)
		refused(t, third.Request(t.Context(), cyd), "Authorization", "UserLicense")
		w.limit("2")
		require.NoError(t, third.Request(t.Context(), cyd), "with the password of before")
		assert.Len(t, w.windowsRows(), 2)
	})
}

func TestAnAgentIsToldThatItsSiteIsFull(t *testing.T) {
	w := start(t)
	_, link, _, _ := w.invited("ann@example.com", "")
	w.limit("1")
	credential := `{"type":"token","token":"` + strings.TrimPrefix(link, "/i/") + `"}`
	w.enroll(credential, "one", "Phone", http.StatusCreated)
	body := `{"enrollment_id":"two","credential":` + credential + `,"ownership":"company","device":{"platform":"android","serial":"SNtwo","manufacturer":"acme","model":"One","os_version":"16"}}`
	got := w.send(plain, http.MethodPost, "/device/v1/enroll", http.Header{"Content-Type": {"application/json"}}, body)
	assert.Equal(t, http.StatusConflict, got.status)
	assert.Contains(t, got.body, `"code":"site_full"`)
	w.limit("null")
	w.enroll(credential, "two", "Tablet", http.StatusCreated)
}

func TestTheLimitOfASiteIsANumberOfItsSettings(t *testing.T) {
	w := start(t)
	most := func() (n *int) {
		var site struct {
			Policy struct {
				Most *int `json:"max_devices"`
			}
		}
		w.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK).decode(t, &site)
		return site.Policy.Most
	}
	require.NotNil(t, most())
	assert.Zero(t, *most(), "any number")
	for _, n := range []string{"-1", "10000001"} {
		assert.Contains(t, w.api(adminToken, http.MethodPut, "/api/v1/site", `{"name":"Acme","policy":{"max_devices":`+n+`}}`, http.StatusUnprocessableEntity).body, "policy.max_devices")
	}
	w.limit("7")
	assert.Equal(t, 7, *most())
	b := w.signIn(adminEmail, adminToken)
	assert.Contains(t, b.get("/site"), `name="max_devices" value="7"`)
	b.post("/site", url.Values{"name": {"Acme"}, "max_devices": {"9"}}, http.StatusSeeOther)
	assert.Equal(t, 9, *most())
}
