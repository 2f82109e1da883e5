package enrollment_test

import (
	"context"
	"fmt"
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

// limited gives acme a limit of live devices.
func (w *world) limited(n int) {
	w.sites.change("acme", func(s *enrollment.Site) { s.Policy.MaxDevices = n })
}

// entrances are all ways to enroll a device of u1's. Each presents the same
// credential each time it is called.
var entrances = map[string]func(w *world) func() error{
	"a token": func(w *world) func() error {
		token := w.token(w.invite("u1", one))
		return func() error {
			_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: "e", Credential: enrollment.Presented{Token: token}, Device: enrollment.Claim{Platform: device.Android},
			})
			return err
		}
	},
	"a PIN": func(w *world) func() error {
		pin := w.pin(w.invite("u1", one))
		return func() error {
			_, err := w.svc.Enroll(w.ctx, pinRequest("u1@example.com", pin, "e"))
			return err
		}
	},
	"a one-time login": func(w *world) func() error {
		l := w.mailed("u1")
		return func() error {
			_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: "e", Credential: enrollment.Presented{Username: l.Username, Password: l.Password}, Device: enrollment.Claim{Platform: device.Android},
			})
			return err
		}
	},
	"a one-time login in a system's settings": func(w *world) func() error {
		l := w.mailed("u1")
		return func() error { _, err := signIn(w.ctx, w.svc, l, 1); return err }
	},
	"an invitation's password": func(w *world) func() error {
		l := w.shown(w.invite("u1", one))
		return func() error { _, err := signIn(w.ctx, w.svc, l, 1); return err }
	},
	"an invitation's id in a channel": func(w *world) func() error {
		id := w.invite("u1", one)
		return func() error {
			_, err := w.svc.EnrollManaged(w.ctx, enrollment.ManagedRequest{
				Site: "acme", Source: "channel", Invitation: id, EnrollmentID: "e", Ref: device.Ref{Source: "channel", ID: "d"},
				Device: enrollment.Claim{Platform: device.Android},
			})
			return err
		}
	},
}

func one(r *enrollment.InviteRequest) { r.MaxDevices = 1 }

func TestAFullSiteTakesNobodyInAndUsesNothingUp(t *testing.T) {
	for name, open := range entrances {
		t.Run(name, func(t *testing.T) {
			w := newDesk(t)
			w.sites.change("acme", func(s *enrollment.Site) {
				s.Policy.Credentials.PINBudget, s.Policy.Credentials.OneTimeBudget, s.Policy.Credentials.LoginReservation = 2, 2, time.Hour
			})
			first := w.enroll(w.invite("u2"))
			w.limited(1)
			try := open(w)
			for range 5 { // more than any budget
				err := try()
				require.ErrorIs(t, err, enrollment.ErrSiteFull)
				assert.Equal(t, "site_full", enrollment.Code(err))
				assert.Equal(t, 1, w.devices())
			}
			noted := 0
			for _, e := range w.journal() {
				if e.Type == enrollment.EventRefused {
					assert.Equal(t, "site_full", e.Reason)
					noted++
				}
			}
			assert.LessOrEqual(t, noted, 1, "who repeats himself fills no journal")

			require.NoError(t, w.svc.Delete(w.ctx, w.by, first.Device.ID))
			require.NoError(t, try(), "and now there is room")
			require.NoError(t, try(), "the same again is no further device")
			assert.Equal(t, 1, w.devices())
		})
	}
}

func TestWhatIsThereEnrollsAgainInAFullSiteAndWhatLeftDoesNot(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	again := func(id string) error {
		_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: id, Credential: enrollment.Presented{Token: w.token(inv)},
			Device: enrollment.Claim{Platform: device.Android, Manufacturer: "Maker", Hardware: device.Hardware{Serial: "SN0001"}},
		})
		return err
	}
	in := w.enroll(inv)
	w.limited(1)
	require.NoError(t, again("again"), "the same hardware")
	require.NoError(t, again("again"), "the same request")

	_, err := w.svc.Remove(w.ctx, w.by, in.Device.ID)
	require.NoError(t, err)
	other := func() error {
		_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: "other", Credential: enrollment.Presented{Token: w.token(inv)}, Device: enrollment.Claim{Platform: device.Android},
		})
		return err
	}
	require.ErrorIs(t, other(), enrollment.ErrSiteFull, "one that is leaving is still there")
	w.clock.Advance(enrollment.DefaultLeaveTimeout + time.Hour)
	_, err = w.svc.Sweep(w.ctx)
	require.NoError(t, err)
	require.Equal(t, device.Unenrolled, w.device(in.Device.ID).State)
	require.NoError(t, other())
	require.ErrorIs(t, again("back"), enrollment.ErrSiteFull, "its place is taken")
	w.limited(2)
	require.NoError(t, again("back"))
	assert.Equal(t, in.Device.ID, w.device(in.Device.ID).ID)
	w.limited(1)
	require.NoError(t, again("once more"), "a lower limit sends nobody away")
	w.limited(0)
	w.enroll(inv)
}

func TestEveryStateButUnenrolledTakesAPlace(t *testing.T) {
	for _, state := range device.States() {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			w.limited(1)
			for n := range 2 { // adopting asks for no room
				require.NoError(t, w.adopt(managed(n, func(a *enrollment.Adoption) { a.State = state }))[0].Err)
			}
			_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: "e", Credential: enrollment.Presented{Token: w.token(w.invite("bob"))}, Device: enrollment.Claim{Platform: device.Android},
			})
			if state == device.Unenrolled {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, enrollment.ErrSiteFull)
			}
		})
	}
}

func TestOnlyWhoProvedACredentialLearnsThatTheSiteIsFull(t *testing.T) {
	w := newDesk(t)
	w.enroll(w.invite("u2"))
	w.limited(1)
	id, login := w.invite("u1"), w.mailed("u3")
	ended := w.invite("u4")
	token := w.token(ended)
	_, err := w.svc.Deactivate(w.ctx, w.by, ended)
	require.NoError(t, err)
	for want, err := range map[error]error{
		enrollment.ErrCredentialRefused: func() error {
			_, err := w.svc.Enroll(w.ctx, pinRequest("u1@example.com", wrong(w.pin(id), 1), "e"))
			return err
		}(),
		enrollment.ErrInvitationUnknown: func() error {
			_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: "e", Credential: enrollment.Presented{Token: credentials.SecretString("nobody's")}, Device: enrollment.Claim{Platform: device.Android},
			})
			return err
		}(),
		invitation.ErrDeactivated: func() error {
			_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: "e", Credential: enrollment.Presented{Token: token}, Device: enrollment.Claim{Platform: device.Android},
			})
			return err
		}(),
	} {
		assert.ErrorIs(t, err, want)
		assert.NotErrorIs(t, err, enrollment.ErrSiteFull)
	}
	login.Password = credentials.SecretString("0000000000000000")
	_, err = signIn(w.ctx, w.svc, login, 1)
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	assert.NotErrorIs(t, err, enrollment.ErrSiteFull)
	_, err = signIn(w.ctx, w.svc, w.mailed("u5"), 2)
	assert.ErrorIs(t, err, enrollment.ErrSiteFull)
}

func TestALimitIsThatOfOneSite(t *testing.T) {
	w := newWorld(t)
	w.limited(1)
	other := enrollment.Actor{Site: "other", ID: "adm-1"}
	result, err := w.svc.Adopt(w.ctx, other, []enrollment.Adoption{managed(1), managed(2)})
	require.NoError(t, err)
	require.NoError(t, result[1].Err)
	w.enroll(w.invite("ann"))
}

func TestManyAtOnceFillASiteToItsLimitAndNoFurther(t *testing.T) {
	w := newDesk(t)
	w.limited(5)
	nodes := []*enrollment.Service{w.svc, w.over(w.store)}
	token := w.token(w.invite("u1"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 40 {
		wg.Go(func() {
			_, err := nodes[i%2].Enroll(w.ctx, enrollment.EnrollRequest{
				EnrollmentID: fmt.Sprint(i), Credential: enrollment.Presented{Token: token}, Device: enrollment.Claim{Platform: device.Android},
			})
			mu.Lock()
			defer mu.Unlock()
			codes[enrollment.Code(err)]++
		})
	}
	wg.Wait()
	assert.Equal(t, map[string]int{"": 5, "site_full": 35}, codes)
	assert.Equal(t, 5, w.devices())
}

func TestASiteWithoutALimitHasNoRowToWaitFor(t *testing.T) {
	w := newWorld(t)
	w.enroll(w.invite("ann"))
	rows := func() (n int) {
		w.view(func(ctx context.Context, tx enrollment.Tx) error {
			list, err := tx.Credentials().List(ctx, enrollment.KindRoom, enrollment.Credential{}, 10)
			n = len(list)
			return err
		})
		return n
	}
	assert.Zero(t, rows())
	w.limited(10)
	w.enroll(w.invite("ann"))
	w.enroll(w.invite("bob"))
	assert.Equal(t, 1, rows())
}

func TestANegativeLimitIsNoPolicy(t *testing.T) {
	require.ErrorContains(t, enrollment.Policy{MaxDevices: -1}.Validate(), "MaxDevices is negative")
	require.NoError(t, enrollment.Policy{MaxDevices: 1}.Validate())
}
