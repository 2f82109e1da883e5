package mailer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/enrollkit/enrollment"
)

// Template is what administrators edit of one kind of mail in one language.
// HTML is the content alone: the shared layout goes around it.
type Template struct {
	Subject string
	Text    string
	HTML    string
}

// Overrides are the messages that administrators edited, which a Mailer asks for
// at each delivery. It must be safe for concurrent use.
type Overrides interface {
	// Template returns what a site has in place of a kind's templates in exactly
	// this language ("en", "pt-br": lower case, dashes), and false if it has
	// nothing. What it returns ought to have passed [Check] when it was stored; if
	// it does not pass any more, it is logged and passed over. After an error the
	// mail comes again later.
	Template(ctx context.Context, site string, kind Kind, language string) (Template, bool, error)
}

// How long the parts of a [Template] may be, in bytes. Rendered subjects are cut
// to 150 characters besides.
const (
	MaxSubjectBytes = 1024
	MaxTextBytes    = 16 << 10
	MaxHTMLBytes    = 64 << 10
)

// The codes of a [TemplateError].
const (
	CodeSyntax          = "syntax"            // no template, or no HTML
	CodeUnknownVariable = "unknown_variable"  // none of [Variables]
	CodeUnknownFunction = "unknown_function"  // none that the package comment lists
	CodeNotAllowed      = "not_allowed"       // a statement, element, attribute or place
	CodeRemoteContent   = "remote_content"    // what a mail program would load from elsewhere
	CodeSecretInSubject = "secret_in_subject" // subjects are shown on locked screens
	CodeMissingVariable = "missing_variable"  // without which the mail is of no use
	CodeEmpty           = "empty"             // nothing, or nothing for some mails
	CodeTooLong         = "too_long"          // see [MaxSubjectBytes]
	CodeFails           = "fails"             // it cannot be run: values that do not compare
)

// TemplateError says what is wrong with a [Template], the first thing only. It is
// an *enrollment.ValidationError of one field, too.
type TemplateError struct {
	Field string // "subject", "text" or "html"
	Line  int    // from 1; 0 if it is about all of the field
	Code  string // "unknown_variable" and so on
	Name  string // the variable, function, element, attribute or word; may be empty
}

func (e *TemplateError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mailer: template: %s", e.Field)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	fmt.Fprintf(&b, ": %s", e.Code)
	if e.Name != "" {
		fmt.Fprintf(&b, ": %q", e.Name)
	}
	return b.String()
}

// Unwrap returns the same as an answer to a request.
func (e *TemplateError) Unwrap() error {
	return &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: e.Field, Code: e.Code}}}
}

// ErrUnknown says that there is no such kind of mail, or no such language.
var ErrUnknown = errors.New("mailer: unknown kind or language")

// Check says whether a template may be stored. The error is a *[TemplateError], or
// wraps [ErrUnknown].
//
// Every branch is checked, taken or not, and all is run against samples: it uses
// the kind's [Variables] and the functions of the package comment, and no secret
// or link in the subject. The HTML is made of text and formatting; there is no script,
// form or style sheet, nothing that is loaded from elsewhere, and the one image
// is {{.QR}}. Conditions stand around elements, not inside of a tag. A link goes
// to https, http, mailto or tel, or to one variable that is a link.
func Check(kind Kind, t Template) error {
	_, err := check(kind, fallback, builtLayout, t)
	return err
}

// check is Check in a language and a layout, and returns what it made of t.
func check(kind Kind, language, layout string, t Template) (*set, error) {
	if !kind.Valid() || !isLanguage(language) {
		return nil, ErrUnknown
	}
	s, err := newStored(kind, language, layout, t)
	if err == nil {
		err = s.try()
	}
	if err == nil {
		err = s.tryBody()
	}
	if err != nil {
		return nil, templateError(err)
	}
	return s, nil
}

// newStored makes a set of an administrator's template. The error is a fault,
// unless it is about the layout.
func newStored(kind Kind, language, layout string, t Template) (*set, error) {
	s := &set{kind: kind, language: language, stored: true, source: t}
	for _, p := range []struct {
		part, text string
		limit      int
	}{{subjectPart, t.Subject, MaxSubjectBytes}, {textPart, t.Text, MaxTextBytes}, {htmlPart, t.HTML, MaxHTMLBytes}} {
		if len(p.text) > p.limit {
			return nil, s.bad(p.part, CodeTooLong, "", "is too long")
		}
		if i := strings.IndexFunc(p.text, isUnfit); i >= 0 || !utf8.ValidString(p.text) {
			f := s.bad(p.part, CodeNotAllowed, "", "holds a control character")
			f.line = lineOf(p.text, i)
			return nil, f
		}
		if strings.TrimSpace(p.text) == "" {
			return nil, s.bad(p.part, CodeEmpty, "", "is empty")
		}
	}
	if err := s.compile(layout); err != nil {
		return nil, err
	}
	return s, nil
}

// isUnfit reports whether r has no place in what people write.
func isUnfit(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
}

// storedRules are those of administrators' templates.
func storedRules(kind Kind, part string) rules {
	r := rules{strict: true}
	for _, v := range Variables(kind) {
		r.fields = append(r.fields, v.Name)
		if part == subjectPart && v.Link && !v.Secret {
			r.barred = append(r.barred, v.Name)
		}
	}
	if part == subjectPart {
		r.hidden = kind.secrets()
	}
	return r
}

// tryBody runs the content of the HTML alone, to see whether there is any.
func (s *set) tryBody() error {
	for _, sample := range samples(s.kind, s.language) {
		var b strings.Builder
		if err := s.html.ExecuteTemplate(&b, bodyTemplate, sample); err != nil {
			return s.fails(htmlPart, err)
		}
		if strings.TrimSpace(b.String()) == "" {
			return s.bad(htmlPart, CodeEmpty, "", "renders to nothing")
		}
	}
	return nil
}

// templateError shows a fault to who made it. Errors that are none pass.
func templateError(err error) error {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		return err
	}
	field := map[string]string{subjectPart: "subject", textPart: "text", htmlPart: "html"}[f.part]
	return &TemplateError{Field: field, Line: f.line, Code: f.code, Name: f.name}
}

// overridden writes a draft as its site has it in a language, and says whether
// there is such a thing. A broken one counts as none.
func (r *Mailer) overridden(ctx context.Context, d draft, kind Kind, language string) (Message, bool, error) {
	if r.overrides == nil {
		return Message{}, false, nil
	}
	site := d.mail.Site.ID
	t, ok, err := r.overrides.Template(ctx, site, kind, language)
	if err != nil {
		return Message{}, false, fmt.Errorf("override: %w", err)
	}
	if !ok {
		return Message{}, false, nil
	}
	s, err := newStored(kind, language, r.layout, t)
	var msg Message
	if err == nil {
		msg, err = r.message(d, s)
	}
	if err != nil {
		cause := &TemplateError{Code: CodeFails}
		_ = errors.As(templateError(err), &cause)
		// The name is left out: administrators wrote it.
		r.log.WarnContext(ctx, "mailer: a stored template is broken and not used",
			"site", site, "kind", string(kind), "language", language, "field", cause.Field, "code", cause.Code)
		return Message{}, false, nil
	}
	return msg, true, nil
}

// Default returns what a kind's mail is made of in exactly this language, as long
// as no override replaces it: the files of Options.Templates and the built-in
// ones, in the form that administrators edit. It returns false where there are no
// files. What is built in passes [Check].
func (r *Mailer) Default(kind Kind, language string) (Template, bool) {
	s := r.templates[canonical(language)][kind]
	if s == nil {
		return Template{}, false
	}
	return s.source, true
}

// Preview returns what a template would make of a mail of site, with sample data
// in place of a person and of credentials. The error is that of [Check], or says
// what is wrong with the site.
func (r *Mailer) Preview(site enrollment.Site, kind Kind, language string, t Template) (Message, error) {
	s, err := check(kind, canonical(language), r.layout, t)
	if err != nil {
		return Message{}, err
	}
	d, err := newDraft(sampleMail(site, kind, s.language))
	if err != nil {
		return Message{}, fmt.Errorf("mailer: preview: %w", err)
	}
	msg, err := r.message(d, s)
	if err != nil {
		return Message{}, templateError(err)
	}
	return msg, nil
}
