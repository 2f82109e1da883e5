package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// accept accepts an invitation for a platform and returns the page that follows.
func (w *world) acceptOn(platform string) (page, link string) {
	w.t.Helper()
	w.invite(adminToken, w.user(adminToken, "Ann", "ann@example.com"))
	_, rest, found := strings.Cut(w.mailTo(adminToken, "ann@example.com", "mail.invitation").Text, w.base+"/i/")
	require.True(w.t, found)
	page = "/i/" + rest[:43]
	next := w.send(http.DefaultClient, http.MethodPost, page+"/accept", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {w.base}, "Accept": {"text/html"},
		"User-Agent": {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Mobile/15E148 Safari/604.1"},
	}, url.Values{"platform": {platform}, "ownership": {"personal"}}.Encode())
	require.Equal(w.t, http.StatusOK, next.status, next.body)
	_, rest, _ = strings.Cut(next.body, `<a class="button" href="`)
	link, _, _ = strings.Cut(rest, `"`)
	return page, link
}

func TestAnIPhoneIsLedToASignedProfile(t *testing.T) {
	w := start(t)
	page, link := w.acceptOn("ios")
	require.Equal(t, w.base+page+"/apple/enroll.mobileconfig", link)
	got := w.send(http.DefaultClient, http.MethodGet, strings.TrimPrefix(link, w.base), nil, "")
	require.Equal(t, http.StatusOK, got.status, got.body)
	signed, err := pkcs7.Parse([]byte(got.body))
	require.NoError(t, err)
	require.NoError(t, signed.Verify())
	assert.Contains(t, string(signed.Content), "<string>"+w.base+"/platform/apple/checkin?")
	assert.Equal(t, http.StatusBadRequest, w.send(http.DefaultClient, http.MethodPut, "/platform/apple/checkin", nil, "x").status)
	w.stop()
	assert.Contains(t, w.log.String(), "no push certificate")
	assert.NotContains(t, w.log.String(), page)
}

func TestWithoutAppleAnIPhoneIsLedToTheAgent(t *testing.T) {
	w := start(t, func(c *Config) { c.Apple.Off = true })
	page, link := w.acceptOn("ios")
	assert.NotContains(t, link, "mobileconfig")
	assert.Equal(t, http.StatusNotFound, w.send(http.DefaultClient, http.MethodGet, page+"/apple/enroll.mobileconfig", nil, "").status)
	assert.Equal(t, http.StatusNotFound, w.send(http.DefaultClient, http.MethodPut, "/platform/apple/checkin", nil, "x").status)
}

func TestAppleIsOfferedWhereItCanWork(t *testing.T) {
	for _, c := range []struct {
		apple    Apple
		loopback bool
		want     bool
	}{
		{Apple{}, true, true}, {Apple{}, false, false}, {Apple{On: true}, false, true}, {Apple{Off: true}, true, false},
		{Apple{Topic: "com.apple.mgmt.x"}, false, true}, {Apple{Topic: "com.apple.mgmt.x", Off: true}, false, false},
	} {
		assert.Equal(t, c.want, c.apple.offered(c.loopback), c)
	}
}
