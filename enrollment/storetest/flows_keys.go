package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// flowRotations rotates the key of two nodes three times, the one always a step
// behind the other, while people enroll by link and by PIN and devices report.
// Nothing is refused, no try is spent by what is right, and at the end the first
// three keys are gone.
func flowRotations(t *testing.T, w *world) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	nodes := []*enrollment.Service{w.svc, w.node(t)}
	ring := w.ring
	first, err := w.svc.Enroll(ctx, byLink(t, w.shown(t, "zoe").URL, "first", "S-first"))
	must(t, err)
	passcode, _, err := w.svc.GeneratePasscode(ctx, alpha)
	must(t, err)

	people := make([]enrollment.Revealed, 3)
	for i := range people {
		people[i] = w.shown(t, fmt.Sprint("u", i))
	}
	var done atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- errors.Join(together(len(people), func(i int) error {
			token := first.Token
			for n := 0; ctx.Err() == nil; n++ {
				// A unit that is under way is not cancelled, so an error is one.
				next, err := enrollAndReport(context.WithoutCancel(ctx), nodes[n%2], nodes[(n+1)%2], people[i], i, n, token)
				if err != nil {
					return fmt.Errorf("person %d, turn %d: %w", i, n, err)
				}
				token = next
				done.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		})...)
	}()
	turns := func() { // every key meets some load
		t.Helper()
		for began := done.Load(); done.Load() < began+int64(2*len(people)); time.Sleep(time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatal(err)
			default:
			}
		}
	}

	for range 3 {
		turns()
		old := ring.Current()
		key, err := credentials.NewKey(old+1, rand.Reader)
		must(t, err)
		ring, err = ring.Add(key)
		must(t, err)
		everywhere(t, nodes, ring)
		ring, err = ring.Promote(key.ID)
		must(t, err)
		everywhere(t, nodes, ring, turns)
		passes := together(2, func(i int) error { return rekeyAll(t.Context(), nodes[i]) })
		must(t, errors.Join(passes...))
		must(t, nodes[0].RetireKey(t.Context(), old))
		ring, err = ring.Without(old)
		must(t, err)
		everywhere(t, nodes, ring, turns)
	}
	turns()
	stop()
	must(t, <-ended)

	p, err := passOver(t.Context(), nodes[1])
	must(t, err)
	want(t, "rows left to move", p.Changed, 0)
	want(t, "keys in use", len(p.Keys), 1)
	if use := p.Keys[4]; use.Invitations != 4 || use.Passcodes != 1 || use.Devices < 7 {
		t.Fatalf("on the last key is %+v", use)
	}
	for i := range people {
		detail, err := w.svc.Invitation(t.Context(), alpha, w.invited(t, fmt.Sprint("u", i)))
		must(t, err)
		want(t, "tries left", detail.PINTriesLeft, 20)
		shown, err := w.svc.Reveal(t.Context(), alpha, detail.ID)
		must(t, err)
		want(t, "the link", shown.URL.Reveal(), people[i].URL.Reveal())
		want(t, "the PIN", shown.PIN.Reveal(), people[i].PIN.Reveal())
	}
	again, err := w.svc.Enroll(t.Context(), byLink(t, w.shown(t, "zoe").URL, "first", "S-first"))
	must(t, err)
	want(t, "the first answer, asked for again", again.Token.Reveal(), first.Token.Reveal())
	must(t, w.svc.CheckIn(t.Context(), first.Token, 0))
	code, err := w.svc.RevealPasscode(t.Context(), alpha)
	must(t, err)
	want(t, "the passcode", code.Reveal(), passcode.Reveal())
	must(t, w.svc.RequestLogin(t.Context(), enrollment.LoginRequest{Email: "zoe@example.com", Passcode: passcode}))
	want(t, "mails with a login", len(w.delivered(t, enrollment.MessageLogin)), 1)
}

// enrollAndReport lets one person enroll a device by link or PIN at one node and
// report from it at the other, and an older device check in. It returns the new
// device's token.
func enrollAndReport(ctx context.Context, here, there *enrollment.Service, person enrollment.Revealed, i, n int, older credentials.Secret) (credentials.Secret, error) {
	r := byPIN(fmt.Sprintf("u%d@example.com", i), person.PIN, fmt.Sprintf("e-%d-%d", i, n))
	if n%3 == 0 {
		token, err := credentials.ParseDeploymentURL(person.URL.Reveal())
		if err != nil {
			return older, err
		}
		r.Credential = enrollment.Presented{Token: token}
	}
	in, err := here.Enroll(ctx, r)
	if err != nil {
		return older, fmt.Errorf("enroll: %w", err)
	}
	again, err := there.Enroll(ctx, r)
	if err != nil || again.Token.Reveal() != in.Token.Reveal() {
		return older, fmt.Errorf("the lost answer is another: %w", err)
	}
	if _, err = there.Report(ctx, in.Token, enrollment.Report{Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true}}); err != nil {
		return older, fmt.Errorf("report: %w", err)
	}
	if err := here.CheckIn(ctx, older, 0); err != nil {
		return older, fmt.Errorf("check-in: %w", err)
	}
	return in.Token, nil
}

// everywhere gives the nodes a ring, one after the other, with something between.
func everywhere(t *testing.T, nodes []*enrollment.Service, ring *credentials.Keyring, between ...func()) {
	t.Helper()
	for _, node := range nodes {
		must(t, node.UseKeyring(t.Context(), ring))
		for _, f := range between {
			f()
		}
	}
}

// rekeyAll makes passes until one finds nothing to change.
func rekeyAll(ctx context.Context, svc *enrollment.Service) error {
	for range 20 {
		p, err := passOver(ctx, svc)
		if err != nil || p.Changed == 0 {
			return err
		}
	}
	return errors.New("rekeying never ends")
}

// passOver makes one pass, in small steps.
func passOver(ctx context.Context, svc *enrollment.Service) (p enrollment.RekeyProgress, err error) {
	for !p.Done {
		if p, err = svc.Rekey(ctx, p, 7); err != nil {
			return p, err
		}
	}
	return p, nil
}

// shown invites a user of site alpha, unless that was done before, and returns
// the credentials.
func (w *world) shown(t *testing.T, user string) enrollment.Revealed {
	t.Helper()
	shown, err := w.svc.Reveal(t.Context(), alpha, w.invited(t, user))
	must(t, err)
	return shown
}

// invited returns the id of the active invitation of a user.
func (w *world) invited(t *testing.T, user string) string {
	t.Helper()
	result, err := w.svc.Invite(t.Context(), alpha, enrollment.InviteRequest{User: user, IfActive: enrollment.Keep})
	must(t, err)
	return result.Invitation
}
