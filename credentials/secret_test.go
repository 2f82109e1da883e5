package credentials_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

const canary = "CANARY-7f3a-swordfish"

// noCanary fails if text holds the canary in any common spelling.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{
		canary,
		hex.EncodeToString([]byte(canary)),
		strings.ToUpper(hex.EncodeToString([]byte(canary))),
		base64.StdEncoding.EncodeToString([]byte(canary)),
		base64.RawURLEncoding.EncodeToString([]byte(canary)),
		url.QueryEscape(canary),
		strings.Trim(fmt.Sprint([]byte(canary)), "[]"),
		strings.Trim(strings.ReplaceAll(fmt.Sprintf("%#v", []byte(canary)), "[]byte", ""), "{}"),
	} {
		require.NotContains(t, text, form)
	}
}

type exported struct{ S credentials.Secret }
type unexported struct{ s credentials.Secret }
type nested struct {
	list []unexported
	dict map[string]credentials.Secret
	any  any
}

func secretHolders() map[string]any {
	s := credentials.SecretString(canary)
	return map[string]any{
		"value":             s,
		"pointer":           &s,
		"slice":             []credentials.Secret{s},
		"map":               map[string]credentials.Secret{"k": s},
		"map key":           map[credentials.Secret]int{s: 1},
		"exported field":    exported{s},
		"unexported field":  unexported{s},
		"pointer to struct": &unexported{s},
		"nested":            nested{[]unexported{{s}}, map[string]credentials.Secret{"k": s}, s},
		"set":               credentials.Set{Token: s, PIN: s},
		"key":               credentials.Key{ID: 7, MAC: s, Seal: s},
		"error":             fmt.Errorf("wrapped: %w", fmt.Errorf("%v %s", s, s)),
	}
}

func TestASecretIsNeverFormatted(t *testing.T) {
	for name, holder := range secretHolders() {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{
				"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%c", "%U", "%o", "%t", "%e", "%p", "%T", "%w", "%10.3s",
			} {
				noCanary(t, fmt.Sprintf(verb, holder))
			}
			noCanary(t, fmt.Sprint(holder))
		})
	}
}

func TestASecretIsNeverLogged(t *testing.T) {
	for name, holder := range secretHolders() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				log := slog.New(h).With("with", holder).WithGroup("g")
				log.Info("x", "attr", holder, slog.Group("in", "attr", holder))
			}
			require.NotEmpty(t, out.String())
			noCanary(t, out.String())
		})
	}
}

func TestASecretIsNeverMarshalled(t *testing.T) {
	for name, holder := range secretHolders() {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(holder)
			noCanary(t, string(text)+fmt.Sprint(err))
			text, err = xml.Marshal(holder)
			noCanary(t, string(text)+fmt.Sprint(err))
		})
	}
	text, err := json.Marshal(exported{credentials.SecretString(canary)})
	require.NoError(t, err)
	require.JSONEq(t, `{"S":"[redacted]"}`, string(text))
}

func TestASecretInAPanicIsNotPrinted(t *testing.T) {
	defer func() {
		v := recover()
		noCanary(t, fmt.Sprintf("%v %+v %#v", v, v, v))
	}()
	panic(unexported{credentials.SecretString(canary)})
}

func TestRevealIsTheOnlyWayOut(t *testing.T) {
	b := []byte(canary)
	s := credentials.NewSecret(b)
	clear(b)
	require.Equal(t, canary, s.Reveal(), "a secret keeps its own copy")
	require.Equal(t, canary, credentials.SecretString(canary).Reveal())
	require.Empty(t, credentials.Secret{}.Reveal())
	require.Equal(t, "[redacted]", s.String())
	require.Equal(t, "[redacted]", s.GoString())
	require.Equal(t, "[redacted]", s.LogValue().String())
}

func TestEqualComparesContentAndAMissingSecretEqualsNothing(t *testing.T) {
	a, b := credentials.SecretString("a"), credentials.SecretString("b")
	for _, c := range []struct {
		name string
		x, y credentials.Secret
		want bool
	}{
		{"same content", a, credentials.SecretString("a"), true},
		{"other content", a, b, false},
		{"other length", a, credentials.SecretString("aa"), false},
		{"missing right", a, credentials.Secret{}, false},
		{"missing left", credentials.Secret{}, a, false},
		{"both missing", credentials.Secret{}, credentials.Secret{}, false},
		{"both empty", credentials.NewSecret(nil), credentials.SecretString(""), false},
	} {
		require.Equal(t, c.want, c.x.Equal(c.y), c.name)
	}
	require.True(t, credentials.SecretString("").IsZero())
	require.False(t, a.IsZero())
}

// Every parser gets the canary in a shape that it refuses late.
func TestErrorsNeverContainTheInput(t *testing.T) {
	ring := newRing(t, 1)
	long := credentials.SecretString(strings.Repeat(canary, 400))
	base, err := url.Parse("https://mdm.example.com")
	require.NoError(t, err)
	withUser, err := url.Parse("https://" + canary + "@h.example.com")
	require.NoError(t, err)

	file := string(ring.MarshalKeyring())
	for name, fail := range map[string]func() error{
		"token":     func() error { _, err := credentials.ParseToken(canary); return err },
		"pin":       func() error { _, err := credentials.ParsePIN("1234567 " + canary); return err },
		"e-mail":    func() error { _, err := credentials.CanonicalEmail(canary + "@x"); return err },
		"one-time":  func() error { _, err := credentials.ParseOneTimePassword(canary); return err },
		"passcode":  func() error { _, err := credentials.ParsePasscode(canary); return err },
		"user name": func() error { _, err := credentials.ParseUsername(canary); return err },
		"link":      func() error { _, err := credentials.ParseDeploymentURL("https://h\x7f/i/" + canary); return err },
		"base":      func() error { return credentials.CheckBase(withUser) },
		"make link": func() error { _, err := credentials.DeploymentURL(base, long); return err },
		"set":       func() error { _, err := credentials.UnpackSet(long); return err },
		"seal":      func() error { _, err := ring.Seal(fixed(1), credentials.AAD{}, long); return err },
		"open":      func() error { _, err := ring.Open(credentials.AAD{}, []byte(canary)); return err },
		"mac":       func() error { _, err := credentials.ParseMAC([]byte(canary)); return err },
		"qr":        func() error { _, err := credentials.EncodeQR(long); return err },
		"root":      func() error { _, err := credentials.KeyFromRoot(1, long); return err },
		"key":       func() error { _, err := credentials.NewKeyring(credentials.Key{ID: 1, MAC: long}); return err },
		"key file":  func() error { _, err := credentials.ParseKeyring([]byte(canary)); return err },
		"key line":  func() error { _, err := credentials.ParseKeyring([]byte(file + canary)); return err },
		"key fields": func() error {
			_, err := credentials.ParseKeyring([]byte(file + "key 9 " + canary + " - x"))
			return err
		},
	} {
		err := fail()
		require.Error(t, err, name)
		noCanary(t, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
}
