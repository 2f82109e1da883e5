package credentials_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestKeysThatMakeNoRingAreRefused(t *testing.T) {
	key := func(id uint32) credentials.Key {
		k, err := credentials.NewKey(id, fixed(byte(id)))
		require.NoError(t, err)
		return k
	}
	public := key(2)
	public.Seal = credentials.Secret{}
	same := key(3)
	same.Seal = same.MAC
	zero := key(4)
	zero.MAC = credentials.NewSecret(make([]byte, 32))
	short := key(5)
	short.Seal = credentials.SecretString("short")
	for name, keys := range map[string][]credentials.Key{
		"none":              nil,
		"id zero":           {{MAC: key(1).MAC, Seal: key(1).Seal}},
		"id twice":          {key(1), key(6), key(1)},
		"no roots":          {{ID: 1}},
		"mixed planes":      {key(1), public},
		"one root for both": {same},
		"all-zero root":     {zero},
		"short root":        {short},
	} {
		_, err := credentials.NewKeyring(keys...)
		require.ErrorIs(t, err, credentials.ErrInvalidKeyring, name)
	}
	_, err := credentials.NewKey(0, fixed(1))
	require.ErrorIs(t, err, credentials.ErrInvalidKeyring)
	_, err = credentials.NewKey(1, brokenReader{})
	require.Error(t, err)
	_, err = credentials.KeyFromRoot(1, credentials.SecretString("short"))
	require.ErrorIs(t, err, credentials.ErrInvalidKeyring)
}

func TestRotationKeepsOldValuesReadableUntilTheKeyIsDropped(t *testing.T) {
	ring := newRing(t, 1)
	a := credentials.AAD{Site: "s", Owner: "o", Kind: "k", Generation: 1}
	m := ring.MAC(credentials.PurposePIN, []byte("x"))
	env, err := ring.Seal(fixed(5), a, credentials.SecretString("hello"))
	require.NoError(t, err)

	next, err := ring.Rotate(fixed(6))
	require.NoError(t, err)
	require.Equal(t, []uint32{2, 1}, next.IDs())
	require.Equal(t, uint32(2), next.Current())
	require.Equal(t, []uint32{1}, ring.IDs(), "a ring never changes")
	require.Contains(t, next.MACs(credentials.PurposePIN, []byte("x")), m)
	ok, err := next.Verify(m, credentials.PurposePIN, []byte("x"))
	require.NoError(t, err)
	require.True(t, ok)
	s, err := next.Open(a, env)
	require.NoError(t, err)
	require.Equal(t, "hello", s.Reveal())

	env2, err := next.Seal(fixed(5), a, s)
	require.NoError(t, err)
	id, err := credentials.EnvelopeKey(env2)
	require.NoError(t, err)
	require.Equal(t, uint32(2), id)

	last, err := next.Without(1)
	require.NoError(t, err)
	_, err = last.Open(a, env)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	_, err = last.Verify(m, credentials.PurposePIN, []byte("x"))
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	s, err = last.Open(a, env2)
	require.NoError(t, err)
	require.Equal(t, "hello", s.Reveal())
}

func TestAKeyIsReadableEverywhereBeforeItIsCurrentAnywhere(t *testing.T) {
	ring := newRing(t, 1)
	key, err := credentials.NewKey(2, fixed(2))
	require.NoError(t, err)
	added, err := ring.Add(key)
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 2}, added.IDs())
	promoted, err := added.Promote(2)
	require.NoError(t, err)
	require.Equal(t, []uint32{2, 1}, promoted.IDs())
	m := promoted.MAC(credentials.PurposePIN, []byte("x"))
	ok, err := added.Verify(m, credentials.PurposePIN, []byte("x"))
	require.NoError(t, err)
	require.True(t, ok, "a node one step behind")
	same, err := promoted.Promote(2)
	require.NoError(t, err)
	require.Equal(t, promoted.IDs(), same.IDs())
	_, err = added.Add(key)
	require.ErrorIs(t, err, credentials.ErrInvalidKeyring)
}

func TestRotationRefusesWhatWouldLoseData(t *testing.T) {
	ring := newRing(t, 2)
	_, err := ring.Without(2)
	require.ErrorIs(t, err, credentials.ErrInvalidKeyring, "the current key")
	_, err = ring.Without(9)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	_, err = ring.Promote(9)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	_, err = ring.Public().Rotate(fixed(1))
	require.ErrorIs(t, err, credentials.ErrNoSealingKey)
	_, err = ring.Rotate(brokenReader{})
	require.Error(t, err)
	top, err := credentials.NewKey(math.MaxUint32, fixed(1))
	require.NoError(t, err)
	full, err := ring.Add(top)
	require.NoError(t, err)
	_, err = full.Rotate(fixed(1))
	require.ErrorIs(t, err, credentials.ErrInvalidKeyring)
}

func TestThePublicPlaneChecksAndReproducesButCannotShow(t *testing.T) {
	ring := newRing(t, 2)
	public := ring.Public()
	require.True(t, ring.CanSeal())
	require.False(t, public.CanSeal())
	require.Equal(t, ring.IDs(), public.IDs())
	require.Equal(t, ring.MAC(credentials.PurposeToken, []byte("x")), public.MAC(credentials.PurposeToken, []byte("x")))
	d1, err := ring.Derive(1, credentials.PurposeDevice, []byte("x"))
	require.NoError(t, err)
	d2, err := public.Derive(1, credentials.PurposeDevice, []byte("x"))
	require.NoError(t, err)
	require.Equal(t, d1, d2)

	a := credentials.AAD{Site: "s"}
	env, err := ring.Seal(fixed(1), a, credentials.SecretString("x"))
	require.NoError(t, err)
	_, err = public.Open(a, env)
	require.ErrorIs(t, err, credentials.ErrNoSealingKey)
	_, err = public.Seal(fixed(1), a, credentials.SecretString("x"))
	require.ErrorIs(t, err, credentials.ErrNoSealingKey)
}

func TestAKeyFileReadsBack(t *testing.T) {
	for name, ring := range map[string]*credentials.Keyring{
		"one key": newRing(t, 1), "three keys": newRing(t, 3), "public": newRing(t, 2).Public(),
	} {
		file := ring.MarshalKeyring()
		for _, text := range []string{
			string(file),
			"# ours\n\n" + string(file) + "\n# end",
			strings.ReplaceAll(string(file), "\n", "\r\n"),
			strings.TrimSuffix(string(file), "\n"),
		} {
			back, err := credentials.ParseKeyring([]byte(text))
			require.NoError(t, err, name)
			require.Equal(t, file, back.MarshalKeyring(), name)
			require.Equal(t, ring.CanSeal(), back.CanSeal(), name)
		}
	}
}

func TestADamagedKeyFileIsRefused(t *testing.T) {
	file := string(newRing(t, 2).MarshalKeyring())
	lines := strings.Split(strings.TrimSpace(file), "\n")
	require.Len(t, lines, 4)
	join := func(lines ...string) string { return strings.Join(lines, "\n") }
	for name, text := range map[string]string{
		"empty":           "",
		"comments only":   "# nothing\n",
		"no header":       join(lines[2:]...),
		"header only":     lines[0],
		"other version":   strings.Replace(file, "keyring 1", "keyring 2", 1),
		"header twice":    join(lines[0], file),
		"unknown line":    file + "note x\n",
		"leading space":   strings.Replace(file, "key 2", " key 2", 1),
		"two spaces":      strings.Replace(file, "key 2", "key  2", 1),
		"id with plus":    strings.Replace(file, "key 2", "key +2", 1),
		"id with zero":    strings.Replace(file, "key 2", "key 02", 1),
		"id too large":    strings.Replace(file, "key 2", "key 4294967296", 1),
		"id changed":      strings.Replace(file, "key 2", "key 3", 1),
		"id zero":         strings.Replace(file, "key 2", "key 0", 1),
		"key twice":       join(file, lines[2]),
		"cut line":        file[:len(file)-5],
		"roots swapped":   swapFields(file, lines[2]),
		"too long a file": file + strings.Repeat("#\n", 40_000),
	} {
		_, err := credentials.ParseKeyring([]byte(text))
		require.ErrorIs(t, err, credentials.ErrInvalidKeyring, name)
	}
	// Any one character of a key line mistyped.
	start := strings.Index(file, lines[2])
	for i := start; i < start+len(lines[2]); i++ {
		b := []byte(file)
		b[i] ^= 1
		_, err := credentials.ParseKeyring(b)
		require.ErrorIs(t, err, credentials.ErrInvalidKeyring, "byte %d", i)
		require.NotContains(t, err.Error(), strings.Fields(lines[2])[2][:8])
	}
}

func swapFields(file, line string) string {
	f := strings.Fields(line)
	f[2], f[3] = f[3], f[2]
	return strings.Replace(file, line, strings.Join(f, " "), 1)
}

func TestAKeyringNeverPrintsItself(t *testing.T) {
	ring := newRing(t, 1)
	_, err := ring.Seal(fixed(1), credentials.AAD{Site: "s"}, credentials.SecretString("x")) // fills the caches
	require.NoError(t, err)
	fields := strings.Fields(strings.Split(string(ring.MarshalKeyring()), "\n")[2])
	var raw []string
	for _, f := range fields[2:4] {
		b, err := decodeRaw(f)
		require.NoError(t, err)
		raw = append(raw, f, fmt.Sprintf("%x", b), strings.Trim(fmt.Sprint(b), "[]"))
	}
	type holder struct {
		Pub  *credentials.Keyring
		priv *credentials.Keyring
		val  credentials.Keyring
	}
	for _, v := range []any{ring, *ring, holder{ring, ring, *ring}, &holder{ring, ring, *ring}, []*credentials.Keyring{ring}} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
			fmt.Fprintf(&out, verb, v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "ring", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "ring", v)
		text, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(text)
		for _, r := range raw {
			require.NotContains(t, out.String(), r)
		}
	}
	require.Equal(t, "[redacted]", ring.String())
	require.Equal(t, "[redacted]", ring.GoString())
	require.Equal(t, "[redacted]", fmt.Sprintf("%+v", ring))
}

func FuzzParseKeyring(f *testing.F) {
	for _, ring := range []*credentials.Keyring{newRing(f, 1), newRing(f, 2), newRing(f, 1).Public()} {
		f.Add(ring.MarshalKeyring())
	}
	f.Add([]byte("enrollkit-keyring 1\nkey 1 - - -\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		ring, err := credentials.ParseKeyring(file)
		if err != nil {
			require.ErrorIs(t, err, credentials.ErrInvalidKeyring)
			return
		}
		back, err := credentials.ParseKeyring(ring.MarshalKeyring())
		require.NoError(t, err)
		require.Equal(t, ring.MarshalKeyring(), back.MarshalKeyring())
	})
}
