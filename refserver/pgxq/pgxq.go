// Package pgxq adapts pgx to package sqlstore, without database/sql between
// them. It is short on purpose: copy it into a product that has a pool already.
package pgxq

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/enrollkit/enrollment/sqlstore"
)

// New adapts a pool for sqlstore.New with sqlstore.PostgreSQL.
func New(pool *pgxpool.Pool) sqlstore.Database { return database{querier{pool}, pool} }

// Tx adapts a transaction of the embedder for sqlstore.InTx.
func Tx(tx pgx.Tx) sqlstore.Querier { return &pipeline{querier: querier{tx}, sender: tx} }

type database struct {
	querier
	pool *pgxpool.Pool
}

// querier is whatever of pgx runs statements.
type querier struct {
	q interface {
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

func (q querier) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := q.q.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

func (q querier) Query(ctx context.Context, sql string, args ...any) (sqlstore.Rows, error) {
	rows, err := q.q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return rows, nil
}
