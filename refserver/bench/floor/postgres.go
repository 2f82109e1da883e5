package floor

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Postgres is BEGIN, one statement after another, and COMMIT, through a pgx
// pool: what the targets are about.
func Postgres(pool *pgxpool.Pool) Program {
	return &program{name: "floor", session: pgSession{pool}, lock: " FOR UPDATE"}
}

// PostgresBatched sends what needs no answer together with the next statement
// that does, and COMMIT with the last: the fewest round trips.
func PostgresBatched(pool *pgxpool.Pool) Program {
	return &program{name: "floor, fewest trips", session: batchSession{pgSession{pool}}, lock: " FOR UPDATE"}
}

type pgSession struct{ pool *pgxpool.Pool }

func (s pgSession) begin(ctx context.Context) (tx, error) {
	t, err := s.pool.Begin(ctx)
	return pgTx{t}, err
}

func (s pgSession) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := s.pool.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

func (s pgSession) page(ctx context.Context, first string, args []any, second string, more []any) (int, error) {
	rows, err := s.pool.Query(ctx, first, args...)
	if err != nil {
		return 0, err
	}
	n, err := scanPage(rows)
	if err != nil {
		return 0, err
	}
	if rows, err = s.pool.Query(ctx, second, more...); err != nil {
		return 0, err
	}
	return n, scanCounts(rows)
}

func scanPage(rows pgx.Rows) (int, error) {
	defer rows.Close()
	var list []slot
	for rows.Next() {
		list = append(list, slot{})
		if err := rows.Scan(list[len(list)-1].fields()...); err != nil {
			return 0, err
		}
	}
	return len(list), rows.Err()
}

func scanCounts(rows pgx.Rows) error {
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var state string
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return err
		}
		counts[state] = n
	}
	return rows.Err()
}

type pgTx struct{ t pgx.Tx }

func (t pgTx) exec(ctx context.Context, sql string, args ...any) error {
	_, err := t.t.Exec(ctx, sql, args...)
	return err
}

func (t pgTx) row(ctx context.Context, sql string, args []any, dest ...any) (bool, error) {
	return found(t.t.QueryRow(ctx, sql, args...).Scan(dest...))
}

func found(err error) (bool, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (t pgTx) commit(ctx context.Context) error { return t.t.Commit(ctx) }
func (t pgTx) rollback(ctx context.Context)     { _ = t.t.Rollback(ctx) }

// batchSession is pgSession with transactions that wait for company.
type batchSession struct{ pgSession }

func (s batchSession) begin(ctx context.Context) (tx, error) {
	conn, err := s.pool.Acquire(ctx)
	t := &batchTx{conn: conn, batch: &pgx.Batch{}}
	t.batch.Queue("begin")
	return t, err
}

func (s batchSession) page(ctx context.Context, first string, args []any, second string, more []any) (n int, err error) {
	b := &pgx.Batch{}
	b.Queue(first, args...)
	b.Queue(second, more...)
	r := s.pool.SendBatch(ctx, b)
	defer func() { err = errors.Join(err, r.Close()) }()
	rows, err := r.Query()
	if err != nil {
		return 0, err
	}
	if n, err = scanPage(rows); err != nil {
		return 0, err
	}
	if rows, err = r.Query(); err != nil {
		return 0, err
	}
	return n, scanCounts(rows)
}

type batchTx struct {
	conn  *pgxpool.Conn
	batch *pgx.Batch // what has not been sent yet
}

func (t *batchTx) exec(_ context.Context, sql string, args ...any) error {
	t.batch.Queue(sql, args...)
	return nil
}

func (t *batchTx) row(ctx context.Context, sql string, args []any, dest ...any) (bool, error) {
	before := t.batch.Len()
	t.batch.Queue(sql, args...)
	r := t.conn.SendBatch(ctx, t.batch)
	t.batch = &pgx.Batch{}
	for range before {
		if _, err := r.Exec(); err != nil {
			return false, errors.Join(err, r.Close())
		}
	}
	ok, err := found(r.QueryRow().Scan(dest...))
	return ok, errors.Join(err, r.Close())
}

func (t *batchTx) commit(ctx context.Context) error {
	t.batch.Queue("commit")
	err := t.conn.SendBatch(ctx, t.batch).Close()
	if err != nil {
		t.rollback(ctx)
		return err
	}
	t.conn.Release()
	return nil
}

func (t *batchTx) rollback(ctx context.Context) {
	_, _ = t.conn.Exec(ctx, "rollback")
	t.conn.Release()
}
