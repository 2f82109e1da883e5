package enrollment_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestCheckIn(t *testing.T) {
	t.Run("a check-in counts as contact by the server's clock", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.clock.Advance(time.Hour)
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 0))
		require.Equal(t, w.clock.Now(), w.contact(e.Device.ID).At)
		require.Equal(t, int64(1), w.contact(e.Device.ID).Seq)
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 7))
		require.Equal(t, int64(7), w.contact(e.Device.ID).Seq)
	})
	t.Run("a check-in writes no journal row, no outbox row and no device row", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		before, events, messages := w.device(e.Device.ID), w.events(e.Device.ID), w.outbox("")
		w.clock.Advance(time.Minute)
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 2))
		require.Equal(t, before, w.device(e.Device.ID))
		require.Equal(t, events, w.events(e.Device.ID))
		require.Equal(t, messages, w.outbox(""))
	})
	t.Run("the list's last connection follows at most five minutes behind", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.clock.Advance(enrollment.ListRefresh)
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 0))
		require.Equal(t, w.clock.Now(), w.slots()[e.Device.ID].LastConnection)
	})
	t.Run("a token that nobody has is refused, whatever its shape", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		for _, token := range []string{"", "x", strings.Repeat("A", 43), e.Token.Reveal()[1:], strings.Repeat("x", 1<<16)} {
			secret := credentials.SecretString(token)
			require.ErrorIs(t, w.svc.CheckIn(w.ctx, secret, 0), enrollment.ErrTokenRefused)
			require.ErrorIs(t, w.svc.Unenroll(w.ctx, secret), enrollment.ErrTokenRefused)
			_, err := w.svc.Report(w.ctx, secret, enrollment.Report{Seq: 9})
			require.ErrorIs(t, err, enrollment.ErrTokenRefused)
		}
	})
	t.Run("the token of a deleted device answers gone", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		require.NoError(t, w.svc.Delete(w.ctx, w.by, e.Device.ID))
		require.ErrorIs(t, w.svc.CheckIn(w.ctx, e.Token, 0), enrollment.ErrDeviceGone)
		require.ErrorIs(t, w.svc.Unenroll(w.ctx, e.Token), enrollment.ErrDeviceGone)
		_, err := w.svc.Report(w.ctx, e.Token, enrollment.Report{Seq: 9})
		require.ErrorIs(t, err, enrollment.ErrDeviceGone)
	})
	t.Run("a sequence number that is none is refused, and is a sign of life all the same", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		before := w.contact(e.Device.ID)
		w.clock.Advance(time.Hour)
		for _, seq := range []int64{-1, 1 << 53} {
			require.Equal(t, "invalid", enrollment.Code(w.svc.CheckIn(w.ctx, e.Token, seq)))
		}
		before.At = w.clock.Now()
		require.Equal(t, before, w.contact(e.Device.ID))
		require.ErrorIs(t, w.svc.CheckIn(w.ctx, credentials.SecretString("nobody's"), -1), enrollment.ErrTokenRefused)
	})
}

func TestReport(t *testing.T) {
	t.Run("facts lead from pending to active, with one event for each change of state", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		e := w.enroll(inv)
		status := w.report(e, enrollment.Report{Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true}})
		require.Equal(t, device.Pending, status.State)
		require.Equal(t, []device.Fact{device.WorkProfile, device.Permissions, device.InventoryReceived}, status.Missing)
		require.Equal(t, device.CreateWorkProfile, status.Next)
		require.Equal(t, int64(2), status.Seq)
		status = w.report(e, enrollment.Report{Seq: 2, Facts: complete(), Inventory: []byte(` { "a" : 1 } `), Name: "Ann's phone"})
		require.Equal(t, device.Active, status.State)
		require.Empty(t, status.Missing)
		require.Equal(t, device.NoAction, status.Next)
		status = w.report(e, enrollment.Report{Seq: 3, Facts: map[device.Fact]bool{device.Permissions: false}})
		require.Equal(t, device.Impaired, status.State)

		require.Equal(t, []string{device.EventEnrolled, device.EventFacts, device.EventActivated, device.EventImpaired}, w.types(e.Device.ID))
		impaired := w.events(e.Device.ID)[3]
		require.Equal(t, []string{"active", "impaired", "permissions", enrollment.ActorDevice},
			[]string{impaired.Before, impaired.After, impaired.Reason, impaired.Actor})
		require.Equal(t, map[string]string{"permissions": "false"}, impaired.Data)
		w.checkHistory(e.Device.ID)
		d := w.device(e.Device.ID)
		require.Equal(t, `{"a":1}`, string(d.Inventory))
		require.Equal(t, "Ann's phone", d.Name)
		row := w.slots()[e.Device.ID]
		require.Equal(t, "impaired", row.State)
		require.Equal(t, "Ann's phone", row.Name)
		require.Equal(t, []device.Fact{device.Permissions}, row.Missing)

		detail, err := w.svc.Invitation(w.ctx, w.by, inv)
		require.NoError(t, err)
		kinds := []string{}
		for _, s := range detail.Sightings {
			kinds = append(kinds, string(s.Evidence))
		}
		require.Contains(t, kinds, "management_active")
	})
	t.Run("a report that changes nothing moves the sequence and the contact, and nothing else", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		before, events, messages := w.device(e.Device.ID), w.events(e.Device.ID), w.outbox("")
		w.clock.Advance(time.Minute)
		status := w.report(e, enrollment.Report{Seq: 2, Facts: complete(), Inventory: []byte(`{"model": "P1"}`), Name: "Phone"})
		require.Equal(t, int64(3), status.Seq)
		require.Equal(t, before, w.device(e.Device.ID))
		require.Equal(t, events, w.events(e.Device.ID))
		require.Equal(t, messages, w.outbox(""))
		require.Equal(t, int64(2), w.contact(e.Device.ID).Seq)
		require.Equal(t, w.clock.Now(), w.contact(e.Device.ID).At)
	})
	t.Run("a late or repeated report changes no state and is told the sequence that is expected", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.report(e, enrollment.Report{Seq: 5})
		w.clock.Advance(time.Minute)
		for _, seq := range []int64{1, 4, 5} {
			status := w.report(e, enrollment.Report{Seq: seq, Facts: map[device.Fact]bool{device.Permissions: false}})
			require.Equal(t, device.Active, status.State)
			require.Equal(t, int64(6), status.Seq)
		}
		require.Equal(t, w.clock.Now(), w.contact(e.Device.ID).At, "it counts as contact all the same")
	})
	t.Run("the sequence decides which report is newer, even if the clock goes back", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.report(e, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.Permissions: false}})
		w.clock.Advance(-3 * time.Second)
		status := w.report(e, enrollment.Report{Seq: 3, Facts: map[device.Fact]bool{device.Permissions: true}})
		require.Equal(t, device.Active, status.State)
	})
	t.Run("a device that has left is acknowledged and does not come back by a message", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		require.NoError(t, w.svc.Unenroll(w.ctx, e.Token))
		before := w.device(e.Device.ID)
		status := w.report(e, enrollment.Report{Seq: 2, Facts: complete(), Name: "Back"})
		require.Equal(t, device.Unenrolled, status.State)
		require.Equal(t, int64(3), status.Seq)
		require.Equal(t, before, w.device(e.Device.ID))
	})
	t.Run("a device that was told to go learns so, and stays told", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		_, err := w.svc.Remove(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		status := w.report(e, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.Permissions: false}})
		require.Equal(t, device.Leaving, status.State)
		require.Equal(t, device.LeaveManagement, status.Next)
		require.False(t, w.device(e.Device.ID).Facts.Holds(device.Permissions), "facts are noted")
	})
	t.Run("the old token is refused once the hardware has enrolled again", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		same := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "SAME" }
		old := w.enroll(inv, same)
		fresh := w.enroll(inv, same)
		require.Equal(t, old.Device.ID, fresh.Device.ID)
		_, err := w.svc.Report(w.ctx, old.Token, enrollment.Report{Seq: 1})
		require.ErrorIs(t, err, enrollment.ErrTokenRefused)
		w.report(fresh, enrollment.Report{Seq: 1})
	})
}

// A report that is under way while the hardware enrolls again belongs to the
// old generation, and must not touch the new one.
func TestReportOfAnEndedGeneration(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	same := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "SAME" }
	old := w.enroll(inv, same)
	between := &hooked{Storage: w.store, before: func() { w.enroll(inv, same) }}
	_, err := w.over(between).Report(w.ctx, old.Token, enrollment.Report{Seq: 1, Facts: complete()})
	require.ErrorIs(t, err, enrollment.ErrTokenRefused)
	require.Empty(t, w.device(old.Device.ID).Facts)
	require.Zero(t, w.contact(old.Device.ID).Seq)
}

// Where several sources speak of one fact, the agent's repetition is newer
// evidence than what another source saw before it.
func TestRepeatedReportAgainstAnotherSource(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: w.clock.Now(), Facts: map[device.Fact]bool{device.WorkProfile: true}})
	events := len(w.events(e.Device.ID))
	w.clock.Advance(time.Hour)
	seen := w.clock.Now().Add(-time.Minute)
	w.report(e, enrollment.Report{Seq: 2, Facts: complete()})
	status := w.observe(device.Observation{Site: "acme", Device: e.Device.ID, Source: "mdm", At: seen, Facts: map[device.Fact]bool{device.WorkProfile: false}})
	require.Equal(t, device.Active, status.State)
	require.Len(t, w.events(e.Device.ID), events)
}

func TestReportIsChecked(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	before := w.contact(e.Device.ID)
	w.clock.Advance(time.Hour)
	long := strings.Repeat("x", 257)
	for _, c := range []struct {
		name   string
		report enrollment.Report
		want   enrollment.FieldError
	}{
		{"no sequence", enrollment.Report{}, enrollment.FieldError{Field: "seq", Code: "required"}},
		{"negative sequence", enrollment.Report{Seq: -1}, enrollment.FieldError{Field: "seq", Code: "out_of_range"}},
		{"sequence that JSON loses", enrollment.Report{Seq: 1 << 53}, enrollment.FieldError{Field: "seq", Code: "out_of_range"}},
		{"unknown fact", enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{"jailbroken": true}}, enrollment.FieldError{Field: "facts.jailbroken", Code: "unknown"}},
		{"fact with a made-up name", enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{"<b>": true}}, enrollment.FieldError{Field: "facts", Code: "unknown"}},
		{"fact that is not the agent's", enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.Supervised: true}}, enrollment.FieldError{Field: "facts.supervised", Code: "not_allowed"}},
		{"inventory that is no object", enrollment.Report{Seq: 2, Inventory: []byte(`[1]`)}, enrollment.FieldError{Field: "inventory", Code: "malformed"}},
		{"inventory that is no JSON", enrollment.Report{Seq: 2, Inventory: []byte(`{"a":}`)}, enrollment.FieldError{Field: "inventory", Code: "malformed"}},
		{"inventory that is not UTF-8", enrollment.Report{Seq: 2, Inventory: []byte("{\"a\":\"\xff\"}")}, enrollment.FieldError{Field: "inventory", Code: "malformed"}},
		{"inventory that is too long", enrollment.Report{Seq: 2, Inventory: []byte(`{"a":"` + strings.Repeat("x", enrollment.MaxInventory) + `"}`)}, enrollment.FieldError{Field: "inventory", Code: "too_long"}},
		{"name that is too long", enrollment.Report{Seq: 2, Name: long}, enrollment.FieldError{Field: "name", Code: "too_long"}},
		{"model with a control character", enrollment.Report{Seq: 2, Model: "a\x00b"}, enrollment.FieldError{Field: "model", Code: "malformed"}},
		{"system that is not UTF-8", enrollment.Report{Seq: 2, OSVersion: "\xff"}, enrollment.FieldError{Field: "os_version", Code: "malformed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.svc.Report(w.ctx, e.Token, c.report)
			var invalid *enrollment.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, []enrollment.FieldError{c.want}, invalid.Fields)
		})
	}
	before.At = w.clock.Now()
	require.Equal(t, before, w.contact(e.Device.ID), "a sign of life, and no more")
	_, err := w.svc.Report(w.ctx, credentials.SecretString("nobody's"), enrollment.Report{Seq: -1})
	require.ErrorIs(t, err, enrollment.ErrTokenRefused, "a stranger is not told what is wrong with his report")
}

// An empty inventory says nothing.
func TestReportEmptyInventory(t *testing.T) {
	for _, inventory := range []string{"", "  ", "{}", "{ }"} {
		w := newWorld(t)
		e := w.enroll(w.invite("ann"))
		status := w.report(e, enrollment.Report{Seq: 1, Facts: complete(), Inventory: []byte(inventory)})
		require.Equal(t, []device.Fact{device.InventoryReceived}, status.Missing)
	}
}

// T44: whatever order reports arrive in, however often, and whichever are lost,
// the device ends where a list of those in sequence leads.
func TestReportsInAnyOrder(t *testing.T) {
	reports := []enrollment.Report{
		{Seq: 1, Facts: complete()},
		{Seq: 2, Facts: map[device.Fact]bool{device.Permissions: false}, Inventory: []byte(`{"a":1}`)},
		{Seq: 3, Facts: map[device.Fact]bool{device.Permissions: true, device.WorkProfile: false}},
		{Seq: 4, Facts: map[device.Fact]bool{device.WorkProfile: true}, Name: "Four"},
	}
	w := newWorld(t)
	inv := w.invite("ann")
	for _, order := range arrivals(len(reports)) {
		e := w.enroll(inv)
		model, latest := map[device.Fact]bool{}, int64(0)
		name := e.Device.Name
		for _, i := range order {
			r := reports[i]
			status := w.report(e, r)
			if r.Seq > latest {
				latest = r.Seq
				for f, v := range r.Facts {
					model[f] = v
				}
				if r.Inventory != nil {
					model[device.InventoryReceived] = true
				}
				if r.Name != "" {
					name = r.Name
				}
			}
			require.Equal(t, latest+1, status.Seq)
		}
		d := w.device(e.Device.ID)
		for _, f := range device.AllFacts() {
			require.Equal(t, model[f], d.Facts.Holds(f), "%s after %v", f, order)
		}
		require.Equal(t, name, d.Name)
		require.Equal(t, len(d.Missing(nil)) == 0, d.State == device.Active, "%v", order)
		w.checkHistory(e.Device.ID)
	}
}

// arrivals returns every order of every subset of 0..n-1, and each of them with
// its first arriving again at the end.
func arrivals(n int) (orders [][]int) {
	var extend func(order []int)
	extend = func(order []int) {
		if len(order) > 0 {
			orders = append(orders, slices.Clone(order), append(slices.Clone(order), order[0]))
		}
		for i := range n {
			if !slices.Contains(order, i) {
				extend(append(slices.Clone(order), i))
			}
		}
	}
	extend(nil)
	return orders
}

// Of reports that arrive at once, the one with the greatest sequence number is
// the last that counts, also where it changes nothing.
func TestReportsAtOnce(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	for round := range 20 {
		base := int64(2 + round*8)
		var group sync.WaitGroup
		for i := range int64(8) {
			group.Go(func() {
				_, err := w.svc.Report(w.ctx, e.Token, enrollment.Report{
					Seq: base + i, Facts: map[device.Fact]bool{device.Permissions: i%2 == 1},
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.Equal(t, device.Active, w.device(e.Device.ID).State)
		require.Equal(t, base+7, w.contact(e.Device.ID).Seq)
		w.checkHistory(e.Device.ID)
	}
}

func TestRestore(t *testing.T) {
	t.Run("a sign of life restores a silent device", func(t *testing.T) {
		for name, sign := range map[string]func(*world, enrollment.Enrolled) error{
			"check-in": func(w *world, e enrollment.Enrolled) error { return w.svc.CheckIn(w.ctx, e.Token, 0) },
			"late report": func(w *world, e enrollment.Enrolled) error {
				_, err := w.svc.Report(w.ctx, e.Token, enrollment.Report{Seq: 1})
				return err
			},
			"touch": func(w *world, e enrollment.Enrolled) error {
				return w.svc.Touch(w.ctx, []enrollment.Touch{{Site: "acme", Device: e.Device.ID, At: w.clock.Now()}})
			},
			"observation": func(w *world, e enrollment.Enrolled) error {
				_, err := w.svc.Observe(w.ctx, device.Observation{Site: "acme", Device: e.Device.ID, Source: device.SourceMDM, At: w.clock.Now()})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				e := w.unresponsive("ann")
				require.Equal(t, "unresponsive", w.slots()[e.Device.ID].State)
				require.True(t, w.contact(e.Device.ID).Silent)
				require.NoError(t, sign(w, e))
				require.Equal(t, device.Active, w.device(e.Device.ID).State)
				require.False(t, w.contact(e.Device.ID).Silent)
				require.Equal(t, "active", w.slots()[e.Device.ID].State)
				last := w.events(e.Device.ID)[3]
				require.Equal(t, []string{device.EventRestored, "unresponsive", "active"}, []string{string(last.Type), last.Before, last.After})
				w.checkHistory(e.Device.ID)
			})
		}
	})
	t.Run("what the report says comes after, in a unit of its own", func(t *testing.T) {
		w := newWorld(t)
		e := w.unresponsive("ann")
		w.report(e, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.WorkProfile: false}})
		require.Equal(t, []string{device.EventRestored, device.EventImpaired}, w.types(e.Device.ID)[3:])
		w.checkHistory(e.Device.ID)
	})
	t.Run("of many signs at once one restores", func(t *testing.T) {
		w := newWorld(t)
		e := w.unresponsive("ann")
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				if err := w.svc.CheckIn(w.ctx, e.Token, 0); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.Len(t, w.events(e.Device.ID), 4)
	})
	t.Run("an old sign of life restores nothing", func(t *testing.T) {
		w := newWorld(t)
		e := w.unresponsive("ann")
		old := w.clock.Now().Add(-enrollment.DefaultUnresponsiveAfter - time.Millisecond)
		require.NoError(t, w.svc.Touch(w.ctx, []enrollment.Touch{{Site: "acme", Device: e.Device.ID, At: old}}))
		_, err := w.svc.Observe(w.ctx, device.Observation{
			Site: "acme", Device: e.Device.ID, Source: device.SourceMDM, At: old, Facts: map[device.Fact]bool{device.WorkProfile: false},
		})
		require.NoError(t, err)
		require.Equal(t, device.Unresponsive, w.device(e.Device.ID).State)
		require.True(t, w.contact(e.Device.ID).Silent)
	})
}

func TestUnenroll(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	e := w.enroll(inv)
	require.NotContains(t, w.slots(), inv)
	require.NoError(t, w.svc.Unenroll(w.ctx, e.Token))
	require.NoError(t, w.svc.Unenroll(w.ctx, e.Token), "leaving twice is no error")

	d := w.device(e.Device.ID)
	require.Equal(t, []string{"unenrolled", "left"}, []string{string(d.State), d.Reason})
	require.Equal(t, []string{device.EventEnrolled, device.EventUnenrolled}, w.types(e.Device.ID))
	w.checkHistory(e.Device.ID)
	require.Contains(t, w.slots(), inv, "the invitation is a slot again")
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Equal(t, []int{1, 0}, []int{detail.Enrolled, detail.Live})

	t.Run("a silent device leaves without being restored first", func(t *testing.T) {
		w := newWorld(t)
		e := w.unresponsive("ann")
		require.NoError(t, w.svc.Unenroll(w.ctx, e.Token))
		require.Equal(t, device.EventUnenrolled, w.types(e.Device.ID)[3])
		require.False(t, w.contact(e.Device.ID).Silent)
	})
	t.Run("an invitation that is over gets its place back too, and no slot", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
		e := w.enroll(inv)
		require.NoError(t, w.svc.Unenroll(w.ctx, e.Token))
		detail, err := w.svc.Invitation(w.ctx, w.by, inv)
		require.NoError(t, err)
		require.Equal(t, 0, detail.Live)
		require.NotContains(t, w.slots(), inv)
	})
}

func TestTouch(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	w.clock.Advance(time.Hour)
	require.NoError(t, w.svc.Touch(w.ctx, []enrollment.Touch{
		{Site: "acme", Device: e.Device.ID, At: w.clock.Now().Add(time.Hour), Seq: 99},
		{Site: "acme", Device: "dev_nobody"},
		{Site: "other", Device: e.Device.ID},
	}))
	require.Equal(t, w.clock.Now(), w.contact(e.Device.ID).At, "the future counts as now")
	require.Equal(t, int64(1), w.contact(e.Device.ID).Seq, "the sequence is the agent's own")
	for _, bad := range []enrollment.Touch{{Device: e.Device.ID}, {Site: "acme"}} {
		require.Equal(t, "invalid", enrollment.Code(w.svc.Touch(w.ctx, []enrollment.Touch{bad})))
	}
}

// T50: whichever call of the store fails, before it is done or after, no verb
// answers success without its row; and done again, it ends as if nothing had
// failed.
func TestNothingSucceedsWithoutItsRow(t *testing.T) {
	verbs := map[string]struct {
		do   func(context.Context, *world, *enrollment.Service, enrollment.Enrolled) error
		want func(*world, enrollment.Enrolled)
	}{
		"report": {
			func(ctx context.Context, w *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				_, err := svc.Report(ctx, e.Token, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.Permissions: false}})
				return err
			},
			func(w *world, e enrollment.Enrolled) {
				require.Equal(w, device.Impaired, w.device(e.Device.ID).State)
				require.Equal(w, device.EventImpaired, w.types(e.Device.ID)[4])
				require.Len(w, w.events(e.Device.ID), 5)
				require.Equal(w, int64(2), w.contact(e.Device.ID).Seq)
			},
		},
		"check-in": {
			func(ctx context.Context, _ *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				return svc.CheckIn(ctx, e.Token, 2)
			},
			func(w *world, e enrollment.Enrolled) {
				require.Equal(w, device.Active, w.device(e.Device.ID).State)
				require.Len(w, w.events(e.Device.ID), 4)
			},
		},
		"observe": {
			func(ctx context.Context, w *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				_, err := svc.Observe(ctx, device.Observation{
					Site: "acme", Device: e.Device.ID, At: w.clock.Now(), Ref: device.Ref{Source: "mdm", ID: "x"},
					Facts: map[device.Fact]bool{device.WorkProfile: false},
				})
				return err
			},
			func(w *world, e enrollment.Enrolled) {
				require.Equal(w, device.Impaired, w.device(e.Device.ID).State)
				require.Len(w, w.events(e.Device.ID), 5)
			},
		},
		"unenroll": {
			func(ctx context.Context, _ *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				return svc.Unenroll(ctx, e.Token)
			},
			func(w *world, e enrollment.Enrolled) {
				require.Equal(w, device.Unenrolled, w.device(e.Device.ID).State)
				require.Contains(w, w.slots(), e.Device.Invitation)
				require.Len(w, w.events(e.Device.ID), 4)
			},
		},
		"remove": {
			func(ctx context.Context, w *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				_, err := svc.Remove(ctx, w.by, e.Device.ID)
				return err
			},
			func(w *world, e enrollment.Enrolled) {
				require.Equal(w, device.Leaving, w.device(e.Device.ID).State)
				require.Len(w, w.events(e.Device.ID), 4)
			},
		},
		"delete": {
			func(ctx context.Context, w *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				return svc.Delete(ctx, w.by, e.Device.ID)
			},
			func(w *world, e enrollment.Enrolled) {
				require.True(w, w.device(e.Device.ID).Deleted())
				require.True(w, w.contact(e.Device.ID).Gone)
				require.NotContains(w, w.slots(), e.Device.ID)
				require.Len(w, w.events(e.Device.ID), 4)
			},
		},
		"release": {
			func(ctx context.Context, w *world, svc *enrollment.Service, e enrollment.Enrolled) error {
				_, err := svc.Release(ctx, w.by, e.Device.ID)
				return err
			},
			func(w *world, e enrollment.Enrolled) {
				require.Empty(w, w.device(e.Device.ID).Hardware)
				require.Len(w, w.events(e.Device.ID), 4)
			},
		},
	}
	for name, verb := range verbs {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after the commit: %v", name, after), func(t *testing.T) {
				for n := 1; ; n++ {
					w := newWorld(t)
					e := w.unresponsive("ann")
					broken := &brokenStore{Storage: w.store, left: n, after: after}
					err := verb.do(w.ctx, w, w.over(broken), e)
					if !broken.broke {
						require.NoError(t, err)
						verb.want(w, e)
						require.Greater(t, n, 3)
						return
					}
					require.ErrorIs(t, err, errBroken, "call %d", n)
					require.NoError(t, verb.do(w.ctx, w, w.svc, e), "again after call %d", n)
					verb.want(w, e)
					w.checkHistory(e.Device.ID)
				}
			})
		}
	}
}
