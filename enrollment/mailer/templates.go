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

	"example.com/enrollkit/enrollment"
)

//go:embed templates
var embedded embed.FS

const (
	layoutFile = "layout.html"
	fallback   = "en"

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

// kindName returns the name of a kind's files, or "" if it has none.
func kindName(k enrollment.MessageKind) string {
	switch k {
	case enrollment.MessageInvitation:
		return "invitation"
	case enrollment.MessageRenewal:
		return "renewal"
	case enrollment.MessageAlert:
		return "alert"
	}
	return ""
}

func kindNames() []string { return []string{"invitation", "renewal", "alert"} }

// A set is the templates of one kind of mail in one language.
type set struct {
	name    string // "en/invitation", as errors have it
	subject *texttemplate.Template
	text    *texttemplate.Template
	html    *template.Template // the layout, body included
}

// rendered is what they made.
type rendered struct{ subject, text, html string }

// render runs the three templates. Errors name the file.
func (s *set) render(d Data) (r rendered, err error) {
	var b bytes.Buffer
	if err := s.subject.Execute(&b, d); err != nil {
		return rendered{}, err
	}
	r.subject = cleanLine(b.String(), maxSubject)
	d.Subject = r.subject

	b.Reset()
	if err := s.text.Execute(&b, d); err != nil {
		return rendered{}, err
	}
	r.text = tidy(b.String())

	b.Reset()
	if err := s.html.Execute(&b, d); err != nil {
		return rendered{}, fmt.Errorf("%s.%s: %w", s.name, htmlPart, err)
	}
	r.html = b.String()
	return r, nil
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
type catalog map[string]map[string]*set

// find returns the set of the first of languages that has the kind, or of a
// language that one is a dialect of, or else the English one.
func (c catalog) find(kind string, languages ...string) (*set, string) {
	for _, l := range append(languages, fallback) {
		l = strings.ToLower(strings.ReplaceAll(l, "_", "-"))
		for l != "" {
			if s := c[l][kind]; s != nil {
				return s, l
			}
			cut := strings.LastIndexByte(l, '-')
			l = l[:max(cut, 0)]
		}
	}
	return nil, ""
}

// load reads the built-in templates with overlay on top, which may be nil. The
// errors of all files are joined.
func load(overlay fs.FS) (catalog, error) {
	files := make(map[string]string) // path, language in lower case -> text
	if err := read(Templates(), files); err != nil {
		return nil, err
	}
	if overlay != nil {
		if err := read(overlay, files); err != nil {
			return nil, err
		}
	}
	languages := make(map[string]bool)
	for file := range files {
		if file != layoutFile {
			languages[path.Dir(file)] = true
		}
	}
	c := make(catalog)
	var errs []error
	for language := range languages {
		c[language] = make(map[string]*set)
		for _, kind := range kindNames() {
			s, err := newSet(files, language+"/"+kind)
			if err != nil {
				errs = append(errs, err)
			} else if s != nil {
				c[language][kind] = s
			}
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, errors.Join(errs...)
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
	for i := range len(language) {
		c := language[i]
		if (c < 'a' || c > 'z') && (i < 2 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	kind, part, _ := strings.Cut(base, ".")
	return len(language) >= 2 && len(language) <= 35 && slices.Contains(kindNames(), kind) &&
		slices.Contains([]string{subjectPart, textPart, htmlPart}, part)
}

// newSet parses the three files of a kind and runs them against sample data. It
// returns nil if there is none of them.
func newSet(files map[string]string, name string) (*set, error) {
	var missing []string
	for _, part := range []string{subjectPart, textPart, htmlPart} {
		if _, ok := files[name+"."+part]; !ok {
			missing = append(missing, name+"."+part)
		}
	}
	switch len(missing) {
	case 3:
		return nil, nil
	case 1, 2:
		return nil, fmt.Errorf("mailer: templates: %s is missing", strings.Join(missing, " and "))
	}
	s := &set{name: name}
	var err error
	if s.subject, err = newText(files, name+"."+subjectPart); err != nil {
		return nil, err
	}
	if s.text, err = newText(files, name+"."+textPart); err != nil {
		return nil, err
	}
	if s.html, err = newHTML(files, name+"."+htmlPart); err != nil {
		return nil, err
	}
	return s, s.try()
}

func newText(files map[string]string, file string) (*texttemplate.Template, error) {
	tree, err := parseTemplate(file, files[file])
	if err != nil {
		return nil, fmt.Errorf("mailer: %w", err)
	}
	return texttemplate.New(file).AddParseTree(file, tree)
}

func newHTML(files map[string]string, file string) (*template.Template, error) {
	layout, err := parseTemplate(layoutFile, files[layoutFile])
	if err != nil {
		return nil, fmt.Errorf("mailer: %w", err)
	}
	body, err := parseTemplate(file, files[file])
	if err != nil {
		return nil, fmt.Errorf("mailer: %w", err)
	}
	t, err := template.New(layoutFile).AddParseTree(layoutFile, layout)
	if err != nil {
		return nil, err
	}
	if _, err := t.AddParseTree(bodyTemplate, body); err != nil {
		return nil, err
	}
	return t, nil
}
