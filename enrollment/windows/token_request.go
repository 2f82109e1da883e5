package windows

import (
	"encoding/base64"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const (
	// maxContext is how many things a device may say of itself: real ones say about
	// fifteen, and more with many network cards.
	maxContext = 128
	// maxToken is the greatest certificate request, in base64.
	maxToken = 24 << 10
	// derSequence is how each of them begins.
	derSequence = 0x30
)

// tokenRequest is a RequestSecurityToken: a request for a certificate, with what
// the device says of itself.
type tokenRequest struct {
	renew   bool
	request []byte // PKCS#10, or PKCS#7 over one if it renews
	context map[string]string
}

// parseTokenRequest reads the body.
func parseTokenRequest(body *element) (q tokenRequest, err error) {
	if body.name.Space != nsTrust || body.name.Local != "RequestSecurityToken" {
		return q, refuse(faultEnrollmentData, "request_malformed")
	}
	if t := body.child(nsTrust, "TokenType").value(); t != "" && path.Base(t) != path.Base(tokenType) {
		return q, refuse(faultEnrollmentData, "token_type_unknown")
	}
	tokens := body.all(nsSecurity, "BinarySecurityToken")
	if len(tokens) != 1 {
		return q, refuse(faultCertificateRequest, "certificate_request_missing")
	}
	want := "PKCS10"
	switch body.child(nsTrust, "RequestType").value() {
	case typeIssue:
	case typeRenew:
		q.renew, want = true, "PKCS7"
	default:
		return q, refuse(faultEnrollmentData, "request_type_unknown")
	}
	// In front of the name there are two namespaces about.
	if _, kind, _ := strings.Cut(tokens[0].attr("ValueType"), "#"); kind != want {
		return q, refuse(faultCertificateRequest, "certificate_request_malformed")
	}
	if q.request, err = decodeToken(tokens[0].text); err != nil {
		return q, err
	}
	if q.renew && q.request[0] != derSequence {
		// What a person renews by hand comes in base64 twice.
		if q.request, err = decodeToken(string(q.request)); err != nil {
			return q, err
		}
	}
	q.context, err = parseContext(body.child(nsContext, "AdditionalContext"))
	return q, err
}

// decodeToken reads base64 with any white space in it.
func decodeToken(text string) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "")
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) == 0 || len(text) > maxToken {
		return nil, refuse(faultCertificateRequest, "certificate_request_malformed")
	}
	return raw, nil
}

// parseContext reads what a device says of itself. Of what it says repeatedly, for
// each network card and SIM, the first counts.
func parseContext(e *element) (map[string]string, error) {
	items := e.all(nsContext, "ContextItem")
	if len(items) > maxContext {
		return nil, refuse(faultEnrollmentData, "context_too_long")
	}
	context := map[string]string{}
	for _, item := range items {
		name, value := item.attr("Name"), item.child(nsContext, "Value").value()
		if !short(name) || !short(value) {
			return nil, refuse(faultEnrollmentData, "context_malformed")
		}
		if context[name] == "" {
			context[name] = value
		}
	}
	return context, nil
}

// short reports whether a text is short and has no control characters.
func short(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// deviceID is the name by which the device's messages call it; its form is
// nobody's business.
func (q tokenRequest) deviceID() string { return q.context["DeviceID"] }

// computer is what tells the computer from others: its hardware, or else its name.
func (q tokenRequest) computer() string {
	if id := identifies(q.context["HWDevID"]); id != "" {
		return "hardware/" + id
	}
	return q.deviceID()
}

// store is where the device keeps the certificate: with the user who enrolls, or
// with the computer.
func (q tokenRequest) store() string {
	if strings.EqualFold(q.context["EnrollmentType"], "Device") {
		return storeSystem
	}
	return storeUser
}

// claim is what the device says of itself, without the addresses of its network
// cards.
func (q tokenRequest) claim() (enrollment.Claim, error) {
	switch t := q.context["DeviceType"]; {
	case t != "" && t != clientWindows:
		return enrollment.Claim{}, refuse(faultDeviceNotSupported, "device_type_not_supported")
	case q.deviceID() == "":
		return enrollment.Claim{}, refuse(faultEnrollmentData, "device_id_missing")
	}
	return enrollment.Claim{
		Platform: device.Windows, Name: q.context["DeviceName"], OSVersion: q.context["OSVersion"],
		Hardware: device.Hardware{HWDevID: identifies(q.context["HWDevID"]), IMEI: identifies(q.context["IMEI"])},
	}, nil
}
