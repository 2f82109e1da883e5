package pgxq

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/enrollkit/enrollment/sqlstore"
)

// pipeline is one connection's querier that can keep statements back and send
// them with the next one.
type pipeline struct {
	querier
	sender interface {
		SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	}
	waiting *pgx.Batch // nil: none
}

var _ sqlstore.Pipelined = (*pipeline)(nil)

// Later implements [sqlstore.Pipelined].
func (p *pipeline) Later(sql string, args ...any) {
	if p.waiting == nil {
		p.waiting = &pgx.Batch{}
	}
	p.waiting.Queue(sql, args...)
}

func (p *pipeline) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := p.exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

func (p *pipeline) exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if p.waiting == nil {
		return p.q.Exec(ctx, sql, args...)
	}
	answers, err := p.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := answers.Exec()
	if closed := answers.Close(); err == nil {
		err = closed // after an error it says the same again
	}
	return tag, err
}

func (p *pipeline) Query(ctx context.Context, sql string, args ...any) (sqlstore.Rows, error) {
	if p.waiting == nil {
		return p.querier.Query(ctx, sql, args...)
	}
	answers, err := p.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := answers.Query()
	if err != nil {
		_ = answers.Close()
		return nil, err
	}
	return batchRows{rows, answers}, nil
}

// send sends what waits and one more, and reads the answers but the last.
func (p *pipeline) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	before := p.waiting.Len()
	p.waiting.Queue(sql, args...)
	answers := p.sender.SendBatch(ctx, p.waiting)
	p.waiting = nil
	for range before {
		if _, err := answers.Exec(); err != nil {
			_ = answers.Close()
			return nil, &sqlstore.EarlierError{Err: err}
		}
	}
	return answers, nil
}

// batchRows are the rows of the last statement of a batch.
type batchRows struct {
	pgx.Rows
	answers pgx.BatchResults
}

func (r batchRows) Close() {
	r.Rows.Close()
	_ = r.answers.Close() // Err has said what there is to say
}
