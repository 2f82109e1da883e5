package windows_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"sync"
	"time"

	"example.com/enrollkit/enrollment/windows"
)

// authority is a certificate authority in memory.
type authority struct {
	now func() time.Time

	mu       sync.Mutex
	root     *x509.Certificate
	key      *ecdsa.PrivateKey
	issued   map[string]windows.Sender // by the certificate
	serial   int64
	asked    []windows.CertificateRequest
	fails    error // of Issue, if set
	swapRoot bool  // Root answers another one
	rotates  int   // that often, there is a new root just after Issue

	organization []string // what the subject has beside its common name
}

func newAuthority(now func() time.Time) *authority {
	a := &authority{now: now, issued: map[string]windows.Sender{}}
	a.rotate()
	return a
}

// rotate makes a new root; certificates of the old one stay known.
func (a *authority) rotate() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.renew()
}

func (a *authority) renew() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: "Test root"},
		NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(err)
	a.root, err = x509.ParseCertificate(der)
	check(err)
	a.key = key
}

func (a *authority) Issue(_ context.Context, r windows.CertificateRequest) (*x509.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked = append(a.asked, r); a.rotates > 0 {
		a.rotates--
		defer a.renew()
	}
	if a.fails != nil {
		return nil, a.fails
	}
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: r.Enrollment, Organization: a.organization},
		NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(365 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, r.Public, a.key)
	if err != nil {
		return nil, err
	}
	a.issued[string(der)] = windows.Sender{Site: r.Site, Enrollment: r.Enrollment}
	return x509.ParseCertificate(der)
}

func (a *authority) Root(context.Context, string) (*x509.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.swapRoot {
		return newAuthority(a.now).root, nil
	}
	return a.root, nil
}

func (a *authority) Holder(_ context.Context, cert *x509.Certificate) (windows.Sender, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	from, known := a.issued[string(cert.Raw)]
	switch {
	case !known:
		return from, errors.Join(errors.New("test: no such certificate"), windows.ErrCertificateUnknown)
	case a.now().After(cert.NotAfter):
		return from, windows.ErrCertificateExpired
	}
	return from, nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
