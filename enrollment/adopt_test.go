package enrollment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

// managed is an Android phone of ann's that another system manages.
func managed(n int, change ...func(*enrollment.Adoption)) enrollment.Adoption {
	a := enrollment.Adoption{
		Ref: device.Ref{Source: "amapi", ID: fmt.Sprint("devices/", n)}, User: "ann",
		Platform: device.Android, State: device.Active, Name: fmt.Sprint("Phone ", n), Manufacturer: "Maker",
		Hardware: device.Hardware{Serial: fmt.Sprintf("AD%04d", n)},
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func (w *world) adopt(rows ...enrollment.Adoption) []enrollment.AdoptResult {
	w.Helper()
	results, err := w.svc.Adopt(w.ctx, w.by, rows)
	require.NoError(w, err)
	require.Len(w, results, len(rows))
	return results
}

// journal returns all events of acme that have a number.
func (w *world) journal() (list []enrollment.Event) {
	w.Helper()
	_, err := w.svc.Sequence(w.ctx)
	require.NoError(w, err)
	w.view(func(ctx context.Context, tx enrollment.Tx) (err error) {
		list, err = tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme"})
		return err
	})
	return list
}

func TestAdoptTakesADeviceInTheStateGiven(t *testing.T) {
	for _, state := range device.States() {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			enrolled, seen := w.clock.Now().Add(-900*time.Hour), w.clock.Now().Add(-time.Hour)
			results := w.adopt(managed(1, func(a *enrollment.Adoption) {
				a.State, a.EnrolledAt, a.LastContact, a.Since = state, enrolled, seen, enrolled
				a.Model, a.OSVersion = "One", "16"
			}))
			require.NoError(t, results[0].Err)
			require.Equal(t, enrollment.Adopted, results[0].Outcome)
			d := w.device(results[0].Device)
			require.Equal(t, []any{state, "ann", device.AndroidWorkProfile, device.Personal, device.ByAdoption, 1},
				[]any{d.State, d.User, d.Mode, d.Ownership, d.Origin, d.Generation})
			require.Equal(t, []any{"Phone 1", "Maker", "One", "16", "AD0001"}, []any{d.Name, d.Manufacturer, d.Model, d.OSVersion, d.Hardware.Serial})
			require.Equal(t, []time.Time{enrolled, enrolled, seen}, []time.Time{d.EnrolledAt, d.Since, w.contact(d.ID).At})
			require.Zero(t, w.contact(d.ID).Token, "it has no device token")
			require.Empty(t, w.outbox(""), "no mail")
			require.Equal(t, []string{device.EventAdopted}, w.types(d.ID), "one event")
			require.Equal(t, results[0].Ref, w.events(d.ID)[0].Ref)
			w.checkHistory(d.ID)
			row := w.slots()[d.ID]
			require.Equal(t, []any{string(state), "Ann Canary", "AD0001"}, []any{row.State, row.UserName, row.Serial})
		})
	}
}

func TestAnAdoptedDeviceIsHeardOfByItsRef(t *testing.T) {
	t.Run("what an active device is not said to have, it counts as having", func(t *testing.T) {
		w := newWorld(t)
		id := w.adopt(managed(1))[0].Device
		w.clock.Advance(time.Hour)
		status, err := w.svc.Observe(w.ctx, device.Observation{Site: "acme", Ref: managed(1).Ref, At: w.clock.Now(), Facts: map[device.Fact]bool{device.Permissions: true}})
		require.NoError(t, err)
		require.Equal(t, []any{id, device.Active}, []any{status.Device, status.State})
		require.Equal(t, w.clock.Now(), w.contact(id).At)
		status, err = w.svc.Observe(w.ctx, device.Observation{Site: "acme", Ref: managed(1).Ref, At: w.clock.Now(), Facts: map[device.Fact]bool{device.Permissions: false}})
		require.NoError(t, err)
		require.Equal(t, device.Impaired, status.State)
		w.checkHistory(id)
	})
	t.Run("one that is unresponsive comes back with its next sign of life", func(t *testing.T) {
		w := newWorld(t)
		unresponsive := func(a *enrollment.Adoption) {
			a.State, a.LastContact = device.Unresponsive, w.clock.Now().Add(-100*time.Hour)
		}
		results := w.adopt(managed(1, unresponsive), managed(2, unresponsive))
		_, err := w.svc.Observe(w.ctx, device.Observation{Site: "acme", Ref: managed(1).Ref, At: w.clock.Now()})
		require.NoError(t, err)
		require.NoError(t, w.svc.Touch(w.ctx, []enrollment.Touch{{Site: "acme", Device: results[1].Device}}))
		for _, r := range results {
			require.Equal(t, device.Active, w.device(r.Device).State)
			require.Equal(t, []string{device.EventAdopted, device.EventRestored}, w.types(r.Device))
		}
	})
	t.Run("one that is silent from then on becomes unresponsive", func(t *testing.T) {
		w := newWorld(t)
		id := w.adopt(managed(1))[0].Device
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Second)
		_, err := w.svc.Sweep(w.ctx)
		require.NoError(t, err)
		require.Equal(t, device.Unresponsive, w.device(id).State)
		w.checkHistory(id)
	})
	t.Run("it leaves by its ref", func(t *testing.T) {
		w := newWorld(t)
		id := w.adopt(managed(1))[0].Device
		status, err := w.svc.Observe(w.ctx, device.Observation{Site: "acme", Ref: managed(1).Ref, At: w.clock.Now(), Left: true})
		require.NoError(t, err)
		require.Equal(t, device.Unenrolled, status.State)
		w.checkHistory(id)
	})
}

func TestASecondImportChangesNothing(t *testing.T) {
	w := newWorld(t)
	var rows []enrollment.Adoption
	for n := range 250 { // three units
		rows = append(rows, managed(n, func(a *enrollment.Adoption) {
			if n%3 == 0 {
				a.User, a.Email, a.UserName = "", fmt.Sprintf("guest%d@example.com", n%5), "Guest"
			}
		}))
	}
	first := w.adopt(rows...)
	events, before := len(w.journal()), w.slots()
	require.Equal(t, 250, events, "one event for each device")
	rows[7].Name, rows[7].State = "Renamed meanwhile", device.Impaired
	second := w.adopt(rows...)
	for i := range rows {
		require.Equal(t, enrollment.Adopted, first[i].Outcome)
		require.Equal(t, enrollment.AdoptResult{Ref: rows[i].Ref, Device: first[i].Device, Outcome: enrollment.AdoptUnchanged}, second[i])
	}
	require.Len(t, w.journal(), events)
	require.Equal(t, before, w.slots())
	require.Equal(t, int64(1), w.device(first[7].Device).Version)
}

func TestTwoImportsAtOnceMakeEachDeviceOnce(t *testing.T) {
	w := newWorld(t)
	var rows []enrollment.Adoption
	for n := range 120 {
		rows = append(rows, managed(n, func(a *enrollment.Adoption) { a.User = []string{"ann", "bob", "cyd"}[n%3] }))
	}
	results := make([][]enrollment.AdoptResult, 4)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			mine := slices.Clone(rows)
			if i%2 == 1 {
				slices.Reverse(mine)
			}
			got, err := w.svc.Adopt(w.ctx, w.by, mine)
			if assert.NoError(t, err); i%2 == 1 {
				slices.Reverse(got)
			}
			results[i] = got
		})
	}
	group.Wait()
	for n := range rows {
		created := 0
		for _, got := range results {
			require.NoError(t, got[n].Err)
			require.Equal(t, results[0][n].Device, got[n].Device)
			if got[n].Outcome == enrollment.Adopted {
				created++
			}
		}
		require.Equal(t, 1, created, "device %d", n)
	}
	require.Len(t, w.slots(), len(rows))
	require.Len(t, w.journal(), len(rows))
}

func TestAdoptJudgesHardwareAsAnEnrollmentDoes(t *testing.T) {
	serial := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "AD0001" }
	t.Run("the user's own device gets the ref and stays as it is", func(t *testing.T) {
		w := newWorld(t)
		in := w.enroll(w.invite("ann"), serial)
		got := w.adopt(managed(1))[0]
		require.Equal(t, enrollment.AdoptResult{Ref: managed(1).Ref, Device: in.Device.ID, Outcome: enrollment.AdoptLinked}, got)
		d := w.device(in.Device.ID)
		require.Equal(t, []any{device.Pending, 1, "Phone"}, []any{d.State, d.Generation, d.Name})
		require.Equal(t, []device.Ref{managed(1).Ref}, d.Refs)
		require.NoError(t, w.svc.CheckIn(w.ctx, in.Token, 1), "its token is good")
		w.checkHistory(d.ID)
		require.Equal(t, enrollment.AdoptUnchanged, w.adopt(managed(1))[0].Outcome)
		// The same hardware under a second id of the same system is somebody's mistake.
		again := managed(2, func(a *enrollment.Adoption) { a.Hardware = managed(1).Hardware })
		for range 2 {
			got := w.adopt(managed(1), again)
			require.Equal(t, enrollment.AdoptUnchanged, got[0].Outcome)
			require.ErrorIs(t, got[1].Err, enrollment.ErrExists)
			require.Equal(t, in.Device.ID, got[1].Conflict)
		}
	})
	t.Run("one that has left is back, in a new generation", func(t *testing.T) {
		w := newWorld(t)
		in := w.enroll(w.invite("ann"), serial)
		require.NoError(t, w.svc.Unenroll(w.ctx, in.Token))
		got := w.adopt(managed(1))[0]
		require.Equal(t, []any{in.Device.ID, enrollment.AdoptLinked}, []any{got.Device, got.Outcome})
		d := w.device(got.Device)
		require.Equal(t, []any{device.Active, 2, device.ByAdoption, ""}, []any{d.State, d.Generation, d.Origin, d.Invitation})
		require.ErrorIs(t, w.svc.CheckIn(w.ctx, in.Token, 1), enrollment.ErrTokenRefused, "the old token is over")
		require.Equal(t, []any{"", 0, uint32(0)}, []any{d.EnrollmentID, len(d.Nonce), d.TokenKey}, "there is nothing to make another from")
		w.checkHistory(d.ID)
	})
	t.Run("another user's is in conflict", func(t *testing.T) {
		w := newWorld(t)
		in := w.enroll(w.invite("bob"), serial)
		mails := len(w.outbox(""))
		got := w.adopt(managed(1))[0]
		require.Equal(t, []any{enrollment.Adopted, in.Device.ID}, []any{got.Outcome, got.Conflict})
		require.True(t, w.slots()[got.Device].Conflict)
		require.Equal(t, []string{device.EventAdopted, device.EventConflict}, w.types(got.Device))
		require.Len(t, w.outbox(""), mails, "no mail")
	})
	t.Run("a deleted one is its predecessor", func(t *testing.T) {
		w := newWorld(t)
		in := w.enroll(w.invite("ann"), serial)
		require.NoError(t, w.svc.Delete(w.ctx, w.by, in.Device.ID))
		got := w.adopt(managed(1))[0]
		require.Equal(t, enrollment.Adopted, got.Outcome)
		require.Equal(t, in.Device.ID, w.device(got.Device).Previous)
	})
	t.Run("enrolling it later is the same device", func(t *testing.T) {
		w := newWorld(t)
		got := w.adopt(managed(1))[0]
		in := w.enroll(w.invite("ann"), serial)
		require.Equal(t, []any{got.Device, true, 2}, []any{in.Device.ID, in.Reenrolled, w.device(got.Device).Generation})
		w.checkHistory(got.Device)
	})
	t.Run("a further ref that is another device's", func(t *testing.T) {
		w := newWorld(t)
		first := w.adopt(managed(1))[0]
		got := w.adopt(managed(2, func(a *enrollment.Adoption) {
			a.Ref.Source, a.MoreRefs = "mdm", []device.Ref{managed(1).Ref}
		}), managed(3))
		require.ErrorIs(t, got[0].Err, enrollment.ErrExists)
		require.Equal(t, first.Device, got[0].Conflict)
		require.NoError(t, got[1].Err)
	})
	t.Run("a device of a row before it, in the same unit", func(t *testing.T) {
		w := newWorld(t)
		twin := func(a *enrollment.Adoption) { a.Ref.Source, a.Hardware = "mdm", managed(1).Hardware }
		got := w.adopt(managed(1), managed(2, twin), managed(1))
		require.Equal(t, []any{enrollment.Adopted, enrollment.AdoptLinked, enrollment.AdoptUnchanged}, []any{got[0].Outcome, got[1].Outcome, got[2].Outcome})
		require.Len(t, w.slots(), 1)
	})
}

func TestARowThatIsWrongKeepsNoOtherFromBeingTaken(t *testing.T) {
	w := newWorld(t)
	for want, change := range map[string]func(*enrollment.Adoption){
		"ref: required":            func(a *enrollment.Adoption) { a.Ref.ID = "" },
		"ref: not_allowed":         func(a *enrollment.Adoption) { a.Ref.Source = "agent" },
		"ref: malformed":           func(a *enrollment.Adoption) { a.Ref.ID = "a\nb" },
		"more_refs[0]: repeated":   func(a *enrollment.Adoption) { a.MoreRefs = []device.Ref{{Source: "amapi", ID: "other"}} },
		"more_refs: too_many":      func(a *enrollment.Adoption) { a.MoreRefs = make([]device.Ref, 17) },
		"user_id: required":        func(a *enrollment.Adoption) { a.User = "" },
		"email: malformed":         func(a *enrollment.Adoption) { a.User, a.Email = "", "nobody" },
		"platform: required":       func(a *enrollment.Adoption) { a.Platform = "" },
		"platform: unknown":        func(a *enrollment.Adoption) { a.Platform = "amiga" },
		"mode: mismatch":           func(a *enrollment.Adoption) { a.Mode = device.WindowsMode },
		"ownership: unknown":       func(a *enrollment.Adoption) { a.Ownership = "borrowed" },
		"state: required":          func(a *enrollment.Adoption) { a.State = "" },
		"state: unknown":           func(a *enrollment.Adoption) { a.State = "deleted" },
		"state: mismatch":          func(a *enrollment.Adoption) { a.Facts = map[device.Fact]bool{device.AgentInstalled: true} },
		"facts.colour: unknown":    func(a *enrollment.Adoption) { a.Facts, a.State = map[device.Fact]bool{"colour": true}, device.Pending },
		"hardware.imei: malformed": func(a *enrollment.Adoption) { a.Hardware.IMEI = "\x00" },
		"name: too_long":           func(a *enrollment.Adoption) { a.Name = string(bytes.Repeat([]byte("x"), 257)) },
	} {
		t.Run(want, func(t *testing.T) {
			got := w.adopt(managed(1, change), managed(2))
			invalid := &enrollment.ValidationError{}
			require.ErrorAs(t, got[0].Err, &invalid)
			require.Equal(t, want, invalid.Fields[0].Field+": "+invalid.Fields[0].Code)
			require.Empty(t, got[0].Device)
			require.NoError(t, got[1].Err)
			require.Len(t, w.slots(), 1)
		})
	}
	t.Run("a user nobody knows", func(t *testing.T) {
		got := w.adopt(managed(1, func(a *enrollment.Adoption) { a.User = "zed" }))
		require.ErrorIs(t, got[0].Err, enrollment.ErrNotFound)
	})
	t.Run("times to come count as now", func(t *testing.T) {
		later := w.clock.Now().Add(time.Hour)
		got := w.adopt(managed(3, func(a *enrollment.Adoption) { a.EnrolledAt, a.LastContact, a.Since = later, later, later }))
		d := w.device(got[0].Device)
		require.Equal(t, []time.Time{w.clock.Now(), w.clock.Now(), w.clock.Now()}, []time.Time{d.EnrolledAt, d.Since, w.contact(d.ID).At})
	})
}

func TestAnImportThatBreaksOffGoesOnWhenRepeated(t *testing.T) {
	w := newWorld(t)
	var rows []enrollment.Adoption
	for n := range 150 {
		rows = append(rows, managed(n))
	}
	broke := 0
	for left := 1; ; left += 97 {
		broken := &brokenStore{Storage: w.store, left: left}
		results, err := w.over(broken).Adopt(w.ctx, w.by, rows)
		if !broken.broke {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, errBroken)
		require.Zero(t, len(results)%100, "whole units")
		broke++
	}
	require.Greater(t, broke, 3)
	require.Len(t, w.slots(), 150)
	require.Len(t, w.journal(), 150)
	for id := range w.slots() {
		w.checkHistory(id)
	}
}

func TestAFleetMovesToAnotherStore(t *testing.T) {
	w := newWorld(t)
	w.unresponsive("cyd")
	left := w.enroll(w.invite("cyd"))
	require.NoError(t, w.svc.Unenroll(w.ctx, left.Token))
	w.active("ann")
	w.enroll(w.invite("bob"))
	require.NoError(t, w.svc.Delete(w.ctx, w.by, w.enroll(w.invite("ann")).Device.ID))
	w.adopt(managed(1), managed(2, func(a *enrollment.Adoption) {
		a.User, a.Email, a.UserName = "", "Guest@Example.com", "<Guest> & Co"
		a.State, a.Facts = device.Impaired, map[device.Fact]bool{device.AgentInstalled: true, device.Permissions: false}
		a.MoreRefs = []device.Ref{{Source: "mdm", ID: "x"}}
		a.LastContact = w.clock.Now().Add(-time.Hour)
	}))
	var first bytes.Buffer
	require.NoError(t, w.svc.ExportDevices(w.ctx, w.by, &first))

	other := enrollment.Actor{Site: "acme", ID: "adm-9"}
	moved := w.over(memstore.New())
	var rows []enrollment.Adoption
	for row, err := range enrollment.ReadAdoptions(bytes.NewReader(first.Bytes())) {
		require.NoError(t, err)
		rows = append(rows, row)
	}
	require.Len(t, rows, 6)
	results, err := moved.Adopt(w.ctx, other, rows)
	require.NoError(t, err)
	for i, r := range results {
		require.NoError(t, r.Err, "%+v", rows[i])
		require.Equal(t, enrollment.Adopted, r.Outcome)
	}
	var second bytes.Buffer
	require.NoError(t, moved.ExportDevices(w.ctx, other, &second))
	lines := func(b *bytes.Buffer) []string {
		list := []string{}
		for _, line := range bytes.Split(bytes.TrimSpace(b.Bytes()), []byte("\n")) {
			list = append(list, string(line))
		}
		slices.Sort(list)
		return list
	}
	require.Equal(t, lines(&first), lines(&second), "the other store exports the same fleet")
	require.NotContains(t, first.String(), "inv_")
	require.Contains(t, first.String(), `"more_refs":[{"source":"mdm","id":"x"}]`)
	require.Contains(t, first.String(), `"email":"Guest@Example.com","user_name":"<Guest> & Co"`)
}

// refusing has one device that another row holds, as if somebody had been quicker.
type refusing struct{ enrollment.Storage }

func (s refusing) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, refusingTx{tx}) })
}

type refusingTx struct{ enrollment.Tx }

func (t refusingTx) Devices() enrollment.Devices { return refusingDevices{t.Tx.Devices()} }

type refusingDevices struct{ enrollment.Devices }

func (d refusingDevices) Create(ctx context.Context, list ...device.Device) error {
	if list[0].Name == "Taken" {
		return fmt.Errorf("store: %w", enrollment.ErrExists)
	}
	return d.Devices.Create(ctx, list...)
}

func TestARowThatTheStoreRefusesKeepsNoOtherFromBeingTaken(t *testing.T) {
	w := newWorld(t)
	results, err := w.over(refusing{w.store}).Adopt(w.ctx, w.by, []enrollment.Adoption{
		managed(1), managed(2, func(a *enrollment.Adoption) { a.Name = "Taken" }), managed(3),
	})
	require.NoError(t, err)
	require.ErrorIs(t, results[1].Err, enrollment.ErrExists)
	require.Equal(t, []any{"", enrollment.AdoptOutcome("")}, []any{results[1].Device, results[1].Outcome})
	require.Len(t, w.journal(), 2)
	for _, i := range []int{0, 2} {
		require.NoError(t, results[i].Err)
		require.Equal(t, enrollment.Adopted, results[i].Outcome)
		w.checkHistory(results[i].Device)
	}
}

func TestAdoptShowsWhatTheDirectorySaysOfTheUser(t *testing.T) {
	w := newWorld(t)
	old := w.active("ann").Device.ID
	require.NoError(t, w.store.Update(w.ctx, func(ctx context.Context, tx enrollment.Tx) error {
		slot, err := tx.Slots().Get(ctx, "acme", old)
		if err != nil {
			return err
		}
		slot.UserName = "Ann Before"
		return errors.Join(tx.Slots().Put(ctx, slot), tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: "ann", Name: "Ann Before"}))
	}))
	id := w.adopt(managed(1))[0].Device
	rows := w.slots()
	require.Equal(t, []string{"Ann Canary", "Ann Canary"}, []string{rows[old].UserName, rows[id].UserName})
}

func TestAdoptAndExportAskForPermission(t *testing.T) {
	var asked []enrollment.Permission
	w := newWorld(t, func(c *enrollment.Config) {
		c.Authorize = func(_ context.Context, by enrollment.Actor, p enrollment.Permission) error {
			asked = append(asked, p)
			return enrollment.ErrForbidden
		}
	})
	_, err := w.svc.Adopt(w.ctx, w.by, []enrollment.Adoption{managed(1)})
	require.ErrorIs(t, err, enrollment.ErrForbidden)
	var out bytes.Buffer
	require.ErrorIs(t, w.svc.ExportDevices(w.ctx, w.by, &out), enrollment.ErrForbidden)
	_, err = w.svc.ExportUser(w.ctx, w.by, "ann")
	require.ErrorIs(t, err, enrollment.ErrForbidden)
	require.ErrorIs(t, w.svc.EraseUser(w.ctx, w.by, "ann"), enrollment.ErrForbidden)
	require.Equal(t, []enrollment.Permission{enrollment.PermAdopt, enrollment.PermExport, enrollment.PermExport, enrollment.PermErase}, asked)
	require.Empty(t, out.String())
}

func TestReadAdoptions(t *testing.T) {
	long := bytes.Repeat([]byte(" "), enrollment.MaxAdoptionLine)
	text := bytes.Join([][]byte{
		[]byte(`{"ref":{"source":"mdm","id":"1"},"user_id":"ann","platform":"ios","state":"active","facts":{"supervised":true}}`),
		[]byte(""),
		[]byte(`{"ref":{"source":"mdm","id":"2"},"colour":"red"}` + "\r"),
		append([]byte(`{"ref":`), long...),
		[]byte(`{"ref":{"source":"mdm","id":"3"}} {}`),
		[]byte(`["mdm"]`),
		[]byte(`{"user_id":"ann","more_refs":[{"source":"a","id":"b"},{"source":"c","id":"d"}],"user_id":"bob"}`),
		[]byte(`{"ref":{"source":"mdm","id":"1","id":"2"}}`),
		[]byte(`{"User_ID":"ann"}`),
		[]byte("{\"name\":\"\xff\"}"),
		[]byte(`{"ref":{"source":"mdm","id":"4"}}`), // without an end of line
	}, []byte("\n"))
	var got []string
	for row, err := range enrollment.ReadAdoptions(bytes.NewReader(text)) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, row.Ref.ID)
	}
	const malformed = ": not one JSON object with the fields of an adoption"
	require.Equal(t, []string{
		"1", "enrollment: line 3" + malformed, "enrollment: line 4: longer than 64 KiB", "enrollment: line 5" + malformed,
		"enrollment: line 6" + malformed, "enrollment: line 7" + malformed, "enrollment: line 8" + malformed,
		"enrollment: line 9" + malformed, "enrollment: line 10" + malformed, "4",
	}, got)
	t.Run("stops when the reader of them does", func(t *testing.T) {
		n := 0
		for range enrollment.ReadAdoptions(bytes.NewReader(text)) {
			n++
			break
		}
		require.Equal(t, 1, n)
	})
	t.Run("ends with the error of what it reads from", func(t *testing.T) {
		var errs []error
		for _, err := range enrollment.ReadAdoptions(cutShort{}) {
			errs = append(errs, err)
		}
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], errCut)
		line := &enrollment.LineError{}
		require.ErrorAs(t, errs[0], &line)
		require.Equal(t, 1, line.Line)
	})
}

var errCut = errors.New("cut short")

type cutShort struct{}

func (cutShort) Read([]byte) (int, error) { return 0, errCut }
