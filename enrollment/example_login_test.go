package enrollment_test

import (
	"context"
	"fmt"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// desktops is a Platform for computers whose settings ask for user name and
// password.
type desktops struct{}

func (desktops) Name() string              { return "desktops" }
func (desktops) Serves() []device.Platform { return []device.Platform{device.Windows} }
func (desktops) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.SignIn}, nil
}

func (desktops) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

// A computer sends what its user typed. It is checked as often as the protocol
// wants it, presented to enroll, and used up by the device.
func ExampleService_UseLogin() {
	d := newDemo(func(c *enrollment.Config) { c.Platforms = []enrollment.Platform{desktops{}} })
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)
	accepted, err := d.Accept(d.ctx, token.Reveal(), enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	check(err)
	fmt.Println("type", accepted.Next.Username, "and", accepted.Next.Password, "at", accepted.Next.Server)

	login := enrollment.Login{Username: accepted.Next.Username, Password: accepted.Next.Password}
	for range 2 {
		offer, err := d.CheckLogin(d.ctx, "windows/policy", login)
		check(err)
		fmt.Println("checked:", offer.User.ID)
	}
	enroll := func(computer string) {
		g, err := d.UseLogin(d.ctx, "desktops/enroll", login, invitation.CertificateIssued)
		check(err)
		in, err := d.EnrollManaged(d.ctx, enrollment.ManagedRequest{
			Site: "acme", Source: "desktops", Grant: g.ID, Again: true, Ref: device.Ref{Source: "desktops", ID: computer},
			Device: enrollment.Claim{Platform: device.Windows, Name: computer},
		})
		fmt.Printf("%s: %q %v\n", computer, in.Device.State, err)
	}
	enroll("PC-1")
	enroll("PC-1") // whose answer was lost
	enroll("PC-2")
	// Output:
	// type ann@example.com and [redacted] at https://mdm.example.com
	// checked: ann
	// checked: ann
	// PC-1: "pending" <nil>
	// PC-1: "pending" <nil>
	// PC-2: "" enrollment: grant used before
}
