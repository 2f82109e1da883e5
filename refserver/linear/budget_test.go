package linear_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/linear"
)

func TestThePINOfAnInvitationSurvivesItsBudgetAndNotOneMore(t *testing.T) {
	everyStore(t, func(t *testing.T, w *world) {
		targets := w.pins(clients * callsEach(t) / 15)
		w.work(callsEach(t), func(c *client, i int) { c.pinCall(targets[c.rand.IntN(len(targets))], i) })
		w.check(linear.Budget(pinBudget))
		require.NotZero(t, w.burnt(targets), "the work must reach the end of budgets")
	})
}

// target is an invitation with its PIN.
type target struct {
	id, email string
	pin       credentials.Secret
}

// pins invites n people.
func (w *world) pins(n int) []target {
	w.Helper()
	targets := make([]target, n)
	for i := range targets {
		user := fmt.Sprintf("target-%d", i)
		result, err := w.nodes[0].Invite(w.Context(), w.by, enrollment.InviteRequest{User: user})
		require.NoError(w, err)
		revealed, err := w.nodes[0].Reveal(w.Context(), w.by, result.Invitation)
		require.NoError(w, err)
		targets[i] = target{result.Invitation, address("acme", user), revealed.PIN}
	}
	return targets
}

// burnt counts the PINs without a try left.
func (w *world) burnt(targets []target) (n int) {
	w.Helper()
	for _, target := range targets {
		detail, err := w.nodes[0].Invitation(w.Context(), w.by, target.id)
		require.NoError(w, err)
		if detail.PINTriesLeft == 0 {
			n++
		}
	}
	return n
}

// wrongPIN is not the one given.
func wrongPIN(right credentials.Secret) credentials.Secret {
	if right.Reveal() == "00000000" {
		return credentials.SecretString("00000001")
	}
	return credentials.SecretString("00000000")
}

// pinCall makes one call about the PIN of an invitation.
func (c *client) pinCall(target target, i int) {
	n := c.rand.IntN(10)
	if n == 0 {
		call := c.begin(linear.Input{Register: target.id, Op: linear.Left})
		detail, err := c.svc.Invitation(c.Context(), c.by, target.id)
		if err != nil {
			c.failed("invitation", err)
			return
		}
		call.End(linear.Output{OK: true, N: detail.PINTriesLeft})
		return
	}
	c.try(target, n < 4, c.name("enrollment", i))
}

// try enrolls by address and PIN.
func (c *client) try(target target, right bool, id string) {
	pin := target.pin
	if !right {
		pin = wrongPIN(pin)
	}
	call := c.begin(linear.Input{Register: target.id, Op: linear.Try, Right: right})
	var compared linear.Compared
	_, err := c.svc.Enroll(watch(c.Context(), &compared), enrollment.EnrollRequest{
		EnrollmentID: id,
		Credential:   enrollment.Presented{Email: target.email, PIN: pin},
		Device:       enrollment.Claim{Platform: device.Android},
	})
	switch enrollment.Code(err) {
	case "":
		call.End(linear.Output{OK: true, Compared: compared})
	case "credential_refused":
		call.End(linear.Output{Compared: compared})
	default:
		c.failed("enroll by PIN", err)
	}
}

func TestTheCompanyPasscodeLocksAtItsLimitAndNotOneLater(t *testing.T) {
	everyStore(t, func(t *testing.T, w *world) {
		sites := max(1, clients*callsEach(t)/30)
		passcodes := make([]credentials.Secret, sites)
		for i := range passcodes {
			var err error
			passcodes[i], _, err = w.nodes[0].GeneratePasscode(t.Context(), enrollment.Actor{Site: fmt.Sprintf("site-%d", i), ID: "adm"})
			require.NoError(t, err)
		}
		w.work(callsEach(t), func(c *client, i int) {
			number := c.rand.IntN(sites)
			site := fmt.Sprintf("site-%d", number)
			in := linear.Input{Register: site, Op: linear.Try, Right: c.rand.IntN(10) < 3}
			passcode := passcodes[number]
			if !in.Right {
				passcode = credentials.SecretString("Wrong0000000")
			}
			call := c.begin(in)
			var compared linear.Compared
			if mailed, ok := c.knockWith(watch(c.Context(), &compared), site, c.name("user", i), passcode); ok {
				call.End(linear.Output{OK: mailed, Compared: compared})
			}
		})
		w.check(linear.Budget(passcodeLock))
		locked := 0
		for i := range sites {
			detail, err := w.nodes[0].Passcode(t.Context(), enrollment.Actor{Site: fmt.Sprintf("site-%d", i), ID: "adm"})
			require.NoError(t, err)
			if detail.Status == enrollment.PasscodeLocked {
				require.Equal(t, passcodeLock, detail.FailedAttempts)
				locked++
			}
		}
		require.NotZero(t, locked, "the work must reach the lock")
	})
}

// knock asks for a login for a user of its own, and says whether one was made.
// The answer does not tell: the store does.
func (c *client) knock(site, user string, passcode credentials.Secret) (mailed, ok bool) {
	return c.knockWith(c.Context(), site, user, passcode)
}

func (c *client) knockWith(ctx context.Context, site, user string, passcode credentials.Secret) (mailed, ok bool) {
	if err := c.svc.RequestLogin(ctx, enrollment.LoginRequest{Email: address(site, user), Passcode: passcode}); err != nil {
		c.failed("request", err)
		return false, false
	}
	err := c.stores[0].View(c.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		_, err := tx.Credentials().Get(ctx, site, user, enrollment.KindLogin)
		return err
	})
	if err != nil && !errors.Is(err, enrollment.ErrNotFound) {
		c.failed("look for the login", err)
		return false, false
	}
	return err == nil, true
}
