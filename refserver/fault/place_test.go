//go:build fault

package fault

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/fault/proxy"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

// The kinds of databases.
const (
	onSQLite     = "sqlite"
	onPostgreSQL = "postgresql"
)

var kinds = []string{onSQLite, onPostgreSQL}

// place is where a world's data is.
type place struct {
	kind, dir string
	path      string          // of SQLite
	dsn       *url.URL        // of PostgreSQL, directly
	cluster   *pgtest.Cluster // nil: one that everybody shares
	proxy     *proxy.Proxy    // nil: none
}

func newPlace(t *testing.T, o options, dir string, seed uint64) *place {
	t.Helper()
	p := &place{kind: o.kind, dir: dir, path: filepath.Join(dir, "fault.db")}
	if o.disk != "" && o.kind == onSQLite {
		p.path = filepath.Join(o.disk, "fault.db")
	}
	if o.kind == onSQLite {
		return p
	}
	dsn := ""
	if o.own || len(o.cluster) > 0 {
		// The server is another user, who cannot get at the world's own.
		data, err := os.MkdirTemp(o.disk, "enrollkit-fault-pg-")
		require.NoError(t, err)
		p.cluster, err = pgtest.Start(data, o.cluster...)
		if errors.Is(err, pgtest.ErrNoBinaries) && os.Getenv("CI") == "" {
			require.NoError(t, os.RemoveAll(data))
			t.Skipf("NOT TESTED ON POSTGRESQL: %v", err)
		}
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, p.cluster.Stop())
			if t.Failed() {
				t.Logf("the data of PostgreSQL are kept in %s", data)
				return
			}
			require.NoError(t, os.RemoveAll(data))
		})
		dsn = p.cluster.DSN("postgres")
	} else {
		dsn = pgtest.DSN(t)
	}
	var err error
	p.dsn, err = url.Parse(dsn)
	require.NoError(t, err)
	if o.proxied {
		p.proxy, err = proxy.Start(p.dsn.Host, seed)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.proxy.Close()) })
	}
	return p
}

// forNode is the name of the database for the n-th node.
func (p *place) forNode(n int) string {
	if p.kind == onSQLite {
		return "sqlite:" + p.path
	}
	u := *p.dsn
	if p.proxy != nil {
		u.Host = p.proxy.Addr()
	}
	q := u.Query()
	q.Set("application_name", nodeName(n))
	q.Set("pool_max_conns", "16")
	q.Set("connect_timeout", "3")
	u.RawQuery = q.Encode()
	return u.String()
}

func nodeName(n int) string { return fmt.Sprintf("fault-node-%d", n) }

// open opens the database for looking at it; alive says whether nodes may have
// it open. Of SQLite, what a kill left is copied first: the server itself has to
// find it as it was.
func (p *place) open(t *testing.T, alive bool) (*sqlstore.Store, func()) {
	t.Helper()
	if p.kind == onPostgreSQL {
		pool, err := pgxq.Connect(context.Background(), p.dsn.String())
		require.NoError(t, err)
		store, err := sqlstore.New(pgxq.New(pool), sqlstore.PostgreSQL, sqlstore.Options{})
		require.NoError(t, err)
		return store, pool.Close
	}
	if alive {
		db, err := sqlitedb.OpenReadOnly(p.path)
		require.NoError(t, err)
		store, err := storeOf(db.DB)
		require.NoError(t, err)
		return store, func() { require.NoError(t, db.Close()) }
	}
	db, err := openCopy(p.path, p.dir)
	require.NoError(t, err)
	store, err := storeOf(db)
	require.NoError(t, err)
	return store, func() { require.NoError(t, db.Close()) }
}

// openToWrite opens the database for writing, where no server has it open.
func (p *place) openToWrite(t *testing.T) (*sqlstore.Store, func()) {
	t.Helper()
	if p.kind == onPostgreSQL {
		return p.open(t, false)
	}
	db, err := sqlitedb.Open(p.path)
	require.NoError(t, err)
	store, err := storeOf(db.DB)
	require.NoError(t, err)
	return store, func() { require.NoError(t, db.Close()) }
}

// settled waits until PostgreSQL has noticed that a node is dead: what it asked
// for last may still be under way.
func (p *place) settled(t *testing.T, node int) {
	t.Helper()
	if p.kind != onPostgreSQL {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), perCycle)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.dsn.String())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	for {
		var n int
		require.NoError(t, conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1`, nodeName(node)).Scan(&n), "sessions of a dead node stay")
		if n == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// run runs a statement on PostgreSQL, directly.
func (p *place) run(t *testing.T, statement string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), perCycle)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.dsn.String())
	require.NoError(t, err)
	_, err = conn.Exec(ctx, statement, args...)
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
}
