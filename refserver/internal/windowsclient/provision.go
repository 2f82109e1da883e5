package windowsclient

import (
	"crypto/sha1" //nolint:gosec // a thumbprint, as Windows names certificates
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Provision is a provisioning document, as far as a client acts on it.
type Provision struct {
	Roots       []*x509.Certificate
	Certificate *x509.Certificate
	Address     string // of the management server
	ProviderID  string
	UPN         string
	RenewPeriod string // in days; empty: not renewed by itself
}

type characteristic struct {
	Type  string `xml:"type,attr"`
	Parms []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"parm"`
	Inner []characteristic `xml:"characteristic"`
}

// at walks down by types.
func (c *characteristic) at(path ...string) *characteristic {
	for _, step := range path {
		if c == nil {
			return nil
		}
		var next *characteristic
		for i := range c.Inner {
			if c.Inner[i].Type == step {
				next = &c.Inner[i]
			}
		}
		c = next
	}
	return c
}

func (c *characteristic) parm(name string) string {
	if c == nil {
		return ""
	}
	for _, p := range c.Parms {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// certificates are those in a store, each under its thumbprint.
func (c *characteristic) certificates() (list []*x509.Certificate, err error) {
	if c == nil {
		return nil, nil
	}
	for _, inner := range c.Inner {
		text := inner.parm("EncodedCertificate")
		if text == "" {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		if sum := fmt.Sprintf("%X", sha1.Sum(der)); inner.Type != sum { //nolint:gosec // as above
			return nil, fmt.Errorf("windowsclient: a certificate under %q, its thumbprint is %s", inner.Type, sum)
		}
		list = append(list, cert)
	}
	return list, nil
}

// readProvision reads a document for a store, "User" or "System". A renewal may
// leave out what was there before.
func readProvision(text []byte, store string, before *Provision) (*Provision, error) {
	var doc struct {
		XMLName xml.Name
		Version string `xml:"version,attr"`
		characteristic
	}
	if err := xml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("windowsclient: provisioning document: %w", err)
	}
	if doc.XMLName.Local != "wap-provisioningdoc" || doc.Version != "1.1" {
		return nil, errors.New("windowsclient: no provisioning document")
	}
	p := &Provision{}
	if before != nil {
		*p = *before
	}
	root := &doc.characteristic
	mine := root.at("CertificateStore", "My", store)
	list, err := mine.certificates()
	if err != nil {
		return nil, err
	}
	if len(list) != 1 || mine.at("PrivateKeyContainer") == nil && before == nil {
		return nil, fmt.Errorf("windowsclient: %d certificates in My/%s, or no PrivateKeyContainer", len(list), store)
	}
	p.Certificate = list[0]
	roots, err := root.at("CertificateStore", "Root", "System").certificates()
	if err != nil {
		return nil, err
	}
	if len(roots) > 0 {
		p.Roots = roots
	}
	p.RenewPeriod = root.at("CertificateStore", "My", "WSTEP", "Renew").parm("RenewPeriod")
	if err := p.verify(); err != nil {
		return nil, err
	}
	w7 := root.at("APPLICATION")
	if renewed := before != nil && (w7 == nil || w7.parm("APPID") == ""); renewed && w7 != nil && w7.parm("PROVIDER-ID") != p.ProviderID {
		return nil, errors.New("windowsclient: a renewal of another server's account")
	} else if !renewed {
		if err := p.application(root, w7, store); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// verify chains the certificate to the roots.
func (p *Provision) verify() error {
	pool := x509.NewCertPool()
	for _, root := range p.Roots {
		pool.AddCert(root)
	}
	_, err := p.Certificate.Verify(x509.VerifyOptions{
		Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CurrentTime: p.Certificate.NotBefore.Add(p.Certificate.NotAfter.Sub(p.Certificate.NotBefore) / 2), // a test's clock may be elsewhere
	})
	if err != nil {
		return fmt.Errorf("windowsclient: the certificate does not chain to the root in the document: %w", err)
	}
	return nil
}

// application reads the account of the management server.
func (p *Provision) application(root, w7 *characteristic, store string) error {
	p.Address, p.ProviderID = w7.parm("ADDR"), w7.parm("PROVIDER-ID")
	provider := root.at("DMClient", "Provider", p.ProviderID)
	p.UPN = provider.parm("UPN")
	at, err := url.Parse(p.Address)
	// Subject=CN%3d...&Stores=My%5CUser
	criteria, wrong := url.ParseQuery(w7.parm("SSLCLIENTCERTSEARCHCRITERIA"))
	switch {
	case w7.parm("APPID") != "w7":
		return errors.New("windowsclient: no w7 APPLICATION")
	case err != nil || at.Scheme != "https" || at.Host == "":
		return fmt.Errorf("windowsclient: ADDR %q", p.Address)
	case provider == nil:
		return errors.New("windowsclient: DMClient's provider is not PROVIDER-ID")
	case w7.parm("DEFAULTENCODING") != syncMedia:
		return errors.New("windowsclient: no DEFAULTENCODING")
	case wrong != nil || !strings.EqualFold(criteria.Get("Subject"), p.Certificate.Subject.String()) || criteria.Get("Stores") != `My\`+store:
		return fmt.Errorf("windowsclient: SSLCLIENTCERTSEARCHCRITERIA %q does not find the certificate", w7.parm("SSLCLIENTCERTSEARCHCRITERIA"))
	}
	return nil
}
