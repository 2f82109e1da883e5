//go:build fault && mutant_outbox_outside

package main

import (
	"context"

	"example.com/enrollkit/enrollment"
)

// The mistake: what has to be told is put into the outbox after the unit in
// which it happened, in a unit of its own.
func init() {
	mutateStorage = func(s enrollment.Storage) enrollment.Storage { return toldAfter{s} }
}

type toldAfter struct{ enrollment.Storage }

func (s toldAfter) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	var later []enrollment.Message
	err := s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		later = nil
		return fn(ctx, toldAfterTx{tx, &later})
	})
	if err != nil || len(later) == 0 {
		return err
	}
	return s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		return tx.Outbox().Put(ctx, later...)
	})
}

type toldAfterTx struct {
	enrollment.Tx
	later *[]enrollment.Message
}

func (t toldAfterTx) Outbox() enrollment.Outbox { return toldAfterOutbox{t.Tx.Outbox(), t.later} }

type toldAfterOutbox struct {
	enrollment.Outbox
	later *[]enrollment.Message
}

func (o toldAfterOutbox) Put(_ context.Context, list ...enrollment.Message) error {
	*o.later = append(*o.later, list...)
	return nil
}
