package credentials_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

// 21,000 names: each of 22 first letters about 954 times, each symbol of the rest
// about 5906 times; the bounds are 7 standard deviations.
func TestAOneTimeUsernameIsALetterAndNineSymbols(t *testing.T) {
	ring := newRing(t, 1)
	first, rest := map[rune]int{}, map[rune]int{}
	for i := range 21_000 {
		name, err := credentials.OneTimeUsername(ring, 1, "s", "o", i, make([]byte, 16))
		require.NoError(t, err)
		require.Len(t, name, credentials.UsernameLength)
		for place, r := range name {
			if place == 0 {
				first[r]++
			} else {
				rest[r]++
			}
		}
		back, err := credentials.ParseUsername("\t" + strings.ToUpper(name) + " \r\n")
		require.NoError(t, err)
		require.Equal(t, name, back)
	}
	require.Len(t, first, 22)
	require.Len(t, rest, 32)
	for r, n := range first {
		require.True(t, 'a' <= r && r <= 'z', "%c", r)
		require.InDelta(t, 21_000/22.0, n, 215, "%c", r)
	}
	for r, n := range rest {
		require.InDelta(t, 9*21_000/32.0, n, 530, "%c", r)
	}
}

// The name is found in the database by a MAC and made again for every repeated
// answer, so that it must outlive versions. It shares no bits with the password of
// the same row.
func TestAUsernameStaysTheSameAndTellsNothingOfItsPassword(t *testing.T) {
	ring, nonce := newRing(t, 1), bytes.Repeat([]byte{7}, 16)
	name, err := credentials.OneTimeUsername(ring, 1, "s", "o", 1, nonce)
	require.NoError(t, err)
	require.Equal(t, "pq6wr1b070", name)
	raw, err := ring.Derive(1, credentials.PurposeUsername, []byte("s"), []byte("o"), []byte{0, 0, 0, 0, 0, 0, 0, 1}, nonce)
	require.NoError(t, err)
	require.Equal(t, "ABCDEFGHJKMNPQRSTVWXYZ"[binary.BigEndian.Uint64(raw[:8])%22], strings.ToUpper(name)[0], "of its own purpose")
	_, err = credentials.OneTimeUsername(ring, 9, "s", "o", 1, nonce)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	_, err = credentials.OneTimeUsername(ring, 1, "s", "o", 1, nonce[:15])
	require.ErrorIs(t, err, credentials.ErrMalformed)
}

func TestAUsernameIsReadByCrockfordsRules(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a123456789", "a123456789"},
		{"  A123456789\r\n", "a123456789"},
		{"zOiLxyZoIl", "z011xyz011"},
		{"", ""},
		{"a12345678", ""},
		{"a1234567890", ""},
		{"1a23456789", ""},
		{"oa23456789", ""},
		{"la23456789", ""},
		{"ua23456789", ""},
		{"au23456789", ""},
		{"a1234 6789", ""},
		{"a1234-6789", ""},
		{"a12345678\x00", ""},
		{"a1234567\u212a", ""},
		{"\u00a0a123456789", ""},
	} {
		name, err := credentials.ParseUsername(c.in)
		if c.want == "" {
			require.ErrorIs(t, err, credentials.ErrMalformed, "%q", c.in)
			continue
		}
		require.NoError(t, err, "%q", c.in)
		require.Equal(t, c.want, name)
	}
}

func FuzzParseUsername(f *testing.F) {
	for _, s := range []string{"a123456789", " ZOILXYZOIL\n", "1a23456789", "a1234567\u212a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := credentials.ParseUsername(s)
		if err != nil {
			require.Equal(t, credentials.ErrMalformed, err)
			require.Empty(t, name)
			return
		}
		require.Regexp(t, `^[a-hjkmnp-tv-z][0-9a-hjkmnp-tv-z]{9}$`, name)
		again, err := credentials.ParseUsername(name)
		require.NoError(t, err)
		require.Equal(t, name, again, "canonical")
	})
}
