// Package sqlitedb opens the reference server's SQLite file so that what is
// acknowledged survives: with a write-ahead log, a full sync at every commit,
// and one server per file.
package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite" // also the driver "sqlite"
)

// DB is an open file. Close releases it for another server.
type DB struct {
	*sql.DB
	lock *os.File // nil: opened beside a server
}

// pragmas are what every connection is opened with; the comment of package
// sqlstore says why.
var pragmas = []struct{ name, value, want string }{
	{"busy_timeout", "5000", "5000"}, // first, so that the others wait
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "ON", "1"},
}

// Open opens a database file, or makes it. It refuses a file that another
// process, or another Open, holds, and a file that it cannot write to.
func Open(path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	db, err := open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlitedb: open %s: %w", path, err), lock.Close())
	}
	return &DB{db, lock}, nil
}

// OpenBeside opens a file that is there without taking it from a server that has
// it open, for an operator's commands: SQLite's own locks keep their writes apart.
func OpenBeside(path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	db, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: open %s: %w", path, err)
	}
	return &DB{db, nil}, nil
}

// OpenReadOnly opens a file that is there for looking at it, also while a server
// has it open.
func OpenReadOnly(path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)", "query_only(1)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: open %s: %w", path, err)
	}
	if err := db.PingContext(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlitedb: open %s: %w", path, err), db.Close())
	}
	return &DB{db, nil}, nil
}

// Close closes the database and releases the file.
func (db *DB) Close() error {
	if db.lock == nil {
		return db.DB.Close()
	}
	return errors.Join(db.DB.Close(), db.lock.Close())
}

func open(path string) (*sql.DB, error) {
	// The file is opened for writing here, because SQLite would silently open
	// one that may not be written for reading alone. It holds what only the
	// server may read.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(dsn(path))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(keeping{connector})
	if err := check(context.Background(), db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func dsn(path string) string {
	q := url.Values{"_txlock": {"immediate"}} // for transactions that database/sql begins
	for _, p := range pragmas {
		q.Add("_pragma", p.name+"("+p.value+")")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// check reads back what was asked for, because SQLite answers a pragma that it
// cannot follow with silence.
func check(ctx context.Context, db *sql.DB) error {
	for _, p := range pragmas {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return err
		}
		if got != p.want {
			return fmt.Errorf("%s is %s, want %s: is the file on a local disk?", p.name, got, p.want)
		}
	}
	return nil
}
