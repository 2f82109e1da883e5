package windows

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

const (
	minKey = 2048 // bits of an RSA key; less is weak
	maxKey = 4096 // more is work for the server without use
)

// What certificate requests are refused for.
var (
	errRequestMalformed = refuse(faultCertificateRequest, "certificate_request_malformed")
	errRequestWeak      = refuse(faultCertificateRequest, "certificate_request_weak")
	errRequestUnproved  = refuse(faultCertificateRequest, "certificate_request_unproved")
)

// certificationRequest is PKCS#10 (RFC 2986), as far as it is used. The package
// reads it itself, because crypto/x509 looks into the subject, in which Windows
// writes characters that have no place there; nobody takes the subject anyway.
type certificationRequest struct {
	Info      certificationRequestInfo
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

type certificationRequestInfo struct {
	Raw        asn1.RawContent
	Version    int
	Subject    asn1.RawValue
	PublicKey  subjectPublicKey
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
}

type subjectPublicKey struct {
	Raw       asn1.RawContent
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// parseCSR returns the key of a request that proves to have it.
func parseCSR(der []byte) (*rsa.PublicKey, error) {
	var r certificationRequest
	rest, err := asn1.Unmarshal(der, &r)
	if err != nil || len(rest) > 0 || r.Info.Version != 0 || r.Info.Subject.Tag != asn1.TagSequence || r.Signature.BitLength%8 != 0 {
		return nil, errRequestMalformed
	}
	key, err := x509.ParsePKIXPublicKey(r.Info.PublicKey.Raw)
	if err != nil {
		return nil, errRequestMalformed
	}
	public, ok := key.(*rsa.PublicKey)
	hash := hashOf(r.Algorithm.Algorithm, asn1.ObjectIdentifier{})
	if !ok || public.N.BitLen() < minKey || public.N.BitLen() > maxKey || hash == 0 {
		return nil, errRequestWeak
	}
	h := hash.New()
	h.Write(r.Info.Raw)
	if rsa.VerifyPKCS1v15(public, hash, h.Sum(nil), r.Signature.Bytes) != nil {
		return nil, errRequestUnproved
	}
	return public, nil
}

var (
	oidRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA256RSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidSHA384RSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}
	oidSHA512RSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}
	oidSHA256    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

// hashOf is the hash of a signature's algorithm; where that says nothing but RSA,
// of the digest's. SHA-1 is none.
func hashOf(signature, digest asn1.ObjectIdentifier) crypto.Hash {
	for _, row := range []struct {
		signature, digest asn1.ObjectIdentifier
		hash              crypto.Hash
	}{{oidSHA256RSA, oidSHA256, crypto.SHA256}, {oidSHA384RSA, oidSHA384, crypto.SHA384}, {oidSHA512RSA, oidSHA512, crypto.SHA512}} {
		if signature.Equal(row.signature) && (len(digest) == 0 || digest.Equal(row.digest)) || signature.Equal(oidRSA) && digest.Equal(row.digest) {
			return row.hash
		}
	}
	return 0
}
