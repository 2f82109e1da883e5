package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"example.com/enrollkit/refserver/internal/accounts"
)

//go:embed templates
var sources embed.FS

// pages are the templates, each with the layout around it.
type pages struct{ byName map[string]*template.Template }

func loadPages() (*pages, error) {
	names, err := fs.Glob(sources, "templates/*.html")
	if err != nil {
		return nil, err
	}
	shared := []string{"templates/layout.html", "templates/parts.html"}
	p := &pages{byName: map[string]*template.Template{}}
	for _, name := range names {
		if name == shared[0] || name == shared[1] {
			continue
		}
		t, err := template.New("layout.html").Funcs(functions).ParseFS(sources, append(shared, name)...)
		if err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
		p.byName[strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")] = t
	}
	return p, nil
}

// view is what every template sees.
type view struct {
	Title     string
	Page      string // the template's name
	SignedIn  bool
	By        string // who is signed in
	Site      string
	Mailbox   bool
	FormToken string
	Flash     string
	Refresh   int // seconds after which the page is fetched again; 0: never
	Now       time.Time
	Data      any
}

// policy lets a page load its own styles, its own script and its own pictures,
// and show its own pages in a frame.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// render answers with a page.
func (c *Console) render(w http.ResponseWriter, r *http.Request, by accounts.Principal, status int, name, title string, data any) {
	v := view{Title: title, Page: name, Now: moment(), Data: data, Mailbox: c.Mailbox != nil}
	if again, ok := data.(interface{ Refresh() int }); ok {
		v.Refresh = again.Refresh()
	}
	if by.Site != "" {
		v.SignedIn, v.By, v.FormToken = true, by.Display(), c.Guard.FormToken(r)
		if settings, err := c.Accounts.Settings(by.Site); err == nil {
			v.Site = settings.Name
		}
		if status < http.StatusBadRequest && r.Header.Get("X-Refresh") == "" {
			v.Flash = sentence(c.Guard.Flashed(w, r))
		}
	}
	var page bytes.Buffer
	if err := c.pages.byName[name].Execute(&page, v); err != nil {
		c.Logger.ErrorContext(r.Context(), "template", "name", name, "error", err)
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // a client that went away is no error of ours
}

// functions are what templates may call.
var functions = template.FuncMap{
	"ago":          ago,
	"stamp":        stamp,
	"iso":          func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"state":        func(s any) string { return word(states, fmt.Sprint(s)) },
	"platform":     func(s any) string { return word(platforms, fmt.Sprint(s)) },
	"ownership":    func(s any) string { return word(ownerships, fmt.Sprint(s)) },
	"mode":         func(s any) string { return word(modes, fmt.Sprint(s)) },
	"fact":         func(s any) string { return word(facts, fmt.Sprint(s)) },
	"next":         func(s any) string { return word(actions, fmt.Sprint(s)) },
	"party":        func(s any) string { return word(parties, fmt.Sprint(s)) },
	"delivery":     func(s any) string { return word(deliveries, fmt.Sprint(s)) },
	"reason":       func(s any) string { return reason(fmt.Sprint(s)) },
	"event":        func(s any) string { return word(events, fmt.Sprint(s)) },
	"evidence":     func(s any) string { return word(evidences, fmt.Sprint(s)) },
	"begun":        begun,
	"hint":         func(s any) string { return word(hints, fmt.Sprint(s)) },
	"mailkind":     func(s any) string { return word(mailKinds, fmt.Sprint(s)) },
	"mailabout":    func(s any) string { return mailAbout[fmt.Sprint(s)] },
	"wrong":        func(s any) string { return word(wrongs, fmt.Sprint(s)) },
	"passcode":     func(s any) string { return word(passcodes, fmt.Sprint(s)) },
	"job":          func(s any) string { return word(jobs, fmt.Sprint(s)) },
	"column":       func(s any) string { return word(columns, fmt.Sprint(s)) },
	"importaction": func(s any) string { return word(importActions, fmt.Sprint(s)) },
	"pair":         func(a, b any) [2]any { return [2]any{a, b} },
}

// stamp shows a time to people.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2 Jan 2006, 15:04:05 UTC")
}

// ago shows how long ago t was at now.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < -time.Second:
		return "in " + span(-d)
	case d < time.Second:
		return "now"
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{365 * 24 * time.Hour, "year"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}
	for _, u := range units {
		if n := int(d / u.size); n == 1 {
			return "1 " + u.name
		} else if n > 1 {
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return "moments"
}

// expand replaces the variables of a route by their patterns.
func expand(path string, vars map[string]string) string {
	for name, pattern := range vars {
		path = strings.ReplaceAll(path, name, pattern)
	}
	return path
}
