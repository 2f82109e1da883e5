package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// way is one of several to do the same.
type way struct {
	name string
	// prepare gets n calls ready, which is not measured, and returns what makes
	// the i-th of them.
	prepare func(ctx context.Context, n int) (func(ctx context.Context, i int) error, error)
}

// anyOrder is a way that needs no preparation.
func anyOrder(name string, do func(ctx context.Context) error) way {
	return way{name, func(context.Context, int) (func(context.Context, int) error, error) {
		return func(ctx context.Context, _ int) error { return do(ctx) }, nil
	}}
}

// pace is how long a duel takes.
type pace struct {
	rounds int
	round  time.Duration // about
	most   int           // calls in a round
}

// score is what one way reached: medians over the rounds.
type score struct {
	name        string
	rate        float64 // calls per second
	median, p99 time.Duration
	allocs      float64       // of the whole process, per call
	cpu         time.Duration // of this process and the database, per call
	least, best float64       // rates
}

// duel lets ways take turns, in one process and on one database: a short round
// each to see how fast they are, then rounds of equally many calls. Which comes
// first alternates.
func duel(ctx context.Context, p pace, m meter, clients int, ways ...way) ([]score, error) {
	n := p.most
	for _, w := range ways {
		first, err := play(ctx, m, w, clients, max(16, 4*clients))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		n = min(n, int(first.rate*p.round.Seconds()))
	}
	n = max(n, 8*clients, 16)
	rounds := make([][]score, len(ways))
	for round := range p.rounds {
		for k := range ways {
			at := k
			if round%2 == 1 {
				at = len(ways) - 1 - k
			}
			one, err := play(ctx, m, ways[at], clients, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ways[at].name, err)
			}
			rounds[at] = append(rounds[at], one)
		}
	}
	scores := make([]score, len(ways))
	for i, list := range rounds {
		scores[i] = medians(list)
		scores[i].name = ways[i].name
	}
	return scores, nil
}

// play is one round.
func play(ctx context.Context, m meter, w way, clients, n int) (score, error) {
	do, err := w.prepare(ctx, n)
	if err != nil {
		return score{}, err
	}
	took := make([]time.Duration, n)
	var before, after runtime.MemStats
	runtime.GC()
	used := m.read()
	runtime.ReadMemStats(&before)
	start := time.Now()
	err = parallel(ctx, clients, n, func(ctx context.Context, i int) error {
		began := time.Now()
		err := do(ctx, i)
		took[i] = time.Since(began)
		return err
	})
	all := time.Since(start)
	runtime.ReadMemStats(&after)
	used = m.read() - used
	if err != nil {
		return score{}, err
	}
	slices.Sort(took)
	return score{
		rate: float64(n) / all.Seconds(), median: took[n/2], p99: took[n*99/100],
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n), cpu: used / time.Duration(n),
	}, nil
}

func medians(list []score) score {
	s := score{
		rate: median(list, func(s score) float64 { return s.rate }), median: median(list, func(s score) time.Duration { return s.median }),
		p99: median(list, func(s score) time.Duration { return s.p99 }), allocs: median(list, func(s score) float64 { return s.allocs }),
		cpu: median(list, func(s score) time.Duration { return s.cpu }),
	}
	s.least, s.best = s.rate, s.rate
	for _, one := range list {
		s.least, s.best = min(s.least, one.rate), max(s.best, one.rate)
	}
	return s
}

func median[T any, N cmp.Ordered](list []T, of func(T) N) N {
	values := make([]N, len(list))
	for i, v := range list {
		values[i] = of(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
