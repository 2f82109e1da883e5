package enrollkit_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	mem "example.com/enrollkit/enrollment/memstore"
)

// From an invitation to an active device, with everything kept in memory.
func Example() {
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	svc := must(enrollment.New(mem.New(), enrollment.Config{
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
	// Output:
	// pending missing [agent_installed work_profile permissions inventory_received]
	// active missing []
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
