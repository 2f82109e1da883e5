package enrollment_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// rotate makes a new key current in the world's Service and returns the ring.
func (w *world) rotate() *credentials.Keyring {
	w.Helper()
	ring, err := w.cfg.Keyring.Rotate(rand.Reader)
	require.NoError(w, err)
	w.use(ring)
	return ring
}

func (w *world) use(ring *credentials.Keyring) {
	w.Helper()
	require.NoError(w, w.svc.UseKeyring(w.ctx, ring))
	w.cfg.Keyring = ring
}

// rekey makes one pass.
func (w *world) rekey() (p enrollment.RekeyProgress) {
	w.Helper()
	var err error
	for !p.Done {
		p, err = w.svc.Rekey(w.ctx, p, 3)
		require.NoError(w, err)
	}
	return p
}

func TestRekeyLeavesNothingThatIsNeededOnAnOlderKey(t *testing.T) {
	w := newOffice(t)
	enrolled := w.enroll(w.invite("u1"))
	w.invite("u2")
	w.passcode()
	w.rotate()
	w.enroll(w.invite("u3")) // at the new key from the start
	p := w.rekey()
	require.EqualValues(t, 4, p.Changed, "two invitations, a passcode, a device")
	require.Equal(t, map[uint32]enrollment.KeyUse{2: {Invitations: 3, Passcodes: 1, Devices: 2}}, p.Keys)
	require.Zero(t, w.rekey().Changed)
	require.NoError(t, w.svc.CheckIn(w.ctx, enrolled.Token, 0))
}

func TestRekeyIsNotAChangeThatAnybodyIsToldOf(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	enrolled := w.enroll(inv)
	events, outbox := w.types(inv), len(w.outbox(""))
	history := w.types(enrolled.Device.ID)
	w.rotate()
	require.EqualValues(t, 2, w.rekey().Changed)
	require.Equal(t, events, w.types(inv))
	require.Equal(t, history, w.types(enrolled.Device.ID))
	require.Len(t, w.outbox(""), outbox)
	w.checkHistory(enrolled.Device.ID)
}

func TestRekeyGoesOnWhereItStopped(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.invite("ann", func(r *enrollment.InviteRequest) { r.User, r.Email = "", fmt.Sprintf("p%d@example.com", i) })
	}
	w.rotate()
	first, err := w.svc.Rekey(w.ctx, enrollment.RekeyProgress{}, 5)
	require.NoError(t, err)
	require.False(t, first.Done)
	require.EqualValues(t, 5, first.Changed)
	kept, err := json.Marshal(first)
	require.NoError(t, err)

	var p enrollment.RekeyProgress
	require.NoError(t, json.Unmarshal(kept, &p))
	for !p.Done {
		p, err = w.svc.Rekey(w.ctx, p, 5)
		require.NoError(t, err)
	}
	require.EqualValues(t, 7, p.Changed)
	require.EqualValues(t, 7, p.Looked)
	require.EqualValues(t, 7, p.Keys[2].Invitations)
	require.EqualValues(t, 5, first.Changed, "the caller's value stays as it was")
	require.EqualValues(t, 5, first.Keys[2].Invitations)
	_, err = w.svc.Rekey(w.ctx, p, 5)
	require.Equal(t, "invalid", enrollment.Code(err), "a pass that is over")
}

// meanwhile does something once, after the first View that it is armed for.
type meanwhile struct {
	enrollment.Storage
	do func()
}

func (m *meanwhile) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	err := m.Storage.View(ctx, fn)
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return err
}

func TestWhoeverChangesARowWhileItIsRekeyedWins(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	enrolled := w.enroll(inv)
	ring := w.rotate()
	store := &meanwhile{Storage: w.store}
	svc, err := enrollment.New(store, w.cfg)
	require.NoError(t, err)
	require.NoError(t, svc.UseKeyring(w.ctx, ring))

	store.do = func() {
		_, err := w.svc.NewPIN(w.ctx, w.by, inv)
		require.NoError(t, err)
	}
	var p enrollment.RekeyProgress
	p, err = svc.Rekey(w.ctx, p, 10)
	require.NoError(t, err)
	require.Zero(t, p.Changed, "the new PIN was at the new key already")
	revealed, err := w.svc.Reveal(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.NoError(t, w.tryPIN("ann@example.com", revealed.PIN))

	// The phone enrolls anew between the look and the change of its row.
	var again enrollment.Enrolled
	for p.Stage < 3 {
		p, err = svc.Rekey(w.ctx, p, 10)
		require.NoError(t, err)
	}
	store.do = func() {
		again = w.enroll(inv, func(r *enrollment.EnrollRequest) { r.Device.Hardware = enrolled.Device.Hardware })
	}
	p, err = svc.Rekey(w.ctx, p, 10)
	require.NoError(t, err)
	require.True(t, p.Done)
	require.Equal(t, enrolled.Device.ID, again.Device.ID)
	require.NoError(t, w.svc.CheckIn(w.ctx, again.Token, 0))
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, enrolled.Token, 0), enrollment.ErrTokenRefused)
}

func (w *world) tryPIN(email string, pin credentials.Secret) error {
	w.seq++
	_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: fmt.Sprint("pin-", w.seq), Credential: enrollment.Presented{Email: email, PIN: pin},
		Device: enrollment.Claim{Platform: device.Android}, Source: netip.MustParseAddr("192.0.2.7"),
	})
	return err
}

func TestAProcessWithAnOlderRingUndoesNothing(t *testing.T) {
	w := newWorld(t)
	w.enroll(w.invite("ann"))
	newer := w.rotate()
	w.rekey()
	older, err := newer.Promote(1) // the second key added, and not current yet
	require.NoError(t, err)
	w.use(older)
	p := w.rekey()
	require.Zero(t, p.Changed)
	require.Equal(t, map[uint32]enrollment.KeyUse{2: {Invitations: 1, Devices: 1}}, p.Keys)
}

func TestRekeyNeedsTheSealingKeys(t *testing.T) {
	w := newWorld(t)
	w.invite("ann")
	w.use(w.rotate().Public())
	_, err := w.svc.Rekey(w.ctx, enrollment.RekeyProgress{}, 0)
	require.ErrorIs(t, err, credentials.ErrNoSealingKey)
}

func TestADamagedRowKeepsItsKeyAndNothingElseOnIt(t *testing.T) {
	w := newWorld(t)
	inv, other := w.invite("ann"), w.invite("bob")
	enrolled := w.enroll(other)
	require.NoError(t, w.store.Update(w.ctx, func(ctx context.Context, tx enrollment.Tx) error {
		cred, err := tx.Credentials().Get(ctx, "acme", inv, enrollment.KindInvitation)
		if err != nil {
			return err
		}
		cred.Check.Sum[0] ^= 1
		return tx.Credentials().Put(ctx, cred)
	}))
	w.rotate()
	p := w.rekey()
	require.EqualValues(t, 1, p.Unreadable)
	require.EqualValues(t, 2, p.Changed)
	require.Equal(t, enrollment.KeyUse{Unreadable: 1}, p.Keys[1])
	require.Contains(t, w.log.String(), inv, "the log says which row")
	require.NoError(t, w.svc.CheckIn(w.ctx, enrolled.Token, 0))
	var inUse *enrollment.KeyInUseError
	require.ErrorAs(t, w.svc.RetireKey(w.ctx, 1), &inUse)
}

func TestAKeyIsRetiredWhenNothingNeedsItAndNotBefore(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.svc.Check(w.ctx))
	w.invite("ann")
	ring := w.rotate()
	without, err := ring.Without(1)
	require.NoError(t, err)

	require.ErrorIs(t, w.svc.RetireKey(w.ctx, 2), credentials.ErrInvalidKeyring, "the current key")
	require.ErrorIs(t, w.svc.RetireKey(w.ctx, 9), credentials.ErrUnknownKey)
	var inUse *enrollment.KeyInUseError
	require.ErrorAs(t, w.svc.RetireKey(w.ctx, 1), &inUse)
	require.Equal(t, enrollment.KeyUse{Invitations: 1}, inUse.Use)
	w.rekey()
	require.ErrorIs(t, w.svc.UseKeyring(w.ctx, without), credentials.ErrUnknownKey, "a ring that lacks a key is refused until it is retired")
	require.NoError(t, w.svc.RetireKey(w.ctx, 1))
	require.NoError(t, w.svc.RetireKey(w.ctx, 1), "twice")
	require.NoError(t, w.svc.Check(w.ctx), "a ring that still has it")
	w.use(without)
	require.NoError(t, w.svc.Check(w.ctx))

	// Its id is not given to another key.
	impostor, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	wrong, err := without.Add(impostor)
	require.NoError(t, err)
	require.ErrorIs(t, w.svc.UseKeyring(w.ctx, wrong), credentials.ErrWrongKey)
	require.NoError(t, w.tryPIN("ann@example.com", w.pinOf("ann")), "the ring that was refused is not used")
}

func (w *world) pinOf(user string) credentials.Secret {
	w.Helper()
	id := w.invite(user, func(r *enrollment.InviteRequest) { r.IfActive = enrollment.Keep })
	revealed, err := w.svc.Reveal(w.ctx, w.by, id)
	require.NoError(w, err)
	return revealed.PIN
}

func TestWhatCannotBeMovedIsCountedAndEndsByItself(t *testing.T) {
	w := newOffice(t)
	passcode := w.passcode()
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", passcode, 1))
	login := w.logins()[0].Login
	ended := w.invite("u2")
	_, err := w.svc.Deactivate(w.ctx, w.by, ended)
	require.NoError(t, err)
	gone := w.enroll(w.invite("u3"))
	require.NoError(t, w.svc.Delete(w.ctx, w.by, gone.Device.ID))

	w.rotate()
	p := w.rekey()
	require.Equal(t, enrollment.KeyUse{Logins: 1, Recent: 1, Tombstones: 1}, p.Keys[1])
	_, err = w.svc.CheckLogin(w.ctx, signsIn, enrollment.Login{Username: login.Username, Password: login.Password})
	require.NoError(t, err, "a login goes on with the key it has")
	var inUse *enrollment.KeyInUseError
	require.ErrorAs(t, w.svc.RetireKey(w.ctx, 1), &inUse)

	w.clock.Advance(enrollment.RecordsKept)
	require.Equal(t, enrollment.KeyUse{Logins: 1, Ended: 1, Tombstones: 1}, w.rekey().Keys[1])
	w.clock.Advance(enrollment.RecordsKept + time.Hour)
	require.Equal(t, enrollment.KeyUse{Ended: 1, Tombstones: 1}, w.rekey().Keys[1])
	require.NoError(t, w.svc.RetireKey(w.ctx, 1))
	without, err := w.cfg.Keyring.Without(1)
	require.NoError(t, err)
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, gone.Token, 0), enrollment.ErrDeviceGone)
	w.use(without)
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, gone.Token, 0), enrollment.ErrTokenRefused)
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", passcode, 1))
	require.Len(t, w.logins(), 2)
}

// A wrong try before the rotation counts after it: what names a counter does not
// change with the current key.
func TestARotationGivesNoGuessBack(t *testing.T) {
	w := newWorld(t)
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials = credentials.Policy{PINPace: 3, SourcePace: 100, PasscodePace: 3, OneTimePace: 3, MailboxCap: 1}
	})
	nobody := func() error { return w.tryPIN("nobody@example.com", credentials.SecretString("12345678")) }
	login := func() error {
		_, err := w.svc.CheckLogin(w.ctx, signsIn, enrollment.Login{Username: "AAAABBBBCC", Password: credentials.SecretString("AAAABBBBCCCCDDDD")})
		return err
	}
	var paced *enrollment.PacedError
	for range 3 {
		require.ErrorIs(t, nobody(), enrollment.ErrCredentialRefused)
		require.ErrorIs(t, login(), enrollment.ErrCredentialRefused)
	}
	require.ErrorAs(t, nobody(), &paced)
	for range 2 {
		ring := w.rotate()
		require.ErrorAs(t, nobody(), &paced)
		require.ErrorAs(t, login(), &paced)
		w.rekey()
		require.NoError(t, w.svc.RetireKey(w.ctx, ring.Current()-1))
		without, err := ring.Without(ring.Current() - 1)
		require.NoError(t, err)
		w.use(without)
		require.ErrorAs(t, nobody(), &paced, "not even when the first key is gone")
		require.ErrorAs(t, login(), &paced)
	}
	w.clock.Advance(time.Hour)
	require.ErrorIs(t, nobody(), enrollment.ErrCredentialRefused)
}

func TestARotationGivesAMailboxNoSecondShare(t *testing.T) {
	w := newOffice(t)
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Credentials.MailboxCap = 1 })
	passcode := w.passcode()
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", passcode, 1))
	w.rotate()
	w.rekey()
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", passcode, 1))
	require.Len(t, w.logins(), 1)
	require.NoError(t, knock(w.svc, w.ctx, "u2@example.com", passcode, 1))
	require.Len(t, w.logins(), 2, "the passcode is still right")
}

func TestAPasscodeThatIsRekeyedWhileItIsComparedStillMailsTheLogin(t *testing.T) {
	w := newOffice(t)
	passcode := w.passcode()
	w.rotate()
	store := &afterSpend{Storage: w.store, do: func() { w.rekey() }}
	require.NoError(t, knock(w.over(store), w.ctx, "u1@example.com", passcode, 1))
	require.Len(t, w.logins(), 1)
}

// afterSpend does something once, after the first Spend.
type afterSpend struct {
	enrollment.Storage
	do func()
}

func (s *afterSpend) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := s.Storage.Spend(ctx, now, gate, groups...)
	if do := s.do; do != nil {
		s.do = nil
		do()
	}
	return spent, err
}
