package authority

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// Holder is whose a certificate is.
type Holder struct {
	Site       string
	Enrollment string // the id of the grant that it was given for
	Invitation string // what gave the grant; empty: a one-time login
	User       string // whose one-time login gave it
}

// Request asks for the certificate of a device.
type Request struct {
	Holder
	Public crypto.PublicKey // RSA of 2048 to 8192 bits, or ECDSA
	Life   time.Duration    // it ends with the authority at the latest
	// Name is the common name, and the whole subject. Empty: the enrollment, with the
	// site as the organization.
	Name string
}

func (r Request) subject() pkix.Name {
	if r.Name != "" {
		return pkix.Name{CommonName: r.Name}
	}
	return pkix.Name{CommonName: r.Enrollment, Organization: []string{r.Site}}
}

// Claim is Issue for the first certificate of an enrollment, where the answer may be
// lost: the same key gets the same certificate again, and another key
// [ErrOtherKey]. The caller then makes sure that the enrollment stands, and says
// Confirm, after which further claims answer confirmed; or Withdraw. room is asked in
// the same unit before a certificate is kept that was not there; nil: there is room.
func (a *Authority) Claim(ctx context.Context, r Request, room func(context.Context, database.Conn) error) (cert *x509.Certificate, confirmed bool, err error) {
	fresh, generation, err := a.make(ctx, r)
	if err != nil {
		return nil, false, err
	}
	request, err := hashOf(r.Public)
	if err != nil {
		return nil, false, ErrRequest
	}
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		cert, confirmed = fresh, false
		if err := c.Hold(ctx, "authority "+a.name+" "+r.Site+" "+r.Enrollment); err != nil {
			return err
		}
		var der, known []byte
		var was int64
		err := c.Row(ctx, `SELECT certificate, request, confirmed FROM ref_certificates WHERE authority = ? AND site = ? AND enrollment = ?
			ORDER BY issued_at LIMIT 1`, []any{a.name, r.Site, r.Enrollment}, &der, &known, &was)
		switch {
		case errors.Is(err, enrollment.ErrNotFound):
			if room != nil {
				if err := room(ctx, c); err != nil {
					return err
				}
			}
			return a.keep(ctx, c, cert, generation, r, false)
		case err != nil:
			return err
		case len(der) == 0 || string(known) != string(request):
			return ErrOtherKey
		}
		confirmed = was != 0
		cert, err = x509.ParseCertificate(der)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return cert, confirmed, nil
}

// Confirm notes that a claimed certificate may be given. With an error, it may not:
// somebody withdrew it at the same moment.
func (a *Authority) Confirm(ctx context.Context, cert *x509.Certificate) error {
	n, err := a.db.Exec(ctx, `UPDATE ref_certificates SET confirmed = 1 WHERE authority = ? AND serial = ?`, a.name, cert.SerialNumber.Text(16))
	if err == nil && n == 0 {
		err = errors.New("authority: the certificate was withdrawn meanwhile")
	}
	return err
}

// Withdraw forgets a claimed certificate that nobody got.
func (a *Authority) Withdraw(ctx context.Context, cert *x509.Certificate) error {
	_, err := a.db.Exec(ctx, `DELETE FROM ref_certificates WHERE authority = ? AND serial = ? AND confirmed = 0`, a.name, cert.SerialNumber.Text(16))
	return err
}

// make signs a certificate. Nothing of a request's subject is taken. It is not
// stored yet.
func (a *Authority) make(ctx context.Context, r Request) (*x509.Certificate, int64, error) {
	signs, err := a.newest(ctx)
	if err != nil {
		return nil, 0, err
	}
	now := a.now()
	if now.After(signs.cert.NotAfter) || now.Before(signs.cert.NotBefore) {
		return nil, 0, ErrAuthorityExpired
	}
	if !strong(r.Public) || r.Life <= 0 || r.Site == "" || r.Enrollment == "" {
		return nil, 0, ErrRequest
	}
	serial, err := newSerial()
	if err != nil {
		return nil, 0, err
	}
	ends := now.Add(r.Life)
	if ends.After(signs.cert.NotAfter) {
		ends = signs.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: r.subject(),
		NotBefore: now.Add(-time.Hour), NotAfter: ends, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, signs.cert, r.Public, signs.key)
	if err != nil {
		return nil, 0, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, signs.generation, err
}

// strong reports whether a key is good enough, and not so large that it keeps the
// server busy.
func strong(public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= keyBits && key.N.BitLen() <= 4*keyBits
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521()
	}
	return false
}

// hashOf names a public key.
func hashOf(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	sum := sha256.Sum256(der)
	return sum[:], err
}

// keep stores whose a certificate is, before anybody gets it.
func (a *Authority) keep(ctx context.Context, c database.Conn, cert *x509.Certificate, generation int64, r Request, confirmed bool) error {
	hash := sha256.Sum256(cert.Raw)
	request, err := hashOf(r.Public)
	if err != nil {
		return ErrRequest
	}
	is := 0
	if confirmed {
		is = 1
	}
	_, err = c.Exec(ctx, `INSERT INTO ref_certificates
		(authority, serial, generation, site, enrollment, invitation, user_id, hash, request, certificate, confirmed, issued_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.name, cert.SerialNumber.Text(16), generation, r.Site, r.Enrollment, r.Invitation, r.User,
		hash[:], request, cert.Raw, is, a.now().UnixMicro(), cert.NotAfter.UnixMicro())
	return err
}

// Holder says whose a certificate is, and returns [ErrUnknown] or [ErrExpired]. With
// ErrExpired the Holder is right all the same. A claim that nobody confirmed is
// unknown: nobody was to get it.
func (a *Authority) Holder(ctx context.Context, cert *x509.Certificate) (Holder, error) {
	signed, err := a.signer(cert)
	if err != nil { // it may be of a root that is newer than what this node knows
		if err := a.refresh(ctx); err != nil {
			return Holder{}, err
		}
		if signed, err = a.signer(cert); err != nil {
			return Holder{}, ErrUnknown
		}
	}
	var h Holder
	var hash []byte
	err = a.db.Row(ctx, `SELECT site, enrollment, invitation, user_id, hash FROM ref_certificates WHERE authority = ? AND serial = ? AND confirmed = 1`,
		[]any{a.name, cert.SerialNumber.Text(16)}, &h.Site, &h.Enrollment, &h.Invitation, &h.User, &hash)
	now := a.now()
	switch sum := sha256.Sum256(cert.Raw); {
	case errors.Is(err, enrollment.ErrNotFound):
		return Holder{}, ErrUnknown
	case err != nil:
		return Holder{}, err
	case string(hash) != string(sum[:]):
		return Holder{}, ErrUnknown
	case now.After(cert.NotAfter), now.Before(cert.NotBefore), now.After(signed.NotAfter):
		return h, ErrExpired
	}
	return h, nil
}

// signer returns the root that signed a certificate. The times are looked at apart:
// "expired" is another answer than "foreign".
func (a *Authority) signer(cert *x509.Certificate) (*x509.Certificate, error) {
	a.mu.Lock()
	trusted := a.trusted
	a.mu.Unlock()
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: trusted, CurrentTime: cert.NotBefore.Add(time.Minute), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return chains[0][len(chains[0])-1], nil
}
