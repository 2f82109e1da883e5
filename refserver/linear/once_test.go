package linear_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/linear"
)

func TestAOneTimeLoginLetsOneIn(t *testing.T) {
	everyStore(t, func(t *testing.T, w *world) {
		w.useAll(w.logins(max(1, callsEach(t)/3)))
		w.check(linear.Once(loginBudget))
	})
}

// useAll has all clients at one login after the other, three times each.
func (w *world) useAll(logins []login) {
	for _, l := range logins {
		w.work(3, func(c *client, _ int) { c.useCall(l) })
	}
}

type login struct {
	user string
	mail enrollment.LoginMail
}

// logins lets n people have one each.
func (w *world) logins(n int) []login {
	w.Helper()
	passcode, _, err := w.nodes[0].GeneratePasscode(w.Context(), w.by)
	require.NoError(w, err)
	list := make([]login, n)
	for i := range list {
		list[i].user = fmt.Sprintf("guest-%d", i)
		err := w.nodes[0].RequestLogin(w.Context(), enrollment.LoginRequest{Email: address("acme", list[i].user), Passcode: passcode})
		require.NoError(w, err)
	}
	for {
		taken, err := w.nodes[0].DeliverDue(w.Context())
		require.NoError(w, err)
		if taken == 0 {
			break
		}
	}
	for i := range list {
		var mailed bool
		list[i].mail, mailed = w.mail.mails[address("acme", list[i].user)]
		require.True(w, mailed, list[i].user)
	}
	return list
}

// useCall enrolls by a login, each client by an enrollment id of its own.
func (c *client) useCall(l login) {
	id := fmt.Sprint("enrollment-", c.number)
	call := c.begin(linear.Input{Register: l.user, Op: linear.Use, ID: id})
	_, err := c.svc.Enroll(c.Context(), enrollment.EnrollRequest{
		EnrollmentID: id,
		Credential:   enrollment.Presented{Username: l.mail.Username, Password: credentials.SecretString(l.mail.Password.Reveal())},
		Device:       enrollment.Claim{Platform: device.Android},
	})
	switch enrollment.Code(err) {
	case "":
		call.End(linear.Output{OK: true})
	case "credential_refused":
		call.End(linear.Output{})
	default:
		c.failed("enroll by login", err)
	}
}
