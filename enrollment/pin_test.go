package enrollment_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// pinRequest enrolls a phone without hardware ids by address and PIN.
func pinRequest(email string, pin credentials.Secret, id string) enrollment.EnrollRequest {
	return enrollment.EnrollRequest{
		EnrollmentID: id, Credential: enrollment.Presented{Email: email, PIN: pin},
		Device: enrollment.Claim{Platform: device.Android}, Source: netip.MustParseAddr("192.0.2.1"),
	}
}

// wrong is a PIN that is not the right one.
func wrong(right credentials.Secret, i int) credentials.Secret {
	pin := fmt.Sprintf("%08d", i)
	if pin == right.Reveal() {
		pin = "99999999"
	}
	return credentials.SecretString(pin)
}

// from gives a request one of many sources.
func from(r enrollment.EnrollRequest, i int) enrollment.EnrollRequest {
	r.Source = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
	return r
}

// tries returns how many tries are counted against an invitation's PIN.
func (w *world) tries(id string) (n int) {
	w.Helper()
	w.view(func(ctx context.Context, tx enrollment.Tx) error {
		inv, err := tx.Invitations().Get(ctx, "acme", id)
		require.NoError(w, err)
		list, err := tx.Counters().Get(ctx, credentials.Policy{}.PINBudgetLimit("acme", id, inv.PINGeneration).Key)
		n = list[0].N
		return err
	})
	return n
}

func (w *world) pin(id string) credentials.Secret {
	w.Helper()
	shown, err := w.svc.Reveal(w.ctx, w.by, id)
	require.NoError(w, err)
	return shown.PIN
}

// noPace turns the paces of a site off, so that budgets can be met.
func (w *world) noPace() {
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials.PINPace, s.Policy.Credentials.SourcePace = credentials.Off, credentials.Off
	})
}

// T1, T10: many sources, all the time in the world, two nodes.
func TestAPINSurvivesNoMoreThanItsBudgetFromAnyNumberOfSources(t *testing.T) {
	w := newWorld(t)
	nodes := []*enrollment.Service{w.svc, w.over(w.store)}
	id := w.invite("ann")
	pin := w.pin(id)
	var refused, paced atomic.Int64
	for round := range 20 {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				n := round*16 + i
				_, err := nodes[n%2].Enroll(w.ctx, from(pinRequest("ann@example.com", wrong(pin, n), fmt.Sprint(n)), n))
				switch enrollment.Code(err) {
				case "credential_refused":
					refused.Add(1)
				case "paced":
					paced.Add(1)
				default:
					t.Errorf("answer %v", err)
				}
			})
		}
		wg.Wait()
		w.clock.Advance(25 * time.Hour) // past every pace
	}
	assert.Equal(t, 20, w.tries(id), "evaluated guesses")
	assert.EqualValues(t, 20*5, refused.Load(), "a pace of five a window, burnt or not")
	assert.EqualValues(t, 20*16-20*5, paced.Load())

	_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "right"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, "the right PIN is burnt")
	_, err = w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: "link", Credential: enrollment.Presented{Token: w.token(id)}, Device: enrollment.Claim{Platform: device.Android},
	})
	assert.NoError(t, err, "the link goes on")
}

// T3: the answer to a burst is exact, and a right PIN in it costs nothing.
func TestConcurrentTriesAreCountedExactly(t *testing.T) {
	for round := range 20 {
		w := newWorld(t)
		w.noPace()
		id := w.invite("ann")
		pin := w.pin(id)
		var evaluated atomic.Int64
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", wrong(pin, i), fmt.Sprint("w", i)))
				if assert.ErrorIs(t, err, enrollment.ErrCredentialRefused) {
					evaluated.Add(1)
				}
			})
		}
		wg.Go(func() {
			_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "right"))
			assert.NoError(t, err)
		})
		wg.Wait()
		require.Equal(t, 12, w.tries(id), "round %d", round)
	}
}

// A staging room types one PIN into many devices at once.
func TestManyRightTriesAtOnceDoNotBurnThePIN(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	id := w.invite("ann")
	pin := w.pin(id)
	var in atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if _, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, fmt.Sprint(i))); err == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	assert.NotZero(t, in.Load())
	assert.Zero(t, w.tries(id))
	_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "one more"))
	assert.NoError(t, err)
}

// T4: between the count and the answer anything may happen.
func TestATryStaysCountedWhateverHappensAfterIt(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	pin := w.pin(id)
	ctx, cancel := context.WithCancel(w.ctx)
	svc := w.over(hangUp{w.store, cancel})
	_, err := svc.Enroll(ctx, pinRequest("ann@example.com", wrong(pin, 1), "1"))
	assert.Error(t, err)
	assert.Equal(t, 1, w.tries(id))
}

// hangUp is a store that does something between the two units of a guess, as
// soon as a try is spent: the client goes away, say.
type hangUp struct {
	enrollment.Storage
	then func()
}

func (h hangUp) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := h.Storage.Spend(ctx, now, gate, groups...)
	if len(gate) > 0 || len(groups) > 0 && len(groups[0]) > 1 {
		h.then()
	}
	return spent, err
}

func TestMalformedInputSpendsNothing(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	pin := w.pin(id)
	bad := map[string]enrollment.EnrollRequest{
		"letters":       pinRequest("ann@example.com", credentials.SecretString("1234567x"), "1"),
		"too short":     pinRequest("ann@example.com", credentials.SecretString("1234567"), "1"),
		"too long":      pinRequest("ann@example.com", credentials.SecretString("1234567890123"), "1"),
		"no PIN":        pinRequest("ann@example.com", credentials.Secret{}, "1"),
		"no address":    pinRequest("", pin, "1"),
		"bad address":   pinRequest("ann@", pin, "1"),
		"look-alike":    pinRequest("ann@example.com\u212a", pin, "1"),
		"no id":         pinRequest("ann@example.com", pin, ""),
		"bad platform":  {EnrollmentID: "1", Credential: enrollment.Presented{Email: "ann@example.com", PIN: pin}, Device: enrollment.Claim{Platform: "beos"}},
		"mode of other": {EnrollmentID: "1", Credential: enrollment.Presented{Email: "ann@example.com", PIN: pin}, Mode: device.WindowsMode, Device: enrollment.Claim{Platform: device.IOS}},
	}
	for name, r := range bad {
		for range 30 {
			_, err := w.svc.Enroll(w.ctx, r)
			require.Equal(t, "invalid", enrollment.Code(err), name)
		}
	}
	assert.Zero(t, w.tries(id))
	grouped := credentials.GroupPIN(pin.Reveal())
	_, err := w.svc.Enroll(w.ctx, pinRequest(" ANN@Example.COM ", credentials.SecretString(grouped[:4]+"-"+grouped[4:]), "1"))
	assert.NoError(t, err, "spaces, dashes and case are fine")
}

// T13: what an outsider sees does not tell who exists.
func TestAnUnknownAddressIsAnsweredLikeAKnownOne(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	pin := w.pin(id)
	answers := map[string][]string{}
	for i := range 12 {
		for _, email := range []string{"ann@example.com", "nobody@example.com", "bob@example.com"} {
			_, err := w.svc.Enroll(w.ctx, from(pinRequest(email, wrong(pin, i), fmt.Sprint(email, i)), i))
			answer := fmt.Sprint(err)
			if paced, ok := err.(*enrollment.PacedError); ok { //nolint:errorlint // it is the very value
				answer += paced.RetryAt.String()
			}
			answers[email] = append(answers[email], answer)
		}
		w.clock.Advance(time.Second)
	}
	assert.Equal(t, answers["ann@example.com"][:5], answers["nobody@example.com"][:5])
	for email, list := range answers {
		for i, a := range list {
			assert.Equal(t, i >= 5, a != enrollment.ErrCredentialRefused.Error(), "%s, try %d: %s", email, i, a)
		}
		assert.Equal(t, answers["ann@example.com"], list, email)
	}
}

// T2: one PIN over many users.
func TestASiteSlowsDownUnderSpraying(t *testing.T) {
	w := newWorld(t)
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials = credentials.Policy{PINPace: credentials.Off, SourcePace: credentials.Off, PINSiteBudget: 30}
	})
	var ids []string
	for i := range 40 {
		result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: fmt.Sprintf("u%d@example.org", i)})
		require.NoError(t, err)
		ids = append(ids, result.Invitation)
	}
	spray := func(round int) (counted int) {
		before := 0
		for _, id := range ids {
			before += w.tries(id)
		}
		for i := range ids {
			_, err := w.svc.Enroll(w.ctx, from(pinRequest(fmt.Sprintf("u%d@example.org", i), wrong(w.pin(ids[i]), 1), fmt.Sprint(round, i)), i))
			require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		}
		for _, id := range ids {
			counted += w.tries(id)
		}
		return counted - before
	}
	assert.Equal(t, 30, spray(0))
	assert.Zero(t, spray(1))
	w.clock.Advance(10 * time.Minute)
	assert.Equal(t, 1, spray(2), "one more per ten minutes")
}

func TestOneSourceIsPacedWhateverItTries(t *testing.T) {
	w := newWorld(t)
	var answers []string
	for i := range 12 {
		r := pinRequest(fmt.Sprintf("u%d@example.org", i), credentials.SecretString("00000000"), fmt.Sprint(i))
		r.Source = netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i+1)) // one customer's /64
		_, err := w.svc.Enroll(w.ctx, r)
		answers = append(answers, enrollment.Code(err))
	}
	assert.Equal(t, 10, count(answers, "credential_refused"))
	assert.Equal(t, 2, count(answers, "paced"))
	w.clock.Advance(15 * time.Minute)
	r := pinRequest("u@example.org", credentials.SecretString("00000000"), "x")
	r.Source = netip.MustParseAddr("2001:db8:0:1::1")
	_, err := w.svc.Enroll(w.ctx, r)
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
}

// A meeting in which everybody enrolls, behind one address.
func TestARoomFullOfRightTriesAtOnceIsNotPaced(t *testing.T) {
	w := newWorld(t)
	pins := make([]credentials.Secret, 40)
	for i := range pins {
		result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: fmt.Sprintf("u%d@example.org", i)})
		require.NoError(t, err)
		pins[i] = w.pin(result.Invitation)
	}
	var wg sync.WaitGroup
	for i, pin := range pins {
		wg.Go(func() {
			_, err := w.svc.Enroll(w.ctx, pinRequest(fmt.Sprintf("u%d@example.org", i), pin, "1"))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
}

func TestRightTriesDoNotUseUpTheSource(t *testing.T) {
	w := newWorld(t)
	pin := w.pin(w.invite("ann"))
	for i := range 30 {
		_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, fmt.Sprint(i)))
		require.NoError(t, err)
	}
}

func TestEachLevelOfWrongTriesIsToldOnceToEveryAdministrator(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	id := w.invite("ann")
	pin := w.pin(id)
	w.deliver()
	for i := range 40 {
		_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", wrong(pin, i), fmt.Sprint(i)))
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	}
	w.deliver()
	assert.Equal(t, 1, count(w.types(id), invitation.EventPINAlert))
	assert.Equal(t, 1, count(w.types(id), invitation.EventPINBurnt))
	told := map[string]int{}
	for _, m := range w.mail.all() {
		if m.Alert != nil {
			told[m.To+" "+m.Alert.Code]++
		}
	}
	assert.Equal(t, map[string]int{
		"ada@acme.example invitation.pin_alert": 1, "ada@acme.example invitation.pin_burnt": 1,
		"bo@acme.example invitation.pin_alert": 1, "bo@acme.example invitation.pin_burnt": 1,
	}, told)
	shown, err := w.svc.Reveal(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.True(t, shown.PIN.IsZero())
	assert.False(t, shown.URL.IsZero())
}

// One address may be invited by several sites of a host.
func TestTheRightPINFindsItsSite(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	w.invite("ann")
	other := enrollment.Actor{Site: "other", ID: "x"}
	there, err := w.svc.Invite(w.ctx, other, enrollment.InviteRequest{User: "ann"})
	require.NoError(t, err)
	shown, err := w.svc.Reveal(w.ctx, other, there.Invitation)
	require.NoError(t, err)
	in, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", shown.PIN, "1"))
	require.NoError(t, err)
	assert.Equal(t, "other", in.Device.Site)

	r := pinRequest("ann@example.com", shown.PIN, "2")
	r.Host = "acme.example"
	_, err = w.svc.Enroll(w.ctx, r)
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, "its own host only")
}

func TestGuessesNeedATransactionOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	pin := w.pin(w.invite("ann"))
	_, err := w.over(embedded{w.store}).Enroll(w.ctx, pinRequest("ann@example.com", pin, "1"))
	assert.ErrorIs(t, err, enrollment.ErrOwnTransaction)
}

// embedded answers as a store in the embedder's transaction does.
type embedded struct{ enrollment.Storage }

func (embedded) Spend(context.Context, time.Time, []credentials.Limit, ...[]credentials.Limit) (enrollment.Spent, error) {
	return enrollment.Spent{}, enrollment.ErrOwnTransaction
}

// What changes between the comparison and the admission is seen.
func TestARightPINIsLookedAtAgainWhenItAdmits(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, id string) error{
		"a new PIN":   func(w *world, id string) error { _, err := w.svc.NewPIN(w.ctx, w.by, id); return err },
		"deactivated": func(w *world, id string) error { _, err := w.svc.Deactivate(w.ctx, w.by, id); return err },
		"replaced": func(w *world, _ string) error {
			_, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{User: "ann"})
			return err
		},
		"expired": func(w *world, _ string) error { w.clock.Advance(48 * time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.invite("ann", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) })
			pin := w.pin(id)
			svc := w.over(hangUp{w.store, func() { require.NoError(t, meanwhile(w, id)) }})
			_, err := svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "1"))
			assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
			for _, row := range w.slots() {
				assert.Equal(t, enrollment.SlotInvitation, row.Kind, "nothing was enrolled")
			}
		})
	}
}

func TestALostAnswerToAPINIsRepeatedEvenWhenTheInvitationIsOver(t *testing.T) {
	for name, end := range map[string]func(w *world, id string){
		"exhausted":   func(*world, string) {},
		"deactivated": func(w *world, id string) { _, err := w.svc.Deactivate(w.ctx, w.by, id); require.NoError(w, err) },
		"replaced":    func(w *world, _ string) { w.invite("ann") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
			pin := w.pin(id)
			first, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "1"))
			require.NoError(t, err)
			end(w, id)
			again, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "1"))
			require.NoError(t, err)
			assert.True(t, again.Replayed)
			assert.Equal(t, first.Token.Reveal(), again.Token.Reveal())
			_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "2"))
			assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, "but nothing new")
			assert.Zero(t, w.tries(id), "right tries cost nothing")
			w.clock.Advance(enrollment.RecordsKept)
			_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "1"))
			assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		})
	}
}

// A retry loop of an older request must not cost what guesses cost.
func TestRightTriesThatAdmitNobodyCostNothing(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	id := w.invite("ann")
	pin := w.pin(id)
	same := func(n string) enrollment.EnrollRequest {
		r := pinRequest("ann@example.com", pin, n)
		r.Device.Hardware.Serial = "S1"
		return r
	}
	for _, n := range []string{"1", "2"} {
		_, err := w.svc.Enroll(w.ctx, same(n))
		require.NoError(t, err)
	}
	for range 30 {
		_, err := w.svc.Enroll(w.ctx, same("1"))
		require.ErrorIs(t, err, enrollment.ErrStale)
	}
	assert.Zero(t, w.tries(id))
}

// Twenty devices of a staging room are between their two units when the next
// one comes: it has to wait, and nobody is told of guesses that were none.
func TestTriesUnderWayRaiseNoAlarm(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	id := w.invite("ann")
	pin := w.pin(id)
	budget := credentials.Policy{}.PINBudgetLimit("acme", id, 1)
	for range 20 {
		_, err := w.store.Spend(w.ctx, w.clock.Now(), nil, []credentials.Limit{budget})
		require.NoError(t, err)
	}
	_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "21"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	assert.Zero(t, count(w.types(id), invitation.EventPINBurnt))
	// Whoever spent them has died: after a while nobody can give them back.
	w.clock.Advance(2 * time.Minute)
	_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "22"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	assert.Equal(t, 1, count(w.types(id), invitation.EventPINBurnt))
}

// The pace is the host's: a site's own would tell whom it has invited.
func TestASitesOwnPaceTellsNothing(t *testing.T) {
	w := newWorld(t)
	w.sites.change("other", func(s *enrollment.Site) { s.Policy.Credentials.PINPace = 3 })
	_, err := w.svc.Invite(w.ctx, enrollment.Actor{Site: "other", ID: "x"}, enrollment.InviteRequest{User: "bob"})
	require.NoError(t, err)
	answers := map[string][]string{}
	for i := range 8 {
		for _, email := range []string{"bob@example.com", "nobody@example.com"} {
			_, err := w.svc.Enroll(w.ctx, from(pinRequest(email, credentials.SecretString("00000000"), fmt.Sprint(email, i)), i))
			answers[email] = append(answers[email], enrollment.Code(err))
		}
	}
	assert.Equal(t, answers["nobody@example.com"], answers["bob@example.com"])
}

func TestNoSiteCrowdsAnotherOut(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	other := enrollment.Actor{Site: "other", ID: "x"}
	for i := range 12 { // of another tenant, and older
		result, err := w.svc.Invite(w.ctx, other, enrollment.InviteRequest{Email: fmt.Sprintf("u%d@example.org", i)})
		require.NoError(t, err)
		_, err = w.svc.EditEmail(w.ctx, other, result.Invitation, "ann@example.com")
		require.NoError(t, err)
	}
	w.clock.Advance(time.Hour)
	pin := w.pin(w.invite("ann"))
	_, err := w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "1"))
	assert.NoError(t, err)
}

func TestATenantThatIsGoneDoesNotStandInTheWay(t *testing.T) {
	w := newWorld(t)
	pin := w.pin(w.invite("ann"))
	_, err := w.svc.Invite(w.ctx, enrollment.Actor{Site: "other", ID: "x"}, enrollment.InviteRequest{User: "ann"})
	require.NoError(t, err)
	w.sites.mu.Lock()
	delete(w.sites.list, "other")
	w.sites.mu.Unlock()
	_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", wrong(pin, 1), "1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "2"))
	assert.NoError(t, err)
}

// T31: a node that lacks a key counts nothing.
func TestAMissingKeyCostsNoTry(t *testing.T) {
	w := newWorld(t)
	old := w.svc
	rotated, err := w.cfg.Keyring.Rotate(zeroReader{})
	require.NoError(t, err)
	w.cfg.Keyring = rotated
	w.svc = w.over(w.store)
	id := w.invite("ann")
	pin := w.pin(id)
	for i := range 30 {
		_, err := old.Enroll(w.ctx, from(pinRequest("ann@example.com", pin, fmt.Sprint(i)), i))
		require.ErrorIs(t, err, credentials.ErrUnknownKey)
		require.Equal(t, "unavailable", enrollment.Code(err))
	}
	assert.Zero(t, w.tries(id))
	_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", pin, "x"))
	assert.NoError(t, err)
}

// T13: that an alert cannot be stored is nobody's business outside.
func TestAnAlertThatCannotBeStoredChangesNoAnswer(t *testing.T) {
	w := newWorld(t)
	w.noPace()
	id := w.invite("ann")
	pin := w.pin(id)
	svc := w.over(mute{w.store})
	for i := range 25 {
		_, err := svc.Enroll(w.ctx, pinRequest("ann@example.com", wrong(pin, i), fmt.Sprint(i)))
		require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	}
	assert.Equal(t, 20, w.tries(id))
}

// mute is a store that can count and nothing else.
type mute struct{ enrollment.Storage }

func (mute) Update(context.Context, func(context.Context, enrollment.Tx) error) error {
	return errBroken
}
