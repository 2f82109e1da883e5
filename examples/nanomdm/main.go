// A team that runs NanoMDM already keeps it, and enrolls through enrollkit: by a
// decorator around NanoMDM's service, where NanoMDM is linked as a library, or by
// its webhook, where it runs as it comes.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service"
	"github.com/micromdm/nanomdm/service/nanomdm"
	"github.com/micromdm/nanomdm/service/webhook"
	"github.com/micromdm/nanomdm/storage/inmem"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/invitation"
)

const (
	topic = "com.apple.mgmt.External.0a1b2c3d"
	site  = "acme"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	platform, err := apple.New(apple.Config{
		Topic: topic, Identifier: "com.example.mdm",
		// Profiles name NanoMDM and the SCEP server where they are.
		Endpoints: func(enrollment.Site) apple.Endpoints {
			return apple.Endpoints{Server: "https://nanomdm.example.com/mdm", SCEP: "https://scep.example.com/scep"}
		},
	})
	if err != nil {
		return err
	}
	store := memstore.New()
	svc, err := newService(store, platform)
	if err != nil {
		return err
	}
	checkins := apple.CheckIns{Service: svc, Topic: topic}

	fmt.Println("by the decorator, which may refuse:")
	ann, err := certified(ctx, svc, "ann@example.com")
	if err != nil {
		return err
	}
	nano := observer{CheckinAndCommandService: nanomdm.New(inmem.New()), checkins: checkins, enrolled: newEnrolled(), now: time.Now}
	for _, message := range [][]byte{
		text("MessageType", "Authenticate", "Topic", topic, "UDID", "00008030-1", "ProductName", "iPhone12,1"),
		text("MessageType", "TokenUpdate", "Topic", topic, "UDID", "00008030-1", "PushMagic", "m"),
		text("MessageType", "CheckOut", "Topic", topic, "UDID", "00008030-1"),
		text("MessageType", "Authenticate", "Topic", "com.apple.mgmt.other", "UDID", "00008030-1"),
	} {
		// NanoMDM's HTTP handlers do this, with the certificate that they have verified.
		_, err := service.CheckinRequest(nano, mdm.NewRequestWithContext(ctx, ann), message)
		show(ctx, svc, "00008030-1", err)
	}

	fmt.Println("by the webhook, in any order:")
	bob, err := certified(ctx, svc, "bob@example.com")
	if err != nil {
		return err
	}
	hook := receiver{checkins, store, newEnrolled()}
	began := time.Now()
	for i, message := range [][]byte{
		text("MessageType", "TokenUpdate", "Topic", topic, "UDID", "00008030-2", "PushMagic", "m"),
		text("MessageType", "Authenticate", "Topic", topic, "UDID", "00008030-2", "ProductName", "iPhone12,1"),
	} {
		status := post(ctx, hook, webhook.EventJson{
			Topic: "mdm.Checkin", CreatedAt: began.Add(time.Duration(-i) * time.Second),
			CheckinEvent: &webhook.CheckinEvent{
				RawPayload: base64Of(message),
				UrlParams:  map[string]string{"site": site, "enrollment": bob.Subject.CommonName},
			},
		})
		show(ctx, svc, "00008030-2", nil)
		if status != http.StatusOK {
			return fmt.Errorf("the receiver answered %d", status)
		}
	}
	return nil
}

func newService(store enrollment.Storage, platform *apple.Platform) (*enrollment.Service, error) {
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		return nil, err
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		return nil, err
	}
	return enrollment.New(store, enrollment.Config{
		Keyring: ring, Platforms: []enrollment.Platform{platform},
		Sites: enrollment.OneSite{ID: site, Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}},
	})
}

// certified is the certificate of a device whose person was invited. The SCEP
// server asks UseGrant, with the challenge of the request, before it signs; the
// subject is the grant's.
func certified(ctx context.Context, svc *enrollment.Service, email string) (*x509.Certificate, error) {
	by := enrollment.Actor{Site: site, ID: "admin"}
	invited, err := svc.Invite(ctx, by, enrollment.InviteRequest{Email: email})
	if err != nil {
		return nil, err
	}
	shown, err := svc.Reveal(ctx, by, invited.Invitation)
	if err != nil {
		return nil, err
	}
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	if err != nil {
		return nil, err
	}
	// What a download of the profile does.
	grant, _, err := svc.GrantByToken(ctx, token.Reveal())
	if err != nil {
		return nil, err
	}
	_, challenge, err := svc.NewGrant(apple.ChallengeUse, grant, time.Hour)
	if err != nil {
		return nil, err
	}
	if grant, err = svc.UseGrant(ctx, apple.ChallengeUse, challenge, invitation.CertificateIssued); err != nil {
		return nil, err
	}
	return &x509.Certificate{Subject: pkix.Name{CommonName: grant.ID, Organization: []string{grant.Site}}}, nil
}

// show prints how the device stands.
func show(ctx context.Context, svc *enrollment.Service, udid string, refused error) {
	status, err := svc.Observe(ctx, device.Observation{
		Site: site, Source: device.SourceMDM, Ref: device.Ref{Source: apple.RefSource, ID: udid}, At: time.Now(),
	})
	if err != nil {
		fmt.Println(" ", err)
		return
	}
	fmt.Print("  ", status.State, " ", status.Missing)
	if refused != nil {
		fmt.Print(", refused: ", apple.CodeOf(refused))
	}
	fmt.Println()
}

func post(ctx context.Context, hook http.Handler, event webhook.EventJson) int {
	body, err := json.Marshal(event)
	if err != nil {
		return 0
	}
	rec := httptest.NewRecorder()
	hook.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhook", bytes.NewReader(body)))
	return rec.Code
}
