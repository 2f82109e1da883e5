package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// settings is a platform whose people type into the settings of their system.
type settings struct{}

func (settings) Name() string              { return "settings" }
func (settings) Serves() []device.Platform { return []device.Platform{device.Windows} }
func (settings) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.SignIn}, nil
}

func (settings) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

// typed accepts an invitation and reads what the page tells to type.
func (w *world) typed(t *testing.T, shown enrollment.Revealed) enrollment.Login {
	t.Helper()
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	must(t, err)
	accepted, err := w.svc.Accept(t.Context(), token.Reveal(), enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	must(t, err)
	return enrollment.Login{Username: accepted.Next.Username, Password: accepted.Next.Password}
}

// signIn is what a channel does when the n-th computer presents a login.
func (w *world) signIn(ctx context.Context, l enrollment.Login, n int) (enrollment.Enrolled, error) {
	g, err := w.svc.UseLogin(ctx, "windows/enroll", l, invitation.CertificateIssued)
	if err != nil {
		return enrollment.Enrolled{}, err
	}
	hw := fmt.Sprintf("HW%04d", n)
	return w.svc.EnrollManaged(ctx, enrollment.ManagedRequest{
		Site: "alpha", Source: "windows", Grant: g.ID, Again: true, Ref: device.Ref{Source: "windows", ID: hw},
		Device: enrollment.Claim{Platform: device.Windows, Hardware: device.Hardware{HWDevID: hw}},
	})
}

func flowSignIn(t *testing.T, w *world) {
	ctx := t.Context()
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna", MaxDevices: 2})
	first := w.typed(t, shown)
	for range 3 {
		offer, err := w.svc.CheckLogin(ctx, "windows/policy", first)
		must(t, err)
		want(t, "user", offer.User.ID, "anna")
	}
	wrong := first
	wrong.Password = credentials.SecretString("0000000000000000")
	_, err := w.svc.UseLogin(ctx, "windows/enroll", wrong, "")
	wantErr(t, err, enrollment.ErrCredentialRefused)
	detail, err := w.svc.Invitation(ctx, alpha, id)
	must(t, err)
	want(t, "tries left for the PIN", detail.PINTriesLeft, 20)
	must(t, w.store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Counters().Get(ctx, credentials.PasswordBudgetLimit("alpha", id, 1).Key)
		must(t, err)
		want(t, "wrong passwords", list[0].N, 1)
		return nil
	}))
	one, err := w.signIn(ctx, first, 1)
	must(t, err)
	again, err := w.signIn(ctx, first, 1)
	must(t, err)
	want(t, "the lost answer", again.Device.ID, one.Device.ID)
	_, err = w.signIn(ctx, first, 2)
	wantErr(t, err, enrollment.ErrGrantUsed)

	two, err := w.signIn(ctx, w.typed(t, shown), 2)
	must(t, err)
	again, err = w.signIn(ctx, first, 1)
	must(t, err)
	want(t, "the lost answer after the last place", again.Device.ID, one.Device.ID)
	w.pass(enrollment.MaxGrantLife)
	_, err = w.signIn(ctx, first, 1)
	wantErr(t, err, enrollment.ErrCredentialRefused)
	rows := w.slots(t, alpha)
	want(t, "rows", len(rows), 2)
	want(t, "slot", rows[two.Device.ID], "device/pending")

	_, err = w.signIn(ctx, w.login(t, "boris"), 3)
	must(t, err)
	want(t, "rows with the one-time login's", len(w.slots(t, alpha)), 3)
}

func flowConcurrentSignIns(t *testing.T, w *world) {
	id, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	for name, l := range map[string]enrollment.Login{"a password": w.typed(t, shown), "a one-time login": w.login(t, "boris")} {
		before := len(w.devices(t))
		var fine int
		for _, err := range together(32, func(i int) error {
			_, err := w.signIn(t.Context(), l, 100*len(name)+i)
			return err
		}) {
			switch {
			case err == nil:
				fine++
			case errors.Is(err, enrollment.ErrGrantUsed), errors.Is(err, enrollment.ErrCredentialRefused):
			default:
				t.Fatal(err)
			}
		}
		want(t, "who got in by "+name, fine, 1)
		want(t, "devices by "+name, len(w.devices(t))-before, 1)
	}
	detail, err := w.svc.Invitation(t.Context(), alpha, id)
	must(t, err)
	want(t, "places taken", detail.Enrolled, 1)
	want(t, "tries left", detail.PINTriesLeft, 20) // what is right costs nothing
}

// One computer that repeats itself, because answers are slow.
func flowRepeatedSignIns(t *testing.T, w *world) {
	_, shown := w.invite(t, enrollment.InviteRequest{User: "anna"})
	for name, l := range map[string]enrollment.Login{"a password": w.typed(t, shown), "a one-time login": w.login(t, "boris")} {
		before := len(w.devices(t))
		for _, err := range together(8, func(i int) error {
			_, err := w.signIn(t.Context(), l, 500+len(name))
			return err
		}) {
			must(t, err)
		}
		want(t, "devices by "+name+"", len(w.devices(t))-before, 1)
	}
}

// devices are the rows of the list that are devices.
func (w *world) devices(t *testing.T) (ids []string) {
	t.Helper()
	for id, row := range w.slots(t, alpha) {
		if row[:len("device/")] == "device/" {
			ids = append(ids, id)
		}
	}
	return ids
}
