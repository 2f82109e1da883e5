package sqlstore

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// Dialect is what differs between database systems. The statements themselves
// are the same for all.
type Dialect struct {
	name        string
	migrations  fs.FS                // NNNN_name.sql
	oneWriter   bool                 // one transaction writes at a time, so callers share its commit
	beginWrite  string               // begins a transaction that writes; empty: as the driver does
	beginRead   string               // begins one that sees one state; empty: as the driver does
	lock        string               // after a SELECT: keeps others from changing its rows
	exclusive   string               // waits until nobody else holds the name given, until the transaction ends; empty: oneWriter
	placeholder func(n int) string   // of the n-th argument; nil: ?
	hasVersions string               // has a row if there is a table of versions
	maxArgs     int                  // of one statement
	taken       func(err error) bool // whether a unique index refused a row
	touch       string               // Touch in one statement; empty: it takes several
	aborts      bool                 // an error ends the transaction, or takes it back to a savepoint
	again       func(err error) bool // whether the unit might succeed if it is run again; nil: never
}

// String returns the dialect's name.
func (d Dialect) String() string { return d.name }

// SQLite is SQLite 3.35 or later. See the package comment for the pragmas that
// it needs.
var SQLite = Dialect{
	name:        "sqlite",
	migrations:  below("migrations/sqlite"),
	oneWriter:   true,
	beginWrite:  "BEGIN IMMEDIATE", // a deferred one fails with SQLITE_BUSY when it first writes, whatever the timeout
	beginRead:   "BEGIN DEFERRED",
	hasVersions: "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '~versions'",
	maxArgs:     32766, // SQLITE_MAX_VARIABLE_NUMBER since 3.32
	taken: func(err error) bool {
		const constraintPrimaryKey, constraintUnique = 1555, 2067
		var coded interface {
			error
			Code() int
		}
		return errors.As(err, &coded) && (coded.Code() == constraintUnique || coded.Code() == constraintPrimaryKey)
	},
}

// PostgreSQL is PostgreSQL 13 or later, through pgx: arrays are passed as Go
// slices. Units run at read committed, with row locks.
var PostgreSQL = Dialect{
	name:        "postgresql",
	migrations:  below("migrations/postgresql"),
	lock:        " FOR UPDATE",
	exclusive:   "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
	placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
	// Not to_regclass, which may answer from before another's migration.
	hasVersions: `SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = '~versions' AND
		(schemaname || '.' || tablename = '@versions' OR tablename = '@versions' AND schemaname = ANY (current_schemas(false)))`,
	maxArgs: 65535,
	taken:   func(err error) bool { return sqlState(err) == "23505" },
	touch:   touchRows,
	aborts:  true,
	again: func(err error) bool {
		const serializationFailure, deadlockDetected = "40001", "40P01"
		state := sqlState(err)
		return state == serializationFailure || state == deadlockDetected
	},
}

// hold waits until no other transaction holds name in these tables, and holds it
// until the transaction ends. It keeps nobody from reading or writing.
func (d Dialect) hold(ctx context.Context, q Querier, o Options, name string) error {
	if d.exclusive == "" {
		return nil
	}
	rows, err := q.Query(ctx, d.render(o, d.exclusive), d.render(o, "@")+name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// sqlState returns the SQLSTATE of an error, as pgx and others tell it.
func sqlState(err error) string {
	var stated interface {
		error
		SQLState() string
	}
	if errors.As(err, &stated) {
		return stated.SQLState()
	}
	return ""
}

func below(dir string) fs.FS {
	sub, err := fs.Sub(migrations, dir)
	if err != nil {
		panic(err) // dir is a constant
	}
	return sub
}

// render turns the SQL of this package into that of the dialect: @name is the
// table of that name, ~name an index, ? the next argument.
func (d Dialect) render(o Options, text string) string {
	var b strings.Builder
	args := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '@':
			if o.Schema != "" {
				b.WriteString(o.Schema)
				b.WriteByte('.')
			}
			b.WriteString(o.Prefix)
		case c == '~':
			b.WriteString(o.Prefix)
		case c == '?' && d.placeholder != nil:
			args++
			b.WriteString(d.placeholder(args))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
