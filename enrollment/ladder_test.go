package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func TestAnInvitationShowsWhereItsUserGotStuck(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	is := func(reached string, waits device.Party, hint enrollment.Hint) {
		t.Helper()
		detail, err := w.svc.Invitation(w.ctx, w.by, id)
		require.NoError(t, err)
		require.Equal(t, enrollment.Progress{Reached: reached, At: w.clock.Now(), Waits: waits, Hint: hint}, detail.Progress)
		if row, ok := w.slots()[id]; ok {
			require.Equal(t, detail.Progress, row.Progress)
		}
		w.clock.Advance(time.Minute)
	}
	is("sent", device.WaitsUser, enrollment.CheckMailbox)

	token := w.token(id).Reveal()
	require.NoError(t, w.svc.RecordFetch(w.ctx, token))
	is("fetched", device.WaitsUser, enrollment.AcceptOnPage)

	accept := func(p device.Platform) {
		t.Helper()
		_, err := w.svc.Accept(w.ctx, token, enrollment.AcceptRequest{Ownership: device.Personal, Platform: p})
		require.NoError(t, err)
	}
	accept(device.Android)
	is("accepted", device.WaitsUser, enrollment.FollowNextStep)
	require.NoError(t, w.svc.See(w.ctx, "acme", id, invitation.StoreRedirected))
	is("store_redirected", device.WaitsUser, enrollment.OpenAgent)

	accept(device.IOS)
	is("accepted", device.WaitsUser, enrollment.FollowNextStep) // what came before belongs to another try
	require.NoError(t, w.svc.See(w.ctx, "acme", id, invitation.ProfileDownloaded))
	is("profile_downloaded", device.WaitsUser, enrollment.InstallIt)
	require.NoError(t, w.svc.See(w.ctx, "acme", id, invitation.CertificateIssued))
	is("certificate_issued", device.WaitsDevice, enrollment.KeepOnline)

	e := w.enroll(id)
	is("first_contact", device.WaitsUser, enrollment.FinishOnDevice)
	w.report(e, enrollment.Report{Seq: 1, Facts: complete(), Inventory: []byte(`{"model":"P1"}`)})
	is("management_active", device.WaitsNobody, enrollment.NoHint)
}

// A computer has neither store nor profile: its user signs in.
func TestWhereSomebodyGotStuckOnAComputerIsShownToo(t *testing.T) {
	w := newDesk(t)
	id := w.invite("u1")
	is := func(reached string, waits device.Party, hint enrollment.Hint) {
		t.Helper()
		detail, err := w.svc.Invitation(w.ctx, w.by, id)
		require.NoError(t, err)
		require.Equal(t, enrollment.Progress{Reached: reached, At: w.clock.Now(), Waits: waits, Hint: hint}, detail.Progress)
		w.clock.Advance(time.Minute)
	}
	l := w.shown(id)
	is("accepted", device.WaitsUser, enrollment.FollowNextStep)
	g, err := w.svc.UseLogin(w.ctx, signsIn, l, invitation.CertificateIssued)
	require.NoError(t, err)
	is("certificate_issued", device.WaitsDevice, enrollment.KeepOnline)
	_, err = w.svc.EnrollManaged(w.ctx, computer(g.ID, 1))
	require.NoError(t, err)
	is("first_contact", device.WaitsUser, enrollment.FinishOnDevice)
	w.observe(device.Observation{
		Site: "acme", Source: "windows", Ref: device.Ref{Source: "windows", ID: "HW000001"}, At: w.clock.Now(),
		Facts: map[device.Fact]bool{device.ManagementProfile: true}, Inventory: []byte(`{"model":"PC"}`),
	})
	is("management_active", device.WaitsNobody, enrollment.NoHint)
}

func TestAnInvitationWaitsForAnAdministratorWhereNobodyElseCanAct(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*world) string
		hint enrollment.Hint
	}{
		"nobody was told": {func(w *world) string {
			return w.invite("ann", func(r *enrollment.InviteRequest) { r.Send = false })
		}, enrollment.SendInvitation},
		"its mail came back": {func(w *world) string {
			id := w.invite("ann")
			require.NoError(w, w.svc.RecordDelivery(w.ctx, "acme", id, invitation.Bounced))
			return id
		}, enrollment.CorrectAddress},
		"it is over": {func(w *world) string {
			id := w.invite("ann")
			_, err := w.svc.Deactivate(w.ctx, w.by, id)
			require.NoError(w, err)
			return id
		}, enrollment.InviteAgain},
	} {
		w := newWorld(t)
		detail, err := w.svc.Invitation(w.ctx, w.by, c.do(w))
		require.NoError(t, err, name)
		require.Equal(t, device.WaitsAdmin, detail.Progress.Waits, name)
		require.Equal(t, c.hint, detail.Progress.Hint, name)
	}
}
