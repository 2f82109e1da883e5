package authority

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/sealed"
)

// The authorities of the server, by platform.
const (
	Apple   = "apple"
	Windows = "windows"
)

// What a certificate, or a request for one, is not taken for.
var (
	// ErrUnknown: the certificate is of another authority, or was never given.
	ErrUnknown = errors.New("authority: certificate of another authority")
	// ErrExpired: the certificate is out of its time.
	ErrExpired = errors.New("authority: certificate out of its time")
	// ErrAuthorityExpired: the newest root is out of its time, so nothing is issued.
	ErrAuthorityExpired = errors.New("authority: the certificate authority has expired")
	// ErrRequest: nobody gets a certificate for this key or this life.
	ErrRequest = errors.New("authority: certificate request refused")
	// ErrOtherKey: the enrollment has a certificate for another key.
	ErrOtherKey = errors.New("authority: the enrollment has a certificate for another key")
	// ErrTooMany: the enrollment had certificates for too many keys of late.
	ErrTooMany = errors.New("authority: too many certificates of one enrollment")
)

// Authority is the certificate authority of one platform. Make it with [Open]; it
// is safe for concurrent use.
type Authority struct {
	db   *database.DB
	name string
	ring func() *credentials.Keyring // of the moment
	now  func() time.Time

	mu       sync.Mutex
	roots    []root // oldest first, never empty
	trusted  *x509.CertPool
	deputies map[deputyID]Deputy
}

// root is one generation. Only the newest has its key here: the others sign
// nothing any more but their successor, see Server.
type root struct {
	generation int64
	made       time.Time
	cert       *x509.Certificate
	key        *rsa.PrivateKey
}

// Open reads the authority of a name, or makes it the first time. Nodes that open
// it at the same moment have the same one. A ring that lacks the key it is sealed
// with gives an error that wraps credentials.ErrUnknownKey. The deputies of roles are
// there from then on, so that nobody who only asks has one made.
func Open(ctx context.Context, db *database.DB, name string, ring func() *credentials.Keyring, now func() time.Time, roles ...Role) (*Authority, error) {
	a := &Authority{db: db, name: name, ring: ring, now: now, deputies: map[deputyID]Deputy{}}
	err := a.load(ctx)
	if errors.Is(err, enrollment.ErrNotFound) {
		if _, err = makeRoot(ctx, db, name, ring(), now(), false); err == nil {
			err = a.load(ctx) // another node may have been quicker
		}
	}
	for _, role := range roles {
		if err == nil {
			_, err = a.Deputy(ctx, role)
		}
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// First returns the certificate of the first root, which stays the same for ever.
func (a *Authority) First() *x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.roots[0].cert
}

// Root returns the certificate of the newest root.
func (a *Authority) Root(ctx context.Context) (*x509.Certificate, error) {
	r, err := a.newest(ctx)
	return r.cert, err
}

// newest returns the root that signs, which another process may have made since.
func (a *Authority) newest(ctx context.Context) (root, error) {
	if err := a.refresh(ctx); err != nil {
		return root{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.roots[len(a.roots)-1], nil
}

// refresh reads the roots again if there is a new one.
func (a *Authority) refresh(ctx context.Context) error {
	var latest int64
	err := a.db.Row(ctx, `SELECT coalesce(max(generation), 0) FROM ref_authorities WHERE name = ? AND role = ?`, []any{a.name, roleRoot}, &latest)
	if err != nil {
		return err
	}
	a.mu.Lock()
	known := a.roots[len(a.roots)-1].generation
	a.mu.Unlock()
	if latest == known {
		return nil
	}
	return a.load(ctx)
}

// load reads every root.
func (a *Authority) load(ctx context.Context) error {
	type stored struct {
		root
		der, sealed []byte
		key         int64
	}
	var list []stored
	err := a.db.Rows(ctx, `SELECT generation, certificate, key_id, sealed, created_at FROM ref_authorities
		WHERE name = ? AND role = ? ORDER BY generation`, []any{a.name, roleRoot}, func(row database.Scanner) error {
		var s stored
		var made int64
		err := row.Scan(&s.generation, &s.der, &s.key, &s.sealed, &made)
		s.made = time.UnixMicro(made).UTC()
		list = append(list, s)
		return err
	})
	if err != nil {
		return fmt.Errorf("authority: %s: %w", a.name, err)
	}
	if len(list) == 0 {
		return fmt.Errorf("authority: there is no %s: %w", a.name, enrollment.ErrNotFound)
	}
	roots, trusted := make([]root, len(list)), x509.NewCertPool()
	for i, s := range list {
		if s.cert, err = x509.ParseCertificate(s.der); err != nil {
			return fmt.Errorf("authority: %s %d: the certificate is malformed", a.name, s.generation)
		}
		if i == len(list)-1 {
			s.root.key, err = openKey(a.ring(), a.name, s.key, s.sealed, s.cert, roleRoot, s.generation)
			if err != nil {
				return fmt.Errorf("authority: %s %d: %w", a.name, s.generation, err)
			}
		}
		trusted.AddCert(s.cert)
		roots[i] = s.root
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.roots) <= len(roots) { // two that load at the same time: the later one stays
		a.roots, a.trusted = roots, trusted
	}
	return nil
}

// purposeOf separates the keys that an authority is sealed with from every other
// use of the ring.
func purposeOf(name string) credentials.Purpose { return credentials.Purpose("refserver-" + name) }

// placeOf is what a sealed key is for. That of a root is as it was when there was
// one authority without generations.
func placeOf(role string, generation int64) []string {
	n := strconv.FormatInt(generation, 10)
	if role == roleRoot {
		return []string{"authority", n}
	}
	return []string{"deputy", role, n}
}

// openKey returns the key of a certificate.
func openKey(ring *credentials.Keyring, name string, key int64, text []byte, cert *x509.Certificate, role string, generation int64) (*rsa.PrivateKey, error) {
	plain, err := sealed.Open(ring, purposeOf(name), key, text, placeOf(role, generation)...)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("the key is malformed")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the key is another certificate's")
	}
	return private, nil
}
