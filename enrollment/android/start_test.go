package android_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/android"
)

var token = strings.Repeat("A", 43)

func TestAnAgentReadsWhateverItWasStartedBy(t *testing.T) {
	code := `{"` + key + `DEVICE_ADMIN_COMPONENT_NAME":"com.example.agent/.R","` + key + `ADMIN_EXTRAS_BUNDLE":{"com.example.agent.INVITE_TOKEN":"` + token + `","com.example.agent.SERVER":"https://mdm.example.com/join","com.example.agent.OWNERSHIP":"company","com.example.agent.MODE":"android_fully_managed"}}`
	for name, text := range map[string]string{
		"a deployment URL":    "https://mdm.example.com/join/i/" + token,
		"with white space":    " https://mdm.example.com/join/i/" + token + "\n",
		"a provisioning code": code,
		"a referrer":          "invite=" + token + "&srv=https%3A%2F%2Fmdm.example.com%2Fjoin",
	} {
		s, err := android.ReadStart(text)
		require.NoError(t, err, name)
		assert.Equal(t, "https://mdm.example.com/join", s.Server.String(), name)
		assert.Equal(t, token, s.Token.Reveal(), name)
		if text == code {
			assert.Equal(t, device.Company, s.Ownership)
			assert.Equal(t, device.AndroidFullyManaged, s.Mode)
		}
	}
	s, err := android.ReadStart("srv=https%3A%2F%2Fmdm.example.com")
	require.NoError(t, err, "after a one-time login there is no token")
	assert.True(t, s.Token.IsZero())
}

func TestWhatStartsNothingIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "utm_source=google-play&utm_medium=organic", "https://mdm.example.com/", "http://mdm.example.com/i/" + token,
		"https://mdm.example.com/i/short", "{}", `{"` + key + `ADMIN_EXTRAS_BUNDLE":{"x.SERVER":"https://a.example"}}`,
		"invite=" + token, "srv=javascript:x", "srv=https%3A%2F%2Fa.example&srv=https%3A%2F%2Fb.example",
		"invite=x&srv=https%3A%2F%2Fmdm.example.com", strings.Repeat("x", 1<<20),
	} {
		_, err := android.ReadStart(text)
		assert.ErrorIs(t, err, android.ErrStart, shortened(text))
	}
}

func shortened(s string) string { return s[:min(len(s), 60)] }

func FuzzReadStart(f *testing.F) {
	f.Add("https://mdm.example.com/join/i/" + token)
	f.Add("invite=" + token + "&srv=https%3A%2F%2Fmdm.example.com%2Fjoin")
	f.Add(`{"` + key + `DEVICE_ADMIN_COMPONENT_NAME":"a.b/.R","` + key + `ADMIN_EXTRAS_BUNDLE":{"a.b.SERVER":"https://a.example"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := android.ReadStart(text)
		if err != nil {
			require.ErrorIs(t, err, android.ErrStart)
			return
		}
		require.NotEmpty(t, s.Server.Host)
		require.Contains(t, []string{"https", "http"}, s.Server.Scheme)
	})
}
