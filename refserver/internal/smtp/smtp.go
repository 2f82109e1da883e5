// Package smtp sends mail through a mail server. TLS is required except on this
// machine, and no error tells an address or what a mail said.
package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/web"
)

// timeout bounds each step of a delivery.
const timeout = 30 * time.Second

// Sender is a mailer.Sender over SMTP. Make one with [New].
type Sender struct {
	host    string
	options []mail.Option
}

var _ mailer.Sender = (*Sender)(nil)

// New reads smtp://user:password@host:port, with STARTTLS, or smtps:// with TLS
// from the start. It connects to nothing; the error does not quote the address.
func New(address credentials.Secret) (*Sender, error) {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") ||
		(u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want smtp://user:password@host:port, or smtps://")
	}
	s := &Sender{host: u.Hostname(), options: []mail.Option{mail.WithTimeout(timeout)}}
	port := map[string]int{"smtp": 587, "smtps": 465}[u.Scheme]
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, errors.New("the port is no port")
		}
	}
	switch {
	case u.Scheme == "smtps":
		s.options = append(s.options, mail.WithSSL())
	case web.IsLoopback(s.host):
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	default:
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	s.options = append(s.options, mail.WithPort(port))
	if u.User != nil {
		password, _ := u.User.Password()
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(s.host, s.options...); err != nil {
		return nil, errors.New("the address cannot be used")
	}
	return s, nil
}

// Send sends one message over a connection of its own.
func (s *Sender) Send(ctx context.Context, m mailer.Message) error {
	msg, err := compose(m)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return errors.New("smtp: the client cannot be made")
	}
	if err := client.DialWithContext(ctx); err != nil {
		return tell(err)
	}
	err = client.Send(msg)
	_ = client.Close() // what was accepted stays so, whatever the goodbye
	return tell(err)
}

// compose writes a message in MIME.
func compose(m mailer.Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	msg.FromMailAddress(&netmail.Address{Name: m.From.Name, Address: m.From.Email})
	msg.ToMailAddress(&netmail.Address{Name: m.To.Name, Address: m.To.Email})
	if !m.ReplyTo.IsZero() {
		msg.ReplyToMailAddress(&netmail.Address{Name: m.ReplyTo.Name, Address: m.ReplyTo.Email})
	}
	id := m.MessageID("")
	msg.SetMessageIDWithValue(id[1 : len(id)-1]) // it adds the angle brackets
	msg.SetDateWithValue(m.Date)
	msg.Subject(m.Subject)
	for _, h := range m.Headers {
		msg.SetGenHeader(mail.Header(h.Name), h.Value)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	for _, i := range m.Inline {
		err := msg.EmbedReader(i.Name, bytes.NewReader(i.Data),
			mail.WithFileContentID("<"+i.CID+">"), mail.WithFileContentType(mail.ContentType(i.Type)))
		if err != nil {
			return nil, errors.New("smtp: an image cannot be embedded")
		}
	}
	return msg, nil
}

// tell turns the library's error, which names the recipient, into one that does
// not. A server that refuses this recipient or this mail for good makes it
// undeliverable; every other refusal may be trouble of the server or of ours.
func tell(err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*mail.SendError](err); ok {
		code := refused.ErrorCode()
		aboutMail := refused.Reason == mail.ErrSMTPRcptTo || refused.Reason == mail.ErrSMTPData || refused.Reason == mail.ErrSMTPDataClose
		if aboutMail && code >= 500 {
			return fmt.Errorf("smtp: refused with %d: %w", code, enrollment.ErrUndeliverable)
		}
		return fmt.Errorf("smtp: %s, code %d", refused.Reason, code)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return errors.New("smtp: the mail server cannot be reached")
	}
	return errors.New("smtp: the mail server does not take mail from us: check TLS and sign-in")
}
