package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func flowInviteToActive(t *testing.T, w *world) {
	ctx := t.Context()
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	mails := w.delivered(t, enrollment.MessageInvitation)
	want(t, "mails", len(mails), 1)
	want(t, "recipient", mails[0].To, "anna@example.com")
	want(t, "link in the mail", mails[0].Invitation.Codes.URL.Reveal(), shown.URL.Reveal())
	want(t, "PIN in the mail", mails[0].Invitation.Codes.PIN.Reveal(), shown.PIN.Reveal())
	want(t, "slot", w.slots(t, alpha)[id], "invitation/sent")

	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	must(t, err)
	must(t, w.svc.RecordFetch(ctx, token.Reveal()))
	want(t, "slot after a fetch", w.slots(t, alpha)[id], "invitation/sent")
	_, err = w.svc.Accept(ctx, token.Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	must(t, err)
	want(t, "slot after the accept", w.slots(t, alpha)[id], "invitation/opened")

	in, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	rows := w.slots(t, alpha)
	want(t, "rows", len(rows), 1)
	want(t, "slot after first contact", rows[in.Device.ID], "device/pending")
	want(t, "state", w.complete(t, in.Token, 1).State, device.Active)
	want(t, "slot at the end", w.slots(t, alpha)[in.Device.ID], "device/active")

	must(t, w.svc.Unenroll(ctx, in.Token))
	rows = w.slots(t, alpha)
	want(t, "the invitation is a slot again", rows[id], "invitation/opened")
	want(t, "the device's last row", rows[in.Device.ID], "device/unenrolled")
}

func flowSupersede(t *testing.T, w *world) {
	ctx := t.Context()
	first, old := w.invite(t, enrollment.InviteRequest{User: "anna"})
	in, err := w.svc.Enroll(ctx, byLink(t, old.URL, "e-1", "S1"))
	must(t, err)
	result, err := w.svc.Invite(ctx, alpha, enrollment.InviteRequest{User: "anna"})
	must(t, err)
	want(t, "replaced", result.Replaced, first)
	_, err = w.svc.Enroll(ctx, byLink(t, old.URL, "e-2", "S2"))
	wantErr(t, err, invitation.ErrDeactivated)
	_, err = w.svc.Reveal(ctx, alpha, first)
	wantErr(t, err, invitation.ErrDeactivated)
	must(t, w.svc.CheckIn(ctx, in.Token, 0)) // its devices do not need it

	_, err = w.svc.Invite(ctx, alpha, enrollment.InviteRequest{User: "anna", IfActive: enrollment.Refuse})
	wantErr(t, err, enrollment.ErrActive)
	kept, err := w.svc.Invite(ctx, alpha, enrollment.InviteRequest{User: "anna", IfActive: enrollment.Keep})
	must(t, err)
	want(t, "kept", kept.Invitation, result.Invitation)
	want(t, "mails of the superseded invitation", len(w.delivered(t, enrollment.MessageInvitation)), 0)
}

func flowReplay(t *testing.T, w *world) {
	ctx := t.Context()
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	first, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	_, err = w.svc.Deactivate(ctx, alpha, id)
	must(t, err)
	again, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	want(t, "replayed", again.Replayed, true)
	want(t, "device", again.Device.ID, first.Device.ID)
	want(t, "token", again.Token.Reveal(), first.Token.Reveal())
	_, err = w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S2"))
	wantErr(t, err, enrollment.ErrKeyReused)
	w.pass(enrollment.RecordsKept)
	_, err = w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	wantErr(t, err, invitation.ErrDeactivated)
}

func flowReenroll(t *testing.T, w *world) {
	ctx := t.Context()
	_, shown := w.invite(t, enrollment.InviteRequest{User: "anna", MaxDevices: 1})
	first, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	w.complete(t, first.Token, 1)
	again, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-2", "s1"))
	must(t, err)
	want(t, "device", again.Device.ID, first.Device.ID)
	want(t, "generation", again.Device.Generation, 2)
	want(t, "state", again.Device.State, device.Pending)
	wantErr(t, w.svc.CheckIn(ctx, first.Token, 0), enrollment.ErrTokenRefused)
	must(t, w.svc.CheckIn(ctx, again.Token, 0))
	want(t, "rows", len(w.slots(t, alpha)), 1)
	_, err = w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	wantErr(t, err, enrollment.ErrStale) // the answer to the older request would revive its token
}

func flowConflict(t *testing.T, w *world) {
	ctx := t.Context()
	_, anna := w.invite(t, enrollment.InviteRequest{User: "anna"})
	_, eve := w.invite(t, enrollment.InviteRequest{User: "eve"})
	first, err := w.svc.Enroll(ctx, byLink(t, anna.URL, "e-1", "S1"))
	must(t, err)
	second, err := w.svc.Enroll(ctx, byLink(t, eve.URL, "e-1", "S1"))
	must(t, err)
	if first.Device.ID == second.Device.ID {
		t.Fatal("another user's claim took the device over")
	}
	want(t, "conflict", second.Device.Conflict, first.Device.ID)
	must(t, w.svc.CheckIn(ctx, first.Token, 0)) // untouched
	want(t, "alerts", len(w.delivered(t, enrollment.MessageAlert)), 2)

	_, err = w.svc.Release(ctx, alpha, first.Device.ID)
	must(t, err)
	detail, err := w.svc.Device(ctx, alpha, second.Device.ID)
	must(t, err)
	want(t, "conflict after the release", detail.Conflict, "")
	again, err := w.svc.Enroll(ctx, byLink(t, eve.URL, "e-2", "S1"))
	must(t, err)
	want(t, "who holds the hardware now", again.Device.ID, second.Device.ID)
}

func flowDelete(t *testing.T, w *world) {
	ctx := t.Context()
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	first, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	must(t, w.svc.Delete(ctx, alpha, first.Device.ID))
	wantErr(t, w.svc.CheckIn(ctx, first.Token, 0), enrollment.ErrDeviceGone)
	_, err = w.svc.Report(ctx, first.Token, enrollment.Report{Seq: 1})
	wantErr(t, err, enrollment.ErrDeviceGone)
	_, err = w.svc.Device(ctx, alpha, first.Device.ID)
	wantErr(t, err, enrollment.ErrNotFound)
	want(t, "the invitation is a slot again", w.slots(t, alpha)[id], "invitation/opened")
	second, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-2", "S1"))
	must(t, err)
	if second.Device.ID == first.Device.ID {
		t.Fatal("a deleted device came back")
	}
	want(t, "link to its predecessor", second.Device.Previous, first.Device.ID)
}

func flowSilence(t *testing.T, w *world) {
	ctx := t.Context()
	_, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	in, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	w.complete(t, in.Token, 1)
	w.pass(enrollment.DefaultUnresponsiveAfter + time.Minute)
	_, err = w.svc.Sweep(ctx)
	must(t, err)
	want(t, "slot", w.slots(t, alpha)[in.Device.ID], "device/unresponsive")
	must(t, w.svc.CheckIn(ctx, in.Token, 2))
	want(t, "slot after a contact", w.slots(t, alpha)[in.Device.ID], "device/active")
	_, err = w.svc.Sweep(ctx)
	must(t, err)
	want(t, "slot after the next sweep", w.slots(t, alpha)[in.Device.ID], "device/active")
}

func flowLateReports(t *testing.T, w *world) {
	ctx := t.Context()
	_, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	in, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	want(t, "next sequence", w.complete(t, in.Token, 5).Seq, int64(6))
	lost := map[device.Fact]bool{device.Permissions: false}
	for _, seq := range []int64{5, 1, 4} {
		status, err := w.svc.Report(ctx, in.Token, enrollment.Report{Seq: seq, Facts: lost})
		must(t, err)
		want(t, "state", status.State, device.Active)
		want(t, "next sequence", status.Seq, int64(6))
	}
	w.pass(time.Second)
	status, err := w.svc.Report(ctx, in.Token, enrollment.Report{Seq: 6, Facts: lost})
	must(t, err)
	want(t, "state", status.State, device.Impaired)
}

func flowPINBudget(t *testing.T, w *world) {
	ctx := t.Context()
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	evaluated := 0
	for i := range 30 {
		_, err := w.svc.Enroll(ctx, byPIN("Anna@Example.com", wrongPIN(shown.PIN, i), fmt.Sprint("w-", i)))
		wantErr(t, err, enrollment.ErrCredentialRefused)
		detail, err := w.svc.Invitation(ctx, alpha, id)
		must(t, err)
		evaluated = max(evaluated, i+1)
		want(t, "tries left", detail.PINTriesLeft, max(0, 20-evaluated))
	}
	_, err := w.svc.Enroll(ctx, byPIN("anna@example.com", shown.PIN, "right"))
	wantErr(t, err, enrollment.ErrCredentialRefused)
	burnt, err := w.svc.Reveal(ctx, alpha, id)
	must(t, err)
	want(t, "a burnt PIN is shown", burnt.PIN.IsZero(), true)
	want(t, "alerts", len(w.delivered(t, enrollment.MessageAlert)), 4) // two levels, two administrators

	_, err = w.svc.Enroll(ctx, byLink(t, shown.URL, "link", "S1")) // the link goes on
	must(t, err)
	_, err = w.svc.NewPIN(ctx, alpha, id)
	must(t, err)
	fresh, err := w.svc.Reveal(ctx, alpha, id)
	must(t, err)
	want(t, "link after a new PIN", fresh.URL.Reveal(), shown.URL.Reveal())
	_, err = w.svc.Enroll(ctx, byPIN("anna@example.com", fresh.PIN, "right"))
	must(t, err)
	detail, err := w.svc.Invitation(ctx, alpha, id)
	must(t, err)
	want(t, "a right try is given back", detail.PINTriesLeft, 20)
}

func flowDeviceLimit(t *testing.T, w *world) {
	ctx := t.Context()
	_, shown := w.invite(t, enrollment.InviteRequest{User: "anna", MaxDevices: 3})
	errs := together(16, func(i int) error {
		_, err := w.svc.Enroll(ctx, byLink(t, shown.URL, fmt.Sprint("e-", i), fmt.Sprint("S", i)))
		return err
	})
	in := 0
	for _, err := range errs {
		if err == nil {
			in++
			continue
		}
		wantErr(t, err, invitation.ErrExhausted)
	}
	want(t, "devices", in, 3)
	want(t, "rows", len(w.slots(t, alpha)), 3)
}

func flowSites(t *testing.T, w *world) {
	ctx := t.Context()
	beta := enrollment.Actor{Site: "beta", ID: "root"}
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	in, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "e-1", "S1"))
	must(t, err)
	want(t, "rows of the other site", len(w.slots(t, beta)), 0)
	for what, call := range map[string]func() error{
		"send":       func() error { _, err := w.svc.Send(ctx, beta, id); return err },
		"edit":       func() error { _, err := w.svc.EditEmail(ctx, beta, id, "x@example.com"); return err },
		"deactivate": func() error { _, err := w.svc.Deactivate(ctx, beta, id); return err },
		"new PIN":    func() error { _, err := w.svc.NewPIN(ctx, beta, id); return err },
		"reveal":     func() error { _, err := w.svc.Reveal(ctx, beta, id); return err },
		"invitation": func() error { _, err := w.svc.Invitation(ctx, beta, id); return err },
		"device":     func() error { _, err := w.svc.Device(ctx, beta, in.Device.ID); return err },
		"explain":    func() error { _, err := w.svc.Explain(ctx, beta, in.Device.ID); return err },
		"renew":      func() error { _, err := w.svc.Renew(ctx, beta, in.Device.ID); return err },
		"remove":     func() error { _, err := w.svc.Remove(ctx, beta, in.Device.ID); return err },
		"delete":     func() error { return w.svc.Delete(ctx, beta, in.Device.ID) },
		"release":    func() error { _, err := w.svc.Release(ctx, beta, in.Device.ID); return err },
	} {
		if err := call(); !errors.Is(err, enrollment.ErrNotFound) {
			t.Errorf("%s by another site: %v", what, err)
		}
	}
	result, err := w.svc.Invite(ctx, beta, enrollment.InviteRequest{User: "anna"})
	must(t, err)
	want(t, "replaced across sites", result.Replaced, "")
	want(t, "rows after all", len(w.slots(t, alpha)), 1)
}

func flowConcurrentInvites(t *testing.T, w *world) {
	ctx := t.Context()
	errs := together(32, func(int) error {
		_, err := w.svc.Invite(ctx, alpha, enrollment.InviteRequest{User: "anna"})
		return err
	})
	for _, err := range errs {
		must(t, err)
	}
	want(t, "active invitations", len(w.slots(t, alpha)), 1)
	page, err := w.svc.Invitations(ctx, alpha, enrollment.InvitationsQuery{})
	must(t, err)
	want(t, "invitations", len(page.Invitations), 32)

	errs = together(32, func(int) error {
		_, err := w.svc.Invite(ctx, alpha, enrollment.InviteRequest{Email: "Guest@example.org", Name: "Guest", IfActive: enrollment.Refuse})
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantErr(t, err, enrollment.ErrActive)
	}
	want(t, "guests invited", won, 1)
}

func flowConcurrentEnrolls(t *testing.T, w *world) {
	ctx := t.Context()
	_, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	for _, err := range together(16, func(i int) error {
		_, err := w.svc.Enroll(ctx, byLink(t, shown.URL, fmt.Sprint("e-", i), "S1"))
		return err
	}) {
		must(t, err)
	}
	want(t, "rows", len(w.slots(t, alpha)), 1)

	ids := make([]string, 16)
	for _, err := range together(16, func(i int) error {
		in, err := w.svc.Enroll(ctx, byLink(t, shown.URL, "the same", "S2"))
		ids[i] = in.Device.ID + " " + in.Token.Reveal()
		return err
	}) {
		must(t, err)
	}
	for _, id := range ids {
		want(t, "the same answer", id, ids[0])
	}
}

func flowConcurrentGuesses(t *testing.T, w *world) {
	ctx := t.Context()
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	for _, err := range together(64, func(i int) error {
		_, err := w.svc.Enroll(ctx, byPIN("anna@example.com", wrongPIN(shown.PIN, i), fmt.Sprint("w-", i)))
		return err
	}) {
		wantErr(t, err, enrollment.ErrCredentialRefused)
	}
	detail, err := w.svc.Invitation(ctx, alpha, id)
	must(t, err)
	want(t, "tries left", detail.PINTriesLeft, 0)
	counter := credentials.Policy{}.PINBudgetLimit("alpha", id, 1).Key
	must(t, w.store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Counters().Get(ctx, counter)
		if err == nil {
			want(t, "tries counted", list[0].N, 20)
		}
		return err
	}))
	want(t, "alerts", len(w.delivered(t, enrollment.MessageAlert)), 4)
}
