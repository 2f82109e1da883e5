package enrollment_test

import (
	"context"
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

// offering is a platform that keeps what it is offered.
type offering struct{ offered *enrollment.Offer }

func (offering) Name() string              { return "offering" }
func (offering) Serves() []device.Platform { return []device.Platform{device.Windows, device.IOS} }
func (p offering) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	*p.offered = o
	return enrollment.NextStep{}, nil
}

func (offering) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

// newOffering is a world with such a platform.
func newOffering(t *testing.T) *world {
	offered := new(enrollment.Offer)
	w := newWorld(t, func(c *enrollment.Config) {
		c.Platforms, c.Directory = []enrollment.Platform{offering{offered}}, staff{}
	})
	w.noPasscodePace()
	w.offered = offered
	return w
}

// byChannel is the request of a device of a channel.
func byChannel(grant, udid string) enrollment.ManagedRequest {
	return enrollment.ManagedRequest{
		Site: "acme", Source: device.SourceMDM, Grant: grant, Again: true,
		Ref: device.Ref{Source: "channel", ID: grant}, Refs: []device.Ref{{Source: "udid", ID: udid}},
		Platform: device.IOS, Device: enrollment.Claim{Hardware: device.Hardware{UDID: udid}, Name: "Phone", OSVersion: "18.2"},
	}
}

const udid = "00008030-001C2D3E4F50602E"

func TestAPlatformEnrollsADeviceByAGrant(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	grant := w.used(inv)
	in, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
	require.NoError(t, err)
	assert.True(t, in.Token.IsZero(), "nobody asked for a token")
	assert.Equal(t, device.Pending, in.Device.State)
	assert.Equal(t, inv, in.Device.Invitation)
	assert.Equal(t, device.ByInvitation, in.Device.Origin)
	assert.Equal(t, []device.Ref{{Source: "channel", ID: grant}, {Source: "udid", ID: udid}}, in.Device.Refs)
	events := w.events(in.Device.ID)
	assert.Equal(t, "source:mdm", events[0].Actor)
	assert.Equal(t, device.Ref{Source: "channel", ID: grant}, events[0].Ref)
	assert.Contains(t, w.types(inv), "invitation.opened")
	w.checkHistory(in.Device.ID)

	for range 2 {
		again, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
		require.NoError(t, err)
		assert.True(t, again.Replayed)
		assert.Equal(t, in.Device, again.Device)
	}
	status, err := w.svc.Observe(w.ctx, device.Observation{
		Site: "acme", Source: device.SourceMDM, Ref: device.Ref{Source: "channel", ID: grant}, At: w.clock.Now(),
		Facts: map[device.Fact]bool{device.ManagementProfile: true}, Inventory: []byte(` {"model" : "iPhone"}`),
	})
	require.NoError(t, err)
	assert.Equal(t, device.Active, status.State, "an inventory is received by being there")
	assert.JSONEq(t, `{"model":"iPhone"}`, string(w.device(in.Device.ID).Inventory))
}

func TestManyMessagesOfOneEnrollmentAreOneDevice(t *testing.T) {
	w := newWorld(t)
	grant := w.used(w.invite("ann"))
	var group sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	for range 8 {
		group.Go(func() {
			in, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids[in.Device.ID]++
		})
	}
	group.Wait()
	assert.Len(t, ids, 1)
}

func TestAManagedDeviceFollowsTheRulesOfEveryDevice(t *testing.T) {
	t.Run("limits count", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
		one, two := w.used(inv), w.used(inv)
		_, err := w.svc.EnrollManaged(w.ctx, byChannel(one, udid))
		require.NoError(t, err)
		_, err = w.svc.EnrollManaged(w.ctx, byChannel(two, "00008030-001C2D3E4F50602F"))
		assert.ErrorIs(t, err, invitation.ErrExhausted)
		assert.Equal(t, []string{"mdm/enroll invitation_exhausted"}, w.refusals(inv))
		back, err := w.svc.EnrollManaged(w.ctx, byChannel(two, udid))
		require.NoError(t, err, "the same hardware needs no other place")
		assert.True(t, back.Reenrolled)
	})
	t.Run("another user's hardware is in conflict and has no name of the other's", func(t *testing.T) {
		w := newWorld(t)
		ann, err := w.svc.EnrollManaged(w.ctx, byChannel(w.used(w.invite("ann")), udid))
		require.NoError(t, err)
		grant := w.used(w.invite("bob"))
		bob, err := w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
		require.NoError(t, err)
		assert.Equal(t, ann.Device.ID, bob.Device.Conflict)
		assert.Equal(t, []device.Ref{{Source: "channel", ID: grant}}, bob.Device.Refs)
		_, err = w.svc.EnrollManaged(w.ctx, byChannel(grant, udid))
		require.NoError(t, err, "and repeats itself as any other")
	})
	t.Run("a deactivated invitation admits nobody, and keeps who is in", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		in, out := w.used(inv), w.used(inv)
		_, err := w.svc.EnrollManaged(w.ctx, byChannel(in, udid))
		require.NoError(t, err)
		_, err = w.svc.Deactivate(w.ctx, w.by, inv)
		require.NoError(t, err)
		_, err = w.svc.EnrollManaged(w.ctx, byChannel(out, "00008030-001C2D3E4F50602F"))
		assert.ErrorIs(t, err, invitation.ErrDeactivated)
		_, err = w.svc.EnrollManaged(w.ctx, byChannel(in, udid))
		assert.NoError(t, err)
	})
	t.Run("a deleted device has a successor", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		in, err := w.svc.EnrollManaged(w.ctx, byChannel(w.used(inv), udid))
		require.NoError(t, err)
		require.NoError(t, w.svc.Delete(w.ctx, w.by, in.Device.ID))
		next, err := w.svc.EnrollManaged(w.ctx, byChannel(w.used(inv), udid))
		require.NoError(t, err)
		assert.Equal(t, in.Device.ID, next.Device.Previous)
	})
	t.Run("a channel that carries the invitation itself", func(t *testing.T) {
		w := newWorld(t)
		r := byChannel("", udid)
		r.Invitation, r.EnrollmentID, r.Ref = w.invite("ann"), "enterprises/1/devices/abc", device.Ref{Source: "amapi", ID: "enterprises/1/devices/abc"}
		in, err := w.svc.EnrollManaged(w.ctx, r)
		require.NoError(t, err)
		assert.Equal(t, r.Invitation, in.Device.Invitation)
		r.Invitation = "inv_unknown"
		_, err = w.svc.EnrollManaged(w.ctx, r)
		assert.ErrorIs(t, err, enrollment.ErrInvitationUnknown)
	})
}

func TestADeviceThatLeftComesBackByABeginningThatIsYounger(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	r := byChannel(w.used(inv), udid)
	in, err := w.svc.EnrollManaged(w.ctx, r)
	require.NoError(t, err)
	early := w.clock.Now().Add(time.Second)
	w.clock.Advance(time.Minute)
	w.observe(device.Observation{Site: "acme", Source: device.SourceMDM, Ref: r.Ref, At: w.clock.Now(), Left: true})
	w.clock.Advance(time.Minute)

	late := r
	late.At = early
	again := r
	again.Again = false
	for name, r := range map[string]enrollment.ManagedRequest{"late": late, "no beginning": again} {
		out, err := w.svc.EnrollManaged(w.ctx, r)
		require.NoError(t, err, name)
		assert.Equal(t, device.Unenrolled, out.Device.State, name)
	}
	back, err := w.svc.EnrollManaged(w.ctx, r)
	require.NoError(t, err)
	assert.Equal(t, in.Device.ID, back.Device.ID)
	assert.Equal(t, 2, back.Device.Generation)
	w.observe(device.Observation{Site: "acme", Source: device.SourceMDM, Ref: r.Ref, At: w.clock.Now(), Left: true})
	_, err = w.svc.Deactivate(w.ctx, w.by, inv)
	require.NoError(t, err)
	w.clock.Advance(time.Hour)
	_, err = w.svc.EnrollManaged(w.ctx, r)
	assert.ErrorIs(t, err, invitation.ErrDeactivated, "it is admitted anew, or not")
	w.clock.Advance(30 * 24 * time.Hour)
	_, err = w.svc.Sweep(w.ctx)
	require.NoError(t, err)
	_, err = w.svc.EnrollManaged(w.ctx, r)
	assert.ErrorIs(t, err, invitation.ErrDeactivated, "long after the use of its grant is forgotten")
}

func TestALoginAdmitsOneManagedDevice(t *testing.T) {
	w := newOffering(t)
	g := w.loginGrant("u1")
	var grants []string
	for range 2 {
		_, text, err := w.svc.NewGrant(use, g, time.Hour)
		require.NoError(t, err)
		spent, err := w.svc.UseGrant(w.ctx, use, text, invitation.CertificateIssued)
		require.NoError(t, err)
		grants = append(grants, spent.ID)
	}
	in, err := w.svc.EnrollManaged(w.ctx, byChannel(grants[0], udid))
	require.NoError(t, err)
	assert.Equal(t, device.BySelfService, in.Device.Origin)
	assert.Equal(t, device.Company, in.Device.Ownership)
	assert.Equal(t, device.Windows, in.Device.Platform, "as chosen on the page")
	_, err = w.svc.EnrollManaged(w.ctx, byChannel(grants[1], "00008030-001C2D3E4F50602F"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	assert.Equal(t, []string{"mdm/enroll login_used"}, w.refusals(enrollment.LoginSubject("u1")))
	again, err := w.svc.EnrollManaged(w.ctx, byChannel(grants[0], udid))
	require.NoError(t, err)
	assert.True(t, again.Replayed)
}

func TestARequestThatNobodyCanMeanEnrollsNobody(t *testing.T) {
	w := newWorld(t)
	grant := w.used(w.invite("ann"))
	for field, break_ := range map[string]func(*enrollment.ManagedRequest){
		"site":            func(r *enrollment.ManagedRequest) { r.Site = "" },
		"source":          func(r *enrollment.ManagedRequest) { r.Source = device.SourceAgent },
		"grant":           func(r *enrollment.ManagedRequest) { r.Invitation = "inv_1" },
		"enrollment_id":   func(r *enrollment.ManagedRequest) { r.EnrollmentID = strings.Repeat("x", 65) },
		"ref":             func(r *enrollment.ManagedRequest) { r.Ref.ID = "a\x00b" },
		"device.platform": func(r *enrollment.ManagedRequest) { r.Platform = "" },
		"mode":            func(r *enrollment.ManagedRequest) { r.Mode = device.WindowsMode },
		"device.udid":     func(r *enrollment.ManagedRequest) { r.Device.Hardware.UDID = "a\nb" },
	} {
		r := byChannel(grant, udid)
		break_(&r)
		_, err := w.svc.EnrollManaged(w.ctx, r)
		var invalid *enrollment.ValidationError
		require.ErrorAs(t, err, &invalid, field)
		assert.Equal(t, field, invalid.Fields[0].Field)
	}
	_, err := w.svc.EnrollManaged(w.ctx, byChannel("never used", udid))
	assert.ErrorIs(t, err, enrollment.ErrGrantRefused)
}
