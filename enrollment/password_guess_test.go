package enrollment_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// guessOf is the i-th wrong password for l, from the i-th source.
func guessOf(l enrollment.Login, i int) enrollment.Login {
	l.Password = credentials.SecretString(fmt.Sprintf("%016d", i))
	l.Source = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
	return l
}

func TestWrongPasswordsOfAnInvitationAreCountedExactlyAndLock(t *testing.T) {
	w := newDesk(t)
	inv := w.invite("u1")
	l := w.shown(inv)
	w.guessed(inv, credentials.PasswordBudget-20)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = w.svc.CheckLogin(w.ctx, signsIn, guessOf(l, i))
			} else {
				_, err = w.svc.UseLogin(w.ctx, signsIn, guessOf(l, i), "")
			}
			assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		})
	}
	wg.Go(func() {
		_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		assert.NoError(t, err, "and a right one among them costs nothing")
	})
	wg.Wait()
	require.Equal(t, credentials.PasswordBudget-8, w.wrongPasswords(inv))
	assert.False(t, w.shown(inv).Password.IsZero())
	assert.Zero(t, count(w.types(inv), invitation.EventPasswordBurnt))
	for i := range 30 {
		_, err := w.svc.UseLogin(w.ctx, signsIn, guessOf(l, 100+i), "")
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	}
	require.Equal(t, credentials.PasswordBudget, w.wrongPasswords(inv), "evaluated guesses")
	for _, present := range []func() error{
		func() error { _, err := w.svc.CheckLogin(w.ctx, signsIn, l); return err },
		func() error { _, err := signIn(w.ctx, w.svc, l, 1); return err },
	} {
		assert.ErrorIs(t, present(), enrollment.ErrCredentialRefused, "the right one is locked")
	}
	assert.Equal(t, 1, count(w.types(inv), invitation.EventPasswordBurnt), "told once")
	assert.Zero(t, count(w.types(inv), invitation.EventPINAlert))
	assert.Zero(t, w.devices())
	_, err := w.svc.NewPIN(w.ctx, w.by, inv)
	require.NoError(t, err)
	assert.Zero(t, w.wrongPasswords(inv), "nothing is kept of a budget that is none any more")
	_, err = signIn(w.ctx, w.svc, w.shown(inv), 1)
	assert.NoError(t, err, "a new PIN has new passwords with a new budget")

	inv = w.invite("u2")
	w.guessed(inv, 7)
	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "u2"))
	assert.Zero(t, w.wrongPasswords(inv))
}

// An outsider who knows an address has no more than his own pace to spend.
func TestGuessingAtThePINOrAtThePasswordLeavesTheOtherAlone(t *testing.T) {
	w := newDesk(t)
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Credentials = credentials.Policy{} })
	inv := w.invite("u1")
	l := w.shown(inv)
	for i := range 60 {
		_, err := w.svc.UseLogin(w.ctx, signsIn, guessOf(l, i), "")
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused, "compared, and not paced")
	}
	assert.Zero(t, w.tries(inv))
	assert.Equal(t, 60, w.wrongPasswords(inv))
	assert.Zero(t, count(w.types(inv), invitation.EventPINAlert))
	for i := range 5 {
		_, err := w.svc.Enroll(w.ctx, from(pinRequest("u1@example.com", wrong(w.pin(inv), i), fmt.Sprint(i)), 1000+i))
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused, "the address has its pace for PINs yet")
	}
	_, err := w.svc.Enroll(w.ctx, from(pinRequest("u1@example.com", w.pin(inv), "paced"), 2000))
	require.Equal(t, "paced", enrollment.Code(err))
	_, err = w.svc.CheckLogin(w.ctx, signsIn, l)
	require.NoError(t, err, "the address's pace for PINs is none for passwords")
	w.burn(inv)
	burnt, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Zero(t, burnt.PINTriesLeft)
	again := w.shown(inv)
	assert.True(t, again.Password.Equal(l.Password), "it is shown while the PIN is burnt")
	assert.Equal(t, 60, w.wrongPasswords(inv))
	_, err = signIn(w.ctx, w.svc, again, 1)
	assert.NoError(t, err)
}

// Each address is tried from a network of its own, and then by everybody.
func TestAnUnknownAddressIsPacedLikeAKnownOneWhenSigningIn(t *testing.T) {
	w := newDesk(t)
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Credentials.PINPace, s.Policy.Credentials.SourcePace = 0, 0 })
	inv := w.invite("u1")
	l := w.shown(inv)
	for range 40 {
		_, err := w.svc.CheckLogin(w.ctx, signsIn, l)
		require.NoError(t, err, "what is right is not paced")
	}
	answers := map[string][]string{}
	for n, name := range []string{"u1@example.com", "nobody@example.com"} {
		for i := range 60 {
			from := netip.AddrFrom4([4]byte{10, byte(n), 1, 1})
			if i >= 30 {
				from = netip.AddrFrom4([4]byte{10, byte(n), 2, byte(i)})
			}
			_, err := w.svc.UseLogin(w.ctx, signsIn, enrollment.Login{
				Username: name, Password: credentials.SecretString(fmt.Sprintf("%016d", i)), Source: from,
			}, "")
			answers[name] = append(answers[name], enrollment.Code(err))
		}
	}
	assert.Equal(t, answers["nobody@example.com"], answers["u1@example.com"])
	assert.Equal(t, 10+30, count(answers["u1@example.com"], "credential_refused"))
	assert.Equal(t, 20, count(answers["u1@example.com"], "paced"), "one source's failures")
}

// counting notes how many counters each Spend writes.
type counting struct {
	enrollment.Storage
	wrote []int
}

func (s *counting) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	n := len(gate)
	for _, g := range groups {
		n += len(g)
	}
	s.wrote = append(s.wrote, n)
	return s.Storage.Spend(ctx, now, gate, groups...)
}

func TestATryAtAnUnknownAddressIsAsMuchWorkAsAtAKnownOne(t *testing.T) {
	w := newDesk(t)
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Credentials.SourcePace = 0 })
	l := w.shown(w.invite("u1"))
	wrote := map[string][]int{}
	for name, l := range map[string]enrollment.Login{"known": guessOf(l, 1), "unknown": guessOf(nobodys(l), 2)} {
		store := &counting{Storage: w.store}
		_, err := w.over(store).UseLogin(w.ctx, signsIn, l, "")
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		wrote[name] = store.wrote
	}
	assert.Equal(t, []int{1, 2}, wrote["known"])
	assert.Equal(t, wrote["known"], wrote["unknown"])
}
