package mailer_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"testing/fstest"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

// printer is a Sender for examples. A real one writes MIME and speaks SMTP.
type printer struct{}

func (printer) Send(_ context.Context, m mailer.Message) error {
	fmt.Println("To:", m.To)
	fmt.Println("Subject:", m.Subject)
	fmt.Println("Message-ID:", m.MessageID(""))
	return nil
}

// exampleMail is what the outbox hands to a Deliverer.
func exampleMail() enrollment.Mail {
	return enrollment.Mail{
		ID: "evt_1", Kind: enrollment.MessageInvitation, To: "jan@example.org", ToName: "Jan",
		At: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		Site: enrollment.Site{
			ID: "acme", Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "enroll.example.com"},
		},
		Invitation: &enrollment.InvitationMail{Codes: enrollment.Codes{
			URL: credentials.SecretString("https://enroll.example.com/i/c2VjcmV0"),
			PIN: credentials.SecretString("12345678"),
		}},
	}
}

func Example() {
	deliverer, err := mailer.New(printer{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The relay of enrollment.Service does this.
	if err := deliverer.Deliver(context.Background(), exampleMail()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// To: "Jan" <jan@example.org>
	// Subject: Enroll your device with Acme
	// Message-ID: <evt_1@example.com>
}

// Templates of one's own lie over the built-in ones, file by file.
func ExampleNew() {
	_, err := mailer.New(printer{}, mailer.Options{
		From:      mailer.Address{Email: "mdm@example.com"},
		Templates: fstest.MapFS{"en/invitation.body.txt": {Data: []byte("Your code is {{.Pin}}.")}},
	})
	message, _, _ := strings.Cut(err.Error(), " is not one of")
	fmt.Println(message)
	// Output:
	// mailer: invalid options: mailer: template: en/invitation.body.txt:1:15: .Pin
}

func ExampleMailer_Deliver() {
	deliverer, _ := mailer.New(printer{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com"}})
	m := exampleMail()
	m.To = "jan@example.org, eve@example.net"
	fmt.Println(deliverer.Deliver(context.Background(), m))
	// Output:
	// mailer: render evt_1: enrollment: undeliverable: recipient: credentials: malformed
}

func ExampleMailer_Render() {
	r, _ := mailer.New(printer{}, mailer.Options{
		From:      mailer.Address{Email: "mdm@example.com"},
		Templates: fstest.MapFS{"en/invitation.body.txt": {Data: []byte("Hello {{.Name}}.{{with .PIN}} Your PIN is {{.}}.{{end}}")}},
	})
	m, _ := r.Render(context.Background(), exampleMail())
	fmt.Print(m.Text)
	// Output:
	// Hello Jan. Your PIN is 1234 5678.
}

func ExampleTemplates() {
	names, _ := fs.Glob(mailer.Templates(), "en/*.subject.txt")
	fmt.Println(names)
	// Output:
	// [en/alert.subject.txt en/invitation.subject.txt en/renewal.subject.txt en/self_service.subject.txt]
}

func ExampleMessage_Format() {
	r, _ := mailer.New(printer{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com"}})
	m, _ := r.Render(context.Background(), exampleMail())
	fmt.Printf("%+v\n", m)
	// Output:
	// mailer.Message{ID: "evt_1", Kind: "mail.invitation", [redacted]}
}

func ExampleMessage_MessageID() {
	m := mailer.Message{ID: "evt_1", From: mailer.Address{Email: "mdm@example.com"}}
	fmt.Println(m.MessageID("mail.example.com"))
	// Output:
	// <evt_1@mail.example.com>
}

func ExampleAddress_String() {
	fmt.Println(mailer.Address{Name: "Jan Novák", Email: "jan@example.org"})
	// Output:
	// =?utf-8?q?Jan_Nov=C3=A1k?= <jan@example.org>
}

// stored is what administrators edited; a real one asks a database.
type stored map[string]mailer.Template

func (s stored) Template(_ context.Context, site string, kind mailer.Kind, language string) (mailer.Template, bool, error) {
	t, ok := s[site+"/"+string(kind)+"/"+language]
	return t, ok, nil
}

// Administrators edit the mail of their site.
func ExampleOverrides() {
	r, _ := mailer.New(printer{}, mailer.Options{
		From: mailer.Address{Email: "mdm@example.com"},
		Overrides: stored{"acme/invitation/en": {
			Subject: "Welcome to {{.Site}}", Text: "Start here: {{.URL}}", HTML: `<a href="{{.URL}}">Start here</a>`,
		}},
	})
	m, _ := r.Render(context.Background(), exampleMail())
	fmt.Println(m.Subject)
	fmt.Print(m.Text)
	// Output:
	// Welcome to Acme
	// Start here: https://enroll.example.com/i/c2VjcmV0
}

func ExampleCheck() {
	t := mailer.Template{Subject: "Welcome", Text: "Hello {{.Name}},\nyour code is {{.Pin}}.", HTML: "<p>Hello</p>"}
	fmt.Println(mailer.Check(mailer.KindInvitation, t))
	t.Text = "Your PIN is {{.PIN}}."
	t.HTML = `<img src="https://tracker.example/pixel.gif">`
	fmt.Println(mailer.Check(mailer.KindInvitation, t))
	t.HTML = "<p>Your PIN is {{.PIN}}.</p>"
	fmt.Println(mailer.Check(mailer.KindInvitation, t))
	// Output:
	// mailer: template: text:2: unknown_variable: "Pin"
	// mailer: template: html:1: remote_content: "img"
	// <nil>
}

func ExampleTemplateError() {
	err := mailer.Check(mailer.KindSelfService, mailer.Template{Subject: "Hi", Text: "{{.Username}}", HTML: "{{.Username}}"})
	if e, ok := errors.AsType[*mailer.TemplateError](err); ok {
		fmt.Println(e.Field, e.Line, e.Code, e.Name)
	}
	// Output:
	// text 0 missing_variable Password
}

func ExampleVariables() {
	for _, v := range mailer.Variables(mailer.KindSelfService) {
		fmt.Printf("{{.%s}}  %s\n", v.Name, v.Says)
	}
	// Output:
	// {{.Name}}  The recipient's name.
	// {{.Site}}  The name of the site.
	// {{.Support}}  Whom to ask for help.
	// {{.Username}}  The one-time user name.
	// {{.Password}}  The one-time password, in groups.
	// {{.URL}}  "Enroll now": the page that takes them.
	// {{.Expires}}  Until when they work.
	// {{.Email}}  The recipient's address.
}

func ExampleKinds() {
	fmt.Println(mailer.Kinds(), mailer.Kind("mail.invitation").Valid())
	// Output:
	// [invitation renewal alert self_service] false
}

// What an editor starts from, and goes back to.
func ExampleMailer_Default() {
	r, _ := mailer.New(printer{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com"}})
	t, _ := r.Default(mailer.KindSelfService, "en")
	fmt.Print(t.Subject)
	// Output:
	// Your login to enroll a device{{with .Site}} with {{.}}{{end}}
}

func ExampleMailer_Preview() {
	r, _ := mailer.New(printer{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com"}})
	m, _ := r.Preview(exampleMail().Site, mailer.KindSelfService, "en", mailer.Template{
		Subject: "Hello {{.Name}}",
		Text:    "{{.Username}}, {{.Password}}, until {{.Expires}}: {{.URL}}",
		HTML:    "<p>{{.Username}}, {{.Password}}</p>",
	})
	fmt.Println(m.Subject)
	fmt.Print(m.Text)
	// Output:
	// Hello Jan Novák
	// user-4821, ABCD-EFGH-JKMN-PQRS, until 2026-11-21 09:00 UTC: https://enroll.example.com/enroll/login
}
