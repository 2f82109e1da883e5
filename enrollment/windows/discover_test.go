package windows_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/windows"
)

func TestTheProbeIsAnsweredWithoutABody(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, path := range []string{"/EnrollmentServer/Discovery.svc", "/enrollmentserver/discovery.svc"} {
			rec := httptest.NewRecorder()
			w.discovery.ServeHTTP(rec, httptest.NewRequest(method, "https://enterpriseenrollment.example.com"+path, nil))
			assert.Equal(t, 200, rec.Code)
			assert.Equal(t, "0", rec.Header().Get("Content-Length"))
			assert.Zero(t, rec.Body.Len())
		}
	}
	rec := httptest.NewRecorder()
	w.discovery.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "https://enterpriseenrollment.example.com/other", nil))
	assert.Equal(t, 404, rec.Code)
}

func TestDiscoveryLeadsToTheSitesOfTheHost(t *testing.T) {
	w := newWorld(t)
	answer := w.soap("/discovery", vector(t, "discover"))
	assert.Equal(t, "OnPremise", between(answer, "<AuthPolicy>", "<"))
	assert.Equal(t, "https://mdm.example.com/join/platform/windows/policy", between(answer, "<EnrollmentPolicyServiceUrl>", "<"))
	assert.Equal(t, "https://mdm.example.com/join/platform/windows/enrollment", between(answer, "<EnrollmentServiceUrl>", "<"))
	assert.Equal(t, "urn:uuid:748132ec-0000-0000-0000-000000000001", between(answer, "<a:RelatesTo>", "<"))

	w.site.SoleHost = false // there are others on this host
	assert.Equal(t, "https://mdm.example.com/join/platform/windows/policy", between(w.soap("/discovery", vector(t, "discover")), "<EnrollmentPolicyServiceUrl>", "<"))
	w.site.PublicURL = nil
	assert.Equal(t, "https://mdm.example.com/platform/windows/policy", between(w.soap("/discovery", vector(t, "discover")), "<EnrollmentPolicyServiceUrl>", "<"))
}

// The answer is the same for anybody's address, and for none.
func TestDiscoveryTellsNothingOfWhoIsKnown(t *testing.T) {
	w := newWorld(t)
	w.invite("ann")
	tell := func(address string) string {
		answer := w.soap("/discovery", strings.Replace(vector(t, "discover"), "user@example.com", address, 1))
		return strings.ReplaceAll(answer, between(answer, `CorrelationId="`, `"`), "")
	}
	assert.Equal(t, tell("ann@example.com"), tell("nobody@example.org"))
	assert.Equal(t, tell("ann@example.com"), tell(""))
}

func TestDiscoveryReadsBothFormsOfTheNamespaceAndAnswersTheVersionAsked(t *testing.T) {
	w := newWorld(t)
	const slash = `"http://schemas.microsoft.com/windows/management/2012/01/enrollment/"`
	for old, c := range map[string]struct{ with, version string }{
		slash:                                  {strings.Replace(slash, `enrollment/"`, `enrollment"`, 1), "4.0"},
		"<RequestVersion>4.0</RequestVersion>": {"<RequestVersion>\n 3.0 </RequestVersion>", "3.0"},
		"<RequestVersion>4.0</":                {"<RequestVersion>7.0</", "4.0"},
		"<RequestVersion>4.0</RequestVersion":  {"<RequestVersion>NaN</RequestVersion", "4.0"},
		"<AuthPolicy>Federated</AuthPolicy>":   {"", "4.0"},
	} {
		text := vector(t, "discover")
		require.Contains(t, text, old)
		assert.Equal(t, c.version, between(w.soap("/discovery", strings.Replace(text, old, c.with, 1)), "<EnrollmentVersion>", "<"), c.with)
	}
}

func TestDiscoveryRefusesWhatIsNotServed(t *testing.T) {
	for _, c := range []struct{ old, with, fault, code string }{
		{"<AuthPolicy>OnPremise</AuthPolicy>", "", "s:Authorization NotSupported", "sign_in_not_supported"},
		{"CIMClient_Windows", "WindowsPhone", "s:Authorization DeviceNotSupported", "device_type_not_supported"},
		{"IDiscoveryService/Discover", "IDiscoveryService/Other", "s:MessageFormat", "action_unknown"},
		{"2012/01/enrollment/\"", "2013/01/enrollment/\"", "s:Authorization InvalidEnrollmentData", "discover_malformed"},
		{"<request ", "<x ", "s:MessageFormat", "xml_malformed"},
	} {
		w := newWorld(t)
		text := vector(t, "discover")
		require.Contains(t, text, c.old)
		assert.Equal(t, c.fault, w.refused(w.soap("/discovery", strings.Replace(text, c.old, c.with, 1))))
		assert.Equal(t, []string{"windows/discovery: " + c.code}, w.reasons())
	}
}

// Federated sign-in is not offered: whoever comes for its page is refused, whatever
// address he wants to be sent to.
func TestAFederatedSignInIsRefused(t *testing.T) {
	for _, query := range []string{"appru=ms-app://x", "appru=https://evil.example.com", "appru=%22%3E%3Cscript%3E", "appru="} {
		w := newWorld(t)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			if method == http.MethodPost {
				require.Empty(t, w.reasons(), "a page can make any browser ask for that, which is nothing for the journal")
			}
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(method, "https://mdm.example.com/EnrollmentServer/Discovery.svc?"+query, strings.NewReader(vector(t, "discover")))
			w.discovery.ServeHTTP(rec, r)
			answer := rec.Body.String()
			assert.Equal(t, 400, rec.Code)
			assert.Equal(t, "s:Authorization NotSupported", w.refused(answer))
			assert.NotContains(t, answer, "evil")
			assert.NotContains(t, answer, "script")
		}
		assert.Equal(t, []string{"windows/discovery: federated_not_served"}, w.reasons())
	}
}

func TestEndpointsOfTwoHostsAreNotToldToADevice(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) {
		c.Endpoints = func(enrollment.Site) windows.Endpoints {
			return windows.Endpoints{Policy: "https://a.example.com/p", Enrollment: "https://b.example.com/e", Management: "https://a.example.com/m"}
		}
	})
	assert.Equal(t, "s:EnrollmentServer", w.refused(w.soap("/discovery", vector(t, "discover"))))
	username, password := w.login("ann")
	assert.Equal(t, "s:EnrollmentServer", w.refused(w.soap("/enrollment", w.computer(1).request(username, password))))
	assert.Empty(t, w.devices(), "nobody's login is used up by a mistake of ours")
}

func TestSessionsMayBeOnAServerOfTheSitesOwn(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) {
		c.Endpoints = func(site enrollment.Site) windows.Endpoints {
			at := windows.DefaultEndpoints(site)
			at.Management = "https://manage.example.com/" + site.ID
			return at
		}
	})
	username, password := w.login("ann")
	doc := w.document(w.soap("/enrollment", w.computer(1).request(username, password)))
	assert.Equal(t, "https://manage.example.com/acme", doc.parm("APPLICATION", "ADDR"))
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []windows.Config{
		{Sites: w, ProviderID: "X"},
		{Authority: w.authority, ProviderID: "X"},
		{Authority: w.authority, Sites: w},
		{Authority: w.authority, Sites: w, ProviderID: "a/b"},
		{Authority: w.authority, Sites: w, ProviderID: strings.Repeat("x", 65)},
		{Authority: w.authority, Sites: w, ProviderID: "X", PollEvery: time.Second},
		{Authority: w.authority, Sites: w, ProviderID: "X", PollEvery: time.Hour + time.Second},
	} {
		_, err := windows.New(c)
		assert.ErrorContains(t, err, "windows: ")
	}
	p, err := windows.New(windows.Config{Authority: w.authority, Sites: w, ProviderID: "X"})
	require.NoError(t, err)
	assert.Equal(t, []device.Platform{device.Windows}, p.Serves())
	qr, err := p.QR(t.Context(), enrollment.Offer{})
	assert.NoError(t, err)
	assert.True(t, qr.IsZero(), "the code shows the deployment URL")
	_, err = p.NextStep(t.Context(), enrollment.Offer{})
	assert.Error(t, err, "a site without an address")
}
