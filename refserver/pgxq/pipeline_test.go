package pgxq_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgxq"
)

// numbers is a pool with a table that takes a number once.
func numbers(t *testing.T) (*pgxpool.Pool, func() int) {
	t.Helper()
	pool := open(t)
	_, err := pool.Exec(t.Context(), "CREATE TABLE numbers (n INT PRIMARY KEY)")
	require.NoError(t, err)
	return pool, func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM numbers").Scan(&n))
		return n
	}
}

func begin(t *testing.T, pool *pgxpool.Pool) (sqlstore.Tx, sqlstore.Pipelined) {
	t.Helper()
	tx, err := pgxq.New(pool).Begin(t.Context(), sqlstore.BeginOptions{})
	require.NoError(t, err)
	return tx, tx.(sqlstore.Pipelined)
}

func TestStatementsKeptBackRunBeforeTheNextOne(t *testing.T) {
	pool, count := numbers(t)
	tx, p := begin(t, pool)
	p.Later("INSERT INTO numbers VALUES ($1)", 1)
	p.Later("INSERT INTO numbers VALUES ($1)", 2)
	rows, err := tx.Query(t.Context(), "SELECT n FROM numbers ORDER BY n")
	require.NoError(t, err)
	var seen []int
	for rows.Next() {
		var n int
		require.NoError(t, rows.Scan(&n))
		seen = append(seen, n)
	}
	rows.Close()
	require.NoError(t, rows.Err())
	require.Equal(t, []int{1, 2}, seen)
	p.Later("INSERT INTO numbers VALUES ($1)", 3)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, 3, count(), "the last travelled with the COMMIT")
}

func TestAStatementKeptBackFailsTheNextOne(t *testing.T) {
	pool, count := numbers(t)
	for name, next := range map[string]func(sqlstore.Tx) error{
		"Exec": func(tx sqlstore.Tx) error {
			_, err := tx.Exec(t.Context(), "SELECT 1")
			return err
		},
		"Query": func(tx sqlstore.Tx) error {
			_, err := tx.Query(t.Context(), "SELECT 1")
			return err
		},
		"Commit": func(tx sqlstore.Tx) error { return tx.Commit(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			tx, p := begin(t, pool)
			p.Later("INSERT INTO numbers VALUES (1)")
			p.Later("INSERT INTO numbers VALUES (1)")
			err := next(tx)
			var earlier *sqlstore.EarlierError
			require.ErrorAs(t, err, &earlier)
			var said *pgconn.PgError
			require.ErrorAs(t, err, &said)
			require.Equal(t, "23505", said.Code)
			if name != "Commit" {
				require.NoError(t, tx.Rollback(t.Context()))
			}
			require.Zero(t, count())
		})
	}
}

func TestATransactionThatDidNothingLeavesNothing(t *testing.T) {
	pool, count := numbers(t)
	tx, p := begin(t, pool)
	p.Later("INSERT INTO numbers VALUES (1)")
	require.NoError(t, tx.Rollback(t.Context()))
	tx, _ = begin(t, pool)
	require.NoError(t, tx.Commit(t.Context()))
	require.Zero(t, count())
	require.Zero(t, pool.Stat().AcquiredConns())
}

func TestACommitThatTheDatabaseAnswersWithRollbackIsAnError(t *testing.T) {
	pool, count := numbers(t)
	tx, p := begin(t, pool)
	p.Later("INSERT INTO numbers VALUES (1)")
	_, err := tx.Exec(t.Context(), "SELECT 1/0")
	require.ErrorContains(t, err, "division by zero")
	require.ErrorIs(t, tx.Commit(t.Context()), pgx.ErrTxCommitRollback)
	require.Zero(t, count())
	require.Zero(t, pool.Stat().AcquiredConns())
}

func TestInATransactionOfTheEmbeddersNothingIsLeftBehind(t *testing.T) {
	ctx := t.Context()
	pool := open(t)
	store := migrated(t, pgxq.New(pool))
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	slot := enrollment.Slot{Site: "s", ID: "a", Kind: enrollment.SlotInvitation, State: "created", UserName: "Jan"}
	require.NoError(t, store.InTx(pgxq.Tx(tx)).Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		return tx.Slots().Put(ctx, slot)
	}))
	require.NoError(t, tx.Commit(ctx), "by the embedder, who knows of no pipeline")
	require.NoError(t, store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		counts, err := tx.Slots().Counts(ctx, "s")
		require.Equal(t, map[string]int64{"created": 1}, counts)
		return err
	}))
}

// givesUp is a database that gives up on a statement before the first COMMIT.
type givesUp struct {
	sqlstore.Database
	commits *int
}

func (d givesUp) Begin(ctx context.Context, opts sqlstore.BeginOptions) (sqlstore.Tx, error) {
	tx, err := d.Database.Begin(ctx, opts)
	return givenUp{tx, d.commits}, err
}

type givenUp struct {
	sqlstore.Tx
	commits *int
}

func (t givenUp) Commit(ctx context.Context) error {
	if *t.commits++; *t.commits > 1 {
		return t.Tx.Commit(ctx)
	}
	if err := t.Tx.Rollback(ctx); err != nil {
		return err
	}
	return &sqlstore.EarlierError{Err: &pgconn.PgError{Code: "40P01"}}
}

func TestAUnitThatWasGivenUpOnBeforeItsCommitRunsAgain(t *testing.T) {
	pool := open(t)
	_, err := pool.Exec(t.Context(), "CREATE SCHEMA own")
	require.NoError(t, err)
	inSchema(t, pgxq.New(pool), "own")
	commits, runs := 0, 0
	store := inSchema(t, givesUp{pgxq.New(pool), &commits}, "own")
	commits = 0 // of the migration
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		runs++
		return lockUsers(ctx, tx, nil, "a")
	}))
	require.Equal(t, 2, runs)
}
