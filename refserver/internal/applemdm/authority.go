package applemdm

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// How long certificates are good for. Devices do not renew them by themselves, so
// one lives as long as its authority lets it.
const (
	authorityLife = 20 * 365 * 24 * time.Hour
	identityLife  = 10 * 365 * 24 * time.Hour
	keyBits       = 2048
)

// authority is the certificate authority of the server's devices. Its key is in
// the database, sealed; every node has the same. It is safe for concurrent use.
type authority struct {
	db    *database.DB
	topic string // made with the authority, for servers without a push certificate
	cert  *x509.Certificate
	key   *rsa.PrivateKey
	pool  *x509.CertPool
}

// What a certificate is not taken for.
var (
	errCertificateUnknown = errors.New("applemdm: certificate of another authority")
	errCertificateExpired = errors.New("applemdm: certificate out of its time")
	errAuthorityExpired   = errors.New("applemdm: the certificate authority has expired")
	errRequest            = errors.New("applemdm: certificate request refused")
)

// authorityID is the one row. A successor gets another.
const authorityID = "1"

// openAuthority reads the authority, or makes it at the first start.
func openAuthority(ctx context.Context, db *database.DB, ring *credentials.Keyring, now time.Time) (*authority, error) {
	a := &authority{db: db}
	err := a.read(ctx, ring)
	if errors.Is(err, enrollment.ErrNotFound) {
		if err = a.make(ctx, ring, now); err == nil {
			err = a.read(ctx, ring) // another node may have been quicker
		}
	}
	if err != nil {
		return nil, fmt.Errorf("applemdm: certificate authority: %w", err)
	}
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.cert)
	return a, nil
}

func (a *authority) read(ctx context.Context, ring *credentials.Keyring) error {
	var der, sealed []byte
	var key int64
	err := a.db.Row(ctx, `SELECT topic, certificate, key_id, sealed FROM ref_apple_authority WHERE id = ?`, []any{authorityID},
		&a.topic, &der, &key, &sealed)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	plain, err := open(ring, key, sealed, "authority", authorityID)
	if err != nil {
		return err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return errors.New("the key is malformed")
	}
	rsaKey, ok := parsed.(*rsa.PrivateKey)
	if !ok || !rsaKey.PublicKey.Equal(a.cert.PublicKey) {
		return errors.New("the key is another certificate's")
	}
	a.key = rsaKey
	return nil
}

func (a *authority) make(ctx context.Context, ring *credentials.Keyring, now time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits) // SCEP encrypts to it
	if err != nil {
		return err
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Device identities"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	keyID, sealed, err := seal(ring, plain, "authority", authorityID)
	if err != nil {
		return err
	}
	topic := fmt.Sprintf("com.apple.mgmt.External.%x", sha256.Sum256(der))[:len("com.apple.mgmt.External.")+32]
	_, err = a.db.Exec(ctx, `INSERT INTO ref_apple_authority (id, topic, certificate, key_id, sealed, created_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`, authorityID, topic, der, keyID, sealed, now.UnixMicro())
	return err
}

// issue makes the certificate of an enrollment for the key of a request. Nothing
// of the request's subject is taken. It is not stored yet.
func (a *authority) issue(site, enrollment string, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	if now.After(a.cert.NotAfter) || now.Before(a.cert.NotBefore) {
		return nil, errAuthorityExpired
	}
	if key, ok := public.(*rsa.PublicKey); !ok || key.N.BitLen() < keyBits || key.N.BitLen() > 4*keyBits {
		return nil, errRequest
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	ends := now.Add(identityLife)
	if ends.After(a.cert.NotAfter) {
		ends = a.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: enrollment, Organization: []string{site}},
		NotBefore: now.Add(-time.Hour), NotAfter: ends, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// keep stores whose a certificate is, before anybody gets it.
func (a *authority) keep(ctx context.Context, cert *x509.Certificate, g enrollment.Grant, now time.Time) error {
	hash := sha256.Sum256(cert.Raw)
	_, err := a.db.Exec(ctx, `INSERT INTO ref_apple_certificates (serial, site, enrollment, invitation, user_id, hash, issued_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, cert.SerialNumber.Text(16), g.Site, g.ID, g.Invitation, g.User, hash[:], now.UnixMicro(), cert.NotAfter.UnixMicro())
	return err
}

// holder says whose a certificate is. With an error, the Grant is that of the
// enrollment as far as it is known.
func (a *authority) holder(ctx context.Context, cert *x509.Certificate, now time.Time) (g enrollment.Grant, err error) {
	// The times are looked at apart: "expired" is another answer than "foreign".
	_, err = cert.Verify(x509.VerifyOptions{
		Roots: a.pool, CurrentTime: cert.NotBefore.Add(time.Minute), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return g, errCertificateUnknown
	}
	var hash []byte
	err = a.db.Row(ctx, `SELECT site, enrollment, invitation, user_id, hash FROM ref_apple_certificates WHERE serial = ?`,
		[]any{cert.SerialNumber.Text(16)}, &g.Site, &g.ID, &g.Invitation, &g.User, &hash)
	switch sum := sha256.Sum256(cert.Raw); {
	case errors.Is(err, enrollment.ErrNotFound):
		return g, errCertificateUnknown
	case err != nil:
		return g, err
	case string(hash) != string(sum[:]):
		return enrollment.Grant{}, errCertificateUnknown
	case now.After(cert.NotAfter), now.Before(cert.NotBefore), now.After(a.cert.NotAfter):
		return g, errCertificateExpired
	}
	return g, nil
}

// newSerial is a random number of 127 bits: unique without asking anybody.
func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}
