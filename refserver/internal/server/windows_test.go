package server

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/windowsclient"
)

func TestThirtyOfThirtyComputersEnrollByASelfServiceLogin(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		passcode := w.passcode(adminToken)
		for n := range 30 {
			name := fmt.Sprintf("user%02d", n)
			w.user(adminToken, "User "+name, name+"@example.com")
			c := w.computer(n)
			c.Style.Spaces, c.Style.Chunked, c.Style.NoSlash, c.Style.Doubled = n%2 == 1, n%3 == 1, n%5 == 1, n%7 == 1
			if n%4 == 3 {
				c.Device.Type = "Device"
			}
			require.NoError(t, c.Enroll(t.Context(), w.login(name, passcode)), n)
			s, err := c.Sync(t.Context())
			require.NoError(t, err, n)
			assert.NotEmpty(t, s.Asked)
		}
		list := w.windowsRows()
		require.Len(t, list, 30)
		for _, r := range list {
			assert.Equal(t, "active", r.State, r.Missing)
			assert.Regexp(t, `^DESKTOP-\d+$`, r.Name)
		}
		d := w.detail(list[0].ID)
		assert.Equal(t, "self_service", d.Origin)
		assert.NotEmpty(t, d.Hardware["serial"])
		assert.NotEmpty(t, d.Inventory)
	})
}

// detailOf is a device as an administrator sees it.
type detailOf struct {
	State, Origin, Ownership, Model, Reason string
	OSVersion                               string `json:"os_version"`
	Hardware                                map[string]string
	Inventory                               map[string]any
}

func (w *world) detail(id string) (d detailOf) {
	w.t.Helper()
	w.api(adminToken, http.MethodGet, "/api/v1/devices/"+id, "", http.StatusOK).decode(w.t, &d)
	return d
}

func TestAComputerEnrollsByWhatTheInvitationsPageShows(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.invite(adminToken, w.user(adminToken, "Ann Lee", "ann@example.com"))
		with, page := w.signInOf("ann")
		assert.Equal(t, "ann@example.com", with.Username)
		assert.Contains(t, page, "ms-device-enrollment:?mode=mdm&amp;username=ann%40example.com&amp;servername="+url.QueryEscape(w.base)+"&amp;ownership=2")
		c := w.computer(1)
		require.NoError(t, c.Enroll(t.Context(), with))
		assert.Equal(t, "pending", w.theComputer().State, "it has not said anything yet")
		assert.Equal(t, w.windowsURL()+"/platform/windows/manage", c.Provision.Address)
		_, err := c.Sync(t.Context())
		require.NoError(t, err)
		got := w.theComputer()
		assert.Equal(t, "active", got.State, got.Missing)
		assert.Equal(t, "DESKTOP-1", got.Name)
		assert.Equal(t, "ann@example.com", got.User.Email)
		d := w.detail(got.ID)
		assert.Equal(t, "personal", d.Ownership)
		assert.Equal(t, "Latitude 5450", d.Model)
		assert.Contains(t, d.OSVersion, "10.0.22631")
		assert.Equal(t, c.Device.Serial, d.Hardware["serial"])
		assert.NotEmpty(t, d.Inventory)

		// The page shows another password for the next computer; the spent one is of
		// no use to it.
		again, _ := w.signInOf("ann")
		assert.NotEqual(t, with.Password, again.Password)
		second := w.computer(2)
		require.NoError(t, second.Discover(t.Context(), with.Username))
		refused(t, second.Request(t.Context(), with), "Authentication", "")
		require.NoError(t, second.Enroll(t.Context(), again))
		_, err = second.Sync(t.Context())
		require.NoError(t, err)
		assert.Len(t, w.windowsRows(), 2)

		b := w.signIn(adminEmail, adminToken)
		list := b.get("/devices")
		assert.Contains(t, list, "DESKTOP-1")
		assert.Contains(t, list, "Windows")
		assert.Contains(t, b.get("/devices/"+got.ID), c.Device.Serial)
		w.stop()
		for _, secret := range []string{with.Password, again.Password} {
			assert.NotContains(t, w.log.String(), secret)
		}
	})
}

// windowsURL is where sessions are kept.
func (w *world) windowsURL() string {
	found := regexp.MustCompile(`"windows_url":"([^"]+)"`).FindStringSubmatch(w.log.String())
	require.NotNil(w.t, found)
	return found[1]
}

func TestWhoMayNotEnrollAComputerIsToldInTheWordsOfWindows(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		passcode := w.passcode(adminToken)
		number := 0
		// try is a computer of its own, through both services.
		try := func(what string, with windowsclient.Credential, subcode, kind string) {
			t.Helper()
			number++
			c := w.computer(100 + number)
			require.NoError(t, c.Discover(t.Context(), with.Username))
			refused(t, c.Policies(t.Context(), with), subcode, kind, "%s, policies", what)
			refused(t, c.Request(t.Context(), with), subcode, kind, "%s, certificate", what)
		}
		for _, name := range []string{"ann", "bob", "cyd", "dan", "eve", "fay"} {
			w.user(adminToken, name, name+"@example.com")
		}

		ann := w.login("ann", passcode)
		wrong := windowsclient.Credential{Username: ann.Username, Password: "0000-0000-0000-0000"}
		try("a wrong password", wrong, "Authentication", "")
		try("nobody's user name", windowsclient.Credential{Username: "nobody1234", Password: ann.Password}, "Authentication", "")
		try("no password at all", windowsclient.Credential{Username: ann.Username}, "Authentication", "")
		require.NoError(t, w.computer(1).Enroll(t.Context(), ann))
		second := w.computer(2) // at GetPolicies, a device says nothing by which it could be told from the first
		require.NoError(t, second.Discover(t.Context(), ann.Username))
		refused(t, second.Request(t.Context(), ann), "Authentication", "", "a spent login")

		invite := func(name, more string) string {
			t.Helper()
			var made struct {
				Results []struct {
					ID string `json:"invitation_id"`
				}
			}
			w.api(adminToken, http.MethodPost, "/api/v1/invitations", `{"users":[{"email":"`+name+`@example.com"}],"deliver":"send"`+more+`}`, http.StatusCreated).decode(t, &made)
			return made.Results[0].ID
		}
		id := invite("bob", "")
		bob, _ := w.signInOf("bob")
		w.api(adminToken, http.MethodPost, "/api/v1/invitations/"+id+"/deactivate", "", http.StatusOK)
		try("a deactivated invitation", bob, "Authorization", "")

		invite("cyd", `,"max_devices":1`)
		cyd, _ := w.signInOf("cyd")
		_, rest, _ := strings.Cut(w.mailTo(adminToken, "cyd@example.com", "mail.invitation").Text, w.base+"/i/")
		w.enroll(`{"type":"token","token":"`+rest[:43]+`"}`, "cyd-1", "Cyd's phone", 201)
		full := w.computer(99)
		require.NoError(t, full.Discover(t.Context(), cyd.Username))
		require.NoError(t, full.Policies(t.Context(), cyd), "it might be the device that is there")
		refused(t, full.Request(t.Context(), cyd), "Authorization", "DeviceCapReached", "an invitation for one device, which is there")

		dan := w.login("dan", passcode)
		w.api(adminToken, http.MethodPost, "/api/v1/passcode/disable", "", http.StatusOK)
		try("self-service that is off", dan, "Authorization", "")
		assert.Len(t, w.windowsRows(), 1)

		w.noted("windows/enroll: credential_refused", "windows/enroll: invitation_deactivated", "windows/enroll: invitation_exhausted")
	})
}

func TestALoginIsForOneComputerAndALostAnswerIsAskedForAgain(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.user(adminToken, "Ann Lee", "ann@example.com")
		with := w.login("ann", w.passcode(adminToken))
		c := w.computer(1)
		require.NoError(t, c.Enroll(t.Context(), with))
		first := c.Provision.Certificate
		lost := c.Key
		require.NoError(t, c.Request(t.Context(), with))
		assert.NotEqual(t, first.SerialNumber, c.Provision.Certificate.SerialNumber, "a fresh certificate")
		assert.False(t, lost.Equal(c.Key))
		assert.Equal(t, first.Subject.CommonName, c.Provision.Certificate.Subject.CommonName)
		_, err := c.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.Policies(t.Context(), with), "a device that begins again looks at the policies first")

		other := w.computer(2)
		other.Services = c.Services
		refused(t, other.Request(t.Context(), with), "Authentication", "")
		other.Device.ID = c.Device.ID
		refused(t, other.Request(t.Context(), with), "Authentication", "", "another computer under the same name")
		same := w.computer(3)
		same.Device.HWDevID = c.Device.HWDevID
		same.Services = c.Services
		require.NoError(t, same.Request(t.Context(), with), "the same computer, which calls itself otherwise in each attempt")
		_, err = same.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "active", w.theComputer().State)
	})
}

// Certificates are kept for ever.
func TestWhoRepeatsARequestDoesNotFillTheDatabase(t *testing.T) {
	w := start(t)
	w.user(adminToken, "Ann Lee", "ann@example.com")
	with := w.login("ann", w.passcode(adminToken))
	c := w.computer(1)
	require.NoError(t, c.Enroll(t.Context(), with))
	first := c.Provision.Certificate
	kept := func() (n int) {
		t.Helper()
		require.NoError(t, databasetest.Beside(t, w.database).Row(t.Context(), `SELECT count(*) FROM ref_certificates`, nil, &n))
		return n
	}
	require.Equal(t, 1, kept())
	for range 20 {
		require.NoError(t, c.RequestFor(t.Context(), with, c.Key))
		assert.Equal(t, first.Raw, c.Provision.Certificate.Raw)
	}
	assert.Equal(t, 1, kept())
	require.NoError(t, c.Renew(t.Context()), "another key is another certificate")
	require.Equal(t, 2, kept())

	// Neither names nor keys give more of them.
	var last error
	for n := range 12 {
		c.Device.ID = fmt.Sprintf("ATTEMPT-%d", n)
		last = c.Request(t.Context(), with)
	}
	refused(t, last, "CertificateRequest", "")
	refused(t, c.Renew(t.Context()), "CertificateRequest", "")
	assert.Equal(t, 10, kept())
	_, err := c.Sync(t.Context())
	require.Error(t, err, "it calls itself by the name of an attempt that failed")
	c.Device.ID = "ATTEMPT-7"
	_, err = c.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "active", w.theComputer().State)
	w.noted("windows/enroll: certificates_too_many", "windows/renew: certificates_too_many")
}

func TestAComputerComesToTheSiteOfItsLogin(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.passcode(adminToken)
		var made struct {
			Token string `json:"admin_token"`
		}
		w.api(operatorToken, http.MethodPost, "/api/v1/sites", `{"name":"Beta","admin_email":"beta@example.com"}`, http.StatusCreated).decode(t, &made)
		w.user(adminToken, "Ann of the first site", "ann@example.com")
		w.user(made.Token, "Ann of Beta", "ann@example.com")
		require.Equal(t, http.StatusOK, w.ask("ann@example.com", w.passcode(made.Token)).status)
		username, password := loginIn(t, w.mailTo(made.Token, "ann@example.com", "mail.self_service"))
		c := w.computer(1)
		require.NoError(t, c.Enroll(t.Context(), windowsclient.Credential{Username: username, Password: password}))
		_, err := c.Sync(t.Context())
		require.NoError(t, err)
		assert.Empty(t, w.windowsRows(), "the first site sees nothing of it")
		var page struct{ Slots []row }
		w.api(made.Token, http.MethodGet, "/api/v1/slots", "", http.StatusOK).decode(t, &page)
		require.Len(t, page.Slots, 1)
		assert.Equal(t, "active", page.Slots[0].State)
		assert.Equal(t, "DESKTOP-1", page.Slots[0].Name)
	})
}
