package enrollment_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// An observer feeds metrics: here a count of verbs by outcome. A real one is
// called from many goroutines at once.
func ExampleObserver() {
	counts := map[string]int64{}
	d := newDemo(func(c *enrollment.Config) {
		c.Observer = func(_ context.Context, s enrollment.Signal) {
			if s.Kind == enrollment.SignalVerb {
				counts[s.Name+" "+s.Outcome] += s.N
			}
		}
	})
	d.phone("ann")
	_, _ = d.Peek(d.ctx, "not-a-token")
	for _, line := range slices.Sorted(maps.Keys(counts)) {
		fmt.Println(line, counts[line])
	}
	// Output:
	// enroll ok 1
	// invite ok 1
	// peek invitation_unknown 1
	// reveal ok 1
}

// A key is rotated while everything runs: here in one process. With several,
// each gets the ring with the new key before any makes it current.
func ExampleService_Rekey() {
	var ring *credentials.Keyring
	d := newDemo(func(c *enrollment.Config) { ring = c.Keyring })
	check(d.Check(d.ctx))
	phone := d.phone("ann")

	ring, err := ring.Rotate(rand.Reader)
	check(err)
	check(d.UseKeyring(d.ctx, ring))
	var inUse *enrollment.KeyInUseError
	fmt.Println(errors.As(d.RetireKey(d.ctx, 1), &inUse), inUse)

	var p enrollment.RekeyProgress
	for !p.Done {
		p, err = d.Rekey(d.ctx, p, 0)
		check(err)
	}
	fmt.Println(p.Changed, "rows moved, of", p.Looked)

	check(d.RetireKey(d.ctx, 1))
	ring, err = ring.Without(1)
	check(err)
	check(d.UseKeyring(d.ctx, ring))
	fmt.Println(ring.IDs(), d.CheckIn(d.ctx, phone.Token, 0))
	// Output:
	// true enrollment: key 1 is still needed: 1 invitations, 0 passcodes, 0 logins, 1 devices, 0 recently ended, 0 unreadable
	// 2 rows moved, of 2
	// [2] <nil>
}

// The id of a request stands in every line that is logged for it.
func ExampleWithRequestID() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	log := slog.New(enrollment.LogRequestID(plain))
	ctx := enrollment.WithRequestID(context.Background(), "01JD8M2Z3Y4X5W6V7T8S9R0QPN")
	log.InfoContext(ctx, "imported", "users", 12)
	fmt.Println(enrollment.RequestID(ctx))
	// Output:
	// level=INFO msg=imported users=12 request_id=01JD8M2Z3Y4X5W6V7T8S9R0QPN
	// 01JD8M2Z3Y4X5W6V7T8S9R0QPN
}
