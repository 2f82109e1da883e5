package database

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	// Store is enrollkit's part. Its statements are bounded in time on
	// PostgreSQL.
	Store *sqlstore.Store
	// Signals wake the nodes that share the database.
	Signals *Signals

	own     Conn              // the server's own statements, each by itself
	patient sqlstore.Database // without bounds, for migrations
	dialect dialect
	file    *sqlitedb.DB  // nil on PostgreSQL
	pool    *pgxpool.Pool // nil on SQLite
}

// Options say how to open a database. The zero value is the strictest.
type Options struct {
	// AllowUnsafe takes a PostgreSQL server that may lose what it has
	// acknowledged (fsync=off, synchronous_commit=off).
	AllowUnsafe bool
	// Beside opens a SQLite file that a running server may hold, ReadOnly the
	// same for looking alone. On PostgreSQL they mean nothing.
	Beside, ReadOnly bool
}

// closeFor is how long connections in use are waited for.
const closeFor = time.Second

// openFor is how long PostgreSQL may take to answer at the start.
const openFor = 5 * time.Second

// poolSize is how many connections one server has unless the URL says
// otherwise.
const poolSize = "24"

// IsPostgres reports whether a name means a PostgreSQL database.
func IsPostgres(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}

// Redacted returns a name without its password and options.
func Redacted(name string) string {
	if !IsPostgres(name) {
		return name
	}
	u, err := url.Parse(name)
	if err != nil {
		return "postgres://[redacted]"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// Open opens the database of a name, sqlite:PATH or postgres://..., and changes
// nothing in it. Its errors are one line that says what to do.
func Open(ctx context.Context, name string, o Options) (*DB, error) {
	if IsPostgres(name) {
		return openPostgres(ctx, name, o)
	}
	return openSQLite(strings.TrimPrefix(name, "sqlite:"), o)
}

func openSQLite(path string, o Options) (db *DB, err error) {
	db = &DB{dialect: sqlite, Signals: newSignals(nil)}
	open := sqlitedb.Open
	switch {
	case o.ReadOnly:
		open = sqlitedb.OpenReadOnly
	case o.Beside:
		open = sqlitedb.OpenBeside
	}
	db.file, err = open(path)
	if err != nil {
		return nil, err
	}
	db.patient = sqlstore.SQL(db.file.DB)
	return db.finish(db.patient)
}

func openPostgres(ctx context.Context, name string, o Options) (*DB, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, errors.New("-database: this is no URL; want postgres://user:password@host:5432/name")
	}
	q := u.Query()
	if !q.Has("connect_timeout") { // or a connection may be waited for for minutes
		q.Set("connect_timeout", "3")
	}
	if !q.Has("pool_max_conns") { // pgx's own default is the number of cores, which one import would hold
		q.Set("pool_max_conns", poolSize)
	}
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	open := pgxq.Open
	if o.AllowUnsafe {
		open = pgxq.Connect
	}
	pool, err := open(ctx, u.String())
	switch {
	case errors.Is(err, pgxq.ErrUnsafe):
		return nil, fmt.Errorf("%w, or start with -allow-unsafe-database", oneLine(err))
	case errors.Is(err, pgxq.ErrSimpleProtocol):
		return nil, fmt.Errorf("-database: %w", oneLine(err))
	case errors.As(err, new(*pgconn.ParseConfigError)): // its text quotes the URL
		return nil, errors.New("-database: the options of the URL are none of PostgreSQL's: look at sslmode, connect_timeout, pool_max_conns and the like")
	case err != nil:
		return nil, fmt.Errorf("the database does not answer: start PostgreSQL, or correct -database: %w", oneLine(err))
	}
	signals := newSignals(pool)
	if pool.Config().ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeExec {
		// Behind a pooler a LISTEN would stay with a connection that is others'
		// by now.
		signals = newSignals(nil)
	}
	db := &DB{dialect: postgres, pool: pool, patient: pgxq.New(pool), Signals: signals}
	return db.finish(bounded{db.patient, beginFor, statementFor})
}

// oneLine keeps an error and puts its text on one line.
func oneLine(err error) error { return lineError{err} }

type lineError struct{ err error }

func (e lineError) Error() string { return strings.Join(strings.Fields(e.err.Error()), " ") }
func (e lineError) Unwrap() error { return e.err }

func (db *DB) finish(q sqlstore.Database) (*DB, error) {
	store, err := sqlstore.New(q, db.dialect.sdk, sqlstore.Options{})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.Store, db.own = store, Conn{q, db.dialect}
	return db, nil
}

// Close gives up every connection, and releases the file.
func (db *DB) Close() error {
	if db.file != nil {
		return db.file.Close()
	}
	closed := make(chan struct{})
	go func() {
		db.pool.Close() // which waits for every connection that is in use
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-time.After(closeFor):
		return errors.New("database: a connection is still in use")
	}
}

// Pool returns the pool of connections, nil on SQLite.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// forget closes the connections of before, of which a server that went away has told
// nobody.
func (db *DB) forget() {
	if db.pool != nil {
		db.pool.Reset()
	}
}

// Shared reports whether other nodes may run on the same database.
func (db *DB) Shared() bool { return db.pool != nil }

// Unbounded returns the store without bounds in time, for what goes through all
// of it.
func (db *DB) Unbounded() *sqlstore.Store {
	store, err := sqlstore.New(db.patient, db.dialect.sdk, sqlstore.Options{})
	if err != nil {
		panic(err) // finish has made the same
	}
	return store
}

// CopyTo copies a SQLite file, as it is at one moment, to one that is empty or not
// there.
func (db *DB) CopyTo(ctx context.Context, path string) error {
	_, err := db.patient.Exec(ctx, `VACUUM INTO ?`, path)
	if err != nil {
		return fmt.Errorf("database: copy: %w", err)
	}
	return nil
}

// Update runs fn in a unit of work of the store, once or more: on PostgreSQL
// again after a deadlock, so fn has no effect but its statements and starts from
// nothing each time.
func (db *DB) Update(ctx context.Context, fn func(ctx context.Context, c Conn) error) error {
	return db.Store.Update(ctx, db.with(fn))
}

// View runs fn in a unit that sees one state and changes nothing.
func (db *DB) View(ctx context.Context, fn func(ctx context.Context, c Conn) error) error {
	return db.Store.View(ctx, db.with(fn))
}

func (db *DB) with(fn func(ctx context.Context, c Conn) error) func(context.Context, enrollment.Tx) error {
	return func(ctx context.Context, tx enrollment.Tx) error {
		q, ok := sqlstore.Conn(tx)
		if !ok {
			return errors.New("database: a unit of another store")
		}
		return fn(ctx, Conn{q, db.dialect})
	}
}

// Exec runs one statement that writes, in a unit of its own, and returns how
// many rows it affected.
func (db *DB) Exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = db.Update(ctx, func(ctx context.Context, c Conn) error {
		n, err = c.Exec(ctx, text, args...)
		return err
	})
	return n, err
}

// Row is [Conn.Row] without a unit around it.
func (db *DB) Row(ctx context.Context, text string, args []any, to ...any) error {
	return db.own.Row(ctx, text, args, to...)
}

// Rows is [Conn.Rows] without a unit around it.
func (db *DB) Rows(ctx context.Context, text string, args []any, scan func(Scanner) error) error {
	return db.own.Rows(ctx, text, args, scan)
}
