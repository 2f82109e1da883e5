//go:build fault && mutant_select_then_update

package main

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// The mistake: a try is spent by a look at the counter and a write of what was
// seen plus one, in two transactions, so that tries at the same time count as
// one.
func init() {
	mutateStorage = func(s enrollment.Storage) enrollment.Storage { return twoSteps{s} }
}

type twoSteps struct{ enrollment.Storage }

func (s twoSteps) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := standing(ctx, s.Storage, now, gate, groups)
	if err != nil || spent.Refused {
		return spent, err
	}
	write := append([]credentials.Counter{}, spent.Gate...)
	for _, group := range spent.Groups {
		if group.OK {
			write = append(write, group.Counters...)
		}
	}
	store := s.Storage.(*sqlstore.Store)
	err = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		q, _ := sqlstore.Conn(tx)
		for _, c := range write {
			if _, err := q.Exec(ctx, store.Render(`INSERT INTO @counters (key, n, start_at, last_at, expires_at) VALUES (?, ?, ?, ?, 0)
				ON CONFLICT (key) DO UPDATE SET n = excluded.n, last_at = excluded.last_at`),
				c.Key, c.N, c.Start.UnixMicro(), c.Last.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	return spent, err
}
