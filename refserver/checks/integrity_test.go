package checks_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

// number is a count.
func (d database) number(t *testing.T, text string) (n int64) {
	t.Helper()
	rows, err := d.db.Query(t.Context(), d.Render(text))
	require.NoError(t, err)
	defer rows.Close()
	require.True(t, rows.Next(), text)
	require.NoError(t, rows.Scan(&n))
	return n
}

func TestATornPageOfSQLiteIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "torn.db")
	open := func() (database, func()) {
		db, err := sqlitedb.Open(path)
		require.NoError(t, err)
		d := database{db: sqlstore.SQL(db.DB), dialect: sqlstore.SQLite}.over(t, sqlstore.SQL(db.DB))
		return d, func() { require.NoError(t, db.Close()) }
	}
	d, done := open()
	require.NoError(t, d.Migrate(t.Context()))
	for range 3 {
		d.exec(t, "INSERT INTO @users SELECT 'acme', 'u' || (SELECT count(*) FROM @users), 'n', 'e', 'e', '', 0 FROM @versions")
	}
	page := d.number(t, "SELECT rootpage FROM sqlite_master WHERE name = '~users_outside'")
	report, err := verify.Check(t.Context(), d.Store, verify.Options{})
	require.NoError(t, err)
	require.True(t, report.OK(), "%v", report.Violations)
	_, err = d.db.Exec(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	done()

	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = file.WriteAt(make([]byte, 512), (page-1)*4096) // the header of a page
	require.NoError(t, err)
	require.NoError(t, file.Close())
	d, done = open()
	defer done()
	report, err = verify.Check(t.Context(), d.Store, verify.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, report.Violations)
	for _, v := range report.Violations {
		require.Equal(t, "integrity", v.Rule)
	}
}

func TestAnIndexOfPostgreSQLThatLacksARowIsFound(t *testing.T) {
	pool, err := pgxq.Open(t.Context(), pgtest.DSN(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	d := database{dialect: sqlstore.PostgreSQL}.over(t, pgxq.New(pool))
	require.NoError(t, d.Migrate(t.Context()))
	report, err := verify.Check(t.Context(), d.Store, verify.Options{})
	require.NoError(t, err)
	require.Contains(t, report.Skipped, verify.Skipped{Rule: "integrity", Cause: "the extension amcheck is not installed"})

	d.exec(t, "CREATE EXTENSION amcheck")
	report, err = verify.Check(t.Context(), d.Store, verify.Options{})
	require.NoError(t, err)
	require.True(t, report.OK(), "%v", report.Violations)
	for _, s := range report.Skipped {
		require.NotEqual(t, "integrity", s.Rule)
	}

	// A row is written while its index takes none.
	d.exec(t, "UPDATE pg_index SET indisready = false WHERE indexrelid = 'enroll_users_pkey'::regclass")
	d.exec(t, "INSERT INTO @users VALUES ('acme', 'canary', 'n', 'e', 'e', '', 0)")
	d.exec(t, "UPDATE pg_index SET indisready = true WHERE indexrelid = 'enroll_users_pkey'::regclass")
	report, err = verify.Check(t.Context(), d.Store, verify.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, report.Violations)
	for _, v := range report.Violations {
		require.Equal(t, "integrity", v.Rule)
		require.NotContains(t, v.Detail, "canary")
	}
}

func TestATownHasEverything(t *testing.T) {
	d := databases["sqlite"](t)
	for _, there := range []string{
		"SELECT count(DISTINCT state) / 4 FROM @invitations",
		"SELECT count(DISTINCT reason) / 6 FROM @invitations", // and none
		"SELECT count(DISTINCT state) / 6 FROM @devices",
		"SELECT count(DISTINCT origin) / 4 FROM @devices", // and that of tombstones, none
		"SELECT count(*) FROM @devices WHERE conflict <> ''",
		"SELECT count(*) FROM @devices WHERE deleted_at <> 0 AND reason = 'user_erased'",
		"SELECT count(*) FROM @devices WHERE previous <> ''",
		"SELECT count(*) FROM @devices WHERE generation > 1",
		"SELECT count(*) FROM @devices WHERE token_key = 1",
		"SELECT count(DISTINCT kind) / 4 FROM @credentials",
		"SELECT count(DISTINCT substr(sealed, 3, 4)) / 2 FROM @credentials", // keys
		"SELECT count(DISTINCT status) / 4 FROM @messages",
		"SELECT count(DISTINCT kind) / 4 FROM @messages",
		"SELECT count(*) FROM @events WHERE type = 'user.erased'",
		"SELECT count(*) FROM @events WHERE type = 'passcode.locked'",
		"SELECT count(*) FROM @events WHERE site_seq = 0",
		"SELECT min(site_seq) - 1 FROM @events WHERE site = 'olden' AND site_seq <> 0",                          // it was pruned
		"SELECT count(*) FROM @invitations i WHERE NOT EXISTS (SELECT 1 FROM @events e WHERE e.subject = i.id)", // all of it
		"SELECT count(*) FROM @events e WHERE seq > 1 AND NOT EXISTS (SELECT 1 FROM @events o WHERE o.site = e.site AND o.subject = e.subject AND o.seq = e.seq - 1)",
		"SELECT count(*) FROM @counters WHERE key LIKE 'pin/%'",
		"SELECT count(*) FROM @slot_deltas",
		"SELECT count(*) FROM @slot_counts",
		"SELECT count(*) FROM @records WHERE scope LIKE 'invite/%'",
	} {
		require.Positive(t, d.number(t, there), there)
	}
}

func TestADatabaseOfAnotherVersionIsNotLookedAt(t *testing.T) {
	db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "empty.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	d := database{dialect: sqlstore.SQLite}.over(t, sqlstore.SQL(db.DB))
	var version *sqlstore.VersionError
	_, err = verify.Check(t.Context(), d.Store, verify.Options{})
	require.ErrorAs(t, err, &version)

	require.NoError(t, d.Migrate(t.Context()))
	report, err := verify.Check(t.Context(), d.Store, verify.Options{})
	require.NoError(t, err)
	for _, l := range report.Looked {
		require.Zero(t, l.Rows, l.Table)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = verify.Check(ctx, d.Store, verify.Options{})
	require.ErrorIs(t, err, context.Canceled)
}
