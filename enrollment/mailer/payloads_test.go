package mailer_test

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

// payloads are what people, devices and tenants could call themselves.
func payloads() []string {
	return []string{
		// Headers.
		"Jan\r\nBcc: eve@evil.example",
		"Jan\nBcc: eve@evil.example",
		"Jan\rBcc: eve@evil.example",
		"Jan\r\n\r\n<h1>body</h1>",
		"Jan\x00Bcc: eve@evil.example",
		"Jan%0d%0aBcc: eve@evil.example",
		"Jan\\r\\nBcc: eve@evil.example",
		"Jan\u2028Bcc: eve@evil.example",
		"Jan\u2029Bcc: eve@evil.example",
		"Jan\u0085Bcc: eve@evil.example",
		"Jan\v\fBcc: x",
		"\r\n.\r\nMAIL FROM: <eve@evil.example>",
		"Jan\r\n Bcc: eve@evil.example",
		"\" <eve@evil.example>, \"",
		"eve@evil.example, jan@example.org",
		"<eve@evil.example>",
		"Jan <eve@evil.example>;",
		"=?utf-8?q?x=0D=0ABcc:=20eve@evil.example?=",
		"=?utf-8?b?aHR0cDovL2V2aWwuZXhhbXBsZS8=?=",
		"=?utf-8?q?http=3A//evil.example?=",
		// Links.
		"http://evil.example",
		"https://evil.example/i/1",
		"HTTPS://EVIL.EXAMPLE",
		"click http://evil.example now",
		"www.evil.example",
		"evil.com",
		"evil.com/path?x=1#y",
		"a.b.evil.com:8080",
		"//evil.com",
		"http:evil.com",
		"https:\\\\evil.com",
		"http://1.2.3.4/",
		"1.2.3.4/evil",
		"http://[::1]/",
		"http://user@evil.com",
		"eve@evil.com",
		"mailto:eve@evil.com",
		"tel:+420123456789",
		"javascript:alert(1)",
		"JaVaScRiPt:alert(1)",
		"data:text/html,x",
		"vbscript:x",
		"market://details?id=evil",
		"xn--80ak6aa92e.com",
		"пример.рф",
		"evil。com",
		"ｅｖｉｌ．ｃｏｍ／ｘ",
		"ｈｔｔｐ：／／ｅｖｉｌ．ｃｏｍ",
		"ht\u200btp://ev\u200dil.com",
		"e\u00advil.c\u00adom",
		"[click](http://evil.com)",
		"evil.com.",
		"(evil.com)",
		"https://enroll.example.com.evil.com/join/i/1",
		"https://enroll.example.com@evil.com/",
		// HTML and templates.
		"<script>alert(1)</script>",
		"<img src=x onerror=alert(1)>",
		"<img src=\"https://evil.com/pixel.gif\">",
		"\"><a href=\"https://evil.com\">x</a>",
		"' onmouseover='alert(1)",
		"\" style=\"background:url(https://evil.com)\" x=\"",
		"</title><script>x</script>",
		"</style><base href=//evil.com>",
		"<!--[if mso]><a href=//evil.com><![endif]-->",
		"&lt;script&gt;&#60;b&#62;",
		"<a href=cid:qr@x>",
		"{{.PIN}}{{.URL}}",
		"{{template \"body\" .}}",
		// What is seen.
		"\u202Egro.live//:ptth",
		"\u2066Jan\u2069\u200f",
		"\ufeffJan\U000e0041",
		"J\xff\xfean",
		strings.Repeat("A", 5000),
		strings.Repeat("ž", 100) + ".com",
		strings.Repeat("a.", 40) + "com",
		strings.Repeat("<", 1000),
		"",
		" \t ",
	}
}

// fields puts a payload into each text field of a mail; "kind: field" is one that
// only that kind has.
func fields() map[string]func(m *enrollment.Mail, s string) {
	return map[string]func(m *enrollment.Mail, s string){
		"to name":       func(m *enrollment.Mail, s string) { m.ToName = s },
		"language":      func(m *enrollment.Mail, s string) { m.Language = s },
		"site id":       func(m *enrollment.Mail, s string) { m.Site.ID = s },
		"site name":     func(m *enrollment.Mail, s string) { m.Site.Name = s },
		"site language": func(m *enrollment.Mail, s string) { m.Site.Languages = []string{s} },
		"support":       func(m *enrollment.Mail, s string) { m.Site.Support = s },
		"agent name": func(m *enrollment.Mail, s string) {
			agent := m.Site.Agents[device.Android]
			agent.Name = s
			m.Site.Agents[device.Android] = agent
			if m.Renewal != nil {
				m.Renewal.Agent = agent
			}
		},
		"invitation: id":        func(m *enrollment.Mail, s string) { m.Invitation.ID = s },
		"invitation: mode":      func(m *enrollment.Mail, s string) { m.Invitation.Mode = device.Mode(s) },
		"invitation: ownership": func(m *enrollment.Mail, s string) { m.Invitation.Ownership = device.Ownership(s) },
		"renewal: id":           func(m *enrollment.Mail, s string) { m.Renewal.Device = s },
		"renewal: name":         func(m *enrollment.Mail, s string) { m.Renewal.Name = s },
		"renewal: platform":     func(m *enrollment.Mail, s string) { m.Renewal.Platform = device.Platform(s) },
		"renewal: state":        func(m *enrollment.Mail, s string) { m.Renewal.State = device.State(s) },
		"alert: code":           func(m *enrollment.Mail, s string) { m.Alert.Code = s },
		"alert: user": func(m *enrollment.Mail, s string) {
			m.Alert.User = enrollment.User{Site: s, ID: s, Name: s, EmailKey: s, Language: s}
		},
		"alert: user email": func(m *enrollment.Mail, s string) { m.Alert.User.Email = s },
		"alert: event": func(m *enrollment.Mail, s string) {
			m.Alert.Event = enrollment.Event{
				ID: s, Subject: s, Type: enrollment.EventType(s), Actor: s, Before: s, After: s, Reason: s,
				User: s, Invitation: s, Device: s, Data: map[string]string{s: s},
				Ref: device.Ref{Source: s, ID: s},
			}
		},
	}
}

func TestNoPayloadInAnyFieldAddsARecipientAHeaderALinkOrAnElement(t *testing.T) {
	require.GreaterOrEqual(t, len(payloads()), 60)
	t.Run("built in", func(t *testing.T) { noPayloadAddsAnything(t, newMailer(t)) })
	t.Run("edited", func(t *testing.T) { noPayloadAddsAnything(t, withOverrides(t, everywhere())) })
}

// everywhere are templates that put every variable wherever one may stand, but
// no addresses into subjects.
func everywhere() *edited {
	e := &edited{templates: make(map[string]mailer.Template)}
	for _, kind := range mailer.Kinds() {
		t := mailer.Template{Subject: "Subject: ", Text: "Text: ", HTML: "<p>HTML: "}
		for _, v := range mailer.Variables(kind) {
			value := "{{." + v.Name + "}}"
			if v.Name == "Code" { // to compare with; Event is the same in words
				t.Text += `{{if eq .Code "invitation.pin_alert"}}PIN{{end}} `
				continue
			}
			if !v.Secret && !v.Link && !slices.Contains([]string{"Email", "Support", "UserEmail"}, v.Name) {
				t.Subject += value + " "
			}
			t.Text += value + "\n- " + value + " {{with ." + v.Name + "}}( {{.}} ){{end}}\n"
			t.HTML += `<b title="` + value + `" class="a {{/* */}}` + value + `">` + value + `</b> <i>` + value + `</i>{{with .` + v.Name + `}} {{.}} {{end}}`
			if v.Link {
				t.HTML += `{{if .` + v.Name + `}}<a href="` + value + `">` + value + `</a>{{end}}`
			}
		}
		t.HTML += "</p>"
		e.templates["acme/"+string(kind)+"/en"] = t
	}
	return e
}

func noPayloadAddsAnything(t *testing.T, r *mailer.Mailer) {
	for kind, mail := range kindsWithoutImage() {
		for field, put := range fields() {
			if of, _, ok := strings.Cut(field, ": "); ok && of != kind {
				continue
			}
			t.Run(kind+"/"+field, func(t *testing.T) {
				t.Parallel()
				// What the mail says with a plain word in the field, and with nothing.
				var links, words, skeletons []string
				for _, plain := range []string{"Anna", ""} {
					m := mail()
					put(&m, plain)
					msg, err := r.Render(t.Context(), m)
					require.NoError(t, err)
					links = append(links, linksOf(msg.HTML)...)
					words = append(words, wordsOf(msg.Text)...)
					words = append(words, wordsOf(textOf(msg.HTML))...)
					skeletons = append(skeletons, skeletonOf(msg.HTML))
				}
				for _, payload := range payloads() {
					m := mail()
					put(&m, payload)
					msg, err := r.Render(t.Context(), m)
					require.NoError(t, err, "%q", payload)

					checkHeader(t, headerOf(msg), payload)
					require.Equal(t, m.To, msg.To.Email, "the stored address, byte for byte")
					require.Subset(t, links, linksOf(msg.HTML), "%q: a link in HTML", payload)
					require.Contains(t, skeletons, skeletonOf(msg.HTML), "%q: an element or attribute", payload)

					allowed := words
					if field == "support" || field == "alert: user email" {
						allowed = append(slices.Clone(words), addressesIn(payload)...)
					}
					require.Subset(t, allowed, wordsOf(msg.Text), "%q: a link in the text", payload)
					require.Subset(t, allowed, wordsOf(textOf(msg.HTML)), "%q: a link in the text of the HTML", payload)
				}
			})
		}
	}
}

// addressesIn returns the plain addresses that whoever is asked for help, and who
// an alert is about, may have.
func addressesIn(payload string) (found []string) {
	for word := range strings.FieldsSeq(payload) {
		if word = strings.Trim(word, ",;()<>"); strings.Contains(word, "@") {
			if a, err := mail.ParseAddress(word); err == nil && a.Address == word {
				found = append(found, word)
			}
		}
	}
	return found
}

// checkHeader parses a header as a mail program would.
func checkHeader(t *testing.T, raw []byte, payload string) {
	t.Helper()
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err, "%q", payload)
	var names []string
	for name, values := range parsed.Header {
		names = append(names, name)
		require.Len(t, values, 1, "%q: %s", payload, name)
	}
	require.ElementsMatch(t, []string{
		"From", "To", "Subject", "Message-Id", "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Language",
	}, names, "%q", payload)

	to, err := parsed.Header.AddressList("To")
	require.NoError(t, err, "%q", payload)
	require.Len(t, to, 1, "%q", payload)
	require.Equal(t, "Jan.Novak@example.org", to[0].Address, "%q", payload)

	subject := parsed.Header.Get("Subject")
	require.NotContains(t, subject, "=?", "%q: a mail program would decode it", payload)
	require.Empty(t, wordsOf(subject), "%q", payload)
}

func TestAnIDThatIsNoTokenIsRefused(t *testing.T) {
	r := newMailer(t)
	for _, payload := range payloads() {
		m := invitationMail()
		m.ID = payload
		_, err := r.Render(t.Context(), m)
		if err == nil {
			require.Regexp(t, `^[A-Za-z0-9_.-]{1,128}$`, payload)
			continue
		}
		require.NotErrorIs(t, err, enrollment.ErrUndeliverable)
	}
}

func TestTheRecipientIsExactlyOneStoredAddressOrUndeliverable(t *testing.T) {
	r := newMailer(t)
	for _, stored := range []string{"jan@example.org", "JAN.Novak+mdm@Example.ORG", "!#$%&'*+-/=?^_`{|}~@example.com", "admin@localhost"} {
		m := invitationMail()
		m.To = stored
		msg, err := r.Render(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, stored, msg.To.Email, "byte for byte")
	}
	for _, malformed := range append(payloads(),
		"jan@example.org\r\n", " jan@example.org", "jan@example.org ", "jan@example.org\nBcc: eve@evil.com",
		"jan@example.org,eve@evil.com", "jan@example.org;eve@evil.com", "jan@example.org eve@evil.com",
		"Jan <jan@example.org>", "<jan@example.org>", "jan@server", "@localhost", "jan@localhost.", "jan@[127.0.0.1]", `"jan"@example.org`,
		"jan(comment)@example.org", "ja\u0142@example.org", "jan@ex\u212Aample.org", "jan", "@", "jan@@example.org",
	) {
		if malformed == "eve@evil.com" {
			continue // the one payload that is an address
		}
		m := invitationMail()
		m.To = malformed
		_, err := r.Render(t.Context(), m)
		require.ErrorIs(t, err, enrollment.ErrUndeliverable, "%q", malformed)
		if len(malformed) > 3 {
			require.NotContains(t, err.Error(), malformed, "an error shows no address")
		}
	}
}

// The payloads would prove nothing if the edited templates were not those that
// are used.
func TestTheEditedTemplatesOfThePayloadTestsAreUsed(t *testing.T) {
	e := everywhere()
	r := withOverrides(t, e)
	for kind, mail := range kindsWithoutImage() {
		require.NoError(t, mailer.Check(mailer.Kind(kind), e.templates["acme/"+kind+"/en"]))
		msg, err := r.Render(t.Context(), mail())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(msg.Subject, "Subject: "))
		require.True(t, strings.HasPrefix(msg.Text, "Text: "))
		require.Contains(t, msg.HTML, "HTML: ")
	}
}
