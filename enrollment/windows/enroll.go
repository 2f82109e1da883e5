package windows

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// LoginUse is the use for which logins are presented here, see
// enrollment.Service.UseLogin.
const LoginUse = Name + "/enroll"

var issuing = operation{LoginUse, actionRequest, actionResponse, (*exchange).issue}

// issue answers a request for a certificate: the first one of a device, or another
// in the place of one that ends soon.
func (x *exchange) issue(ctx context.Context, d *document) error {
	q, err := parseTokenRequest(x.message.body)
	if err != nil {
		return err
	}
	if q.renew {
		return x.renew(ctx, q, d)
	}
	return x.enroll(ctx, q, d)
}

// enroll makes a device of a login that was used, and gives it a certificate.
//
// What comes first can be done again, and nothing is lost where it ends too early:
// a login that was presented is as good as before until there is a device, in
// whose unit it is used up; whoever asks again then gets the same device, and
// another certificate.
func (x *exchange) enroll(ctx context.Context, q tokenRequest, d *document) error {
	// All that can be said without the login costs no try.
	claim, err := q.claim()
	if err != nil {
		return err
	}
	public, err := parseCSR(q.request)
	if err != nil {
		return err
	}
	login, err := x.login()
	if err != nil {
		return err
	}
	g, err := x.svc.UseLogin(ctx, LoginUse, login, invitation.FirstContact)
	if err != nil {
		x.noted = proved(err)
		return err
	}
	x.site, x.grant = g.Site, g
	site, err := x.cfg.Sites.Site(ctx, g.Site)
	if err != nil {
		return err
	}
	site.ID = g.Site
	at, err := x.endpoints(site)
	if err != nil {
		return err
	}
	as := enrolledAs{grant: g.ID, computer: computerOf(q.deviceID()), store: q.store()}
	in, err := x.admit(ctx, as, q, claim)
	if err != nil {
		return err
	}
	as.device = in.Device.ID
	root, cert, err := x.certify(ctx, public, CertificateRequest{
		Site: g.Site, Enrollment: as.name(), Grant: g.ID, Invitation: g.Invitation, User: in.Device.User,
	})
	if err != nil {
		return err
	}
	if g.Invitation != "" {
		if err := x.svc.See(ctx, g.Site, g.Invitation, invitation.CertificateIssued); err != nil {
			return err
		}
	}
	doc := provisioning{
		store: as.store, providerID: x.cfg.ProviderID, name: x.cfg.Name, management: at.Management,
		upn: login.Username, deviceName: claim.Name, deviceID: q.deviceID(), poll: x.cfg.PollEvery,
	}.certificates(root, cert)
	for _, name := range []string{site.Name, x.cfg.ProviderID} {
		if doc.name == "" {
			doc.name = name
		}
	}
	var inner document
	doc.write(&inner)
	writeIssued(d, x.message.id, x.svc.Now(), inner.Bytes())
	return nil
}

// admit makes the device, or finds the one that the same request made before.
func (x *exchange) admit(ctx context.Context, as enrolledAs, q tokenRequest, claim enrollment.Claim) (enrollment.Enrolled, error) {
	return x.svc.EnrollManaged(ctx, enrollment.ManagedRequest{
		Site: x.grant.Site, Source: device.Source(Name), Grant: as.grant, Again: true,
		// One computer: another that presents the same login is none of this
		// enrollment's. DeviceID does not say which, where hardware does: Windows may
		// make another for each attempt.
		EnrollmentID: as.grant + "-" + computerOf(q.computer()),
		Ref:          as.ref(), Refs: []device.Ref{{Source: RefSource, ID: q.deviceID()}}, Device: claim,
	})
}

// certify issues a certificate and checks what the device will check.
func (x *exchange) certify(ctx context.Context, public *rsa.PublicKey, r CertificateRequest) (root, cert *x509.Certificate, err error) {
	r.Public = public
	for try := 1; ; try++ {
		if cert, err = x.cfg.Authority.Issue(ctx, r); errors.Is(err, ErrTooManyCertificates) {
			return nil, nil, ErrTooManyCertificates
		} else if err != nil {
			return nil, nil, accident(err)
		}
		if root, err = x.cfg.Authority.Root(ctx, r.Site); err != nil {
			return nil, nil, accident(err)
		}
		if cert.CheckSignatureFrom(root) == nil {
			break
		}
		// The authority may have a new root since a moment ago.
		if try > 1 {
			return nil, nil, refuse(faultInternal, "certificate_of_authority")
		}
	}
	if !public.Equal(cert.PublicKey) || cert.Subject.CommonName != r.Enrollment || len(cert.Subject.Names) != 1 {
		return nil, nil, refuse(faultInternal, "certificate_of_authority")
	}
	return root, cert, nil
}

// accident is an error of the authority, whatever it wraps: nobody is refused by
// it.
func accident(err error) error { return fmt.Errorf("windows: certificate authority: %v", err) }

// proved reports whether a login was refused to somebody who has proved it: the
// Service has noted that.
func proved(err error) bool {
	for _, reason := range []error{
		enrollment.ErrLoginUsed, enrollment.ErrLoginExpired, enrollment.ErrSelfServiceOff,
		invitation.ErrDeactivated, invitation.ErrExpired, invitation.ErrExhausted,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// issuedFor is how long the answer with a certificate is to be taken.
const issuedFor = 5 * time.Minute

const securityTime = "2006-01-02T15:04:05.000Z"

func writeIssued(d *document, relatesTo string, now time.Time, provisioned []byte) {
	d.raw(`<s:Envelope xmlns:s="`, nsSOAP, `" xmlns:a="`, nsAddressing, `" xmlns:u="`, nsUtility, `"><s:Header><a:Action s:mustUnderstand="1">`, actionResponse, `</a:Action>`)
	if relatesTo != "" {
		d.leaf("a:RelatesTo", relatesTo)
	}
	d.raw(`<o:Security xmlns:o="`, nsSecurity, `" s:mustUnderstand="1"><u:Timestamp u:Id="_0"><u:Created>`, now.UTC().Format(securityTime),
		`</u:Created><u:Expires>`, now.UTC().Add(issuedFor).Format(securityTime), `</u:Expires></u:Timestamp></o:Security></s:Header><s:Body>`,
		`<RequestSecurityTokenResponseCollection xmlns="`, nsTrust, `"><RequestSecurityTokenResponse><TokenType>`, tokenType, `</TokenType>`,
		`<DispositionMessage xmlns="`, nsEnrollment, `"/><RequestedSecurityToken><BinarySecurityToken xmlns="`, nsSecurity,
		`" ValueType="`, valueDocument, `" EncodingType="`, encodedBase64, `">`, base64.StdEncoding.EncodeToString(provisioned),
		`</BinarySecurityToken></RequestedSecurityToken><RequestID xmlns="`, nsEnrollment, `">0</RequestID>`,
		`</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection></s:Body></s:Envelope>`)
}
