package sqlstore

import (
	"context"
	"fmt"
	"sync"
)

// maxBatch is how many units share one commit at most, so that the first of
// them does not wait for ever.
const maxBatch = 256

// group is group commit. The first caller leads: it begins a transaction, runs
// its own unit, lets every caller that has queued meanwhile run theirs, one at a
// time, and commits once for all. Whoever queues during the commit makes the
// next batch, led by the first of them.
//
// Each unit runs on its caller's goroutine, which is handed the transaction for
// its turn: a panic, a runtime.Goexit and a stack trace are the caller's own.
type group struct {
	begin func(ctx context.Context) (Tx, error)

	mu    sync.Mutex
	led   bool // a batch is under way
	queue []*member
}

// member is a caller in the queue.
type member struct {
	turn chan turn     // one is sent when it leaves the queue
	over chan struct{} // closed when its turn is
}

// turn is what a member is told: to run in a batch, to lead one, or err.
type turn struct {
	batch *batch
	err   error
}

// batch is the units of one transaction.
type batch struct {
	tx     Tx
	broken error         // why none of them can be committed; written in one's turn only
	done   chan struct{} // closed when err is known
	err    error
}

// do runs a unit and returns after the commit. unit returns an error after it
// has undone what it did; it marks the batch as broken if it cannot.
func (g *group) do(ctx context.Context, unit func(*batch) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m := g.join(); m != nil {
		t, err := g.wait(ctx, m)
		switch {
		case err != nil:
			return err
		case t.err != nil:
			return t.err
		case t.batch != nil:
			return m.run(t.batch, unit)
		}
	}
	return g.lead(ctx, unit)
}

// join queues the caller behind a leader, or makes it the leader.
func (g *group) join() *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.led {
		g.led = true
		return nil
	}
	m := &member{turn: make(chan turn, 1), over: make(chan struct{})}
	g.queue = append(g.queue, m)
	return m
}

// wait waits for m's turn, or leaves the queue when ctx ends. Whoever has been
// taken from the queue already has to take the turn.
func (g *group) wait(ctx context.Context, m *member) (turn, error) {
	select {
	case t := <-m.turn:
		return t, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	for i, queued := range g.queue {
		if queued == m {
			g.queue = append(g.queue[:i], g.queue[i+1:]...)
			g.mu.Unlock()
			return turn{}, ctx.Err()
		}
	}
	g.mu.Unlock()
	return <-m.turn, nil
}

// run is a member's turn. The leader goes on when it is over, however it ends.
func (m *member) run(b *batch, unit func(*batch) error) error {
	err := func() error {
		defer close(m.over)
		return unit(b)
	}()
	// Not given up early: by now nobody can take the unit back, and an error too
	// may rest on what the units before it wrote, which is true only from now on.
	<-b.done
	if b.err != nil {
		return b.err
	}
	return err
}

// lead runs a batch that begins with the leader's own unit. The others follow
// in a deferred call, so that they do even if that one panics.
func (g *group) lead(ctx context.Context, unit func(*batch) error) (err error) {
	b := &batch{done: make(chan struct{})}
	if b.tx, err = g.begin(ctx); err != nil {
		if ctx.Err() != nil { // the leader's trouble alone
			g.pass(nil)
			return ctx.Err()
		}
		err = fmt.Errorf("sqlstore: begin: %w", err)
		g.pass(err)
		return err
	}
	defer func() {
		g.finish(context.WithoutCancel(ctx), b)
		if err == nil {
			err = b.err
		}
	}()
	return unit(b)
}

// finish runs the others of the batch, ends the transaction, tells them, and
// passes the lead.
func (g *group) finish(ctx context.Context, b *batch) {
	for n := 1; n < maxBatch && b.broken == nil; n++ {
		m := g.next()
		if m == nil {
			break
		}
		m.turn <- turn{batch: b}
		<-m.over
	}
	if b.err = b.broken; b.err != nil {
		_ = b.tx.Rollback(ctx) // b.err says what happened
	} else if err := b.tx.Commit(ctx); err != nil {
		b.err = unsettled(err)
	}
	close(b.done)
	g.pass(nil)
}

// next takes the first member from the queue.
func (g *group) next() *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return nil
	}
	m := g.queue[0]
	g.queue = g.queue[1:]
	return m
}

// pass makes the first in the queue the leader; with an error, all in the queue
// get that, for they would only wait for the same.
func (g *group) pass(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil && len(g.queue) > 0 {
		g.queue[0].turn <- turn{}
		g.queue = g.queue[1:]
		return
	}
	for _, m := range g.queue {
		m.turn <- turn{err: err}
	}
	g.queue = nil
	g.led = false
}
