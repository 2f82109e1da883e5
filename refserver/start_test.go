package main

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/keyfile"
	"example.com/enrollkit/refserver/pgtest"
)

// startFails starts a server that has to refuse, and returns its one line.
func startFails(t *testing.T, p place, more ...string) string {
	t.Helper()
	said, err := runCommand(t, append(p.flags("serve", "-listen", "127.0.0.1:0"), more...)...)
	require.Error(t, err, said)
	_, silent := errors.AsType[exitCode](err)
	assert.False(t, silent, "it ends with 1 and says why")
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, said, "serving")
	return err.Error()
}

// used is a database that a server has made, with an invitation that lost a try.
func used(t *testing.T, p place) invited {
	t.Helper()
	base, stop := serveAt(t, p)
	ann := invite(t, base, "ann@example.com")
	call(t, "", "POST", base+"/device/v1/enroll",
		`{"enrollment_id":"x","credential":{"type":"pin","email":"ann@example.com","pin":"99999998"},"device":{"platform":"android"}}`, 401, nil)
	stop()
	return ann
}

// triesLeft is what is left of the PIN's budget once a server runs again.
func triesLeft(t *testing.T, p place) int {
	t.Helper()
	base, stop := serveAt(t, p)
	defer stop()
	var list struct {
		Invitations []struct {
			Left int `json:"pin_tries_left"`
		}
	}
	call(t, token, "GET", base+"/api/v1/invitations", "", 200, &list)
	require.Len(t, list.Invitations, 1)
	return list.Invitations[0].Left
}

func TestAWrongKeyRingIsRefusedAndSpendsNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		used(t, p)
		right, err := os.ReadFile(p.keyring)
		require.NoError(t, err)

		require.NoError(t, os.Remove(p.keyring))
		assert.Contains(t, startFails(t, p), "is missing, and the database was made with one: bring it back")

		_, err = keyfile.Make(p.keyring) // another ring, with a key of the same id
		require.NoError(t, err)
		assert.Contains(t, startFails(t, p), "does not belong to this database: start with the one that it was made with")

		key, err := credentials.NewKey(9, rand.Reader)
		require.NoError(t, err)
		unknown, err := credentials.NewKeyring(key)
		require.NoError(t, err)
		require.NoError(t, keyfile.Replace(p.keyring, unknown))
		assert.Contains(t, startFails(t, p), "does not belong to this database", "a key of the database is not in the ring")

		require.NoError(t, os.WriteFile(p.keyring, right[:len(right)-9], 0o600))
		assert.Contains(t, startFails(t, p), "key ring "+p.keyring)

		require.NoError(t, os.WriteFile(p.keyring, right, 0o600))
		assert.Equal(t, 19, triesLeft(t, p))
	})
}

func TestADatabaseOfANewerProgramIsRefused(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		used(t, p)
		db := databasetest.Beside(t, p.database)
		for _, table := range []string{"enroll_versions (version, name) VALUES (1000, 'future')", "ref_version (version) VALUES (1000)"} {
			_, err := db.Exec(t.Context(), `INSERT INTO `+table)
			require.NoError(t, err)
			assert.Contains(t, startFails(t, p), "newer than this program")
			_, err = runCommand(t, p.flags("verify")...)
			require.ErrorContains(t, err, "newer than this program")
			_, err = db.Exec(t.Context(), `DELETE FROM `+strings.Fields(table)[0]+` WHERE version = 1000`)
			require.NoError(t, err)
		}
		assert.Equal(t, 19, triesLeft(t, p))
	})
}

func TestADatabaseThatCannotBeUsedIsRefused(t *testing.T) {
	ring := filepath.Join(t.TempDir(), "x.keyring")
	for name, c := range map[string]struct{ database, want string }{
		"nobody there":    {"postgres://u:canary-secret@127.0.0.1:1/x", "the database does not answer: start PostgreSQL, or correct -database"},
		"no such name":    {strings.Replace(pgtest.DSN(t), "/pgtest_", "/none_", 1), "does not answer"},
		"simple protocol": {pgtest.DSN(t) + "&default_query_exec_mode=simple_protocol", "simple_protocol is not supported"},
		"no URL":          {"postgres://u:canary-secret@[x", "this is no URL"},
		"unknown option":  {pgtest.DSN(t) + "&sslmode=canary-secret&password=canary-secret", "-database: the options"},
		"no directory":    {"sqlite:" + filepath.Join(t.TempDir(), "none", "x.db"), "the directory must be writable"},
		"no database":     {"sqlite:" + garbage(t), "is not a database"},
	} {
		t.Run(name, func(t *testing.T) {
			said := startFails(t, place{c.database, ring})
			assert.Contains(t, said, c.want)
			assert.NotContains(t, said, "canary-secret")
			_, err := os.Stat(ring)
			assert.ErrorIs(t, err, os.ErrNotExist, "nothing was made")
		})
	}
}

func garbage(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("this is no database. ", 500)), 0o600))
	return path
}

func TestTwoServersOnOneFileAreRefused(t *testing.T) {
	p := place{databasetest.SQLite(t), filepath.Join(t.TempDir(), "x.keyring")}
	base, _ := serveAt(t, p)
	assert.Contains(t, startFails(t, p), "another server has this database open; stop it, or give this one another file")
	call(t, token, "GET", base+"/api/v1/site", "", 200, nil) // the first goes on
}

func TestAReadOnlyDiskIsRefused(t *testing.T) {
	if os.Getuid() == 0 { // who may write everywhere but here
		assert.Contains(t, startFails(t, place{"sqlite:/sys/x.db", filepath.Join(t.TempDir(), "x.keyring")}), "the directory must be writable")
		return
	}
	dir := t.TempDir()
	p := place{"sqlite:" + filepath.Join(dir, "x.db"), filepath.Join(t.TempDir(), "x.keyring")}
	used(t, p)
	require.NoError(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	require.NoError(t, os.Chmod(filepath.Join(dir, "x.db"), 0o400))
	assert.Contains(t, startFails(t, p), "x.db")
}

func TestAServerThatMayLoseWhatItAcknowledgedIsRefusedUnlessAllowed(t *testing.T) {
	cluster := pgtest.Own(t, "fsync=off", "synchronous_commit=off")
	p := place{cluster.DSN("postgres"), filepath.Join(t.TempDir(), "x.keyring")}
	assert.Contains(t, startFails(t, p), "fsync is off: set it to on, or start with -allow-unsafe-database")
	assert.Contains(t, startFails(t, p, "-allow-unsafe-database", "-metrics-listen", "127.0.0.1:99999"), "99999", "refused for another reason")
}
