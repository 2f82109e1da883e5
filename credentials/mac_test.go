package credentials_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestAMACVerifiesOnlyWhatItWasMadeFor(t *testing.T) {
	ring := newRing(t, 1)
	m := ring.MAC(credentials.PurposePIN, []byte("site"), []byte("inv_1"), []byte("12345678"))
	for _, c := range []struct {
		name  string
		p     credentials.Purpose
		parts []string
		want  bool
	}{
		{"the same", credentials.PurposePIN, []string{"site", "inv_1", "12345678"}, true},
		{"another PIN", credentials.PurposePIN, []string{"site", "inv_1", "12345679"}, false},
		{"another row", credentials.PurposePIN, []string{"site", "inv_2", "12345678"}, false},
		{"another site", credentials.PurposePIN, []string{"other", "inv_1", "12345678"}, false},
		{"another purpose", credentials.PurposeToken, []string{"site", "inv_1", "12345678"}, false},
		{"an embedder's purpose", "ours", []string{"site", "inv_1", "12345678"}, false},
		{"another order", credentials.PurposePIN, []string{"inv_1", "site", "12345678"}, false},
		{"parts moved", credentials.PurposePIN, []string{"sitei", "nv_1", "12345678"}, false},
		{"parts joined", credentials.PurposePIN, []string{"siteinv_1", "12345678"}, false},
		{"one part more", credentials.PurposePIN, []string{"site", "inv_1", "12345678", ""}, false},
		{"nothing", credentials.PurposePIN, nil, false},
	} {
		var parts [][]byte
		for _, part := range c.parts {
			parts = append(parts, []byte(part))
		}
		ok, err := ring.Verify(m, c.p, parts...)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, ok, c.name)
	}
	for i := range m.Sum {
		bad := m
		bad.Sum[i] ^= 1
		ok, err := ring.Verify(bad, credentials.PurposePIN, []byte("site"), []byte("inv_1"), []byte("12345678"))
		require.NoError(t, err)
		require.False(t, ok)
	}
}

func TestTheSecretVariantsAreTheSameMACs(t *testing.T) {
	ring := newRing(t, 3)
	pin := credentials.SecretString("12345678")
	parts := [][]byte{[]byte("site"), []byte("inv_1"), []byte("12345678")}
	m := ring.MAC(credentials.PurposePIN, parts...)
	require.Equal(t, m, ring.MACSecret(credentials.PurposePIN, pin, "site", "inv_1"))
	require.Equal(t, ring.MACs(credentials.PurposePIN, parts...), ring.MACsSecret(credentials.PurposePIN, pin, "site", "inv_1"))
	ok, err := ring.VerifySecret(m, credentials.PurposePIN, pin, "site", "inv_1")
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = ring.VerifySecret(m, credentials.PurposePIN, credentials.SecretString("00000000"), "site", "inv_1")
	require.NoError(t, err)
	require.False(t, ok)
	_, err = newRing(t, 2).VerifySecret(m, credentials.PurposePIN, pin, "site", "inv_1")
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
}

func TestAMissingSecretNeverVerifies(t *testing.T) {
	ring := newRing(t, 1)
	m := ring.MACSecret(credentials.PurposePIN, credentials.Secret{}, "site")
	ok, err := ring.VerifySecret(m, credentials.PurposePIN, credentials.Secret{}, "site")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAnUnknownKeyIsAnErrorAndNeverAWrongAnswer(t *testing.T) {
	m := newRing(t, 2).MAC(credentials.PurposePIN, []byte("x"))
	old := newRing(t, 1)
	_, err := old.Verify(m, credentials.PurposePIN, []byte("x"))
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	_, err = old.Verify(credentials.MAC{}, credentials.PurposePIN)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
	_, err = old.Derive(2, credentials.PurposeDevice)
	require.ErrorIs(t, err, credentials.ErrUnknownKey)
}

func TestAStoredMACReadsBack(t *testing.T) {
	m := newRing(t, 1).MAC(credentials.PurposeToken, []byte("x"))
	require.Len(t, m.Bytes(), credentials.MACBytes)
	back, err := credentials.ParseMAC(m.Bytes())
	require.NoError(t, err)
	require.Equal(t, m, back)
	require.False(t, m.IsZero())
	require.True(t, credentials.MAC{}.IsZero())
	for _, b := range [][]byte{nil, m.Bytes()[:35], append(m.Bytes(), 0), make([]byte, 36)} {
		_, err := credentials.ParseMAC(b)
		require.ErrorIs(t, err, credentials.ErrMalformed)
	}
}

// The stored form is a promise to every database: these values never change.
func TestMACsAndDerivedSecretsAreStableAcrossReleases(t *testing.T) {
	key, err := credentials.KeyFromRoot(1, credentials.NewSecret(bytes.Repeat([]byte{7}, 32)))
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	m := ring.MAC(credentials.PurposePIN, []byte("site"), []byte("12345678"))
	d, err := ring.Derive(1, credentials.PurposePIN, []byte("site"), []byte("12345678"))
	require.NoError(t, err)
	require.NotEqual(t, m.Sum, d, "a stored MAC is never a derived secret")
	require.Equal(t, "000000016c9ec4441f55dd80ae8bd1205ea2ce0bad589b574f5d889bc8ab651b7da20b80", hex.EncodeToString(m.Bytes()))
	require.Equal(t, "663547deb8cf90d692eaf468c4ade834055c8fb69114a43f725861be5b495f95", hex.EncodeToString(d[:]))
}

func TestEveryPurposeHasItsOwnKey(t *testing.T) {
	ring := newRing(t, 1)
	seen := map[credentials.MAC]credentials.Purpose{}
	for _, p := range append(credentials.Purposes(), "ours", "") {
		m := ring.MAC(p, []byte("x"))
		require.NotContains(t, seen, m, p)
		require.Equal(t, m, ring.MAC(p, []byte("x")), "repeatable: %s", p)
		seen[m] = p
	}
	require.Len(t, credentials.Purposes(), 13)
}

func TestACanaryTellsAMissingKeyFromAWrongOne(t *testing.T) {
	ring := newRing(t, 2)
	canaries := ring.Canaries()
	require.Len(t, canaries, 2)
	for _, c := range canaries {
		require.NoError(t, ring.CheckCanary(c))
		require.NoError(t, ring.Public().CheckCanary(c), "the public plane checks too")
	}
	require.ErrorIs(t, newRing(t, 1).CheckCanary(canaries[0]), credentials.ErrUnknownKey)
	imposter, err := credentials.NewKey(2, fixed(99))
	require.NoError(t, err)
	other, err := credentials.NewKeyring(imposter)
	require.NoError(t, err)
	require.ErrorIs(t, other.CheckCanary(canaries[0]), credentials.ErrWrongKey)
}

func TestAKeyringServesManyGoroutines(t *testing.T) {
	ring := newRing(t, 2)
	want := ring.MAC(credentials.PurposePIN, []byte("x"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				site := fmt.Sprint(i, j%7)
				if ring.MAC(credentials.PurposePIN, []byte("x")) != want {
					t.Error("another MAC")
				}
				a := credentials.AAD{Site: site, Owner: "o"}
				env, err := ring.Seal(fixed(byte(j)), a, credentials.SecretString(site))
				if err != nil {
					t.Error(err)
				}
				if s, err := ring.Open(a, env); err != nil || s.Reveal() != site {
					t.Error("not opened", err)
				}
			}
		})
	}
	wg.Wait()
}

// T30: two lists of parts share a MAC only if they are the same list.
func FuzzMACInjective(f *testing.F) {
	f.Add([]byte("a"), []byte("bc"), []byte("ab"), []byte("c"))
	f.Add([]byte(""), []byte("a"), []byte("a"), []byte(""))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01a"), []byte(""), []byte(""), []byte("a"))
	ring := newRing(f, 1)
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		const p = credentials.PurposeCursor
		same := bytes.Equal(a, c) && bytes.Equal(b, d)
		require.Equal(t, same, ring.MAC(p, a, b) == ring.MAC(p, c, d))
		joined := append(bytes.Clone(a), b...)
		require.NotEqual(t, ring.MAC(p, a, b), ring.MAC(p, joined))
		require.NotEqual(t, ring.MAC(p, a, b), ring.MAC(p, a, b, nil))
		require.Equal(t, len(a) == 0 && bytes.Equal(b, c), ring.MAC(p, a, b) == ring.MAC(p, nil, c))
	})
}
