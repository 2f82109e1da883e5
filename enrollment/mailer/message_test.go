package mailer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

func TestAMessageDoesNotPrintItself(t *testing.T) {
	msg := render(t, invitationMail())
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "message", msg, "pointer", &msg)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "message", msg)
	printed := log.String() + msg.String() + msg.GoString()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		printed += fmt.Sprintf(verb, msg) + fmt.Sprintf(verb, &msg) + fmt.Sprintf(verb, []mailer.Message{msg})
		printed += fmt.Sprintf(verb, mailer.Data{PIN: secretPIN, URL: secretLink})
	}
	require.Contains(t, printed, "evt_01k9y3c7q2")
	require.Contains(t, printed, "mail.invitation")
	for _, secret := range []string{
		secretToken, secretPIN, groupedPIN, "Novak", "Hello", fmt.Sprintf("%x", secretToken), fmt.Sprintf("%X", secretPIN),
	} {
		require.NotContains(t, printed, secret)
	}
}

func TestAMessageIDStaysTheSameAndIsWellFormed(t *testing.T) {
	first, second := render(t, invitationMail()), render(t, invitationMail())
	require.Equal(t, first.MessageID("mail.example.com"), second.MessageID("mail.example.com"))
	for _, c := range []struct{ domain, want string }{
		{"mail.example.com", "<evt_01k9y3c7q2@mail.example.com>"},
		{"", "<evt_01k9y3c7q2@example.com>"},
		{"x>\r\nBcc: eve@evil.com", "<evt_01k9y3c7q2@example.com>"},
	} {
		require.Equal(t, c.want, first.MessageID(c.domain))
	}
}

func TestEveryMessageSaysThatAMachineWroteIt(t *testing.T) {
	for kind, mail := range kinds() {
		t.Run(kind, func(t *testing.T) {
			m := mail()
			m.Language = "cs"
			msg := render(t, m)
			require.Equal(t, []mailer.Header{
				{Name: "Auto-Submitted", Value: "auto-generated"},
				{Name: "X-Auto-Response-Suppress", Value: "All"},
				{Name: "Content-Language", Value: "cs"},
			}, msg.Headers)
			require.Equal(t, m.At, msg.Date)
			require.Equal(t, "acme", msg.Site)
			require.Equal(t, m.Kind, msg.Kind)
		})
	}
}

func TestTheSenderIsNamedAfterTheSiteUnlessItHasAName(t *testing.T) {
	require.Equal(t, mailer.Address{Name: "Acme", Email: "mdm@example.com"}, render(t, invitationMail()).From)

	o := options()
	o.From.Name, o.ReplyTo = "Device desk", mailer.Address{Email: "desk@example.com"}
	r, err := mailer.New(&outbox{}, o)
	require.NoError(t, err)
	msg, err := r.Render(t.Context(), invitationMail())
	require.NoError(t, err)
	require.Equal(t, o.From, msg.From)
	require.Equal(t, o.ReplyTo, msg.ReplyTo)
}

func TestTheHTMLRefersToTheImageThatComesWithIt(t *testing.T) {
	for _, kind := range []string{"invitation", "renewal"} {
		t.Run(kind, func(t *testing.T) {
			msg := render(t, kinds()[kind]())
			require.Len(t, msg.Inline, 1)
			image := msg.Inline[0]
			require.Equal(t, "image/png", image.Type)
			require.Equal(t, "qr@evt_01k9y3c7q2", image.CID)
			require.Contains(t, linksOf(msg.HTML), "cid:"+image.CID)
			decoded, err := png.Decode(bytes.NewReader(image.Data))
			require.NoError(t, err)
			require.Contains(t, msg.HTML, fmt.Sprintf(`width="%d"`, decoded.Bounds().Dx()))
		})
	}
	t.Run("there is none where there is no code", func(t *testing.T) {
		for _, mail := range []enrollment.Mail{bareInvitation(), renewalWithoutInvitation(), alertMail()} {
			msg := render(t, mail)
			require.Empty(t, msg.Inline)
			require.NotContains(t, msg.HTML, "cid:")
			require.NotContains(t, msg.HTML, "<img")
		}
	})
}

func TestAQRCodeOfEverySizeIsDeliveredWithThreePixelsAModule(t *testing.T) {
	for _, length := range []int{1, 50, 600, 2331, 2332, 2953} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			m := invitationMail()
			m.Invitation.Codes.QR = credentials.SecretString(strings.Repeat("x", length))
			image, err := png.DecodeConfig(bytes.NewReader(render(t, m).Inline[0].Data))
			require.NoError(t, err)
			require.GreaterOrEqual(t, image.Width, 3*29)
			require.LessOrEqual(t, image.Width, 600)
		})
	}
	t.Run("and one that fits no code is an error that does not quote it", func(t *testing.T) {
		m := invitationMail()
		m.Invitation.Codes.QR = credentials.SecretString(strings.Repeat("secret", 500))
		_, err := newMailer(t).Render(t.Context(), m)
		require.ErrorIs(t, err, credentials.ErrTooLong)
		require.NotContains(t, err.Error(), "secret")
	})
}

func TestAnAddressIsWrittenSoThatItStaysOne(t *testing.T) {
	require.Empty(t, mailer.Address{}.String())
	require.Equal(t, `"Novak, Jan" <jan@example.com>`, mailer.Address{Name: "Novak, Jan", Email: "jan@example.com"}.String())
}

// Embedders may keep messages, so JSON is no way of logging and holds all of it.
func TestAMessageGoesThroughJSON(t *testing.T) {
	msg := render(t, invitationMail())
	text, err := json.Marshal(msg)
	require.NoError(t, err)
	var back mailer.Message
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, msg.Text, back.Text)
	require.Equal(t, msg.Inline, back.Inline)
}
