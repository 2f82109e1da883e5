package sqlstore

import (
	"context"
	"slices"
	"sync"

	"example.com/enrollkit/enrollment"
)

// maxTouches is how many touches one statement takes from several callers. One
// caller's are never split.
const maxTouches = 1000

// lanes is how many statements are under way at once: enough to keep a database
// busy while another waits for its disk.
const lanes = 4

// gather sends the touches of many callers in one statement. While all lanes are
// busy, whoever comes queues for the next, so that nobody waits for company and
// many share a commit. A statement that is run again does no more than once.
type gather struct {
	run func(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error)

	mu    sync.Mutex
	busy  int // lanes
	queue []*touchCall
}

// touchCall is one caller's touches.
type touchCall struct {
	touches []enrollment.Touch
	answer  []enrollment.Contact
	err     error
	done    chan struct{} // closed when answer and err are known
}

func (g *gather) do(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	g.mu.Lock()
	if g.busy < lanes {
		g.busy++
		g.mu.Unlock()
		defer g.pass(context.WithoutCancel(ctx))
		return g.run(ctx, touches)
	}
	call := &touchCall{touches: touches, done: make(chan struct{})}
	g.queue = append(g.queue, call)
	g.mu.Unlock()
	select {
	case <-call.done:
		return call.answer, call.err
	case <-ctx.Done():
		return nil, ctx.Err() // it may happen all the same
	}
}

// pass lets those go on who came while one caller's statement was under way.
func (g *gather) pass(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) > 0 {
		go g.drain(ctx)
	} else {
		g.busy--
	}
}

// drain runs statements until the queue is empty.
func (g *gather) drain(ctx context.Context) {
	for {
		g.mu.Lock()
		n, total := 0, 0
		for n < len(g.queue) && (n == 0 || total+len(g.queue[n].touches) <= maxTouches) {
			total += len(g.queue[n].touches)
			n++
		}
		batch := slices.Clone(g.queue[:n])
		g.queue = slices.Delete(g.queue, 0, n)
		if n == 0 {
			g.busy--
		}
		g.mu.Unlock()
		if n == 0 {
			return
		}
		g.send(ctx, batch, total)
	}
}

func (g *gather) send(ctx context.Context, batch []*touchCall, total int) {
	ctx, cancel := context.WithTimeout(ctx, commitFor)
	defer cancel()
	touches := batch[0].touches
	if len(batch) > 1 {
		touches = make([]enrollment.Touch, 0, total)
		for _, c := range batch {
			touches = append(touches, c.touches...)
		}
	}
	answer, err := g.run(ctx, touches)
	for _, c := range batch {
		if c.err = err; err == nil {
			c.answer, answer = answer[:len(c.touches):len(c.touches)], answer[len(c.touches):]
		}
		close(c.done)
	}
}
