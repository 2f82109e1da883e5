package apple_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/invitation"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// example is a Service for the examples, and the token of an invitation that was
// accepted on an iPhone.
func example(platform *apple.Platform) (svc *enrollment.Service, token string) {
	key, err := credentials.NewKey(1, rand.Reader)
	check(err)
	ring, err := credentials.NewKeyring(key)
	check(err)
	svc, err = enrollment.New(memstore.New(), enrollment.Config{
		Keyring: ring, Platforms: []enrollment.Platform{platform},
		Sites: enrollment.OneSite{ID: "acme", Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}},
	})
	check(err)
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	invited, err := svc.Invite(ctx, by, enrollment.InviteRequest{Email: "ann@example.com", Name: "Ann"})
	check(err)
	shown, err := svc.Reveal(ctx, by, invited.Invitation)
	check(err)
	secret, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)
	_, err = svc.Accept(ctx, secret.Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.IOS})
	check(err)
	return svc, secret.Reveal()
}

// enrollhttp mounts the platform; here its handler is asked directly.
func ExampleNew() {
	platform, err := apple.New(apple.Config{
		Topic: "com.apple.mgmt.External.0a1b2c3d", Identifier: "com.example.mdm",
		Adapt: func(p *apple.Profile, _ apple.Download) {
			p.ConsentText = map[string]string{"default": "Acme sees the apps of this device."}
		},
	})
	check(err)
	svc, token := example(platform)
	r := httptest.NewRequest(http.MethodGet, "/enroll.mobileconfig", nil)
	r.SetPathValue("token", token)
	rec := httptest.NewRecorder()
	platform.Handler(svc).ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
	fmt.Println(strings.Contains(rec.Body.String(), "<string>com.apple.mgmt.External.0a1b2c3d</string>"))
	// Output:
	// 200 application/x-apple-aspen-config
	// true
}

// An MDM server tells what its devices say.
func ExampleCheckIns() {
	const topic = "com.apple.mgmt.External.0a1b2c3d"
	platform, err := apple.New(apple.Config{Topic: topic, Identifier: "com.example.mdm"})
	check(err)
	svc, token := example(platform)
	ctx, now := context.Background(), time.Now()

	// The certificate authority has signed for the challenge of a profile.
	grant, _, err := svc.GrantByToken(ctx, token)
	check(err)
	_, challenge, err := svc.NewGrant(apple.ChallengeUse, grant, time.Hour)
	check(err)
	grant, err = svc.UseGrant(ctx, apple.ChallengeUse, challenge, invitation.CertificateIssued)
	check(err)

	from := apple.Sender{Site: grant.Site, Enrollment: grant.ID} // as its certificate says
	who := apple.Identity{UDID: "00008030-001C2D3E4F50602E"}
	checkins := apple.CheckIns{Service: svc, Topic: topic}
	status, err := checkins.Authenticate(ctx, from, apple.Authenticate{Identity: who, Topic: topic, ProductName: "iPhone12,1"}, now)
	fmt.Println(status.State, status.Missing, err)
	status, err = checkins.TokenUpdate(ctx, from, apple.TokenUpdate{Identity: who, Topic: topic}, now)
	fmt.Println(status.State, status.Missing, err)
	status, err = checkins.DeviceInformation(ctx, from, apple.DeviceInformation{Identity: who, DeviceName: "Ann's iPhone"}, now)
	fmt.Println(status.State, err)
	status, err = checkins.CheckOut(ctx, from, apple.CheckOut{Identity: who, Topic: topic}, time.Now())
	fmt.Println(status.State, err)
	_, err = checkins.TokenUpdate(ctx, from, apple.TokenUpdate{Identity: who, Topic: "com.apple.mgmt.other"}, now)
	fmt.Println(err, apple.AnswerTo(err).Status)
	// Output:
	// pending [management_profile inventory_received] <nil>
	// pending [inventory_received] <nil>
	// active <nil>
	// unenrolled <nil>
	// apple: unknown topic 400
}

func ExampleProfile_Encode() {
	text, err := apple.Profile{
		Identifier: "com.example.mdm", UUID: "any text of its own", DisplayName: "Example device management",
		MDM:  apple.MDM{Topic: "com.apple.mgmt.External.0a1b2c3d", ServerURL: "https://mdm.example.com/mdm"},
		SCEP: &apple.SCEP{URL: "https://mdm.example.com/scep", Challenge: "one-time", CommonName: "enrollment-1"},
	}.Encode()
	check(err)
	for _, line := range strings.Split(string(text), "\n")[3:9] {
		fmt.Println(line)
	}
	// Output:
	// <dict>
	// <key>PayloadType</key>
	// <string>Configuration</string>
	// <key>PayloadVersion</key>
	// <integer>1</integer>
	// <key>PayloadIdentifier</key>
}

func ExampleAnswerTo() {
	for _, err := range []error{nil, apple.ErrTopic, enrollment.ErrDeviceGone, context.DeadlineExceeded} {
		a := apple.AnswerTo(err)
		fmt.Printf("%d %q\n", a.Status, a.Code)
	}
	// Output:
	// 200 ""
	// 400 "topic_unknown"
	// 403 "device_gone"
	// 503 "unavailable"
}
