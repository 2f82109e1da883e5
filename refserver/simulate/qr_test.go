package simulate

import (
	"crypto/rand"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestEveryCodeOfALinkIsRead(t *testing.T) {
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:8080"}
	for range 100 {
		token, err := credentials.NewToken(rand.Reader)
		require.NoError(t, err)
		link, err := credentials.DeploymentURL(base, token)
		require.NoError(t, err)
		code, err := credentials.EncodeQR(link)
		require.NoError(t, err)
		text, err := ReadQR(code.AppendPNG(nil, 8))
		require.NoError(t, err)
		require.Equal(t, link.Reveal(), text)
	}
}

func TestTheTokenInACode(t *testing.T) {
	const token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"a link":                          {"https://mdm.example.com/join/i/" + token, true},
		"the token alone":                 {token, true},
		"a provisioning code with it":     {`{"android.app.extra.X":1,"bundle":{"token":"` + token + `"}}`, true},
		"a provisioning code with a link": {`{"bundle":{"inner":{"url":"https://mdm.example.com/i/` + token + `"}}}`, true},
		"something else":                  {"WIFI:S:guests;;", false},
		"a provisioning code without":     {`{"bundle":{"a":["b"]}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := tokenIn(c.text)
			assert.Equal(t, c.ok, ok)
			if c.ok {
				assert.Equal(t, token, got)
			}
		})
	}
}
