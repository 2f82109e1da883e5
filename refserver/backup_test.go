package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/pgtest"
)

// A copy made while the server works is restored elsewhere: it is sound, and
// devices and credentials from before work with the same key ring.
func TestABackupOfARunningServerIsRestored(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		base, _ := serveAt(t, p)
		ann := invite(t, base, "ann@example.com")
		phone := enroll(t, base, `{"type":"token","token":"`+ann.Token+`"}`, "one")

		restored := place{"", p.keyring}
		if database.IsPostgres(p.database) {
			restored.database = dumpAndRestore(t, p.database)
		} else {
			file := filepath.Join(t.TempDir(), "backup.db")
			said, err := runCommand(t, p.flags("backup", file)...)
			require.NoError(t, err, said)
			info, err := os.Stat(file)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			_, err = runCommand(t, p.flags("backup", file)...)
			require.ErrorContains(t, err, "exists already")
			restored.database = "sqlite:" + file
		}
		invite(t, base, "later@example.com") // is not in the copy

		said, err := runCommand(t, restored.flags("verify")...)
		require.NoError(t, err, said)
		assert.Contains(t, said, "1 invitations")
		base, _ = serveAt(t, restored)
		call(t, phone, "POST", base+"/device/v1/checkin", `{"seq":1}`, 204, nil)
		enroll(t, base, `{"type":"pin","email":"ann@example.com","pin":"`+ann.PIN+`"}`, "two")
	})
}

func dumpAndRestore(t *testing.T, dsn string) string {
	t.Helper()
	into := pgtest.DSN(t)
	file := filepath.Join(t.TempDir(), "backup.dump")
	for _, args := range [][]string{
		{"pg_dump", "--format=custom", "--file=" + file, "--dbname=" + dsn},
		{"pg_restore", "--exit-on-error", "--dbname=" + into, file},
	} {
		out, err := exec.CommandContext(t.Context(), tool(t, args[0]), args[1:]...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return into
}

// tool is a program of PostgreSQL's, which Debian keeps apart by version.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	require.NoError(t, err)
	require.NotEmpty(t, found, name+" is not installed")
	return found[len(found)-1]
}

func TestBackupIsForSQLite(t *testing.T) {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("u", "canary-secret"), Host: "127.0.0.1:1", Path: "/x"}
	_, err := runCommand(t, "backup", "-database", u.String(), filepath.Join(t.TempDir(), "x"))
	require.ErrorContains(t, err, "use pg_dump")
	assert.NotContains(t, err.Error(), "canary-secret")
	said, err := runCommand(t, "backup")
	assert.Equal(t, exitCode(2), err)
	assert.True(t, strings.HasPrefix(said, "usage: refserver backup"))
}
