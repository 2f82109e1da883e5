package credentials_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func name(ring *credentials.Keyring) [32]byte {
	return ring.Name(credentials.PurposeEmail, []byte("ann@example.com"))
}

func TestANameStaysWhateverBecomesOfTheKeys(t *testing.T) {
	ring := newRing(t, 1)
	want := name(ring)
	second, err := ring.Rotate(fixed(2))
	require.NoError(t, err)
	key, err := credentials.NewKey(3, fixed(3))
	require.NoError(t, err)
	third, err := second.Add(key)
	require.NoError(t, err)
	promoted, err := third.Promote(3)
	require.NoError(t, err)
	without, err := promoted.Without(1) // the key that names come from
	require.NoError(t, err)
	alone, err := without.Without(2)
	require.NoError(t, err)
	read, err := credentials.ParseKeyring(alone.MarshalKeyring())
	require.NoError(t, err)
	older, err := alone.Add(credentials.Key{ID: 1, MAC: newKey(t, 9).MAC, Seal: newKey(t, 9).Seal})
	require.NoError(t, err)
	for what, r := range map[string]*credentials.Keyring{
		"rotated": second, "added": third, "promoted": promoted, "without the first": without, "without the second": alone,
		"read from a file": read, "public": alone.Public(), "public and read": reread(t, alone.Public()), "with an older key added": older,
	} {
		require.Equal(t, want, name(r), what)
	}
	fresh, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	require.NotEqual(t, want, name(fresh), "a ring made of what is left has lost it")
	back, err := fresh.WithNames(ring.Names())
	require.NoError(t, err)
	require.Equal(t, want, name(back))
	_, err = fresh.WithNames(credentials.SecretString("short"))
	require.ErrorIs(t, err, credentials.ErrInvalidKeyring)
}

func newKey(t *testing.T, seed byte) credentials.Key {
	t.Helper()
	key, err := credentials.NewKey(1, fixed(seed))
	require.NoError(t, err)
	return key
}

func reread(t *testing.T, ring *credentials.Keyring) *credentials.Keyring {
	t.Helper()
	back, err := credentials.ParseKeyring(ring.MarshalKeyring())
	require.NoError(t, err)
	return back
}

func TestANameIsNeitherAMACNorASecret(t *testing.T) {
	ring := newRing(t, 1)
	part := []byte("x")
	sum := ring.MAC(credentials.PurposeEmail, part).Sum
	derived, err := ring.Derive(1, credentials.PurposeEmail, part)
	require.NoError(t, err)
	seen := map[[32]byte]bool{
		sum: true, derived: true, ring.Name(credentials.PurposeEmail, part): true, ring.Name(credentials.PurposeSource, part): true,
		ring.Name("another", part): true, ring.Name(credentials.PurposeEmail, part, nil): true,
	}
	require.Len(t, seen, 6)
	require.NotContains(t, string(ring.MarshalKeyring()), "names", "a ring with its first key needs no line for them")
}

func TestADamagedLineOfNamesIsRefused(t *testing.T) {
	ring, err := newRing(t, 2).Without(1)
	require.NoError(t, err)
	file := string(ring.MarshalKeyring())
	at := strings.Index(file, "names ")
	require.Positive(t, at)
	line := file[at:]
	for what, text := range map[string]string{
		"twice":         file + line,
		"cut":           file[:len(file)-4],
		"no check":      file[:at] + strings.Join(strings.Fields(line)[:2], " ") + "\n",
		"one more":      strings.TrimSuffix(file, "\n") + " x\n",
		"without a key": file[:strings.Index(file, "key ")] + line,
		"of nothing":    file[:at] + "names  \n",
	} {
		_, err := credentials.ParseKeyring([]byte(text))
		require.ErrorIs(t, err, credentials.ErrInvalidKeyring, what)
	}
	for i := at; i < len(file)-1; i++ {
		b := []byte(file)
		b[i] ^= 1
		_, err := credentials.ParseKeyring(b)
		require.ErrorIs(t, err, credentials.ErrInvalidKeyring, "byte %d", i)
		require.NotContains(t, err.Error(), strings.Fields(line)[1][:8])
	}
}
