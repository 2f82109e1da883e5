package windows

import (
	"example.com/enrollkit/credentials"
)

// message is a SOAP request.
type message struct {
	action string
	id     string   // for RelatesTo; empty: it has none
	header *element // s:Header
	body   *element // what is in s:Body
}

// maxText is the greatest length of an id, a name or another short text.
const maxText = 256

// parseMessage reads an envelope. With an error, it says as much of the message as
// was read, for the answer to refer to.
func parseMessage(raw []byte) (m message, err error) {
	root, err := parseXML(raw)
	if err != nil {
		return m, refuse(faultMessageFormat, "xml_malformed")
	}
	headers, bodies := root.all(nsSOAP, "Header"), root.all(nsSOAP, "Body")
	if root.name.Space != nsSOAP || root.name.Local != "Envelope" || len(headers) != 1 || len(bodies) != 1 {
		return m, refuse(faultMessageFormat, "envelope_malformed")
	}
	m.header = headers[0]
	if id := m.header.child(nsAddressing, "MessageID").value(); len(id) <= maxText {
		m.id = id
	}
	actions := m.header.all(nsAddressing, "Action")
	if len(actions) != 1 || len(bodies[0].children) != 1 {
		return m, refuse(faultMessageFormat, "envelope_malformed")
	}
	m.action, m.body = actions[0].value(), bodies[0].children[0]
	return m, nil
}

// login is the user name and the password of the security header. Anything else
// in there, such as a federated token, was not asked for.
func (m message) login() (username string, password credentials.Secret, err error) {
	bad := refuse(faultInvalidSecurity, "security_malformed")
	headers := m.header.all(nsSecurity, "Security")
	if len(headers) != 1 || len(headers[0].all(nsSecurity, "BinarySecurityToken")) > 0 {
		return "", password, bad
	}
	tokens := headers[0].all(nsSecurity, "UsernameToken")
	if len(tokens) != 1 {
		return "", password, bad
	}
	names, passwords := tokens[0].all(nsSecurity, "Username"), tokens[0].all(nsSecurity, "Password")
	if len(names) != 1 || len(passwords) != 1 {
		return "", password, bad
	}
	if kind := passwords[0].attr("Type"); kind != "" && kind != passwordText {
		return "", password, bad
	}
	username = names[0].value()
	if username == "" || len(username) > maxText || len(passwords[0].value()) > maxText {
		return "", password, bad
	}
	return username, credentials.SecretString(passwords[0].value()), nil
}
