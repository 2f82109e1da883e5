package mailer_test

import (
	"context"
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

// A preview for those who edit templates.
func ExampleMailer_Render() {
	r, _ := mailer.New(printer{}, mailer.Options{
		From:      mailer.Address{Email: "mdm@example.com"},
		Templates: fstest.MapFS{"en/invitation.body.txt": {Data: []byte("Hello {{.Name}}.{{with .PIN}} Your PIN is {{.}}.{{end}}")}},
	})
	m, _ := r.Render(exampleMail())
	fmt.Print(m.Text)
	// Output:
	// Hello Jan. Your PIN is 1234 5678.
}

func ExampleTemplates() {
	names, _ := fs.Glob(mailer.Templates(), "en/*.subject.txt")
	fmt.Println(names)
	// Output:
	// [en/alert.subject.txt en/invitation.subject.txt en/renewal.subject.txt]
}

func ExampleMessage_Format() {
	r, _ := mailer.New(printer{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com"}})
	m, _ := r.Render(exampleMail())
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
