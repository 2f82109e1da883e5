package enrollment_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

const day = 24 * time.Hour

// keep sets the retention of the site acme.
func (w *world) keep(r enrollment.Retention) {
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Retention = r })
}

func TestRetentionBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		r    enrollment.Retention
		ok   bool
	}{
		{"nothing set", enrollment.Retention{}, true},
		{"forever", enrollment.Retention{Journal: enrollment.Forever, Observations: enrollment.Forever, Tombstones: enrollment.Forever}, true},
		{"the least", enrollment.Retention{Journal: 30 * day, Observations: day, Tombstones: 30 * day, Requests: day}, true},
		{"the most", enrollment.Retention{Journal: 3653 * day, Observations: 3653 * day, Tombstones: 3653 * day, Requests: 30 * day}, true},
		{"a journal of a moment", enrollment.Retention{Journal: 30*day - 1}, false},
		{"observations of a moment", enrollment.Retention{Observations: time.Hour}, false},
		{"tombstones of a moment", enrollment.Retention{Tombstones: day}, false},
		{"requests of a moment", enrollment.Retention{Requests: time.Hour}, false},
		{"requests forever", enrollment.Retention{Requests: enrollment.Forever}, false},
		{"less than nothing", enrollment.Retention{Journal: -2}, false},
		{"too long", enrollment.Retention{Journal: 3654 * day}, false},
	} {
		err := enrollment.Policy{Retention: c.r}.Validate()
		require.Equal(t, c.ok, err == nil, "%s: %v", c.name, err)
	}
	usual := enrollment.Policy{}.WithDefaults().Retention
	require.Equal(t, enrollment.Retention{Journal: 400 * day, Observations: 90 * day, Tombstones: 400 * day, Requests: day}, usual)
}

func TestTheSweeperDeletesWhatIsPastItsRetention(t *testing.T) {
	w := newWorld(t)
	w.keep(enrollment.Retention{Journal: 60 * day, Observations: 10 * day, Tombstones: 40 * day})
	inv := w.invite("ann")
	token := w.token(inv)
	require.NoError(t, w.svc.RecordFetch(w.ctx, token.Reveal()))
	gone := w.enroll(inv)
	require.NoError(t, w.svc.Delete(w.ctx, w.by, gone.Device.ID))
	_, err := w.svc.Deactivate(w.ctx, w.by, inv)
	require.NoError(t, err)
	waiting := w.invite("bob")
	require.NoError(t, w.svc.RecordFetch(w.ctx, w.token(waiting).Reveal()))
	live := w.active("cyd")
	theirs := enrollment.Actor{Site: "other", ID: "adm-9"}
	_, err = w.svc.Invite(w.ctx, theirs, enrollment.InviteRequest{User: "ann"})
	require.NoError(t, err)

	sightings := func(id string) (n int) {
		w.view(func(ctx context.Context, tx enrollment.Tx) error {
			list, err := tx.Sightings().List(ctx, "acme", id)
			n = len(list)
			return err
		})
		return n
	}
	stone := func() error {
		return w.store.View(w.ctx, func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Devices().Get(ctx, "acme", gone.Device.ID)
			return err
		})
	}
	all := len(w.journal())

	w.clock.Advance(10 * day) // not a moment longer: nothing is past its time
	w.sweep()
	require.Equal(t, 2, sightings(inv))
	w.clock.Advance(time.Hour)
	w.sweep()
	require.Zero(t, sightings(inv), "what was seen of the invitation that ended")
	require.Equal(t, 1, sightings(waiting), "what was seen of the one that is active")
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, gone.Token, 1), enrollment.ErrDeviceGone)

	w.clock.Advance(30 * day)
	w.sweep()
	require.ErrorIs(t, stone(), enrollment.ErrNotFound)
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, gone.Token, 1), enrollment.ErrTokenRefused, "as one that never was")
	require.Len(t, w.journal(), all+1, "the journal stays, and notes that cyd's device is silent")

	w.clock.Advance(20 * day)
	w.sweep()
	left := w.journal()
	require.Len(t, left, 1)
	require.Equal(t, int64(all+1), left[0].SiteSeq, "numbers are not given again")
	require.Equal(t, live.Device.ID, left[0].Device)
	require.NoError(t, w.svc.CheckIn(w.ctx, live.Token, 0), "devices live on")
	events, err := w.svc.Events(w.ctx, theirs, 0, 0)
	require.NoError(t, err)
	require.Len(t, events.Events, 1, "the other site keeps for 400 days")
	why, err := w.svc.Explain(w.ctx, w.by, live.Device.ID)
	require.NoError(t, err)
	require.NotEmpty(t, why.Timeline)
	for i, e := range why.Timeline {
		require.Equal(t, why.Events-int64(len(why.Timeline)-1-i), e.Seq, "what is left of a subject is complete up to its newest")
	}
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Equal(t, invitation.ByAdmin, detail.Reason, "invitations stay")
}

func TestForeverKeeps(t *testing.T) {
	w := newWorld(t)
	w.keep(enrollment.Retention{Journal: enrollment.Forever, Observations: enrollment.Forever, Tombstones: enrollment.Forever})
	inv := w.invite("ann")
	gone := w.enroll(inv)
	require.NoError(t, w.svc.Delete(w.ctx, w.by, gone.Device.ID))
	_, err := w.svc.Deactivate(w.ctx, w.by, inv)
	require.NoError(t, err)
	events := len(w.journal())
	w.clock.Advance(20 * 365 * day)
	w.sweep()
	require.Len(t, w.journal(), events)
	require.True(t, w.device(gone.Device.ID).Deleted())
}

func TestRetentionIsLookedAfterOnceAnHourAndUntilItIsDone(t *testing.T) {
	w := newWorld(t)
	counted := &countingPrunes{Storage: w.store}
	w.svc = w.over(counted)
	w.sweep()
	w.sweep()
	require.Equal(t, 2, counted.n, "once for each of two sites")
	w.clock.Advance(time.Hour - time.Second)
	w.sweep()
	require.Equal(t, 2, counted.n)
	w.clock.Advance(time.Second)
	w.sweep()
	require.Equal(t, 4, counted.n)
	w.clock.Advance(-48 * time.Hour) // a clock that was set right
	w.sweep()
	require.Equal(t, 6, counted.n)
	counted.err = errBroken
	w.clock.Advance(time.Hour)
	_, err := w.svc.Sweep(w.ctx)
	require.ErrorIs(t, err, errBroken)
	counted.err, counted.n = nil, 0
	w.sweep()
	require.Equal(t, 2, counted.n, "what failed is not left for an hour")
}

// countingPrunes counts the calls of PruneSite, and fails them if it is told to.
type countingPrunes struct {
	enrollment.Storage
	n   int
	err error
}

func (s *countingPrunes) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, pruningTx{tx, s}) })
}

type pruningTx struct {
	enrollment.Tx
	s *countingPrunes
}

func (t pruningTx) Records() enrollment.Records { return pruningRecords{t.Tx.Records(), t.s} }

type pruningRecords struct {
	enrollment.Records
	s *countingPrunes
}

func (r pruningRecords) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	if r.s.n++; r.s.err != nil {
		return 0, r.s.err
	}
	return r.Records.PruneSite(ctx, site, c, limit)
}

func TestRequestsAreRecognisedForAsLongAsTheSiteSays(t *testing.T) {
	for name, kept := range map[string]time.Duration{"by default": 0, "for a week": 7 * day} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.keep(enrollment.Retention{Requests: kept})
			if kept == 0 {
				kept = enrollment.RecordsKept
			}
			request := enrollment.InviteManyRequest{Key: "key", Invites: []enrollment.InviteRequest{{User: "ann"}}}
			invite := func() string {
				results, err := w.svc.InviteMany(w.ctx, w.by, request)
				require.NoError(t, err)
				return results[0].Invitation
			}
			inv := invite()
			twice := func(r *enrollment.EnrollRequest) { r.EnrollmentID = "the same" }
			in := w.enroll(inv, twice)
			repeat := func() bool {
				again := w.enroll(inv, twice, func(r *enrollment.EnrollRequest) { r.Device.Hardware = in.Device.Hardware })
				return again.Replayed
			}
			w.clock.Advance(kept - time.Second)
			w.sweep()
			require.Equal(t, inv, invite())
			require.True(t, repeat())
			w.clock.Advance(time.Second)
			w.sweep()
			require.False(t, repeat())
			require.NotEqual(t, inv, invite())
		})
	}
}
