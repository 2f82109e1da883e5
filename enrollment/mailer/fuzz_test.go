package mailer_test

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/mailer"
)

// Whatever people, tenants and devices are called, the links of a mail are those
// of the same mail about Anna, be it built in or edited.
func FuzzRender(f *testing.F) {
	type constant struct{ links, words []string }
	mailers := []*mailer.Mailer{newMailer(f), withOverrides(f, everywhere())}
	constants := make([]map[string]constant, len(mailers))
	for i, r := range mailers {
		constants[i] = make(map[string]constant)
		for kind, mail := range kindsWithoutImage() {
			msg, err := r.Render(f.Context(), mail())
			require.NoError(f, err)
			constants[i][kind] = constant{linksOf(msg.HTML), slices.Concat(wordsOf(msg.Text), wordsOf(textOf(msg.HTML)))}
		}
	}
	for _, payload := range payloads() {
		f.Add(payload, payload, payload, payload)
	}
	f.Fuzz(func(t *testing.T, person, brand, thing, agent string) {
		for i, r := range mailers {
			for kind, mail := range kindsWithoutImage() {
				m := mail()
				m.ToName, m.Site.Name = person, brand
				a := m.Site.Agents[device.Android]
				a.Name = agent
				m.Site.Agents[device.Android] = a
				if m.Renewal != nil {
					m.Renewal.Name, m.Renewal.Agent = thing, a
				}
				if m.Alert != nil {
					m.Alert.User.Name, m.Alert.User.ID = thing, agent
				}
				msg, err := r.Render(t.Context(), m)
				require.NoError(t, err)
				want := constants[i][kind]
				require.Equal(t, want.links, linksOf(msg.HTML))
				words := slices.Concat(wordsOf(msg.Text), wordsOf(textOf(msg.HTML)))
				require.Equal(t, want.words, words)
				checkHeader(t, headerOf(msg), person)
			}
		}
	})
}

// Tags and attributes as a mail program reads them, quoted ">" included.
var (
	anyTag       = regexp.MustCompile(`<([/!?]?[A-Za-z\[-][^\s/>]*)((?:"[^"]*"|'[^']*'|[^'">])*)>`)
	anyAttribute = regexp.MustCompile(`([^\s"'>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?`)
	harmful      = regexp.MustCompile(`(?i)^/?([!?].*|script|form|input|button|link|i?frame|object|embed|base|meta|style|svg|math|video|audio|picture|source)$`)
	loading      = regexp.MustCompile(`(?i)^(on.*|background|srcset|poster|ping|action|formaction|data|xlink:.*|xmlns.*|srcdoc|http-equiv)$`)
)

// checkLoadsNothing goes through the content of a page.
func checkLoadsNothing(t *testing.T, page string) {
	t.Helper()
	for _, tag := range anyTag.FindAllStringSubmatch(page, -1) {
		require.NotRegexp(t, harmful, tag[1])
		for _, a := range anyAttribute.FindAllStringSubmatch(tag[2], -1) {
			name, value := strings.ToLower(a[1]), html.UnescapeString(strings.Trim(a[2], `"'`))
			require.NotRegexp(t, loading, name, tag[0])
			switch name {
			case "src":
				require.Equal(t, "cid:qr@preview", value)
			case "href":
				require.Regexp(t, `^(?i:https?://|mailto:|tel:|acme://open$)`, value)
			case "style":
				require.NotRegexp(t, `(?i)url|import|image|src|expression|\\\\`, value)
			}
		}
	}
}

// Whatever Check accepts is rendered, and loads nothing.
func FuzzCheck(f *testing.F) {
	r := newMailer(f)
	for _, kind := range mailer.Kinds() {
		for _, language := range []string{"en", "cs"} {
			t, _ := r.Default(kind, language)
			f.Add(string(kind), t.Subject, t.Text, t.HTML)
		}
	}
	for _, payload := range payloads() {
		f.Add("invitation", payload, payload, payload)
		f.Add("alert", "x", "x", "<p title=\""+payload+"\" style='"+payload+"'><a href=\"{{.URL}}"+payload+"\">")
	}
	for _, content := range []string{
		`<p style="color:rgb(1,2,3)" class=a>{{with .Store}}<a href='{{.}}'>x</a>{{end}}</p>x`,
		`{{if .QR}}<img src="{{.QR}}" width={{.QRSize}}>{{else}}<br/>{{end}}`,
		"<a title='{{.Name}}' href=\"https://x.example/?a&amp;b\">{{$x := 1}}{{$x}}",
		"<scr{{/* */}}ipt>", "&{{.Name}}lt;", "<p {{/* */}} title=\"\" dir=ltr />",
	} {
		f.Add("renewal", "{{.Device}}x", "{{.Since}}x", content)
	}
	const page = `<!doctype html><body>{{template "body" .}}</body>`
	o := options()
	o.Templates = overlay(map[string]string{"layout.html": page})
	bare, err := mailer.New(&outbox{}, o)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, kind, subject, text, content string) {
		tmpl := mailer.Template{Subject: subject, Text: text, HTML: content}
		if err := mailer.Check(mailer.Kind(kind), tmpl); err != nil {
			return
		}
		msg, err := bare.Preview(site(), mailer.Kind(kind), "en", tmpl)
		require.NoError(t, err)
		require.NotEmpty(t, msg.Subject)
		require.NotEmpty(t, strings.TrimSpace(msg.Text))
		require.NotContains(t, msg.Subject+msg.Text+msg.HTML, "[redacted]")
		body, ok := strings.CutPrefix(msg.HTML, "<!doctype html><body>")
		require.True(t, ok)
		checkLoadsNothing(t, strings.TrimSuffix(body, "</body>"))
		if mailer.Kind(kind) == mailer.KindSelfService {
			require.Contains(t, msg.Text, "ABCD-EFGH-JKMN-PQRS")
			require.Contains(t, msg.HTML, "ABCD-EFGH-JKMN-PQRS")
		}
	})
}
