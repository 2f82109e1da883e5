package linear_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/linear"
)

var errCut = errors.New("connection lost")

// cutOff loses its connection: of every eleven units, one before the commit and
// one after it, where the commit stands and nobody is told.
type cutOff struct {
	enrollment.Storage
	units atomic.Int64
}

func (s *cutOff) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.cut(func() error { return s.Storage.Update(ctx, fn) })
}

func (s *cutOff) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (spent enrollment.Spent, err error) {
	err = s.cut(func() error {
		spent, err = s.Storage.Spend(ctx, now, gate, groups...)
		return err
	})
	return spent, err
}

func (s *cutOff) cut(unit func() error) error {
	switch s.units.Add(1) % 11 {
	case 4:
		return errCut
	case 9:
		_ = unit() // whatever it says, nobody hears it
		return errors.Join(enrollment.ErrUnsettled, errCut)
	}
	return unit()
}

// cut makes the connections of every node break from now on.
func (w *world) cut() {
	w.nodes = nil
	for _, store := range w.stores {
		w.serve(&cutOff{Storage: store})
	}
}

func TestWhatWasNotAnsweredHappenedOnceOrNever(t *testing.T) {
	for name, c := range map[string]struct {
		model linear.Model
		work  func(w *world)
	}{
		"invitations": {linear.Register(), func(w *world) {
			w.cut()
			known := &shelf{}
			w.work(callsEach(w.T), func(c *client, i int) { c.invitationCall(known, fmt.Sprintf("user-%d", c.rand.IntN(8)), i) })
		}},
		"passcodes": {linear.Register(), func(w *world) {
			w.cut()
			known := &shelf{}
			w.work(callsEach(w.T), func(c *client, i int) { c.passcodeCall(known, fmt.Sprintf("site-%d", c.rand.IntN(4)), i) })
		}},
		"PINs": {linear.Budget(pinBudget), func(w *world) {
			targets := w.pins(clients * callsEach(w.T) / 15)
			w.cut()
			w.work(callsEach(w.T), func(c *client, i int) { c.pinCall(targets[c.rand.IntN(len(targets))], i) })
		}},
		"logins": {linear.Once(loginBudget), func(w *world) {
			logins := w.logins(10)
			w.cut()
			w.useAll(logins)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range stores[:2] { // the fault suite cuts PostgreSQL's own connections
				t.Run(s.name, func(t *testing.T) {
					w := worldWith(t, 1000, s.open(t)...)
					w.broken = true // errors are foreseen; their calls stay open
					c.work(w)
					report, err := w.history.Check(c.model, linear.Timeout)
					require.NoError(t, err)
					require.NotZero(t, report.Unknown, "some calls must be cut off")
					t.Log(report)
				})
			}
		})
	}
}
