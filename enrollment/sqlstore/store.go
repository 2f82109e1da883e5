package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"example.com/enrollkit/enrollment"
)

var (
	// ErrNested refuses a unit of work inside a unit of work.
	ErrNested = errors.New("sqlstore: unit of work inside a unit of work")
	// ErrReadOnly refuses to write in a unit that only views.
	ErrReadOnly = errors.New("sqlstore: write in a unit that only views")
	// ErrEnded refuses to use a transaction after its unit.
	ErrEnded = errors.New("sqlstore: used after the unit of work")
	// ErrText refuses a text that no database keeps: with a NUL or with
	// invalid UTF-8.
	ErrText = errors.New("sqlstore: text with NUL or invalid UTF-8")
)

// Store is an [enrollment.Storage] in a database. It is safe for concurrent use.
type Store struct {
	db         Database
	dialect    Dialect
	options    Options
	migrations []Migration
	rendered   *rendered
	group      group
	touches    gather
}

var _ enrollment.Storage = (*Store)(nil)

// New returns a store in db. It does not touch the database: call
// [Store.Migrate] or [Store.Check] before use.
func New(db Database, d Dialect, o Options) (*Store, error) {
	steps, err := Migrations(d, o)
	if err != nil {
		return nil, err
	}
	o, _ = o.withDefaults() // Migrations has validated them
	s := &Store{db: db, dialect: d, options: o, migrations: steps, rendered: newRendered(d, o)}
	s.group.begin = func(ctx context.Context) (Tx, error) {
		return db.Begin(ctx, BeginOptions{Statement: d.beginWrite})
	}
	s.touches.run = s.touchAlone
	return s, nil
}

// Update implements [enrollment.Storage]. fn runs on the caller's goroutine. On
// SQLite it runs once, in a transaction that it may share with other callers'
// units; on PostgreSQL in one of its own, and again if the database gave up on
// that.
func (s *Store) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if nested(ctx) {
		return ErrNested
	}
	if !s.dialect.oneWriter {
		return s.alone(ctx, fn)
	}
	return s.group.do(ctx, func(b *batch) error {
		u := newUnit(b.tx, s.rendered)
		err, broken := u.run(ctx, fn)
		if broken {
			b.broken = err
		}
		return err
	})
}

// View implements [enrollment.Storage].
func (s *Store) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if nested(ctx) {
		return ErrNested
	}
	tx, err := s.db.Begin(ctx, BeginOptions{ReadOnly: true, Statement: s.dialect.beginRead})
	if err != nil {
		return fmt.Errorf("sqlstore: begin: %w", cmpErr(ctx, err))
	}
	u := newUnit(tx, s.rendered)
	u.readOnly = true
	// There is nothing to commit, and a rollback cannot be refused.
	defer func() {
		u.ended = true
		undo(ctx, tx)
	}()
	if err := fn(mark(ctx), u); err != nil {
		return err
	}
	return errors.Join(u.broken, ctx.Err())
}

// inUnit marks the context that a unit of work hands on.
type inUnit struct{}

func mark(ctx context.Context) context.Context { return context.WithValue(ctx, inUnit{}, true) }

func nested(ctx context.Context) bool { return ctx.Value(inUnit{}) != nil }

// cmpErr returns why ctx ended, if it did, as drivers name it differently.
func cmpErr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
