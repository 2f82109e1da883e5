package enrollment_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestRemove(t *testing.T) {
	t.Run("a device that is removed is told to go", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		detail, err := w.svc.Remove(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.Equal(t, []any{device.Leaving, device.WaitsDevice, device.LeaveManagement}, []any{detail.State, detail.Waits, detail.Next})
		_, err = w.svc.Remove(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err, "twice is no error")
		event := w.events(e.Device.ID)[2]
		require.Equal(t, []string{device.EventLeaving, "adm-1", "by_admin"}, []string{string(event.Type), event.Actor, event.Reason})
		require.Len(t, w.events(e.Device.ID), 3)
		require.NoError(t, w.svc.Unenroll(w.ctx, e.Token))
		w.checkHistory(e.Device.ID)
	})
	t.Run("a device that has left cannot be told to", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		require.NoError(t, w.svc.Unenroll(w.ctx, e.Token))
		_, err := w.svc.Remove(w.ctx, w.by, e.Device.ID)
		require.ErrorIs(t, err, device.ErrIllegalTransition)
	})
	t.Run("a silent one that is removed is not waited for any more", func(t *testing.T) {
		w := newWorld(t)
		e := w.unresponsive("ann")
		_, err := w.svc.Remove(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.False(t, w.contact(e.Device.ID).Silent)
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 0))
		require.Equal(t, device.Leaving, w.device(e.Device.ID).State)
	})
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	serial := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "CANARY-SERIAL" }
	e := w.enroll(inv, serial)
	require.NoError(t, w.svc.Delete(w.ctx, w.by, e.Device.ID))
	require.NoError(t, w.svc.Delete(w.ctx, w.by, e.Device.ID), "twice is no error")

	d := w.device(e.Device.ID)
	require.True(t, d.Deleted())
	require.Empty(t, d.Hardware)
	require.Empty(t, d.Name)
	require.NotEmpty(t, d.Trace)
	require.NotContains(t, string(d.Trace), "CANARY")
	rows := w.slots()
	require.NotContains(t, rows, e.Device.ID)
	require.Contains(t, rows, inv, "the invitation is a slot again")
	require.Equal(t, device.EventDeleted, w.types(e.Device.ID)[1])
	w.checkHistory(e.Device.ID)
	_, err := w.svc.Device(w.ctx, w.by, e.Device.ID)
	require.ErrorIs(t, err, enrollment.ErrNotFound)
	require.ErrorIs(t, w.svc.Delete(w.ctx, w.by, "dev_nobody"), enrollment.ErrNotFound)

	again := w.enroll(inv, serial)
	require.NotEqual(t, e.Device.ID, again.Device.ID)
	require.Equal(t, e.Device.ID, again.Device.Previous, "its history is linked")
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, e.Token, 0), enrollment.ErrDeviceGone)

	t.Run("after it has left, its place is not given back twice", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		first, second := w.enroll(inv), w.enroll(inv)
		require.NoError(t, w.svc.Unenroll(w.ctx, first.Token))
		require.NoError(t, w.svc.Delete(w.ctx, w.by, first.Device.ID))
		detail, err := w.svc.Invitation(w.ctx, w.by, inv)
		require.NoError(t, err)
		require.Equal(t, 1, detail.Live)
		require.Equal(t, second.Device.Invitation, inv)
		require.NotContains(t, w.slots(), inv)
	})
}

// conflict makes ann's device and two of others with its hardware.
func conflict(w *world) (ann, bob, cyd enrollment.Enrolled) {
	same := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "SAME" }
	ann = w.enroll(w.invite("ann"), same)
	w.clock.Advance(time.Minute)
	bob = w.enroll(w.invite("bob"), same)
	w.clock.Advance(time.Minute)
	cyd = w.enroll(w.invite("cyd"), same)
	require.Equal(w, ann.Device.ID, w.device(bob.Device.ID).Conflict)
	require.Equal(w, ann.Device.ID, w.device(cyd.Device.ID).Conflict)
	return ann, bob, cyd
}

func TestRelease(t *testing.T) {
	for name, which := range map[string]func(ann, bob, cyd enrollment.Enrolled) string{
		"the holder is named":          func(ann, _, _ enrollment.Enrolled) string { return ann.Device.ID },
		"one in conflict is named":     func(_, bob, _ enrollment.Enrolled) string { return bob.Device.ID },
		"the younger of them is named": func(_, _, cyd enrollment.Enrolled) string { return cyd.Device.ID },
	} {
		t.Run("the holder gives up its ids and the oldest in conflict takes them: "+name, func(t *testing.T) {
			w := newWorld(t)
			ann, bob, cyd := conflict(w)
			id := which(ann, bob, cyd)
			detail, err := w.svc.Release(w.ctx, w.by, id)
			require.NoError(t, err)
			require.Equal(t, id, detail.ID)
			require.Empty(t, w.device(ann.Device.ID).Hardware)
			require.Equal(t, device.Pending, w.device(ann.Device.ID).State, "the old row lives on")
			require.Empty(t, w.device(bob.Device.ID).Conflict)
			require.Equal(t, "serial:maker:same", w.device(bob.Device.ID).Identity())
			require.Equal(t, bob.Device.ID, w.device(cyd.Device.ID).Conflict)
			require.False(t, w.slots()[bob.Device.ID].Conflict)
			require.Contains(t, w.types(ann.Device.ID), device.EventReleased)
			require.Contains(t, w.types(bob.Device.ID), device.EventReleased)
			require.NotContains(t, w.types(cyd.Device.ID), device.EventReleased)
		})
	}
	t.Run("deleting the holder releases too", func(t *testing.T) {
		w := newWorld(t)
		ann, bob, cyd := conflict(w)
		require.NoError(t, w.svc.Delete(w.ctx, w.by, ann.Device.ID))
		require.Empty(t, w.device(bob.Device.ID).Conflict)
		require.Equal(t, bob.Device.ID, w.device(cyd.Device.ID).Conflict)
	})
	t.Run("a device that never was, or is deleted, is not found", func(t *testing.T) {
		w := newWorld(t)
		for _, id := range []string{"dev_x", w.deleted("ann")} {
			_, err := w.svc.Release(w.ctx, w.by, id)
			require.ErrorIs(t, err, enrollment.ErrNotFound)
		}
	})
}

// T33: no verb reaches another site's device, nor tells that it exists.
func TestDevicesOfAnotherSiteAreNotFound(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	before, events := w.device(e.Device.ID), w.events(e.Device.ID)
	stranger := enrollment.Actor{Site: "other", ID: "adm-9"}
	id := e.Device.ID
	for name, verb := range map[string]func(context.Context) error{
		"device":  func(ctx context.Context) error { _, err := w.svc.Device(ctx, stranger, id); return err },
		"explain": func(ctx context.Context) error { _, err := w.svc.Explain(ctx, stranger, id); return err },
		"renew":   func(ctx context.Context) error { _, err := w.svc.Renew(ctx, stranger, id); return err },
		"remove":  func(ctx context.Context) error { _, err := w.svc.Remove(ctx, stranger, id); return err },
		"release": func(ctx context.Context) error { _, err := w.svc.Release(ctx, stranger, id); return err },
		"delete":  func(ctx context.Context) error { return w.svc.Delete(ctx, stranger, id) },
	} {
		require.ErrorIs(t, verb(w.ctx), enrollment.ErrNotFound, name)
	}
	require.Equal(t, before, w.device(id))
	require.Equal(t, events, w.events(id))
	page, err := w.svc.Overview(w.ctx, stranger, enrollment.OverviewQuery{Search: "ann"})
	require.NoError(t, err)
	require.Empty(t, page.Slots)
}

func TestDeviceVerbsAskForPermission(t *testing.T) {
	var asked []enrollment.Permission
	w := newWorld(t, func(c *enrollment.Config) {
		c.Authorize = func(_ context.Context, by enrollment.Actor, p enrollment.Permission) error {
			if by.ID == "observer" {
				asked = append(asked, p)
				return enrollment.ErrForbidden
			}
			return nil
		}
	})
	id := w.active("ann").Device.ID
	before := w.device(id)
	observer := enrollment.Actor{Site: "acme", ID: "observer"}
	for _, verb := range []func(enrollment.Actor) error{
		func(by enrollment.Actor) error { _, err := w.svc.Device(w.ctx, by, id); return err },
		func(by enrollment.Actor) error { _, err := w.svc.Explain(w.ctx, by, id); return err },
		func(by enrollment.Actor) error {
			_, err := w.svc.Overview(w.ctx, by, enrollment.OverviewQuery{})
			return err
		},
		func(by enrollment.Actor) error { _, err := w.svc.Events(w.ctx, by, 0, 0); return err },
		func(by enrollment.Actor) error { _, err := w.svc.Renew(w.ctx, by, id); return err },
		func(by enrollment.Actor) error { _, err := w.svc.Remove(w.ctx, by, id); return err },
		func(by enrollment.Actor) error { return w.svc.Delete(w.ctx, by, id) },
		func(by enrollment.Actor) error { _, err := w.svc.Release(w.ctx, by, id); return err },
	} {
		require.ErrorIs(t, verb(observer), enrollment.ErrForbidden)
		require.ErrorIs(t, verb(enrollment.Actor{ID: "adm-1"}), enrollment.ErrForbidden, "an actor without a site")
		require.ErrorIs(t, verb(enrollment.Actor{Site: "acme"}), enrollment.ErrForbidden, "an actor without a name")
	}
	require.Equal(t, []enrollment.Permission{
		enrollment.PermRead, enrollment.PermRead, enrollment.PermRead, enrollment.PermRead,
		enrollment.PermRenew, enrollment.PermRemove, enrollment.PermRemove, enrollment.PermRelease,
	}, asked)
	require.Equal(t, before, w.device(id))
}
