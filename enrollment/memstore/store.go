package memstore

import (
	"context"
	"errors"
	"fmt"

	"example.com/enrollkit/enrollment"
)

var _ enrollment.Storage = (*Store)(nil)

var (
	errNested   = errors.New("memstore: a unit of work inside a unit of work")
	errReadOnly = errors.New("memstore: write in a unit that only reads")
	errOver     = errors.New("memstore: the unit of work is over")
)

// Store keeps everything in memory. It is safe for concurrent use.
type Store struct {
	turn chan struct{} // holds an element while a unit runs
	data *data
}

// New returns an empty store.
func New() *Store {
	return &Store{turn: make(chan struct{}, 1), data: newData()}
}

// Update implements [enrollment.Storage]. It runs fn once.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx enrollment.Tx) error) error {
	return s.unit(ctx, true, func(ctx context.Context, t *tx) error { return fn(ctx, t) })
}

// View implements [enrollment.Storage]. It runs fn once.
func (s *Store) View(ctx context.Context, fn func(ctx context.Context, tx enrollment.Tx) error) error {
	return s.unit(ctx, false, func(ctx context.Context, t *tx) error { return fn(ctx, t) })
}

// inUnit marks the context of a unit of work of one store.
type inUnit struct{ *Store }

// unit runs fn when nobody else runs. Whatever way fn is left by, what it did is
// undone unless it returned nil and ctx is not done.
func (s *Store) unit(ctx context.Context, mayWrite bool, fn func(context.Context, *tx) error) error {
	if ctx.Value(inUnit{s}) != nil {
		return errNested
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return cancelled(ctx)
	}
	t := &tx{data: s.data, mayWrite: mayWrite, began: s.data.appended}
	committed := false
	defer func() {
		if !committed {
			t.undoTo(0)
		}
		t.over = true
		<-s.turn
	}()
	if err := cancelled(ctx); err != nil {
		return err
	}
	if err := fn(context.WithValue(ctx, inUnit{s}, true), t); err != nil {
		return err
	}
	if err := cancelled(ctx); err != nil {
		return err
	}
	committed = true
	return nil
}

func cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %w", err)
	}
	return nil
}
