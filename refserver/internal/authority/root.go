package authority

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/sealed"
)

const (
	rootLife = 20 * 365 * 24 * time.Hour
	keyBits  = 2048

	roleRoot = "root"
)

// Rotate makes a new root for the authority of a name and returns its generation.
// Nodes that run sign with it from their next certificate on; what was given before
// stays good. It returns an error wrapping enrollment.ErrNotFound if there is no
// such authority: a server makes it at its first start.
func Rotate(ctx context.Context, db *database.DB, name string, ring *credentials.Keyring, now time.Time) (int64, error) {
	return makeRoot(ctx, db, name, ring, now, true)
}

// makeRoot makes the first root if there is none, or the next one if there is one,
// and returns its generation.
func makeRoot(ctx context.Context, db *database.DB, name string, ring *credentials.Keyring, now time.Time, next bool) (generation int64, err error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits) // devices of every age know RSA
	if err != nil {
		return 0, err
	}
	err = db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "authority "+name); err != nil { // other nodes start at the same time
			return err
		}
		var latest int64
		err := c.Row(ctx, `SELECT coalesce(max(generation), 0) FROM ref_authorities WHERE name = ? AND role = ?`, []any{name, roleRoot}, &latest)
		switch {
		case err != nil:
			return err
		case !next && latest > 0:
			generation = latest
			return nil
		case next && latest == 0:
			return fmt.Errorf("there is none yet: %w", enrollment.ErrNotFound)
		}
		generation = latest + 1
		serial, err := newSerial()
		if err != nil {
			return err
		}
		template := &x509.Certificate{
			SerialNumber: serial, Subject: pkix.Name{CommonName: fmt.Sprintf("Device identities %s %d", name, generation)},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(rootLife),
			IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, // for the next root, see Server
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			return err
		}
		if _, err = insertKey(ctx, c, name, generation, roleRoot, der, key, ring, now); err != nil {
			return err
		}
		return succeed(ctx, c, name, generation, der, key, ring, now)
	})
	if err != nil {
		return 0, fmt.Errorf("authority: %s: %w", name, err)
	}
	return generation, nil
}

// succeed makes the deputies of a new root that the one before had.
func succeed(ctx context.Context, c database.Conn, name string, generation int64, root []byte, signs *rsa.PrivateKey, ring *credentials.Keyring, now time.Time) error {
	var roles []Role
	err := c.Rows(ctx, `SELECT role FROM ref_authorities WHERE name = ? AND generation = ? AND role <> ? ORDER BY role`,
		[]any{name, generation - 1, roleRoot}, func(row database.Scanner) error {
			var role string
			err := row.Scan(&role)
			roles = append(roles, Role(role))
			return err
		})
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(root)
	if err != nil {
		return err
	}
	for _, role := range roles {
		der, key, err := certifyDeputy(role, cert, signs)
		if err != nil {
			return err
		}
		if _, err := insertKey(ctx, c, name, generation, string(role), der, key, ring, now); err != nil {
			return err
		}
	}
	return nil
}

// insertKey stores a key with its certificate, unless there is one already.
func insertKey(ctx context.Context, c database.Conn, name string, generation int64, role string, der []byte, key *rsa.PrivateKey, ring *credentials.Keyring, now time.Time) (int64, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return 0, err
	}
	keyID, text, err := sealed.Seal(ring, purposeOf(name), plain, placeOf(role, generation)...)
	if err != nil {
		return 0, err
	}
	return c.Exec(ctx, `INSERT INTO ref_authorities (name, generation, role, certificate, key_id, sealed, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name, generation, role) DO NOTHING`, name, generation, role, der, keyID, text, now.UnixMicro())
}

// newSerial is a random number of 127 bits: unique without asking anybody.
func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}
