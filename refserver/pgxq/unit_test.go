package pgxq_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
)

// lockUsers locks users one after the other, in the order given.
func lockUsers(ctx context.Context, tx enrollment.Tx, between func(), ids ...string) error {
	for i, id := range ids {
		if i > 0 {
			between()
		}
		if _, err := tx.Users().Lock(ctx, enrollment.User{Site: "s", ID: id}); err != nil {
			return err
		}
	}
	return nil
}

func TestUnitsThatWaitForEachOtherBothGetThrough(t *testing.T) {
	ctx := context.Background()
	store := migrated(t, pgxq.New(open(t)))
	require.NoError(t, store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		_, err := tx.Users().Lock(ctx, enrollment.User{Site: "s", ID: "a"}, enrollment.User{Site: "s", ID: "b"})
		return err
	}))
	var met sync.WaitGroup // both hold their first
	met.Add(2)
	var runs atomic.Int64
	errs := make([]error, 2)
	var units sync.WaitGroup
	for i, ids := range [][]string{{"a", "b"}, {"b", "a"}} {
		units.Go(func() {
			var once sync.Once
			errs[i] = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				runs.Add(1)
				return lockUsers(ctx, tx, func() { once.Do(func() { met.Done(); met.Wait() }) }, ids...)
			})
		})
	}
	units.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, int64(3), runs.Load(), "one of them ran again")
}

// badCommits commits and says that it could not, in the words of a failure that
// a unit would be run again for.
type badCommits struct{ sqlstore.Database }

func (d badCommits) Begin(ctx context.Context, opts sqlstore.BeginOptions) (sqlstore.Tx, error) {
	tx, err := d.Database.Begin(ctx, opts)
	return badCommit{tx}, err
}

type badCommit struct{ sqlstore.Tx }

func (t badCommit) Commit(ctx context.Context) error {
	return errors.Join(t.Tx.Commit(ctx), &pgconn.PgError{Code: "40001"})
}

func TestACommitThatFailedIsNeverRepeated(t *testing.T) {
	ctx := context.Background()
	pool := open(t)
	_, err := pool.Exec(ctx, "CREATE SCHEMA own")
	require.NoError(t, err)
	inSchema(t, pgxq.New(pool), "own")
	store := inSchema(t, badCommits{pgxq.New(pool)}, "own")
	runs := 0
	err = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		runs++
		return lockUsers(ctx, tx, nil, "a")
	})
	require.Error(t, err)
	require.Equal(t, 1, runs)
}

// What the embedder's own statement broke must not look committed: PostgreSQL
// answers the COMMIT of a broken transaction with a quiet ROLLBACK.
func TestAStatementOfTheEmbeddersThatFailsFailsTheUnit(t *testing.T) {
	ctx := context.Background()
	stores := map[string]*sqlstore.Store{
		"pgx":          migrated(t, pgxq.New(open(t))),
		"database/sql": migrated(t, sqlstore.SQL(openSQL(t))),
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			err := store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				q, ok := sqlstore.Conn(tx)
				require.True(t, ok)
				_, err := q.Exec(ctx, "SELECT 1/0")
				require.Error(t, err)
				return nil // as if nothing had happened
			})
			require.Error(t, err)
			err = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				q, ok := sqlstore.Conn(tx)
				require.True(t, ok)
				_, err := q.Exec(ctx, "SELECT 1")
				require.NoError(t, err)
				rows, err := q.Query(ctx, "SELECT 1/(2-n) FROM generate_series(1, 3) AS n") // not the first row
				if err == nil {
					rows.Close() // nobody asked how it went
				}
				return nil
			})
			require.ErrorContains(t, err, "division by zero")
		})
	}
}

func TestOpenRefusesAServerWithoutFsync(t *testing.T) {
	c := pgtest.Own(t, "fsync=off")
	_, err := pgxq.Open(context.Background(), c.DSN("postgres"))
	require.ErrorIs(t, err, pgxq.ErrUnsafe)
	require.ErrorContains(t, err, "fsync is off: set it to on")
}
