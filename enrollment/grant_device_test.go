package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const otherUDID = "00008030-001C2D3E4F50602F"

// message is what a device says over a channel by a grant: a beginning, or not.
func message(grant, udid string, again bool) enrollment.ManagedRequest {
	r := byChannel(grant, udid)
	r.Again = again
	return r
}

func TestAGrantAdmitsOneDevice(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	grant := w.used(inv)
	first, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
	require.NoError(t, err)
	for range 2 {
		second := byChannel(grant, otherUDID)
		second.Ref.ID = "second"
		_, err = w.svc.EnrollManaged(w.ctx, second)
		require.ErrorIs(t, err, enrollment.ErrGrantUsed)
	}
	assert.Equal(t, []string{"mdm/enroll grant_used"}, w.refusals(inv))

	known, err := w.svc.EnrollManaged(w.ctx, byChannel(w.used(inv), otherUDID))
	require.NoError(t, err, "by a grant of its own")
	third := byChannel(grant, otherUDID)
	third.Ref.ID = "third"
	_, err = w.svc.EnrollManaged(w.ctx, third)
	require.ErrorIs(t, err, enrollment.ErrGrantUsed, "hardware that is known is another device all the same")
	assert.Equal(t, 1, w.device(known.Device.ID).Generation)
	again, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
	require.NoError(t, err)
	assert.Equal(t, first.Device, again.Device, "and the first stays who it is")
}

func TestAGrantThatWasReplacedRevivesNothing(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	old, latest := w.used(inv), w.used(inv)
	_, err := w.svc.EnrollManaged(w.ctx, byChannel(old, udid))
	require.NoError(t, err)
	w.clock.Advance(time.Minute)
	in, err := w.svc.EnrollManaged(w.ctx, byChannel(latest, udid))
	require.NoError(t, err)
	require.Equal(t, 2, in.Device.Generation)
	w.clock.Advance(time.Minute)

	refused := func(why string) {
		t.Helper()
		for _, again := range []bool{false, true} {
			_, err := w.svc.EnrollManaged(w.ctx, message(old, udid, again))
			require.ErrorIs(t, err, enrollment.ErrSuperseded, why)
			require.ErrorIs(t, err, enrollment.ErrStale, why)
		}
		nameless := message(old, "", false)
		nameless.Refs, nameless.Device.Hardware = nil, device.Hardware{}
		_, err := w.svc.EnrollManaged(w.ctx, nameless)
		require.ErrorIs(t, err, enrollment.ErrSuperseded, why)
		assert.Equal(t, 2, w.device(in.Device.ID).Generation, why)
	}
	refused("while the device is enrolled by the latest")
	w.observe(device.Observation{Site: "acme", Source: device.SourceMDM, Ref: device.Ref{Source: "channel", ID: latest}, At: w.clock.Now(), Left: true})
	w.clock.Advance(time.Minute)
	refused("after it has left")
	assert.Equal(t, device.Unenrolled, w.device(in.Device.ID).State)
	assert.Empty(t, w.refusals(inv), "nobody was turned away")
}

func TestADeletedDeviceDoesNotComeBackByItsGrant(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	grant := w.used(inv)
	in, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
	require.NoError(t, err)
	require.NoError(t, w.svc.Delete(w.ctx, w.by, in.Device.ID))
	for _, again := range []bool{false, true} {
		_, err = w.svc.EnrollManaged(w.ctx, message(grant, udid, again))
		require.ErrorIs(t, err, enrollment.ErrDeviceGone)
	}
	assert.Equal(t, []string{"mdm/enroll device_gone"}, w.refusals(inv))
	w.clock.Advance(10 * 24 * time.Hour)
	_, err = w.svc.Sweep(w.ctx)
	require.NoError(t, err)
	_, err = w.svc.EnrollManaged(w.ctx, message(grant, udid, true))
	require.ErrorIs(t, err, enrollment.ErrGrantRefused, "long after the use of the grant is forgotten")
	page, err := w.svc.Overview(w.ctx, w.by, enrollment.OverviewQuery{})
	require.NoError(t, err)
	for _, row := range page.Slots {
		assert.NotEqual(t, string(device.Pending), row.State, "a ghost")
	}
}

func TestAnObservationByARefThatWasReplacedSaysNothing(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	old, latest := w.used(inv), w.used(inv)
	in, err := w.svc.EnrollManaged(w.ctx, byChannel(old, udid))
	require.NoError(t, err)
	w.clock.Advance(time.Minute)
	_, err = w.svc.EnrollManaged(w.ctx, byChannel(latest, udid))
	require.NoError(t, err)
	w.clock.Advance(time.Minute)
	bye := device.Observation{
		Site: "acme", Source: device.SourceMDM, Ref: device.Ref{Source: "channel", ID: old}, Was: in.Device.ID, At: w.clock.Now(), Left: true,
	}
	before := w.device(in.Device.ID)
	_, err = w.svc.Observe(w.ctx, bye)
	require.ErrorIs(t, err, enrollment.ErrSuperseded)
	assert.Equal(t, before, w.device(in.Device.ID))
	require.NoError(t, w.svc.Delete(w.ctx, w.by, in.Device.ID))
	_, err = w.svc.Observe(w.ctx, bye)
	require.ErrorIs(t, err, enrollment.ErrDeviceGone)
	bye.Was = "dev_pruned"
	_, err = w.svc.Observe(w.ctx, bye)
	require.ErrorIs(t, err, enrollment.ErrDeviceGone, "so long ago that nothing is left of it")
	elsewhere := bye
	elsewhere.Site = "nowhere"
	_, err = w.svc.Observe(w.ctx, elsewhere)
	require.ErrorIs(t, err, enrollment.ErrNotFound, "a site that is not there has deleted nothing")
	bye.Was = ""
	_, err = w.svc.Observe(w.ctx, bye)
	require.ErrorIs(t, err, enrollment.ErrNotFound)
}
