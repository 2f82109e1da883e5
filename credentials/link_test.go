package credentials_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestALinkIsTheBaseAndTheToken(t *testing.T) {
	token := credentials.SecretString(goodToken)
	for _, c := range []struct{ base, want string }{
		{"https://mdm.example.com", "https://mdm.example.com/i/"},
		{"https://mdm.example.com/", "https://mdm.example.com/i/"},
		{"https://mdm.example.com:8443/join", "https://mdm.example.com:8443/join/i/"},
		{"https://mdm.example.com/join/", "https://mdm.example.com/join/i/"},
		{"https://mdm.example.com/a/i", "https://mdm.example.com/a/i/i/"},
		{"https://[2001:db8::1]/x", "https://[2001:db8::1]/x/i/"},
		{"http://localhost:8080", "http://localhost:8080/i/"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/i/"},
		{"http://[::1]:8080", "http://[::1]:8080/i/"},
		{"http://mdm.example.com", ""},
		{"http://localhost.example.com", ""},
		{"http://127.0.0.1.example.com", ""},
		{"http://192.168.0.1", ""},
		{"ftp://mdm.example.com", ""},
		{"//mdm.example.com", ""},
		{"/join", ""},
		{"https:mdm.example.com", ""},
		{"https:///join", ""},
		{"https://:443/", ""},
		{"https://user:pw@mdm.example.com", ""},
		{"https://mdm.example.com/?x=1", ""},
		{"https://mdm.example.com/?", ""},
		{"https://mdm.example.com/#x", ""},
		{"https://mdm.example.com//x", ""},
		{"https://mdm.example.com/a/../b", ""},
		{"https://mdm.example.com/a/%2e%2e/b", ""},
		{"javascript:alert(1)", ""},
	} {
		base, err := url.Parse(c.base)
		require.NoError(t, err, c.base)
		link, err := credentials.DeploymentURL(base, token)
		if c.want == "" {
			require.ErrorIs(t, err, credentials.ErrBaseURL, c.base)
			continue
		}
		require.NoError(t, err, c.base)
		require.Equal(t, c.want+goodToken, link.Reveal())

		gotBase, gotToken, err := credentials.SplitDeploymentURL(link.Reveal())
		require.NoError(t, err, c.base)
		require.True(t, gotToken.Equal(token))
		require.Equal(t, strings.TrimSuffix(c.base, "/"), gotBase.String())
	}
	require.ErrorIs(t, credentials.CheckBase(nil), credentials.ErrBaseURL)
	base, err := url.Parse("https://mdm.example.com")
	require.NoError(t, err)
	for _, bad := range []credentials.Secret{{}, credentials.SecretString("x"), credentials.SecretString(goodToken + "/")} {
		_, err := credentials.DeploymentURL(base, bad)
		require.ErrorIs(t, err, credentials.ErrMalformed)
	}
}

func TestALinkIsReadAsItWasWritten(t *testing.T) {
	for name, s := range map[string]string{
		"empty":          "",
		"token only":     goodToken,
		"path only":      "/i/" + goodToken,
		"plain http":     "http://mdm.example.com/i/" + goodToken,
		"query":          "https://mdm.example.com/i/" + goodToken + "?utm=1",
		"fragment":       "https://mdm.example.com/i/" + goodToken + "#x",
		"slash after":    "https://mdm.example.com/i/" + goodToken + "/",
		"double slash":   "https://mdm.example.com//i/" + goodToken,
		"empty fragment": "https://mdm.example.com/#/i/" + goodToken,
		"in a query":     "https://mdm.example.com/?x=/i/" + goodToken,
		"user":           "https://evil@mdm.example.com/i/" + goodToken,
		"cut token":      "https://mdm.example.com/i/" + goodToken[:42],
		"space":          " https://mdm.example.com/i/" + goodToken,
		"backslash":      `https:\\mdm.example.com/i/` + goodToken,
		"long":           "https://mdm.example.com/" + strings.Repeat("x", 2048) + "/i/" + goodToken,
	} {
		_, err := credentials.ParseDeploymentURL(s)
		require.Equal(t, credentials.ErrMalformed, err, name)
	}
	token, err := credentials.ParseDeploymentURL("https://mdm.example.com/join/i/" + goodToken)
	require.NoError(t, err)
	require.Equal(t, goodToken, token.Reveal())
}
