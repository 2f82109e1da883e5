//go:build fault

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

// Nothing is waited for for ever: a database that went silent is given up.
const (
	beginFor     = 3 * time.Second
	statementFor = 6 * time.Second
)

// openedStore is the store and what has to be closed with it.
type openedStore struct {
	*sqlstore.Store
	close func()
}

// openStore opens the database, with the failpoints around its transactions,
// and brings its tables up to date.
func openStore(ctx context.Context, name string, points *failpoints) (*openedStore, error) {
	opened := &openedStore{}
	var db sqlstore.Database
	dialect := sqlstore.PostgreSQL
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		file, err := sqlitedb.Open(path)
		if err != nil {
			return nil, err
		}
		db, dialect, opened.close = sqlstore.SQL(file.DB), sqlstore.SQLite, func() { _ = file.Close() }
	} else {
		pool, err := pgxq.Open(ctx, name)
		if err != nil {
			return nil, err
		}
		db, opened.close = pgxq.New(pool), pool.Close
	}
	store, err := sqlstore.New(failingDatabase{db, points}, dialect, sqlstore.Options{})
	if err == nil {
		err = store.Migrate(ctx)
	}
	if err == nil {
		err = wrapSchema(ctx, db)
	}
	if err != nil {
		opened.close()
		return nil, err
	}
	opened.Store = store
	return opened, nil
}

// failingDatabase has the points around transactions and bounds them in time.
type failingDatabase struct {
	sqlstore.Database
	points *failpoints
}

func (d failingDatabase) Begin(ctx context.Context, opts sqlstore.BeginOptions) (sqlstore.Tx, error) {
	if !opts.ReadOnly {
		d.points.hit(beforeBegin)
	}
	waiting, cancel := context.WithTimeout(ctx, beginFor+statementFor)
	defer cancel()
	tx, err := d.Database.Begin(waiting, opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "node: begin:", err)
		return nil, err
	}
	if opts.ReadOnly {
		return failingTx{tx, &failpoints{}}, nil
	}
	d.points.hit(afterBegin)
	failing := failingTx{tx, d.points}
	if p, ok := tx.(sqlstore.Pipelined); ok {
		return pipelinedTx{failing, p}, nil
	}
	return failing, nil
}

// pipelinedTx can keep statements back, as the adapter of pgx does.
type pipelinedTx struct {
	failingTx
	p sqlstore.Pipelined
}

func (t pipelinedTx) Later(sql string, args ...any) { t.p.Later(sql, args...) }

type failingTx struct {
	sqlstore.Tx
	points *failpoints
}

func (t failingTx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	t.points.hit(atStatement)
	ctx, cancel := context.WithTimeout(ctx, statementFor)
	defer cancel()
	return t.Tx.Exec(ctx, sql, args...)
}

func (t failingTx) Query(ctx context.Context, sql string, args ...any) (sqlstore.Rows, error) {
	t.points.hit(atStatement)
	ctx, cancel := context.WithTimeout(ctx, statementFor)
	rows, err := t.Tx.Query(ctx, sql, args...)
	if err != nil {
		cancel()
		return nil, err
	}
	return boundedRows{rows, cancel}, nil
}

func (t failingTx) Commit(ctx context.Context) error {
	t.points.hit(beforeCommit)
	ctx, cancel := context.WithTimeout(ctx, statementFor)
	defer cancel()
	err := t.Tx.Commit(ctx)
	if err == nil {
		t.points.hit(afterCommit)
	} else {
		fmt.Fprintln(os.Stderr, "node: commit:", err) // the SDK logs no text of an error
	}
	return err
}

func (t failingTx) Rollback(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beginFor)
	defer cancel()
	return t.Tx.Rollback(ctx)
}

// boundedRows keeps the time of its statement running until it is closed.
type boundedRows struct {
	sqlstore.Rows
	cancel context.CancelFunc
}

func (r boundedRows) Close() {
	r.Rows.Close()
	r.cancel()
}
