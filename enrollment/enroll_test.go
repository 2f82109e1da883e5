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

func TestEnrollingOpensTheInvitationAndTakesItsSlot(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	in := w.enroll(id)
	assert.Equal(t, []string{invitation.EventCreated, invitation.EventSent, invitation.EventRevealed, invitation.EventOpened}, w.types(id))
	assert.Equal(t, []string{device.EventEnrolled}, w.types(in.Device.ID))
	rows := w.slots()
	require.Len(t, rows, 1)
	row := rows[in.Device.ID]
	assert.Equal(t, "pending", row.State)
	assert.Equal(t, "Ann Canary", row.UserName)
	assert.Equal(t, w.clock.Now(), row.LastConnection)
	assert.Equal(t, in.Missing, row.Missing)
	w.checkHistory(in.Device.ID)

	second := w.enroll(id)
	assert.NotEqual(t, in.Device.ID, second.Device.ID)
	assert.Len(t, w.slots(), 2, "any number of devices")
}

// T35: who it is for comes from the invitation alone, so the request has no
// field that could say otherwise; what it has is checked here.
func TestTheDeviceBelongsToWhoWasInvited(t *testing.T) {
	w := newWorld(t)
	in := w.enroll(w.invite("ann"), func(r *enrollment.EnrollRequest) {
		r.Credential.Email, r.Host = "bob@example.com", "other.example"
	})
	assert.Equal(t, "ann", in.Device.User)
	assert.Equal(t, "acme", in.Device.Site)
}

func TestEverythingIsLookedAtAgainWhenADeviceEnrolls(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) })
	token := w.token(id)
	enroll := func(n string) error {
		_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: n, Credential: enrollment.Presented{Token: token}, Device: enrollment.Claim{Platform: device.Windows},
		})
		return err
	}
	w.clock.Advance(time.Hour - time.Microsecond)
	assert.NoError(t, enroll("1"))
	w.clock.Advance(time.Microsecond)
	assert.ErrorIs(t, enroll("2"), invitation.ErrExpired, "no sweeper has come by")
	_, err := w.svc.Sweep(w.ctx)
	require.NoError(t, err)
	assert.ErrorIs(t, enroll("3"), invitation.ErrExpired)
	w.clock.Advance(-time.Hour)
	assert.ErrorIs(t, enroll("4"), invitation.ErrExpired, "expired stays expired when the clock jumps back")
}

func TestAnotherSecretOfTheRightShapeIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.invite("ann")
	for _, token := range []string{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "short", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"} {
		_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: "1", Credential: enrollment.Presented{Token: credentials.SecretString(token)}, Device: enrollment.Claim{Platform: device.IOS},
		})
		assert.ErrorIs(t, err, enrollment.ErrInvitationUnknown)
	}
}

func TestAReplacementTakesTheHardwareAlong(t *testing.T) {
	w := newWorld(t)
	old := w.invite("ann")
	same := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "S1" }
	first := w.enroll(old, same)
	next := w.invite("ann")
	again := w.enroll(next, same)
	assert.Equal(t, first.Device.ID, again.Device.ID)
	assert.True(t, again.Reenrolled)
	assert.Equal(t, next, w.device(first.Device.ID).Invitation)
	detail, err := w.svc.Invitation(w.ctx, w.by, next)
	require.NoError(t, err)
	assert.Equal(t, 1, detail.Live)
	detail, err = w.svc.Invitation(w.ctx, w.by, old)
	require.NoError(t, err)
	assert.Zero(t, detail.Live)
	w.checkHistory(first.Device.ID)
}

func TestTheLastPlaceEndsTheInvitationButNotItsDevices(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
	token := w.token(id)
	enrollWith := func(serial, n string) error {
		_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: n, Credential: enrollment.Presented{Token: token},
			Device: enrollment.Claim{Platform: device.Android, Manufacturer: "Maker", Hardware: device.Hardware{Serial: serial}},
		})
		return err
	}
	require.NoError(t, enrollWith("S1", "1"))
	detail, err := w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.Equal(t, invitation.Exhausted, detail.Reason)
	assert.ErrorIs(t, enrollWith("S2", "2"), invitation.ErrExhausted)
	assert.NoError(t, enrollWith("S1", "3"), "its own device may come back")
}

func TestAnExhaustedInvitationIsRevokedLikeAnyOther(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, id string)
		want error
	}{
		"deactivated": {func(w *world, id string) { _, err := w.svc.Deactivate(w.ctx, w.by, id); require.NoError(w, err) }, invitation.ErrDeactivated},
		"replaced":    {func(w *world, _ string) { w.clock.Advance(time.Second); w.invite("ann") }, invitation.ErrDeactivated},
		"expired":     {func(w *world, _ string) { w.clock.Advance(time.Hour) }, invitation.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices, r.ExpiresAt = 1, w.clock.Now().Add(time.Hour) })
			r := enrollment.EnrollRequest{
				EnrollmentID: "1", Credential: enrollment.Presented{Token: w.token(id)},
				Device: enrollment.Claim{Platform: device.Android, Hardware: device.Hardware{Serial: "S1"}},
			}
			in, err := w.svc.Enroll(w.ctx, r)
			require.NoError(t, err)
			_, err = w.svc.EditEmail(w.ctx, w.by, id, "x@example.com")
			assert.ErrorIs(t, err, invitation.ErrExhausted)
			_, err = w.svc.Reveal(w.ctx, w.by, id)
			assert.ErrorIs(t, err, invitation.ErrExhausted)
			c.end(w, id)
			r.EnrollmentID = "2"
			_, err = w.svc.Enroll(w.ctx, r)
			assert.ErrorIs(t, err, c.want)
			assert.NoError(t, w.svc.CheckIn(w.ctx, in.Token, 0))
		})
	}
}

func TestADeviceInConflictThatEnrollsAgainKeepsItsRowAndAlertsOnce(t *testing.T) {
	w := newWorld(t)
	w.enroll(w.invite("ann"), func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "S1" })
	bob := w.invite("bob")
	w.deliver()
	before := len(w.mail.all())
	ids := map[string]bool{}
	for range 10 {
		in := w.enroll(bob, func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "S1" })
		ids[in.Device.ID] = true
	}
	w.deliver()
	assert.Len(t, ids, 1)
	assert.Len(t, w.mail.all(), before+2, "one alert for each administrator")
	assert.Len(t, w.slots(), 2)
}

func TestDeletedHardwareTakesNoSecondPlace(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 2 })
	same := func(r *enrollment.EnrollRequest) { r.Device.Hardware.Serial = "S1" }
	first := w.enroll(id, same)
	require.NoError(t, w.svc.Delete(w.ctx, w.by, first.Device.ID))
	again := w.enroll(id, same)
	assert.Equal(t, first.Device.ID, again.Device.Previous)
	w.enroll(id) // the second place is still free
	detail, err := w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(t, err)
	assert.Equal(t, 2, detail.Enrolled)
	assert.Equal(t, 2, detail.Live)
}

func TestWhatIsKnownOfHardwareStaysWhereAnEnrollmentIsSilent(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	same := func(r *enrollment.EnrollRequest) {
		r.Device.Hardware = device.Hardware{Serial: "S1"}
		r.Device.Name = ""
	}
	first := w.enroll(id, same)
	_, err := w.svc.Observe(w.ctx, device.Observation{
		Site: "acme", Device: first.Device.ID, Source: "mdm", At: w.clock.Now(), Name: "Learned", Hardware: device.Hardware{IMEI: "490154203237518"},
	})
	require.NoError(t, err)
	again := w.enroll(id, same)
	assert.Equal(t, "Learned", again.Device.Name)
	assert.Equal(t, "490154203237518", again.Device.Hardware.IMEI)
}

func TestAPolicyThatIsOutOfBoundsServesNobody(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	token := w.token(id)
	for name, spoil := range map[string]func(*enrollment.Site){
		"budget": func(s *enrollment.Site) { s.Policy.Credentials.PINBudget = 1 << 20 },
		"requirements": func(s *enrollment.Site) {
			s.Policy.Requirements = device.Requirements{device.IOSSupervised: {"has_wheels"}}
		},
	} {
		w.sites.change("acme", func(s *enrollment.Site) { s.Policy = enrollment.Policy{}; spoil(s) })
		_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: "1", Credential: enrollment.Presented{Token: token}, Device: enrollment.Claim{Platform: device.IOS},
		})
		assert.Equal(t, "unavailable", enrollment.Code(err), name)
	}
}

func TestJunkHardwareIDsMakeNobodyTheSame(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann")
	junk := func(r *enrollment.EnrollRequest) {
		r.Device.Hardware = device.Hardware{Serial: "To be filled by O.E.M."}
	}
	first, second := w.enroll(id, junk), w.enroll(id, junk)
	assert.NotEqual(t, first.Device.ID, second.Device.ID)
}

func TestOneEnrollmentIDOfTwoUsersAreTwoEnrollments(t *testing.T) {
	w := newWorld(t)
	same := func(r *enrollment.EnrollRequest) { r.EnrollmentID, r.Device.Hardware = "the same", device.Hardware{} }
	first, second := w.enroll(w.invite("ann"), same), w.enroll(w.invite("bob"), same)
	assert.NotEqual(t, first.Device.ID, second.Device.ID)
	assert.False(t, second.Replayed)
}

// T50: whatever call of the store fails, nothing is half done, and the same
// request succeeds afterwards.
func TestAFailingStoreLeavesNoHalfEnrollment(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		id := w.invite("ann")
		r := enrollment.EnrollRequest{
			EnrollmentID: "1", Credential: enrollment.Presented{Token: w.token(id)},
			Device: enrollment.Claim{Platform: device.Android, Hardware: device.Hardware{Serial: "S1"}},
		}
		broken := &brokenStore{Storage: w.store, left: n}
		_, err := w.over(broken).Enroll(w.ctx, r)
		if !broken.broke {
			require.NoError(t, err)
			require.Greater(t, n, 5)
			return
		}
		require.Error(t, err, "call %d", n)
		require.Len(t, w.slots(), 1)
		require.Contains(t, w.slots(), id, "call %d left something behind", n)
		in, err := w.svc.Enroll(w.ctx, r)
		require.NoError(t, err)
		require.False(t, in.Replayed)
		w.checkHistory(in.Device.ID)
	}
}
