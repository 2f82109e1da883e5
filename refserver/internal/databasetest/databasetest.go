// Package databasetest opens databases for the tests of the reference server, so
// that each runs on every database that the server supports.
package databasetest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/pgtest"
)

// Each runs a test on SQLite and on PostgreSQL, each time with the name of a
// database that has nothing in it, beside other tests: most of the time they wait
// for a disk. The package's TestMain calls pgtest.Main.
func Each(t *testing.T, test func(t *testing.T, name string)) {
	t.Helper()
	t.Parallel()
	for system, open := range map[string]func(*testing.T) string{
		"sqlite":     SQLite,
		"postgresql": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// SQLite returns the name of a file that is not there yet.
func SQLite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "x.db")
}

// Open opens a database and makes its tables.
func Open(t *testing.T, name string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), name, database.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Migrate(t.Context()))
	return db
}

// Beside opens a database that a server has open.
func Beside(t *testing.T, name string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), name, database.Options{Beside: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
