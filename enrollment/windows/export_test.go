package windows

import (
	"crypto/x509"
	"time"
)

// What tests compare byte for byte, and what they throw rubbish at.

func WriteDiscovered(relatesTo, activity, version string, at Endpoints) string {
	var d document
	writeDiscovered(&d, relatesTo, activity, version, at)
	return d.String()
}

func WriteIssued(relatesTo string, now time.Time, provisioned string) string {
	var d document
	writeIssued(&d, relatesTo, now, []byte(provisioned))
	return d.String()
}

// Fault is a row of the table.
type Fault struct {
	Name, Subcode string
	Result        uint32
	Typed         bool
	XML           string // as it is answered
}

func Faults(relatesTo, trace string) (list []Fault) {
	for _, f := range allFaults {
		var d document
		writeFault(&d, actionResponse, relatesTo, trace, f)
		list = append(list, Fault{f.name, f.subcode, f.result, f.typed(), d.String()})
	}
	return list
}

// FaultOf is the name of the fault for an error, and the code of its reason.
func FaultOf(err error) (name, code string) {
	r := refusalOf(err)
	return r.fault.name, r.code
}

// WriteVector writes a provisioning document around given certificates.
func WriteVector(root, rootSum, client, clientSum, subject string) string {
	var d document
	provisioning{
		root: root, rootSum: rootSum, client: client, clientSum: clientSum, store: storeUser, subject: subject,
		providerID: "ExampleMDM", name: "Example MDM", management: "https://mdm.example.com/ManagementServer/MDM.svc",
		upn: "user@example.com", deviceName: "USER_Windows", poll: 26 * time.Hour,
	}.write(&d)
	return d.String()
}

// Login is what a message signs in with.
func Login(raw []byte) (action, id, username, password string, err error) {
	m, err := parseMessage(raw)
	if err != nil {
		return "", m.id, "", "", err
	}
	username, secret, err := m.login()
	return m.action, m.id, username, secret.Reveal(), err
}

// TokenRequest is a request for a certificate.
func TokenRequest(raw []byte) (renew bool, request []byte, context map[string]string, err error) {
	m, err := parseMessage(raw)
	if err != nil {
		return false, nil, nil, err
	}
	q, err := parseTokenRequest(m.body)
	return q.renew, q.request, q.context, err
}

// DiscoverRequest says the version that is answered, and the ways to sign in.
func DiscoverRequest(raw []byte) (version string, ways []string, err error) {
	m, err := parseMessage(raw)
	if err != nil {
		return "", nil, err
	}
	q, err := parseDiscover(m.body)
	return q.version(), q.policies, err
}

// Session is one message, and the answer without commands.
func Session(raw []byte) (source string, left, begins bool, results map[string]string, reply string, err error) {
	m, err := parseSession(raw)
	if err != nil {
		return "", false, false, nil, "", err
	}
	return m.source, m.left, m.begins, m.results, string(newReply(m).finish()), nil
}

func ParseCSR(der []byte) (any, error) { return parseCSR(der) }

func ParseSigned(der []byte) ([]byte, *x509.Certificate, error) { return parseSigned(der) }

func ParseXML(raw []byte) error {
	_, err := parseXML(raw)
	return err
}

// EnrollmentName reads a name and writes it again.
func EnrollmentName(name string) (string, bool) {
	e, ok := parseEnrolledAs(name)
	return e.name(), ok
}

func ComputerOf(deviceID string) string { return computerOf(deviceID) }
