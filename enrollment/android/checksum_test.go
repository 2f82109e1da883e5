package android_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/android"
)

// The certificates of TestDPC and Android Device Policy, as Google publishes them.
const (
	testDPC      = "80:90:F6:63:0B:4E:89:62:47:91:23:24:90:87:CB:46:58:FE:AA:E3:6A:1B:57:DB:EA:FD:74:D1:09:B3:33:DC"
	devicePolicy = "23:96:2F:4B:43:B9:85:76:38:EA:66:F4:D4:19:51:8E:AE:28:24:91:AC:DA:4B:94:70:7B:D5:90:03:C4:5E:58"
)

func TestAChecksumIsReadInItsSpellingsAndWrittenInOne(t *testing.T) {
	for want, spellings := range map[string][]string{
		"gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w": {testDPC, strings.ToLower(testDPC), strings.ReplaceAll(testDPC, ":", ""), "gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w="},
		"I5YvS0O5hXY46mb01BlRjq4oJJGs2kuUcHvVkAPEXlg": {devicePolicy, "I5YvS0O5hXY46mb01BlRjq4oJJGs2kuUcHvVkAPEXlg"},
		"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU": {android.Checksum(sha256.Sum256(nil)).Fingerprint()},
	} {
		for _, s := range spellings {
			c, err := android.ParseChecksum(s)
			require.NoError(t, err, s)
			assert.Equal(t, want, c.String())
		}
	}
	c, err := android.ParseChecksum(testDPC)
	require.NoError(t, err)
	assert.Equal(t, testDPC, c.Fingerprint())
	assert.False(t, c.IsZero())
}

func TestWhatDevicesWouldMisreadIsNoChecksum(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":               "",
		"standard base64":       "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
		"31 bytes":              "7DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		"SHA-1":                 "2jmj7l5rSw0yVb_vlWAYkK_YBwk",
		"a line break":          "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF\nU",
		"two paddings":          "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU==",
		"spare bits":            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",
		"dashes between digits": strings.ReplaceAll(testDPC, ":", "-"),
		"no hex digits":         strings.ReplaceAll(testDPC, "80", "xy"),
	} {
		_, err := android.ParseChecksum(s)
		assert.ErrorIs(t, err, android.ErrChecksum, name)
	}
}

func FuzzParseChecksum(f *testing.F) {
	f.Add(testDPC)
	f.Add("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := android.ParseChecksum(s)
		if err != nil {
			return
		}
		again, err := android.ParseChecksum(c.String())
		require.NoError(t, err)
		require.Equal(t, c, again)
		again, err = android.ParseChecksum(c.Fingerprint())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
