package mailer_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

func TestSecretsAreInTheBodiesAndNowhereElse(t *testing.T) {
	for _, kind := range []string{"invitation", "renewal"} {
		t.Run(kind, func(t *testing.T) {
			msg := render(t, kinds()[kind]())
			for _, body := range []string{msg.Text, msg.HTML} {
				require.Contains(t, body, secretLink)
				require.Contains(t, body, groupedPIN)
				require.Contains(t, body, "Jan.Novak@example.org", "the PIN goes with the address")
			}
			header := string(headerOf(msg))
			for _, image := range msg.Inline {
				header += image.CID + image.Name + image.Type
			}
			for _, secret := range []string{secretToken, secretPIN, groupedPIN} {
				require.NotContains(t, header, secret)
			}
		})
	}
	t.Run("self_service", func(t *testing.T) {
		msg := render(t, loginMail())
		for _, body := range []string{msg.Text, msg.HTML} {
			require.Contains(t, body, loginUser)
			require.Contains(t, body, groupedPass)
			require.Contains(t, body, loginLink)
		}
		for _, secret := range []string{loginUser, secretPass, groupedPass} {
			require.NotContains(t, string(headerOf(msg)), secret)
		}
		require.Empty(t, msg.Inline)
	})
	t.Run("no file puts one into a subject", func(t *testing.T) {
		for kind, name := range map[string]string{"invitation": "PIN", "renewal": "URL", "self_service": "Password"} {
			_, err := with(t, map[string]string{"en/" + kind + ".subject.txt": "x {{." + name + "}}"})
			require.ErrorIs(t, err, mailer.ErrOptions)
			require.ErrorContains(t, err, "en/"+kind+".subject.txt")
		}
	})
	t.Run("an alert has none", func(t *testing.T) {
		m := alertMail()
		m.Alert.Event.Data = map[string]string{"pin": secretPIN, "token": secretToken}
		m.Alert.Event.Reason = secretPIN
		msg := render(t, m)
		for _, secret := range []string{secretToken, secretPIN, groupedPIN} {
			require.NotContains(t, msg.Text+msg.HTML+msg.Subject, secret)
		}
	})
}

func TestWhatIsZeroIsNotMentioned(t *testing.T) {
	for _, c := range []struct {
		what   string
		remove func(c *enrollment.Codes)
		gone   []string
	}{
		{"PIN", func(c *enrollment.Codes) { c.PIN = credentials.Secret{} }, []string{"PIN", groupedPIN}},
		{"QR code", func(c *enrollment.Codes) { c.QR = credentials.Secret{} }, []string{"QR", "<img", "can this code"}},
		{"link", func(c *enrollment.Codes) { c.URL = credentials.Secret{} }, []string{secretToken, "Accept invitation", "start from this link"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			i, r := invitationMail(), renewalMail()
			c.remove(&i.Invitation.Codes)
			c.remove(&r.Renewal.Codes)
			for _, m := range []enrollment.Mail{i, r} {
				msg := render(t, m)
				for _, gone := range c.gone {
					require.NotContains(t, msg.Text+msg.HTML, gone)
				}
			}
		})
	}
}

func TestTheButtonOfAnInvitationIsTheDeploymentURL(t *testing.T) {
	msg := render(t, invitationMail())
	require.Regexp(t, `<a href="`+secretLink+`"[^>]*>Accept invitation</a>`, msg.HTML)
}

func TestTheButtonOfASelfServiceMailIsThePageThatTakesTheLogin(t *testing.T) {
	require.Regexp(t, `<a href="`+loginLink+`"[^>]*>Enroll now</a>`, render(t, loginMail()).HTML)
}

func TestTheButtonOfARenewalOpensTheAgentOrItsStore(t *testing.T) {
	m := renewalMail()
	require.Regexp(t, `<a href="acme://open"[^>]*>Open the app</a>`, render(t, m).HTML)
	require.Contains(t, linksOf(render(t, m).HTML), storeLink)

	m.Renewal.Agent.OpenURL = ""
	require.Regexp(t, `<a href="https://play.google.com/store/apps/details\?id=com.example.mobile"[^>]*>Get the app</a>`, render(t, m).HTML)

	m.Renewal.Agent = enrollment.Agent{}
	require.NotContains(t, render(t, m).HTML, "the app</a>")
}

func TestMailLoadsNothingFromAnywhere(t *testing.T) {
	for kind, mail := range kinds() {
		t.Run(kind, func(t *testing.T) {
			page := render(t, mail()).HTML
			for _, remote := range []string{"<link", "<script", "<iframe", "<object", "@import", "url(", "src=\"http", "data:", "srcset", "background=\""} {
				require.NotContains(t, page, remote)
			}
		})
	}
}

func TestALinkIsAlwaysBelowThePublicURLOfItsSite(t *testing.T) {
	r := newMailer(t)
	for _, foreign := range []string{
		"https://evil.com/join/i/" + secretToken,
		"https://enroll.example.com.evil.com/join/i/" + secretToken,
		"https://enroll.example.com@evil.com/join/i/" + secretToken,
		"https://user@enroll.example.com/join/i/" + secretToken,
		"https://enroll.example.com:8443/join/i/" + secretToken,
		"http://enroll.example.com/join/i/" + secretToken,
		"https://enroll.example.com/i/" + secretToken,
		"https://enroll.example.com/joined/i/" + secretToken,
		"https://enroll.example.com/join/../i/" + secretToken,
		"https://enroll.example.com/join/%2e%2e/i/" + secretToken,
		"//enroll.example.com/join/i/" + secretToken,
		"/join/i/" + secretToken,
		"javascript:alert(1)",
		"https://enroll.example.com/join/i/\r\nx",
	} {
		t.Run(foreign, func(t *testing.T) {
			for _, m := range []enrollment.Mail{invitationMail(), renewalMail()} {
				if m.Invitation != nil {
					m.Invitation.Codes.URL = credentials.SecretString(foreign)
				} else {
					m.Renewal.Codes.URL = credentials.SecretString(foreign)
				}
				_, err := r.Render(t.Context(), m)
				require.Error(t, err)
				require.NotErrorIs(t, err, enrollment.ErrUndeliverable, "the configuration can be put right")
				require.NotContains(t, err.Error(), secretToken)
			}
		})
	}
	t.Run("no PublicURL", func(t *testing.T) {
		m := invitationMail()
		m.Site.PublicURL = nil
		_, err := r.Render(t.Context(), m)
		require.Error(t, err)
	})
	t.Run("http on loopback is fine", func(t *testing.T) {
		m := invitationMail()
		m.Site.PublicURL = &url.URL{Scheme: "http", Host: "127.0.0.1:8080"}
		m.Invitation.Codes.URL = credentials.SecretString("http://127.0.0.1:8080/i/" + secretToken)
		_, err := r.Render(t.Context(), m)
		require.NoError(t, err)
	})
}

func TestMailIsAboutWhatItsKindSays(t *testing.T) {
	r := newMailer(t)
	for name, m := range map[string]func() enrollment.Mail{
		"no content":      func() enrollment.Mail { return envelope(enrollment.MessageInvitation) },
		"unknown kind":    func() enrollment.Mail { m := invitationMail(); m.Kind = "mail.other"; return m },
		"handler":         func() enrollment.Mail { m := invitationMail(); m.Kind = enrollment.MessageHandler; return m },
		"another content": func() enrollment.Mail { m := invitationMail(); m.Kind = enrollment.MessageAlert; return m },
		"two contents":    func() enrollment.Mail { m := invitationMail(); m.Alert = alertMail().Alert; return m },
		"a login besides": func() enrollment.Mail { m := alertMail(); m.Login = loginMail().Login; return m },
		"no login":        func() enrollment.Mail { return envelope(enrollment.MessageLogin) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Render(t.Context(), m())
			require.Error(t, err)
			require.NotErrorIs(t, err, enrollment.ErrUndeliverable)
		})
	}
}

func TestDeliverPassesOnWhatTheSenderSays(t *testing.T) {
	broken := errors.New("451 later")
	for name, c := range map[string]error{
		"accepted": nil, "later": broken, "final": errors.Join(enrollment.ErrUndeliverable, broken),
	} {
		t.Run(name, func(t *testing.T) {
			out := &outbox{err: c}
			r, err := mailer.New(out, options())
			require.NoError(t, err)
			err = r.Deliver(t.Context(), invitationMail())
			require.Len(t, out.sent, 1)
			require.ErrorIs(t, err, c)
			if err != nil {
				require.False(t, strings.Contains(err.Error(), "@"), "no address in %q", err)
				require.Contains(t, err.Error(), "evt_01k9y3c7q2")
			}
		})
	}
	t.Run("and sends nothing that cannot be rendered", func(t *testing.T) {
		out := &outbox{}
		r, err := mailer.New(out, options())
		require.NoError(t, err)
		m := invitationMail()
		m.To = "a@b@c"
		require.ErrorIs(t, r.Deliver(t.Context(), m), enrollment.ErrUndeliverable)
		require.Empty(t, out.sent)
	})
}

func TestAMailerIsSafeForConcurrentUse(t *testing.T) {
	r := newMailer(t)
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for _, mail := range kinds() {
				_, e := r.Render(t.Context(), mail())
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	for range 8 {
		require.NoError(t, <-done)
	}
}
