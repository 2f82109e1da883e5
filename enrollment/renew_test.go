package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// renewals returns the renewal mails that were delivered.
func (w *world) renewals() (list []enrollment.Mail) {
	for _, m := range w.mail.all() {
		if m.Renewal != nil {
			list = append(list, m)
		}
	}
	return list
}

func TestRenew(t *testing.T) {
	t.Run("the user is mailed, with the codes of the active invitation, which stay as they are", func(t *testing.T) {
		w := newWorld(t)
		w.sites.change("acme", func(s *enrollment.Site) {
			s.Agents = map[device.Platform]enrollment.Agent{device.Android: {Name: "Agent", Package: "com.example.agent"}}
		})
		e := w.unresponsive("ann")
		before, err := w.svc.Reveal(w.ctx, w.by, e.Device.Invitation)
		require.NoError(t, err)
		result, err := w.svc.Renew(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.Equal(t, enrollment.RenewResult{Device: e.Device.ID}, result)
		w.deliver()
		require.Len(t, w.renewals(), 1)
		mail := w.renewals()[0]
		require.Equal(t, []string{"ann@example.com", "Ann Canary", "cs"}, []string{mail.To, mail.ToName, mail.Language})
		r := mail.Renewal
		require.Equal(t, []any{e.Device.ID, "Phone", device.Unresponsive, "com.example.agent"}, []any{r.Device, r.Name, r.State, r.Agent.Package})
		require.Equal(t, w.contact(e.Device.ID).At, r.Since)
		require.True(t, before.PIN.Equal(r.Codes.PIN))
		require.True(t, before.QR.Equal(r.Codes.QR))
		require.True(t, before.URL.Equal(r.Codes.URL))
		after, err := w.svc.Reveal(w.ctx, w.by, e.Device.Invitation)
		require.NoError(t, err)
		require.True(t, before.PIN.Equal(after.PIN))
		require.Equal(t, device.EventRenewed, w.types(e.Device.ID)[3])
		w.checkHistory(e.Device.ID)
	})
	t.Run("it goes to the address of the active invitation", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		_, err := w.svc.EditEmail(w.ctx, w.by, e.Device.Invitation, "Ann.Edited@example.com")
		require.NoError(t, err)
		_, err = w.svc.Renew(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		w.deliver()
		require.Equal(t, "Ann.Edited@example.com", w.renewals()[0].To)
	})
	t.Run("without an active invitation it carries no codes, and says so", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		_, err := w.svc.Deactivate(w.ctx, w.by, e.Device.Invitation)
		require.NoError(t, err)
		result, err := w.svc.Renew(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.True(t, result.WithoutCodes)
		w.deliver()
		require.Equal(t, enrollment.Codes{}, w.renewals()[0].Renewal.Codes)
	})
	t.Run("QR code and PIN are for Android alone", func(t *testing.T) {
		w := newWorld(t)
		e := w.enroll(w.invite("ann"), func(r *enrollment.EnrollRequest) { r.Device.Platform = device.IOS })
		_, err := w.svc.Renew(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		w.deliver()
		codes := w.renewals()[0].Renewal.Codes
		require.Equal(t, []bool{false, true, true}, []bool{codes.URL.IsZero(), codes.QR.IsZero(), codes.PIN.IsZero()})
	})
	t.Run("a burnt PIN is left out", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		w.burn(e.Device.Invitation)
		_, err := w.svc.Renew(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		w.deliver()
		codes := w.renewals()[0].Renewal.Codes
		require.True(t, codes.PIN.IsZero())
		require.False(t, codes.QR.IsZero())
	})
	t.Run("many: one result for each, one mail for each device", func(t *testing.T) {
		w := newWorld(t)
		a, b := w.active("ann"), w.active("bob")
		gone := w.deleted("cyd")
		w.deliver()
		ids := []string{b.Device.ID, "dev_x", a.Device.ID, gone, b.Device.ID}
		results, err := w.svc.RenewMany(w.ctx, w.by, ids)
		require.NoError(t, err)
		codes := []string{}
		for i, r := range results {
			require.Equal(t, ids[i], r.Device)
			codes = append(codes, enrollment.Code(r.Err))
		}
		require.Equal(t, []string{"", "not_found", "", "not_found", ""}, codes)
		w.deliver()
		require.Len(t, w.renewals(), 2)
	})
	t.Run("no address, no renewal", func(t *testing.T) {
		w := newWorld(t)
		e := w.enroll(w.invite("noaddress", func(r *enrollment.InviteRequest) { r.Send = false }))
		_, err := w.svc.Renew(w.ctx, w.by, e.Device.ID)
		require.ErrorIs(t, err, enrollment.ErrNoAddress)
		require.Empty(t, w.outbox(e.Device.ID))
	})
	t.Run("too many or none is refused as a whole", func(t *testing.T) {
		w := newWorld(t)
		for _, ids := range [][]string{nil, make([]string, enrollment.MaxPageSize+1)} {
			_, err := w.svc.RenewMany(w.ctx, w.by, ids)
			require.Equal(t, "invalid", enrollment.Code(err))
		}
	})
}

// burn uses up the tries of an invitation's PIN.
func (w *world) burn(id string) {
	w.Helper()
	limit := credentials.Policy{}.PINBudgetLimit("acme", id, 1)
	for range limit.Max {
		_, err := w.store.Spend(w.ctx, w.clock.Now(), nil, []credentials.Limit{limit})
		require.NoError(w, err)
	}
}

// Automatic renewals are due when the silence begins, then after RenewEvery,
// and after twice as long each time, until the device comes back.
func TestAutomaticRenewals(t *testing.T) {
	const every = time.Hour
	begin := func(t *testing.T) (*world, enrollment.Enrolled, time.Time) {
		w := newWorld(t)
		w.sites.change("acme", func(s *enrollment.Site) { s.Policy.RenewEvery = every })
		e := w.unresponsive("ann")
		return w, e, w.clock.Now()
	}
	t.Run("the time between two doubles", func(t *testing.T) {
		w, _, start := begin(t)
		var at []time.Duration
		for range 16 * 4 {
			n := len(w.renewals())
			w.deliver()
			if len(w.renewals()) > n {
				at = append(at, w.clock.Now().Sub(start))
			}
			w.clock.Advance(every / 4)
		}
		require.Equal(t, []time.Duration{0, every, 3 * every, 7 * every, 15 * every}, at)
	})
	t.Run("each is in the journal", func(t *testing.T) {
		w, e, _ := begin(t)
		w.deliver()
		last := w.events(e.Device.ID)[3]
		require.Equal(t, []string{device.EventRenewed, enrollment.ActorSystem, "automatic"}, []string{string(last.Type), last.Actor, last.Reason})
		w.checkHistory(e.Device.ID)
	})
	t.Run("they end when the device comes back, and begin anew with the next silence", func(t *testing.T) {
		w, e, _ := begin(t)
		w.deliver()
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 0))
		w.clock.Advance(every)
		w.deliver()
		require.Len(t, w.renewals(), 1)
		require.Equal(t, enrollment.MessageSuperseded, w.outbox(e.Device.ID)[0].Status)
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter)
		_, err := w.svc.Sweep(w.ctx)
		require.NoError(t, err)
		w.deliver()
		require.Len(t, w.renewals(), 2)
	})
	t.Run("a renewal of an earlier silence is not one of the next", func(t *testing.T) {
		w, e, _ := begin(t)
		w.deliver()
		require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 0))
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Second)
		require.Equal(t, 1, w.sweep())
		w.deliver() // both are due
		require.Len(t, w.renewals(), 2)
	})
	t.Run("they end when the site turns them off", func(t *testing.T) {
		w, _, _ := begin(t)
		w.deliver()
		w.sites.change("acme", func(s *enrollment.Site) { s.Policy.RenewEvery = 0 })
		w.clock.Advance(every)
		w.deliver()
		require.Len(t, w.renewals(), 1)
	})
}
