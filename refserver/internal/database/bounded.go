package database

import (
	"context"
	"time"

	"example.com/enrollkit/enrollment/sqlstore"
)

// How long PostgreSQL is waited for at most: a connection that went silent is
// given up, and its unit fails as any other.
const (
	beginFor     = 5 * time.Second // a connection of the pool, or a new one
	statementFor = 20 * time.Second
)

// bounded is a database on which nothing is waited for for ever. A statement
// that takes too long loses its connection.
type bounded struct {
	db               sqlstore.Database
	begin, statement time.Duration
}

func (b bounded) Begin(ctx context.Context, o sqlstore.BeginOptions) (sqlstore.Tx, error) {
	ctx, cancel := context.WithTimeout(ctx, b.begin)
	defer cancel()
	tx, err := b.db.Begin(ctx, o)
	if err != nil {
		return nil, err
	}
	limited := boundedTx{tx, b.begin, b.statement}
	if p, ok := tx.(sqlstore.Pipelined); ok {
		return pipelinedTx{limited, p}, nil
	}
	return limited, nil
}

// pipelinedTx is a boundedTx that can keep statements back, as pgx's can.
type pipelinedTx struct {
	boundedTx
	waiting sqlstore.Pipelined
}

// Later implements [sqlstore.Pipelined].
func (b pipelinedTx) Later(text string, args ...any) { b.waiting.Later(text, args...) }

func (b bounded) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	return exec(ctx, b.statement, b.db, text, args)
}

func (b bounded) Query(ctx context.Context, text string, args ...any) (sqlstore.Rows, error) {
	return query(ctx, b.statement, b.db, text, args)
}

type boundedTx struct {
	tx               sqlstore.Tx
	begin, statement time.Duration
}

func (b boundedTx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	return exec(ctx, b.statement, b.tx, text, args)
}

func (b boundedTx) Query(ctx context.Context, text string, args ...any) (sqlstore.Rows, error) {
	return query(ctx, b.statement, b.tx, text, args)
}

func (b boundedTx) Commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.statement)
	defer cancel()
	return b.tx.Commit(ctx)
}

func (b boundedTx) Rollback(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.begin)
	defer cancel()
	return b.tx.Rollback(ctx)
}

func exec(ctx context.Context, most time.Duration, q sqlstore.Querier, text string, args []any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return q.Exec(ctx, text, args...)
}

func query(ctx context.Context, most time.Duration, q sqlstore.Querier, text string, args []any) (sqlstore.Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	rows, err := q.Query(ctx, text, args...)
	if err != nil {
		cancel()
		return nil, err
	}
	return boundedRows{rows, cancel}, nil
}

// boundedRows keeps the time of its statement running until it is closed.
type boundedRows struct {
	sqlstore.Rows
	cancel context.CancelFunc
}

func (r boundedRows) Close() {
	r.Rows.Close()
	r.cancel()
}
