package applemdm

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"

	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/refserver/internal/authority"
)

// signer signs profiles with a certificate of the operator.
type signer struct {
	cert  *x509.Certificate
	chain []*x509.Certificate
	key   crypto.PrivateKey
}

// ownSigner signs profiles with a key that the authority has for it.
type ownSigner struct{ authority *authority.Authority }

// Sign is signer.Sign with the key of the moment.
func (o ownSigner) Sign(ctx context.Context, profile []byte) ([]byte, error) {
	d, err := o.authority.Deputy(ctx, authority.Signing)
	if err != nil {
		return nil, fmt.Errorf("applemdm: sign a profile: %w", err)
	}
	return (&signer{cert: d.Certificate, chain: []*x509.Certificate{d.Root}, key: d.Key}).Sign(ctx, profile)
}

// newSigner signs with a certificate of the operator, or with the authority's.
func newSigner(given *tls.Certificate, a *authority.Authority) (apple.Signer, error) {
	if given == nil {
		return ownSigner{a}, nil
	}
	s := &signer{key: given.PrivateKey}
	for i, der := range given.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New("applemdm: the certificate for signing profiles is malformed")
		}
		if i == 0 {
			s.cert = cert
		} else {
			s.chain = append(s.chain, cert)
		}
	}
	if s.cert == nil {
		return nil, errors.New("applemdm: no certificate for signing profiles")
	}
	return s, nil
}

// Sign returns a CMS SignedData with the profile in it.
func (s *signer) Sign(_ context.Context, profile []byte) ([]byte, error) {
	signed, err := pkcs7.NewSignedData(profile)
	if err != nil {
		return nil, fmt.Errorf("applemdm: sign a profile: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSignerChain(s.cert, s.key, s.chain, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("applemdm: sign a profile: %w", err)
	}
	out, err := signed.Finish()
	if err != nil {
		return nil, fmt.Errorf("applemdm: sign a profile: %w", err)
	}
	return out, nil
}
