package enrollment_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func (w *world) sweep() int {
	w.Helper()
	n, err := w.svc.Sweep(w.ctx)
	require.NoError(w, err)
	return n
}

func TestSweepSilent(t *testing.T) {
	t.Run("a device that is silent for longer than the site allows is unresponsive", func(t *testing.T) {
		w := newWorld(t)
		w.sites.change("acme", func(s *enrollment.Site) { s.Policy.UnresponsiveAfter = time.Hour })
		e := w.active("ann")
		w.clock.Advance(time.Hour)
		require.Zero(t, w.sweep())
		w.clock.Advance(time.Microsecond)
		require.Equal(t, 1, w.sweep())
		require.Zero(t, w.sweep(), "once")
		d := w.device(e.Device.ID)
		require.Equal(t, []string{"unresponsive", "silent"}, []string{string(d.State), d.Reason})
		event := w.events(e.Device.ID)[2]
		require.Equal(t, []string{device.EventUnresponsive, "active", "unresponsive", enrollment.ActorSystem},
			[]string{string(event.Type), event.Before, event.After, event.Actor})
		require.True(t, w.contact(e.Device.ID).Silent)
		require.Equal(t, "unresponsive", w.slots()[e.Device.ID].State)
		w.checkHistory(e.Device.ID)
	})
	t.Run("one that is unfinished, leaving or gone is not waited for", func(t *testing.T) {
		w := newWorld(t)
		pending := w.enroll(w.invite("ann"))
		leaving := w.active("bob")
		_, err := w.svc.Remove(w.ctx, w.by, leaving.Device.ID)
		require.NoError(t, err)
		w.deleted("cyd")
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Hour)
		require.Zero(t, w.sweep())
		require.Equal(t, device.Pending, w.device(pending.Device.ID).State)
	})
	t.Run("of many sweepers at once one does it", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Hour)
		var group sync.WaitGroup
		var changes atomic.Int64
		for range 8 {
			group.Go(func() {
				n, err := w.svc.Sweep(w.ctx)
				if err != nil {
					t.Error(err)
				}
				changes.Add(int64(n))
			})
		}
		group.Wait()
		require.Equal(t, int64(1), changes.Load())
		require.Len(t, w.events(e.Device.ID), 3)
	})
	t.Run("one that is heard of while the sweeper comes by stays as it is", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Hour)
		// Between the list and the unit, the device checks in.
		late := &hooked{Storage: w.store, before: func() { require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 0)) }}
		n, err := w.over(late).Sweep(w.ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, device.Active, w.device(e.Device.ID).State)
	})
}

// One that is told to go while the sweeper comes by is leaving, not silent.
func TestSweepSilentMeetsRemove(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Hour)
	late := &hooked{Storage: w.store, before: func() {
		_, err := w.svc.Remove(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
	}}
	n, err := w.over(late).Sweep(w.ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Len(t, w.events(e.Device.ID), 3)
	require.False(t, w.contact(e.Device.ID).Silent)
}

func TestSweepNumbersTheJournal(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	w.sweep()
	for _, event := range w.events(e.Device.ID) {
		require.NotZero(t, event.SiteSeq)
	}
}

// hooked calls before once, ahead of the first unit that writes.
type hooked struct {
	enrollment.Storage
	once   sync.Once
	before func()
}

func (h *hooked) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	h.once.Do(h.before)
	return h.Storage.Update(ctx, fn)
}

func TestSweepLeaving(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	e := w.enroll(inv)
	_, err := w.svc.Remove(w.ctx, w.by, e.Device.ID)
	require.NoError(t, err)
	w.clock.Advance(enrollment.DefaultLeaveTimeout)
	require.Zero(t, w.sweep())
	w.clock.Advance(time.Microsecond)
	require.Equal(t, 1, w.sweep())
	require.Zero(t, w.sweep())
	d := w.device(e.Device.ID)
	require.Equal(t, []string{"unenrolled", "timeout"}, []string{string(d.State), d.Reason})
	require.Contains(t, w.slots(), inv, "the invitation is a slot again")
	w.checkHistory(e.Device.ID)
}

func TestSweepExpired(t *testing.T) {
	w := newWorld(t)
	expiring := func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) }
	inv, other := w.invite("ann", expiring), w.invite("bob")
	w.deliver()
	w.clock.Advance(time.Hour)
	require.Equal(t, 1, w.sweep())
	require.Zero(t, w.sweep())
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Equal(t, []any{invitation.Deactivated, invitation.Expired}, []any{detail.State, detail.Reason})
	require.NotContains(t, w.slots(), inv)
	require.Contains(t, w.slots(), other)
	w.view(func(ctx context.Context, tx enrollment.Tx) error {
		cred, err := tx.Credentials().Get(ctx, "acme", inv, enrollment.KindInvitation)
		require.Empty(t, cred.Sealed, "what could show the credentials is destroyed")
		return err
	})
	last := w.events(inv)[len(w.events(inv))-1]
	require.Equal(t, []string{invitation.EventDeactivated, "expired", enrollment.ActorSystem}, []string{string(last.Type), last.Reason, last.Actor})
}

// One site's trouble is not another's.
func TestSweepGoesOn(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	inv := w.invite("bob", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) })
	w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Hour)
	w.sites.change("aaa", func(s *enrollment.Site) { s.Name = "First" })
	w.cfg.Sites = brokenSite{w.sites}
	n, err := w.over(w.store).Sweep(w.ctx)
	require.ErrorIs(t, err, errSite)
	require.Equal(t, 2, n)
	require.Equal(t, device.Unresponsive, w.device(e.Device.ID).State)
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Equal(t, invitation.Deactivated, detail.State)
	require.Contains(t, w.log.String(), "code=unavailable")
	require.NotContains(t, w.log.String(), errSite.Error())
}

var errSite = errors.New("tenant database is down")

// brokenSite can look up acme alone, which is neither the first nor the last.
type brokenSite struct{ *sites }

func (b brokenSite) Site(ctx context.Context, id string) (enrollment.Site, error) {
	if id != "acme" {
		return enrollment.Site{}, errSite
	}
	return b.sites.Site(ctx, id)
}

// Whichever call of the store fails, a sweep says so, and the next one finishes
// what it left.
func TestSweepAfterFailures(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			w := newWorld(t)
			e := w.active("ann")
			leaving := w.active("bob")
			_, err := w.svc.Remove(w.ctx, w.by, leaving.Device.ID)
			require.NoError(t, err)
			inv := w.invite("cyd", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) })
			w.clock.Advance(enrollment.DefaultLeaveTimeout + time.Hour)
			broken := &brokenStore{Storage: w.store, left: n, after: after}
			_, err = w.over(broken).Sweep(w.ctx)
			if !broken.broke {
				require.NoError(t, err)
				require.Greater(t, n, 20)
				break
			}
			require.ErrorIs(t, err, errBroken, "call %d", n)
			w.sweep()
			require.Equal(t, device.Unresponsive, w.device(e.Device.ID).State)
			require.Equal(t, device.Unenrolled, w.device(leaving.Device.ID).State)
			require.NotContains(t, w.slots(), inv)
			w.checkHistory(e.Device.ID)
			w.checkHistory(leaving.Device.ID)
		}
	}
}
