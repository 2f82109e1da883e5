package enrollment_test

import (
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// A platform that cannot carry an invitation's token carries a grant of it: made
// without a trace, good once, and no longer than the invitation.
func ExampleService_UseGrant() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)

	const use = "myplatform/certificate"
	grant, _, err := d.GrantByToken(d.ctx, token.Reveal())
	check(err)
	_, text, err := d.NewGrant(use, grant, time.Hour) // text goes into a profile, a link, a token
	check(err)

	_, site, err := d.OpenGrant(d.ctx, use, text)
	fmt.Println("stands:", site.ID, err)
	_, err = d.UseGrant(d.ctx, use, text, invitation.CertificateIssued)
	fmt.Println("used:", err)
	_, err = d.UseGrant(d.ctx, use, text, invitation.CertificateIssued)
	fmt.Println("again:", enrollment.Code(err))

	_, text, err = d.NewGrant(use, grant, time.Hour)
	check(err)
	_, err = d.Deactivate(d.ctx, d.by, invited.Invitation)
	check(err)
	_, err = d.UseGrant(d.ctx, use, text, invitation.CertificateIssued)
	fmt.Println("after the invitation:", enrollment.Code(err))
	// Output:
	// stands: acme <nil>
	// used: <nil>
	// again: grant_used
	// after the invitation: invitation_deactivated
}

// What was passed on is not shown to the next person once a device came by it.
func ExampleService_GrantUsed() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)

	const use = "myplatform/token"
	grant, _, err := d.GrantByToken(d.ctx, token.Reveal())
	check(err)
	grant, text, err := d.NewGrant(use, grant, time.Hour)
	check(err)
	fmt.Println(d.GrantUsed(d.ctx, grant))
	_, err = d.UseGrant(d.ctx, use, text, "")
	check(err)
	fmt.Println(d.GrantUsed(d.ctx, grant))
	// Output:
	// false <nil>
	// true <nil>
}

// The Android Management API brings a device by the id that its enrollment token
// carried. What it says later goes through Observe, by the same Ref.
func ExampleService_EnrollManaged() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	ref := device.Ref{Source: "amapi", ID: "enterprises/LC0123/devices/abc"}
	brought := enrollment.ManagedRequest{
		Site: "acme", Source: "amapi", Invitation: invited.Invitation, EnrollmentID: ref.ID, Ref: ref, Again: true,
		Device: enrollment.Claim{Platform: device.Android, Manufacturer: "Google", Model: "Pixel 8", OSVersion: "14"},
	}
	first, err := d.EnrollManaged(d.ctx, brought)
	check(err)
	again, err := d.EnrollManaged(d.ctx, brought)
	check(err)
	fmt.Println(first.Device.State, first.Missing[0], again.Replayed, again.Device.ID == first.Device.ID)
	status, err := d.Observe(d.ctx, device.Observation{
		Site: "acme", Ref: ref, At: d.now, Inventory: []byte(`{"model":"Pixel 8"}`),
		Facts: map[device.Fact]bool{device.AgentInstalled: true, device.WorkProfile: true, device.Permissions: true},
	})
	fmt.Println(status.State, err)
	// Output:
	// pending agent_installed true true
	// active <nil>
}

// What a platform finds wrong beyond the grant goes to the journal.
func ExampleService_RefuseGrant() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	grant, _, err := d.NewGrant("myplatform/certificate", enrollment.Grant{Site: "acme", Invitation: invited.Invitation, Generation: 1}, time.Hour)
	check(err)
	for range 3 { // noted once
		check(d.RefuseGrant(d.ctx, grant, "myplatform/certificate", "request_malformed"))
	}
	_, err = d.Sequence(d.ctx)
	check(err)
	page, err := d.Events(d.ctx, d.by, 0, 10)
	check(err)
	for _, e := range page.Events {
		fmt.Printf("%s %q\n", e.Type, e.Reason)
	}
	// Output:
	// invitation.created ""
	// enrollment.refused "request_malformed"
}

// What is turned away without a grant or a device goes to the journal as well: an
// administrator sees that somebody is at the door, not each of their knocks.
func ExampleService_RefuseContact() {
	d := newDemo()
	for range 3 { // noted once an hour
		check(d.RefuseContact(d.ctx, "acme", "myplatform/message", "certificate_unknown"))
	}
	_, err := d.Sequence(d.ctx)
	check(err)
	page, err := d.Events(d.ctx, d.by, 0, 10)
	check(err)
	for _, e := range page.Events {
		fmt.Printf("%s %s %s %q\n", e.Subject, e.Type, e.Data["step"], e.Reason)
	}
	// Output:
	// platform/myplatform enrollment.refused myplatform/message "certificate_unknown"
}

// The other system's message comes an hour late: what counts is when the device
// enrolled there.
func ExampleService_UseGrantAt() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)
	const use = "myplatform/token"
	grant, _, err := d.GrantByToken(d.ctx, token.Reveal())
	check(err)
	_, text, err := d.NewGrant(use, grant, time.Hour)
	check(err)

	enrolled := d.now.Add(30 * time.Minute)
	d.now = d.now.Add(2 * time.Hour)
	_, err = d.UseGrant(d.ctx, use, text, "")
	fmt.Println("now:", enrollment.Code(err))
	_, err = d.UseGrantAt(d.ctx, use, text, "", enrolled)
	fmt.Println("then:", err)
	// Output:
	// now: grant_expired
	// then: <nil>
}

// A certificate authority keeps the certificate first and spends the grant then: if
// it fell over in between, the same request finds the grant spent, and the
// certificate.
func ExampleService_SpendGrant() {
	d := newDemo()
	invited, err := d.Invite(d.ctx, d.by, enrollment.InviteRequest{User: "ann"})
	check(err)
	shown, err := d.Reveal(d.ctx, d.by, invited.Invitation)
	check(err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)
	const use = "myplatform/certificate"
	grant, _, err := d.GrantByToken(d.ctx, token.Reveal())
	check(err)
	_, text, err := d.NewGrant(use, grant, time.Hour)
	check(err)

	for range 2 {
		_, before, err := d.SpendGrant(d.ctx, use, text, invitation.CertificateIssued)
		fmt.Println("spent before:", before, err)
	}
	// Output:
	// spent before: false <nil>
	// spent before: true <nil>
}
