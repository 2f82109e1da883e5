package enrollhttp_test

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

func pages(files map[string]string, languages ...string) func(*enrollment.Config, *enrollhttp.Options, *enrollment.InviteRequest, *enrollment.Site) {
	return func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
		tree := fstest.MapFS{}
		for name, text := range files {
			tree[name] = &fstest.MapFile{Data: []byte(text)}
		}
		o.Pages, s.Languages = tree, languages
	}
}

func TestOnePageCanBeReplaced(t *testing.T) {
	w := newWorld(t, pages(map[string]string{
		"problem.html": `{{define "content"}}<p>ours: {{.Text}}</p>{{end}}`,
		"style.css":    "p { color: #123456 }",
	}))
	shows(t, w.get("/join/i/x"), 404, "<p>ours: The address", "#123456")
	shows(t, w.get(w.page("")), 200, "Accept invitation", "#123456")
}

func TestAPartOfAFormCanBeReplacedOnEveryPageOrOnOne(t *testing.T) {
	ours := `{{define "platforms"}}<p>ours</p>{{end}}`
	all := newWorld(t, pages(map[string]string{"choices.html": `{{define "ownership"}}{{end}}{{define "device"}}{{template "platforms" .}}{{end}}` + ours}))
	shows(t, all.get(all.page("")), 200, "<p>ours</p>")
	shows(t, all.get("/join/enroll/login"), 200, "<p>ours</p>")
	one := newWorld(t, pages(map[string]string{"login.html": `{{define "content"}}{{template "device" .}}{{end}}` + ours}))
	shows(t, one.get("/join/enroll/login"), 200, "<p>ours</p>")
	hides(t, one.get(one.page("")), "<p>ours</p>")
}

func TestOneTextCanBeReplacedAndTheOthersStay(t *testing.T) {
	w := newWorld(t, pages(map[string]string{"texts/en.json": `{"texts":{"invitation.accept":"Join {site}"}}`}))
	shows(t, w.get(w.page("")), 200, "Join Acme", "Whose device is it?")
}

func TestThePageSpeaksTheReadersLanguageIfTheSiteDoes(t *testing.T) {
	czech := map[string]string{"texts/cs.json": `{"texts":{"invitation.accept":"Přijmout pozvánku"}}`}
	for _, c := range []struct {
		name, accept, says, lang string
		languages                []string
	}{
		{"the reader's", "cs-CZ,cs;q=0.9,en;q=0.8", "Přijmout", "cs", []string{"en", "cs"}},
		{"the reader's second", "de, cs;q=0.5, en;q=0.1", "Přijmout", "cs", []string{"en", "cs"}},
		{"the one that is wanted most", "en, cs;q=0.9", "Accept invitation", "en", []string{"cs", "en"}},
		{"the site's first", "", "Přijmout", "cs", []string{"cs", "en"}},
		{"the site's first, for a reader of another", "de", "Přijmout", "cs", []string{"cs"}},
		{"English, where the site names none", "cs", "Accept invitation", "en", nil},
		{"English, where the site's is not there", "de", "Accept invitation", "en", []string{"de"}},
		{"a header that makes no sense", ";;q=x,,cs;q=9", "Accept invitation", "en", []string{"en", "cs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, pages(czech, c.languages...))
			rec := w.get(w.page(""), "Accept-Language", c.accept)
			shows(t, rec, 200, c.says, `<html lang="`+c.lang+`">`)
			if got := rec.Header().Get("Content-Language"); got != c.lang {
				t.Errorf("Content-Language %q", got)
			}
			// What a language does not have is said in English.
			shows(t, rec, 200, "Whose device is it?")
		})
	}
}

func TestABrokenPageIsFoundAtTheStart(t *testing.T) {
	w := newWorld(t)
	for name, file := range map[string]struct{ path, text string }{
		"syntax":          {"problem.html", `{{define "content"}}{{`},
		"unknown field":   {"problem.html", `{{define "content"}}{{.Nothing}}{{end}}`},
		"no content":      {"next.html", `<p>hello</p>`},
		"no JSON":         {"texts/en.json", `{`},
		"no language":     {"texts/not a language.json", `{}`},
		"login":           {"login.html", `{{define "content"}}{{.Passcode}}{{end}}`},
		"part of a form":  {"choices.html", `{{define "ownership"}}{{end}}`},
		"style that ends": {"style.css", `p{}</STYLE><script>`},
	} {
		if _, err := enrollhttp.New(w.svc, enrollhttp.Options{Pages: fstest.MapFS{file.path: {Data: []byte(file.text)}}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := enrollhttp.New(w.svc, enrollhttp.Options{Pages: enrollhttp.Templates()}); err != nil {
		t.Errorf("the built-in pages, as an overlay: %v", err)
	}
}

// Every text that a template asks for by name is in the catalogue, and every
// variable is one that is filled in.
func TestTheEnglishCatalogueIsComplete(t *testing.T) {
	built := enrollhttp.Templates()
	text, err := fs.ReadFile(built, "texts/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var catalogue struct {
		Texts map[string]string
		Steps map[string][]string
	}
	if err := json.Unmarshal(text, &catalogue); err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(built, "*.html")
	if err != nil || len(names) != 8 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		page, err := fs.ReadFile(built, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.T "([^"]+)"`).FindAllStringSubmatch(string(page), -1) {
			if catalogue.Texts[m[1]] == "" {
				t.Errorf("%s asks for %q", name, m[1])
			}
		}
	}
	for _, variable := range regexp.MustCompile(`\{[a-z_]+\}`).FindAllString(string(text), -1) {
		if !strings.Contains("{site}{agent}{platform}{minutes}{identifier}{account}", variable) {
			t.Errorf("variable %s", variable)
		}
	}
	if len(catalogue.Steps["default"]) == 0 {
		t.Error("no default steps")
	}
}
