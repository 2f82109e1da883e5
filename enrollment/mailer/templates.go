package mailer

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
)

//go:embed templates
var embedded embed.FS

//go:embed templates/layout.html
var builtLayout string

const (
	layoutFile = "layout.html"
	fallback   = "en"

	maxLanguage = 35 // as RFC 5646 §4.4.1 has it

	subjectPart = "subject.txt"
	textPart    = "body.txt"
	htmlPart    = "body.html"
)

// Templates returns the built-in templates, to start an overlay from or to show
// what an edited one replaces.
func Templates() fs.FS {
	built, err := fs.Sub(embedded, "templates")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return built
}

// A set is the templates of one kind of mail in one language.
type set struct {
	kind     Kind
	language string
	stored   bool // an administrator's, not from files
	source   Template
	subject  *texttemplate.Template
	text     *texttemplate.Template
	html     *template.Template // the layout, body included
}

// file returns how errors name a part: "en/invitation.body.txt".
func (s *set) file(part string) string {
	return s.language + "/" + string(s.kind) + "." + part
}

// rendered is what they made.
type rendered struct{ subject, text, html string }

// render runs the three templates. The error is a fault.
func (s *set) render(d Data) (r rendered, err error) {
	var b bytes.Buffer
	if err := s.subject.Execute(&b, d); err != nil {
		return rendered{}, s.fails(subjectPart, err)
	}
	r.subject = cleanLine(b.String(), maxSubject)
	d.Subject = r.subject

	b.Reset()
	if err := s.text.Execute(&b, d); err != nil {
		return rendered{}, s.fails(textPart, err)
	}
	r.text = tidy(b.String())

	b.Reset()
	if err := s.html.Execute(&b, d); err != nil {
		return rendered{}, s.fails(htmlPart, err)
	}
	r.html = b.String()
	return r, nil
}

// fails says that a part that parses cannot be run.
func (s *set) fails(part string, err error) error {
	f := parseFault(err)
	f.part, f.code, f.text = part, CodeFails, fmt.Sprintf("mailer: template: %s: %s", s.file(part), f.text)
	return f
}

// tidy removes what conditions leave behind in a text: space at the end of lines
// and all but one of several empty lines.
func tidy(text string) string {
	var b strings.Builder
	empty := true // no empty line at the top
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" && empty {
			continue
		}
		empty = line == ""
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// catalog holds the sets by language in lower case, then kind.
type catalog map[string]map[Kind]*set

// fallbacks returns the languages to look for, most wanted first: each of wanted
// with those that it is a dialect of, and English.
func fallbacks(wanted ...string) (languages []string) {
	for _, l := range append(wanted, fallback) {
		for l = canonical(l); l != ""; {
			if isLanguage(l) && !slices.Contains(languages, l) {
				languages = append(languages, l)
			}
			l = l[:max(strings.LastIndexByte(l, '-'), 0)]
		}
	}
	return languages
}

// canonical returns how files and overrides spell a language: "pt-br".
func canonical(language string) string {
	if len(language) > maxLanguage {
		return ""
	}
	return strings.ToLower(strings.ReplaceAll(language, "_", "-"))
}

// load reads the built-in templates with overlay on top, which may be nil, and
// returns the text of the layout too. The errors of all files are joined.
func load(overlay fs.FS) (c catalog, layout string, err error) {
	files := make(map[string]string) // path, language in lower case -> text
	if err := read(Templates(), files); err != nil {
		return nil, "", err
	}
	if overlay != nil {
		if err := read(overlay, files); err != nil {
			return nil, "", err
		}
	}
	languages := make(map[string]bool)
	for file := range files {
		if file != layoutFile {
			languages[path.Dir(file)] = true
		}
	}
	c = make(catalog)
	var errs []error
	for language := range languages {
		c[language] = make(map[Kind]*set)
		for _, kind := range Kinds() {
			s, err := newSet(files, language, kind)
			if err != nil {
				errs = append(errs, err)
			} else if s != nil {
				c[language][kind] = s
			}
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, files[layoutFile], errors.Join(errs...)
}

// read adds the templates of tree to files. A name that looks like a template and
// is none is an error, since nobody would notice the mistake.
func read(tree fs.FS, files map[string]string) error {
	seen := make(map[string]string)
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("mailer: templates: %w", err)
		}
		extension := path.Ext(name)
		if entry.IsDir() || extension != ".txt" && extension != ".html" {
			return nil
		}
		key := strings.ToLower(path.Dir(name)) + "/" + path.Base(name)
		if name == layoutFile {
			key = layoutFile
		} else if !isTemplate(path.Dir(key), path.Base(key)) {
			return fmt.Errorf("mailer: templates: %s is no name of a template", name)
		}
		if twin := seen[key]; twin != "" {
			return fmt.Errorf("mailer: templates: %s and %s are the same", twin, name)
		}
		seen[key] = name
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return fmt.Errorf("mailer: templates: %w", err)
		}
		files[key] = string(text)
		return nil
	})
}

// isTemplate reports whether language/base is the name of a template.
func isTemplate(language, base string) bool {
	kind, part, _ := strings.Cut(base, ".")
	return isLanguage(language) && Kind(kind).Valid() &&
		slices.Contains([]string{subjectPart, textPart, htmlPart}, part)
}

// isLanguage reports whether s looks like a language in canonical spelling.
func isLanguage(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i < 2 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= maxLanguage
}

// newSet parses the three files of a kind and runs them against sample data. It
// returns nil if there is none of them.
func newSet(files map[string]string, language string, kind Kind) (*set, error) {
	s := &set{kind: kind, language: language}
	var missing []string
	for _, part := range []string{subjectPart, textPart, htmlPart} {
		if _, ok := files[s.file(part)]; !ok {
			missing = append(missing, s.file(part))
		}
	}
	switch len(missing) {
	case 3:
		return nil, nil
	case 1, 2:
		return nil, fmt.Errorf("mailer: templates: %s is missing", strings.Join(missing, " and "))
	}
	s.source = Template{Subject: files[s.file(subjectPart)], Text: files[s.file(textPart)], HTML: files[s.file(htmlPart)]}
	if err := s.compile(files[layoutFile]); err != nil {
		return nil, fmt.Errorf("mailer: %w", err)
	}
	if err := s.try(); err != nil {
		return nil, err
	}
	return s, nil
}

// compile parses and checks the source. The error is a fault of a part, or the
// layout's.
func (s *set) compile(layout string) error {
	subject, err := s.parse(subjectPart, s.source.Subject)
	if err != nil {
		return err
	}
	text, err := s.parse(textPart, s.source.Text)
	if err != nil {
		return err
	}
	body, err := s.parse(htmlPart, s.source.HTML)
	if err != nil {
		return err
	}
	if s.stored {
		if err := checkMarkup(body, s.source.HTML, s.kind); err != nil {
			return s.inPart(htmlPart, err)
		}
	}
	frame, err := parseTemplate(layoutFile, layout, rules{layout: true, fields: fieldNames()})
	if err != nil {
		return err
	}
	if s.subject, err = texttemplate.New(s.file(subjectPart)).AddParseTree(s.file(subjectPart), subject); err != nil {
		return err
	}
	if s.text, err = texttemplate.New(s.file(textPart)).AddParseTree(s.file(textPart), text); err != nil {
		return err
	}
	if s.html, err = template.New(layoutFile).AddParseTree(layoutFile, frame); err != nil {
		return err
	}
	_, err = s.html.AddParseTree(bodyTemplate, body)
	return err
}

// parse parses one part by the rules for its author.
func (s *set) parse(part, text string) (*parse.Tree, error) {
	r := fileRules(s.kind, part)
	if s.stored {
		r = storedRules(s.kind, part)
	}
	tree, err := parseTemplate(s.file(part), text, r)
	if err != nil {
		return nil, s.inPart(part, err)
	}
	return tree, nil
}

func (s *set) inPart(part string, err error) error {
	f := faultOf(err)
	f.part = part
	return f
}
