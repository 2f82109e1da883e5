package mailer_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/mailer"
)

func overlay(files map[string]string) fs.FS {
	tree := make(fstest.MapFS)
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

func with(t *testing.T, files map[string]string) (*mailer.Mailer, error) {
	t.Helper()
	o := options()
	o.Templates = overlay(files)
	return mailer.New(&outbox{}, o)
}

func TestMailIsInTheFirstLanguageThatHasItsKind(t *testing.T) {
	r, err := with(t, map[string]string{
		"de/invitation.subject.txt": "de", "de/invitation.body.txt": "de", "de/invitation.body.html": "de",
		"pt-BR/invitation.subject.txt": "pt-br", "pt-BR/invitation.body.txt": "x", "pt-BR/invitation.body.html": "x",
		"pt/invitation.subject.txt": "pt", "pt/invitation.body.txt": "x", "pt/invitation.body.html": "x",
	})
	require.NoError(t, err)
	const english, czech = "Enroll your device with Acme", "Zaregistrujte své zařízení – Acme"
	for _, c := range []struct {
		name, person string
		site         []string
		want         string
	}{
		{"the person's", "de", []string{"cs"}, "de"},
		{"the person's, however it is written", "DE", nil, "de"},
		{"what it is a dialect of", "de-AT", []string{"cs"}, "de"},
		{"a dialect with files of its own", "pt_BR", nil, "pt-br"},
		{"another dialect", "pt-PT", nil, "pt"},
		{"the site's, where the person's is missing", "fr", []string{"cs", "de"}, czech},
		{"the site's, where the person has none", "", []string{"cs-CZ"}, czech},
		{"English, where both are missing", "fr", []string{"it"}, english},
		{"English, where nobody says", "", nil, english},
		{"English for what is no language", "../../etc", []string{"\r\nx"}, english},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := invitationMail()
			m.Language, m.Site.Languages = c.person, c.site
			msg, err := r.Render(t.Context(), m)
			require.NoError(t, err)
			require.Equal(t, c.want, msg.Subject)
		})
	}
	t.Run("a kind that the language does not have", func(t *testing.T) {
		m := renewalMail()
		m.Language = "de"
		msg, err := r.Render(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, "Your device does not communicate: Jan's phone", msg.Subject)
		require.Contains(t, msg.HTML, `lang="en"`)
	})
}

func TestAnOverlayReplacesSingleFiles(t *testing.T) {
	r, err := with(t, map[string]string{
		"en/invitation.subject.txt": "Welcome,\r\n {{.Name}}\n",
		"layout.html":               `<main lang="{{.Language}}">{{template "body" .}}</main>`,
		"README.md":                 "not a template",
	})
	require.NoError(t, err)
	msg, err := r.Render(t.Context(), invitationMail())
	require.NoError(t, err)
	require.Equal(t, "Welcome, Jan Novák", msg.Subject)
	require.True(t, strings.HasPrefix(msg.HTML, `<main lang="en">`))
	require.Equal(t, render(t, invitationMail()).Text, msg.Text)
}

func TestAnImageThatATemplateDoesNotShowIsNotAttached(t *testing.T) {
	r, err := with(t, map[string]string{"en/invitation.body.html": `<a href="{{.URL}}">go</a>`})
	require.NoError(t, err)
	msg, err := r.Render(t.Context(), invitationMail())
	require.NoError(t, err)
	require.Empty(t, msg.Inline)
}

func TestASubjectIsOneShortLine(t *testing.T) {
	r, err := with(t, map[string]string{"en/invitation.subject.txt": "a\r\nb\x00\u202ec\u2028d " + strings.Repeat("x", 500)})
	require.NoError(t, err)
	msg, err := r.Render(t.Context(), invitationMail())
	require.NoError(t, err)
	require.Equal(t, 150, len([]rune(msg.Subject)))
	require.True(t, strings.HasPrefix(msg.Subject, "a bc d xxx"), msg.Subject)
}

func TestABrokenOverrideIsRefusedAtNewByName(t *testing.T) {
	const subject, text, html = "en/invitation.subject.txt", "en/invitation.body.txt", "en/invitation.body.html"
	for _, c := range []struct{ name, file, content string }{
		{"syntax", text, "{{if .Name}}"},
		{"unknown field", text, "{{.Token}}"},
		{"unknown field in a branch that is never taken", text, "{{if false}}{{.Token}}{{end}}x"},
		{"unknown field in HTML", html, "{{.Token}}"},
		{"unknown field in the layout", "layout.html", `{{.Token}}{{template "body" .}}`},
		{"unknown field of the root", text, "{{$.Token}}"},
		{"field of a field", text, "{{.Name.Token}}"},
		{"field of a variable", text, "{{$x := .Name}}{{$x.Token}}"},
		{"field inside of with", text, "{{if false}}{{with .Name}}{{.URL}}{{end}}{{end}}x"},
		{"method", text, "{{.Format}}"},
		{"call", text, "{{call .Name}}"},
		{"printf", text, `{{printf "%1000000d" 1}}`},
		{"html", text, "{{html .Name}}"},
		{"index", text, "{{index .Name 1}}"},
		{"unknown function", text, "{{env .Name}}"},
		{"field with arguments", text, "{{if false}}{{.Name 1}}{{end}}x"},
		{"pipe into a field", text, "{{if false}}{{.Name | .URL}}{{end}}x"},
		{"parenthesised field", text, "{{(.Name).Token}}"},
		{"range", text, "{{range 3}}x{{end}}"},
		{"define", text, `{{define "x"}}x{{end}}y`},
		{"block", text, `{{block "x" .}}x{{end}}`},
		{"recursion", html, `{{template "body" .}}`},
		{"another template", "layout.html", `{{template "other" .}}`},
		{"layout without a body", "layout.html", `<p></p>`},
		{"layout with two bodies", "layout.html", `{{template "body" .}}{{template "body" .}}`},
		{"types that do not compare", text, `{{if eq .Tries "x"}}x{{end}}y`},
		{"empty subject", subject, "\n"},
		{"subject that can be empty", subject, "{{.Name}}"},
		{"empty text", text, "  \n\n"},
		{"unclosed attribute", html, `<a href="{{.URL}}>x`},
		{"field that is a style", html, `<p style="color:{{.URL}}">x</p>`},
		{"another image", html, `<img src="cid:logo@example.com">`},
		{"misspelt part", "en/invitation.body.htm.html", "x"},
		{"misspelt kind", "en/invite.body.txt", "x"},
		{"no language", "invitation.body.txt", "x"},
		{"bad language", "english_us/invitation.body.txt", "x"},
		{"a language with one file", "de/invitation.body.txt", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := with(t, map[string]string{c.file: c.content})
			require.ErrorIs(t, err, mailer.ErrOptions)
			kind, _, _ := strings.Cut(c.file, ".")
			require.ErrorContains(t, err, kind, "the error names the file")
		})
	}
	t.Run("every broken file is named", func(t *testing.T) {
		_, err := with(t, map[string]string{"en/alert.body.txt": "{{.X}}", "cs/renewal.subject.txt": "{{.X}}"})
		require.ErrorContains(t, err, "en/alert.body.txt")
		require.ErrorContains(t, err, "cs/renewal.subject.txt")
	})
	t.Run("the same language twice", func(t *testing.T) {
		_, err := with(t, map[string]string{"pt-BR/alert.body.txt": "x", "pt-br/alert.body.txt": "x"})
		require.ErrorContains(t, err, "pt-BR/alert.body.txt and pt-br/alert.body.txt are the same")
	})
}

func TestTheBuiltInTemplatesAreAValidOverlay(t *testing.T) {
	o := options()
	o.Templates = mailer.Templates()
	_, err := mailer.New(&outbox{}, o)
	require.NoError(t, err)
}

func TestOptionsAreChecked(t *testing.T) {
	address := mailer.Address{Email: "mdm@example.com"}
	for name, c := range map[string]struct {
		sender mailer.Sender
		o      mailer.Options
	}{
		"no sender":        {nil, mailer.Options{From: address}},
		"no From":          {&outbox{}, mailer.Options{}},
		"malformed From":   {&outbox{}, mailer.Options{From: mailer.Address{Email: "mdm@example.com\r\n"}}},
		"control in name":  {&outbox{}, mailer.Options{From: mailer.Address{Name: "a\nb", Email: address.Email}}},
		"malformed answer": {&outbox{}, mailer.Options{From: address, ReplyTo: mailer.Address{Name: "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mailer.New(c.sender, c.o)
			require.ErrorIs(t, err, mailer.ErrOptions)
		})
	}
}
