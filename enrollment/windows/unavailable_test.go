package windows_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/enrollkit/enrollment/windows"
)

func TestWhatCannotBeLookedUpIsAnsweredInTheWordsOfWindows(t *testing.T) {
	w := newWorld(t)
	platform, err := windows.New(windows.Config{Authority: w.authority, Sites: w, ProviderID: "ExampleMDM"})
	assert.NoError(t, err)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		platform.Unavailable().ServeHTTP(rec, httptest.NewRequest(method, "https://mdm.example.com"+path, strings.NewReader(body)))
		return rec
	}
	for _, c := range []struct{ path, body, fault, action string }{
		{windows.DiscoveryPath, vector(t, "discover"), "s:EnrollmentServer", "IDiscoveryService/DiscoverResponse"},
		{"/platform/windows/policy", envelope(getPolicies, security("a", "b"), policiesBody), "s:EnrollmentServer", "GetPoliciesResponse"},
		{"/platform/windows/enrollment", w.computer(1).request("a", "b"), "s:EnrollmentServer", "RSTRC/wstep"},
		{"/platform/windows/enrollment", "rubbish", "s:MessageFormat", "RSTRC/wstep"},
		{"/platform/windows/enrollment", strings.Repeat("x", windows.MaxBody+1), "s:MessageFormat", "RSTRC/wstep"},
	} {
		rec := ask(http.MethodPost, c.path, c.body)
		assert.Equal(t, http.StatusOK, rec.Code)
		assert.Equal(t, c.fault, w.refused(rec.Body.String()))
		assert.Contains(t, rec.Body.String(), c.action+"</a:Action>")
		if c.fault == "s:EnrollmentServer" {
			assert.Contains(t, rec.Body.String(), "<a:RelatesTo>urn:uuid:")
		}
	}
	assert.Equal(t, http.StatusOK, ask(http.MethodGet, windows.DiscoveryPath, "").Code, "the probe")
	assert.Equal(t, http.StatusBadRequest, ask(http.MethodGet, windows.DiscoveryPath+"?appru=x", "").Code)
	for _, path := range []string{windows.DiscoveryPath, "/platform/windows/policy", "/platform/windows/enrollment"} {
		assert.Equal(t, http.StatusMethodNotAllowed, ask(http.MethodPut, path, "").Code, path)
	}
	assert.Empty(t, w.reasons(), "there is nobody to note anything")
}
