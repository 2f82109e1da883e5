package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func (w *world) observe(o device.Observation) enrollment.Status {
	w.Helper()
	status, err := w.svc.Observe(w.ctx, o)
	require.NoError(w, err)
	return status
}

var amapi = device.Ref{Source: "amapi", ID: "enterprises/e/devices/d"}

func TestObserve(t *testing.T) {
	t.Run("a trusted channel makes a device active and is found by its own id later", func(t *testing.T) {
		w := newWorld(t)
		e := w.enroll(w.invite("ann"))
		facts := complete()
		facts[device.InventoryReceived] = true
		status := w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Ref: amapi, At: w.clock.Now(), Facts: facts, Model: "P2"})
		require.Equal(t, device.Active, status.State)
		event := w.events(e.Device.ID)[1]
		require.Equal(t, []string{device.EventActivated, "source:amapi"}, []string{string(event.Type), event.Actor})
		require.Equal(t, amapi, event.Ref)
		w.clock.Advance(time.Minute)
		status = w.observe(device.Observation{Site: "acme", Ref: amapi, At: w.clock.Now(), Facts: map[device.Fact]bool{device.WorkProfile: false}})
		require.Equal(t, []any{e.Device.ID, device.Impaired}, []any{status.Device, status.State})
		require.Equal(t, "P2", w.device(e.Device.ID).Model)
		require.Equal(t, []device.Ref{amapi}, w.slots()[e.Device.ID].Refs)
		w.checkHistory(e.Device.ID)
	})
	t.Run("what changes nothing writes no journal row", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		o := device.Observation{Site: "acme", Device: e.Device.ID, Ref: amapi, At: w.clock.Now(), Facts: map[device.Fact]bool{device.WorkProfile: true}, Name: "Phone"}
		w.observe(o)
		n := len(w.events(e.Device.ID))
		before, messages := w.device(e.Device.ID), w.outbox("")
		w.observe(o)
		require.Equal(t, before, w.device(e.Device.ID))
		w.clock.Advance(time.Hour)
		o.At = w.clock.Now()
		w.observe(o)
		require.Len(t, w.events(e.Device.ID), n)
		require.Equal(t, messages, w.outbox(""))
		require.Equal(t, w.clock.Now(), w.contact(e.Device.ID).At, "it is contact all the same")
	})
	t.Run("it counts as contact at its time, and not in the future", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.clock.Advance(time.Hour)
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now().Add(-time.Minute)})
		require.Equal(t, w.clock.Now().Add(-time.Minute), w.contact(e.Device.ID).At)
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now().Add(time.Minute)})
		require.Equal(t, w.clock.Now(), w.contact(e.Device.ID).At)
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now().Add(time.Hour), Facts: map[device.Fact]bool{device.WorkProfile: false}})
		require.Equal(t, w.clock.Now(), w.device(e.Device.ID).Facts[device.WorkProfile]["mdm"].At)
	})
	t.Run("names come from the newest, hardware ids are filled in and never replaced", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.clock.Advance(time.Hour)
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now(), Name: "New", Hardware: device.Hardware{Serial: "OTHER", IMEI: "351234567890123"}})
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now().Add(-time.Minute), Name: "Old", Model: "M"})
		d := w.device(e.Device.ID)
		require.Equal(t, []string{"New", "M", e.Device.Hardware.Serial, "351234567890123"}, []string{d.Name, d.Model, d.Hardware.Serial, d.Hardware.IMEI})
	})
	t.Run("hardware that another device holds is a conflict, told to every administrator", func(t *testing.T) {
		w := newWorld(t)
		holder := w.active("ann")
		e := w.enroll(w.invite("bob"), func(r *enrollment.EnrollRequest) { r.Device.Hardware = device.Hardware{} })
		w.deliver()
		mails := len(w.mail.all())
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now(), Hardware: holder.Device.Hardware})
		require.Equal(t, holder.Device.ID, w.device(e.Device.ID).Conflict)
		require.True(t, w.slots()[e.Device.ID].Conflict)
		require.Equal(t, holder.Device.Hardware, w.device(holder.Device.ID).Hardware, "the other row is untouched")
		w.deliver()
		require.Len(t, w.mail.all(), mails+2)
	})
	t.Run("one who left is unenrolled and does not come back by a late message", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		e := w.enroll(inv)
		w.clock.Advance(time.Minute)
		status := w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Ref: amapi, At: w.clock.Now(), Left: true})
		require.Equal(t, device.Unenrolled, status.State)
		require.Contains(t, w.slots(), inv)
		before := w.device(e.Device.ID)
		w.clock.Advance(time.Minute)
		status = w.observe(device.Observation{Site: "acme", Ref: amapi, At: w.clock.Now(), Facts: complete(), Name: "Back", Left: true})
		require.Equal(t, device.Unenrolled, status.State)
		require.Equal(t, before, w.device(e.Device.ID))
		w.checkHistory(e.Device.ID)
	})
	t.Run("a silent one that left is not restored first", func(t *testing.T) {
		w := newWorld(t)
		e := w.unresponsive("ann")
		w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now(), Left: true})
		require.Equal(t, []string{device.EventUnenrolled}, w.types(e.Device.ID)[3:])
		require.False(t, w.contact(e.Device.ID).Silent)
	})
	t.Run("what is from before the latest enrollment says nothing of it", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		same := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "SAME" }
		w.enroll(inv, same)
		past := w.clock.Now().Add(time.Minute)
		w.clock.Advance(time.Hour)
		e := w.enroll(inv, same)
		status := w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: past, Facts: complete(), Left: true})
		require.Equal(t, device.Pending, status.State)
		require.Len(t, status.Missing, 4)
	})
	t.Run("refusals", func(t *testing.T) {
		w := newWorld(t)
		e, other := w.active("ann"), w.active("bob")
		now := w.clock.Now()
		w.observe(device.Observation{Site: "acme", Device: other.Device.ID, Ref: amapi, At: now})
		for name, c := range map[string]struct {
			o    device.Observation
			code string
		}{
			"nothing named":             {device.Observation{Site: "acme", Source: "mdm", At: now}, "invalid"},
			"no site":                   {device.Observation{Device: e.Device.ID, Source: "mdm", At: now}, "invalid"},
			"no time":                   {device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm"}, "invalid"},
			"no source":                 {device.Observation{Site: "acme", Device: e.Device.ID, At: now}, "invalid"},
			"the agent's name":          {device.Observation{Site: "acme", Device: e.Device.ID, At: now, Source: device.SourceAgent}, "invalid"},
			"the agent's name as ref":   {device.Observation{Site: "acme", Ref: device.Ref{Source: "agent", ID: "x"}, At: now}, "invalid"},
			"half a ref":                {device.Observation{Site: "acme", Device: e.Device.ID, At: now, Ref: device.Ref{Source: "mdm"}}, "invalid"},
			"unknown fact":              {device.Observation{Site: "acme", Device: e.Device.ID, At: now, Source: "mdm", Facts: map[device.Fact]bool{"x": true}}, "invalid"},
			"control character":         {device.Observation{Site: "acme", Device: e.Device.ID, At: now, Source: "mdm", Hardware: device.Hardware{UDID: "a\nb"}}, "invalid"},
			"unknown device":            {device.Observation{Site: "acme", Device: "dev_x", Source: "mdm", At: now}, "not_found"},
			"unknown ref":               {device.Observation{Site: "acme", Ref: device.Ref{Source: "amapi", ID: "y"}, At: now}, "not_found"},
			"another site's device":     {device.Observation{Site: "other", Device: e.Device.ID, Source: "mdm", At: now}, "not_found"},
			"another device's ref":      {device.Observation{Site: "acme", Device: e.Device.ID, Ref: amapi, At: now}, "conflict"},
			"a site that nobody has":    {device.Observation{Site: "nowhere", Ref: amapi, At: now}, "not_found"},
			"a device that was deleted": {device.Observation{Site: "acme", Device: w.deleted("cyd"), Source: "mdm", At: now}, "device_gone"},
		} {
			_, err := w.svc.Observe(w.ctx, c.o)
			require.Equal(t, c.code, enrollment.Code(err), name)
		}
	})
}

// deleted returns the id of a deleted device of a user.
func (w *world) deleted(user string) string {
	w.Helper()
	e := w.active(user)
	require.NoError(w, w.svc.Delete(w.ctx, w.by, e.Device.ID))
	return e.Device.ID
}

// The newest of each source's assertions counts, whatever order they arrive in
// and however often.
func TestObservationsInAnyOrder(t *testing.T) {
	w := newWorld(t)
	start := w.clock.Now()
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	inv := w.invite("ann")
	w.clock.Advance(time.Hour)
	observations := []device.Observation{
		{Source: "mdm", At: at(10), Facts: map[device.Fact]bool{device.WorkProfile: true, device.AgentInstalled: true}},
		{Source: "mdm", At: at(20), Facts: map[device.Fact]bool{device.WorkProfile: false}},
		{Source: "mdm", At: at(30), Facts: map[device.Fact]bool{device.WorkProfile: true}},
		{Source: "emm", At: at(25), Facts: map[device.Fact]bool{device.WorkProfile: false, device.Permissions: true}},
	}
	for _, order := range arrivals(len(observations)) {
		e := w.enroll(inv)
		newest := map[device.Fact]int{}
		for _, i := range order {
			o := observations[i]
			o.Site, o.Device = "acme", e.Device.ID
			w.observe(o)
			for f := range o.Facts {
				if old, ok := newest[f]; !ok || o.At.After(observations[old].At) {
					newest[f] = i
				}
			}
		}
		d := w.device(e.Device.ID)
		for f, i := range newest {
			require.Equal(t, observations[i].Facts[f], d.Facts.Holds(f), "%s after %v", f, order)
		}
		w.checkHistory(e.Device.ID)
	}
}
