package authority

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// Role is what a Deputy is for.
type Role string

const (
	// Registration reads requests for certificates and signs the answers (the
	// registration authority of SCEP).
	Registration Role = "registration"
	// Signing signs files for devices.
	Signing Role = "signing"
)

// usages of the certificates.
var usages = map[Role]x509.KeyUsage{
	Registration: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	Signing:      x509.KeyUsageDigitalSignature,
}

// Deputy is a key that is not the authority's, with a certificate of it. It can
// issue nothing.
type Deputy struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
	Root        *x509.Certificate // which signed the certificate
}

type deputyID struct {
	role       Role
	generation int64
}

// overlap is for how long after a rotation the deputy before is still at work:
// somebody may have its certificate in hand.
const overlap = 24 * time.Hour

// Deputy returns the one of the newest root, and makes it if nobody has: [Open] does
// so for the roles that it is told, and [Rotate] for those that there were.
func (a *Authority) Deputy(ctx context.Context, role Role) (Deputy, error) {
	list, err := a.Deputies(ctx, role)
	if err != nil {
		return Deputy{}, err
	}
	return list[0], nil
}

// Deputies returns the deputy of the newest root, and in the first day after a
// rotation, if there was one, that of the root before.
func (a *Authority) Deputies(ctx context.Context, role Role) ([]Deputy, error) {
	if err := a.refresh(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	roots := a.roots
	a.mu.Unlock()
	latest := roots[len(roots)-1]
	newest, err := a.deputy(ctx, role, latest)
	if err != nil {
		return nil, err
	}
	list := []Deputy{newest}
	if len(roots) > 1 && a.now().Before(latest.made.Add(overlap)) {
		before, err := a.deputy(ctx, role, roots[len(roots)-2])
		switch {
		case err == nil:
			list = append(list, before)
		case !errors.Is(err, enrollment.ErrNotFound):
			return nil, err
		}
	}
	return list, nil
}

// deputy reads one, or makes it if the root has its key.
func (a *Authority) deputy(ctx context.Context, role Role, r root) (Deputy, error) {
	id := deputyID{role, r.generation}
	a.mu.Lock()
	d, ok := a.deputies[id]
	a.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := a.readDeputy(ctx, role, r)
	if errors.Is(err, enrollment.ErrNotFound) && r.key != nil {
		if err = a.makeDeputy(ctx, role, r); err == nil {
			d, err = a.readDeputy(ctx, role, r) // another node may have been quicker
		}
	}
	if err != nil {
		return Deputy{}, fmt.Errorf("authority: %s %d, %s: %w", a.name, r.generation, role, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deputies[id] = d
	return d, nil
}

func (a *Authority) readDeputy(ctx context.Context, role Role, r root) (Deputy, error) {
	var der, text []byte
	var key int64
	err := a.db.Row(ctx, `SELECT certificate, key_id, sealed FROM ref_authorities WHERE name = ? AND generation = ? AND role = ?`,
		[]any{a.name, r.generation, string(role)}, &der, &key, &text)
	if err != nil {
		return Deputy{}, err
	}
	d := Deputy{Root: r.cert}
	if d.Certificate, err = x509.ParseCertificate(der); err != nil {
		return Deputy{}, errors.New("the certificate is malformed")
	}
	d.Key, err = openKey(a.ring(), a.name, key, text, d.Certificate, string(role), r.generation)
	return d, err
}

func (a *Authority) makeDeputy(ctx context.Context, role Role, r root) error {
	der, key, err := certifyDeputy(role, r.cert, r.key)
	if err != nil {
		return err
	}
	return a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		_, err := insertKey(ctx, c, a.name, r.generation, string(role), der, key, a.ring(), a.now())
		return err
	})
}

// certifyDeputy makes a deputy's key and the root's certificate for it.
func certifyDeputy(role Role, root *x509.Certificate, signs *rsa.PrivateKey) ([]byte, *rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits) // SCEP encrypts to it
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: root.Subject.CommonName + " " + string(role)},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, BasicConstraintsValid: true, KeyUsage: usages[role],
	}, root, &key.PublicKey, signs)
	return der, key, err
}
