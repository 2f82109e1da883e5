package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/databasetest"
)

// asks asks the certificate authority of a server for its certificates, the root's
// last.
func asks(t *testing.T, base string) (root string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/platform/apple/scep?operation=GetCACert", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	certs, err := scep.CACerts(body)
	require.NoError(t, err)
	require.Len(t, certs, 2)
	assert.False(t, certs[0].IsCA)
	require.NoError(t, certs[0].CheckSignatureFrom(certs[1]))
	return certs[1].Subject.CommonName
}

func TestAnAuthorityIsRotatedBesideAServerThatRuns(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		base, stop := serveAt(t, p)
		assert.Equal(t, "Device identities apple 1", asks(t, base))
		said, err := runCommand(t, p.flags("authority", "rotate", "apple")...)
		require.NoError(t, err, said)
		lines := strings.Split(strings.TrimSpace(said), "\n")
		require.GreaterOrEqual(t, len(lines), 2)
		assert.Contains(t, lines[0], "apple 1: made ")
		assert.Contains(t, lines[1], "apple 2, signs: made ")
		assert.Contains(t, lines[1], "; 0 certificates are good")
		assert.Equal(t, "Device identities apple 2", asks(t, base))
		listed, err := runCommand(t, p.flags("authority", "list")...)
		require.NoError(t, err)
		assert.Equal(t, said, listed)

		said, err = runCommand(t, p.flags("keys", "rotate")...)
		require.NoError(t, err, said)
		assert.Contains(t, said, "keys of certificate authorities moved to key 2")
		_, err = runCommand(t, p.flags("keys", "retire", "1")...)
		require.NoError(t, err)
		stop()
		base, _ = serveAt(t, p)
		assert.Equal(t, "Device identities apple 2", asks(t, base))

		said, err = runCommand(t, p.flags("verify")...)
		require.NoError(t, err, said)
		db := databasetest.Beside(t, p.database)
		_, err = db.Exec(t.Context(), `UPDATE ref_authorities SET key_id = 1 WHERE role = 'signing'`)
		require.NoError(t, err)
		said, err = runCommand(t, p.flags("verify")...)
		require.ErrorIs(t, err, exitCode(3))
		assert.Contains(t, said, "VIOLATION authority keys: authority: apple 1: sealed with key 1: credentials: unknown key")
		_, err = db.Exec(t.Context(), `UPDATE ref_authorities SET key_id = 2 WHERE role = 'signing'`)
		require.NoError(t, err)

		p.keyring = filepath.Join(t.TempDir(), "other.keyring")
		other := place{"sqlite:" + filepath.Join(t.TempDir(), "other.db"), p.keyring}
		serveAt(t, other) // makes a ring
		_, err = runCommand(t, p.flags("authority", "rotate", "apple")...)
		require.ErrorContains(t, err, "does not belong to this database")
	})
}

func TestAuthorityRefusesWhatItDoesNotKnow(t *testing.T) {
	p := place{"sqlite:" + filepath.Join(t.TempDir(), "x.db"), filepath.Join(t.TempDir(), "x.keyring")}
	for _, args := range [][]string{{}, {"rotate"}, {"rotate", "android"}, {"list", "apple"}, {"forget", "apple"}} {
		said, err := runCommand(t, p.flags("authority", args...)...)
		require.ErrorIs(t, err, exitCode(2))
		assert.Contains(t, said, "usage: refserver authority")
	}
}
