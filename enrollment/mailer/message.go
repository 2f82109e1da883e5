package mailer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
)

// Message is one finished mail. Text, HTML and Inline hold secrets: every way of
// formatting or logging a Message shows its ID and Kind only. (A Message in an
// unexported field of something else is out of reach of that, as fmt prints such
// fields without asking them.)
//
// A Sender writes multipart/alternative of Text and HTML, the latter in
// multipart/related with Inline. Everything that goes into headers is on one line
// and free of NUL; names and the subject are UTF-8 and still have to be encoded.
type Message struct {
	// ID is the same on every try to deliver the same mail.
	ID   string
	Kind enrollment.MessageKind
	Site string // the site's id, for a Sender that serves each by other means
	Date time.Time

	From    Address
	To      Address // the one recipient; Email is the stored address
	ReplyTo Address // zero: none

	Subject string
	Text    string
	HTML    string
	Inline  []Inline

	// Headers go in as they are: Auto-Submitted, X-Auto-Response-Suppress and
	// Content-Language.
	Headers []Header
}

// Address is a name and a plain e-mail address.
type Address struct {
	Name  string // may be empty
	Email string
}

// IsZero reports whether there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the address as a header has it, the name quoted or encoded.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return (&mail.Address{Name: a.Name, Address: a.Email}).String()
}

// Inline is an image that the HTML part refers to by "cid:" and CID.
type Inline struct {
	CID  string // without angle brackets
	Name string
	Type string
	Data []byte
}

// Header is one header field.
type Header struct{ Name, Value string }

// MessageID returns the value of the Message-ID field, in angle brackets. It is
// the same on every try, so that a mail that was sent twice is shown once. An
// empty domain, or one that is no host name, means that of From.
func (m Message) MessageID(domain string) string {
	if !isAddress("x@" + domain) {
		_, domain, _ = strings.Cut(m.From.Email, "@")
	}
	return "<" + m.ID + "@" + domain + ">"
}

func (m Message) redacted() string {
	return fmt.Sprintf("mailer.Message{ID: %q, Kind: %q, [redacted]}", m.ID, string(m.Kind))
}

// String returns ID and Kind.
func (m Message) String() string { return m.redacted() }

// GoString returns ID and Kind.
func (m Message) GoString() string { return m.redacted() }

// Format writes ID and Kind whatever the verb and flags.
func (m Message) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.redacted())) }

// LogValue returns ID and Kind.
func (m Message) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", m.ID), slog.String("kind", string(m.Kind)))
}

// errHeader says that something for a header would end its line.
var errHeader = errors.New("mailer: CR, LF or NUL")

// checkHeaders is the one gate to the headers: it goes through everything that a
// Sender writes there, whoever put it into m.
func (m Message) checkHeaders() error {
	type field struct{ name, value string }
	fields := []field{
		{"ID", m.ID},
		{"From", m.From.Name}, {"From", m.From.Email},
		{"To", m.To.Name}, {"To", m.To.Email},
		{"ReplyTo", m.ReplyTo.Name}, {"ReplyTo", m.ReplyTo.Email},
		{"Subject", m.Subject},
	}
	for _, h := range m.Headers {
		fields = append(fields, field{"Headers", h.Name}, field{"Headers", h.Value})
	}
	for _, i := range m.Inline {
		fields = append(fields, field{"Inline", i.CID}, field{"Inline", i.Name}, field{"Inline", i.Type})
	}
	for _, f := range fields {
		if strings.ContainsAny(f.value, "\r\n\x00") {
			return fmt.Errorf("%w in %s", errHeader, f.name)
		}
	}
	return nil
}
