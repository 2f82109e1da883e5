//go:build fault && mutant_sent_before_send

package main

import (
	"context"
	"time"

	"example.com/enrollkit/enrollment"
)

// The mistake: a message is marked as delivered when it is taken from the
// outbox, so that one whose process dies before the mail server has it is never
// sent.
func init() {
	mutateStorage = func(s enrollment.Storage) enrollment.Storage { return doneFirst{s} }
}

type doneFirst struct{ enrollment.Storage }

func (s doneFirst) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, doneFirstTx{tx}) })
}

type doneFirstTx struct{ enrollment.Tx }

func (t doneFirstTx) Outbox() enrollment.Outbox { return doneFirstOutbox{t.Tx.Outbox()} }

type doneFirstOutbox struct{ enrollment.Outbox }

func (o doneFirstOutbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]enrollment.Message, error) {
	list, err := o.Outbox.Claim(ctx, now, lease, limit)
	for _, m := range list {
		if err == nil {
			err = o.Outbox.Finish(ctx, m.Site, m.ID, m.Fence, enrollment.Outcome{Status: enrollment.MessageDone, At: now})
		}
	}
	return list, err
}

func (o doneFirstOutbox) Finish(context.Context, string, string, int64, enrollment.Outcome) error {
	return nil
}
