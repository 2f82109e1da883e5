package android_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/android"
)

func TestALinkToThePlayStoreCarriesAReferrer(t *testing.T) {
	link, err := android.PlayLink("com.example.agent", url.Values{"invite": {"7ZZZ"}, "srv": {"mdm.example.com"}})
	require.NoError(t, err)
	assert.Equal(t, "https://play.google.com/store/apps/details?id=com.example.agent&referrer=invite%3D7ZZZ%26srv%3Dmdm.example.com", link)
	link, err = android.PlayLink("com.example.agent", nil)
	require.NoError(t, err)
	assert.Equal(t, "https://play.google.com/store/apps/details?id=com.example.agent", link)
	_, err = android.PlayLink("com.example.agent&id=other", nil)
	assert.ErrorIs(t, err, android.ErrLink)
}

func TestAnIntentLinkOpensTheAgentOrGoesToTheStore(t *testing.T) {
	link, err := android.IntentLink("com.example.agent", "exampleagent://invite/7ZZZ", "https://play.google.com/store/apps/details?id=com.example.agent")
	require.NoError(t, err)
	assert.Equal(t, "intent://invite/7ZZZ#Intent;scheme=exampleagent;package=com.example.agent;S.browser_fallback_url=https%3A%2F%2Fplay.google.com%2Fstore%2Fapps%2Fdetails%3Fid%3Dcom.example.agent;end", link)
	link, err = android.IntentLink("com.example.agent", "https://mdm.example.com/i/7ZZZ", "")
	require.NoError(t, err)
	assert.Equal(t, "intent://mdm.example.com/i/7ZZZ#Intent;scheme=https;package=com.example.agent;end", link)
	for _, c := range [][3]string{
		{"agent", "x://y", ""}, {"com.example.agent", "no address", ""}, {"com.example.agent", "mailto:x@y", ""},
		{"com.example.agent", "x://y#Intent;package=evil;end", ""}, {"com.example.agent", "x://y;package=evil", ""},
		{"com.example.agent", "x://y", "javascript:alert(1)"}, {"com.example.agent", "x://y", "http://plain.example"},
	} {
		_, err := android.IntentLink(c[0], c[1], c[2])
		assert.ErrorIs(t, err, android.ErrLink, c)
	}
}

func FuzzIntentLink(f *testing.F) {
	f.Add("com.example.agent", "exampleagent://invite/7ZZZ?a=b&c=d", "https://a.example/?x=y z")
	f.Fuzz(func(t *testing.T, pkg, address, fallback string) {
		link, err := android.IntentLink(pkg, address, fallback)
		if err != nil {
			require.ErrorIs(t, err, android.ErrLink)
			return
		}
		target, extras, ok := strings.Cut(link, "#Intent;")
		require.True(t, ok)
		require.True(t, strings.HasPrefix(target, "intent://"))
		parts := strings.Split(extras, ";")
		require.Equal(t, "end", parts[len(parts)-1])
		require.Equal(t, "package="+pkg, parts[1])
		require.LessOrEqual(t, len(parts), 4, "nothing was put in")
	})
}

func TestAssetLinksNameTheProgramAndItsCertificate(t *testing.T) {
	doc, err := android.AssetLinks(android.App{Package: "com.example.agent", Certificates: []android.Checksum{certificate(t)}})
	require.NoError(t, err)
	assert.Equal(t, `[{"relation":["delegate_permission/common.handle_all_urls"],"target":{"namespace":"android_app","package_name":"com.example.agent","sha256_cert_fingerprints":["`+testDPC+`"]}}]`, string(doc))
	doc, err = android.AssetLinks()
	require.NoError(t, err)
	assert.Equal(t, "[]", string(doc))
	for _, app := range []android.App{{Package: "com.example.agent"}, {Package: "x", Certificates: []android.Checksum{certificate(t)}}, {Package: "a.b", Certificates: make([]android.Checksum, 1)}} {
		_, err := android.AssetLinks(app)
		assert.ErrorIs(t, err, android.ErrLink)
	}
}
