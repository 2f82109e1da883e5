package mailer_test

import (
	"bytes"
	"context"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/invitation"
)

const (
	secretToken = "c2VjcmV0LXRva2VuLW9mLXRoZS1pbnZpdGF0aW9uLTE"
	secretLink  = "https://enroll.example.com/join/i/" + secretToken
	secretPIN   = "90417263"
	groupedPIN  = "9041 7263"
	enrollLink  = "https://enroll.example.com/join/enroll"
	loginLink   = enrollLink + "/login"
	loginUser   = "jan-4821"
	secretPass  = "7K2M9QXWD4T8VRBN"
	groupedPass = "7K2M-9QXW-D4T8-VRBN"
	storeLink   = "https://play.google.com/store/apps/details?id=com.example.mobile"
)

func at() time.Time { return time.Date(2026, 11, 21, 10, 4, 0, 0, time.UTC) }

func site() enrollment.Site {
	return enrollment.Site{
		ID:        "acme",
		Name:      "Acme",
		PublicURL: &url.URL{Scheme: "https", Host: "enroll.example.com", Path: "/join"},
		Languages: []string{"en"},
		Support:   "help@example.com",
		Agents: map[device.Platform]enrollment.Agent{
			device.Android: {Name: "Acme Mobile", Package: "com.example.mobile", OpenURL: "acme://open"},
			device.IOS:     {Name: "Acme for iPhone", StoreURL: "https://apps.example.com/acme"},
		},
	}
}

func codes() enrollment.Codes {
	return enrollment.Codes{
		URL: credentials.SecretString(secretLink),
		PIN: credentials.SecretString(secretPIN),
		QR:  credentials.SecretString(secretLink),
	}
}

func envelope(kind enrollment.MessageKind) enrollment.Mail {
	return enrollment.Mail{
		ID: "evt_01k9y3c7q2", Kind: kind, Site: site(),
		To: "Jan.Novak@example.org", ToName: "Jan Novák", At: at(),
	}
}

func invitationMail() enrollment.Mail {
	m := envelope(enrollment.MessageInvitation)
	m.Invitation = &enrollment.InvitationMail{
		ID: "inv_01", Codes: codes(), Mode: device.AndroidWorkProfile, ExpiresAt: at().AddDate(0, 1, 0),
	}
	return m
}

func renewalMail() enrollment.Mail {
	m := envelope(enrollment.MessageRenewal)
	m.Renewal = &enrollment.RenewalMail{
		Device: "dev_01", Name: "Jan's phone", Platform: device.Android, Since: at().Add(-50 * time.Hour),
		State: device.Unresponsive, Agent: m.Site.Agents[device.Android], Codes: codes(),
	}
	return m
}

func alertMail() enrollment.Mail {
	m := envelope(enrollment.MessageAlert)
	m.Alert = &enrollment.AlertMail{
		Code:  invitation.EventPINAlert,
		Event: enrollment.Event{Site: "acme", ID: "log_01", Invitation: "inv_01", At: at()},
		User:  enrollment.User{ID: "u-17", Name: "Eva Malá", Email: "eva@example.org"},
		Tries: 5,
	}
	return m
}

func loginMail() enrollment.Mail {
	m := envelope(enrollment.MessageLogin)
	m.Login = &enrollment.LoginMail{
		Username: loginUser, Password: credentials.SecretString(secretPass), URL: loginLink, ExpiresAt: at().AddDate(0, 0, 1),
	}
	return m
}

// kinds are one full mail of each kind.
func kinds() map[string]func() enrollment.Mail {
	return map[string]func() enrollment.Mail{
		"invitation": invitationMail, "renewal": renewalMail, "alert": alertMail, "self_service": loginMail,
	}
}

// kindsWithoutImage are the same without the QR code, which takes most of the
// time and in which no name stands.
func kindsWithoutImage() map[string]func() enrollment.Mail {
	mails := make(map[string]func() enrollment.Mail)
	for kind, mail := range kinds() {
		mails[kind] = func() enrollment.Mail {
			m := mail()
			if m.Invitation != nil {
				m.Invitation.Codes.QR = credentials.Secret{}
			}
			if m.Renewal != nil {
				m.Renewal.Codes.QR = credentials.Secret{}
			}
			return m
		}
	}
	return mails
}

// outbox is a Sender that keeps what it gets.
type outbox struct {
	sent []mailer.Message
	err  error
}

func (o *outbox) Send(_ context.Context, m mailer.Message) error {
	o.sent = append(o.sent, m)
	return o.err
}

func options() mailer.Options {
	return mailer.Options{From: mailer.Address{Email: "mdm@example.com"}}
}

func newMailer(t testing.TB) *mailer.Mailer {
	t.Helper()
	r, err := mailer.New(&outbox{}, options())
	require.NoError(t, err)
	return r
}

func render(t testing.TB, m enrollment.Mail) mailer.Message {
	t.Helper()
	msg, err := newMailer(t).Render(t.Context(), m)
	require.NoError(t, err)
	return msg
}

var (
	styleElement = regexp.MustCompile(`(?s)<style>.*?</style>`)
	tag          = regexp.MustCompile(`<(/?[!A-Za-z][A-Za-z0-9]*)([^<>]*)>`)
	attribute    = regexp.MustCompile(`([A-Za-z-]+)(?:="([^"]*)")?`)
	// What a mail program could make a link of: a scheme, "www." or a domain.
	linkMark = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]{2,}:.|[Ww]{3}\..|[\pL\pM\pN_-]\.\pL[\pL\pM]`)
)

// wordsOf returns the words of a text, or of HTML without tags, that look like
// links, without punctuation around.
func wordsOf(text string) (links []string) {
	for word := range strings.FieldsSeq(text) {
		if strings.ContainsAny(word, ".:") && linkMark.MatchString(word) {
			links = append(links, strings.Trim(word, `.,;:()"“”„`))
		}
	}
	slices.Sort(links)
	return slices.Compact(links)
}

func textOf(page string) string {
	return html.UnescapeString(tag.ReplaceAllString(styleElement.ReplaceAllString(page, " "), " "))
}

// linksOf returns what the attributes of a page refer to.
func linksOf(page string) (links []string) {
	for _, t := range tag.FindAllStringSubmatch(page, -1) {
		for _, a := range attribute.FindAllStringSubmatch(t[2], -1) {
			if slices.Contains([]string{"href", "src", "background", "action", "srcset", "data", "poster"}, strings.ToLower(a[1])) {
				links = append(links, html.UnescapeString(a[2]))
			}
		}
	}
	slices.Sort(links)
	return slices.Compact(links)
}

// skeletonOf returns the elements of a page with the names of their attributes.
func skeletonOf(page string) string {
	var b strings.Builder
	for _, t := range tag.FindAllStringSubmatch(page, -1) {
		b.WriteString(t[1])
		for _, a := range attribute.FindAllStringSubmatch(t[2], -1) {
			b.WriteString(" " + a[1])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// headerOf writes the header the plain way, without encoding the subject.
func headerOf(m mailer.Message) []byte {
	var b bytes.Buffer
	write := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	write("From", m.From.String())
	write("To", m.To.String())
	write("Subject", m.Subject)
	write("Message-ID", m.MessageID("example.com"))
	for _, h := range m.Headers {
		write(h.Name, h.Value)
	}
	b.WriteString("\r\nbody\r\n")
	return b.Bytes()
}
