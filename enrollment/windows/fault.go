package windows

import (
	"errors"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// fault is one way in which a device is told no. Windows shows the person its own
// words for the result code; the text is for whoever looks at the traffic.
type fault struct {
	name    string // of the error type, or of the subcode where there is none
	subcode string
	result  uint32 // what Windows makes of it, an HRESULT
	text    string
}

// typed says that the fault has a detail with an error type: its subcode alone
// does not tell it from others.
func (f fault) typed() bool { return f.subcode == "s:Authorization" && f.name != "Authorization" }

// The faults of MS-MDE2 (section 2.2.9.2 and what Microsoft documents of it).
var (
	faultMessageFormat      = fault{"MessageFormat", "s:MessageFormat", 0x80180001, "The message cannot be read"}
	faultAuthentication     = fault{"Authentication", "s:Authentication", 0x80180002, "The user name or the password is wrong"}
	faultAuthorization      = fault{"Authorization", "s:Authorization", 0x80180003, "The invitation is over"}
	faultCertificateRequest = fault{"CertificateRequest", "s:CertificateRequest", 0x80180004, "The certificate request was refused"}
	faultEnrollmentServer   = fault{"EnrollmentServer", "s:EnrollmentServer", 0x80180005, "Try again in a moment"}
	faultInternal           = fault{"InternalServiceFault", "a:InternalServiceFault", 0x80180006, "The server made a mistake"}
	faultInvalidSecurity    = fault{"InvalidSecurity", "a:InvalidSecurity", 0x80180007, "The security header is not one with a user name and a password"}
	faultDeviceCapReached   = fault{"DeviceCapReached", "s:Authorization", 0x80180013, "Device limit reached"}
	faultDeviceNotSupported = fault{"DeviceNotSupported", "s:Authorization", 0x80180014, "This kind of device is not managed here"}
	faultNotSupported       = fault{"NotSupported", "s:Authorization", 0x80180015, "This way of enrolling is not offered"}
	faultNotEligibleToRenew = fault{"NotEligibleToRenew", "s:Authorization", 0x80180016, "The certificate is not renewed"}
	faultUserLicense        = fault{"UserLicense", "s:Authorization", 0x80180018, "The company has as many devices as it may have"}
	faultEnrollmentData     = fault{"InvalidEnrollmentData", "s:Authorization", 0x80180019, "What the device says of itself cannot be meant"}
)

// allFaults is the whole table, for tests.
var allFaults = []fault{
	faultMessageFormat, faultAuthentication, faultAuthorization, faultCertificateRequest, faultEnrollmentServer,
	faultInternal, faultInvalidSecurity, faultDeviceCapReached, faultDeviceNotSupported, faultNotSupported,
	faultNotEligibleToRenew, faultUserLicense, faultEnrollmentData,
}

// refusal is an error that says how a device is told, and by which code the
// journal and the log know it.
type refusal struct {
	fault fault
	code  string
}

func (r *refusal) Error() string { return "windows: " + r.code }

func refuse(f fault, code string) error { return &refusal{f, code} }

// refusalOf says how a device is told of an error. What is wrong with a credential
// looks the same whatever it is: only who has proved one is told that the
// invitation behind it is over or full.
func refusalOf(err error) *refusal {
	code := enrollment.Code(err)
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if _, ok := errors.AsType[*enrollment.PacedError](err); ok {
		late := faultAuthentication
		late.text = "Too many tries: wait a moment and try again"
		return &refusal{late, code}
	}
	if v, ok := errors.AsType[*enrollment.ValidationError](err); ok {
		return &refusal{faultOfField(v), code}
	}
	for _, row := range answers {
		if errors.Is(err, row.err) {
			return &refusal{row.fault, row.code()}
		}
	}
	return &refusal{faultEnrollmentServer, code}
}

// answers says which error is told by which fault; the first one that fits counts.
// Who proved a login and is refused gets both the reason and
// enrollment.ErrCredentialRefused.
var answers = []answer{
	{invitation.ErrDeactivated, faultAuthorization},
	{invitation.ErrExpired, faultAuthorization},
	{invitation.ErrExhausted, faultDeviceCapReached},
	{enrollment.ErrSiteFull, faultUserLicense},
	{enrollment.ErrInvitationUnknown, faultAuthorization},
	{enrollment.ErrSelfServiceOff, faultAuthorization},
	{enrollment.ErrLoginUsed, faultAuthentication},
	{enrollment.ErrLoginExpired, faultAuthentication},
	{enrollment.ErrCredentialRefused, faultAuthentication},
	{enrollment.ErrGrantUsed, faultAuthentication},  // another device has used the login
	{enrollment.ErrSuperseded, faultAuthentication}, // or this one, and has come by another since
	{enrollment.ErrGrantRefused, faultAuthentication},
	{enrollment.ErrGrantExpired, faultAuthentication},
	{enrollment.ErrDeviceGone, faultAuthorization},
	{ErrCertificateUnknown, faultNotEligibleToRenew},
	{ErrCertificateExpired, faultNotEligibleToRenew},
	{ErrTooManyCertificates, faultCertificateRequest},
}

type answer struct {
	err   error
	fault fault
}

// code is the reason for the journal.
func (a answer) code() string { return codeOf(a.err) }

// faultOfField says what a request that is malformed is told.
func faultOfField(v *enrollment.ValidationError) fault {
	for _, f := range v.Fields {
		switch f.Field {
		case "username", "password":
			return faultAuthentication
		case "mode", "device.platform":
			return faultDeviceNotSupported
		}
	}
	return faultEnrollmentData
}

// codeOf is enrollment.Code that knows this package's errors too.
func codeOf(err error) string {
	switch {
	case errors.Is(err, ErrCertificateUnknown):
		return "certificate_unknown"
	case errors.Is(err, ErrCertificateExpired):
		return "certificate_expired"
	case errors.Is(err, ErrTooManyCertificates):
		return "certificates_too_many"
	case errors.Is(err, enrollment.ErrSuperseded):
		return "superseded"
	}
	return enrollment.Code(err)
}

// accident says that nobody was refused: the store, the authority or the
// embedder's directory had trouble.
func (r *refusal) accident() bool {
	return r.fault == faultEnrollmentServer || r.fault == faultInternal
}

// writeFault writes the whole answer. Documentation prints the names of elements
// in lower case; these are those of the specification.
func writeFault(d *document, action, relatesTo, trace string, f fault) {
	d.raw(`<s:Envelope xmlns:s="`, nsSOAP, `" xmlns:a="`, nsAddressing, `"><s:Header><a:Action s:mustUnderstand="1">`, action, `</a:Action>`)
	if relatesTo != "" {
		d.leaf("a:RelatesTo", relatesTo)
	}
	d.raw(`</s:Header><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>`, f.subcode,
		`</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-us">`, f.text, `</s:Text></s:Reason>`)
	if f.typed() {
		d.raw(`<s:Detail><DeviceEnrollmentServiceError xmlns="`, nsEnrollment, `"><ErrorType>`, f.name, `</ErrorType><Message>`, f.text,
			`</Message><TraceId>`, trace, `</TraceId></DeviceEnrollmentServiceError></s:Detail>`)
	}
	d.raw(`</s:Fault></s:Body></s:Envelope>`)
}
