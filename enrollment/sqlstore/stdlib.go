package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// SQL adapts a database/sql pool. Where the dialect has a statement for it, it
// begins transactions with that on a connection of their own, because
// sql.TxOptions cannot say IMMEDIATE.
func SQL(db *sql.DB) Database { return sqlDB{sqlQuerier{db}, db} }

// SQLTx adapts a transaction of the embedder for [InTx]. A transaction on
// SQLite has to be begun IMMEDIATE, or to have written already.
func SQLTx(tx *sql.Tx) Querier { return sqlQuerier{tx} }

// SQLConn adapts one connection, such as one on which the embedder begins and
// ends transactions by statements of its own.
func SQLConn(conn *sql.Conn) Querier { return sqlQuerier{conn} }

type sqlDB struct {
	sqlQuerier
	db *sql.DB
}

func (d sqlDB) Begin(ctx context.Context, opts BeginOptions) (Tx, error) {
	if opts.Statement == "" {
		level := sql.LevelReadCommitted
		if opts.ReadOnly {
			level = sql.LevelRepeatableRead
		}
		conn, err := d.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		// Not with ctx: when that ends, database/sql rolls back behind our back,
		// and the rows are still locked when the caller has its answer.
		tx, err := conn.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: level, ReadOnly: opts.ReadOnly})
		if err != nil {
			return nil, errors.Join(err, ignoreDone(conn.Close()))
		}
		return driverTx{sqlQuerier{tx}, tx, conn}, nil
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx := &sqlTx{sqlQuerier{conn}, conn}
	if _, err := conn.ExecContext(ctx, opts.Statement); err != nil {
		if ctx.Err() != nil {
			tx.drop() // nobody knows whether it began
		}
		return nil, errors.Join(err, ignoreDone(conn.Close()))
	}
	return tx, nil
}

// driverTx is a transaction begun by the driver, which knows of a COMMIT that
// the database answered with ROLLBACK.
type driverTx struct {
	sqlQuerier
	tx   *sql.Tx
	conn *sql.Conn
}

func (t driverTx) Commit(context.Context) error { return t.end(t.tx.Commit()) }

func (t driverTx) Rollback(context.Context) error { return t.end(t.tx.Rollback()) }

func (t driverTx) end(err error) error {
	if closed := ignoreDone(t.conn.Close()); err == nil {
		err = closed
	}
	return err
}

// sqlTx is a transaction begun by a statement.
type sqlTx struct {
	sqlQuerier
	conn *sql.Conn
}

func (t *sqlTx) Commit(ctx context.Context) error {
	if _, err := t.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return errors.Join(err, t.Rollback(context.WithoutCancel(ctx)))
	}
	return t.conn.Close()
}

func (t *sqlTx) Rollback(ctx context.Context) error {
	_, err := t.conn.ExecContext(ctx, "ROLLBACK")
	if err != nil {
		t.drop()
	}
	return errors.Join(err, ignoreDone(t.conn.Close()))
}

// drop keeps a connection in an unknown state from going back to the pool.
func (t *sqlTx) drop() {
	_ = t.conn.Raw(func(any) error { return driver.ErrBadConn })
}

// ignoreDone forgets the complaint about closing what was dropped.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// sqlQuerier is whatever of database/sql runs statements.
type sqlQuerier struct {
	q interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (s sqlQuerier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s sqlQuerier) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	rows, err := s.q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return sqlRows{rows}, nil
}

// sqlRows closes without an answer: Err has said what there is to say.
type sqlRows struct{ *sql.Rows }

func (r sqlRows) Close() { _ = r.Rows.Close() }
