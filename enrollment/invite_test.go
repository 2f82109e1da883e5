package enrollment_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// codesOf gives each result its code.
func codesOf(results []enrollment.InviteResult) []string {
	var list []string
	for _, r := range results {
		list = append(list, enrollment.Code(r.Err))
	}
	return list
}

func TestOneWhoCannotBeInvitedDoesNotKeepTheOthersFromIt(t *testing.T) {
	w := newWorld(t)
	results, err := w.svc.InviteMany(w.ctx, w.by, enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{
		{User: "ann", Send: true},
		{User: "nobody", Send: true},
		{User: "bob", Email: "not an address", Send: true},
		{User: "noaddress", Send: true},
		{User: "noaddress"},
		{Email: "Guest@Example.org", Name: "Guest", Send: true},
		{User: "ann", Send: true},
		{Email: "guest@example.ORG"},
	}})
	require.NoError(t, err)
	assert.Equal(t, []string{"", "not_found", "invalid", "no_address", "", "", "invalid", "invalid"}, codesOf(results))
	assert.Equal(t, enrollment.InviteCounts{Created: 3, Refused: 5}, enrollment.CountInvites(results))
	assert.Len(t, w.slots(), 3)
	assert.True(t, strings.HasPrefix(results[5].User, "usr_"))
	assert.Equal(t, "Guest@Example.org", results[5].Email, "as given")
	assert.Equal(t, "nobody", results[1].User)
	assert.Equal(t, 2, w.deliver())
}

func TestAPersonOutsideTheDirectoryIsToldByTheAddress(t *testing.T) {
	w := newWorld(t)
	first, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: "Guest@Example.org"})
	require.NoError(t, err)
	again, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: "guest@example.org"})
	require.NoError(t, err)
	assert.Equal(t, first.User, again.User)
	assert.Equal(t, first.Invitation, again.Replaced)
	elsewhere, err := w.svc.Invite(w.ctx, enrollment.Actor{Site: "other", ID: "x"}, enrollment.InviteRequest{Email: "guest@example.org"})
	require.NoError(t, err)
	assert.NotEqual(t, first.User, elsewhere.User)
	assert.Empty(t, elsewhere.Replaced)
}

func TestADryRunSaysWhatWouldHappenAndDoesNothing(t *testing.T) {
	w := newWorld(t)
	old := w.invite("ann")
	w.deliver()
	before := w.events(old)
	r := enrollment.InviteManyRequest{DryRun: true, Key: "k", Invites: []enrollment.InviteRequest{{User: "ann", Send: true}, {User: "bob"}, {User: "nobody"}}}
	dry, err := w.svc.InviteMany(w.ctx, w.by, r)
	require.NoError(t, err)
	assert.Equal(t, enrollment.InviteCounts{Created: 2, Replaced: 1, Refused: 1}, enrollment.CountInvites(dry))
	assert.Equal(t, old, dry[0].Replaced)
	assert.Empty(t, dry[1].Invitation)
	assert.Len(t, w.slots(), 1)
	assert.Equal(t, before, w.events(old))
	assert.Zero(t, w.deliver())

	r.DryRun, r.Key = false, "k"
	wet, err := w.svc.InviteMany(w.ctx, w.by, r)
	require.NoError(t, err)
	assert.Equal(t, enrollment.CountInvites(dry), enrollment.CountInvites(wet))
}

func TestTheSameKeyInvitesOnce(t *testing.T) {
	w := newWorld(t)
	r := enrollment.InviteManyRequest{Key: "k-1", Invites: []enrollment.InviteRequest{{User: "ann", Send: true}, {User: "nobody"}}}
	first, err := w.svc.InviteMany(w.ctx, w.by, r)
	require.NoError(t, err)
	again, err := w.svc.InviteMany(w.ctx, w.by, r)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.Equal(t, 1, w.deliver())
	assert.Equal(t, 1, count(w.types(first[0].Invitation), "invitation.sent"))

	changed := r
	changed.Invites = []enrollment.InviteRequest{{User: "bob"}}
	_, err = w.svc.InviteMany(w.ctx, w.by, changed)
	assert.ErrorIs(t, err, enrollment.ErrKeyReused)

	someoneElse := w.by
	someoneElse.ID = "adm-2"
	_, err = w.svc.InviteMany(w.ctx, someoneElse, changed)
	assert.NoError(t, err, "keys of different actors do not meet")

	w.clock.Advance(enrollment.RecordsKept)
	later, err := w.svc.InviteMany(w.ctx, w.by, r)
	require.NoError(t, err)
	assert.NotEqual(t, first[0].Invitation, later[0].Invitation)
}

// Names and addresses are in the request: without the ring, its fingerprint must
// tell nobody whether a guess at them is right.
func TestTheFingerprintOfARequestIsKeyed(t *testing.T) {
	fingerprints := map[string]bool{}
	for range 2 {
		w := newWorld(t)
		r := enrollment.InviteManyRequest{Key: "k-1", Invites: []enrollment.InviteRequest{{Email: "guest@example.com", Name: "Guest"}}}
		first, err := w.svc.InviteMany(w.ctx, w.by, r)
		require.NoError(t, err)
		w.view(func(ctx context.Context, tx enrollment.Tx) error {
			kept, err := tx.Records().Get(ctx, "acme", "invite/adm-1", "k-1")
			fingerprints[string(kept.Fingerprint)] = true
			return err
		})
		ring, err := w.cfg.Keyring.Rotate(rand.Reader)
		require.NoError(t, err)
		require.NoError(t, w.svc.UseKeyring(w.ctx, ring))
		again, err := w.svc.InviteMany(w.ctx, w.by, r)
		require.NoError(t, err, "it does not change with the current key")
		require.Equal(t, first, again)
	}
	require.Len(t, fingerprints, 2, "of one request, under two rings")
}

func TestInvitingAgainDecidesWhatBecomesOfTheOld(t *testing.T) {
	for _, c := range []struct {
		ifActive       enrollment.IfActive
		want           string
		active, kept   bool
		oldState       invitation.State
		mailsDelivered int
	}{
		{"", "", true, false, invitation.Deactivated, 1},
		{enrollment.Replace, "", true, false, invitation.Deactivated, 1},
		{enrollment.Keep, "", true, true, invitation.Sent, 1},
		{enrollment.Refuse, "invitation_active", true, false, invitation.Sent, 0},
	} {
		t.Run("if active: "+string(c.ifActive), func(t *testing.T) {
			w := newWorld(t)
			old := w.invite("ann")
			w.deliver()
			result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{User: "ann", Send: true, IfActive: c.ifActive})
			assert.Equal(t, c.want, enrollment.Code(err))
			assert.Equal(t, c.kept, result.Kept)
			detail, err := w.svc.Invitation(w.ctx, w.by, old)
			require.NoError(t, err)
			assert.Equal(t, c.oldState, detail.State)
			assert.Equal(t, c.mailsDelivered, w.deliver())
			assert.Len(t, w.slots(), 1)
		})
	}
}

func TestAnExpiredInvitationIsNotKept(t *testing.T) {
	w := newWorld(t)
	old := w.invite("ann", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) })
	w.clock.Advance(time.Hour)
	result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{User: "ann", IfActive: enrollment.Keep})
	require.NoError(t, err)
	assert.False(t, result.Kept)
	detail, err := w.svc.Invitation(w.ctx, w.by, old)
	require.NoError(t, err)
	assert.Equal(t, invitation.Expired, detail.Reason)
}

func TestABadRequestIsRefusedWholeAndNamesItsFields(t *testing.T) {
	w := newWorld(t)
	many := make([]enrollment.InviteRequest, enrollment.MaxInvites+1)
	for name, c := range map[string]struct {
		r    enrollment.InviteManyRequest
		want string
	}{
		"nobody":          {enrollment.InviteManyRequest{}, "users: required"},
		"too many":        {enrollment.InviteManyRequest{Invites: many}, "users: too_many"},
		"who":             {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: "ann"}, {}}}, "users[1].user_id: required"},
		"long id":         {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: strings.Repeat("x", 129)}}}, "users[0].user_id: too_long"},
		"name":            {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{Email: "a@example.com", Name: "A\x00"}}}, "users[0].name: malformed"},
		"mode":            {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: "ann", Mode: "beos"}}}, "mode: unknown"},
		"ownership":       {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: "ann", Ownership: "mine"}}}, "ownership: unknown"},
		"if active":       {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: "ann", IfActive: "shrug"}}}, "if_active: unknown"},
		"in the past":     {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: "ann", ExpiresAt: w.clock.Now()}}}, "expires_at: past"},
		"fewer than none": {enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{{User: "ann", MaxDevices: -1}}}, "max_devices: out_of_range"},
		"key":             {enrollment.InviteManyRequest{Key: strings.Repeat("k", 129), Invites: []enrollment.InviteRequest{{User: "ann"}}}, "idempotency_key: too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.svc.InviteMany(w.ctx, w.by, c.r)
			var refused *enrollment.ValidationError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.want, refused.Fields[0].Field+": "+refused.Fields[0].Code)
			assert.Empty(t, w.slots())
		})
	}
}

func TestEveryAdministratorsVerbAsks(t *testing.T) {
	asked := map[enrollment.Permission]int{}
	w := newWorld(t, func(c *enrollment.Config) {
		c.Authorize = func(_ context.Context, _ enrollment.Actor, p enrollment.Permission) error {
			asked[p]++
			return enrollment.ErrForbidden
		}
	})
	calls := map[string]func(enrollment.Actor) error{
		"Invite": func(by enrollment.Actor) error {
			_, err := w.svc.Invite(w.ctx, by, enrollment.InviteRequest{User: "ann"})
			return err
		},
		"Send": func(by enrollment.Actor) error { _, err := w.svc.Send(w.ctx, by, "inv_1"); return err },
		"EditEmail": func(by enrollment.Actor) error {
			_, err := w.svc.EditEmail(w.ctx, by, "inv_1", "a@example.com")
			return err
		},
		"Deactivate": func(by enrollment.Actor) error { _, err := w.svc.Deactivate(w.ctx, by, "inv_1"); return err },
		"NewPIN":     func(by enrollment.Actor) error { _, err := w.svc.NewPIN(w.ctx, by, "inv_1"); return err },
		"Reveal":     func(by enrollment.Actor) error { _, err := w.svc.Reveal(w.ctx, by, "inv_1"); return err },
		"Invitation": func(by enrollment.Actor) error { _, err := w.svc.Invitation(w.ctx, by, "inv_1"); return err },
		"Invitations": func(by enrollment.Actor) error {
			_, err := w.svc.Invitations(w.ctx, by, enrollment.InvitationsQuery{})
			return err
		},
		"Overview": func(by enrollment.Actor) error {
			_, err := w.svc.Overview(w.ctx, by, enrollment.OverviewQuery{})
			return err
		},
		"Device":    func(by enrollment.Actor) error { _, err := w.svc.Device(w.ctx, by, "dev_1"); return err },
		"Explain":   func(by enrollment.Actor) error { _, err := w.svc.Explain(w.ctx, by, "dev_1"); return err },
		"Events":    func(by enrollment.Actor) error { _, err := w.svc.Events(w.ctx, by, 0, 0); return err },
		"Renew":     func(by enrollment.Actor) error { _, err := w.svc.Renew(w.ctx, by, "dev_1"); return err },
		"RenewMany": func(by enrollment.Actor) error { _, err := w.svc.RenewMany(w.ctx, by, []string{"dev_1"}); return err },
		"Remove":    func(by enrollment.Actor) error { _, err := w.svc.Remove(w.ctx, by, "dev_1"); return err },
		"Delete":    func(by enrollment.Actor) error { return w.svc.Delete(w.ctx, by, "dev_1") },
		"Release":   func(by enrollment.Actor) error { _, err := w.svc.Release(w.ctx, by, "dev_1"); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			assert.ErrorIs(t, call(w.by), enrollment.ErrForbidden)
			for _, nobody := range []enrollment.Actor{{}, {Site: "acme"}, {ID: "adm-1"}, {Site: strings.Repeat("s", 129), ID: "x"}} {
				assert.ErrorIs(t, call(nobody), enrollment.ErrForbidden, fmt.Sprint(nobody))
			}
		})
	}
	var n int
	for _, count := range asked {
		n += count
	}
	assert.Equal(t, len(calls), n, "each asks once, and only for a complete actor")
	assert.Len(t, asked, 7)
}

func TestWhatIsRecommendedAndFixedReachesTheDevice(t *testing.T) {
	w := newWorld(t)
	id := w.invite("ann", func(r *enrollment.InviteRequest) {
		r.Mode, r.Ownership = device.AndroidFullyManaged, device.Company
	})
	in := w.enroll(id, func(r *enrollment.EnrollRequest) { r.Ownership = device.Personal })
	assert.Equal(t, device.AndroidFullyManaged, in.Device.Mode)
	assert.Equal(t, device.Company, in.Device.Ownership, "what the invitation fixes wins")
}

func TestAPersonOfTheDirectoryIsNotInvitedTwice(t *testing.T) {
	w := newWorld(t, func(c *enrollment.Config) { c.Directory = byAddress{} })
	first := w.invite("ann")
	again, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: "ANN@example.com"})
	require.NoError(t, err)
	assert.Equal(t, "ann", again.User)
	assert.Equal(t, first, again.Replaced)
	other, err := w.svc.Invite(w.ctx, enrollment.Actor{Site: "other", ID: "x"}, enrollment.InviteRequest{Email: "ann@example.com"})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(other.User, "usr_"), "another site's users are nobody here")
}

// byAddress finds ann of acme.
type byAddress struct{ directory }

func (d byAddress) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	if email != "ann@example.com" {
		return nil, nil
	}
	user, err := d.Lookup(ctx, "acme", "ann")
	return []enrollment.User{user}, err
}

func TestAnAddressIsStoredWithoutWhatStandsAroundIt(t *testing.T) {
	w := newWorld(t)
	result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: " Guest@example.org\r\n", Send: true})
	require.NoError(t, err)
	_, err = w.svc.EditEmail(w.ctx, w.by, w.invite("ann"), "ann2@example.org\n ")
	require.NoError(t, err)
	w.deliver()
	to := []string{w.mail.all()[0].To, w.mail.all()[1].To}
	assert.ElementsMatch(t, []string{"Guest@example.org", "ann2@example.org"}, to)
	assert.Equal(t, "Guest@example.org", result.Email)
}

func TestANewNameReachesTheListOfDevices(t *testing.T) {
	w := newWorld(t)
	in := w.enroll(w.invite("ann"))
	w.cfg.Directory = renamed{}
	w.svc = w.over(w.store)
	w.invite("ann")
	assert.Equal(t, "Ann Newname", w.slots()[in.Device.ID].UserName)
}

type renamed struct{ directory }

func (d renamed) Lookup(ctx context.Context, site, id string) (enrollment.User, error) {
	user, err := d.directory.Lookup(ctx, site, id)
	user.Name = "Ann Newname"
	return user, err
}
