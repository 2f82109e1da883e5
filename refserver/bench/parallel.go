package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// atomic64 counts from 1.
type atomic64 struct{ n atomic.Int64 }

func (a *atomic64) next() int64 { return a.n.Add(1) }

// parallel calls do for 0 to n-1 from a number of clients at once, until one
// call fails.
func parallel(ctx context.Context, clients, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(context.Cause(ctx))
}
