package applemdm_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/micromdm/scep/v2/cryptoutil/x509util"
	"github.com/smallstep/scep"
)

// certify gets the certificate that the profile says.
func (p *phone) certify(ctx context.Context) error {
	i := p.profile.of("com.apple.security.scep")
	if i < 0 {
		return errors.New("no SCEP payload")
	}
	c := p.profile.PayloadContent[i].PayloadContent
	return p.scep(ctx, c.URL, c.Challenge, c.Subject[0][0][1])
}

func (p *phone) scep(ctx context.Context, address, challenge, name string) error {
	der, err := p.do(ctx, http.MethodGet, address+"?operation=GetCACert", nil)
	if err != nil {
		return err
	}
	authority, err := scep.CACerts(der)
	if err != nil {
		return err
	}
	if p.trusted != nil {
		authority = p.trusted
	}
	to := authority
	if p.only != nil {
		to = []*x509.Certificate{p.only}
	}
	key := p.reuse
	if key == nil {
		key = newKey()
	}
	request, err := x509util.CreateCertificateRequest(rand.Reader, &x509util.CertificateRequest{
		CertificateRequest: x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, SignatureAlgorithm: x509.SHA256WithRSA},
		ChallengePassword:  challenge,
	}, key)
	if err != nil {
		return err
	}
	if p.spoil != nil {
		p.spoil(request)
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return err
	}
	message, err := scep.NewCSRRequest(csr, &scep.PKIMessage{
		MessageType: scep.PKCSReq, Recipients: to, SignerKey: key, SignerCert: selfSigned(key),
	})
	if err != nil {
		return err
	}
	answer, err := p.do(ctx, http.MethodPost, address+"?operation=PKIOperation", message.Raw)
	if err != nil {
		return err
	}
	reply, err := scep.ParsePKIMessage(answer, scep.WithCACerts(authority))
	if err != nil {
		return err
	}
	if reply.PKIStatus != scep.SUCCESS {
		return fmt.Errorf("scep: %s %s", reply.PKIStatus, reply.FailInfo)
	}
	if err := reply.DecryptPKIEnvelope(selfSigned(key), key); err != nil {
		return err
	}
	p.cert, p.key = reply.CertRepMessage.Certificate, key
	return nil
}

// selfSigned is the certificate of a device that has none yet. It has to be the
// same each time: the answer is for it.
func selfSigned(key *rsa.PrivateKey) *x509.Certificate {
	sum := sha256.Sum256(key.N.Bytes())
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(sum[:8]), Subject: pkix.Name{CommonName: "SCEP SIGNER"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}
