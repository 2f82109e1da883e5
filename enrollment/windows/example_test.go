package windows_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/windows"
)

// example is a Service with a Windows platform, and the next step of an invitation
// that was accepted on a computer.
func example() (svc *enrollment.Service, platform *windows.Platform, next enrollment.NextStep) {
	site := enrollment.OneSite{ID: "acme", Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}}
	platform, err := windows.New(windows.Config{Authority: newAuthority(time.Now), Sites: site, ProviderID: "ExampleMDM"})
	check(err)
	key, err := credentials.NewKey(1, rand.Reader)
	check(err)
	ring, err := credentials.NewKeyring(key)
	check(err)
	svc, err = enrollment.New(memstore.New(), enrollment.Config{
		Keyring: ring, Sites: site, Platforms: []enrollment.Platform{platform},
	})
	check(err)
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	invited, err := svc.Invite(ctx, by, enrollment.InviteRequest{Email: "ann@example.com", Name: "Ann"})
	check(err)
	shown, err := svc.Reveal(ctx, by, invited.Invitation)
	check(err)
	secret, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	check(err)
	accepted, err := svc.Accept(ctx, secret.Reveal(), enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	check(err)
	return svc, platform, accepted.Next
}

// exchange posts one message to a handler.
func exchange(h http.Handler, path, message string, cert *x509.Certificate) string {
	r := httptest.NewRequest(http.MethodPost, "https://mdm.example.com"+path, strings.NewReader(message))
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Body.String()
}

// A computer finds the server, enrolls by what the page showed, and has its first
// session. enrollhttp mounts the handler; here it is asked directly.
func ExampleNew() {
	svc, platform, next := example()
	h := platform.Handler(svc)
	fmt.Println(next.Action, next.Username, next.URL)

	found := exchange(platform.Discovery(svc), windows.DiscoveryPath, envelope(
		"http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover", "",
		`<Discover xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment"><request/></Discover>`), nil)
	fmt.Println(between(found, "<EnrollmentServiceUrl>", "<"))

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	check(err)
	issued := exchange(h, "/enrollment", envelope(requestToken, security(next.Username, next.Password.Reveal()), rst("Issue", "PKCS10", request,
		`<ac:AdditionalContext><ac:ContextItem Name="DeviceID"><ac:Value>7BA748C8</ac:Value></ac:ContextItem></ac:AdditionalContext>`)), nil)
	document, cert, err := provisioned(issued)
	check(err)
	fmt.Println(document.parm("APPLICATION", "PROVIDER-ID"), document.parm("APPLICATION", "ADDR"))

	const message = `<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>%d</MsgID>` +
		`<Source><LocURI>7BA748C8</LocURI></Source></SyncHdr><SyncBody>%s<Final/></SyncBody></SyncML>`
	asked := exchange(h, "/manage", fmt.Sprintf(message, 1, `<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>`), cert)
	fmt.Println(between(asked, "<Get>", "</Get>"))
	exchange(h, "/manage", fmt.Sprintf(message, 2, `<Results><CmdID>1</CmdID><Item><Source><LocURI>./DevDetail/SwV</LocURI></Source><Data>10.0.22631.4317</Data></Item></Results>`), cert)

	page, err := svc.Overview(context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}, enrollment.OverviewQuery{})
	check(err)
	fmt.Println(page.Slots[0].State, page.Slots[0].Platform)
	// Output:
	// sign_in ann@example.com ms-device-enrollment:?mode=mdm&username=ann%40example.com&servername=https%3A%2F%2Fmdm.example.com&ownership=3
	// https://mdm.example.com/platform/windows/enrollment
	// ExampleMDM https://mdm.example.com/platform/windows/manage
	// <CmdID>3</CmdID><Item><Target><LocURI>./DevDetail/Ext/Microsoft/DeviceName</LocURI></Target></Item>
	// active windows
}

func ExampleDeepLink() {
	fmt.Println(windows.DeepLink{Username: "a+b@example.com", Server: "https://mdm.example.com", Ownership: device.Personal})
	// Output:
	// ms-device-enrollment:?mode=mdm&username=a%2Bb%40example.com&servername=https%3A%2F%2Fmdm.example.com&ownership=2
}

func ExampleDefaultEndpoints() {
	at := windows.DefaultEndpoints(enrollment.Site{PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com", Path: "/join"}})
	fmt.Println(at.Server)
	fmt.Println(at.Enrollment)
	fmt.Println(at.Management)
	// Output:
	// https://mdm.example.com
	// https://mdm.example.com/join/platform/windows/enrollment
	// https://mdm.example.com/join/platform/windows/manage
}

// Sessions need the device's certificate. A server of their own asks for it.
func ExamplePlatform_Management() {
	svc, platform, _ := example()
	h := platform.Management(svc)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "https://manage.example.com/", nil))
	fmt.Println(rec.Code)
	// Output:
	// 403
}

// provisioned reads the document in an answer, and the device's certificate.
func provisioned(answer string) (p characteristic, cert *x509.Certificate, err error) {
	if p, err = readDocument(answer); err != nil {
		return p, nil, err
	}
	cert, err = readCertificate(p.parm("CertificateStore", "My", "*", "*", "EncodedCertificate"))
	return p, cert, err
}
