package windowsmdm

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment/windows"
	"example.com/enrollkit/refserver/internal/authority"
)

// deviceLife is how long a device's certificate is good. Devices renew it in time
// by themselves.
const deviceLife = 365 * 24 * time.Hour

// issuer is the server's authority as package windows wants it.
type issuer struct{ authority *authority.Authority }

var _ windows.Authority = issuer{}

// Issue keeps whose the certificate is; of a renewal, as it was. Rows name the
// grant: whatever else is in the name of an enrollment is the device's word, and no
// device gets more certificates by other words.
func (i issuer) Issue(ctx context.Context, r windows.CertificateRequest) (*x509.Certificate, error) {
	holder := authority.Holder{Site: r.Site, Enrollment: r.Grant, Invitation: r.Invitation, User: r.User}
	if r.Renews != nil {
		before, err := i.authority.Holder(ctx, r.Renews)
		if err != nil && !errors.Is(err, authority.ErrExpired) {
			return nil, judge(err)
		}
		if before.Site != r.Site || before.Enrollment != r.Grant || r.Renews.Subject.CommonName != r.Enrollment {
			return nil, windows.ErrCertificateUnknown
		}
		holder = before
	}
	cert, err := i.authority.Issue(ctx, authority.Request{Holder: holder, Name: r.Enrollment, Public: r.Public, Life: deviceLife})
	if errors.Is(err, authority.ErrTooMany) {
		return nil, fmt.Errorf("%w: %w", windows.ErrTooManyCertificates, err)
	}
	return cert, err
}

// Root is the same for every site.
func (i issuer) Root(ctx context.Context, _ string) (*x509.Certificate, error) {
	return i.authority.Root(ctx)
}

// Holder says whom the authority gave a certificate to. The name is the
// certificate's: of one that is known, every byte is as it was given.
func (i issuer) Holder(ctx context.Context, cert *x509.Certificate) (windows.Sender, error) {
	h, err := i.authority.Holder(ctx, cert)
	if err != nil && !errors.Is(err, authority.ErrExpired) {
		return windows.Sender{}, judge(err)
	}
	return windows.Sender{Site: h.Site, Enrollment: cert.Subject.CommonName}, judge(err)
}

// judge says in package windows' words why a certificate is not taken.
func judge(err error) error {
	switch {
	case errors.Is(err, authority.ErrUnknown):
		return fmt.Errorf("%w: %w", windows.ErrCertificateUnknown, err)
	case errors.Is(err, authority.ErrExpired):
		return fmt.Errorf("%w: %w", windows.ErrCertificateExpired, err)
	}
	return err
}
