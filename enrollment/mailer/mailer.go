package mailer

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"strings"
	"unicode"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// Sender takes finished messages to their recipients. It must be safe for
// concurrent use. A nil error means that the message is accepted; an error
// wrapping enrollment.ErrUndeliverable that its recipient is refused for good;
// after every other error the same message comes again later, with the same ID
// and perhaps other content. A Sender may get a message that it accepted before:
// the program may end before that is noted.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Options are what a Mailer is made with besides its Sender. Only From is
// required.
type Options struct {
	// From is whom mail comes from. Required. Its Name defaults to the name of
	// the site.
	From Address
	// ReplyTo is whom answers go to. Defaults to none, which means From.
	ReplyTo Address
	// Templates are laid over the built-in ones, file by file. Defaults to none.
	Templates fs.FS
	// Overrides are the messages that administrators edited. Defaults to none.
	Overrides Overrides
	// Logger is told which stored override is broken, by site, kind, language and
	// code. Defaults to none.
	Logger *slog.Logger
}

// ErrOptions says that a Mailer cannot be made with these Options.
var ErrOptions = errors.New("mailer: invalid options")

// Mailer renders mail and hands it to a Sender. Make one with New.
type Mailer struct {
	sender    Sender
	from      Address
	replyTo   Address
	templates catalog
	layout    string // of every HTML part, as text
	overrides Overrides
	log       *slog.Logger
}

var _ enrollment.Deliverer = (*Mailer)(nil)

// New returns a Mailer that sends by sender. It reads, checks and tries every
// template; the error names each file that is broken, and wraps ErrOptions.
func New(sender Sender, o Options) (*Mailer, error) {
	if sender == nil {
		return nil, fmt.Errorf("%w: no Sender", ErrOptions)
	}
	if err := checkAddress(o.From); err != nil {
		return nil, fmt.Errorf("%w: From: %w", ErrOptions, err)
	}
	if !o.ReplyTo.IsZero() {
		if err := checkAddress(o.ReplyTo); err != nil {
			return nil, fmt.Errorf("%w: ReplyTo: %w", ErrOptions, err)
		}
	}
	templates, layout, err := load(o.Templates)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mailer{
		sender: sender, from: o.From, replyTo: o.ReplyTo,
		templates: templates, layout: layout, overrides: o.Overrides, log: o.Logger,
	}, nil
}

func checkAddress(a Address) error {
	if !isAddress(a.Email) {
		return errors.New("want one plain e-mail address")
	}
	if strings.ContainsFunc(a.Name, unicode.IsControl) {
		return errors.New("control character in the name")
	}
	return nil
}

// Deliver implements enrollment.Deliverer: it renders m and sends it.
func (r *Mailer) Deliver(ctx context.Context, m enrollment.Mail) error {
	msg, err := r.Render(ctx, m)
	if err != nil {
		return err
	}
	if err := r.sender.Send(ctx, msg); err != nil {
		return fmt.Errorf("mailer: send %s: %w", msg.ID, err)
	}
	return nil
}

// Render returns the message of m, as Deliver would send it: for those who send
// by themselves. A recipient that is not exactly one plain
// address is an error wrapping enrollment.ErrUndeliverable.
func (r *Mailer) Render(ctx context.Context, m enrollment.Mail) (Message, error) {
	if !isToken(m.ID) {
		return Message{}, errors.New("mailer: the id of the mail is malformed")
	}
	msg, err := r.render(ctx, m)
	if err != nil {
		return Message{}, fmt.Errorf("mailer: render %s: %w", m.ID, err)
	}
	return msg, nil
}

func (r *Mailer) render(ctx context.Context, m enrollment.Mail) (Message, error) {
	d, err := newDraft(m)
	if err != nil {
		return Message{}, err
	}
	languages := []string{m.Language}
	if len(m.Site.Languages) > 0 {
		languages = append(languages, m.Site.Languages[0])
	}
	kind := kindOf(m.Kind)
	for _, language := range fallbacks(languages...) {
		msg, ok, err := r.overridden(ctx, d, kind, language)
		if ok || err != nil {
			return msg, err
		}
		if s := r.templates[language][kind]; s != nil {
			return r.message(d, s)
		}
	}
	return Message{}, fmt.Errorf("no templates for %q", m.Kind)
}

// A draft is a mail before it is written in a language.
type draft struct {
	mail  enrollment.Mail
	data  Data
	image Inline // of the QR code; without a CID there is none
}

func newDraft(m enrollment.Mail) (draft, error) {
	if err := checkContent(m); err != nil {
		return draft{}, err
	}
	if !isAddress(m.To) {
		return draft{}, fmt.Errorf("%w: recipient: %w", enrollment.ErrUndeliverable, credentials.ErrMalformed)
	}
	data, payload, err := newData(m)
	if err != nil {
		return draft{}, err
	}
	d := draft{mail: m, data: data}
	if payload.IsZero() {
		return d, nil
	}
	if d.image, d.data.QRSize, err = qrImage(payload, m.ID); err != nil {
		return draft{}, err
	}
	d.data.QR = template.URL("cid:" + d.image.CID)
	return d, nil
}

// message writes a draft by the templates of s.
func (r *Mailer) message(d draft, s *set) (Message, error) {
	m, data := d.mail, d.data
	data.Language = s.language
	out, err := s.render(data)
	if err != nil {
		return Message{}, err
	}
	if s.stored {
		if err := s.flaw(out, data); err != nil {
			return Message{}, err
		}
	}
	var images []Inline
	if data.QR != "" && strings.Contains(out.html, string(data.QR)) {
		images = []Inline{d.image} // otherwise it would show up as an attachment
	}
	msg := Message{
		ID: m.ID, Kind: m.Kind, Site: m.Site.ID, Date: m.At,
		From: r.from, To: Address{Name: data.Name, Email: m.To}, ReplyTo: r.replyTo,
		Subject: out.subject, Text: out.text, HTML: out.html, Inline: images,
		Headers: []Header{
			{"Auto-Submitted", "auto-generated"}, // RFC 3834 §5
			{"X-Auto-Response-Suppress", "All"},  // the same for Exchange
			{"Content-Language", s.language},
		},
	}
	if msg.From.Name == "" {
		msg.From.Name = data.Site
	}
	if err := msg.checkHeaders(); err != nil {
		return Message{}, err
	}
	return msg, nil
}

// checkContent checks that m is about exactly what its kind says.
func checkContent(m enrollment.Mail) error {
	kinds := map[enrollment.MessageKind]bool{
		enrollment.MessageInvitation: m.Invitation != nil,
		enrollment.MessageRenewal:    m.Renewal != nil,
		enrollment.MessageAlert:      m.Alert != nil,
		enrollment.MessageLogin:      m.Login != nil,
	}
	if !kinds[m.Kind] {
		return fmt.Errorf("no content for kind %q", m.Kind)
	}
	for kind, set := range kinds {
		if set && kind != m.Kind {
			return fmt.Errorf("content of kind %q in mail of kind %q", kind, m.Kind)
		}
	}
	return nil
}

// qrImage returns the QR code of payload as an image for the message id, and its
// width.
func qrImage(payload credentials.Secret, id string) (Inline, int, error) {
	qr, err := credentials.EncodeQR(payload)
	if errors.Is(err, credentials.ErrTooLong) {
		qr, err = credentials.EncodeQRLevel(payload, credentials.QRLow)
	}
	if err != nil {
		return Inline{}, 0, err // it does not quote the payload
	}
	// Scanners want at least 3 pixels a module, readers no more than a screen.
	const most, side = 6, 480
	scale := min(max(side/(qr.Modules()+2*credentials.QuietZone), 3), most)
	return Inline{
		CID:  "qr@" + id,
		Name: "qr.png",
		Type: "image/png",
		Data: qr.AppendPNG(nil, scale),
	}, qr.PNGSize(scale), nil
}
