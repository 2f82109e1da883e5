package enrollment_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/storetest"
)

// A right passcode out of an office that has used up its share is compared
// slowly, which takes more calls of the store than one in a quiet place. If any
// of them fails, nothing was compared and nothing stays spent: here not the one
// try that the address has.
func TestARightPasscodeThatCouldNotBeComparedCostsNothing(t *testing.T) {
	for n := 1; ; n++ {
		w := newOffice(t)
		w.sites.change("acme", func(s *enrollment.Site) { s.Policy.Credentials.PasscodePace = 1 })
		passcode := w.passcode()
		for i := range 10 {
			require.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("u%d@example.com", 10+i), wrongPasscode, 7))
		}
		broken := &storetest.Failing{Storage: w.store, At: n}
		err := knock(w.over(broken), w.ctx, "u1@example.com", passcode, 7)
		if !broken.Failed() {
			require.NoError(t, err)
			require.Greater(t, n, 20)
			return
		}
		require.Equal(t, "unavailable", enrollment.Code(err), "call %d", n)
		require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", passcode, 7))
		require.Len(t, w.logins(), 1, "call %d", n)
	}
}

// A ring that lacks the key of a credential is this process's trouble: it must
// not turn what is right into what is wrong, and costs no try.
func TestACredentialOfAnUnknownKeyIsUnavailableAndCostsNothing(t *testing.T) {
	w := newOffice(t)
	before := w.cfg.Keyring
	w.rotate()
	inv := w.invite("u1")
	pin := w.pinOf("u1")
	passcode := w.passcode()
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", passcode, 1))
	login := w.logins()[0].Login

	w.cfg.Keyring = before // a process that was not given the new ring
	behind := w.over(w.store)
	require.ErrorIs(t, behind.Check(w.ctx), credentials.ErrUnknownKey)
	_, err := behind.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: "e", Credential: enrollment.Presented{Email: "u1@example.com", PIN: pin},
		Device: enrollment.Claim{Platform: "android"},
	})
	require.Equal(t, "unavailable", enrollment.Code(err))
	require.Equal(t, "unavailable", enrollment.Code(knock(behind, w.ctx, "u1@example.com", passcode, 1)))
	_, err = behind.CheckLogin(w.ctx, signsIn, enrollment.Login{Username: login.Username, Password: login.Password})
	require.Equal(t, "unavailable", enrollment.Code(err))
	token := w.token(inv)
	_, err = behind.Peek(w.ctx, token.Reveal())
	require.Equal(t, "unavailable", enrollment.Code(err), "not unknown")
	enrolled := w.enroll(inv)
	require.Equal(t, "unavailable", enrollment.Code(behind.CheckIn(w.ctx, enrolled.Token, 0)), "not refused: the device would throw its token away")

	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Equal(t, 20, detail.PINTriesLeft)
	require.Zero(t, w.passcodeDetail().FailedAttempts)
	_, err = w.svc.CheckLogin(w.ctx, signsIn, enrollment.Login{Username: login.Username, Password: login.Password})
	require.NoError(t, err)
	nobodys, err := credentials.NewToken(rand.Reader)
	require.NoError(t, err)
	_, err = w.svc.Peek(w.ctx, nobodys.Reveal())
	require.ErrorIs(t, err, enrollment.ErrInvitationUnknown, "where the ring is complete")
	require.ErrorIs(t, w.svc.CheckIn(w.ctx, nobodys, 0), enrollment.ErrTokenRefused)
}

func TestEveryLineOfARequestHasItsID(t *testing.T) {
	var own bytes.Buffer
	logger := slog.New(enrollment.LogRequestID(enrollment.LogRequestID(slog.NewTextHandler(&own, nil)))).With("a", 1)
	w := newWorld(t, func(c *enrollment.Config) { c.Logger = logger })
	ctx := enrollment.WithRequestID(w.ctx, "req-1")
	logger.InfoContext(ctx, "ours")
	require.Contains(t, own.String(), "a=1 request_id=req-1\n")
	own.Reset()

	w.sites.fail(errBroken)
	_, err := w.svc.Sweep(ctx)
	require.Error(t, err)
	for line := range bytes.Lines(own.Bytes()) {
		require.Equal(t, 1, bytes.Count(line, []byte("request_id=req-1")), string(line))
	}
	require.NotEmpty(t, own.String())
	own.Reset()
	_, err = w.svc.Sweep(w.ctx)
	require.Error(t, err)
	require.NotContains(t, own.String(), "request_id", "no request, no id")
}
