package smtp

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

// mailServer speaks enough SMTP, and says to a command what answers says.
type mailServer struct {
	mu      sync.Mutex
	got     string
	address string
}

func serve(t *testing.T, answers map[string]string) *mailServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	s := &mailServer{address: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.talk(conn, answers)
		}
	}()
	return s
}

func (s *mailServer) talk(conn net.Conn, answers map[string]string) {
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprint(conn, "220 ready\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		verb := strings.ToUpper(strings.SplitN(lines.Text(), " ", 2)[0])
		answer := "250 ok"
		if a, ok := answers[verb]; ok {
			answer = a
		} else if verb == "DATA" {
			answer = "354 go on"
		}
		_, _ = fmt.Fprint(conn, answer+"\r\n")
		if verb == "DATA" && strings.HasPrefix(answer, "354") {
			var text strings.Builder
			for lines.Scan() && lines.Text() != "." {
				text.WriteString(lines.Text() + "\r\n")
			}
			s.mu.Lock()
			s.got = text.String()
			s.mu.Unlock()
			_, _ = fmt.Fprint(conn, "250 taken\r\n")
		}
		if verb == "QUIT" {
			return
		}
	}
}

func message() mailer.Message {
	return mailer.Message{
		ID: "evt_1", Kind: enrollment.MessageInvitation, Date: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		From: mailer.Address{Name: "Žluťoučký", Email: "it@example.com"}, To: mailer.Address{Name: "Ann", Email: "ann.canary@example.org"},
		Subject: "Enroll ☃", Text: "plain canary", HTML: `<p><img src="cid:qr@evt_1"></p>`,
		Inline:  []mailer.Inline{{CID: "qr@evt_1", Name: "qr.png", Type: "image/png", Data: []byte("png")}},
		Headers: []mailer.Header{{Name: "Auto-Submitted", Value: "auto-generated"}},
	}
}

func TestAMessageArrivesWhole(t *testing.T) {
	s := serve(t, nil)
	sender, err := New(credentials.SecretString("smtp://" + s.address))
	require.NoError(t, err)
	require.NoError(t, sender.Send(t.Context(), message()))
	s.mu.Lock()
	defer s.mu.Unlock()
	got, err := netmail.ReadMessage(strings.NewReader(s.got))
	require.NoError(t, err)
	assert.Equal(t, "<evt_1@example.com>", got.Header.Get("Message-Id"))
	assert.Equal(t, "auto-generated", got.Header.Get("Auto-Submitted"))
	from, err := got.Header.AddressList("From")
	require.NoError(t, err)
	assert.Equal(t, "Žluťoučký", from[0].Name)
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	require.NoError(t, err)
	assert.Equal(t, "Enroll ☃", subject)
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), "multipart/alternative")
	assert.Contains(t, s.got, "multipart/related")
	assert.Contains(t, string(body), "<qr@evt_1>")
}

func TestWhatIsFinalAndWhatIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		final   bool
	}{
		"the recipient is refused":           {map[string]string{"RCPT": "550 no ann.canary@example.org here"}, true},
		"the recipient is refused for now":   {map[string]string{"RCPT": "451 later, ann.canary@example.org"}, false},
		"the mail is refused":                {map[string]string{"DATA": "554 no"}, true},
		"the sender is refused":              {map[string]string{"MAIL": "550 not you"}, false},
		"the server does not greet":          {map[string]string{"EHLO": "421 busy", "HELO": "421 busy"}, false},
		"the server wants us to sign in yet": {map[string]string{"MAIL": "530 authenticate"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answers)
			sender, err := New(credentials.SecretString("smtp://" + s.address))
			require.NoError(t, err)
			err = sender.Send(t.Context(), message())
			require.Error(t, err)
			if c.final {
				assert.ErrorIs(t, err, enrollment.ErrUndeliverable)
			} else {
				assert.NotErrorIs(t, err, enrollment.ErrUndeliverable)
			}
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestNothingIsSentInTheClearToAnotherMachine(t *testing.T) {
	s := serve(t, nil) // it offers no STARTTLS
	sender, err := New(credentials.SecretString("smtp://mail.example.com:25"))
	require.NoError(t, err)
	sender.options = append(sender.options, toAddress(s.address))
	err = sender.Send(t.Context(), message())
	require.Error(t, err)
	assert.NotErrorIs(t, err, enrollment.ErrUndeliverable)
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Empty(t, s.got)
}
