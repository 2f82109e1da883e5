package windowsclient

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The actions of MS-MDE2.
const (
	actionDiscover  = "http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover"
	actionPolicies  = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies"
	actionRequest   = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep"
	actionResponses = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RSTRC/wstep"
)

const (
	discoverMessage = `<s:Envelope xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header><a:Action s:mustUnderstand="1">%s</a:Action><a:MessageID>%s</a:MessageID><a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand="1">%s</a:To></s:Header><s:Body><Discover xmlns="%s"><request xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><EmailAddress>%s</EmailAddress><OSEdition>4</OSEdition><RequestVersion>%s</RequestVersion><DeviceType>CIMClient_Windows</DeviceType><ApplicationVersion>%s</ApplicationVersion><AuthPolicies>%s</AuthPolicies></request></Discover></s:Body></s:Envelope>`
	// security is the same for GetPolicies and the RST.
	securityHeader  = `<wsse:Security s:mustUnderstand="1"><wsse:UsernameToken u:Id="uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4"><wsse:Username>%s</wsse:Username><wsse:Password wsse:Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText">%s</wsse:Password></wsse:UsernameToken></wsse:Security>`
	policiesMessage = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Header><a:Action s:mustUnderstand="1">%s</a:Action><a:MessageID>%s</a:MessageID><a:To s:mustUnderstand="1">%s</a:To>%s</s:Header><s:Body><GetPolicies xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"><client><lastUpdate xsi:nil="true"/><preferredLanguage xsi:nil="true"/></client><requestFilter xsi:nil="true"/></GetPolicies></s:Body></s:Envelope>`
	requestMessage  = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" xmlns:wst="http://docs.oasis-open.org/ws-sx/ws-trust/200512" xmlns:ac="http://schemas.xmlsoap.org/ws/2006/12/authorization"><s:Header><a:Action s:mustUnderstand="1">%s</a:Action><a:MessageID>%s</a:MessageID><a:To s:mustUnderstand="1">%s</a:To>%s</s:Header><s:Body><wst:RequestSecurityToken><wst:TokenType>http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken</wst:TokenType><wst:RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/%s</wst:RequestType><wsse:BinarySecurityToken ValueType="http://schemas.microsoft.com/windows/pki/2009/01/enrollment#%s" EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary">%s</wsse:BinarySecurityToken><ac:AdditionalContext>%s</ac:AdditionalContext></wst:RequestSecurityToken></s:Body></s:Envelope>`
	contextItem     = `<ac:ContextItem Name="%s"><ac:Value>%s</ac:Value></ac:ContextItem>`
)

// envelope is an answer. Namespaces are looked at: Windows does.
type envelope struct {
	XMLName xml.Name `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
	Header  struct {
		Action    string `xml:"http://www.w3.org/2005/08/addressing Action"`
		RelatesTo string `xml:"http://www.w3.org/2005/08/addressing RelatesTo"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Header"`
	Body struct {
		Fault    *fault            `xml:"http://www.w3.org/2003/05/soap-envelope Fault"`
		Discover *discoverResponse `xml:"http://schemas.microsoft.com/windows/management/2012/01/enrollment DiscoverResponse"`
		Policies *policiesResponse `xml:"http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy GetPoliciesResponse"`
		Tokens   *tokenResponses   `xml:"http://docs.oasis-open.org/ws-sx/ws-trust/200512 RequestSecurityTokenResponseCollection"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Body"`
}

type fault struct {
	Code struct {
		Value   string
		Subcode struct{ Value string }
	}
	Reason struct{ Text string }
	Detail struct {
		Error struct {
			ErrorType, Message, TraceID string
		} `xml:"http://schemas.microsoft.com/windows/pki/2009/01/enrollment DeviceEnrollmentServiceError"`
	}
}

// Fault is an answer that says no.
type Fault struct {
	Status  int    // of HTTP
	Subcode string // without its prefix, as in "Authentication"
	// Type is the ErrorType of the detail, as in "DeviceCapReached"; empty: none.
	Type   string
	Reason string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("windowsclient: fault %s/%s (HTTP %d): %s", f.Subcode, f.Type, f.Status, f.Reason)
}

// Is one of the fault's two names?
func (f *Fault) Is(other error) bool {
	want, ok := other.(*Fault)
	return ok && (want.Subcode == "" || want.Subcode == f.Subcode) && (want.Type == "" || want.Type == f.Type)
}

// readEnvelope reads an answer to a message.
func readEnvelope(status int, text []byte, action, related string) (envelope, error) {
	var e envelope
	if err := xml.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("windowsclient: HTTP %d, no envelope: %w", status, err)
	}
	if e.Header.RelatesTo != related {
		return e, fmt.Errorf("windowsclient: HTTP %d, an answer that relates to %q", status, e.Header.RelatesTo)
	}
	if f := e.Body.Fault; f != nil {
		_, subcode, _ := strings.Cut(f.Code.Subcode.Value, ":")
		return e, &Fault{Status: status, Subcode: subcode, Type: f.Detail.Error.ErrorType, Reason: f.Reason.Text}
	}
	if e.Header.Action != action {
		return e, fmt.Errorf("windowsclient: HTTP %d, an answer with action %q", status, e.Header.Action)
	}
	return e, nil
}

// escape writes a text for an element or an attribute.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // to memory
	return b.String()
}
