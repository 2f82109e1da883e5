package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
)

const (
	maxRuns   = 6                      // of one unit: the first and five more
	firstWait = 5 * time.Millisecond   // before the second; doubled each time
	longWait  = 100 * time.Millisecond // at most
	commitFor = 30 * time.Second       // how long a commit or a rollback may take that nobody waits for any more
)

// alone runs a unit in a transaction of its own. Where the database gives up on
// one so that others get on (a deadlock, a serialization failure), it runs
// again. A commit that failed is never repeated: what became of it is not known,
// unless the database says that it gave up on a statement before it.
func (s *Store) alone(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	wait := firstWait
	for run := 1; ; run++ {
		err, again := s.once(ctx, fn)
		if !again || run == maxRuns {
			return err
		}
		var chance [1]byte // those that met here must not meet again
		_, _ = rand.Read(chance[:])
		timer := time.NewTimer(wait/2 + wait*time.Duration(chance[0])/256)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		wait = min(2*wait, longWait)
	}
}

// once runs a unit once. again says that nothing is left of it and that another
// run might succeed.
func (s *Store) once(ctx context.Context, fn func(context.Context, enrollment.Tx) error) (err error, again bool) {
	if err := ctx.Err(); err != nil {
		return err, false
	}
	tx, err := s.db.Begin(ctx, BeginOptions{Statement: s.dialect.beginWrite})
	if err != nil {
		return fmt.Errorf("sqlstore: begin: %w", cmpErr(ctx, err)), s.retries(ctx, err)
	}
	u := newUnit(tx, s.rendered)
	u.own = true
	kept := false
	defer func() { // even if fn panics
		u.ended = true
		if !kept {
			undo(ctx, tx)
		}
	}()
	if err = fn(mark(ctx), u); err == nil {
		err = errors.Join(u.broken, ctx.Err())
	}
	if err != nil {
		// fn may have made an answer of its own of what the database said.
		return err, u.broken != nil && s.retries(ctx, u.broken)
	}
	kept = true
	sure, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitFor)
	defer cancel()
	if err := tx.Commit(sure); err != nil {
		var earlier *EarlierError
		return unsettled(err), errors.As(err, &earlier) && s.retries(ctx, err)
	}
	return nil, false
}

// undo rolls back, whether or not anybody still waits for it. A transaction that
// cannot be rolled back gives up its connection, and ends with that.
func undo(ctx context.Context, tx Tx) {
	sure, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitFor)
	defer cancel()
	_ = tx.Rollback(sure)
}

// unsettled is the error of a commit. Unless the database said no to it, it may
// have happened.
func unsettled(err error) error {
	const connectionLost, operatorIntervened = "08", "57"
	state := sqlState(err)
	if state != "" && !strings.HasPrefix(state, connectionLost) && !strings.HasPrefix(state, operatorIntervened) {
		return fmt.Errorf("sqlstore: commit: %w", err)
	}
	return fmt.Errorf("sqlstore: %w: %w", enrollment.ErrUnsettled, err)
}

// retries reports whether a unit that ended with err may run again.
func (s *Store) retries(ctx context.Context, err error) bool {
	return ctx.Err() == nil && s.dialect.again != nil && s.dialect.again(err)
}
