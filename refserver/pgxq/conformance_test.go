package pgxq_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/storetest"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestConformance(t *testing.T) {
	pool := open(t)
	storetest.Run(t, func(t *testing.T) enrollment.Storage { return migrated(t, pgxq.New(pool)) })
}

func TestFlows(t *testing.T) {
	pool := open(t)
	storetest.RunFlows(t, func(t *testing.T) enrollment.Storage { return migrated(t, pgxq.New(pool)) })
}

func TestConformanceThroughDatabaseSQL(t *testing.T) {
	db := openSQL(t)
	storetest.Run(t, func(t *testing.T) enrollment.Storage { return migrated(t, sqlstore.SQL(db)) })
}

func TestFlowsThroughDatabaseSQL(t *testing.T) {
	db := openSQL(t)
	storetest.RunFlows(t, func(t *testing.T) enrollment.Storage { return migrated(t, sqlstore.SQL(db)) })
}

// Behind a pooler that gives a connection for one transaction at a time, nothing
// may rest on the session.
func TestConformanceBehindPgBouncer(t *testing.T) {
	ctx := context.Background()
	pool, err := pgxq.Open(ctx, pgtest.Bouncer(t, pgtest.DSN(t))+"&pool_max_conns=40")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	storetest.Run(t, func(t *testing.T) enrollment.Storage { return migrated(t, pgxq.New(pool)) })
}

// The embedder's transaction goes on after every unit, however it ended, and
// decides alone what becomes of it all.
func TestConformanceInTheEmbeddersTransaction(t *testing.T) {
	ctx := context.Background()
	pool := open(t)
	storetest.RunInTransaction(t, func(t *testing.T) enrollment.Storage {
		store := migrated(t, pgxq.New(pool))
		tx, err := pool.Begin(ctx)
		require.NoError(t, err)
		t.Cleanup(func() {
			var one int
			require.NoError(t, tx.QueryRow(ctx, "SELECT 1").Scan(&one), "the transaction goes on")
			require.NoError(t, tx.Commit(ctx))
		})
		return store.InTx(pgxq.Tx(tx))
	})
}

func TestConformanceInTheEmbeddersTransactionThroughDatabaseSQL(t *testing.T) {
	db := openSQL(t)
	storetest.RunInTransaction(t, func(t *testing.T) enrollment.Storage {
		store := migrated(t, sqlstore.SQL(db))
		tx, err := db.Begin()
		require.NoError(t, err)
		t.Cleanup(func() {
			var one int
			require.NoError(t, tx.QueryRow("SELECT 1").Scan(&one), "the transaction goes on")
			require.NoError(t, tx.Commit())
		})
		return store.InTx(sqlstore.SQLTx(tx))
	})
}

func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxq.Open(context.Background(), pgtest.DSN(t)+"&pool_max_conns=40")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func openSQL(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", pgtest.DSN(t))
	require.NoError(t, err)
	db.SetMaxOpenConns(40)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

var schemas atomic.Int64

// migrated returns a store in a schema of its own, which is quicker than a
// database of its own.
func migrated(t *testing.T, db sqlstore.Database) *sqlstore.Store {
	t.Helper()
	ctx := context.Background()
	schema := fmt.Sprintf("rule_%d", schemas.Add(1))
	_, err := db.Exec(ctx, "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	return inSchema(t, db, schema)
}

func inSchema(t *testing.T, db sqlstore.Database, schema string) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{Schema: schema})
	require.NoError(t, err)
	require.NoError(t, store.Migrate(context.Background()))
	return store
}

// Several nodes start together on an empty database.
func TestSeveralNodesMigrateAtOnce(t *testing.T) {
	ctx := context.Background()
	pool := open(t)
	errs := make([]error, 8)
	var nodes sync.WaitGroup
	for i := range errs {
		nodes.Go(func() {
			store, err := sqlstore.New(pgxq.New(pool), sqlstore.PostgreSQL, sqlstore.Options{})
			if err == nil {
				err = store.Migrate(ctx)
			}
			errs[i] = err
		})
	}
	nodes.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	var versions int
	require.NoError(t, pool.QueryRow(ctx, "SELECT count(*) FROM enroll_versions").Scan(&versions))
	steps, err := sqlstore.Migrations(sqlstore.PostgreSQL, sqlstore.Options{})
	require.NoError(t, err)
	require.Equal(t, len(steps), versions)
}
