package enrollment

import (
	"context"
	"sync"
	"time"
)

// relays is how many batches one process delivers at once, so that a mail
// server that hangs on one message does not hold up the next batch.
const relays = 2

// Run does what happens by itself, until ctx ends: it delivers what the outbox
// holds, notices what time brings, and numbers the journal. Call it once in
// each process that should; several share the work. It returns nil once
// everything that was under way is finished, at most a few seconds after ctx
// ended. What goes wrong is logged and tried again at the next turn.
func (s *Service) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for range relays {
		group.Go(func() {
			every(ctx, s.cfg.RelayEvery, s.wake, func() { s.relay(ctx) })
		})
	}
	group.Go(func() {
		every(ctx, s.cfg.SweepEvery, nil, func() {
			_, _ = s.Sweep(ctx) // which has logged its errors, step by step
			s.tellBacklogs(ctx)
		})
	})
	group.Wait()
	return nil
}

// relay delivers until nothing is due, then numbers the journal.
func (s *Service) relay(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := s.DeliverDue(ctx)
		if err != nil {
			s.failed(ctx, "relay", err)
		}
		if n == 0 || err != nil {
			break
		}
	}
	if _, err := s.Sequence(ctx); err != nil {
		s.failed(ctx, "sequence", err)
	}
}

// failed logs trouble by its code. An end of the context is none.
func (s *Service) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		s.cfg.Logger.ErrorContext(ctx, "enrollment: "+what, "code", Code(err))
	}
}

// every calls turn at once, then each time that the pace says or wake does,
// until ctx ends. Turns do not overlap.
func every(ctx context.Context, pace time.Duration, wake <-chan struct{}, turn func()) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for ctx.Err() == nil {
		turn()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-wake:
		}
	}
}
