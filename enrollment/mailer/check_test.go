package mailer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

func TestCheckAcceptsTextAndFormatting(t *testing.T) {
	for name, html := range map[string]string{
		"text":                     "Hello {{.Name}}",
		"a condition":              "{{if and .Name (ne .Site \"\")}}a{{else if .Site}}b{{else}}c{{end}}x",
		"with":                     "{{with .Name}}{{.}} of {{$.Site}}{{else}}nobody{{end}}",
		"a variable":               "{{$n := .Name}}{{if $n}}{{$n}}{{end}}x",
		"a length":                 "{{if gt (len .Name) 3}}long{{end}}x",
		"a comment":                "{{/* not shown */}}x",
		"formatting":               "<h1 class=\"quiet\">a</h1><p align=center>b<br/>c<hr>&lt;d</p><ul type='disc'><li>e</ul>",
		"a table":                  `<TABLE width=100% cellpadding="0"><tr><td colspan=2 valign="top">x</td></tr></TABLE>`,
		"a style":                  `<p style="color:rgb(1, 2, 3);font-family:'Segoe UI',Arial;width:calc(100% - 2px)">x</p>`,
		"a link":                   `<a href="https://help.example.com/?a=1&amp;b=2" title="of {{.Site}}" target=_blank>x</a>`,
		"an address":               `<a href="mailto:help@example.com">x</a> <a href='tel:+420123456789'>y</a>`,
		"the deployment URL":       `<a href="{{.URL}}">{{.URL}}</a>`,
		"the same from the root":   `{{if .Name}}<a href="{{$.URL}}">x</a>{{end}}x`,
		"the dot that is a link":   `{{with .Store}}<a href="{{.}}">x</a>{{end}}x`,
		"the QR code":              `{{if .QR}}<img src="{{.QR}}" width="{{.QRSize}}" alt="code of {{.Name}}">{{end}}x`,
		"lines as a browser sends": "<p>\r\n\t{{.Name}}\r\n</p>",
		"a comment inside of tags": `<p {{/* x */}} class="a{{/* y */}}b">x</p>`,
		"other writing":            "<p>Žluťoučký 日本語 عربي 👩‍💻</p>",
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := mailer.Template{Subject: "x", Text: "x", HTML: html}
			require.NoError(t, mailer.Check(mailer.KindInvitation, tmpl))
			_, err := newMailer(t).Preview(site(), mailer.KindInvitation, "en", tmpl)
			require.NoError(t, err)
		})
	}
}

func TestCheckRefusesWithFieldLineCodeAndName(t *testing.T) {
	const subject, text, html = "subject", "text", "html"
	long := func(n int) string { return strings.Repeat("x", n+1) }
	for _, c := range []struct {
		name, field, content string
		line                 int
		code, word           string
	}{
		// Templates.
		{"syntax", text, "a\nb{{if .Name}}", 2, "syntax", ""},
		{"half an action", text, "{{.Name", 1, "syntax", ""},
		{"unknown variable", text, "a\n\n{{.Token}}", 3, "unknown_variable", "Token"},
		{"unknown variable in the subject", subject, "{{.Token}}", 1, "unknown_variable", "Token"},
		{"unknown variable in HTML", html, "<p>\n{{.Token}}</p>", 2, "unknown_variable", "Token"},
		{"in a branch that is never taken", text, "x{{if false}}\n{{.Token}}{{end}}", 2, "unknown_variable", "Token"},
		{"of the root", text, "{{$.Token}}", 1, "unknown_variable", "Token"},
		{"of another kind", text, "{{.Password}}", 1, "unknown_variable", "Password"},
		{"of the layout", text, "{{.Subject}}", 1, "unknown_variable", "Subject"},
		{"field of a field", text, "{{.Name.Token}}", 1, "unknown_variable", "Name.Token"},
		{"not declared", text, "{{$x}}", 1, "unknown_variable", "$x"},
		{"field of a variable", text, "{{$x := .Name}}{{$x.Token}}", 1, "unknown_variable", "$x.Token"},
		{"method", text, "{{.Format}}", 1, "unknown_variable", "Format"},
		{"unknown function", text, "{{env .Name}}", 1, "unknown_function", "env"},
		{"call", text, "{{call .Name}}", 1, "unknown_function", "call"},
		{"printf", text, `{{printf "%1000000d" 1}}`, 1, "unknown_function", "printf"},
		{"html", html, "{{html .Name}}", 1, "unknown_function", "html"},
		{"js", html, "{{js .Name}}", 1, "unknown_function", "js"},
		{"index", text, "{{index .Name 1}}", 1, "unknown_function", "index"},
		{"slice", text, "{{slice .Name 1}}", 1, "unknown_function", "slice"},
		{"print", text, "{{print .}}", 1, "unknown_function", "print"},
		{"pipe into print", text, "{{.Name | print}}", 1, "unknown_function", "print"},
		{"range", text, "{{range 3}}x{{end}}", 1, "not_allowed", "range"},
		{"define", text, "a\n{{define \"x\"}}x{{end}}y", 2, "not_allowed", "define"},
		{"block", text, `{{block "x" .}}x{{end}}`, 1, "not_allowed", "define"},
		{"template", html, `x{{template "body" .}}`, 1, "not_allowed", "template"},
		{"dot", text, "x {{.}}", 1, "not_allowed", "."},
		{"root", text, "x {{$}}", 1, "not_allowed", "$"},
		{"dot by way of with", text, "{{with .}}{{.}}{{end}}", 1, "not_allowed", "."},
		{"field with arguments", text, "{{.Name 1}}", 1, "not_allowed", ".Name"},
		{"field inside of with", text, "{{with .Name}}{{.URL}}{{end}}x", 1, "not_allowed", ".URL"},
		{"what cannot be seen", text, `x{{"\u202e"}}`, 1, "not_allowed", `"\u202e"`},
		{"line by way of a string", subject, `x{{"\r\nBcc: x"}}`, 1, "not_allowed", `"\r\nBcc: x"`},
		{"NUL", text, "a\nb\x00", 2, "not_allowed", ""},
		{"escape", html, "\x1b[31m", 1, "not_allowed", ""},
		{"no UTF-8", text, "\xff", 1, "not_allowed", ""},
		{"values that do not compare", text, "a\n{{if lt .Name 3}}b{{end}}", 2, "fails", ""},
		{"secret in the subject", subject, "{{.PIN}}", 1, "secret_in_subject", "PIN"},
		{"guess in the subject", subject, `x{{if eq .PIN "1234 5678"}}y{{end}}`, 1, "secret_in_subject", "PIN"},
		{"no subject", subject, "", 0, "empty", ""},
		{"no text", text, " \r\n", 0, "empty", ""},
		{"no HTML", html, "\t", 0, "empty", ""},
		{"no subject for the nameless", subject, "{{.Name}}", 0, "empty", ""},
		{"no text for the nameless", text, "{{.Name}}", 0, "empty", ""},
		{"no HTML for the nameless", html, "{{.Name}}", 0, "empty", ""},
		{"long subject", subject, long(mailer.MaxSubjectBytes), 0, "too_long", ""},
		{"long text", text, long(mailer.MaxTextBytes), 0, "too_long", ""},
		{"long HTML", html, long(mailer.MaxHTMLBytes), 0, "too_long", ""},

		// What a mail program would load.
		{"image", html, "<p>\n<img src=\"https://evil.example/x.gif\">", 2, "remote_content", "img"},
		{"image without quotes", html, `<img src=http://evil.example>`, 1, "syntax", "src"},
		{"image without a scheme", html, `<img src="//evil.example">`, 1, "remote_content", "img"},
		{"image in a branch that is never taken", html, `x{{if false}}<IMG SRC='http://x'>{{end}}`, 1, "remote_content", "img"},
		{"image of our own", html, `<img src="{{.URL}}">`, 1, "remote_content", "img"},
		{"image with a path", html, `<img src="{{.QR}}/../x">`, 1, "remote_content", "img"},
		{"image of data", html, `<img src="data:image/gif;base64,x">`, 1, "remote_content", "img"},
		{"image by srcset", html, `<img srcset="https://evil.example">`, 1, "remote_content", "srcset"},
		{"background", html, `<table background="https://evil.example">`, 1, "remote_content", "background"},
		{"style", html, `<p style="background:url(https://evil.example)">`, 1, "remote_content", "style"},
		{"style in entities", html, `<p style="background:&#117;rl(x)">`, 1, "remote_content", "style"},
		{"style with an escape", html, `<p style="background:u\72l(x)">`, 1, "remote_content", "style"},
		{"style with a comment", html, `<p style="background:ur/**/l(x)">`, 1, "remote_content", "style"},
		{"style in two pieces", html, `<p style="background:u{{/* */}}rl(x)">`, 1, "remote_content", "style"},
		{"style of images", html, `<p style="background:IMAGE-SET('x')">`, 1, "remote_content", "style"},
		{"style of a value", html, `<p style="{{.Site}}">`, 1, "not_allowed", "style"},
		{"link element", html, `<link rel=stylesheet href="https://evil.example">`, 1, "remote_content", "link"},
		{"iframe", html, `<iframe src="https://evil.example"></iframe>`, 1, "remote_content", "iframe"},
		{"object", html, `<object data="x">`, 1, "remote_content", "object"},
		{"svg", html, `<svg><image href="x"/></svg>`, 1, "remote_content", "svg"},
		{"ping", html, `<a ping="https://evil.example">x</a>`, 1, "remote_content", "ping"},

		// What does other harm.
		{"script", html, "a\n<script>x</script>", 2, "not_allowed", "script"},
		{"script in capitals", html, "<ScRiPt>x", 1, "not_allowed", "script"},
		{"script in a branch that is never taken", html, "x{{if false}}<script>{{end}}", 1, "not_allowed", "script"},
		{"script in two pieces", html, "<scr{{/* */}}ipt>x", 1, "not_allowed", "scr"},
		{"script of a value", html, "<{{.Name}}>", 1, "syntax", "<"},
		{"form", html, `<form action="https://evil.example">`, 1, "not_allowed", "form"},
		{"input", html, `<input name="x">`, 1, "not_allowed", "input"},
		{"style element", html, "<style>p{}</style>", 1, "not_allowed", "style"},
		{"base", html, `<base href="https://evil.example">`, 1, "not_allowed", "base"},
		{"refresh", html, `<meta http-equiv="refresh" content="0">`, 1, "not_allowed", "meta"},
		{"body", html, `</body>`, 1, "not_allowed", "body"},
		{"plaintext", html, `<plaintext>`, 1, "not_allowed", "plaintext"},
		{"handler", html, `<p onclick="x">`, 1, "not_allowed", "onclick"},
		{"handler after a slash", html, `<p/onclick="x">`, 1, "syntax", "p"},
		{"handler of a value", html, `<p title="{{.Name}}" ONLOAD=x>`, 1, "not_allowed", "onload"},
		{"comment", html, "<!--[if mso]><img src=x><![endif]-->", 1, "not_allowed", "<!"},
		{"declaration", html, "<?xml ?>", 1, "not_allowed", "<?"},
		{"less than", html, "1 < 2", 1, "syntax", "<"},
		{"script link", html, `<a href="javascript:alert(1)">`, 1, "not_allowed", "href"},
		{"script link in entities", html, `<a href="&#106;avascript:x">`, 1, "not_allowed", "href"},
		{"data link", html, `<a href="data:text/html,x">`, 1, "not_allowed", "href"},
		{"link to nowhere", html, `<a href="/x">`, 1, "not_allowed", "href"},
		{"link with a password", html, `<a href="https://a@evil.example">`, 1, "not_allowed", "href"},
		{"link that carries a secret off", html, `<a href="https://evil.example/{{.PIN}}">`, 1, "not_allowed", "href"},
		{"link of a name", html, `<a href="{{.Name}}">`, 1, "not_allowed", "href"},
		{"link of a PIN", html, `<a href="{{.PIN}}">`, 1, "not_allowed", "href"},
		{"link of a call", html, `<a href="{{or .URL .Store}}">`, 1, "not_allowed", "href"},
		{"link elsewhere", html, `<p href="{{.URL}}">`, 1, "not_allowed", "href"},
		{"value as a name", html, `<p {{.Name}}="x">`, 1, "not_allowed", "p"},
		{"value without quotes", html, `<p title={{.Name}}>`, 1, "syntax", "title"},
		{"condition inside of a tag", html, `<p {{if .Name}}class="x"{{end}}>`, 1, "not_allowed", "p"},
		{"condition inside of a value", html, `<p class="{{if .Name}}x{{end}}">`, 1, "not_allowed", "p"},
		{"tag that does not end", html, "x\n<p class", 1, "syntax", "p"},
		{"tag that ends in another branch", html, `{{if .Name}}<p class="x{{else}}">{{end}}`, 1, "syntax", "p"},
		{"value that does not end", html, `<p class="x>y`, 1, "syntax", "p"},
		{"name that does not end", html, `x<p`, 1, "syntax", "p"},
		{"closing tag with more", html, `<p></p x>`, 1, "syntax", "p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl := titled("x")
			switch c.field {
			case subject:
				tmpl.Subject = c.content
			case text:
				tmpl.Text = c.content
			case html:
				tmpl.HTML = c.content
			}
			err := mailer.Check(mailer.KindInvitation, tmpl)
			want := &mailer.TemplateError{Field: c.field, Line: c.line, Code: c.code, Name: c.word}
			if c.code == mailer.CodeSyntax && c.field == html {
				got, ok := errors.AsType[*mailer.TemplateError](err)
				require.True(t, ok, "%v", err)
				want.Line = got.Line // where an unfinished tag is noticed
			}
			require.Equal(t, want, err)
			require.Contains(t, err.Error(), c.code)
			invalid, ok := errors.AsType[*enrollment.ValidationError](err)
			require.True(t, ok, "it is an answer to a request, too")
			require.Equal(t, []enrollment.FieldError{{Field: c.field, Code: c.code}}, invalid.Fields)
		})
	}
	t.Run("an unknown kind", func(t *testing.T) {
		require.ErrorIs(t, mailer.Check("mail.invitation", titled("x")), mailer.ErrUnknown)
	})
}

func TestASelfServiceMailHasToShowTheLoginInTextAndHTML(t *testing.T) {
	for _, name := range []string{"Username", "Password"} {
		for _, without := range []string{"", "{{if false}}{{.%}}{{end}}", `{{$x := .%}}`, "{{len .%}}", "{{if .Site}}{{.%}}{{end}}"} {
			without = strings.ReplaceAll(without, "%", name)
			tmpl := loginTemplate()
			tmpl.Text = strings.ReplaceAll(tmpl.Text, "{{."+name+"}}", without)
			require.Equal(t, &mailer.TemplateError{Field: "text", Code: "missing_variable", Name: name}, mailer.Check(mailer.KindSelfService, tmpl), without)
			tmpl = loginTemplate()
			tmpl.HTML = strings.ReplaceAll(tmpl.HTML, "{{."+name+"}}", without)
			require.Equal(t, &mailer.TemplateError{Field: "html", Code: "missing_variable", Name: name}, mailer.Check(mailer.KindSelfService, tmpl), without)
		}
	}
	require.NoError(t, mailer.Check(mailer.KindSelfService, loginTemplate()))
	t.Run("so do files", func(t *testing.T) {
		_, err := with(t, map[string]string{"en/self_service.body.txt": "{{.Username}}"})
		require.ErrorIs(t, err, mailer.ErrOptions)
		require.ErrorContains(t, err, "en/self_service.body.txt")
	})
}

// The sizes are all that bounds the work, as there is no loop.
func TestTheLargestTemplatesAreCheckedInReasonableTime(t *testing.T) {
	for name, pair := range map[string][2]string{
		"nested conditions":  {"{{if .Name}}", "{{end}}"},
		"nested with":        {"{{with $.Name}}", "{{end}}"},
		"nested parentheses": {"{{(", ")}}"},
		"many values":        {"{{.Name}}", ""},
		"many branches":      {"{{if .Name}}a{{else}}b{{end}}", ""},
		"many tags":          {"<b>", "</b>"},
		"many attributes":    {"<b title=\"{{.Name}}\" class=a>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := (mailer.MaxHTMLBytes - 10) / len(pair[0]+pair[1])
			html := strings.Repeat(pair[0], n) + strings.Repeat(pair[1], n)
			start := time.Now()
			_ = mailer.Check(mailer.KindRenewal, mailer.Template{Subject: "x", Text: "x", HTML: "x" + html})
			require.Less(t, time.Since(start), 30*time.Second)
			t.Log(time.Since(start))
		})
	}
}
