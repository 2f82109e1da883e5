package database

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgtest"
)

// None of these would end by itself for half a minute, and no caller gave it
// an end.
func TestNothingIsWaitedForForEver(t *testing.T) {
	db, err := Open(t.Context(), pgtest.DSN(t)+"&pool_max_conns=2", Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	b := bounded{db.patient, 100 * time.Millisecond, 100 * time.Millisecond}
	ctx := context.Background()
	begin := func() sqlstore.Tx {
		tx, err := b.Begin(ctx, sqlstore.BeginOptions{})
		require.NoError(t, err)
		return tx
	}

	_, err = b.Exec(ctx, `SELECT pg_sleep(30)`)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a statement by itself")
	tx := begin()
	_, err = tx.Exec(ctx, `SELECT pg_sleep(30)`)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a statement of a transaction")
	_ = tx.Rollback(ctx)
	tx = begin()
	rows, err := tx.Query(ctx, `SELECT pg_sleep(30)`)
	if err == nil {
		assert.False(t, rows.Next())
		err = rows.Err()
		rows.Close()
	}
	require.ErrorIs(t, err, context.DeadlineExceeded, "an answer of rows")
	_ = tx.Rollback(ctx)

	// A lock that another holds, and a pool that is used up.
	_, err = db.patient.Exec(ctx, `CREATE TABLE one (n INT)`)
	require.NoError(t, err)
	holder := begin()
	_, err = holder.Exec(ctx, `LOCK TABLE one`)
	require.NoError(t, err)
	waiter := begin()
	_, err = waiter.Exec(ctx, `LOCK TABLE one`)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a lock")
	_ = waiter.Rollback(ctx)
	second := begin()
	_, err = b.Begin(ctx, sqlstore.BeginOptions{})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a connection")
	require.NoError(t, holder.Rollback(ctx))
	require.NoError(t, second.Rollback(ctx))

	_, err = b.Exec(ctx, `SELECT 1`)
	require.NoError(t, err, "and everything goes on")
}

// A wrapper that forgot how to keep statements back would cost a round trip for
// each of them.
func TestUnitsOnPostgreSQLKeepStatementsBack(t *testing.T) {
	db, err := Open(t.Context(), pgtest.DSN(t), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	b := bounded{db.patient, time.Second, time.Second}
	for _, readOnly := range []bool{false, true} {
		tx, err := b.Begin(t.Context(), sqlstore.BeginOptions{ReadOnly: readOnly})
		require.NoError(t, err)
		_, ok := tx.(sqlstore.Pipelined)
		assert.True(t, ok)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}
