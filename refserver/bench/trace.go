package main

import (
	"context"
	"strings"
	"sync"

	"example.com/enrollkit/enrollment/sqlstore"
)

// trace notes the round trips that a store makes to its database, each as the
// beginning of its statements.
type trace struct {
	mu    sync.Mutex
	later []string
	trips []string
}

func (t *trace) note(statement string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trips = append(t.trips, strings.Join(append(t.later, short(statement)), "; "))
	t.later = nil
}

// taken returns what was noted since the last time.
func (t *trace) taken() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	trips := t.trips
	t.trips = nil
	return trips
}

// short is a statement without its details.
func short(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(8, len(words))], " ")
}

// wrap puts the trace between a store and its database.
func (t *trace) wrap(db sqlstore.Database) sqlstore.Database {
	return tracedDatabase{tracedQuerier{db, t}, db}
}

type tracedDatabase struct {
	tracedQuerier
	db sqlstore.Database
}

func (d tracedDatabase) Begin(ctx context.Context, opts sqlstore.BeginOptions) (sqlstore.Tx, error) {
	tx, err := d.db.Begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	traced := tracedTx{tracedQuerier{tx, d.t}, tx}
	if p, ok := tx.(sqlstore.Pipelined); ok { // it begins with its first statement
		return tracedPipeline{traced, p}, nil
	}
	d.t.note("BEGIN")
	return traced, nil
}

// tracedPipeline notes what is kept back as a part of the next trip.
type tracedPipeline struct {
	tracedTx
	p sqlstore.Pipelined
}

func (x tracedPipeline) Later(sql string, args ...any) {
	x.t.mu.Lock()
	x.t.later = append(x.t.later, short(sql))
	x.t.mu.Unlock()
	x.p.Later(sql, args...)
}

type tracedTx struct {
	tracedQuerier
	tx sqlstore.Tx
}

func (x tracedTx) Commit(ctx context.Context) error {
	x.t.note("COMMIT")
	return x.tx.Commit(ctx)
}

func (x tracedTx) Rollback(ctx context.Context) error {
	x.t.note("ROLLBACK")
	return x.tx.Rollback(ctx)
}

type tracedQuerier struct {
	q sqlstore.Querier
	t *trace
}

func (q tracedQuerier) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	q.t.note(sql)
	return q.q.Exec(ctx, sql, args...)
}

func (q tracedQuerier) Query(ctx context.Context, sql string, args ...any) (sqlstore.Rows, error) {
	q.t.note(sql)
	return q.q.Query(ctx, sql, args...)
}
