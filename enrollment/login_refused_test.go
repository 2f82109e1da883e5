package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// nobodys is a login in the form of l that nobody has.
func nobodys(l enrollment.Login) enrollment.Login {
	if l.Username[len(l.Username)-1] == 'm' { // an address
		l.Username = "nobody@example.com"
	} else {
		l.Username = "a000000000"
	}
	return l
}

func TestWhatIsOverIsRefusedLikeWhatNobodyHas(t *testing.T) {
	type ending struct {
		end func(w *world, inv string, l enrollment.Login)
		why error // what somebody who proved it can tell; nil: it is not proved
	}
	verb := func(name string, do func(w *world, inv string) error, why error) (string, ending) {
		return name, ending{func(w *world, inv string, _ enrollment.Login) { require.NoError(w, do(w, inv)) }, why}
	}
	logins, invitations := map[string]ending{}, map[string]ending{}
	add := func(to map[string]ending, name string, do func(w *world, inv string) error, why error) {
		n, e := verb(name, do, why)
		to[n] = e
	}
	logins["used by an agent"] = ending{func(w *world, _ string, l enrollment.Login) {
		_, err := w.svc.Enroll(w.ctx, byLogin(l, "1", "S1"))
		require.NoError(w, err)
	}, enrollment.ErrLoginUsed}
	add(logins, "its time", func(w *world, _ string) error { w.clock.Advance(24 * time.Hour); return nil }, enrollment.ErrLoginExpired)
	add(logins, "self-service off", func(w *world, _ string) error { _, err := w.svc.DisablePasscode(w.ctx, w.by); return err }, enrollment.ErrSelfServiceOff)
	add(logins, "self-service off and on again", func(w *world, _ string) error {
		_, err := w.svc.DisablePasscode(w.ctx, w.by)
		w.clock.Advance(time.Second)
		w.passcode()
		return err
	}, enrollment.ErrSelfServiceOff)
	add(logins, "another one", func(w *world, _ string) error { w.clock.Advance(time.Second); w.mailed("u1"); return nil }, nil)
	add(logins, "erased", func(w *world, _ string) error { return w.svc.EraseUser(w.ctx, w.by, "u1") }, nil)

	add(invitations, "deactivated", func(w *world, inv string) error { _, err := w.svc.Deactivate(w.ctx, w.by, inv); return err }, invitation.ErrDeactivated)
	add(invitations, "a newer one", func(w *world, _ string) error { w.invite("u1"); return nil }, invitation.ErrDeactivated)
	add(invitations, "its end", func(w *world, _ string) error { w.clock.Advance(time.Hour); return nil }, invitation.ErrExpired)
	add(invitations, "a new PIN", func(w *world, inv string) error { _, err := w.svc.NewPIN(w.ctx, w.by, inv); return err }, nil)
	add(invitations, "another address", func(w *world, inv string) error {
		_, err := w.svc.EditEmail(w.ctx, w.by, inv, "v1@example.com")
		return err
	}, nil)
	add(invitations, "erased", func(w *world, _ string) error { return w.svc.EraseUser(w.ctx, w.by, "u1") }, nil)

	for kind, endings := range map[string]map[string]ending{"a one-time login": logins, "an invitation's password": invitations} {
		for name, e := range endings {
			t.Run(kind+", "+name, func(t *testing.T) {
				w := newDesk(t)
				var l enrollment.Login
				inv, subject := "", enrollment.LoginSubject("u1")
				if kind == "a one-time login" {
					l = w.mailed("u1")
				} else {
					inv = w.invite("u1", func(r *enrollment.InviteRequest) { r.MaxDevices, r.ExpiresAt = 2, w.clock.Now().Add(time.Hour) })
					l, subject = w.shown(inv), inv
				}
				_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
				require.NoError(t, err)
				e.end(w, inv, l)
				devices, told := w.devices(), len(w.refusals(subject))
				_, unknown := w.svc.UseLogin(w.ctx, signsIn, nobodys(l), "")
				for range 3 {
					_, used := w.svc.UseLogin(w.ctx, signsIn, l, invitation.CertificateIssued)
					_, checked := w.svc.CheckLogin(w.ctx, signsIn, l)
					for _, err := range []error{used, checked} {
						require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
						assert.Equal(t, unknown.Error(), err.Error())
						assert.Equal(t, enrollment.Code(unknown), enrollment.Code(err))
						if e.why != nil {
							assert.ErrorIs(t, err, e.why)
						}
					}
				}
				assert.Equal(t, devices, w.devices())
				if e.why == nil {
					assert.Len(t, w.refusals(subject), told, "a guess fills no journal")
				} else {
					assert.Equal(t, []string{signsIn + " " + enrollment.Code(e.why)}, w.refusals(subject)[told:], "noted once")
				}
			})
		}
	}
}

// A computer asks what certificates are for before it asks for one, and gives up at
// the first refusal: that one has to be in the journal, of the invitation or login.
func TestARefusalAtTheFirstStepIsInTheJournalOfWhatWasPresented(t *testing.T) {
	eachDoor(t, func(t *testing.T, w *world, l enrollment.Login, subject string) {
		_, err := w.svc.CheckLogin(w.ctx, "windows/policy", nobodys(l))
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		require.Empty(t, w.refusals(subject))
		_, err = signIn(w.ctx, w.svc, l, 1)
		require.NoError(t, err)
		w.clock.Advance(enrollment.MaxGrantLife)
		for range 3 {
			_, err = w.svc.CheckLogin(w.ctx, "windows/policy", l)
			require.ErrorIs(t, err, enrollment.ErrLoginUsed)
		}
		assert.Equal(t, []string{"windows/policy login_used"}, w.refusals(subject), "once")
	})
}

// Presented in its last second, it is good for as long as a computer takes.
func TestALoginThatWasPresentedInTimeIsReserved(t *testing.T) {
	w := newDesk(t)
	l := w.mailed("u1")
	w.clock.Advance(24*time.Hour - time.Second)
	g, err := w.svc.UseLogin(w.ctx, signsIn, l, "")
	require.NoError(t, err)
	w.clock.Advance(time.Minute)
	_, err = w.svc.EnrollManaged(w.ctx, computer(g.ID, 1))
	require.NoError(t, err)

	w = newDesk(t)
	l = w.mailed("u1")
	g, err = w.svc.UseLogin(w.ctx, signsIn, l, "")
	require.NoError(t, err)
	w.clock.Advance(25 * time.Hour)
	_, err = w.svc.EnrollManaged(w.ctx, computer(g.ID, 1))
	require.ErrorIs(t, err, enrollment.ErrLoginExpired, "and no longer")
}

func TestWhoHasLeftTheDirectorySignsInNoMore(t *testing.T) {
	w := newDesk(t)
	l := w.mailed("u1")
	g, err := w.svc.UseLogin(w.ctx, signsIn, l, "")
	require.NoError(t, err)
	w.cfg.Directory = directory{} // which knows no u1
	svc := w.over(w.store)
	_, err = svc.UseLogin(w.ctx, signsIn, l, "")
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	_, err = svc.EnrollManaged(w.ctx, computer(g.ID, 1))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
}

func TestWhatNobodyCanHaveTypedCostsNoTry(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1")
	l := w.shown(inv)
	for field, bad := range map[string]enrollment.Login{
		"username": {Username: "u1@", Password: l.Password},
		"password": {Username: l.Username, Password: w.pin(inv)},
	} {
		for range 30 {
			_, err := w.svc.UseLogin(w.ctx, signsIn, bad, "")
			var invalid *enrollment.ValidationError
			require.ErrorAs(t, err, &invalid, field)
			assert.Equal(t, []enrollment.FieldError{{Field: field, Code: "malformed"}}, invalid.Fields)
			_, err = w.svc.CheckLogin(w.ctx, signsIn, bad)
			require.ErrorAs(t, err, &invalid, field)
		}
	}
	_, err := w.svc.AcceptLogin(w.ctx, l, enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	assert.Equal(t, "invalid", enrollment.Code(err), "the page takes one-time logins alone")
	_, err = w.svc.Enroll(w.ctx, byLogin(l, "1", "S1"))
	assert.Equal(t, "invalid", enrollment.Code(err), "and so does the agents' API")
	assert.Zero(t, w.tries(inv)+w.wrongPasswords(inv))
	grouped := enrollment.Login{Username: " U1@EXAMPLE.com ", Password: credentials.SecretString(credentials.GroupOneTimePassword(l.Password.Reveal()))}
	_, err = signIn(w.ctx, w.svc, grouped, 1)
	assert.NoError(t, err, "dashes and case are fine")
}

func TestCheckingInsideTheEmbeddersTransactionIsRefused(t *testing.T) {
	w := newDesk(t)
	l := w.shown(w.invite("u1"))
	svc := w.over(embedded{w.store})
	_, err := svc.UseLogin(w.ctx, signsIn, l, "")
	assert.ErrorIs(t, err, enrollment.ErrOwnTransaction)
	_, err = svc.CheckLogin(w.ctx, signsIn, l)
	assert.ErrorIs(t, err, enrollment.ErrOwnTransaction)
}

func FuzzUseLogin(f *testing.F) {
	w := newDesk(&testing.T{})
	w.ctx = f.Context()
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Credentials.PINSiteBudget = credentials.Off })
	l := w.shown(w.invite("u1"))
	password := l.Password.Reveal()
	f.Add(l.Username, password)
	f.Add("a000000000", password)
	f.Add("a000000000@acme.example", "0000-0000-0000-0000")
	f.Add("@", "")
	f.Add(`ACME\u1`, " ")
	f.Fuzz(func(t *testing.T, username, typed string) {
		_, err := w.svc.UseLogin(t.Context(), signsIn, enrollment.Login{Username: username, Password: credentials.SecretString(typed)}, "")
		code := enrollment.Code(err)
		if code == "invalid" || code == "credential_refused" {
			return
		}
		require.NoError(t, err, "no other answer")
		address, _ := credentials.CanonicalEmail(username)
		parsed, _ := credentials.ParseOneTimePassword(typed)
		require.Equal(t, "u1@example.com", address)
		require.Equal(t, password, parsed.Reveal())
	})
}
