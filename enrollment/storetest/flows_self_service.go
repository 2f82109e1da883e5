package storetest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// login generates a passcode, asks for a login with it and reads the mail.
func (w *world) login(t *testing.T, user string) enrollment.Login {
	t.Helper()
	passcode, _, err := w.svc.GeneratePasscode(t.Context(), alpha)
	must(t, err)
	must(t, w.svc.RequestLogin(t.Context(), enrollment.LoginRequest{Email: user + "@example.com", Passcode: passcode}))
	mails := w.delivered(t, enrollment.MessageLogin)
	want(t, "mails with a login", len(mails), 1)
	want(t, "recipient", mails[0].To, user+"@example.com")
	return enrollment.Login{Username: mails[0].Login.Username, Password: mails[0].Login.Password}
}

func byLogin(l enrollment.Login, id, serial string) enrollment.EnrollRequest {
	return enrollment.EnrollRequest{
		EnrollmentID: id, Credential: enrollment.Presented{Username: l.Username, Password: l.Password}, Ownership: device.Company,
		Device: enrollment.Claim{Platform: device.Windows, Hardware: device.Hardware{Serial: serial}, Manufacturer: "Acme"},
	}
}

func flowSelfService(t *testing.T, w *world) {
	ctx := t.Context()
	login := w.login(t, "anna")
	for range 2 {
		offer, err := w.svc.CheckLogin(ctx, "windows/policy", login)
		must(t, err)
		want(t, "user", offer.User.ID, "anna")
	}
	in, err := w.svc.Enroll(ctx, byLogin(login, "e-1", "S1"))
	must(t, err)
	want(t, "origin", in.Device.Origin, device.BySelfService)
	_, err = w.svc.Enroll(ctx, byLogin(login, "e-2", "S2"))
	wantErr(t, err, enrollment.ErrCredentialRefused)
	again, err := w.svc.Enroll(ctx, byLogin(login, "e-1", "S1"))
	must(t, err)
	want(t, "the lost answer", again.Token.Reveal(), in.Token.Reveal())
	rows := w.slots(t, alpha)
	want(t, "rows", len(rows), 1)
	want(t, "slot", rows[in.Device.ID], "device/pending")
}

func flowConcurrentPasscodes(t *testing.T, w *world) {
	ctx := t.Context()
	_, _, err := w.svc.GeneratePasscode(ctx, alpha)
	must(t, err)
	for _, err := range together(64, func(i int) error {
		for n := range 3 {
			err := w.svc.RequestLogin(ctx, enrollment.LoginRequest{
				Email: fmt.Sprintf("u%d@example.com", i), Passcode: credentials.SecretString("AAAAbbbb0000"),
				Source: netip.AddrFrom4([4]byte{203, 0, byte(n), byte(i)}),
			})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		must(t, err)
	}
	detail, err := w.svc.Passcode(ctx, alpha)
	must(t, err)
	want(t, "status", detail.Status, enrollment.PasscodeLocked)
	want(t, "failed attempts", detail.FailedAttempts, 100)
	want(t, "alerts", len(w.delivered(t, enrollment.MessageAlert)), 4) // two levels, two administrators
	w.pass(48 * time.Hour)
	detail, err = w.svc.Passcode(ctx, alpha)
	must(t, err)
	want(t, "status two days later", detail.Status, enrollment.PasscodeLocked)
}

func flowConcurrentLogins(t *testing.T, w *world) {
	login := w.login(t, "anna")
	in := 0
	for _, err := range together(32, func(i int) error {
		_, err := w.svc.Enroll(t.Context(), byLogin(login, fmt.Sprint("e-", i), fmt.Sprint("S", i)))
		return err
	}) {
		if err == nil {
			in++
			continue
		}
		wantErr(t, err, enrollment.ErrCredentialRefused)
	}
	want(t, "devices", in, 1)
	want(t, "rows", len(w.slots(t, alpha)), 1)
}
