package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"example.com/enrollkit/enrollment"
)

// flowConcurrentRefusals has strangers turned away by two nodes at once, twice
// with an hour between: each reason is noted once an hour, the numbers have no
// gap, and nobody hears of the others.
func flowConcurrentRefusals(t *testing.T, w *world) {
	nodes := []*enrollment.Service{w.svc, w.node(t)}
	const reasons = 6
	subject := enrollment.PlatformSubject("apple")
	for hour := 1; hour <= 2; hour++ {
		must(t, errors.Join(together(4*reasons, func(i int) error {
			return nodes[i%2].RefuseContact(t.Context(), "alpha", "apple/mdm", fmt.Sprint("reason_", i/4))
		})...))
		noted := map[string]int{}
		var events []enrollment.Event
		must(t, w.store.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
			events, err = tx.Journal().List(ctx, enrollment.EventQuery{Site: "alpha", Subject: subject})
			return err
		}))
		for i, e := range events {
			want(t, "number", e.Seq, int64(i+1))
			noted[e.Reason]++
		}
		want(t, "reasons", len(noted), reasons)
		for reason, n := range noted {
			want(t, reason, n, hour)
		}
		w.pass(time.Hour)
	}
}
