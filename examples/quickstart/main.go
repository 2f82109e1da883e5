// Quickstart: invite a person, enroll a device by the link, report until it is
// active. Everything is kept in memory.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

func main() {
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	svc := must(enrollment.New(memstore.New(), enrollment.Config{
		Keyring: must(credentials.NewKeyring(must(credentials.NewKey(1, rand.Reader)))),
		Sites:   enrollment.OneSite{ID: "acme", PublicURL: must(url.Parse("https://mdm.example.com"))},
	}))

	invited := must(svc.Invite(ctx, by, enrollment.InviteRequest{Email: "anna@example.com", Name: "Anna"}))
	shown := must(svc.Reveal(ctx, by, invited.Invitation)) // deployment URL, QR, PIN

	in := must(svc.Enroll(ctx, enrollment.EnrollRequest{
		EnrollmentID: rand.Text(),
		Credential:   enrollment.Presented{Token: must(credentials.ParseDeploymentURL(shown.URL.Reveal()))},
		Device:       enrollment.Claim{Platform: device.Android, Name: "Anna's phone"},
	}))
	fmt.Println(in.Device.State, "missing", in.Missing)

	facts := map[device.Fact]bool{}
	for _, f := range in.Missing {
		facts[f] = true
	}
	status := must(svc.Report(ctx, in.Token, enrollment.Report{Seq: 1, Facts: facts}))
	fmt.Println(status.State, "missing", status.Missing)
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
