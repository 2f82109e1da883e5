package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"example.com/enrollkit/enrollment"
)

// unit is one unit of work: the enrollment.Tx of its fn. Every statement goes
// through exec or query, which refuse what a unit may not do.
//
// In a transaction that belongs to others as well, a statement is never
// interrupted: SQLite rolls back the whole transaction when it interrupts a
// write, and with it the units of other callers. The context is looked at
// between statements instead.
type unit struct {
	q        Querier
	rendered *rendered
	readOnly bool
	own      bool // the transaction is this unit's alone
	ended    bool
	broken   error             // of a statement that failed for no reason of ours
	appended *enrollment.Event // the first one that this unit appended
}

func newUnit(q Querier, r *rendered) *unit { return &unit{q: q, rendered: r} }

func (u *unit) Users() enrollment.Users             { return users{u} }
func (u *unit) Invitations() enrollment.Invitations { return invitations{u} }
func (u *unit) Credentials() enrollment.Credentials { return creds{u} }
func (u *unit) Counters() enrollment.Counters       { return counters{u} }
func (u *unit) Sightings() enrollment.Sightings     { return sightings{u} }
func (u *unit) Devices() enrollment.Devices         { return devices{u} }
func (u *unit) Contacts() enrollment.Contacts       { return contacts{u} }
func (u *unit) Slots() enrollment.Slots             { return slots{u} }
func (u *unit) Journal() enrollment.Journal         { return journal{u} }
func (u *unit) Outbox() enrollment.Outbox           { return outbox{u} }
func (u *unit) Records() enrollment.Records         { return records{u} }

// run runs fn on a savepoint. Whatever ends fn but a nil error undoes what it
// wrote; broken says that this was not possible, so that the transaction is
// lost.
func (u *unit) run(ctx context.Context, fn func(context.Context, enrollment.Tx) error) (err error, broken bool) {
	sure := context.WithoutCancel(ctx)
	if err := ctx.Err(); err != nil {
		return err, false
	}
	if _, err := u.q.Exec(sure, "SAVEPOINT enroll_unit"); err != nil {
		return fmt.Errorf("sqlstore: savepoint: %w", err), true
	}
	kept := false
	defer func() {
		u.ended = true
		if kept {
			return
		}
		if failed := rollbackTo(sure, u.q, "enroll_unit"); failed != nil {
			err, broken = errors.Join(err, failed), true
		}
	}()
	if err := fn(mark(ctx), u); err != nil {
		return err, false
	}
	if err := errors.Join(u.broken, ctx.Err()); err != nil {
		return err, false
	}
	if _, err := u.q.Exec(sure, "RELEASE enroll_unit"); err != nil {
		return fmt.Errorf("sqlstore: release: %w", err), false
	}
	kept = true
	return nil, false
}

// rollbackTo undoes what was done since a savepoint, and removes it.
func rollbackTo(ctx context.Context, q Querier, savepoint string) error {
	for _, statement := range []string{"ROLLBACK TO ", "RELEASE "} {
		if _, err := q.Exec(ctx, statement+savepoint); err != nil {
			return fmt.Errorf("sqlstore: rollback: %w", err)
		}
	}
	return nil
}

// sure returns the context of a statement that writes.
func (u *unit) sure(ctx context.Context) context.Context {
	if u.own {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// all runs a write of several statements so that it is done or not done, and fn
// may go on after an error.
func (u *unit) all(ctx context.Context, write func() error) error {
	sure := u.sure(ctx)
	if err := u.may(ctx, true); err != nil {
		return err
	}
	if err := u.later(ctx, "SAVEPOINT enroll_write"); err != nil {
		return err
	}
	if err := write(); err != nil {
		if u.broken != nil { // with the savepoint or without it, the unit is over
			return err
		}
		if failed := rollbackTo(sure, u.q, "enroll_write"); failed != nil {
			return errors.Join(err, u.fail(failed))
		}
		return err
	}
	return u.later(ctx, "RELEASE enroll_write")
}

// guard runs a write of one statement that a unique index may refuse, so that fn
// may go on after that.
func (u *unit) guard(ctx context.Context, write func() error) error {
	if u.rendered.dialect.aborts {
		return u.all(ctx, write)
	}
	return write()
}

// may says whether a statement may run.
func (u *unit) may(ctx context.Context, write bool) error {
	switch {
	case u.ended:
		return ErrEnded
	case write && u.readOnly:
		return ErrReadOnly
	case u.broken != nil:
		return u.broken
	}
	return ctx.Err()
}

// fail judges the error of a statement. A unique index refuses a row and leaves
// the transaction as it was; after anything else nobody knows, so the unit ends.
func (u *unit) fail(err error) error {
	var earlier *EarlierError // of which nobody asked whether a row is taken
	if !errors.As(err, &earlier) && u.rendered.dialect.taken(err) {
		return fmt.Errorf("%w: %w", enrollment.ErrExists, err)
	}
	return u.lost(fmt.Errorf("sqlstore: %w", err))
}

// lost ends the unit with an error.
func (u *unit) lost(err error) error {
	u.broken = err
	return err
}

// exec runs a statement that writes and returns how many rows it affected.
func (u *unit) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := u.may(ctx, true); err != nil {
		return 0, err
	}
	if err := plain(args); err != nil {
		return 0, err
	}
	n, err := u.q.Exec(u.sure(ctx), u.rendered.text(text), args...)
	if err != nil {
		return 0, u.fail(cmpErr(u.sure(ctx), err))
	}
	return n, nil
}

// later runs a statement that writes and that only a broken database refuses,
// together with the next one if the Querier can.
func (u *unit) later(ctx context.Context, text string, args ...any) error {
	p, ok := u.q.(Pipelined)
	if !ok {
		_, err := u.exec(ctx, text, args...)
		return err
	}
	if err := u.may(ctx, true); err != nil {
		return err
	}
	if err := plain(args); err != nil {
		return err
	}
	p.Later(u.rendered.text(text), args...)
	return nil
}

// read runs a statement that returns rows and calls scan for each.
func (u *unit) read(ctx context.Context, text string, args []any, scan func(Rows) error) error {
	return u.rows(ctx, false, text, args, scan)
}

// change is read for a statement that writes.
func (u *unit) change(ctx context.Context, text string, args []any, scan func(Rows) error) error {
	return u.rows(ctx, true, text, args, scan)
}

func (u *unit) rows(ctx context.Context, write bool, text string, args []any, scan func(Rows) error) error {
	if err := u.may(ctx, write); err != nil {
		return err
	}
	if err := plain(args); err != nil {
		if write {
			return err
		}
		args = matchless(args)
	}
	if !u.readOnly {
		ctx = u.sure(ctx)
	}
	rows, err := u.q.Query(ctx, u.rendered.text(text), args...)
	if err != nil {
		return u.fail(cmpErr(ctx, err))
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return u.fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return u.fail(cmpErr(ctx, err))
	}
	return nil
}

// lock keeps others from changing the rows of a SELECT, where the unit may
// write and the dialect needs to be told.
func (u *unit) lock() string {
	if u.readOnly {
		return ""
	}
	return u.rendered.dialect.lock
}

// rendered keeps the statements of a store in its dialect's words.
type rendered struct {
	dialect Dialect
	options Options

	mu    sync.RWMutex
	texts map[string]string
}

// maxRendered bounds the memory: statements of many rows have many lengths.
const maxRendered = 1024

func newRendered(d Dialect, o Options) *rendered {
	return &rendered{dialect: d, options: o, texts: map[string]string{}}
}

func (r *rendered) text(text string) string {
	r.mu.RLock()
	known, ok := r.texts[text]
	r.mu.RUnlock()
	if ok {
		return known
	}
	known = r.dialect.render(r.options, text)
	r.mu.Lock()
	if len(r.texts) < maxRendered {
		r.texts[text] = known
	}
	r.mu.Unlock()
	return known
}
