//go:build fault && (mutant_try_in_request || mutant_select_then_update)

package main

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// standing is what Spend would answer, by a look at the counters alone.
func standing(ctx context.Context, s enrollment.Storage, now time.Time, gate []credentials.Limit, groups [][]credentials.Limit) (spent enrollment.Spent, err error) {
	err = s.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		room := func(limits []credentials.Limit) (list []credentials.Counter, ok bool, err error) {
			ok = true
			for _, limit := range limits {
				known, err := tx.Counters().Get(ctx, limit.Key)
				if err != nil {
					return nil, false, err
				}
				next, fits, _ := known[0].Spend(limit, now)
				if !fits {
					next, ok = known[0], false
				}
				list = append(list, next)
			}
			return list, ok, nil
		}
		var ok bool
		var err error
		if spent.Gate, ok, err = room(gate); err != nil || !ok {
			spent.Refused = !ok
			return err
		}
		for _, group := range groups {
			var one enrollment.GroupSpent
			if one.Counters, one.OK, err = room(group); err != nil {
				return err
			}
			spent.Groups = append(spent.Groups, one)
		}
		return nil
	})
	return spent, err
}
