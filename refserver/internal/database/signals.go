package database

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Topic is something that nodes tell each other has changed.
type Topic string

// The topics.
const (
	Sites   Topic = "sites"   // a site or its settings
	Devices Topic = "devices" // what lists show
	Imports Topic = "imports" // a list of users came, or goes on
)

// Signals tell every node that something changed, soon and without promise:
// whoever listens looks by itself from time to time, and only looks at once when
// told. On PostgreSQL they are NOTIFY, sent outside of every unit, at most one
// for each topic in a while; behind a pooler (default_query_exec_mode=exec) they
// stay on their node.
type Signals struct {
	pool *pgxpool.Pool // nil: other nodes are not told

	mu      sync.Mutex
	waiting map[Topic]map[chan struct{}]bool
	pending map[Topic]bool
	wake    chan struct{}
}

const (
	channel     = "refserver"
	coalesce    = 100 * time.Millisecond // between two signals to other nodes
	listenAgain = time.Second
)

func newSignals(pool *pgxpool.Pool) *Signals {
	return &Signals{pool: pool, waiting: map[Topic]map[chan struct{}]bool{}, pending: map[Topic]bool{}, wake: make(chan struct{}, 1)}
}

// Changed tells this node at once and the others soon. It never waits.
func (s *Signals) Changed(t Topic) {
	s.tell(t)
	if s.pool == nil {
		return
	}
	s.mu.Lock()
	s.pending[t] = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// Watch returns a channel that gets a value after a topic changed; values that
// nobody takes are one. stop ends it.
func (s *Signals) Watch(t Topic) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[t] == nil {
		s.waiting[t] = map[chan struct{}]bool{}
	}
	s.waiting[t][c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting[t], c)
	}
}

func (s *Signals) tell(t Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.waiting[t] {
		select {
		case c <- struct{}{}:
		default: // it has not looked since
		}
	}
}

// Run passes signals on until ctx ends. Without other nodes there is nothing to
// pass on.
func (s *Signals) Run(ctx context.Context) error {
	if s.pool == nil {
		<-ctx.Done()
		return nil
	}
	var both sync.WaitGroup
	both.Go(func() { s.send(ctx) })
	both.Go(func() {
		for ctx.Err() == nil {
			s.listen(ctx)
			pause(ctx, listenAgain)
		}
	})
	both.Wait()
	return nil
}

func (s *Signals) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		topics := s.pending
		s.pending = map[Topic]bool{}
		s.mu.Unlock()
		for t := range topics {
			one, cancel := context.WithTimeout(ctx, beginFor)
			// One that is lost is found by looking.
			_, _ = s.pool.Exec(one, `SELECT pg_notify($1, $2)`, channel, string(t))
			cancel()
		}
		pause(ctx, coalesce)
	}
}

// listen hears the other nodes until its connection is lost, which is its own.
func (s *Signals) listen(ctx context.Context) {
	begin, cancel := context.WithTimeout(ctx, beginFor)
	defer cancel()
	conn, err := pgx.ConnectConfig(begin, s.pool.Config().ConnConfig)
	if err != nil {
		return
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end) // lost or not, it is over
	}()
	if _, err := conn.Exec(begin, `LISTEN `+channel); err != nil {
		return
	}
	for _, t := range []Topic{Sites, Devices, Imports} { // what was said meanwhile was not heard
		s.tell(t)
	}
	for {
		said, err := conn.WaitForNotification(ctx)
		if err != nil {
			return
		}
		s.tell(Topic(said.Payload))
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
