package enrollment_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func TestALoginThatIsTypedLetsOneDeviceIn(t *testing.T) {
	eachDoor(t, func(t *testing.T, w *world, l enrollment.Login, subject string) {
		for range 30 {
			offer, err := w.svc.CheckLogin(w.ctx, signsIn, l)
			require.NoError(t, err)
			assert.Equal(t, "u1", offer.User.ID)
			assert.Equal(t, "Acme", offer.Site.Name)
		}
		first, err := w.svc.UseLogin(w.ctx, signsIn, l, invitation.CertificateIssued)
		require.NoError(t, err)
		again, err := w.svc.UseLogin(w.ctx, signsIn, l, invitation.CertificateIssued)
		require.NoError(t, err)
		assert.Equal(t, first, again, "the same each time")
		_, err = w.svc.CheckLogin(w.ctx, signsIn, l)
		require.NoError(t, err, "it is not used up by that")

		in, err := w.svc.EnrollManaged(w.ctx, computer(first.ID, 1))
		require.NoError(t, err)
		assert.Equal(t, "u1", in.Device.User)
		for range 3 { // answers get lost
			_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
			require.NoError(t, err)
			back, err := signIn(w.ctx, w.svc, l, 1)
			require.NoError(t, err)
			assert.True(t, back.Replayed)
			assert.Equal(t, in.Device, back.Device)
			_, err = signIn(w.ctx, w.svc, l, 2)
			require.ErrorIs(t, err, enrollment.ErrGrantUsed, "another one")
		}
		assert.Equal(t, 1, w.devices())
		assert.Equal(t, []string{signsIn + " grant_used"}, w.refusals(subject))

		w.clock.Advance(enrollment.MaxGrantLife)
		for range 2 {
			_, err = w.svc.UseLogin(w.ctx, signsIn, l, invitation.CertificateIssued)
			require.ErrorIs(t, err, enrollment.ErrLoginUsed)
			require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
			_, err = w.svc.CheckLogin(w.ctx, signsIn, l)
			require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		}
		assert.Equal(t, []string{signsIn + " grant_used", signsIn + " login_used"}, w.refusals(subject), "each noted once")
	})
}

func TestOfManyDevicesThatPresentOneLoginAtOnceOneGetsIn(t *testing.T) {
	eachDoor(t, func(t *testing.T, w *world, l enrollment.Login, _ string) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[string]int{}
		for i := range 64 {
			wg.Go(func() {
				_, err := signIn(w.ctx, w.svc, l, i)
				mu.Lock()
				defer mu.Unlock()
				codes[enrollment.Code(err)]++
			})
		}
		wg.Wait()
		assert.Equal(t, map[string]int{"": 1, "grant_used": 63}, codes)
		assert.Equal(t, 1, w.devices())
	})
}

func TestOneDeviceThatPresentsItsLoginManyTimesIsOneDevice(t *testing.T) {
	eachDoor(t, func(t *testing.T, w *world, l enrollment.Login, _ string) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		ids := map[string]int{}
		for range 64 {
			wg.Go(func() {
				in, err := signIn(w.ctx, w.svc, l, 1)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				ids[in.Device.ID]++
			})
		}
		wg.Wait()
		assert.Len(t, ids, 1)
		assert.Equal(t, 1, w.devices())
		for _, row := range w.slots() {
			if row.Kind == enrollment.SlotDevice {
				assert.Equal(t, 1, w.device(row.ID).Generation)
			}
		}
	})
}

// Whatever fails between two steps, the retry gets in, and nothing is used up.
func TestAFailureBetweenTheStepsLeavesTheLoginToTheRetry(t *testing.T) {
	for name, open := range doors {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", after the commit: ", after), func(t *testing.T) {
				for n := 1; ; n++ {
					w := newDesk(t)
					l, _ := open(w)
					broken := &brokenStore{Storage: w.store, left: n, after: after}
					_, err := signIn(w.ctx, w.over(broken), l, 1)
					if !broken.broke {
						require.NoError(t, err)
						require.Greater(t, n, 20)
						return
					}
					in, err := signIn(w.ctx, w.svc, l, 1)
					require.NoError(t, err, "call %d", n)
					require.Equal(t, 1, w.devices(), "call %d", n)
					require.Equal(t, 1, w.device(in.Device.ID).Generation, "call %d", n)
					_, err = signIn(w.ctx, w.svc, l, 2)
					require.ErrorIs(t, err, enrollment.ErrGrantUsed, "call %d", n)
				}
			})
		}
	}
}

func TestAnInvitationShowsTheNextPasswordOnceOneWasUsed(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1", func(r *enrollment.InviteRequest) { r.MaxDevices = 2 })
	first := w.shown(inv)
	assert.Equal(t, "u1@example.com", first.Username)
	assert.Len(t, first.Password.Reveal(), credentials.OneTimePasswordLength)
	assert.True(t, first.Password.Equal(w.shown(inv).Password), "looking changes nothing")
	one, err := signIn(w.ctx, w.svc, first, 1)
	require.NoError(t, err)
	assert.Equal(t, inv, one.Device.Invitation)
	assert.Equal(t, device.Company, one.Device.Ownership)

	second := w.shown(inv)
	assert.False(t, second.Password.Equal(first.Password))
	two, err := signIn(w.ctx, w.svc, second, 2)
	require.NoError(t, err)
	assert.NotEqual(t, one.Device.ID, two.Device.ID)
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	assert.Equal(t, 2, detail.Enrolled)
	assert.Equal(t, invitation.Exhausted, detail.Reason, "its devices are counted")
	for n, l := range map[int]enrollment.Login{1: first, 2: second} { // both answers were lost
		back, err := signIn(w.ctx, w.svc, l, n)
		require.NoError(t, err)
		assert.True(t, back.Replayed)
	}
	assert.Equal(t, 2, w.devices())
}

// It is refused by the invitation as it is when the device is created, not as it
// was when the login was presented.
func TestALimitHoldsBetweenPresentingAndEnrolling(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
	g, err := w.svc.UseLogin(w.ctx, signsIn, w.shown(inv), "")
	require.NoError(t, err)
	w.enroll(inv)
	_, err = w.svc.EnrollManaged(w.ctx, computer(g.ID, 1))
	assert.ErrorIs(t, err, invitation.ErrExhausted)
	assert.Equal(t, []string{signsIn + " invitation_exhausted"}, w.refusals(inv))
	assert.Equal(t, 1, w.devices())

	inv = w.invite("u2")
	g, err = w.svc.UseLogin(w.ctx, signsIn, w.shown(inv), "")
	require.NoError(t, err)
	_, err = w.svc.NewPIN(w.ctx, w.by, inv)
	require.NoError(t, err)
	_, err = w.svc.EnrollManaged(w.ctx, computer(g.ID, 2))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, "nor by a password of before")
}

// A computer that was reset takes no second place, and nobody knows which one it is
// before it says so.
func TestAComputerComesBackByAnInvitationWhosePlacesAreTaken(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
	token := w.token(inv).Reveal()
	mine, err := signIn(w.ctx, w.svc, w.shown(inv), 1)
	require.NoError(t, err)
	choice := enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows}
	_, err = w.svc.Accept(w.ctx, token, choice)
	require.ErrorIs(t, err, invitation.ErrExhausted)
	choice.Again = true
	before := w.types(inv)
	accepted, err := w.svc.Accept(w.ctx, token, choice)
	require.NoError(t, err)
	l := enrollment.Login{Username: accepted.Next.Username, Password: accepted.Next.Password}
	assert.Equal(t, before, w.types(inv), "nothing is opened by that")

	_, err = w.svc.CheckLogin(w.ctx, "windows/policy", l)
	require.NoError(t, err)
	_, err = signIn(w.ctx, w.svc, l, 2)
	require.ErrorIs(t, err, invitation.ErrExhausted, "another one")
	assert.Equal(t, []string{signsIn + " invitation_exhausted"}, w.refusals(inv))
	w.clock.Advance(time.Minute)
	back, err := signIn(w.ctx, w.svc, l, 1)
	require.NoError(t, err)
	assert.Equal(t, mine.Device.ID, back.Device.ID)
	assert.True(t, back.Reenrolled)
	assert.Equal(t, 1, w.devices())

	offer, err := w.svc.Peek(w.ctx, token)
	require.ErrorIs(t, err, invitation.ErrExhausted)
	assert.True(t, offer.Again)
	w.clock.Advance(enrollment.RecordsKept)
	offer, err = w.svc.Peek(w.ctx, token)
	require.ErrorIs(t, err, invitation.ErrExhausted)
	assert.False(t, offer.Again, "its address is not found any more")
	_, err = w.svc.Accept(w.ctx, token, choice)
	require.ErrorIs(t, err, invitation.ErrExhausted, "so no password is shown that would be refused")

	_, err = w.svc.Deactivate(w.ctx, w.by, inv)
	require.NoError(t, err)
	_, err = w.svc.Accept(w.ctx, token, choice)
	assert.ErrorIs(t, err, invitation.ErrDeactivated)
}

// Its grant is kept from the latest time on, and seen once.
func TestALoginThatIsPresentedAgainStaysPresented(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1")
	l := w.shown(inv)
	present := func() enrollment.Grant {
		g, err := w.svc.UseLogin(w.ctx, signsIn, l, invitation.CertificateIssued)
		require.NoError(t, err)
		return g
	}
	first := present()
	for _, pause := range []time.Duration{2*enrollment.MaxGrantLife - time.Minute, time.Hour, 30 * time.Hour, 20 * time.Hour, 27 * time.Hour} {
		w.clock.Advance(pause)
		require.Equal(t, first, present())
	}
	_, _, err := w.svc.NewGrant("windows/other", first, time.Hour)
	require.Error(t, err, "it is for one device, and is not passed on")
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	for _, s := range detail.Sightings {
		if s.Evidence == invitation.CertificateIssued {
			assert.Equal(t, int64(1), s.Count)
		}
	}
	w.clock.Advance(enrollment.MaxGrantLife - time.Second)
	_, err = w.svc.EnrollManaged(w.ctx, computer(first.ID, 1))
	require.NoError(t, err)
}

func TestAPasswordOutlivesARotationOfKeys(t *testing.T) {
	eachDoor(t, func(t *testing.T, w *world, l enrollment.Login, subject string) {
		w.rotate()
		w.rekey()
		_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		require.NoError(t, err, "shown before, checked after")
		g, err := w.svc.UseLogin(w.ctx, signsIn, l, "")
		require.NoError(t, err)
		w.rotate()
		in, err := w.svc.EnrollManaged(w.ctx, computer(g.ID, 1))
		require.NoError(t, err)
		w.rotate()
		w.rekey()
		back, err := signIn(w.ctx, w.svc, l, 1)
		require.NoError(t, err)
		assert.Equal(t, in.Device.ID, back.Device.ID)
		if strings.HasPrefix(subject, "inv_") {
			other := w.shown(subject)
			w.rotate()
			anew := w.shown(subject)
			assert.False(t, other.Password.Equal(anew.Password), "of another key")
			_, err := signIn(w.ctx, w.svc, other, 2)
			require.NoError(t, err)
			_, err = signIn(w.ctx, w.svc, anew, 3)
			require.ErrorIs(t, err, enrollment.ErrGrantUsed, "one place, whichever key it was shown under")
		}
	})
}

// Two sites of one host invited one address.
func TestAPasswordIsRightForItsOwnSiteAlone(t *testing.T) {
	w := newDesk(t)
	public := func(s *enrollment.Site) { s.Policy = w.sites.list["acme"].Policy }
	w.sites.change("other", public)
	w.sites.change("other", func(s *enrollment.Site) { s.PublicURL = w.sites.list["acme"].PublicURL })
	mine := w.invite("u1")
	elsewhere, err := w.svc.Invite(w.ctx, enrollment.Actor{Site: "other", ID: "x"}, enrollment.InviteRequest{User: "u1"})
	require.NoError(t, err)
	l := w.shown(mine)
	l.Host = "acme.example"
	for range 60 {
		offer, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		require.NoError(t, err)
		require.Equal(t, "Acme", offer.Site.Name)
	}
	in, err := signIn(w.ctx, w.svc, l, 1)
	require.NoError(t, err)
	assert.Equal(t, "acme", in.Device.Site)
	assert.Zero(t, w.tries(mine)+w.wrongPasswords(mine))
	w.view(func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Counters().Get(ctx, credentials.PasswordBudgetLimit("other", elsewhere.Invitation, 1).Key)
		assert.Zero(t, list[0].N, "what is right here was no guess there")
		return err
	})
}

func TestAUserNameMayHaveItsHostBehindIt(t *testing.T) {
	w := newDesk(t)
	l := w.mailed("u1")
	plain := l.Username
	for _, name := range []string{plain + "@acme.example", strings.ToUpper(plain) + "@ACME.example"} {
		l.Username = name
		_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		assert.NoError(t, err, name)
	}
	for _, name := range []string{plain + "@other.example", plain + "@example.com"} {
		l.Username = name
		_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, name)
	}
	// Which need not be the domain of any address.
	w.sites.change("acme", func(s *enrollment.Site) { s.PublicURL = &url.URL{Scheme: "http", Host: "127.0.0.1:8080"} })
	for name, want := range map[string]error{
		plain + "@127.0.0.1": nil, " " + plain + "@127.0.0.1 ": nil, plain + "@127.0.0.2": enrollment.ErrCredentialRefused,
		"a000000000@127.0.0.1": enrollment.ErrCredentialRefused,
	} {
		l.Username = name
		_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		assert.ErrorIs(t, err, want, name)
	}
	w.sites.change("acme", func(s *enrollment.Site) { s.PublicURL = &url.URL{Scheme: "https", Host: "acme.example"} })

	// An address that looks like one, of somebody who was invited.
	result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: "jnovakova1@acme.example"})
	require.NoError(t, err)
	_, err = signIn(w.ctx, w.svc, w.shown(result.Invitation), 1)
	assert.NoError(t, err)
}

func TestTheOfferOfALoginSaysWhatWasChosen(t *testing.T) {
	w := newDesk(t)
	ends := w.clock.Now().Add(48 * time.Hour)
	inv := w.invite("u1", func(r *enrollment.InviteRequest) { r.ExpiresAt = ends })
	offer, err := w.svc.CheckLogin(w.ctx, signsIn, w.shown(inv))
	require.NoError(t, err)
	assert.Equal(t, device.Company, offer.Ownership)
	assert.Equal(t, device.Windows, offer.Platform)
	assert.Equal(t, ends, offer.ExpiresAt)
	l := w.mailed("u2")
	accepted, err := w.svc.AcceptLogin(w.ctx, l, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Windows})
	require.NoError(t, err)
	assert.Equal(t, l.Username, accepted.Next.Username)
	assert.True(t, accepted.Next.Password.IsZero(), "it is in the mail")
	offer, err = w.svc.CheckLogin(w.ctx, signsIn, l)
	require.NoError(t, err)
	assert.Equal(t, device.Personal, offer.Ownership)
	assert.Equal(t, w.clock.Now().Add(24*time.Hour), offer.ExpiresAt)
}

func TestThePageShowsNoPasswordThatCannotWork(t *testing.T) {
	w := newDesk(t, func(c *enrollment.Config) { c.Directory = directory{} })
	result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{User: "noaddress"})
	require.NoError(t, err)
	nobody := w.shown(result.Invitation)
	assert.Empty(t, nobody.Username, "nothing that it could be found by")
	assert.True(t, nobody.Password.IsZero())

	w = newDesk(t)
	inv := w.invite("u1")
	l := w.shown(inv)
	w.guessed(inv, credentials.PasswordBudget)
	_, err = w.svc.UseLogin(w.ctx, signsIn, l, "")
	require.ErrorIs(t, err, enrollment.ErrCredentialRefused, "the budget is spent")
	burnt := w.shown(inv)
	assert.Equal(t, l.Username, burnt.Username)
	assert.True(t, burnt.Password.IsZero())
	_, err = w.svc.NewPIN(w.ctx, w.by, inv)
	require.NoError(t, err)
	_, err = signIn(w.ctx, w.svc, w.shown(inv), 1)
	assert.NoError(t, err, "a new PIN has a new budget")
}

func TestATypedPasswordIsInNoRowNoEventAndNoLog(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1")
	l, mailed := w.shown(inv), w.mailed("u2")
	_, err := signIn(w.ctx, w.svc, l, 1)
	require.NoError(t, err)
	_, err = signIn(w.ctx, w.svc, l, 2)
	require.Error(t, err)
	_, err2 := w.svc.UseLogin(w.ctx, signsIn, guessOf(l, 1), "")
	_, err3 := signIn(w.ctx, w.svc, mailed, 3)
	require.NoError(t, err3)
	w.deliver()
	next := w.shown(inv)
	everything := held(w.store) + w.log.String() + fmt.Sprint(err, err2)
	for _, found := range []string{inv, "grant", l.Username, string(enrollment.EventRefused), string(enrollment.MessageLogin)} {
		require.Contains(t, everything, found, "every table is looked at")
	}
	for _, secret := range []credentials.Secret{l.Password, next.Password, mailed.Password} {
		assert.NotContains(t, everything, secret.Reveal())
		assert.NotContains(t, everything, credentials.GroupOneTimePassword(secret.Reveal()))
	}
}
