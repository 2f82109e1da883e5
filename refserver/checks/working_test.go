package checks_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore/verify"
)

// A check sees one state, whoever is at work.
func TestServersMayGoOnWorkingWhileADatabaseIsChecked(t *testing.T) {
	const hands, deeds = 4, 12
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			w := d.town
			var work sync.WaitGroup
			errs := make([]error, hands)
			for hand := range hands {
				work.Go(func() {
					for deed := range deeds {
						errs[hand] = errors.Join(errs[hand], w.deed(fmt.Sprintf("h%d%02d", hand, deed)))
					}
				})
			}
			done := make(chan struct{})
			go func() {
				work.Wait()
				close(done)
			}()
			checks := 0
			for working := true; working; checks++ {
				select {
				case <-done:
					working = false // and once more
				default:
				}
				report, err := verify.Check(t.Context(), d.Store, verify.Options{Keyring: w.ring, Now: w.Now()})
				require.NoError(t, err)
				require.Empty(t, report.Violations)
			}
			require.NoError(t, errors.Join(errs...))
			require.Greater(t, checks, 1)
		})
	}
}

// deed invites somebody, enrolls their phone, has it report, and sweeps.
func (w *town) deed(user string) error {
	inv, err := w.svc.Invite(w.ctx, admin(acme), enrollment.InviteRequest{User: user, Send: true})
	if err != nil {
		return err
	}
	shown, err := w.svc.Reveal(w.ctx, admin(acme), inv.Invitation)
	if err != nil {
		return err
	}
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	if err != nil {
		return err
	}
	out, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: user, Credential: enrollment.Presented{Token: token},
		Device: enrollment.Claim{Platform: device.Android, Manufacturer: "Maker", Hardware: device.Hardware{Serial: "SN-" + user}},
	})
	if err != nil {
		return err
	}
	_, err = w.svc.Report(w.ctx, out.Token, enrollment.Report{Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true}})
	if err != nil {
		return err
	}
	if _, err := w.svc.DeliverDue(w.ctx); err != nil {
		return err
	}
	_, err = w.svc.Sweep(w.ctx)
	return err
}
