package mailer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

// edited is what administrators stored, by "site/kind/language".
type edited struct {
	templates map[string]mailer.Template
	err       error

	mu    sync.Mutex
	asked []string
}

func (e *edited) Template(_ context.Context, site string, kind mailer.Kind, language string) (mailer.Template, bool, error) {
	key := site + "/" + string(kind) + "/" + language
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, key)
	t, ok := e.templates[key]
	return t, ok, e.err
}

func withOverrides(t testing.TB, e *edited) *mailer.Mailer {
	t.Helper()
	o := options()
	o.Overrides = e
	r, err := mailer.New(&outbox{}, o)
	require.NoError(t, err)
	return r
}

// titled is a template that says no more than its subject.
func titled(subject string) mailer.Template {
	return mailer.Template{Subject: subject, Text: "x", HTML: "x"}
}

func loginTemplate() mailer.Template {
	return mailer.Template{
		Subject: "Welcome, {{.Name}}",
		Text:    "{{.Site}}: {{.Username}} {{.Password}}\n{{.URL}}\n",
		HTML:    `<p>{{.Username}} <b>{{.Password}}</b> <a href="{{.URL}}">Go</a></p>`,
	}
}

func TestAnOverrideOfALanguageComesBeforeItsFilesAndAfterTheLanguageThatIsWantedMore(t *testing.T) {
	const english, czech = "Enroll your device with Acme", "Zaregistrujte své zařízení – Acme"
	for _, c := range []struct {
		name, person string
		site         []string
		stored       []string
		want         string
	}{
		{"none", "cs", nil, nil, czech},
		{"of the person's language", "cs", nil, []string{"cs"}, "cs"},
		{"of the dialect", "cs-CZ", nil, []string{"cs-cz", "cs"}, "cs-cz"},
		{"of what it is a dialect of", "cs_CZ", nil, []string{"cs", "en"}, "cs"},
		{"of a language without files", "de", []string{"cs"}, []string{"de"}, "de"},
		{"files of the person's before an override of the site's", "cs", []string{"de"}, []string{"de", "en"}, czech},
		{"of the site's, where the person's has nothing", "fr", []string{"de", "it"}, []string{"de", "it", "en"}, "de"},
		{"not of the site's second", "fr", []string{"de", "it"}, []string{"it"}, english},
		{"of English, at the end", "fr", []string{"it"}, []string{"en"}, "en"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &edited{templates: make(map[string]mailer.Template)}
			for _, language := range c.stored {
				e.templates["acme/invitation/"+language] = titled(language)
				e.templates["other/invitation/"+language] = titled("another site's")
				e.templates["acme/renewal/"+language] = titled("another kind")
			}
			m := invitationMail()
			m.Language, m.Site.Languages = c.person, c.site
			msg, err := withOverrides(t, e).Render(t.Context(), m)
			require.NoError(t, err)
			require.Equal(t, c.want, msg.Subject)
		})
	}
	t.Run("and is asked for by well-formed languages only, each once", func(t *testing.T) {
		e := &edited{}
		m := invitationMail()
		m.Language, m.Site.Languages = "pt_BR", []string{"PT-br"}
		_, err := withOverrides(t, e).Render(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, []string{"acme/invitation/pt-br", "acme/invitation/pt", "acme/invitation/en"}, e.asked)

		e.asked = nil
		m.Language, m.Site.Languages = "../../etc", []string{"\r\nx", strings.Repeat("a-", 5000)}
		_, err = withOverrides(t, e).Render(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, []string{"acme/invitation/en"}, e.asked)
	})
}

func TestAnOverrideStandsInTheLayoutAndHasTheHeadersOfItsLanguage(t *testing.T) {
	e := &edited{templates: map[string]mailer.Template{"acme/self_service/de": loginTemplate()}}
	m := loginMail()
	m.Language = "de-AT"
	msg, err := withOverrides(t, e).Render(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, "Welcome, Jan Novák", msg.Subject)
	require.Equal(t, "Acme: "+loginUser+" "+groupedPass+"\n"+loginLink+"\n", msg.Text)
	require.Contains(t, msg.HTML, `<html lang="de">`)
	require.Contains(t, msg.HTML, "<title>Welcome, Jan Novák</title>")
	require.Contains(t, msg.HTML, `<a href="`+loginLink+`">Go</a>`)
	require.Contains(t, msg.Headers, mailer.Header{Name: "Content-Language", Value: "de"})
}

func TestAnOverrideIsAskedForAtEachDelivery(t *testing.T) {
	e := &edited{templates: map[string]mailer.Template{"acme/invitation/en": titled("one")}}
	out := &outbox{}
	o := options()
	o.Overrides = e
	r, err := mailer.New(out, o)
	require.NoError(t, err)
	require.NoError(t, r.Deliver(t.Context(), invitationMail()))
	e.templates["acme/invitation/en"] = titled("two")
	require.NoError(t, r.Deliver(t.Context(), invitationMail()))
	delete(e.templates, "acme/invitation/en")
	require.NoError(t, r.Deliver(t.Context(), invitationMail()))
	require.Equal(t, "one", out.sent[0].Subject)
	require.Equal(t, "two", out.sent[1].Subject)
	require.Equal(t, "Enroll your device with Acme", out.sent[2].Subject)
}

func TestOverridesThatCannotBeReadAreAReasonToTryAgain(t *testing.T) {
	broken := errors.New("the store is away")
	r := withOverrides(t, &edited{err: broken})
	_, err := r.Render(t.Context(), invitationMail())
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, enrollment.ErrUndeliverable)
}

func TestABrokenStoredOverrideFallsBackAndIsLoggedByItsCodeAlone(t *testing.T) {
	edit := func(change func(*mailer.Template)) mailer.Template {
		t := loginTemplate()
		change(&t)
		return t
	}
	for name, c := range map[string]struct {
		stored mailer.Template
		code   string
	}{
		"nothing":            {mailer.Template{}, mailer.CodeEmpty},
		"syntax":             {edit(func(t *mailer.Template) { t.Text += "{{if canary}" }), mailer.CodeSyntax},
		"an old variable":    {edit(func(t *mailer.Template) { t.Text += "{{.Canary}}" }), mailer.CodeUnknownVariable},
		"a script":           {edit(func(t *mailer.Template) { t.HTML += "<script>canary</script>" }), mailer.CodeNotAllowed},
		"an image":           {edit(func(t *mailer.Template) { t.HTML += `<img src="https://canary.example">` }), mailer.CodeRemoteContent},
		"no password":        {edit(func(t *mailer.Template) { t.Text = "canary {{.Username}}" }), mailer.CodeMissingVariable},
		"no password for us": {edit(func(t *mailer.Template) { t.Text = `{{.Username}}{{if eq .Site "Other"}}{{.Password}}{{end}}` }), mailer.CodeMissingVariable},
		"a run that fails":   {edit(func(t *mailer.Template) { t.Text += `{{if lt .Site 3}}canary{{end}}` }), mailer.CodeFails},
		"an empty subject":   {edit(func(t *mailer.Template) { t.Subject = `{{if eq .Site "Canary"}}x{{end}}` }), mailer.CodeEmpty},
		"too much":           {edit(func(t *mailer.Template) { t.HTML += strings.Repeat("canary", 1e5) }), mailer.CodeTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			o := options()
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			o.Overrides = &edited{templates: map[string]mailer.Template{"acme/self_service/en": c.stored}}
			r, err := mailer.New(&outbox{}, o)
			require.NoError(t, err)
			msg, err := r.Render(t.Context(), loginMail())
			require.NoError(t, err)
			require.Equal(t, render(t, loginMail()).HTML, msg.HTML)
			require.Equal(t, render(t, loginMail()).Text, msg.Text)

			require.Equal(t, 1, strings.Count(log.String(), "\n"))
			require.Contains(t, log.String(), "site=acme kind=self_service language=en")
			require.Contains(t, log.String(), "code="+c.code)
			require.NotContains(t, strings.ToLower(log.String()), "canary")
			require.NotContains(t, log.String(), groupedPass)
		})
	}
	t.Run("and nobody needs a logger", func(t *testing.T) {
		e := &edited{templates: map[string]mailer.Template{"acme/self_service/en": {}}}
		_, err := withOverrides(t, e).Render(t.Context(), loginMail())
		require.NoError(t, err)
	})
	t.Run("in a language without files, the next language is taken", func(t *testing.T) {
		e := &edited{templates: map[string]mailer.Template{"acme/invitation/de": {}, "acme/invitation/cs": titled("cs")}}
		m := invitationMail()
		m.Language, m.Site.Languages = "de", []string{"cs"}
		msg, err := withOverrides(t, e).Render(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, "cs", msg.Subject)
	})
}

// The editor starts from what is shipped, so that has to be storable as it is.
func TestWhatIsBuiltInPassesCheckAndReadsTheSameAsAnOverride(t *testing.T) {
	r := newMailer(t)
	for kind, mail := range kinds() {
		for _, language := range []string{"en", "cs"} {
			t.Run(kind+"/"+language, func(t *testing.T) {
				built, ok := r.Default(mailer.Kind(kind), language)
				require.True(t, ok)
				require.NoError(t, mailer.Check(mailer.Kind(kind), built))
				m := mail()
				m.Language = language
				e := &edited{templates: map[string]mailer.Template{"acme/" + kind + "/" + language: built}}
				msg, err := withOverrides(t, e).Render(t.Context(), m)
				require.NoError(t, err)
				require.Equal(t, render(t, m), msg)
			})
		}
	}
	for _, c := range []struct {
		kind     mailer.Kind
		language string
	}{{"invitation", "de"}, {"other", "en"}, {"", ""}, {"invitation", "en-GB"}} {
		_, ok := r.Default(c.kind, c.language)
		require.False(t, ok, c)
	}
	_, ok := r.Default(mailer.KindAlert, "EN")
	require.True(t, ok)
}

func TestDefaultIsWhatTheOperatorLaidOverTheBuiltInTemplates(t *testing.T) {
	r, err := with(t, map[string]string{"en/alert.subject.txt": "Look"})
	require.NoError(t, err)
	got, ok := r.Default(mailer.KindAlert, "en")
	require.True(t, ok)
	require.Equal(t, "Look", got.Subject)
}

func TestEveryVariableOfAKindIsExplainedAndWorks(t *testing.T) {
	require.Equal(t, []mailer.Kind{"invitation", "renewal", "alert", "self_service"}, mailer.Kinds())
	for _, kind := range mailer.Kinds() {
		variables := mailer.Variables(kind)
		require.NotEmpty(t, variables)
		for _, v := range variables {
			require.True(t, strings.HasSuffix(v.Says, "."), v.Name)
			tmpl := titled("x")
			if kind == mailer.KindSelfService {
				tmpl = loginTemplate()
			}
			tmpl.Text += "{{." + v.Name + "}}"
			require.NoError(t, mailer.Check(kind, tmpl), v.Name)
			tmpl.Subject += "{{." + v.Name + "}}"
			err := mailer.Check(kind, tmpl)
			switch {
			case v.Secret:
				require.Equal(t, &mailer.TemplateError{Field: "subject", Line: 1, Code: "secret_in_subject", Name: v.Name}, err)
			case v.Link:
				require.Equal(t, &mailer.TemplateError{Field: "subject", Line: 1, Code: "not_allowed", Name: v.Name}, err)
			default:
				require.NoError(t, err)
			}
			tmpl.Subject, tmpl.HTML = "x", tmpl.HTML+`<a href="{{.`+v.Name+`}}">x</a>`
			require.Equal(t, v.Link, mailer.Check(kind, tmpl) == nil, v.Name)
		}
	}
	require.Empty(t, mailer.Variables("other"))
	secrets := func(kind mailer.Kind) (names []string) {
		for _, v := range mailer.Variables(kind) {
			if v.Secret {
				names = append(names, v.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	require.Equal(t, []string{"PIN", "QR", "URL"}, secrets(mailer.KindInvitation))
	require.Equal(t, []string{"PIN", "QR", "URL"}, secrets(mailer.KindRenewal))
	require.Empty(t, secrets(mailer.KindAlert))
	require.Equal(t, []string{"Password", "Username"}, secrets(mailer.KindSelfService))
}

func TestAPreviewIsTheMailOfThatSiteToNobody(t *testing.T) {
	r := newMailer(t)
	for _, kind := range mailer.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			built, _ := r.Default(kind, "cs")
			msg, err := r.Preview(site(), kind, "CS", built)
			require.NoError(t, err)
			require.Contains(t, msg.HTML, `lang="cs"`)
			require.Contains(t, msg.HTML, "Acme")
			require.Contains(t, msg.Text, "Jan Novák")
			require.Equal(t, "jan.novak@example.com", msg.To.Email)
			for _, link := range linksOf(msg.HTML) {
				require.Regexp(t, `^(https://enroll\.example\.com/join/(i/sample|enroll/login)|cid:qr@preview|acme://open|`+
					`https://play\.google\.com/.*)$`, link)
			}
			again, err := r.Preview(site(), kind, "cs", built)
			require.NoError(t, err)
			require.Equal(t, msg, again, "the same every time")
		})
	}
	t.Run("of a site that sets nothing", func(t *testing.T) {
		_, err := r.Preview(enrollment.Site{}, mailer.KindSelfService, "en", loginTemplate())
		require.NoError(t, err)
	})
	t.Run("of what may not be stored, there is none", func(t *testing.T) {
		_, err := r.Preview(site(), mailer.KindInvitation, "en", titled("{{.Token}}"))
		require.Equal(t, &mailer.TemplateError{Field: "subject", Line: 1, Code: "unknown_variable", Name: "Token"}, err)
	})
	t.Run("of what is no kind or language", func(t *testing.T) {
		for _, language := range []string{"", "en.us", "../en", "e", "en\r\nx"} {
			_, err := r.Preview(site(), mailer.KindInvitation, language, titled("x"))
			require.ErrorIs(t, err, mailer.ErrUnknown, "%q", language)
		}
		_, err := r.Preview(site(), "other", "en", titled("x"))
		require.ErrorIs(t, err, mailer.ErrUnknown)
	})
	t.Run("and in the operator's layout", func(t *testing.T) {
		r, err := with(t, map[string]string{"layout.html": `<main>{{template "body" .}}</main>`})
		require.NoError(t, err)
		msg, err := r.Preview(site(), mailer.KindInvitation, "en", titled("x"))
		require.NoError(t, err)
		require.Equal(t, "<main>x</main>", msg.HTML)
	})
}

func TestALoginThatWouldBeRefusedIsNotMailed(t *testing.T) {
	r := newMailer(t)
	for name, change := range map[string]func(l *enrollment.LoginMail){
		"no password":     func(l *enrollment.LoginMail) { l.Password = credentials.Secret{} },
		"half a password": func(l *enrollment.LoginMail) { l.Password = credentials.SecretString(secretPass[:8]) },
		"no user name":    func(l *enrollment.LoginMail) { l.Username = "" },
		"a broken name":   func(l *enrollment.LoginMail) { l.Username = "jan\r\n<b>" },
		"a foreign page":  func(l *enrollment.LoginMail) { l.URL = "https://evil.com/join/enroll/login" },
	} {
		t.Run(name, func(t *testing.T) {
			m := loginMail()
			change(m.Login)
			_, err := r.Render(t.Context(), m)
			require.Error(t, err)
			require.NotErrorIs(t, err, enrollment.ErrUndeliverable)
			require.NotContains(t, err.Error(), secretPass[:8])
			require.NotContains(t, err.Error(), "evil")
		})
	}
	t.Run("for its user name, whatever that is", func(t *testing.T) {
		for _, payload := range payloads() {
			m := loginMail()
			m.Login.Username = payload
			if msg, err := r.Render(t.Context(), m); err == nil {
				require.Regexp(t, `^[A-Za-z0-9_-]{1,128}$`, payload)
				require.Contains(t, msg.Text, payload)
			}
		}
	})
}

func TestARenewalOfASelfServiceDeviceHasThePageInPlaceOfCodes(t *testing.T) {
	msg := render(t, selfServiceRenewal())
	require.Contains(t, linksOf(msg.HTML), enrollLink)
	require.Contains(t, msg.Text, enrollLink)
	require.Empty(t, msg.Inline)
	for _, secret := range []string{secretToken, groupedPIN} {
		require.NotContains(t, msg.Text+msg.HTML, secret)
	}
	m := renewalMail()
	m.Renewal.SelfService = "https://evil.com/enroll"
	_, err := newMailer(t).Render(t.Context(), m)
	require.Error(t, err)
}
