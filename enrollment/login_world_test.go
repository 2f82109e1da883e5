package enrollment_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// settings is a platform whose people type into the settings of their system.
type settings struct{}

func (settings) Name() string              { return "settings" }
func (settings) Serves() []device.Platform { return []device.Platform{device.Windows} }
func (settings) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{
		Platform: o.Platform, Mode: o.Mode, Action: device.SignIn, URL: "settings:?user=" + o.Invitation.Email,
		Username: "the platform's", Password: credentials.SecretString("the platform's"),
	}, nil
}

func (settings) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

// newDesk is an office with such a platform and without paces.
func newDesk(t *testing.T, change ...func(*enrollment.Config)) *world {
	w := newWorld(t, append([]func(*enrollment.Config){func(c *enrollment.Config) {
		c.Platforms, c.Directory = []enrollment.Platform{settings{}}, staff{}
	}}, change...)...)
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials = credentials.Policy{
			PasscodePace: credentials.Off, GlobalPace: credentials.Off, OneTimePace: credentials.Off, OneTimeBudget: 100,
			PINPace: credentials.Off, SourcePace: credentials.Off, PINBudget: 100,
		}
	})
	return w
}

// shown accepts an invitation for Windows and reads what the page says.
func (w *world) shown(inv string) enrollment.Login {
	w.Helper()
	accepted, err := w.svc.Accept(w.ctx, w.token(inv).Reveal(), enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	require.NoError(w, err)
	return enrollment.Login{Username: accepted.Next.Username, Password: accepted.Next.Password}
}

// doors are the two kinds of login, each with the subject of its events.
var doors = map[string]func(w *world) (l enrollment.Login, subject string){
	"a one-time login": func(w *world) (enrollment.Login, string) {
		return w.mailed("u1"), enrollment.LoginSubject("u1")
	},
	"an invitation's password": func(w *world) (enrollment.Login, string) {
		inv := w.invite("u1")
		return w.shown(inv), inv
	},
}

func eachDoor(t *testing.T, run func(t *testing.T, w *world, l enrollment.Login, subject string)) {
	for name, open := range doors {
		t.Run(name, func(t *testing.T) {
			w := newDesk(t)
			l, subject := open(w)
			run(t, w, l, subject)
		})
	}
}

// computer is what a channel says of the n-th computer.
func computer(grant string, n int) enrollment.ManagedRequest {
	hw := fmt.Sprintf("HW%06d", n)
	return enrollment.ManagedRequest{
		Site: "acme", Source: "windows", Grant: grant, Again: true, Ref: device.Ref{Source: "windows", ID: hw}, Platform: device.Windows,
		Device: enrollment.Claim{Platform: device.Windows, Hardware: device.Hardware{HWDevID: hw}, Name: "PC"},
	}
}

const signsIn = "windows/enroll"

// signIn does what a channel does when the n-th computer presents a login.
func signIn(ctx context.Context, svc *enrollment.Service, l enrollment.Login, n int) (enrollment.Enrolled, error) {
	g, err := svc.UseLogin(ctx, signsIn, l, invitation.CertificateIssued)
	if err != nil {
		return enrollment.Enrolled{}, err
	}
	return svc.EnrollManaged(ctx, computer(g.ID, n))
}

// guessed puts wrong tries at its passwords on an invitation.
func (w *world) guessed(inv string, n int) {
	w.Helper()
	limit := credentials.PasswordBudgetLimit("acme", inv, 1)
	wrong := limit // as the tries that were wrong count by themselves
	wrong.Key = fmt.Sprintf("wrong/%x", sha256.Sum256([]byte(limit.Key)))
	for range n {
		_, err := w.store.Spend(w.ctx, w.clock.Now(), nil, []credentials.Limit{limit}, []credentials.Limit{wrong})
		require.NoError(w, err)
	}
}

// wrongPasswords is how many wrong tries at its passwords an invitation has.
func (w *world) wrongPasswords(inv string) (n int) {
	w.Helper()
	w.view(func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Counters().Get(ctx, credentials.PasswordBudgetLimit("acme", inv, 1).Key)
		n = list[0].N
		return err
	})
	return n
}

func (w *world) devices() (n int) {
	for _, row := range w.slots() {
		if row.Kind == enrollment.SlotDevice {
			n++
		}
	}
	return n
}
