package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/enrollment"
)

func (b *bench) runVerbs(ctx context.Context) error {
	for _, system := range b.systems {
		err := b.on(ctx, system, func(w *world) error {
			if err := w.inhabit(ctx); err != nil {
				return err
			}
			for _, v := range verbs {
				if b.verbs != "" && !slices.Contains(strings.Split(b.verbs, ","), v.name) {
					continue
				}
				if err := b.runVerb(ctx, w, v); err != nil {
					return fmt.Errorf("%s: %w", v.name, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// runVerb holds one duty against the floors. The first of them is BEGIN, the
// statements one by one, and COMMIT.
func (b *bench) runVerb(ctx context.Context, w *world, v verb) error {
	var rows [][]string
	var ways []way
	for _, f := range w.floors {
		ways = append(ways, v.floor(w, f))
	}
	ways = append(ways, v.ours(w))
	for _, clients := range b.clients {
		if err := w.fold(ctx); err != nil {
			return err
		}
		scores, err := duel(ctx, b.pace, w.meter(ctx), clients, ways...)
		if err != nil {
			return err
		}
		floor, ours := scores[0], scores[len(scores)-1]
		for _, s := range scores {
			rows = append(rows, []string{
				fmt.Sprint(clients), s.name, fmt.Sprintf("%.0f", s.rate), times(s.rate / floor.rate),
				fmt.Sprintf("%.0f..%.0f", s.least, s.best), ms(s.median), ms(s.p99), fmt.Sprintf("%.0f", s.allocs),
				fmt.Sprint(s.cpu.Microseconds()), times(floor.cpu.Seconds() / s.cpu.Seconds()),
			})
		}
		b.judgeVerb(w.system, v.name, clients, floor, ours)
	}
	b.table(w.system+": "+v.name, []string{"clients", "program", "per second", "ratio", "least..most", "median ms", "p99 ms", "allocs", "CPU us", "floor's CPU : its"}, rows)
	return nil
}

func (b *bench) judgeVerb(system, verb string, clients int, floor, ours score) {
	ratio := ours.rate / floor.rate
	what := fmt.Sprintf("%s, %s, %d clients", verb, system, clients)
	switch {
	case verb == "check-in" && clients > 1 && system == "postgresql":
		b.judge(3, what, ">= 0.85 of the raw statement", times(ratio), ratio >= 0.85)
	case verb == "enroll" && clients > 1 && system == "postgresql":
		b.judge(3, what, ">= 0.8 of BEGIN, the statements, COMMIT", times(ratio), ratio >= 0.8)
	}
	if verb == "check-in" && clients == 1 && system == "postgresql" {
		b.judge(4, "allocations of a check-in, "+system, "<= raw + 5", fmt.Sprintf("%.0f, raw %.0f", ours.allocs, floor.allocs), ours.allocs <= floor.allocs+5.5)
	}
}

// inhabit makes some thousand rows, and lets the database look at them: plans
// that were made for empty tables stay until then, which PostgreSQL does by itself
// within a minute or so.
func (w *world) inhabit(ctx context.Context) error {
	if _, err := w.enrolled(ctx, fleet); err != nil {
		return err
	}
	if _, err := w.invitations(ctx, fleet); err != nil {
		return err
	}
	return w.exec(ctx, "ANALYZE")
}

// fold does what runs all the time beside a Service: merges the counts.
func (w *world) fold(ctx context.Context) error {
	for {
		n := 0
		err := w.store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) (err error) {
			n, err = tx.Slots().Fold(ctx, 5000)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
