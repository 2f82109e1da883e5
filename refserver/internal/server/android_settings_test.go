package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASiteMayKeepItsDeviceAdmins(t *testing.T) {
	w := start(t)
	_, link, _, _ := w.invited("ann@example.com", "android_device_admin")
	got := w.send(plain, http.MethodPost, "/device/v1/enroll", http.Header{"Content-Type": {"application/json"}},
		`{"enrollment_id":"e1","credential":{"type":"token","token":"`+strings.TrimPrefix(link, "/i/")+`"},"ownership":"company","mode":"android_device_admin",`+
			`"device":{"platform":"android","serial":"SN1","manufacturer":"acme","model":"One","os_version":"9"}}`)
	require.Equal(t, http.StatusCreated, got.status, got.body)
	var e enrolled
	got.decode(t, &e)
	seq := 0
	next := func() string {
		seq++
		var status struct{ State, Next string }
		w.api(e.Token, http.MethodPost, "/device/v1/report", `{"seq":`+strconv.Itoa(seq)+
			`,"facts":{"agent_installed":true,"admin_rights":true,"permissions":true,"inventory_received":true},"inventory":{"storage_gb":128}}`,
			http.StatusOK).decode(t, &status)
		require.Equal(t, "active", status.State)
		return status.Next
	}
	kept := func() (keep bool) {
		var site struct {
			Policy struct {
				Keep *bool `json:"keep_device_admin"`
			}
		}
		w.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK).decode(t, &site)
		require.NotNil(t, site.Policy.Keep)
		return *site.Policy.Keep
	}
	assert.Equal(t, "create_work_profile", next(), "the default")
	assert.False(t, kept())

	w.api(adminToken, http.MethodPut, "/api/v1/site", `{"name":"Acme","policy":{"keep_device_admin":true}}`, http.StatusOK)
	assert.Empty(t, next())
	assert.True(t, kept())
	w.api(adminToken, http.MethodPut, "/api/v1/site", `{"name":"Acme","policy":{"keep_device_admin":"yes"}}`, http.StatusBadRequest)

	// In the console, where it stays as it is until somebody takes the tick away.
	const ticked = `name="keep_device_admin" value="on" checked`
	b := w.signIn(adminEmail, adminToken)
	assert.Contains(t, b.get("/site"), ticked)
	b.post("/site", url.Values{"name": {"Acme"}, "keep_device_admin": {"on"}}, http.StatusSeeOther)
	assert.True(t, kept())
	b.post("/site", url.Values{"name": {"Acme"}}, http.StatusSeeOther)
	assert.False(t, kept())
	assert.NotContains(t, b.get("/site"), ticked)
	assert.Equal(t, "create_work_profile", next())
}
