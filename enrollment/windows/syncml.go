package windows

import (
	"errors"
	"strconv"
	"strings"
)

// errSyncML is the one answer to what is not a message of a session.
var errSyncML = errors.New("windows: not a message of a session")

const (
	nsSyncML = "SYNCML:SYNCML1.2"
	nsMeta   = "syncml:metinf"

	alertServer     = "1200" // a session begins, because the server woke the device
	alertClient     = "1201" // a session begins
	alertGeneric    = "1226"
	unenrolledAlert = "com.microsoft:mdm.unenrollment.userrequest"

	statusOK          = "200"
	statusUnsupported = "406"
)

// session is one message of a device, as far as it is used.
type session struct {
	id, message    string
	target, source string // whom it is to, and the device's own name
	commands       []command
	results        map[string]string // values of nodes, by their addresses
	begins         bool              // it is the first message of a session
	left           bool              // the device is managed no more
}

// command is one that wants a status.
type command struct{ id, name, status string }

// parseSession reads a message, in whatever namespaces it is. Credentials in its
// header are not looked at: the certificate has proved who it is.
func parseSession(raw []byte) (m session, err error) {
	root, err := parseXML(raw)
	if err != nil {
		return m, errSyncML
	}
	header, body := root.child("", "SyncHdr"), root.child("", "SyncBody")
	m = session{
		id: header.child("", "SessionID").value(), message: header.child("", "MsgID").value(),
		target:  header.child("", "Target").child("", "LocURI").value(),
		source:  header.child("", "Source").child("", "LocURI").value(),
		results: map[string]string{},
	}
	number, err := strconv.ParseUint(m.message, 10, 31)
	switch {
	case root.name.Local != "SyncML" || header == nil || body == nil || err != nil || number == 0,
		header.child("", "VerDTD").value() != "1.2" || header.child("", "VerProto").value() != "DM/1.2",
		m.id == "" || m.source == "" || !short(m.id) || !short(m.target) || !short(m.source):
		return m, errSyncML
	}
	for _, e := range body.children {
		if err := m.take(e); err != nil {
			return m, err
		}
	}
	return m, nil
}

// take notes what one command says.
func (m *session) take(e *element) error {
	c := command{id: e.child("", "CmdID").value(), name: e.name.Local, status: statusUnsupported}
	switch c.name {
	case "Final":
		return nil
	case "Status":
		return nil // a status of a status is none
	case "Results":
		m.items(e)
		return nil
	case "Replace", "Add": // the device's own data, in the first message
		m.items(e)
		c.status = statusOK
	case "Alert":
		m.alert(e)
		c.status = statusOK
	}
	if c.id == "" || !short(c.id) {
		return errSyncML
	}
	m.commands = append(m.commands, c)
	return nil
}

// items notes the values of nodes.
func (m *session) items(e *element) {
	for _, item := range e.all("", "Item") {
		node, value := item.child("", "Source").child("", "LocURI").value(), item.child("", "Data").value()
		if node != "" && value != "" && short(node) && short(value) {
			m.results[node] = value
		}
	}
}

// alert notes what happened on the device. The type of a generic one comes in
// namespaces with and without mistakes.
func (m *session) alert(e *element) {
	switch e.child("", "Data").value() {
	case alertServer, alertClient:
		m.begins = true
	case alertGeneric:
		for _, item := range e.all("", "Item") {
			if strings.EqualFold(item.child("", "Meta").child("", "Type").value(), unenrolledAlert) {
				m.left = true
			}
		}
	}
}

// reply is the server's message that answers one of a device.
type reply struct {
	document
	commands int
}

func newReply(m session) *reply {
	d := new(reply)
	d.raw(`<SyncML xmlns="`, nsSyncML, `"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>`)
	d.leaf("SessionID", m.id)
	d.leaf("MsgID", m.message)
	d.raw(`<Target>`)
	d.leaf("LocURI", m.source)
	d.raw(`</Target><Source>`)
	d.leaf("LocURI", m.target)
	d.raw(`</Source></SyncHdr><SyncBody>`)
	d.status(m, command{id: "0", name: "SyncHdr", status: statusOK})
	for _, c := range m.commands {
		d.status(m, c)
	}
	return d
}

// begin opens a command and numbers it.
func (d *reply) begin(name string) {
	d.commands++
	d.raw(`<`, name, `><CmdID>`, strconv.Itoa(d.commands), `</CmdID>`)
}

func (d *reply) status(m session, c command) {
	d.begin("Status")
	d.leaf("MsgRef", m.message)
	d.leaf("CmdRef", c.id)
	d.leaf("Cmd", c.name)
	d.leaf("Data", c.status)
	d.raw(`</Status>`)
}

// get asks for the value of a node.
func (d *reply) get(node string) {
	d.begin("Get")
	d.raw(`<Item><Target>`)
	d.leaf("LocURI", node)
	d.raw(`</Target></Item></Get>`)
}

// unenroll tells the device to leave; it says goodbye with the alert then.
func (d *reply) unenroll(providerID string) {
	d.begin("Exec")
	d.raw(`<Item><Target>`)
	d.leaf("LocURI", "./Vendor/MSFT/DMClient/Provider/"+providerID+"/Unenroll")
	d.raw(`</Target><Meta><Format xmlns="`, nsMeta, `">chr</Format></Meta>`)
	d.leaf("Data", providerID)
	d.raw(`</Item></Exec>`)
}

func (d *reply) finish() []byte {
	d.raw(`<Final/></SyncBody></SyncML>`)
	return d.Bytes()
}
