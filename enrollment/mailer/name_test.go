package mailer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestNamesLoseWhatAMailProgramFollowsAndKeepTheRest(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Jan Novák", "Jan Novák"},
		{"  Jan \t Novák\n", "Jan Novák"},
		{"Acme s.r.o.", "Acme s.r.o."},
		{"J.R.R. Tolkien", "J.R.R. Tolkien"},
		{"O'Neil & \"Sons\"", "O'Neil & \"Sons\""},
		{"Novák, Jan", "Novák, Jan"},
		{"山田太郎", "山田太郎"},
		{"محمد", "محمد"},
		{"AA:BB:CC:DD:EE:FF", "AA:BB:CC:DD:EE:FF"},
		{"Windows 10.0.19045", "Windows 10.0.19045"},
		{"IT/OPS", "IT/OPS"},
		{".NET", ".NET"},
		{"Dr.Smith", "Dr. Smith"},
		{"Booking.com", "Booking. com"},
		{"pc-1.corp.example.com", "pc-1. corp. example. com"},
		{"Jan http://evil.com Novák", "Jan Novák"},
		{"http://evil.com", ""},
		{"jan@example.com", ""},
		{"mailto：eve", ""},
		{"evil。com", "evil. com"},
		{"evil．com／x", ""},
		{"eve＠evil.com", ""},
		{"Jan <b>", "Jan b"},
		{"Jan:", "Jan"},
		{"\u202eJan\u202c", "Jan"},
		{"Jan\u200b\u2060\ufeff", "Jan"},
		{"=?utf-8?q?x?= Jan", "Jan"},
	} {
		t.Run(c.in, func(t *testing.T) { require.Equal(t, c.want, cleanName(c.in)) })
	}
}

func TestSupportKeepsAnAddressAndATelephoneNumber(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"help@example.com", "help@example.com"},
		{"+420 123 456 789", "+420 123 456 789"},
		{"IT (help@example.com), ext. 12", "IT (help@example.com), ext. 12"},
		{"https://help.example.com", ""},
		{"help@example.com\r\nBcc: x", "help@example.com Bcc x"},
	} {
		t.Run(c.in, func(t *testing.T) { require.Equal(t, c.want, cleanSupport(c.in)) })
	}
}

func TestAgentLinksHaveASchemeThatAMailMayHave(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"https://apps.example.com/acme?id=1", "https://apps.example.com/acme?id=1"},
		{"acme://open?x=1", "acme://open?x=1"},
		{"intent://open#Intent;scheme=acme;end", "intent://open#Intent;scheme=acme;end"},
		{"http://localhost:8080/store", "http://localhost:8080/store"},
		{`https://example.com/?q="><b>`, "https://example.com/?q=%22%3E%3Cb%3E"},
		{"https://example.com/ž", "https://example.com/%C5%BE"},
		{"", ""},
		{"/path", ""},
		{"//example.com", ""},
		{"https:///path", ""},
		{"http://example.com", ""},
		{"https://user@example.com", ""},
		{"javascript:alert(1)", ""},
		{"javascript://x/%0aalert(1)", ""},
		{"JAVASCRIPT://x", ""},
		{"data://text/html,x", ""},
		{"mailto:eve@evil.com", ""},
		{"https://example.com/\r\nBcc:x", ""},
		{"https://example.com/?ž", ""},
	} {
		t.Run(c.in, func(t *testing.T) { require.Equal(t, c.want, string(agentLink(c.in))) })
	}
}

func TestHeadersTakeNoLineBreakWhoeverSetsThem(t *testing.T) {
	whole := Message{
		ID: "evt_1", From: Address{Name: "a", Email: "a@example.com"}, To: Address{Name: "b", Email: "b@example.com"},
		ReplyTo: Address{Name: "c", Email: "c@example.com"}, Subject: "s",
		Headers: []Header{{"N", "v"}}, Inline: []Inline{{CID: "c", Name: "n", Type: "t"}},
	}
	require.NoError(t, whole.checkHeaders())
	for _, bad := range []string{"x\r", "x\n", "x\x00", "\r\nBcc: eve@evil.com"} {
		for name, put := range map[string]func(m *Message){
			"id":             func(m *Message) { m.ID = bad },
			"from name":      func(m *Message) { m.From.Name = bad },
			"from email":     func(m *Message) { m.From.Email = bad },
			"to name":        func(m *Message) { m.To.Name = bad },
			"to email":       func(m *Message) { m.To.Email = bad },
			"reply-to name":  func(m *Message) { m.ReplyTo.Name = bad },
			"reply-to email": func(m *Message) { m.ReplyTo.Email = bad },
			"subject":        func(m *Message) { m.Subject = bad },
			"header name":    func(m *Message) { m.Headers = []Header{{bad, "v"}} },
			"header value":   func(m *Message) { m.Headers = []Header{{"N", bad}} },
			"cid":            func(m *Message) { m.Inline = []Inline{{CID: bad}} },
			"inline name":    func(m *Message) { m.Inline = []Inline{{Name: bad}} },
			"inline type":    func(m *Message) { m.Inline = []Inline{{Type: bad}} },
		} {
			t.Run(name, func(t *testing.T) {
				m := whole
				put(&m)
				require.ErrorIs(t, m.checkHeaders(), errHeader)
			})
		}
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add("Jan http://evil.com")
	f.Add(strings.Repeat("0", maxName-1) + ":0") // the cut leaves a colon at the end
	f.Fuzz(func(t *testing.T, s string) {
		name := cleanName(s)
		require.Equal(t, name, cleanName(name), "cleaning twice changes nothing")
		require.LessOrEqual(t, utf8.RuneCountInString(name), maxName)
		require.True(t, utf8.ValidString(name))
		require.NotContains(t, name, "\n")
	})
}
