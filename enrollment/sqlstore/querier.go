package sqlstore

import "context"

// Querier runs statements, on a connection or in a transaction. It is what a
// driver is adapted to: [SQL] and [SQLTx] adapt database/sql.
type Querier interface {
	// Exec runs a statement and returns how many rows it affected.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Query runs a statement that returns rows.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
}

// Pipelined is a Querier that can keep a statement back until the next one, so
// that both take one round trip. A Querier need not be one; pgxq is.
type Pipelined interface {
	Querier
	// Later runs a statement before whatever runs next, a commit included. If
	// it fails, so does that, with an [*EarlierError], and has not been run.
	Later(sql string, args ...any)
}

// EarlierError is why a statement that was kept back failed, told by the one
// that followed it.
type EarlierError struct{ Err error }

// Error implements error.
func (e *EarlierError) Error() string { return "earlier statement: " + e.Err.Error() }

// Unwrap returns what the database said.
func (e *EarlierError) Unwrap() error { return e.Err }

// Rows is the answer of a statement. Only one is open at a time.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// Tx is a transaction. Nothing is called after Commit or Rollback.
type Tx interface {
	Querier
	// Commit makes everything durable, or returns an error, after which
	// nothing more is known than that it was asked for.
	Commit(ctx context.Context) error
	// Rollback undoes everything. If it cannot, it gives up the connection.
	Rollback(ctx context.Context) error
}

// Database begins transactions. It is safe for concurrent use.
type Database interface {
	Querier
	Begin(ctx context.Context, opts BeginOptions) (Tx, error)
}

// BeginOptions say what transaction to begin.
type BeginOptions struct {
	// ReadOnly says that nothing will be written.
	ReadOnly bool
	// Statement is the statement that begins it in the words of the dialect,
	// such as "BEGIN IMMEDIATE". If it is empty, the driver's own way will do:
	// at read committed, or with ReadOnly so that all statements see one state
	// (repeatable read).
	Statement string
}
