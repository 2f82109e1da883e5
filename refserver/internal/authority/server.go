package authority

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"time"

	"example.com/enrollkit/refserver/internal/database"
)

// Server makes a key with a certificate for a TLS server that devices of this
// authority call by one of names: hosts or addresses. It is signed by the newest
// root and lives for life at most. The chain brings the newest root once more,
// signed by each root before, so that a device that has only one of those trusts the
// server too. Nothing is stored: every node makes its own.
func (a *Authority) Server(ctx context.Context, names []string, life time.Duration) (*tls.Certificate, error) {
	signs, err := a.newest(ctx)
	if err != nil {
		return nil, err
	}
	now := a.now()
	if now.After(signs.cert.NotAfter) || now.Before(signs.cert.NotBefore) {
		return nil, ErrAuthorityExpired
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	ends := now.Add(life)
	if ends.After(signs.cert.NotAfter) {
		ends = signs.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Device sessions"},
		NotBefore: now.Add(-time.Hour), NotAfter: ends, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signs.cert, &key.PublicKey, signs.key)
	if err != nil {
		return nil, err
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if cert.Leaf, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	bridges, err := a.bridges(ctx, signs, now)
	cert.Certificate = append(cert.Certificate, bridges...)
	return cert, err
}

// SignedBy reports whether the newest root signed a certificate.
func (a *Authority) SignedBy(ctx context.Context, cert *x509.Certificate) (bool, error) {
	signs, err := a.newest(ctx)
	if err != nil {
		return false, err
	}
	return bytes.Equal(cert.AuthorityKeyId, signs.cert.SubjectKeyId), nil
}

// bridges are the newest root as signed by each root before that is not over.
func (a *Authority) bridges(ctx context.Context, newest root, now time.Time) (list [][]byte, err error) {
	type stored struct {
		generation  int64
		der, sealed []byte
		key         int64
	}
	var before []stored
	err = a.db.Rows(ctx, `SELECT generation, certificate, key_id, sealed FROM ref_authorities
		WHERE name = ? AND role = ? AND generation < ? ORDER BY generation DESC`, []any{a.name, roleRoot, newest.generation}, func(row database.Scanner) error {
		var s stored
		err := row.Scan(&s.generation, &s.der, &s.key, &s.sealed)
		before = append(before, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, s := range before {
		cert, err := x509.ParseCertificate(s.der)
		if err != nil {
			return nil, err
		}
		if now.After(cert.NotAfter) || cert.MaxPathLen < 1 {
			continue
		}
		key, err := openKey(a.ring(), a.name, s.key, s.sealed, cert, roleRoot, s.generation)
		if err != nil {
			return nil, err
		}
		serial, err := newSerial()
		if err != nil {
			return nil, err
		}
		ends := newest.cert.NotAfter
		if cert.NotAfter.Before(ends) {
			ends = cert.NotAfter
		}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: serial, RawSubject: newest.cert.RawSubject, SubjectKeyId: newest.cert.SubjectKeyId,
			NotBefore: newest.cert.NotBefore, NotAfter: ends,
			IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		}, cert, newest.cert.PublicKey, key)
		if err != nil {
			return nil, err
		}
		list = append(list, der)
	}
	return list, nil
}
