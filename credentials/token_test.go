package credentials_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

const goodToken = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" // bytes 0 to 31

func TestATokenIsThirtyTwoBytesInBase64URL(t *testing.T) {
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(i)
	}
	token, err := credentials.NewToken(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, goodToken, token.Reveal())
	parsed, err := credentials.ParseToken(token.Reveal())
	require.NoError(t, err)
	require.True(t, parsed.Equal(token))
}

func TestNoTokenWithoutRandomness(t *testing.T) {
	for name, r := range map[string]io.Reader{"none": brokenReader{}, "short": bytes.NewReader(make([]byte, 31))} {
		token, err := credentials.NewToken(r)
		require.Error(t, err, name)
		require.True(t, token.IsZero(), name)
	}
	_, err := credentials.NewToken(brokenReader{})
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestTokensAreUnique(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	seen := make(map[string]bool, n)
	for range n {
		token, err := credentials.NewToken(rand.Reader)
		if err != nil || seen[token.Reveal()] {
			t.Fatal("a token came twice", err)
		}
		seen[token.Reveal()] = true
	}
}

// T16: exactly one spelling of each token is accepted.
func TestATokenHasOneSpelling(t *testing.T) {
	for name, s := range map[string]string{
		"empty":               "",
		"one more":            goodToken + "A",
		"padded":              goodToken + "=",
		"leading space":       " " + goodToken,
		"trailing newline":    goodToken + "\n",
		"newline inside":      goodToken[:20] + "\n" + goodToken[21:],
		"newlines in length":  goodToken[:41] + "\r\n",
		"percent zero":        goodToken[:40] + "%00",
		"NUL":                 goodToken[:42] + "\x00",
		"standard base64":     strings.Repeat("+", 42) + "A",
		"slash":               strings.Repeat("/", 42) + "A",
		"spare bit 1":         goodToken[:42] + "9",
		"spare bit 2":         goodToken[:42] + "-",
		"both spare bits":     goodToken[:42] + "_",
		"full-width letter":   goodToken[:40] + "Ａ",
		"twice":               goodToken + goodToken,
		"hex of the same":     strings.Repeat("0f", 32),
		"padding in 43 chars": goodToken[:42] + "=",
	} {
		_, err := credentials.ParseToken(s)
		require.ErrorIs(t, err, credentials.ErrMalformed, name)
	}
	for i := range goodToken {
		_, err := credentials.ParseToken(goodToken[:i])
		require.ErrorIs(t, err, credentials.ErrMalformed, "prefix of %d", i)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(goodToken)
	f.Add(goodToken + "=")
	f.Add(goodToken[:42] + "9")
	f.Add(goodToken[:42] + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := credentials.ParseToken(s)
		if err != nil {
			require.Equal(t, credentials.ErrMalformed, err)
			require.True(t, token.IsZero())
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		require.Len(t, raw, credentials.TokenBytes)
		require.Equal(t, s, base64.RawURLEncoding.EncodeToString(raw), "the only spelling")
		require.Equal(t, s, token.Reveal())
	})
}
