package pgxq

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/enrollkit/enrollment/sqlstore"
)

// transaction is a connection with a transaction that begins with its first
// statement and whose last statements may travel with the COMMIT: a unit of few
// statements is mostly round trips.
type transaction struct {
	pipeline
	conn *pgxpool.Conn
}

const (
	beginWrite = "begin isolation level read committed"
	beginRead  = "begin isolation level repeatable read read only"
)

func (d database) Begin(ctx context.Context, opts sqlstore.BeginOptions) (sqlstore.Tx, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	t := &transaction{pipeline{querier: querier{conn}, sender: conn}, conn}
	switch {
	case opts.Statement != "":
		t.Later(opts.Statement)
	case opts.ReadOnly:
		t.Later(beginRead)
	default:
		t.Later(beginWrite)
	}
	return t, nil
}

// Commit gives the connection back, and the pool keeps it only if it is idle.
func (t *transaction) Commit(ctx context.Context) error {
	defer t.conn.Release()
	tag, err := t.exec(ctx, "commit")
	switch {
	case err != nil:
		_, _ = t.conn.Exec(ctx, "rollback") // err says what happened
		return err
	case tag.String() == "ROLLBACK":
		return pgx.ErrTxCommitRollback
	}
	return nil
}

func (t *transaction) Rollback(ctx context.Context) error {
	defer t.conn.Release()
	if t.conn.Conn().PgConn().TxStatus() == 'I' { // nothing was sent
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	return err
}
