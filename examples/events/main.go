// Events: what happens reaches the embedder twice over: as calls in this
// process, at least once each, and as a journal to read from a cursor.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

func main() {
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	calls := 0
	svc := must(enrollment.New(memstore.New(), enrollment.Config{
		Keyring: must(credentials.NewKeyring(must(credentials.NewKey(1, rand.Reader)))),
		Sites:   enrollment.OneSite{ID: "acme", PublicURL: must(url.Parse("https://mdm.example.com"))},
		Now:     func() time.Time { return clock },
		Handlers: enrollment.Handlers{device.Activated: func(_ context.Context, e enrollment.Event) error {
			if calls++; calls == 1 {
				return errors.New("our billing system is down") // it is called again
			}
			fmt.Println("handler:", e.Type, e.Before, "->", e.After)
			return nil
		}},
	}))

	invited := must(svc.Invite(ctx, by, enrollment.InviteRequest{Email: "anna@example.com"}))
	shown := must(svc.Reveal(ctx, by, invited.Invitation))
	in := must(svc.Enroll(ctx, enrollment.EnrollRequest{
		EnrollmentID: rand.Text(),
		Credential:   enrollment.Presented{Token: must(credentials.ParseDeploymentURL(shown.URL.Reveal()))},
		Device:       enrollment.Claim{Platform: device.Windows, Name: "Anna's laptop"},
	}))

	// Facts from a channel that the embedder trusts, here its own MDM server.
	must(svc.Observe(ctx, device.Observation{
		Site: "acme", Device: in.Device.ID, Ref: device.Ref{Source: "ourmdm", ID: "4711"}, At: clock,
		Facts: map[device.Fact]bool{device.ManagementProfile: true, device.InventoryReceived: true},
	}))

	// Run does this in a server; here it is done by hand.
	for range 2 {
		must(svc.DeliverDue(ctx))
		clock = clock.Add(time.Minute)
	}
	must(svc.Sequence(ctx))
	page := must(svc.Events(ctx, by, 0, 0))
	for _, e := range page.Events {
		fmt.Println(e.SiteSeq, e.Type, e.Actor)
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
