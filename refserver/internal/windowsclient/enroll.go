package windowsclient

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/smallstep/pkcs7"
)

// Credential is what a person types into the enrollment client.
type Credential struct{ Username, Password string }

type policiesResponse struct {
	Response struct {
		Policies struct {
			Policy []struct {
				Attributes struct {
					PrivateKeyAttributes struct {
						MinimalKeyLength int `xml:"minimalKeyLength"`
					} `xml:"privateKeyAttributes"`
				} `xml:"attributes"`
			} `xml:"policy"`
		} `xml:"policies"`
	} `xml:"response"`
}

type tokenResponses struct {
	Response []struct {
		TokenType string
		Requested struct {
			Token struct {
				ValueType    string `xml:"ValueType,attr"`
				EncodingType string `xml:"EncodingType,attr"`
				Text         string `xml:",chardata"`
			} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd BinarySecurityToken"`
		} `xml:"RequestedSecurityToken"`
	} `xml:"RequestSecurityTokenResponse"`
}

// Enroll does all of it: the probe, discovery, policies, the certificate.
func (c *Client) Enroll(ctx context.Context, with Credential) error {
	if err := c.Probe(ctx); err != nil {
		return err
	}
	if err := c.Discover(ctx, with.Username); err != nil {
		return err
	}
	if err := c.Policies(ctx, with); err != nil {
		return err
	}
	return c.Request(ctx, with)
}

// Policies asks for the policies of certificates.
func (c *Client) Policies(ctx context.Context, with Credential) error {
	id := c.messageID()
	e, err := c.call(ctx, c.Services.Policy, c.policies(id, with), actionPolicies+"Response", id)
	if err != nil {
		return err
	}
	if e.Body.Policies == nil || len(e.Body.Policies.Response.Policies.Policy) == 0 {
		return errors.New("windowsclient: an answer without a policy")
	}
	if n := e.Body.Policies.Response.Policies.Policy[0].Attributes.PrivateKeyAttributes.MinimalKeyLength; n != 2048 {
		return fmt.Errorf("windowsclient: a policy for keys of %d bits", n)
	}
	return nil
}

func (c *Client) policies(id string, with Credential) string {
	return fmt.Sprintf(policiesMessage, actionPolicies, id, escape(c.Services.Policy), with.header())
}

func (p Credential) header() string {
	return fmt.Sprintf(securityHeader, escape(p.Username), escape(p.Password))
}

// Request asks for a certificate for a new key, and installs the document that
// comes with it.
func (c *Client) Request(ctx context.Context, with Credential) error {
	key, err := c.NewKey()
	if err != nil {
		return err
	}
	return c.RequestFor(ctx, with, key)
}

// RequestFor is Request for a key.
func (c *Client) RequestFor(ctx context.Context, with Credential, key *rsa.PrivateKey) error {
	der, err := c.certificateRequest(key)
	if err != nil {
		return err
	}
	return c.RequestWith(ctx, with, der, key)
}

// RequestWith is Request with a PKCS#10 as it is.
func (c *Client) RequestWith(ctx context.Context, with Credential, der []byte, key *rsa.PrivateKey) error {
	id := c.messageID()
	return c.install(ctx, c.request(id, with.header(), "Issue", "PKCS10", der), id, key)
}

// certificateRequest is a PKCS#10 as Windows makes it: its subject says nothing.
func (c *Client) certificateRequest(key *rsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: c.Device.ID + "!" + c.Device.Name}, SignatureAlgorithm: x509.SHA256WithRSA,
	}, key)
}

// Renew asks for a certificate for a new key by the one it has.
func (c *Client) Renew(ctx context.Context) error {
	if c.Provision == nil {
		return errors.New("windowsclient: not enrolled")
	}
	key, err := c.NewKey()
	if err != nil {
		return err
	}
	der, err := c.certificateRequest(key)
	if err != nil {
		return err
	}
	signed, err := pkcs7.NewSignedData(der)
	if err != nil {
		return err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(c.Provision.Certificate, c.Key, pkcs7.SignerInfoConfig{}); err != nil {
		return err
	}
	if der, err = signed.Finish(); err != nil {
		return err
	}
	id := c.messageID()
	return c.install(ctx, c.request(id, "", "Renew", "PKCS7", der), id, key)
}

func (c *Client) request(id, header, kind, form string, der []byte) string {
	var items strings.Builder
	for _, item := range c.Style.items(c.Device.items()) {
		fmt.Fprintf(&items, contextItem, escape(item[0]), escape(item[1]))
	}
	return fmt.Sprintf(requestMessage, actionRequest, id, escape(c.Services.Enrollment), header, kind, form, base64.StdEncoding.EncodeToString(der), items.String())
}

// install sends a request and takes over what comes back.
func (c *Client) install(ctx context.Context, message, id string, key *rsa.PrivateKey) error {
	e, err := c.call(ctx, c.Services.Enrollment, message, actionResponses, id)
	if err != nil {
		return err
	}
	document, err := e.document()
	if err != nil {
		return err
	}
	p, err := readProvision(document, c.store(), c.Provision)
	if err != nil {
		return err
	}
	if !key.PublicKey.Equal(p.Certificate.PublicKey) {
		return errors.New("windowsclient: the certificate is for another key")
	}
	c.Provision, c.Key = p, key
	return nil
}

// store is where the document puts the certificate.
func (c *Client) store() string {
	if c.Device.Type == "Device" {
		return "System"
	}
	return "User"
}

// document is the provisioning document in an answer.
func (e envelope) document() ([]byte, error) {
	if e.Body.Tokens == nil || len(e.Body.Tokens.Response) != 1 {
		return nil, errors.New("windowsclient: an answer without a token")
	}
	token := e.Body.Tokens.Response[0].Requested.Token
	if token.ValueType != "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc" {
		return nil, fmt.Errorf("windowsclient: a token of type %q", token.ValueType)
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(token.Text))
}
