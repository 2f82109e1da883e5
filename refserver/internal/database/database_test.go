package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/sqlitedb"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const insertNode = `INSERT INTO ref_nodes (id, started_at, seen_at, keys) VALUES (?, ?, ?, ?)`

func TestAUnitIsDoneAsAWholeOrNotAtAll(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		oops := errors.New("oops")
		write := func(id string, end error) error {
			return db.Update(t.Context(), func(ctx context.Context, c database.Conn) error {
				_, err := c.Exec(ctx, insertNode, id, int64(1), int64(1), "what? a question mark")
				return errors.Join(err, end)
			})
		}
		require.NoError(t, write("kept", nil))
		require.ErrorIs(t, write("undone", oops), oops)
		require.ErrorIs(t, write("kept", nil), enrollment.ErrExists, "a unique index says so in both")
		var keys string
		require.NoError(t, db.Row(t.Context(), `SELECT keys FROM ref_nodes WHERE id = ?`, []any{"kept"}, &keys))
		assert.Equal(t, "what? a question mark", keys)
		require.ErrorIs(t, db.Row(t.Context(), `SELECT keys FROM ref_nodes WHERE id = ?`, []any{"undone"}, &keys), enrollment.ErrNotFound)
		require.ErrorIs(t, db.Row(t.Context(), `SELECT keys FROM ref_nodes WHERE id = ?`, []any{"a\x00b"}, &keys), enrollment.ErrNotFound, "no row has such a text")
		n, err := db.Exec(t.Context(), `UPDATE ref_nodes SET seen_at = 2 WHERE id = ?`, "a\x00b")
		require.NoError(t, err, "nor is one changed by it")
		assert.Zero(t, n)
		require.Error(t, write("a\x00b", nil), "nor kept")
		err = db.View(t.Context(), func(ctx context.Context, c database.Conn) error {
			_, err := c.Exec(ctx, `DELETE FROM ref_nodes`)
			return err
		})
		require.Error(t, err, "a view changes nothing")
	})
}

func TestWhoHoldsANameIsAlone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		require.NoError(t, db.Update(t.Context(), func(ctx context.Context, c database.Conn) error {
			_, err := c.Exec(ctx, insertNode, "counter", int64(0), int64(0), "")
			return err
		}))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 10 {
					err := db.Update(t.Context(), func(ctx context.Context, c database.Conn) error {
						if err := c.Hold(ctx, "counter"); err != nil {
							return err
						}
						var n int64
						if err := c.Row(ctx, `SELECT seen_at FROM ref_nodes WHERE id = ?`, []any{"counter"}, &n); err != nil {
							return err
						}
						_, err := c.Exec(ctx, `UPDATE ref_nodes SET seen_at = ? WHERE id = ?`, n+1, "counter")
						return err
					})
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		var n int64
		require.NoError(t, db.Row(t.Context(), `SELECT seen_at FROM ref_nodes WHERE id = ?`, []any{"counter"}, &n))
		assert.Equal(t, int64(80), n)
	})
}

func TestNodesThatMigrateTogetherWaitForEachOther(t *testing.T) {
	dsn := pgtest.DSN(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db, err := database.Open(t.Context(), dsn, database.Options{})
			if !assert.NoError(t, err) {
				return
			}
			defer func() { _ = db.Close() }()
			assert.NoError(t, db.Migrate(t.Context()))
			assert.NoError(t, db.Check(t.Context()))
		})
	}
	all.Wait()
}

func TestADatabaseWithoutTablesOrWithNewerOnesIsRefused(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		empty, err := database.Open(t.Context(), name, database.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = empty.Close() })
		require.Error(t, empty.Check(t.Context()))
		require.NoError(t, empty.Migrate(t.Context()))
		require.NoError(t, empty.Check(t.Context()))
		_, err = empty.Exec(t.Context(), `INSERT INTO ref_version (version) VALUES (99)`)
		require.NoError(t, err)
		require.ErrorContains(t, empty.Check(t.Context()), "newer than this program")
		require.ErrorContains(t, empty.Migrate(t.Context()), "newer than this program")
	})
}

// A file that the first version of this server made, before there were nodes:
// three migrations, and three tables that were made beside them.
func TestAFileOfTheFirstVersionKeepsWhatItHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	old, err := sqlitedb.Open(path)
	require.NoError(t, err)
	exec(t, old.DB,
		`CREATE TABLE ref_version (version INTEGER NOT NULL)`, `INSERT INTO ref_version VALUES (1), (2), (3)`,
		`CREATE TABLE ref_sites (id TEXT PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL, created_at INTEGER NOT NULL)`,
		`INSERT INTO ref_sites VALUES ('site_1', 'Old', x'7b7d', 5)`,
		`CREATE TABLE ref_keys (site TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (site, key))`,
		`CREATE TABLE ref_mails (n INTEGER PRIMARY KEY AUTOINCREMENT, site TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
			key_id INTEGER NOT NULL, sealed BLOB NOT NULL, UNIQUE (site, id))`,
		`INSERT INTO ref_mails (site, id, at, key_id, sealed) VALUES ('site_1', 'evt_1', 5, 1, x'00')`,
		`CREATE TABLE ref_imports (site TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL,
			counts TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL, file BLOB NOT NULL, PRIMARY KEY (site, id))`,
		`INSERT INTO ref_imports VALUES ('site_1', 'imp_1', 'importing', 2, 1, '{}', 'a', 5, x'00')`)
	require.NoError(t, old.Close())

	db := databasetest.Open(t, "sqlite:"+path)
	var settings string
	var revision, lease, mails int64
	require.NoError(t, db.Row(t.Context(), `SELECT settings, revision FROM ref_sites`, nil, &settings, &revision))
	assert.Equal(t, "{}", settings)
	assert.Equal(t, int64(1), revision, "it is read at the first look")
	require.NoError(t, db.Row(t.Context(), `SELECT lease_until FROM ref_imports`, nil, &lease))
	assert.Zero(t, lease, "anybody may go on with it")
	require.NoError(t, db.Row(t.Context(), `SELECT count(*) FROM ref_mails`, nil, &mails))
	assert.Equal(t, int64(1), mails)
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

func TestSignalsWakeOtherNodesAndAreFew(t *testing.T) {
	dsn := pgtest.DSN(t)
	here, there := databasetest.Open(t, dsn), databasetest.Open(t, dsn)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = here.Signals.Run(ctx) })
	running.Go(func() { _ = there.Signals.Run(ctx) })
	defer running.Wait()
	defer stop()

	changed, leave := there.Signals.Watch(database.Sites)
	defer leave()
	other, leaveOther := there.Signals.Watch(database.Imports)
	defer leaveOther()
	<-changed // it listens by now, and says so for each topic
	<-other
	for range 500 {
		here.Signals.Changed(database.Sites)
	}
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatal("the other node was not told")
	}
	var sent int64
	require.Eventually(t, func() bool {
		// Statements of the pool that sends: one for each signal.
		sent = here.Pool().Stat().AcquireCount()
		return sent > 0
	}, 10*time.Second, 10*time.Millisecond)
	assert.Less(t, sent, int64(100), "500 changes are few signals")
	select {
	case <-other:
		t.Error("told of what did not change")
	default:
	}
}

func TestWithoutOtherNodesASignalIsHeardHere(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	changed, leave := db.Signals.Watch(database.Devices)
	db.Signals.Changed(database.Devices)
	db.Signals.Changed(database.Devices)
	<-changed
	select {
	case <-changed:
		t.Error("two signals that nobody took are one")
	default:
	}
	leave()
	db.Signals.Changed(database.Devices)
	select {
	case <-changed:
		t.Error("told after leaving")
	default:
	}
}

func TestABusyPoolIsNotALostDatabase(t *testing.T) {
	db := databasetest.Open(t, pgtest.DSN(t)+"&pool_max_conns=1")
	busy, err := db.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer busy.Release()
	health := db.Health(nil)
	health.Look(t.Context())
	require.NoError(t, health.Lost())
	require.NoError(t, health.Ready())
	assert.Less(t, health.Skew().Abs(), database.MaxSkew)
}

func TestReadingDoesNotWaitForAWriter(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	var read atomic.Bool
	require.NoError(t, db.Update(t.Context(), func(context.Context, database.Conn) error {
		var n int
		err := db.Row(context.Background(), `SELECT count(*) FROM ref_sites`, nil, &n)
		read.Store(err == nil)
		return err
	}))
	assert.True(t, read.Load())
}

func TestANameIsToldWithoutPassword(t *testing.T) {
	for name, want := range map[string]string{
		"sqlite:x.db": "sqlite:x.db",
		"postgres://u:canary@h:5432/db?password=canary": "postgres://u:xxxxx@h:5432/db",
		"postgresql://h/db":                             "postgresql://h/db",
		"postgres://u:canary@[":                         "postgres://[redacted]",
	} {
		assert.Equal(t, want, database.Redacted(name))
		assert.Equal(t, strings.HasPrefix(name, "postgres"), database.IsPostgres(name), fmt.Sprint(name))
	}
}
