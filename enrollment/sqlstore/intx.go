package sqlstore

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// InTx returns a storage whose units run on savepoints of q, a transaction of
// the embedder: a unit that fails leaves it as it was, and nothing is durable
// before the embedder commits. Units are never retried. Spend returns
// [enrollment.ErrOwnTransaction]. Units of several goroutines take turns; the
// embedder's own statements have to wait for them.
func (s *Store) InTx(q Querier) enrollment.Storage {
	return inTx{q: q, rendered: s.rendered, turn: make(chan struct{}, 1)}
}

// InTx is [Store.InTx] without a store.
func InTx(q Querier, d Dialect, o Options) (enrollment.Storage, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return inTx{q: q, rendered: newRendered(d, o), turn: make(chan struct{}, 1)}, nil
}

// Conn returns the transaction of a unit of this package, so that the
// embedder's rows are written with it: the statements are the embedder's, as
// the database takes them. It is valid inside the unit only; in a View it
// refuses Exec.
func Conn(tx enrollment.Tx) (Querier, bool) {
	u, ok := tx.(*unit)
	if !ok {
		return nil, false
	}
	return conn{u}, true
}

type conn struct{ u *unit }

func (c conn) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := c.u.may(ctx, true); err != nil {
		return 0, err
	}
	n, err := c.u.q.Exec(c.u.sure(ctx), sql, args...)
	if err != nil && c.u.rendered.dialect.aborts {
		return n, c.u.lost(err)
	}
	return n, err
}

func (c conn) Query(ctx context.Context, sql string, args ...any) (Rows, error) {
	if err := c.u.may(ctx, false); err != nil {
		return nil, err
	}
	rows, err := c.u.q.Query(c.u.sure(ctx), sql, args...)
	if !c.u.rendered.dialect.aborts {
		return rows, err
	}
	if err != nil {
		return nil, c.u.lost(err)
	}
	return watchedRows{rows, c.u}, nil
}

// watchedRows end the unit with the error that ended them, where an error ends
// the transaction.
type watchedRows struct {
	Rows
	u *unit
}

func (r watchedRows) Close() {
	r.Rows.Close()
	_ = r.Err()
}

func (r watchedRows) Err() error {
	err := r.Rows.Err()
	if err != nil {
		return r.u.lost(err)
	}
	return nil
}

type inTx struct {
	q        Querier
	rendered *rendered
	turn     chan struct{} // holds one while a unit runs
}

func (s inTx) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.unit(ctx, false, fn)
}

func (s inTx) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.unit(ctx, true, fn)
}

func (s inTx) Spend(context.Context, time.Time, []credentials.Limit, ...[]credentials.Limit) (enrollment.Spent, error) {
	return enrollment.Spent{}, enrollment.ErrOwnTransaction
}

func (s inTx) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	return touch(ctx, s.Update, touches)
}

func (s inTx) unit(ctx context.Context, readOnly bool, fn func(context.Context, enrollment.Tx) error) error {
	if nested(ctx) {
		return ErrNested
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	u := newUnit(s.q, s.rendered)
	u.readOnly = readOnly
	err, broken := u.run(ctx, fn)
	if broken {
		return errors.Join(err, ErrBroken)
	}
	return err
}

// ErrBroken says that a unit could not be undone: the embedder has to roll its
// transaction back.
var ErrBroken = errors.New("sqlstore: the transaction is lost, roll it back")
