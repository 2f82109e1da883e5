package credentials_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestADerivedSecretIsReproducedFromItsRowAndNothingElse(t *testing.T) {
	ring := newRing(t, 2)
	nonce := bytes.Repeat([]byte{9}, 16)
	other := bytes.Repeat([]byte{8}, 16)
	for name, derive := range map[string]func(
		*credentials.Keyring, uint32, string, string, int, []byte) (credentials.Secret, error){
		"device token":      credentials.DeviceToken,
		"one-time password": credentials.OneTimePassword,
		"one-time user name": func(
			ring *credentials.Keyring, keyID uint32, site, owner string, generation int, nonce []byte,
		) (credentials.Secret, error) {
			name, err := credentials.OneTimeUsername(ring, keyID, site, owner, generation, nonce)
			return credentials.SecretString(name), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := derive(ring, 1, "s", "o", 1, nonce)
			require.NoError(t, err)
			again, err := derive(ring.Public(), 1, "s", "o", 1, nonce)
			require.NoError(t, err)
			require.True(t, want.Equal(again), "on the public plane too")
			for what, get := range map[string]func() (credentials.Secret, error){
				"key":        func() (credentials.Secret, error) { return derive(ring, 2, "s", "o", 1, nonce) },
				"site":       func() (credentials.Secret, error) { return derive(ring, 1, "t", "o", 1, nonce) },
				"owner":      func() (credentials.Secret, error) { return derive(ring, 1, "s", "p", 1, nonce) },
				"generation": func() (credentials.Secret, error) { return derive(ring, 1, "s", "o", 2, nonce) },
				"nonce":      func() (credentials.Secret, error) { return derive(ring, 1, "s", "o", 1, other) },
				"border":     func() (credentials.Secret, error) { return derive(ring, 1, "so", "", 1, nonce) },
			} {
				got, err := get()
				require.NoError(t, err)
				require.False(t, want.Equal(got), "another %s", what)
			}
			_, err = derive(ring, 3, "s", "o", 1, nonce)
			require.ErrorIs(t, err, credentials.ErrUnknownKey)
			_, err = derive(ring, 1, "s", "o", 1, nonce[:15])
			require.ErrorIs(t, err, credentials.ErrMalformed)
		})
	}
}

func TestADeviceTokenHasTheShapeOfAToken(t *testing.T) {
	token, err := credentials.DeviceToken(newRing(t, 1), 1, "s", "d", 1, make([]byte, 16))
	require.NoError(t, err)
	parsed, err := credentials.ParseToken(token.Reveal())
	require.NoError(t, err)
	require.True(t, token.Equal(parsed))
}

func TestAOneTimePasswordIsEightyBitsOfCrockford(t *testing.T) {
	ring := newRing(t, 1)
	symbols := map[rune]int{}
	for i := range 4000 {
		pw, err := credentials.OneTimePassword(ring, 1, "s", "o", i, make([]byte, 16))
		require.NoError(t, err)
		require.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{16}$`, pw.Reveal())
		for _, r := range pw.Reveal() {
			symbols[r]++
		}
		if i == 0 {
			typed := strings.ToLower(pw.Reveal()[:4] + " " + pw.Reveal()[4:8] + "-" + pw.Reveal()[8:])
			typed = strings.NewReplacer("0", "o", "1", "l").Replace(typed)
			back, err := credentials.ParseOneTimePassword(typed)
			require.NoError(t, err)
			require.True(t, pw.Equal(back))
		}
	}
	require.Len(t, symbols, 32)
	for r, n := range symbols { // 2000 each, 7 standard deviations
		require.InDelta(t, 2000, n, 310, "%c", r)
	}
}

func TestAOneTimePasswordIsReadByCrockfordsRules(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"0123456789ABCDEF", "0123456789ABCDEF"},
		{"o123-4567-89ab-cdef", "0123456789ABCDEF"},
		{"OIL0 OIL0 OIL0 OIL0", "0110011001100110"},
		{"0123456789ABCDE", ""},
		{"0123456789ABCDEF0", ""},
		{"U123456789ABCDEF", ""},
		{"u123456789ABCDEF", ""},
		{"*123456789ABCDEF", ""},
		{"0123456789ABCDE\u212a", ""},
		{"", ""},
		{strings.Repeat("-", 65), ""},
	} {
		pw, err := credentials.ParseOneTimePassword(c.in)
		if c.want == "" {
			require.ErrorIs(t, err, credentials.ErrMalformed, c.in)
			continue
		}
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, pw.Reveal())
	}
}

func TestAOneTimePasswordIsShownInGroups(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"ABCDEFGHJKMNPQRS", "ABCD-EFGH-JKMN-PQRS"},
		{"0000000000000000", "0000-0000-0000-0000"},
		{"", ""},
		{"ABCDEFGHJKMNPQR", "ABCDEFGHJKMNPQR"},
		{"abcdefghjkmnpqrs", "abcdefghjkmnpqrs"},
		{"ABCD-EFGH-JKMN-PQRS", "ABCD-EFGH-JKMN-PQRS"},
		{"ABCDEFGHJKMNPQRU", "ABCDEFGHJKMNPQRU"},
		{"[redacted]", "[redacted]"},
	} {
		require.Equal(t, c.want, credentials.GroupOneTimePassword(c.in))
	}
}

func FuzzParseOneTimePassword(f *testing.F) {
	for _, s := range []string{"ABCDEFGHJKMNPQRS", "abcd-efgh-jkmn-pqrs", "OIL0 OIL0 OIL0 OIL0", "u", "\u212a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pw, err := credentials.ParseOneTimePassword(s)
		if err != nil {
			require.Equal(t, credentials.ErrMalformed, err)
			return
		}
		require.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{16}$`, pw.Reveal())
		again, err := credentials.ParseOneTimePassword(strings.ToLower(credentials.GroupOneTimePassword(pw.Reveal())))
		require.NoError(t, err)
		require.True(t, again.Equal(pw), "what is shown can be typed")
	})
}
