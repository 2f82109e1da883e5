package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestADeviceAdminMayGoOnToAWorkProfile(t *testing.T) {
	admin := map[device.Fact]bool{device.AgentInstalled: true, device.AdminRights: true, device.Permissions: true}
	start := func(w *world) enrollment.Enrolled {
		e := w.enroll(w.invite("ann"), func(r *enrollment.EnrollRequest) {
			r.Mode, r.Device.Hardware = device.AndroidDeviceAdmin, device.Hardware{}
		})
		require.Equal(t, device.InstallAgent, e.Next, "first things first")
		return e
	}
	t.Run("the report's next offers it, and nobody waits for it", func(t *testing.T) {
		w := newWorld(t)
		e := start(w)
		status := w.report(e, enrollment.Report{Seq: 1, Facts: admin, Inventory: []byte(`{"model":"P1"}`)})
		require.Equal(t, device.Active, status.State)
		require.Equal(t, device.CreateWorkProfile, status.Next)
		require.Equal(t, device.WaitsNobody, status.Waits)
		detail, err := w.svc.Device(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.Equal(t, device.CreateWorkProfile, detail.Next)
	})
	t.Run("once it has one it is the same row, in its new mode", func(t *testing.T) {
		w := newWorld(t)
		e := start(w)
		w.report(e, enrollment.Report{Seq: 1, Facts: admin, Inventory: []byte(`{"model":"P1"}`)})
		w.clock.Advance(time.Minute)
		status := w.report(e, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.WorkProfile: true, device.AdminRights: false}})
		require.Equal(t, []any{e.Device.ID, device.Active, device.NoAction}, []any{status.Device, status.State, status.Next})
		d := w.device(e.Device.ID)
		require.Equal(t, device.AndroidWorkProfile, d.Mode)
		require.Equal(t, 1, d.Generation, "its token stays")
		events := w.events(e.Device.ID)
		require.Equal(t, "android_work_profile", events[len(events)-1].Data["mode"])
		w.clock.Advance(time.Minute)
		status = w.report(e, enrollment.Report{Seq: 3, Facts: map[device.Fact]bool{device.WorkProfile: false}})
		require.Equal(t, device.Impaired, status.State, "there is no way back")
		w.checkHistory(e.Device.ID)
	})
	t.Run("a site may keep to device admin", func(t *testing.T) {
		w := newWorld(t)
		w.sites.change("acme", func(s *enrollment.Site) { s.Policy.KeepDeviceAdmin = true })
		e := start(w)
		status := w.report(e, enrollment.Report{Seq: 1, Facts: admin, Inventory: []byte(`{"model":"P1"}`)})
		require.Equal(t, device.NoAction, status.Next)
		w.clock.Advance(time.Minute)
		w.report(e, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.WorkProfile: true}})
		require.Equal(t, device.AndroidDeviceAdmin, w.device(e.Device.ID).Mode)
	})
}
