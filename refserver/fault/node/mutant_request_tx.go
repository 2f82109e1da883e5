//go:build fault && mutant_try_in_request

package main

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// The mistake: a try is counted in the transaction of the request, which
// commits after the comparison, so that whoever dies or hangs up in between has
// guessed for nothing.
func init() {
	mutateStorage = func(s enrollment.Storage) enrollment.Storage { return lateSpend{s} }
}

type lateSpend struct{ enrollment.Storage }

// countLater is how long the rest of the request takes.
const countLater = 20 * time.Millisecond

func (s lateSpend) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := standing(ctx, s.Storage, now, gate, groups)
	if err != nil || spent.Refused {
		return spent, err
	}
	go func() {
		time.Sleep(countLater)
		_, _ = s.Storage.Spend(context.WithoutCancel(ctx), now, gate, groups...)
	}()
	return spent, nil
}
