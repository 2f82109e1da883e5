package windows

import (
	"crypto/sha1" // the name that Windows has for a certificate
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	// RenewDays is how many days before the end of its certificate a device asks for
	// another, and again each four days.
	RenewDays = 60

	renewRetry = "4"
)

// provisioning is the document that makes a device managed: whom to trust, who it
// is, and where its server is. Names are case-sensitive.
type provisioning struct {
	root, client string // certificates
	rootSum      string // and their names in the device's stores
	clientSum    string
	store        string

	providerID string
	name       string
	management string
	subject    string // common name of the client certificate
	upn        string // who enrolled; empty: left out
	deviceName string // empty: left out
	deviceID   string // likewise; a device without one does not renew its certificate
	poll       time.Duration
}

// certificates fills in those of a device.
func (p provisioning) certificates(root, client *x509.Certificate) provisioning {
	p.root, p.rootSum = encodedCertificate(root)
	p.client, p.clientSum = encodedCertificate(client)
	p.subject = client.Subject.CommonName
	return p
}

func encodedCertificate(c *x509.Certificate) (text, thumbprint string) {
	return base64.StdEncoding.EncodeToString(c.Raw), fmt.Sprintf("%X", sha1.Sum(c.Raw))
}

// write writes the whole document.
func (p provisioning) write(d *document) {
	d.raw(`<wap-provisioningdoc version="1.1">`)
	p.writeStores(d, `</characteristic><characteristic type="PrivateKeyContainer"/>`)
	d.raw(`<characteristic type="APPLICATION">`)
	parm(d, "APPID", "w7", "")
	parm(d, "PROVIDER-ID", p.providerID, "")
	parm(d, "NAME", p.name, "")
	parm(d, "ADDR", p.management, "")
	parm(d, "CONNRETRYFREQ", "6", "")
	parm(d, "INITIALBACKOFFTIME", "30000", "")
	parm(d, "MAXBACKOFFTIME", "120000", "")
	d.raw(`<parm name="BACKCOMPATRETRYDISABLED"/>`)
	parm(d, "DEFAULTENCODING", syncMLType, "")
	parm(d, "SSLCLIENTCERTSEARCHCRITERIA", "Subject=CN%3d"+url.QueryEscape(p.subject)+"&Stores=My%5C"+p.store, "")
	// Who the device is is proved by its certificate; the protocol wants passwords all
	// the same, so these are no secrets.
	d.raw(`<characteristic type="APPAUTH"><parm name="AAUTHLEVEL" value="CLIENT"/><parm name="AAUTHTYPE" value="DIGEST"/>`,
		`<parm name="AAUTHSECRET" value="dummy"/><parm name="AAUTHDATA" value="bm9uY2U="/></characteristic>`,
		`<characteristic type="APPAUTH"><parm name="AAUTHLEVEL" value="APPSRV"/><parm name="AAUTHTYPE" value="DIGEST"/>`,
		`<parm name="AAUTHNAME" value="dummy"/><parm name="AAUTHSECRET" value="dummy"/><parm name="AAUTHDATA" value="bm9uY2U="/></characteristic>`,
		`</characteristic><characteristic type="DMClient"><characteristic type="Provider">`)
	begin(d, p.providerID)
	if p.upn != "" {
		parm(d, "UPN", p.upn, "string")
	}
	if p.deviceName != "" {
		parm(d, "EntDeviceName", p.deviceName, "string")
	}
	if p.deviceID != "" {
		parm(d, "EntDMID", p.deviceID, "string")
	}
	d.raw(`<characteristic type="Poll">`)
	// Soon and often at first, so that a device that was offline after its enrollment
	// is not pending for long.
	for _, poll := range [][2]string{
		{"NumberOfFirstRetries", "8"}, {"IntervalForFirstSetOfRetries", "15"},
		{"NumberOfSecondRetries", "5"}, {"IntervalForSecondSetOfRetries", "3"},
		{"NumberOfRemainingScheduledRetries", "0"}, {"IntervalForRemainingScheduledRetries", strconv.Itoa(int(p.poll / time.Minute))},
	} {
		parm(d, poll[0], poll[1], "integer")
	}
	parm(d, "PollOnLogin", "true", "boolean")
	d.raw(`</characteristic></characteristic></characteristic></characteristic></wap-provisioningdoc>`)
}

// writeRenewed writes the document of a renewal: all but the certificates stays as
// it is on the device. The place of the key is another one than at first, as it is
// in what Microsoft writes of both.
func (p provisioning) writeRenewed(d *document) {
	d.raw(`<wap-provisioningdoc version="1.1">`)
	p.writeStores(d, `<characteristic type="PrivateKeyContainer"/></characteristic>`)
	d.raw(`<characteristic type="APPLICATION">`)
	parm(d, "PROVIDER-ID", p.providerID, "")
	d.raw(`</characteristic></wap-provisioningdoc>`)
}

// writeStores writes the certificates; key ends the client's and says where its key
// is.
func (p provisioning) writeStores(d *document, key string) {
	d.raw(`<characteristic type="CertificateStore"><characteristic type="Root"><characteristic type="System">`)
	begin(d, p.rootSum)
	parm(d, "EncodedCertificate", p.root, "")
	d.raw(`</characteristic></characteristic></characteristic><characteristic type="My"><characteristic type="`, p.store, `">`)
	begin(d, p.clientSum)
	parm(d, "EncodedCertificate", p.client, "")
	d.raw(key, `</characteristic>`,
		`<characteristic type="WSTEP"><characteristic type="Renew">`)
	parm(d, "ROBOSupport", "true", "boolean")
	parm(d, "RenewPeriod", fmt.Sprint(RenewDays), "integer")
	parm(d, "RetryInterval", renewRetry, "integer")
	d.raw(`</characteristic></characteristic></characteristic></characteristic>`)
}

func begin(d *document, name string) {
	d.raw(`<characteristic type="`)
	d.text(name)
	d.raw(`">`)
}

func parm(d *document, name, value, datatype string) {
	d.raw(`<parm name="`, name, `" value="`)
	d.text(value)
	d.raw(`"`)
	if datatype != "" {
		d.raw(` datatype="`, datatype, `"`)
	}
	d.raw(`/>`)
}
