package windowsclient

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

const syncMedia = "application/vnd.syncml.dm+xml"

// maxMessages is how many messages a session may have.
const maxMessages = 20

// Session is what happened in one.
type Session struct {
	Messages int
	Asked    []string // the nodes that the server asked for
}

// StatusError is a session that the server refused.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("windowsclient: a session was answered HTTP %d", e.Status)
}

// Sync opens a session as Windows does by itself and answers until the server has
// no more questions.
func (c *Client) Sync(ctx context.Context) (Session, error) {
	return c.SyncAs(ctx, c.Device.ID)
}

// SyncAs is Sync under another device's name.
func (c *Client) SyncAs(ctx context.Context, id string) (Session, error) {
	const hello = `<Alert><CmdID>2</CmdID><Data>1201</Data></Alert><Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta><Type xmlns="syncml:metinf">com.microsoft/MDM/LoginStatus</Type></Meta><Data>user</Data></Item></Alert>`
	var info strings.Builder
	info.WriteString(`<Replace><CmdID>4</CmdID>`)
	for _, uri := range []string{"./DevInfo/DevId", "./DevInfo/Man", "./DevInfo/Mod", "./DevInfo/DmV", "./DevInfo/Lang"} {
		value, _ := c.Device.node(uri)
		if uri == "./DevInfo/DevId" {
			value = id
		}
		fmt.Fprintf(&info, `<Item><Source><LocURI>%s</LocURI></Source><Data>%s</Data></Item>`, uri, escape(value))
	}
	info.WriteString(`</Replace>`)
	return c.session(ctx, id, hello+info.String())
}

// Leave says that the user has removed the account, as Windows says it: once.
func (c *Client) Leave(ctx context.Context) (Session, error) {
	return c.session(ctx, c.Device.ID, goodbye)
}

const goodbye = `<Alert><CmdID>2</CmdID><Data>1226</Data><Item><Meta><Type xmlns="syncml:metinf">com.microsoft:mdm.unenrollment.userrequest</Type><Format xmlns="syncml:metinf">int</Format></Meta><Data>1</Data></Item></Alert>`

// session sends a first package and answers until the server is done.
func (c *Client) session(ctx context.Context, id, commands string) (s Session, err error) {
	client, err := c.sessionClient()
	if err != nil {
		return s, err
	}
	c.sessions++
	for s.Messages < maxMessages {
		s.Messages++
		message := c.message(s.Messages, id, commands)
		status, _, body, err := c.post(ctx, client, c.Provision.Address, syncMedia, message)
		if err != nil {
			return s, err
		}
		if status != http.StatusOK {
			return s, &StatusError{Status: status}
		}
		answer, err := c.read(body, s.Messages)
		if err != nil {
			return s, err
		}
		asked, more := c.answers(answer)
		s.Asked = append(s.Asked, asked...)
		if more == "" {
			return s, nil
		}
		commands = more
	}
	return s, fmt.Errorf("windowsclient: a session with more than %d messages", maxMessages)
}

// message writes one package.
func (c *Client) message(n int, id, commands string) string {
	return fmt.Sprintf(`<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>%d</SessionID><MsgID>%d</MsgID><Target><LocURI>%s</LocURI></Target><Source><LocURI>%s</LocURI></Source></SyncHdr><SyncBody>%s<Final/></SyncBody></SyncML>`,
		c.sessions, n, escape(c.Provision.Address), escape(id), commands)
}

// syncML is a message of the server.
type syncML struct {
	XMLName xml.Name `xml:"SYNCML:SYNCML1.2 SyncML"`
	Header  struct {
		VerDTD, VerProto string
		SessionID, MsgID int
		Target           struct{ LocURI string }
		Source           struct{ LocURI string }
	} `xml:"SyncHdr"`
	Body struct {
		Status []struct {
			CmdID, MsgRef, CmdRef int
			Cmd                   string
			Data                  int
		}
		Get []struct {
			CmdID int
			Item  []struct {
				Target struct{ LocURI string }
			}
		}
		Exec  []struct{ CmdID int }
		Final *struct{}
	} `xml:"SyncBody"`
}

// read takes a message of the server apart; MsgRef is that of ours.
func (c *Client) read(text []byte, ours int) (m syncML, err error) {
	if err := xml.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("windowsclient: no SyncML: %w", err)
	}
	if m.Header.VerDTD != "1.2" || m.Header.VerProto != "DM/1.2" || m.Header.SessionID != c.sessions || m.Body.Final == nil {
		return m, fmt.Errorf("windowsclient: a message of another session or protocol, or without its end")
	}
	about := false
	seen := map[int]bool{}
	for _, s := range m.Body.Status {
		if s.CmdID <= 0 || seen[s.CmdID] || s.MsgRef != ours {
			return m, fmt.Errorf("windowsclient: a status with CmdID %d and MsgRef %d", s.CmdID, s.MsgRef)
		}
		seen[s.CmdID] = true
		about = about || s.CmdRef == 0 && s.Cmd == "SyncHdr"
		if s.CmdRef == 0 && s.Data != 200 && s.Data != 212 {
			return m, &StatusError{Status: s.Data}
		}
	}
	if !about {
		return m, fmt.Errorf("windowsclient: a message without the status of the header")
	}
	return m, nil
}

// answers writes what the client says to the commands of the server; empty: there
// was none.
func (c *Client) answers(m syncML) (asked []string, more string) {
	if len(m.Body.Get)+len(m.Body.Exec) == 0 {
		return nil, ""
	}
	var b strings.Builder
	id := 1
	status := func(ref int, cmd string, code int) {
		id++
		fmt.Fprintf(&b, `<Status><CmdID>%d</CmdID><MsgRef>%d</MsgRef><CmdRef>%d</CmdRef><Cmd>%s</Cmd><Data>%d</Data></Status>`, id, m.Header.MsgID, ref, cmd, code)
	}
	status(0, "SyncHdr", 200)
	for _, get := range m.Body.Get {
		var results strings.Builder
		code := 200
		for _, item := range get.Item {
			uri := item.Target.LocURI
			asked = append(asked, uri)
			value, ok := c.Device.node(uri)
			if !ok {
				code = 404
				continue
			}
			fmt.Fprintf(&results, `<Item><Source><LocURI>%s</LocURI></Source><Data>%s</Data></Item>`, escape(uri), escape(value))
		}
		status(get.CmdID, "Get", code)
		if results.Len() > 0 {
			id++
			fmt.Fprintf(&b, `<Results><CmdID>%d</CmdID><MsgRef>%d</MsgRef><CmdRef>%d</CmdRef>%s</Results>`, id, m.Header.MsgID, get.CmdID, results.String())
		}
	}
	for _, exec := range m.Body.Exec {
		status(exec.CmdID, "Exec", 200)
	}
	return asked, b.String()
}

// Say sends a text in the place of a message and returns the status of the answer.
func (c *Client) Say(ctx context.Context, text string) (int, error) {
	client, err := c.sessionClient()
	if err != nil {
		return 0, err
	}
	status, _, _, err := c.post(ctx, client, c.Provision.Address, syncMedia, text)
	return status, err
}
