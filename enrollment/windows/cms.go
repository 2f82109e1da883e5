package windows

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
)

// maxCertificates is how many certificates may come along with a renewal: the
// device's own, and those of the authority.
const maxCertificates = 4

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
)

// The parts of a SignedData (RFC 5652, section 5) that a renewal has: one content,
// one signer, whose certificate comes along.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      encapsulated
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []signerInfo  `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

type signerInfo struct {
	Version   int
	Signer    issuerAndSerial
	Digest    pkix.AlgorithmIdentifier
	Signed    asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
	Unsigned  asn1.RawValue `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// parseSigned returns what was signed, and the certificate whose key signed it.
// Who signed the certificate is not looked at.
func parseSigned(der []byte) (content []byte, signer *x509.Certificate, err error) {
	var outer contentInfo
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil || len(rest) > 0 || !outer.Type.Equal(oidSignedData) {
		return nil, nil, errRequestMalformed
	}
	var data signedData
	rest, err = asn1.Unmarshal(outer.Content.Bytes, &data)
	if err != nil || len(rest) > 0 || !data.Content.Type.Equal(oidData) || len(data.Signers) != 1 {
		return nil, nil, errRequestMalformed
	}
	by := data.Signers[0]
	if signer = certificateOf(data.Certificates.Bytes, by.Signer); signer == nil {
		return nil, nil, errRequestMalformed
	}
	public, ok := signer.PublicKey.(*rsa.PublicKey)
	hash := hashOf(by.Algorithm.Algorithm, by.Digest.Algorithm)
	if !ok || public.N.BitLen() > maxKey || hash == 0 {
		return nil, nil, errRequestWeak
	}
	h := hash.New()
	h.Write(data.Content.Content)
	digest := h.Sum(nil)
	if len(by.Signed.FullBytes) > 0 {
		if !attests(by.Signed.Bytes, digest) {
			return nil, nil, errRequestUnproved
		}
		// What is signed is the attributes as a SET, which is how they count as
		// one, and not with the tag by which they are embedded.
		set := append([]byte{asn1.TagSet | 0x20}, by.Signed.FullBytes[1:]...)
		h.Reset()
		h.Write(set)
		digest = h.Sum(nil)
	}
	if rsa.VerifyPKCS1v15(public, hash, digest, by.Signature) != nil {
		return nil, nil, errRequestUnproved
	}
	return data.Content.Content, signer, nil
}

// certificateOf finds the signer's certificate among those that came along.
func certificateOf(list []byte, by issuerAndSerial) *x509.Certificate {
	for range maxCertificates {
		var one asn1.RawValue
		rest, err := asn1.Unmarshal(list, &one)
		if err != nil || by.Serial == nil {
			return nil
		}
		cert, err := x509.ParseCertificate(one.FullBytes)
		if err == nil && bytes.Equal(cert.RawIssuer, by.Issuer.FullBytes) && cert.SerialNumber.Cmp(by.Serial) == 0 {
			return cert
		}
		list = rest
	}
	return nil
}

// attests reports whether signed attributes are about content of this digest.
func attests(attributes, digest []byte) bool {
	typed, digested := 0, 0
	for len(attributes) > 0 {
		var a attribute
		rest, err := asn1.Unmarshal(attributes, &a)
		if err != nil {
			return false
		}
		attributes = rest
		switch {
		case a.Type.Equal(oidContentType):
			var is asn1.ObjectIdentifier
			if typed++; len(a.Values) != 1 || unmarshalAll(a.Values[0].FullBytes, &is) != nil || !is.Equal(oidData) {
				return false
			}
		case a.Type.Equal(oidMessageDigest):
			var is []byte
			if digested++; len(a.Values) != 1 || unmarshalAll(a.Values[0].FullBytes, &is) != nil || !bytes.Equal(is, digest) {
				return false
			}
		}
	}
	return typed == 1 && digested == 1
}

func unmarshalAll(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		err = errRequestMalformed
	}
	return err
}
