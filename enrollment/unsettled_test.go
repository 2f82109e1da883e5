package enrollment_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// lostAnswer is a store that does what it is asked, and loses the answer to the
// commits of units once it is told to.
type lostAnswer struct {
	enrollment.Storage
	lose bool
}

func (l *lostAnswer) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	err := l.Storage.Update(ctx, fn)
	if err == nil && l.lose {
		l.lose = false
		err = fmt.Errorf("connection reset: %w", enrollment.ErrUnsettled)
	}
	return err
}

// The unit that admits a device gives the try back. If nobody knows whether it
// was committed, giving it back again would give a guess away.
func TestATryIsNotGivenBackTwiceWhenTheAnswerToACommitIsLost(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	pin := w.pin(id)
	_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", wrong(pin, 1), "guess"))
	require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	require.Equal(t, 1, w.tries(id))

	lost := &lostAnswer{w.store, true}
	_, err = w.over(lost).Enroll(w.ctx, pinRequest("ann@example.com", pin, "phone"))
	require.ErrorIs(t, err, enrollment.ErrUnsettled)
	require.False(t, lost.lose)
	require.Equal(t, 1, w.tries(id), "the wrong try stays counted")

	again, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "phone"))
	require.NoError(t, err)
	require.True(t, again.Replayed, "it had happened")
	require.Equal(t, 1, w.tries(id))
}

// What an agent says by the token of this generation is about this generation,
// whatever the clock of the node says that took it.
func TestAReportCountsEvenIfTheClockIsBehindTheEnrollment(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	phone := func(r *enrollment.EnrollRequest) {
		r.Device.Hardware.Serial = "SN-UNSETTLED-1"
	}
	w.enroll(id, phone)
	w.clock.Advance(time.Hour)
	e := w.enroll(id, phone)
	require.Equal(t, 2, w.device(e.Device.ID).Generation)
	w.clock.Advance(-2 * time.Second) // another node's
	w.report(e, enrollment.Report{Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true}})
	require.True(t, w.device(e.Device.ID).Facts.Holds(device.AgentInstalled))
}
