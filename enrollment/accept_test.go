package enrollment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func TestAFetchIsAnObservationAndNoMore(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	token := w.token(id).Reveal()
	before, err := w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(t, err)
	for range 100 {
		_, err := w.svc.Peek(w.ctx, token)
		require.NoError(t, err)
		require.NoError(t, w.svc.RecordFetch(w.ctx, token))
	}
	after, err := w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.Equal(t, before.Invitation, after.Invitation, "the row itself is untouched, version and all")
	require.Len(t, after.Sightings, 1)
	assert.Equal(t, invitation.Fetched, after.Sightings[0].Evidence)
	assert.EqualValues(t, 100, after.Sightings[0].Count)
	assert.Equal(t, w.clock.Now(), w.slots()[id].FetchedAt, "shown beside the state")
}

func TestOnlyTheWholeTokenIsATokenOfAnInvitation(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.invite("ann")).Reveal()
	spellings := []string{"", token + "A", token + "=", strings.ToLower(token) + "", "\x00" + token[1:], token[:42] + "\x00", " " + token}
	for i := range token {
		spellings = append(spellings, token[:i])
	}
	for _, s := range spellings {
		if s == token {
			continue
		}
		_, err := w.svc.Peek(w.ctx, s)
		assert.ErrorIs(t, err, enrollment.ErrInvitationUnknown)
		assert.ErrorIs(t, w.svc.RecordFetch(w.ctx, s), enrollment.ErrInvitationUnknown)
		_, err = w.svc.Accept(w.ctx, s, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.IOS})
		assert.ErrorIs(t, err, enrollment.ErrInvitationUnknown)
	}
}

func TestAcceptingOpensAndMayBeDoneAnew(t *testing.T) {
	w := newWorld(t)
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Agents = map[device.Platform]enrollment.Agent{device.Android: {Name: "Agent", Package: "com.example.agent"}}
	})
	id := w.invite("ann")
	token := w.token(id).Reveal()
	accepted, err := w.svc.Accept(w.ctx, token, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	require.NoError(t, err)
	assert.Equal(t, invitation.Opened, accepted.Invitation.State)
	assert.Equal(t, "https://play.google.com/store/apps/details?id=com.example.agent", accepted.Next.URL)
	assert.Equal(t, device.AndroidWorkProfile, accepted.Next.Mode)
	assert.False(t, accepted.OwnershipFixed)

	for range 3 { // a double click
		_, err = w.svc.Accept(w.ctx, token, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
		require.NoError(t, err)
	}
	assert.Equal(t, 1, count(w.types(id), invitation.EventOpened))
	assert.Zero(t, count(w.types(id), invitation.EventAccepted))

	_, err = w.svc.Accept(w.ctx, token, enrollment.AcceptRequest{Ownership: device.Company, Platform: device.MacOS})
	require.NoError(t, err)
	assert.Equal(t, 1, count(w.types(id), invitation.EventAccepted))
	slot := w.slots()[id]
	assert.Equal(t, device.MacOS, slot.Platform)
	assert.Equal(t, device.Company, slot.Ownership)
}

func TestWhatIsChosenHasToExist(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	token := w.token(id).Reveal()
	for name, c := range map[string]struct {
		r    enrollment.AcceptRequest
		want []enrollment.FieldError
	}{
		"nothing":   {enrollment.AcceptRequest{}, []enrollment.FieldError{{Field: "platform", Code: "required"}, {Field: "ownership", Code: "required"}}},
		"platform":  {enrollment.AcceptRequest{Ownership: device.Company, Platform: "beos"}, []enrollment.FieldError{{Field: "platform", Code: "unknown"}}},
		"ownership": {enrollment.AcceptRequest{Ownership: "mine", Platform: device.IOS}, []enrollment.FieldError{{Field: "ownership", Code: "unknown"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.svc.Accept(w.ctx, token, c.r)
			var refused *enrollment.ValidationError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.want, refused.Fields)
			detail, err := w.svc.Invitation(w.ctx, w.by, id)
			require.NoError(t, err)
			assert.Equal(t, invitation.Sent, detail.State)
		})
	}
}

func TestAFixedOwnershipWins(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann", func(r *enrollment.InviteRequest) { r.Ownership = device.Company })
	accepted, err := w.svc.Accept(w.ctx, w.token(id).Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.IOS})
	require.NoError(t, err)
	assert.True(t, accepted.OwnershipFixed)
	assert.Equal(t, device.Company, accepted.Ownership)
	in := w.enroll(id)
	assert.Equal(t, device.Company, in.Device.Ownership)
}
