package enrollment_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func TestSendingAgainKeepsTheCredentials(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	_, err := w.svc.Send(w.ctx, w.by, id)
	require.NoError(t, err)
	w.deliver()
	mails := w.mail.all()
	require.Len(t, mails, 2)
	assert.NotEqual(t, mails[0].ID, mails[1].ID)
	assert.Equal(t, mails[0].Invitation.Codes.URL.Reveal(), mails[1].Invitation.Codes.URL.Reveal())
	assert.Equal(t, mails[0].Invitation.Codes.PIN.Reveal(), mails[1].Invitation.Codes.PIN.Reveal())
}

func TestTheAddressIsEditedOnTheInvitationOnly(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	detail, err := w.svc.EditEmail(w.ctx, w.by, id, "Ann.Private@Example.net")
	require.NoError(t, err)
	assert.Equal(t, "Ann.Private@Example.net", detail.Email)
	assert.Equal(t, "ann@example.com", detail.User.Email)
	w.deliver()
	assert.Equal(t, "Ann.Private@Example.net", w.mail.all()[0].To, "also for mail that was waiting")

	shown, err := w.svc.Reveal(w.ctx, w.by, id)
	require.NoError(t, err)
	_, err = w.svc.Enroll(w.ctx, pinRequest("ann@example.com", shown.PIN, "1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	_, err = w.svc.Enroll(w.ctx, pinRequest("ann.private@example.net", shown.PIN, "2"))
	assert.NoError(t, err)
	for _, e := range w.events(id) {
		assert.NotContains(t, e.Data, "email")
	}
	_, err = w.svc.EditEmail(w.ctx, w.by, id, "nonsense")
	assert.Equal(t, "invalid", enrollment.Code(err))
}

func TestDeactivatingDestroysWhatCouldBeShownAndLeavesDevicesAlone(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	in := w.enroll(id)
	token := w.token(id)
	_, err := w.svc.Deactivate(w.ctx, w.by, id)
	require.NoError(t, err)
	_, err = w.svc.Deactivate(w.ctx, w.by, id)
	require.NoError(t, err, "repeating is no error")
	assert.Equal(t, 1, count(w.types(id), invitation.EventDeactivated))

	w.view(func(ctx context.Context, tx enrollment.Tx) error {
		cred, err := tx.Credentials().Get(ctx, "acme", id, enrollment.KindInvitation)
		assert.Nil(t, cred.Sealed)
		return err
	})
	_, err = w.svc.Peek(w.ctx, token.Reveal())
	assert.ErrorIs(t, err, invitation.ErrDeactivated)
	for name, call := range map[string]func() error{
		"reveal":  func() error { _, err := w.svc.Reveal(w.ctx, w.by, id); return err },
		"new PIN": func() error { _, err := w.svc.NewPIN(w.ctx, w.by, id); return err },
		"edit":    func() error { _, err := w.svc.EditEmail(w.ctx, w.by, id, "a@example.com"); return err },
		"accept": func() error {
			_, err := w.svc.Accept(w.ctx, token.Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.IOS})
			return err
		},
	} {
		assert.ErrorIs(t, call(), invitation.ErrDeactivated, name)
	}
	_, err = w.svc.Send(w.ctx, w.by, id)
	assert.ErrorIs(t, err, invitation.ErrIllegalTransition)
	assert.NoError(t, w.svc.CheckIn(w.ctx, in.Token, 1))
	assert.Equal(t, device.Pending, w.device(in.Device.ID).State)
}

func TestEveryRevealIsInTheJournal(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	gone, cancel := context.WithCancel(w.ctx)
	cancel()
	_, _ = w.svc.Reveal(gone, w.by, id) // the client has hung up
	_, err := w.svc.Reveal(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.Equal(t, 2, count(w.types(id), invitation.EventRevealed))
}

func TestAPublicNodeShowsNothing(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	w.cfg.Keyring = w.cfg.Keyring.Public()
	public := w.over(w.store)
	_, err := public.Reveal(w.ctx, w.by, id)
	assert.ErrorIs(t, err, credentials.ErrNoSealingKey)
	_, err = public.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: "1", Credential: enrollment.Presented{Token: w.token(id)}, Device: enrollment.Claim{Platform: device.IOS},
	})
	assert.NoError(t, err, "devices need no sealing key")
}

func TestAWrongKeyRingIsFoundBeforeItCostsAnything(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.svc.Check(w.ctx))
	require.NoError(t, w.svc.Check(w.ctx))
	right := w.cfg.Keyring
	w.cfg.Keyring = newWorld(t).cfg.Keyring // another key of the same id
	assert.ErrorIs(t, w.over(w.store).Check(w.ctx), credentials.ErrWrongKey)
	rotated, err := right.Rotate(zeroReader{})
	require.NoError(t, err)
	w.cfg.Keyring = rotated
	require.NoError(t, w.over(w.store).Check(w.ctx))
	w.cfg.Keyring = right // the old ring lacks the key that is in use by now
	assert.ErrorIs(t, w.over(w.store).Check(w.ctx), credentials.ErrUnknownKey)
}

// zeroReader makes a key that differs from every random one.
type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); b[0] = 7; return len(b), nil }

func TestInvitationsArePagedTheNewestFirst(t *testing.T) {
	w := newWorld(t)
	var want []string
	for range 7 {
		w.clock.Advance(time.Second)
		want = append([]string{w.invite("ann")}, want...)
	}
	var got []string
	q := enrollment.InvitationsQuery{PageSize: 3}
	for {
		page, err := w.svc.Invitations(w.ctx, w.by, q)
		require.NoError(t, err)
		for _, inv := range page.Invitations {
			got = append(got, inv.ID)
		}
		if q.PageToken = page.NextPageToken; q.PageToken == "" {
			break
		}
		other := q
		other.States = []invitation.State{invitation.Sent}
		_, err = w.svc.Invitations(w.ctx, w.by, other)
		require.ErrorIs(t, err, enrollment.ErrPageToken, "a token of another query")
		_, err = w.svc.Invitations(w.ctx, enrollment.Actor{Site: "other", ID: "x"}, q)
		require.ErrorIs(t, err, enrollment.ErrPageToken, "a token of another site")
	}
	assert.Equal(t, want, got)
	page, err := w.svc.Invitations(w.ctx, w.by, enrollment.InvitationsQuery{States: []invitation.State{invitation.Sent}})
	require.NoError(t, err)
	assert.Len(t, page.Invitations, 1)
	for _, bad := range []enrollment.InvitationsQuery{{PageSize: -1}, {PageSize: enrollment.MaxPageSize + 1}, {States: []invitation.State{"x"}}} {
		_, err := w.svc.Invitations(w.ctx, w.by, bad)
		assert.Equal(t, "invalid", enrollment.Code(err))
	}
}

func TestDeliveryIsRecordedBesideTheState(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	w.deliver()
	detail, err := w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.Equal(t, invitation.Accepted, detail.Delivery)
	require.NoError(t, w.svc.RecordDelivery(w.ctx, "acme", id, invitation.Bounced))
	detail, err = w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.Equal(t, invitation.Bounced, detail.Delivery)
	assert.Equal(t, invitation.Sent, detail.State)
	assert.ErrorIs(t, w.svc.RecordDelivery(w.ctx, "other", id, invitation.Bounced), enrollment.ErrNotFound)
}

func count(list []string, want string) (n int) {
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
}
