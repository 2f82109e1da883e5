package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

// script is a Database that notes the statements it is given and fails as told.
type script struct {
	mu    sync.Mutex
	log   []string
	begin func(ctx context.Context) error
	fail  map[string]error // by statement
}

func (s *script) note(statement string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, statement)
	return s.fail[statement]
}

func (s *script) count(statement string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, noted := range s.log {
		if noted == statement {
			n++
		}
	}
	return n
}

func (s *script) Begin(ctx context.Context, opts BeginOptions) (Tx, error) {
	if s.begin != nil {
		if err := s.begin(ctx); err != nil {
			return nil, err
		}
	}
	return scriptTx{s}, s.note(opts.Statement)
}

func (s *script) Exec(_ context.Context, statement string, _ ...any) (int64, error) {
	return 0, s.note(statement)
}

func (s *script) Query(_ context.Context, statement string, _ ...any) (Rows, error) {
	return nil, s.note(statement)
}

type scriptTx struct{ *script }

func (t scriptTx) Commit(context.Context) error   { return t.note("COMMIT") }
func (t scriptTx) Rollback(context.Context) error { return t.note("ROLLBACK") }

// caller is one unit of work of a test, and how it ended.
type caller struct {
	ctx   context.Context
	fn    func(context.Context, enrollment.Tx) error
	err   error
	ended string // "returned", "panic: ...", "exit"
}

// together runs the first unit until all others wait for it, then lets it end.
func together(t *testing.T, s *Store, first *caller, others []*caller) {
	t.Helper()
	gate := make(chan struct{})
	fn := first.fn
	first.fn = func(ctx context.Context, tx enrollment.Tx) error {
		<-gate
		return fn(ctx, tx)
	}
	var wg sync.WaitGroup
	for _, c := range append([]*caller{first}, others...) {
		wg.Go(func() {
			c.ended = "exit"
			defer func() {
				if p := recover(); p != nil {
					c.ended = fmt.Sprint("panic: ", p)
				}
			}()
			c.err = s.Update(c.ctx, c.fn)
			c.ended = "returned"
		})
		synctest.Wait() // one after the other, so that the order is known
	}
	close(gate)
	wg.Wait()
}

// at is some time.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func well(context.Context, enrollment.Tx) error { return nil }

func callers(n int, fn func(context.Context, enrollment.Tx) error) []*caller {
	list := make([]*caller, n)
	for i := range list {
		list[i] = &caller{ctx: context.Background(), fn: fn}
	}
	return list
}

func open(t *testing.T, db *script) *Store {
	t.Helper()
	s, err := New(db, SQLite, Options{})
	require.NoError(t, err)
	return s
}

func TestGroupCommit(t *testing.T) {
	bubble := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}

	bubble("units that wait share one commit", func(t *testing.T) {
		db := &script{}
		list := callers(32, well)
		together(t, open(t, db), list[0], list[1:])
		require.Equal(t, 1, db.count("COMMIT"))
		require.Equal(t, 32, db.count("RELEASE enroll_unit"))
	})

	bubble("a batch has an end", func(t *testing.T) {
		db := &script{}
		list := callers(maxBatch+1, well)
		together(t, open(t, db), list[0], list[1:])
		require.Equal(t, 2, db.count("COMMIT"))
	})

	bubble("whatever ends one unit undoes that one alone", func(t *testing.T) {
		db := &script{}
		refused := errors.New("refused")
		ctx, cancel := context.WithCancel(context.Background())
		list := callers(6, well)
		list[1].fn = func(context.Context, enrollment.Tx) error { return refused }
		list[2].fn = func(context.Context, enrollment.Tx) error { panic("bug") }
		list[3].fn = func(context.Context, enrollment.Tx) error { runtime.Goexit(); return nil }
		list[4] = &caller{ctx: ctx, fn: func(context.Context, enrollment.Tx) error { cancel(); return nil }}
		together(t, open(t, db), list[0], list[1:])

		require.NoError(t, list[0].err)
		require.NoError(t, list[5].err)
		require.Equal(t, refused, list[1].err)
		require.Equal(t, "panic: bug", list[2].ended)
		require.Equal(t, "exit", list[3].ended)
		require.ErrorIs(t, list[4].err, context.Canceled)
		require.Equal(t, 1, db.count("COMMIT"))
		require.Equal(t, 4, db.count("ROLLBACK TO enroll_unit"))
		require.Equal(t, 6, db.count("RELEASE enroll_unit"))
	})

	for _, how := range []string{"panics", "exits"} {
		bubble("a leader that "+how+" finishes the batch for the others", func(t *testing.T) {
			db := &script{}
			list := callers(3, well)
			list[0].fn = func(context.Context, enrollment.Tx) error {
				if how == "exits" {
					runtime.Goexit()
				}
				panic("bug")
			}
			s := open(t, db)
			together(t, s, list[0], list[1:])
			require.NotEqual(t, "returned", list[0].ended)
			require.NoError(t, list[1].err)
			require.NoError(t, list[2].err)
			require.Equal(t, 1, db.count("COMMIT"))
			require.NoError(t, s.Update(t.Context(), well), "the next one has a leader again")
		})
	}

	bubble("a commit that fails fails every unit of the batch", func(t *testing.T) {
		full := errors.New("disk full")
		db := &script{fail: map[string]error{"COMMIT": full}}
		list := callers(4, well)
		together(t, open(t, db), list[0], list[1:])
		for _, c := range list {
			require.ErrorIs(t, c.err, full)
		}
	})

	bubble("a refusal waits for the commit of what it rests on, and fails with it", func(t *testing.T) {
		full, refused := errors.New("disk full"), errors.New("refused")
		db := &script{fail: map[string]error{"COMMIT": full}}
		list := callers(3, well)
		list[1].fn = func(context.Context, enrollment.Tx) error { return refused }
		together(t, open(t, db), list[0], list[1:])
		require.ErrorIs(t, list[1].err, full)
		require.NotErrorIs(t, list[1].err, refused)
	})

	bubble("a unit that cannot be undone fails every unit before it, and those behind it go on", func(t *testing.T) {
		lost := errors.New("no such savepoint")
		db := &script{fail: map[string]error{"ROLLBACK TO enroll_unit": lost}}
		list := callers(4, well)
		list[1].fn = func(context.Context, enrollment.Tx) error { return errors.New("refused") }
		together(t, open(t, db), list[0], list[1:])
		require.ErrorIs(t, list[0].err, lost)
		require.ErrorIs(t, list[1].err, lost)
		require.NoError(t, list[2].err)
		require.NoError(t, list[3].err)
		require.Equal(t, 1, db.count("ROLLBACK"))
		require.Equal(t, 1, db.count("COMMIT"))
	})

	bubble("who waits may leave, and one whose turn it is may not hold up the others", func(t *testing.T) {
		db := &script{}
		ctx, cancel := context.WithCancel(context.Background())
		list := callers(4, well)
		list[2].ctx = ctx
		list[0].fn = func(context.Context, enrollment.Tx) error {
			cancel()
			synctest.Wait()
			return nil
		}
		together(t, open(t, db), list[0], list[1:])
		require.ErrorIs(t, list[2].err, context.Canceled)
		require.NoError(t, list[1].err)
		require.NoError(t, list[3].err)
		require.Equal(t, 3, db.count("SAVEPOINT enroll_unit"))
	})

	bubble("a leader that gives up while it begins passes the lead on", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		db := &script{}
		db.begin = func(ctx context.Context) error {
			if ctx.Done() == nil {
				return nil
			}
			<-ctx.Done()
			return errors.New("interrupted")
		}
		s := open(t, db)
		var first, second error
		var wg sync.WaitGroup
		wg.Go(func() { first = s.Update(ctx, well) })
		synctest.Wait()
		wg.Go(func() { second = s.Update(context.Background(), well) })
		synctest.Wait()
		cancel()
		wg.Wait()
		require.ErrorIs(t, first, context.Canceled)
		require.NoError(t, second)
	})

	bubble("when nobody can begin, nobody waits for it one by one", func(t *testing.T) {
		busy := errors.New("database is locked")
		go1, tries := make(chan struct{}), 0
		db := &script{}
		db.begin = func(context.Context) error { tries++; <-go1; return busy }
		s := open(t, db)
		errs := make([]error, 5)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = s.Update(context.Background(), well) })
		}
		synctest.Wait()
		close(go1)
		wg.Wait()
		for _, err := range errs {
			require.ErrorIs(t, err, busy)
		}
		require.Equal(t, 1, tries)
	})
}
