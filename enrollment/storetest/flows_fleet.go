package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// adoptions are devices that another system manages, of few users, every seventh of a
// person outside the directory.
func adoptions(n int) []enrollment.Adoption {
	rows := make([]enrollment.Adoption, n)
	for i := range rows {
		rows[i] = enrollment.Adoption{
			Ref: device.Ref{Source: "old", ID: fmt.Sprint("device-", i)}, User: fmt.Sprint("u", i%5),
			Platform: device.Android, State: device.Active, Manufacturer: "Acme", Hardware: device.Hardware{Serial: fmt.Sprint("F", i)},
		}
		if i%7 == 0 {
			rows[i].User, rows[i].Email = "", fmt.Sprintf("guest%d@example.net", i%3)
		}
	}
	return rows
}

// all returns every event of site alpha, the oldest first.
func (w *world) all(t *testing.T) (list []enrollment.Event) {
	t.Helper()
	_, err := w.svc.Sequence(t.Context())
	must(t, err)
	must(t, w.store.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
		list, err = tx.Journal().List(ctx, enrollment.EventQuery{Site: "alpha"})
		return err
	}))
	return list
}

// flowConcurrentAdoptions imports one file three times at once, once backwards.
func flowConcurrentAdoptions(t *testing.T, w *world) {
	rows := adoptions(130)
	const callers = 3
	results := make([][]enrollment.AdoptResult, callers)
	must(t, errors.Join(together(callers, func(i int) error {
		mine := slices.Clone(rows)
		if i == 1 {
			slices.Reverse(mine)
		}
		var err error
		if results[i], err = w.svc.Adopt(t.Context(), alpha, mine); i == 1 {
			slices.Reverse(results[i])
		}
		return err
	})...))
	for n, row := range rows {
		created := 0
		for _, list := range results {
			must(t, list[n].Err)
			want(t, "the device of "+row.Ref.ID, list[n].Device, results[0][n].Device)
			if list[n].Outcome == enrollment.Adopted {
				created++
			}
		}
		want(t, "how often "+row.Ref.ID+" was created", created, 1)
	}
	want(t, "events, one for each device", len(w.all(t)), len(rows))
	again, err := w.svc.Adopt(t.Context(), alpha, rows)
	must(t, err)
	for _, r := range again {
		want(t, "the outcome of a later import", r.Outcome, enrollment.AdoptUnchanged)
	}
	want(t, "events after it", len(w.all(t)), len(rows))

	status, err := w.svc.Observe(t.Context(), device.Observation{Site: "alpha", Ref: rows[3].Ref, At: w.clock(), Facts: map[device.Fact]bool{device.WorkProfile: false}})
	must(t, err)
	want(t, "the state after an observation by ref", status.State, device.Impaired)
	page, err := w.svc.Overview(t.Context(), alpha, enrollment.OverviewQuery{})
	must(t, err)
	want(t, "active devices", page.Counts["active"], int64(len(rows)-1))
}

// flowErase erases a person whose devices enroll and report at the same time.
func flowErase(t *testing.T, w *world) {
	ctx := t.Context()
	_, shown := w.invite(t, enrollment.InviteRequest{User: "ann", Email: "ann.private@example.com"})
	first, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "first", "S-first"))
	must(t, err)
	over := func(err error) error { // what whoever comes too late is told
		for _, known := range []error{enrollment.ErrInvitationUnknown, invitation.ErrDeactivated, enrollment.ErrDeviceGone, enrollment.ErrCredentialRefused, enrollment.ErrTokenRefused} {
			if errors.Is(err, known) {
				return nil
			}
		}
		return err
	}
	const callers = 8
	must(t, errors.Join(together(callers, func(i int) error {
		switch i % 4 {
		case 0:
			r := byLink(t, shown.URL, fmt.Sprint("late-", i), fmt.Sprint("S-", i))
			_, err := w.svc.Enroll(ctx, r)
			return over(err)
		case 1:
			_, err := w.svc.Report(ctx, first.Token, enrollment.Report{Seq: int64(i), Name: "Ann's phone", Inventory: []byte(`{"owner":"canary"}`)})
			return over(err)
		case 2:
			_, err := w.svc.Enroll(ctx, byPIN("ann.private@example.com", shown.PIN, fmt.Sprint("pin-", i)))
			return over(err)
		}
		return w.svc.EraseUser(ctx, alpha, "ann")
	})...))
	must(t, w.svc.EraseUser(ctx, alpha, "ann"))

	export, err := w.svc.ExportUser(ctx, alpha, "ann")
	must(t, err)
	want(t, "devices left", len(export.Devices), 0)
	text, err := json.Marshal(export)
	must(t, err)
	for _, personal := range []string{"Name of", "@example.com", "S-first", "canary", "phone"} {
		want(t, personal+" is held", strings.Contains(string(text), personal), false)
	}
	erased := 0
	for _, e := range export.Events {
		if e.Type == enrollment.EventUserErased {
			erased++
		}
	}
	want(t, "user.erased is noted", erased > 0 && erased <= 3, true)
	if err := w.svc.CheckIn(ctx, first.Token, 0); !errors.Is(err, enrollment.ErrDeviceGone) {
		t.Fatalf("a check-in of an erased person's device was answered with %v", err)
	}
	want(t, "invitations mailed", len(w.delivered(t, enrollment.MessageInvitation)), 0)
	page, err := w.svc.Overview(ctx, alpha, enrollment.OverviewQuery{})
	must(t, err)
	want(t, "rows in the list", len(page.Slots), 0)

	_, shown = w.invite(t, enrollment.InviteRequest{User: "ann"})
	again, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "again", "S-first"))
	must(t, err)
	want(t, "the predecessor of the device that comes back", again.Device.Previous, first.Device.ID)
}

// flowRetention lets time pass until the defaults of a site have nothing left to
// keep.
func flowRetention(t *testing.T, w *world) {
	ctx := t.Context()
	inv, shown := w.invite(t, enrollment.InviteRequest{User: "ann"})
	d, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "first", "S-1"))
	must(t, err)
	must(t, w.svc.Delete(ctx, alpha, d.Device.ID))
	_, err = w.svc.Deactivate(ctx, alpha, inv)
	must(t, err)
	before := len(w.all(t))
	w.pass(enrollment.DefaultObservationsKept + time.Hour)
	_, err = w.svc.Sweep(ctx)
	must(t, err)
	detail, err := w.svc.Invitation(ctx, alpha, inv)
	must(t, err)
	want(t, "sightings", len(detail.Sightings), 0)
	want(t, "events", len(w.all(t)), before)
	w.pass(enrollment.DefaultJournalKept)
	_, err = w.svc.Sweep(ctx)
	must(t, err)
	want(t, "events a year later", len(w.all(t)), 0)
	if err := w.svc.CheckIn(ctx, d.Token, 0); !errors.Is(err, enrollment.ErrTokenRefused) {
		t.Fatalf("a check-in of a forgotten device was answered with %v", err)
	}
	_, err = w.svc.Invite(ctx, alpha, enrollment.InviteRequest{User: "ann"})
	must(t, err)
	want(t, "the number of the next event", w.all(t)[0].SiteSeq, int64(before+1))
}
