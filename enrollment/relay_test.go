package enrollment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// delivery returns what is known of an invitation's mail.
func (w *world) delivery(id string) invitation.Delivery {
	w.Helper()
	detail, err := w.svc.Invitation(w.ctx, w.by, id)
	require.NoError(w, err)
	return detail.Delivery
}

func TestInvitationMail(t *testing.T) {
	t.Run("carries the credentials as they are when it is delivered", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		_, err := w.svc.NewPIN(w.ctx, w.by, inv)
		require.NoError(t, err)
		shown, err := w.svc.Reveal(w.ctx, w.by, inv)
		require.NoError(t, err)
		require.Equal(t, invitation.Queued, w.delivery(inv))
		require.Equal(t, 1, w.deliver())
		mail := w.mail.all()[0]
		require.Equal(t, []string{"ann@example.com", "Ann Canary", "cs", "acme"}, []string{mail.To, mail.ToName, mail.Language, mail.Site.ID})
		require.True(t, shown.URL.Equal(mail.Invitation.Codes.URL))
		require.True(t, shown.PIN.Equal(mail.Invitation.Codes.PIN))
		require.True(t, shown.URL.Equal(mail.Invitation.Codes.QR))
		require.Equal(t, w.outbox(inv)[0].ID, mail.ID)
		require.Equal(t, invitation.Accepted, w.delivery(inv))
		require.Contains(t, w.types(inv), invitation.EventDelivery)
		require.Zero(t, w.deliver(), "it is delivered once")
	})
	t.Run("a burnt PIN is left out", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		w.burn(inv)
		w.deliver()
		codes := w.mail.all()[0].Invitation.Codes
		require.True(t, codes.PIN.IsZero())
		require.False(t, codes.URL.IsZero())
	})
	t.Run("what is no longer true is not mailed", func(t *testing.T) {
		for name, end := range map[string]func(*world, string){
			"deactivated": func(w *world, inv string) { _, _ = w.svc.Deactivate(w.ctx, w.by, inv) },
			"expired":     func(w *world, _ string) { w.clock.Advance(2 * time.Hour) },
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				inv := w.invite("ann", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.clock.Now().Add(time.Hour) })
				end(w, inv)
				require.Equal(t, 1, w.deliver())
				require.Empty(t, w.mail.all())
				require.Equal(t, enrollment.MessageSuperseded, w.outbox(inv)[0].Status)
			})
		}
	})
	t.Run("one who is invited again gets the mail of the new invitation alone", func(t *testing.T) {
		w := newWorld(t)
		old, fresh := w.invite("ann"), w.invite("ann")
		require.NotEqual(t, old, fresh)
		w.deliver()
		require.Len(t, w.mail.all(), 1)
		require.Equal(t, fresh, w.mail.all()[0].Invitation.ID)
	})
	t.Run("what was rolled back is not mailed", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.svc.InviteMany(w.ctx, w.by, enrollment.InviteManyRequest{
			Invites: []enrollment.InviteRequest{{User: "ann", Send: true}}, DryRun: true,
		})
		require.NoError(t, err)
		require.Zero(t, w.deliver())
		require.Zero(t, w.mail.tries)
	})
}

func TestRetry(t *testing.T) {
	t.Run("a mail that fails comes again with the same id, later each time", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		var ids []string
		w.mail.failing(func(m enrollment.Mail) error {
			ids = append(ids, m.ID)
			return fmt.Errorf("421 try later, %s", m.Invitation.Codes.PIN.Reveal())
		})
		want := 5 * time.Second
		for attempt := 1; attempt <= 9; attempt++ {
			require.Equal(t, 1, w.deliver(), "attempt %d", attempt)
			m := w.outbox(inv)[0]
			require.Equal(t, []any{enrollment.MessageWaiting, "deliverer_failed", attempt}, []any{m.Status, m.Cause, m.Attempt})
			wait := m.DueAt.Sub(w.clock.Now())
			require.LessOrEqual(t, wait, want)
			require.GreaterOrEqual(t, wait, want/2)
			w.clock.Advance(wait - time.Microsecond)
			require.Zero(t, w.deliver())
			w.clock.Advance(time.Microsecond)
			want = min(2*want, 5*time.Minute)
		}
		w.mail.failing(nil)
		require.Equal(t, 1, w.deliver())
		require.Equal(t, ids[0], w.mail.all()[0].ID)
		require.Equal(t, invitation.Accepted, w.delivery(inv))
		require.NotContains(t, w.log.String(), "421", "the log has codes, not the texts of errors")
	})
	t.Run("a refused address is final", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		w.mail.failing(func(enrollment.Mail) error { return fmt.Errorf("550: %w", enrollment.ErrUndeliverable) })
		w.deliver()
		require.Equal(t, []any{enrollment.MessageDead, "undeliverable"}, []any{w.outbox(inv)[0].Status, w.outbox(inv)[0].Cause})
		require.Equal(t, invitation.Failed, w.delivery(inv))
		state, err := w.svc.Invitation(w.ctx, w.by, inv)
		require.NoError(t, err)
		require.Equal(t, invitation.Sent, state.State, "delivery never changes the state")
	})
	t.Run("after a week it is given up", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		w.mail.failing(func(enrollment.Mail) error { return errors.New("down") })
		w.clock.Advance(7*24*time.Hour - time.Minute)
		w.deliver()
		require.Equal(t, enrollment.MessageWaiting, w.outbox(inv)[0].Status)
		w.clock.Advance(time.Minute)
		w.deliver()
		require.Equal(t, enrollment.MessageDead, w.outbox(inv)[0].Status)
		require.Equal(t, invitation.Failed, w.delivery(inv))
	})
	t.Run("one who panics is tried again, and nobody else notices", func(t *testing.T) {
		w := newWorld(t)
		bad, good := w.invite("ann"), w.invite("bob")
		w.mail.failing(func(m enrollment.Mail) error {
			if m.Invitation.ID == bad {
				panic("secret of ann")
			}
			return nil
		})
		w.deliver()
		require.Equal(t, []any{enrollment.MessageWaiting, "panicked"}, []any{w.outbox(bad)[0].Status, w.outbox(bad)[0].Cause})
		require.Equal(t, enrollment.MessageDone, w.outbox(good)[0].Status)
		require.NotContains(t, w.log.String(), "secret of ann")
	})
	t.Run("a site that cannot be looked up is asked again", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		w.sites.fail(errors.New("down"))
		w.deliver()
		require.Equal(t, enrollment.MessageWaiting, w.outbox(inv)[0].Status)
		w.sites.fail(nil)
		w.clock.Advance(time.Minute)
		w.deliver()
		require.Len(t, w.mail.all(), 1)
	})
	t.Run("without a deliverer mail waits", func(t *testing.T) {
		w := newWorld(t, func(c *enrollment.Config) { c.Deliverer = nil })
		inv := w.invite("ann")
		require.Zero(t, w.deliver())
		require.Zero(t, w.outbox(inv)[0].Attempt, "untouched")

		w.cfg.Handlers = enrollment.Handlers{device.Activated: func(context.Context, enrollment.Event) error { return nil }}
		svc := w.over(w.store)
		w.clock.Advance(30 * 24 * time.Hour)
		_, err := svc.DeliverDue(w.ctx)
		require.NoError(t, err)
		require.Equal(t, []any{enrollment.MessageWaiting, "no_deliverer"}, []any{w.outbox(inv)[0].Status, w.outbox(inv)[0].Cause})
	})
	t.Run("a node without sealing keys leaves the outbox to others", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		w.cfg.Keyring = w.cfg.Keyring.Public()
		n, err := w.over(w.store).DeliverDue(w.ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Zero(t, w.outbox(inv)[0].Attempt)
	})
}

func TestLease(t *testing.T) {
	t.Run("no two relays deliver one message at one time", func(t *testing.T) {
		w := newWorld(t)
		for range 60 {
			w.invite("ann")
			w.invite("bob")
		}
		var group sync.WaitGroup
		var took atomic.Int64
		for range 6 {
			group.Go(func() {
				for {
					n, err := w.svc.DeliverDue(w.ctx)
					if err != nil {
						t.Error(err)
					}
					if n == 0 {
						return
					}
					took.Add(int64(n))
				}
			})
		}
		group.Wait()
		require.Equal(t, int64(120), took.Load())
		require.Len(t, w.mail.all(), 2)
	})
	t.Run("what a relay took and never finished is delivered by another once the lease is up", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		require.NoError(t, w.store.Update(w.ctx, func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Outbox().Claim(ctx, w.clock.Now(), 2*time.Minute, 10)
			return err
		}))
		w.clock.Advance(2*time.Minute - time.Second)
		require.Zero(t, w.deliver())
		w.clock.Advance(time.Second)
		require.Equal(t, 1, w.deliver())
		require.Equal(t, 2, w.outbox(inv)[0].Attempt)
	})
	t.Run("one who was too slow notes nothing over whoever took over", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		first := true
		w.mail.failing(func(enrollment.Mail) error {
			if !first {
				return nil
			}
			first = false
			w.clock.Advance(3 * time.Minute) // the lease is up while the mail server hangs
			_, err := w.svc.DeliverDue(w.ctx)
			require.NoError(t, err)
			return fmt.Errorf("late: %w", enrollment.ErrUndeliverable)
		})
		w.deliver()
		require.Equal(t, enrollment.MessageDone, w.outbox(inv)[0].Status)
		require.Equal(t, invitation.Accepted, w.delivery(inv))
	})
	t.Run("one slow mail does not hold up the others", func(t *testing.T) {
		w := newWorld(t)
		slow := w.invite("ann")
		w.invite("bob")
		w.invite("cyd")
		others := make(chan struct{}, 2)
		w.mail.failing(func(m enrollment.Mail) error {
			if m.Invitation.ID != slow {
				others <- struct{}{}
				return nil
			}
			for range 2 {
				select {
				case <-others:
				case <-time.After(10 * time.Second):
					return errors.New("the others wait for it")
				}
			}
			return nil
		})
		w.deliver()
		require.Len(t, w.mail.all(), 3)
	})
}

// T50 for the relay: whichever call of the store fails, the message stays until
// it is delivered and noted; a mail is repeated at most where the note failed.
func TestNoMessageIsLost(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			w := newWorld(t)
			inv := w.invite("ann")
			broken := &brokenStore{Storage: w.store, left: n, after: after}
			_, err := w.over(broken).DeliverDue(w.ctx)
			if !broken.broke {
				require.NoError(t, err)
				require.Greater(t, n, 5)
				break
			}
			if err == nil { // then it has noted what became of it
				require.Zero(t, w.outbox(inv)[0].LeaseUntil, "call %d", n)
			}
			w.clock.Advance(time.Hour)
			w.deliver()
			mails := w.mail.all()
			require.Contains(t, []int{1, 2}, len(mails), "call %d", n)
			require.Equal(t, mails[0].ID, mails[len(mails)-1].ID)
			require.Equal(t, enrollment.MessageDone, w.outbox(inv)[0].Status)
			require.Equal(t, invitation.Accepted, w.delivery(inv))
		}
	}
}

func TestAlert(t *testing.T) {
	t.Run("each administrator is told once, and one who fails is told again alone", func(t *testing.T) {
		w := newWorld(t)
		down := true
		w.mail.failing(func(m enrollment.Mail) error {
			if down && m.To == "bo@acme.example" {
				return errors.New("down")
			}
			return nil
		})
		ann, bob, _ := conflict(w)
		w.deliver()
		down = false
		w.clock.Advance(time.Hour)
		w.deliver()
		told := map[string]int{}
		for _, m := range w.mail.all() {
			if m.Alert == nil {
				continue
			}
			require.Equal(t, device.EventConflict, m.Alert.Code)
			require.Equal(t, ann.Device.ID, m.Alert.Event.Data["holder"])
			if m.Alert.Event.Device == bob.Device.ID {
				require.Equal(t, "bob@example.com", m.Alert.User.Email)
				told[m.To]++
			}
		}
		require.Equal(t, map[string]int{"ada@acme.example": 1, "bo@acme.example": 1}, told)
	})
	t.Run("tries are told of", func(t *testing.T) {
		w := newWorld(t)
		w.invite("ann")
		for range 5 {
			_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: "guess", Device: enrollment.Claim{Platform: device.Android},
				Credential: enrollment.Presented{Email: "ann@example.com", PIN: credentials.SecretString("00000000")},
			})
			require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		}
		w.deliver()
		var tries []int
		for _, m := range w.mail.all() {
			if m.Alert != nil {
				tries = append(tries, m.Alert.Tries)
			}
		}
		require.Equal(t, []int{5, 5}, tries)
	})
	t.Run("without administrators nobody is told", func(t *testing.T) {
		w := newWorld(t, func(c *enrollment.Config) { c.Administrators = nil })
		_, bob, _ := conflict(w)
		w.deliver()
		require.Equal(t, []any{enrollment.MessageDone, "nobody"}, []any{w.outbox(bob.Device.ID)[0].Status, w.outbox(bob.Device.ID)[0].Cause})
	})
}

func TestHandler(t *testing.T) {
	var fails, calls int
	var got enrollment.Event
	handlers := enrollment.Handlers{device.Activated: func(_ context.Context, e enrollment.Event) error {
		calls++
		got = e
		switch {
		case fails == 0:
			return nil
		case fails == 2:
			fails--
			panic("handler")
		}
		fails--
		return errors.New("not now")
	}}
	w := newWorld(t, func(c *enrollment.Config) { c.Handlers = handlers })
	fails = 2
	e := w.active("ann")
	require.Zero(t, calls, "it is called after the unit, not in it")
	for range 3 {
		w.deliver()
		w.clock.Advance(time.Minute)
	}
	w.deliver()
	require.Equal(t, 3, calls, "until it succeeds, and not again")
	require.Equal(t, w.events(e.Device.ID)[1], got)

	t.Run("an event whose handler lives in another process waits for it", func(t *testing.T) {
		w.active("bob")
		w.cfg.Handlers = nil
		_, err := w.over(w.store).DeliverDue(w.ctx)
		require.NoError(t, err)
		require.Equal(t, 3, calls)
		w.clock.Advance(time.Minute)
		w.deliver()
		require.Equal(t, 4, calls)
	})
}

// I18: outbox and journal hold ids, never what a thief or a curious reader
// could use.
func TestOutboxAndJournalHoldReferencesOnly(t *testing.T) {
	w := newWorld(t)
	e := w.unresponsive("ann")
	inv := e.Device.Invitation
	shown, err := w.svc.Reveal(w.ctx, w.by, inv)
	require.NoError(t, err)
	_, err = w.svc.Renew(w.ctx, w.by, e.Device.ID)
	require.NoError(t, err)
	w.report(e, enrollment.Report{Seq: 2, Name: "CANARY-NAME", Inventory: []byte(`{"imei":"CANARY-INVENTORY"}`)})
	conflict(w)
	w.deliver()
	require.NoError(t, w.svc.Delete(w.ctx, w.by, e.Device.ID))
	_, err = w.svc.Sequence(w.ctx)
	require.NoError(t, err)
	page, err := w.svc.Events(w.ctx, w.by, 0, enrollment.MaxPageSize)
	require.NoError(t, err)
	require.NotEmpty(t, page.Events)
	rows := fmt.Sprintf("%+v\n%+v\n%s", w.outbox(""), page.Events, w.log)
	for _, canary := range []string{
		"CANARY", "Canary", "example.com", shown.PIN.Reveal(), w.token(w.invite("ann")).Reveal(),
		e.Token.Reveal(), e.Device.Hardware.Serial, "serial:",
	} {
		require.NotContains(t, strings.ToLower(rows), strings.ToLower(canary))
	}
}

type delivererFunc func(context.Context, enrollment.Mail) error

func (f delivererFunc) Deliver(ctx context.Context, m enrollment.Mail) error { return f(ctx, m) }

func TestRun(t *testing.T) {
	t.Run("delivers, sweeps and numbers the journal until its context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *enrollment.Config) { c.Now = time.Now })
			ctx, cancel := context.WithCancel(w.ctx)
			ended := make(chan error, 1)
			go func() { ended <- w.svc.Run(ctx) }()
			synctest.Wait()
			e := w.active("ann")
			synctest.Wait() // the commit wakes the relay; no time has passed
			require.Len(t, w.mail.all(), 1)
			time.Sleep(3 * time.Second) // a turn of the relay, none of the sweeper
			page, err := w.svc.Events(w.ctx, w.by, 0, 0)
			require.NoError(t, err)
			require.NotEmpty(t, page.Events)
			time.Sleep(enrollment.DefaultUnresponsiveAfter + time.Minute)
			require.Equal(t, device.Unresponsive, w.device(e.Device.ID).State)
			cancel()
			require.NoError(t, <-ended)
		})
	})
	t.Run("what is under way when the context ends is finished", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *enrollment.Config) { c.Now = time.Now })
			inv := w.invite("ann")
			ctx, cancel := context.WithCancel(w.ctx)
			w.cfg.Deliverer = delivererFunc(func(ctx context.Context, _ enrollment.Mail) error {
				cancel()
				time.Sleep(time.Second)
				return ctx.Err()
			})
			require.NoError(t, w.over(w.store).Run(ctx))
			require.Equal(t, enrollment.MessageDone, w.outbox(inv)[0].Status)
		})
	})
	t.Run("what takes too long then is broken off, and noted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *enrollment.Config) { c.Now = time.Now })
			inv := w.invite("ann")
			ctx, cancel := context.WithCancel(w.ctx)
			w.cfg.Deliverer = delivererFunc(func(ctx context.Context, _ enrollment.Mail) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			})
			began := time.Now()
			require.NoError(t, w.over(w.store).Run(ctx))
			require.LessOrEqual(t, time.Since(began), 10*time.Second)
			m := w.outbox(inv)[0]
			require.Equal(t, []any{enrollment.MessageWaiting, "deliverer_failed"}, []any{m.Status, m.Cause})
		})
	})
	t.Run("trouble is logged by its code and tried again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *enrollment.Config) { c.Now = time.Now })
			w.invite("ann")
			svc := w.over(&brokenStore{Storage: w.store, left: 1})
			ctx, cancel := context.WithCancel(w.ctx)
			ended := make(chan error, 1)
			go func() { ended <- svc.Run(ctx) }()
			time.Sleep(5 * time.Second)
			require.Len(t, w.mail.all(), 1)
			cancel()
			require.NoError(t, <-ended)
			require.Contains(t, w.log.String(), "code=unavailable")
			require.NotContains(t, w.log.String(), errBroken.Error())
		})
	})
}
