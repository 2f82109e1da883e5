package credentials_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

var place = credentials.AAD{Site: "acme", Owner: "inv_1", Kind: "set", Generation: 3}

func TestAnEnvelopeOpensInItsPlace(t *testing.T) {
	ring := newRing(t, 2)
	for _, n := range []int{1, 8, 12, 30, 31, 62, 63, 500, credentials.MaxSealed} {
		text := strings.Repeat("x", n)
		env, err := ring.Seal(fixed(1), place, credentials.SecretString(text))
		require.NoError(t, err)
		s, err := ring.Open(place, env)
		require.NoError(t, err)
		require.Equal(t, text, s.Reveal())
		again, err := ring.Seal(fixed(2), place, s)
		require.NoError(t, err)
		require.NotEqual(t, env, again, "a nonce each")
	}
	_, err := ring.Seal(fixed(1), place, credentials.SecretString(strings.Repeat("x", credentials.MaxSealed+1)))
	require.ErrorIs(t, err, credentials.ErrTooLong)
	_, err = ring.Seal(fixed(1), place, credentials.Secret{})
	require.ErrorIs(t, err, credentials.ErrMalformed)
	_, err = ring.Seal(brokenReader{}, place, credentials.SecretString("x"))
	require.Error(t, err)
}

func TestAnEnvelopeHidesTheLengthOfShortSecrets(t *testing.T) {
	ring := newRing(t, 1)
	size := func(s string) int {
		env, err := ring.Seal(fixed(1), place, credentials.SecretString(s))
		require.NoError(t, err)
		return len(env)
	}
	require.Equal(t, size("12345678"), size("123456789012"))
	token, pin8, pin12 := credentials.SecretString(goodToken), credentials.SecretString("12345678"), credentials.SecretString("123456789012")
	var sizes []int
	for _, set := range []credentials.Set{{Token: token}, {Token: token, PIN: pin8}, {Token: token, PIN: pin12}} {
		env, err := ring.SealSet(fixed(1), place, set)
		require.NoError(t, err)
		sizes = append(sizes, len(env))
	}
	require.Equal(t, []int{110, 110, 110}, sizes)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	ring := newRing(t, 2)
	env, err := ring.Seal(fixed(1), place, credentials.SecretString("12345678"))
	require.NoError(t, err)
	for bit := range len(env) * 8 {
		bad := append([]byte(nil), env...)
		bad[bit/8] ^= 1 << (bit % 8)
		s, err := ring.Open(place, bad)
		require.Error(t, err, "bit %d", bit)
		require.True(t, s.IsZero())
		if bit >= 6*8 {
			require.ErrorIs(t, err, credentials.ErrTampered, "bit %d", bit)
		}
	}
	for n := range env {
		_, err := ring.Open(place, env[:n])
		require.Error(t, err, "first %d bytes", n)
	}
	_, err = ring.Open(place, append(env, 0))
	require.ErrorIs(t, err, credentials.ErrMalformed)
}

// Key id 1 instead of 2: both are in the ring, and the header is authenticated.
func TestAnEnvelopeDoesNotOpenUnderAnotherKey(t *testing.T) {
	ring := newRing(t, 2)
	env, err := ring.Seal(fixed(1), place, credentials.SecretString("x"))
	require.NoError(t, err)
	env[5] = 1
	_, err = ring.Open(place, env)
	require.ErrorIs(t, err, credentials.ErrTampered)
	env[5] = 9
	_, err = ring.Open(place, env)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	require.NotErrorIs(t, err, credentials.ErrTampered)

	imposter, err := credentials.NewKey(2, fixed(77))
	require.NoError(t, err)
	other, err := credentials.NewKeyring(imposter)
	require.NoError(t, err)
	env[5] = 2
	_, err = other.Open(place, env)
	require.ErrorIs(t, err, credentials.ErrTampered)
}

// T29: an envelope moved to another place does not open there, whichever field
// of the place differs, alone or together.
func TestAnEnvelopeDoesNotOpenElsewhere(t *testing.T) {
	ring := newRing(t, 1)
	var places []credentials.AAD
	for _, site := range []string{"acme", "", "acmeinv"} {
		for _, owner := range []string{"inv_1", "", "_1"} {
			for _, kind := range []string{"set", "passcode", ""} {
				for _, generation := range []int{0, 1, -1, 256} {
					places = append(places, credentials.AAD{Site: site, Owner: owner, Kind: kind, Generation: generation})
				}
			}
		}
	}
	for _, a := range places {
		env, err := ring.Seal(fixed(1), a, credentials.SecretString("x"))
		require.NoError(t, err)
		for _, b := range places {
			_, err := ring.Open(b, env)
			if a == b {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, credentials.ErrTampered, "%v opened at %v", a, b)
			}
		}
	}
}

func TestManyMoreSitesThanTheCacheHoldsStillOpen(t *testing.T) {
	ring := newRing(t, 1)
	envs := map[string][]byte{}
	r := fixed(1)
	for i := range 5000 {
		site := fmt.Sprint("site", i)
		env, err := ring.Seal(r, credentials.AAD{Site: site}, credentials.SecretString(site))
		require.NoError(t, err)
		envs[site] = env
	}
	for site, env := range envs {
		s, err := ring.Open(credentials.AAD{Site: site}, env)
		require.NoError(t, err)
		require.Equal(t, site, s.Reveal())
	}
}

func TestASetPacksAndUnpacks(t *testing.T) {
	token, pin := credentials.SecretString(goodToken), credentials.SecretString("00345678")
	ring := newRing(t, 1)
	for _, set := range []credentials.Set{{Token: token, PIN: pin}, {Token: token}, {PIN: pin}} {
		back, err := credentials.UnpackSet(set.Pack())
		require.NoError(t, err)
		require.Equal(t, set.Token.Reveal(), back.Token.Reveal())
		require.Equal(t, set.PIN.Reveal(), back.PIN.Reveal())

		env, err := ring.SealSet(fixed(1), place, set)
		require.NoError(t, err)
		packed, err := ring.Open(place, env)
		require.NoError(t, err)
		require.True(t, packed.Equal(set.Pack()), "SealSet is Seal of Pack")
		back, err = ring.OpenSet(place, env)
		require.NoError(t, err)
		require.Equal(t, set.PIN.Reveal(), back.PIN.Reveal())
	}
	require.True(t, credentials.Set{}.Pack().IsZero())
	for name, packed := range map[string]string{
		"empty":           "",
		"version only":    "\x01",
		"other version":   "\x02\x00\x0812345678",
		"nothing in it":   "\x01\x00\x00",
		"length beyond":   "\x01\xff\x00",
		"PIN missing":     "\x01\x2b" + goodToken,
		"rest":            "\x01\x00\x0812345678x",
		"short PIN":       "\x01\x00\x071234567",
		"letters":         "\x01\x00\x08abcdefgh",
		"token malformed": "\x01\x2b" + goodToken[:42] + "9\x00",
	} {
		_, err := credentials.UnpackSet(credentials.SecretString(packed))
		require.ErrorIs(t, err, credentials.ErrMalformed, name)
	}
	for _, set := range []credentials.Set{{}, {Token: pin}, {PIN: token}} {
		_, err := ring.SealSet(fixed(1), place, set)
		require.ErrorIs(t, err, credentials.ErrMalformed)
	}
	_, err := ring.OpenSet(place, nil)
	require.ErrorIs(t, err, credentials.ErrMalformed)
}

func TestANewSetHasATokenAndAPIN(t *testing.T) {
	r := fixed(3)
	seen := map[string]bool{}
	for digits := credentials.MinPINDigits; digits <= credentials.MaxPINDigits; digits++ {
		set, err := credentials.NewSet(r, digits)
		require.NoError(t, err)
		_, err = credentials.ParseToken(set.Token.Reveal())
		require.NoError(t, err)
		_, err = credentials.ParsePIN(set.PIN.Reveal())
		require.NoError(t, err)
		require.Len(t, set.PIN.Reveal(), digits)
		require.False(t, seen[set.Token.Reveal()])
		seen[set.Token.Reveal()] = true
	}
	_, err := credentials.NewSet(brokenReader{}, 8)
	require.Error(t, err)
}

func FuzzOpen(f *testing.F) {
	ring := newRing(f, 2)
	env, err := ring.Seal(fixed(1), place, credentials.SecretString("12345678"))
	require.NoError(f, err)
	f.Add(env, "acme", "inv_1", "set", 3)
	f.Add(env, "acme", "inv_1", "set", 4)
	f.Add(env[:40], "", "", "", 0)
	f.Fuzz(func(t *testing.T, envelope []byte, site, owner, kind string, generation int) {
		a := credentials.AAD{Site: site, Owner: owner, Kind: kind, Generation: generation}
		s, err := ring.Open(a, envelope)
		if err == nil {
			require.Equal(t, place, a, "only what was sealed opens")
			require.Equal(t, env, envelope)
			require.Equal(t, "12345678", s.Reveal())
		}
		if id, err := credentials.EnvelopeKey(envelope); err == nil {
			require.GreaterOrEqual(t, len(envelope), 78)
			_ = id
		}
	})
}
