package windows_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
)

// Keys take long to make; a computer more or less may share one.
var keys = [2]func() *rsa.PrivateKey{sync.OnceValue(newKey), sync.OnceValue(newKey)}

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	return key
}

// computer is a computer with Windows, as far as it enrolls.
type computer struct {
	*world
	id, hardware, name string
	kind               string // EnrollmentType
	key                *rsa.PrivateKey
	cert               *x509.Certificate
}

func (w *world) computer(n int) *computer {
	return &computer{
		world: w, id: fmt.Sprintf("7BA748C8703E4DF2A74A9298411734%02X", n), hardware: fmt.Sprintf("00AA11BB%02X", n),
		name: fmt.Sprintf("DESKTOP-%d", n), kind: "Full", key: keys[n%2](),
	}
}

const wsse = `<wsse:Security s:mustUnderstand="1"><wsse:UsernameToken u:Id="uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4"><wsse:Username>%s</wsse:Username><wsse:Password wsse:Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText">%s</wsse:Password></wsse:UsernameToken></wsse:Security>`

const namespaces = `xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" xmlns:wst="http://docs.oasis-open.org/ws-sx/ws-trust/200512" xmlns:ac="http://schemas.xmlsoap.org/ws/2006/12/authorization" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`

// envelope puts a header and a body around each other.
func envelope(action, security, body string) string {
	return `<s:Envelope ` + namespaces + `><s:Header><a:Action s:mustUnderstand="1">` + action + `</a:Action><a:MessageID>urn:uuid:1</a:MessageID>` +
		security + `</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func security(username, password string) string {
	return fmt.Sprintf(wsse, escape(username), escape(password))
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

const (
	getPolicies  = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies"
	requestToken = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep"
	policiesBody = `<GetPolicies xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"><client><lastUpdate xsi:nil="true"/><preferredLanguage xsi:nil="true"/></client><requestFilter xsi:nil="true"/></GetPolicies>`
)

// policies asks for the policies.
func (c *computer) policies(username, password string) string {
	c.Helper()
	return c.soap("/policy", envelope(getPolicies, security(username, password), policiesBody))
}

// csr is a certificate request, with a subject that only Windows writes.
func (c *computer) csr() []byte {
	c.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "F717C0F0-5F68-4AC3-A341-01B254"}, SignatureAlgorithm: x509.SHA256WithRSA,
	}, c.key)
	require.NoError(c, err)
	return der
}

// sign signs a request anew whose inside was changed.
func (c *computer) sign(der []byte) []byte {
	c.Helper()
	var r struct {
		Info      asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	_, err := asn1.Unmarshal(der, &r)
	require.NoError(c, err)
	sum := sha256.Sum256(r.Info.FullBytes)
	r.Signature.Bytes, err = rsa.SignPKCS1v15(nil, c.key, crypto.SHA256, sum[:])
	require.NoError(c, err)
	der, err = asn1.Marshal(r)
	require.NoError(c, err)
	return der
}

func (c *computer) context() string {
	item := func(name, value string) string {
		return `<ac:ContextItem Name="` + name + `"><ac:Value>` + escape(value) + `</ac:Value></ac:ContextItem>`
	}
	return `<ac:AdditionalContext>` + item("DeviceID", c.id) + item("DeviceName", c.name) + item("EnrollmentType", c.kind) +
		item("DeviceType", "CIMClient_Windows") + item("OSVersion", "10.0.22631.0") + item("MAC", "00-00-00-00-00-01") +
		item("MAC", "00-00-00-00-00-02") + item("HWDevID", c.hardware) + `</ac:AdditionalContext>`
}

func rst(kind, valueType string, token []byte, context string) string {
	return `<wst:RequestSecurityToken><wst:TokenType>http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken</wst:TokenType><wst:RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/` +
		kind + `</wst:RequestType><wsse:BinarySecurityToken ValueType="http://schemas.microsoft.com/windows/pki/2009/01/enrollment#` + valueType +
		`" EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary">` +
		base64.StdEncoding.EncodeToString(token) + `</wsse:BinarySecurityToken>` + context + `</wst:RequestSecurityToken>`
}

// request is the message that asks for a certificate.
func (c *computer) request(username, password string) string {
	return envelope(requestToken, security(username, password), rst("Issue", "PKCS10", c.csr(), c.context()))
}

// enroll asks for a certificate and keeps it.
func (c *computer) enroll(username, password string) *computer {
	c.Helper()
	c.keep(c.soap("/enrollment", c.request(username, password)))
	return c
}

// characteristic is a part of a provisioning document.
type characteristic struct {
	Type  string `xml:"type,attr"`
	Parms []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"parm"`
	Parts []characteristic `xml:"characteristic"`
}

// parm is the value at a path of types, whose last part is a name.
func (p characteristic) parm(path ...string) string {
	if len(path) == 1 {
		for _, parm := range p.Parms {
			if parm.Name == path[0] {
				return parm.Value
			}
		}
		return ""
	}
	for _, part := range p.Parts {
		if part.Type == path[0] || path[0] == "*" {
			return part.parm(path[1:]...)
		}
	}
	return ""
}

// document reads the provisioning document in an answer.
func (w *world) document(answer string) characteristic {
	w.Helper()
	p, err := readDocument(answer)
	require.NoError(w, err, answer)
	return p
}

// rawDocument is the text of the document in an answer.
func rawDocument(answer string) ([]byte, error) {
	_, rest, _ := strings.Cut(answer, "<BinarySecurityToken")
	return base64.StdEncoding.DecodeString(between(rest, ">", "<"))
}

func readDocument(answer string) (p characteristic, err error) {
	raw, err := rawDocument(answer)
	if err == nil {
		err = xml.Unmarshal(raw, &p)
	}
	return p, err
}

// keep takes the certificate out of an answer, as the device does: it has to be
// signed by the root that comes along.
func (c *computer) keep(answer string) {
	c.Helper()
	doc := c.document(answer)
	store := "User"
	if c.kind == "Device" {
		store = "System"
	}
	root := certificate(c.world, doc.parm("CertificateStore", "Root", "System", "*", "EncodedCertificate"))
	c.cert = certificate(c.world, doc.parm("CertificateStore", "My", store, "*", "EncodedCertificate"))
	require.NoError(c, c.cert.CheckSignatureFrom(root))
	require.True(c, c.key.PublicKey.Equal(c.cert.PublicKey))
}

func certificate(w *world, text string) *x509.Certificate {
	w.Helper()
	cert, err := readCertificate(text)
	require.NoError(w, err)
	return cert
}

func readCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// sync is a message of a session.
func (c *computer) sync(message int, commands string) string {
	return fmt.Sprintf(`<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>%d</MsgID><Target><LocURI>https://mdm.example.com/join/platform/windows/manage</LocURI></Target><Source><LocURI>%s</LocURI></Source></SyncHdr><SyncBody>%s<Final/></SyncBody></SyncML>`, message, c.id, commands)
}

const (
	begins  = `<Alert><CmdID>2</CmdID><Data>1201</Data></Alert><Replace><CmdID>4</CmdID><Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Contoso</Data></Item></Replace>`
	goodbye = `<Alert><CmdID>2</CmdID><Data>1226</Data><Item><Meta><Type xmlns="syncml:metinf">com.microsoft:mdm.unenrollment.userrequest</Type><Format xmlns="syncml:metinf">int</Format></Meta><Data>1</Data></Item></Alert>`
)

// manage sends one message of a session and returns the answer.
func (c *computer) manage(body string) string {
	c.Helper()
	rec := c.postAs(c.cert, "/manage", body)
	require.Equal(c, 200, rec.Code, rec.Body)
	require.Equal(c, "application/vnd.syncml.dm+xml", rec.Header().Get("Content-Type"))
	require.Equal(c, fmt.Sprint(rec.Body.Len()), rec.Header().Get("Content-Length"))
	return rec.Body.String()
}

// answers are the values of the nodes that a message asked for.
func (c *computer) answers(asked string, values map[string]string) string {
	var b strings.Builder
	for i, part := range strings.Split(asked, "<Get>")[1:] {
		node := between(part, "<LocURI>", "<")
		value, known := values[node]
		if !known {
			fmt.Fprintf(&b, `<Status><CmdID>%d</CmdID><MsgRef>1</MsgRef><CmdRef>%s</CmdRef><Cmd>Get</Cmd><Data>404</Data></Status>`, i+10, between(part, "<CmdID>", "<"))
			continue
		}
		fmt.Fprintf(&b, `<Results><CmdID>%d</CmdID><MsgRef>1</MsgRef><CmdRef>%s</CmdRef><Item><Source><LocURI>%s</LocURI></Source><Data>%s</Data></Item></Results>`,
			i+10, between(part, "<CmdID>", "<"), node, escape(value))
	}
	return b.String()
}

// details are what a computer answers.
func (c *computer) details() map[string]string {
	return map[string]string{
		"./DevDetail/Ext/Microsoft/DeviceName": c.name, "./DevDetail/SwV": "10.0.22631.4317",
		"./DevInfo/Man": "Contoso", "./DevInfo/Mod": "Book 3", "./DevDetail/Ext/Microsoft/OSPlatform": "Windows 11 Pro",
		"./DevDetail/Ext/Microsoft/SMBIOSSerialNumber": "SN-" + c.hardware,
	}
}

// session is a whole one.
func (c *computer) session() {
	c.Helper()
	asked := c.manage(c.sync(1, begins))
	c.manage(c.sync(2, c.answers(asked, c.details())))
}
