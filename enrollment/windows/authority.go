package windows

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
)

// Authority is the certificate authority of the embedder's devices. It must be
// safe for concurrent use.
type Authority interface {
	// Issue signs a certificate for client authentication. Its subject is the common
	// name r.Enrollment and nothing else, whatever the device asked for: devices find
	// their certificate by the whole subject. It must be known to Holder before it is
	// handed out. It has to be good for longer than [RenewDays], or the device renews
	// it each day.
	//
	// Who may ask once may ask as often as he likes, for a day by a login that was
	// used and for years by a certificate. So whoever keeps what is issued answers one
	// key with the same certificate again, at least for some hours, and many keys of one
	// r.Grant with an error wrapping [ErrTooManyCertificates].
	Issue(ctx context.Context, r CertificateRequest) (*x509.Certificate, error)
	// Root returns the certificate that signs what Issue answers now. It goes to the
	// device, which trusts it from then on.
	Root(ctx context.Context, site string) (*x509.Certificate, error)
	// Holder says whom a certificate was issued to. It answers an error wrapping
	// [ErrCertificateUnknown] for one that Issue did not sign, or that is revoked,
	// and [ErrCertificateExpired] for one whose time is up; with that error, the
	// Sender says whose it was. It checks the certificate, its signature and its
	// time; that somebody has the key is proved by who asks.
	Holder(ctx context.Context, cert *x509.Certificate) (Sender, error)
}

// CertificateRequest is what a certificate is issued for.
type CertificateRequest struct {
	Site string
	// Enrollment is the name of the device's enrollment, to be kept as it is: at
	// most 64 letters, digits and dashes.
	Enrollment string
	// Grant is what the login that the device came by became. All that is issued for
	// one of a site is of one device.
	Grant      string
	Invitation string           // by which the device came; empty: a one-time login, or a renewal
	User       string           // whose device it is; empty for a renewal
	Public     crypto.PublicKey // its private key was proved
	// Renews is the certificate that this one takes the place of; nil for a first
	// one. The old one stays good until its end: the answer may be lost.
	Renews *x509.Certificate
}

// Sender is who has a certificate: the Site and Enrollment of the
// [CertificateRequest].
type Sender struct {
	Site       string
	Enrollment string
}

// What a certificate is not taken for.
var (
	ErrCertificateUnknown = errors.New("windows: certificate of another authority")
	ErrCertificateExpired = errors.New("windows: certificate out of its time")
)

// ErrTooManyCertificates says that a device gets no further certificate for now.
var ErrTooManyCertificates = errors.New("windows: too many certificates of one device")
