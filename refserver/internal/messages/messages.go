// Package messages keeps the texts of mail that a site's administrators edited,
// in a table of its own: the mailer takes them from here, the admin API and the
// console edit them here. What may be in them is the mailer's to say.
package messages

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/database"
)

// Store is the table. Make one with [New], and give it the Mailer that uses it
// before anybody edits: that is where defaults and previews come from. It is
// safe for concurrent use.
type Store struct {
	db     *database.DB
	sites  enrollment.Sites
	mailer *mailer.Mailer
	built  []string // languages that come with the mailer
}

var (
	_ mailer.Overrides   = (*Store)(nil)
	_ adminhttp.Messages = (*Store)(nil)
)

// New returns the texts in a database.
func New(db *database.DB, sites enrollment.Sites) (*Store, error) {
	s := &Store{db: db, sites: sites}
	entries, err := fs.ReadDir(mailer.Templates(), ".")
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			s.built = append(s.built, e.Name())
		}
	}
	return s, nil
}

// Use says whose defaults are edited.
func (s *Store) Use(m *mailer.Mailer) { s.mailer = m }

// Template implements [mailer.Overrides].
func (s *Store) Template(ctx context.Context, site string, kind mailer.Kind, language string) (t mailer.Template, found bool, err error) {
	err = s.db.Row(ctx, `SELECT subject, text, html FROM ref_messages WHERE site = ? AND kind = ? AND language = ?`,
		[]any{site, string(kind), language}, &t.Subject, &t.Text, &t.HTML)
	if errors.Is(err, enrollment.ErrNotFound) {
		return mailer.Template{}, false, nil
	}
	return t, err == nil, err
}

// fallback is the language that has everything.
const fallback = "en"

// languages are those of a site, its first one first: what it says, what comes
// with the mailer, and what somebody edited when the site still had it.
func (s *Store) languages(ctx context.Context, site string) ([]string, error) {
	own, err := s.sites.Site(ctx, site)
	if err != nil {
		return nil, err
	}
	edited, err := s.edited(ctx, site)
	if err != nil {
		return nil, err
	}
	var list []string
	add := func(languages ...string) {
		for _, l := range languages {
			if l = canonical(l); !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
	}
	add(own.Languages...)
	add(fallback)
	add(s.built...)
	for _, e := range edited {
		add(e.Language)
	}
	return list, nil
}

// canonical is how the mailer writes a language.
func canonical(l string) string { return strings.ToLower(strings.ReplaceAll(l, "_", "-")) }

func (s *Store) edited(ctx context.Context, site string) (list []adminhttp.Message, err error) {
	err = s.db.Rows(ctx, `SELECT kind, language FROM ref_messages WHERE site = ? ORDER BY kind, language`, []any{site}, func(row database.Scanner) error {
		m := adminhttp.Message{Edited: true}
		if err := row.Scan(&m.Kind, &m.Language); err != nil {
			return err
		}
		list = append(list, m)
		return nil
	})
	return list, err
}

// kinds are in the order in which people see them: what is sent most first.
func kinds() []mailer.Kind { return mailer.Kinds() }

// ListMessages implements [adminhttp.Messages].
func (s *Store) ListMessages(ctx context.Context, site string) ([]adminhttp.Message, error) {
	languages, err := s.languages(ctx, site)
	if err != nil {
		return nil, err
	}
	edited, err := s.edited(ctx, site)
	if err != nil {
		return nil, err
	}
	var list []adminhttp.Message
	for _, kind := range kinds() {
		for _, language := range languages {
			m := adminhttp.Message{Kind: string(kind), Language: language}
			m.Edited = slices.ContainsFunc(edited, func(e adminhttp.Message) bool { return e.Kind == m.Kind && e.Language == m.Language })
			list = append(list, m)
		}
	}
	return list, nil
}

// known refuses a kind or a language that the site does not have, and returns
// both as they are stored.
func (s *Store) known(ctx context.Context, site, kind, language string) (mailer.Kind, string, error) {
	k, l := mailer.Kind(kind), canonical(language)
	languages, err := s.languages(ctx, site)
	if err != nil {
		return "", "", err
	}
	if !k.Valid() || !slices.Contains(languages, l) {
		return "", "", enrollment.ErrNotFound
	}
	return k, l, nil
}

// Message implements [adminhttp.Messages]. A language that the mailer does not
// bring begins with what people get who read it: the text of its parent, or else
// the English one.
func (s *Store) Message(ctx context.Context, site, kind, language string) (adminhttp.Message, error) {
	k, l, err := s.known(ctx, site, kind, language)
	if err != nil {
		return adminhttp.Message{}, err
	}
	t, found, err := s.Template(ctx, site, k, l)
	if err != nil {
		return adminhttp.Message{}, err
	}
	m := adminhttp.Message{Kind: string(k), Language: l, Edited: found}
	if !found {
		t = s.byDefault(k, l)
	}
	m.MessageText = adminhttp.MessageText(t)
	for _, v := range mailer.Variables(k) {
		m.Variables = append(m.Variables, adminhttp.MessageVariable{Name: v.Name, Says: v.Says})
	}
	return m, nil
}

func (s *Store) byDefault(kind mailer.Kind, language string) mailer.Template {
	for l := language; l != ""; {
		if t, ok := s.mailer.Default(kind, l); ok {
			return t
		}
		l = l[:max(strings.LastIndexByte(l, '-'), 0)]
	}
	t, _ := s.mailer.Default(kind, fallback) // it has every kind
	return t
}

// PutMessage implements [adminhttp.Messages]. Whoever is signed in may.
func (s *Store) PutMessage(ctx context.Context, by enrollment.Actor, kind, language string, m adminhttp.MessageText) (adminhttp.Message, error) {
	k, l, err := s.known(ctx, by.Site, kind, language)
	if err != nil {
		return adminhttp.Message{}, err
	}
	if err := mailer.Check(k, mailer.Template(m)); err != nil {
		return adminhttp.Message{}, err
	}
	_, err = s.db.Exec(ctx, `INSERT INTO ref_messages (site, kind, language, subject, text, html, edited_by, edited_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, kind, language) DO UPDATE SET
		subject = excluded.subject, text = excluded.text, html = excluded.html, edited_by = excluded.edited_by, edited_at = excluded.edited_at`,
		by.Site, string(k), l, m.Subject, m.Text, m.HTML, by.ID, time.Now().UnixMicro())
	if err != nil {
		return adminhttp.Message{}, err
	}
	return s.Message(ctx, by.Site, kind, l)
}

// ResetMessage implements [adminhttp.Messages].
func (s *Store) ResetMessage(ctx context.Context, by enrollment.Actor, kind, language string) error {
	k, l, err := s.known(ctx, by.Site, kind, language)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `DELETE FROM ref_messages WHERE site = ? AND kind = ? AND language = ?`, by.Site, string(k), l)
	return err
}

// PreviewMessage implements [adminhttp.Messages]. Images stand in the HTML
// itself, so that it can be shown as it is.
func (s *Store) PreviewMessage(ctx context.Context, by enrollment.Actor, kind, language string, m adminhttp.MessageText) (adminhttp.MessageText, error) {
	k, l, err := s.known(ctx, by.Site, kind, language)
	if err != nil {
		return adminhttp.MessageText{}, err
	}
	site, err := s.sites.Site(ctx, by.Site)
	if err != nil {
		return adminhttp.MessageText{}, err
	}
	mail, err := s.mailer.Preview(site, k, l, mailer.Template(m))
	if err != nil {
		return adminhttp.MessageText{}, err
	}
	html := mail.HTML
	for _, i := range mail.Inline {
		html = strings.ReplaceAll(html, "cid:"+i.CID, "data:"+i.Type+";base64,"+base64.StdEncoding.EncodeToString(i.Data))
	}
	return adminhttp.MessageText{Subject: mail.Subject, Text: mail.Text, HTML: html}, nil
}

// Fault puts what is wrong with a message into words for whoever edits it, and
// returns the field; "" if err is something else.
func Fault(err error) (field, sentence string) {
	bad, ok := errors.AsType[*mailer.TemplateError](err)
	if !ok {
		return "", ""
	}
	name := bad.Name
	sentence = map[string]string{
		mailer.CodeSyntax:          "This is no valid template, or no valid HTML.",
		mailer.CodeUnknownVariable: "There is no variable {{." + name + "}} in this message.",
		mailer.CodeUnknownFunction: "There is no function " + name + ".",
		mailer.CodeNotAllowed:      "This is not allowed here.",
		mailer.CodeRemoteContent:   "This would be loaded from elsewhere when the mail is read.",
		mailer.CodeSecretInSubject: "A secret may not stand in the subject, which is shown on locked screens.",
		mailer.CodeMissingVariable: "{{." + name + "}} is missing, without which the mail is of no use.",
		mailer.CodeEmpty:           "This is empty, or would be for some mails.",
		mailer.CodeTooLong:         "This is too long.",
		mailer.CodeFails:           "This cannot be run.",
	}[bad.Code]
	if name != "" && !strings.Contains(sentence, name) {
		sentence += " It is about " + name + "."
	}
	if bad.Line > 0 && bad.Field != "subject" {
		sentence += fmt.Sprintf(" Line %d.", bad.Line)
	}
	return bad.Field, sentence
}
