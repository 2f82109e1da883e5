package enrollment_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

// demo is a Service over memory for the Examples, on a clock that stands still.
type demo struct {
	*enrollment.Service
	ctx context.Context
	by  enrollment.Actor
	now time.Time
}

func newDemo(options ...func(*enrollment.Config)) *demo {
	d := &demo{
		ctx: context.Background(), by: enrollment.Actor{Site: "acme", ID: "admin"},
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	key, err := credentials.NewKey(1, zeroReader{})
	check(err)
	ring, err := credentials.NewKeyring(key)
	check(err)
	cfg := enrollment.Config{
		Keyring: ring, Directory: directory{}, Now: func() time.Time { return d.now }, Deliverer: d,
		Sites: enrollment.OneSite{ID: "acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}},
	}
	for _, option := range options {
		option(&cfg)
	}
	d.Service, err = enrollment.New(memstore.New(), cfg)
	check(err)
	return d
}

// Deliver makes the demo its own mail system.
func (d *demo) Deliver(_ context.Context, m enrollment.Mail) error {
	fmt.Println("mail", m.Kind, "to", m.To)
	return nil
}

// phone enrolls a phone of a user of the directory by link.
func (d *demo) phone(user string) enrollment.Enrolled {
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: user})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)
	in, err := d.Enroll(d.ctx, enrollment.EnrollRequest{
		EnrollmentID: "chosen at random by the phone", Credential: enrollment.Presented{Token: token},
		Device: enrollment.Claim{Platform: device.Android, Name: "Phone of " + user},
	})
	check(err)
	return in
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func ExampleService_Invite() {
	d := newDemo()
	first, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann", Send: true})
	fmt.Println(first.State, err)
	_, err = d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann", IfActive: enrollment.Refuse})
	fmt.Println(enrollment.Code(err))
	again, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann", Send: true})
	fmt.Println(again.Replaced == first.Invitation, err)
	// Only what is still true is mailed.
	_, _ = d.DeliverDue(d.ctx)
	// Output:
	// sent <nil>
	// invitation_active
	// true <nil>
	// mail mail.invitation to ann@example.com
}

func ExampleService_InviteMany() {
	d := newDemo()
	results, err := d.InviteMany(d.ctx, d.by, enrollment.InviteManyRequest{
		Key: "monday", // the same request with the same key invites nobody twice
		Invites: []enrollment.InviteRequest{
			{User: "ann"}, {User: "nobody"}, {Email: "guest@example.org", Name: "Guest"},
		},
	})
	check(err)
	for _, r := range results {
		fmt.Printf("%q %q %q\n", r.Email, r.State, enrollment.Code(r.Err))
	}
	fmt.Printf("%+v\n", enrollment.CountInvites(results))
	// Output:
	// "ann@example.com" "created" ""
	// "" "" "not_found"
	// "guest@example.org" "created" ""
	// {Created:2 Replaced:0 Kept:0 Refused:1}
}

func ExampleService_Accept() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann", Ownership: device.Company})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)

	offer, err := d.Peek(d.ctx, token.Reveal()) // what a page shows; it changes nothing
	fmt.Println(offer.Invitation.State, err)
	check(d.RecordFetch(d.ctx, token.Reveal()))
	accepted, err := d.Accept(d.ctx, token.Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	fmt.Println(accepted.Invitation.State, accepted.Ownership, accepted.OwnershipFixed, accepted.Next.Action, err)
	// Output:
	// created <nil>
	// opened company true install_agent <nil>
}

func ExampleService_Enroll() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	request := enrollment.EnrollRequest{
		EnrollmentID: "chosen at random by the phone",
		Credential:   enrollment.Presented{Email: "ann@example.com", PIN: shown.PIN},
		Device:       enrollment.Claim{Platform: device.Android},
	}
	in, err := d.Enroll(d.ctx, request)
	fmt.Println(in.Device.State, in.Next, err)
	again, err := d.Enroll(d.ctx, request) // the answer was lost
	fmt.Println(again.Replayed, again.Token.Equal(in.Token), err)

	request.EnrollmentID, request.Credential.PIN = "another", credentials.SecretString("0000 0000")
	_, err = d.Enroll(d.ctx, request)
	fmt.Println(enrollment.Code(err))
	// Output:
	// pending install_agent <nil>
	// true true <nil>
	// credential_refused
}

func ExampleService_Report() {
	d := newDemo()
	in := d.phone("ann")
	status, err := d.Report(d.ctx, in.Token, enrollment.Report{
		Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true, device.WorkProfile: true}, Inventory: []byte(`{"model":"P1"}`),
	})
	fmt.Println(status.State, status.Missing, status.Next, err)
	status, err = d.Report(d.ctx, in.Token, enrollment.Report{Seq: 2, Facts: map[device.Fact]bool{device.Permissions: true}})
	fmt.Println(status.State, status.Missing, status.Seq, err)
	fmt.Println(d.CheckIn(d.ctx, in.Token, 3), d.Unenroll(d.ctx, in.Token))
	// Output:
	// pending [permissions] grant_permissions <nil>
	// active [] 3 <nil>
	// <nil> <nil>
}

func ExampleService_Observe() {
	d := newDemo()
	in := d.phone("ann")
	ref := device.Ref{Source: "amapi", ID: "enterprises/x/devices/y"}
	_, err := d.Observe(d.ctx, device.Observation{Site: "acme", Device: in.Device.ID, Ref: ref, At: d.now})
	check(err)
	status, err := d.Observe(d.ctx, device.Observation{
		Site: "acme", Ref: ref, At: d.now, Facts: map[device.Fact]bool{device.WorkProfile: true},
	})
	fmt.Println(status.Missing, err)
	// Output: [agent_installed permissions inventory_received] <nil>
}

func ExampleService_Overview() {
	d := newDemo()
	d.phone("ann")
	_, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "bob"})
	check(err)
	page, err := d.Overview(d.ctx, d.by, enrollment.OverviewQuery{Sort: enrollment.SortName})
	check(err)
	for _, row := range page.Slots {
		fmt.Println(row.Kind, row.State, row.UserName)
	}
	fmt.Println(page.Counts)
	// Output:
	// invitation created Bob Canary
	// device pending Ann Canary
	// map[created:1 pending:1]
}

func ExampleService_Renew() {
	d := newDemo()
	in := d.phone("ann")
	result, err := d.Renew(d.ctx, d.by, in.Device.ID)
	fmt.Println(result.WithoutCodes, err)
	_, _ = d.DeliverDue(d.ctx)
	why, err := d.Explain(d.ctx, d.by, in.Device.ID)
	check(err)
	for _, e := range why.Timeline {
		fmt.Println(e.Seq, e.Type)
	}
	// Output:
	// false <nil>
	// mail mail.renewal to ann@example.com
	// 1 device.enrolled
	// 2 device.renewed
}

func ExampleService_Delete() {
	d := newDemo()
	in := d.phone("ann")
	fmt.Println(d.Delete(d.ctx, d.by, in.Device.ID))
	fmt.Println(errors.Is(d.CheckIn(d.ctx, in.Token, 1), enrollment.ErrDeviceGone))
	// Output:
	// <nil>
	// true
}

func ExampleService_Events() {
	d := newDemo()
	d.phone("ann")
	_, err := d.Sequence(d.ctx) // Run does it
	check(err)
	page, err := d.Events(d.ctx, d.by, 1, 2) // behind the first, two of them
	check(err)
	for _, e := range page.Events {
		fmt.Println(e.SiteSeq, e.Type)
	}
	fmt.Println("go on after", page.After)
	// Output:
	// 2 invitation.credentials_revealed
	// 3 device.enrolled
	// go on after 3
}

func ExampleService_GeneratePasscode() {
	d := newDemo()
	passcode, detail, err := d.GeneratePasscode(d.ctx, d.by)
	fmt.Println(len(passcode.Reveal()), detail.Status, err)
	detail, err = d.DisablePasscode(d.ctx, d.by)
	fmt.Println(detail.Status, err)
	// Output:
	// 12 active <nil>
	// disabled <nil>
}

func ExampleService_RequestLogin() {
	d := newDemo()
	passcode, _, err := d.GeneratePasscode(d.ctx, d.by)
	check(err)
	// Nobody has this address; the answer is the same as if somebody had.
	fmt.Println(d.RequestLogin(d.ctx, enrollment.LoginRequest{Email: "stranger@example.com", Passcode: passcode}))
	err = d.RequestLogin(d.ctx, enrollment.LoginRequest{Email: "ann@example.com", Passcode: credentials.SecretString("short")})
	fmt.Println(err)
	// Output:
	// <nil>
	// enrollment: invalid request: passcode: malformed
}

func ExampleCode() {
	fmt.Println(enrollment.Code(nil) == "", enrollment.Code(enrollment.ErrDeviceGone), enrollment.Code(errors.New("disk on fire")))
	// Output: true device_gone unavailable
}
