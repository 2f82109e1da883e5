package enrollhttp

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

//go:embed pages
var embedded embed.FS

// Templates returns the built-in pages, to start Options.Pages from:
//
//	layout.html      what is around every page
//	choices.html     the parts of a form that ask for ownership and platform
//	invitation.html  the offer, and the form that accepts it
//	enroll.html      self-service: the form for address and company passcode
//	sent.html        the one answer to that form
//	login.html       the form for a one-time login
//	next.html        what to do after accepting or the login
//	problem.html     every no
//	style.css        put into each page
//	texts/en.json    every word; texts/{language}.json adds a language
func Templates() fs.FS {
	built, err := fs.Sub(embedded, "pages")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return built
}

// The pages.
const (
	invitationFile = "invitation.html"
	enrollFile     = "enroll.html"
	sentFile       = "sent.html"
	loginFile      = "login.html"
	nextFile       = "next.html"
	problemFile    = "problem.html"
)

// pages are the parsed templates with their words.
type pages struct {
	templates map[string]*template.Template
	texts     map[string]catalogue
	style     template.CSS
	policy    string // Content-Security-Policy
}

// noFiles is an overlay without anything.
type noFiles struct{}

func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func loadPages(overlay fs.FS) (*pages, error) {
	if overlay == nil {
		overlay = noFiles{}
	}
	built := Templates()
	read := func(name string) (string, error) {
		text, err := fs.ReadFile(overlay, name)
		if err != nil {
			text, err = fs.ReadFile(built, name)
		}
		if err != nil {
			return "", fmt.Errorf("enrollhttp: %w", err)
		}
		return string(text), nil
	}
	style, err := read("style.css")
	if err != nil {
		return nil, err
	}
	if strings.Contains(strings.ToLower(style), "</style") {
		return nil, fmt.Errorf("enrollhttp: style.css would end its own element")
	}
	p := &pages{templates: map[string]*template.Template{}, style: template.CSS(style), policy: pagePolicy(style)}
	if p.texts, err = loadTexts(built, overlay); err != nil {
		return nil, err
	}
	layout, err := read("layout.html")
	if err != nil {
		return nil, err
	}
	choices, err := read("choices.html")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{invitationFile, enrollFile, sentFile, loginFile, nextFile, problemFile} {
		content, err := read(name)
		if err != nil {
			return nil, err
		}
		t, err := template.New("layout.html").Parse(layout)
		if err == nil {
			_, err = t.New("choices.html").Parse(choices)
		}
		if err == nil {
			t, err = t.New(name).Parse(content) // may define a part of its own
		}
		if err != nil {
			return nil, fmt.Errorf("enrollhttp: page %s: %w", name, err)
		}
		p.templates[name] = t.Lookup("layout.html")
	}
	return p, p.try()
}

// pagePolicy lets a page show its own images, those that are in it included, and
// style, and send its form home, and nothing else.
func pagePolicy(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// try renders every page once, so that a broken replacement is found by New.
func (p *pages) try() error {
	frame := frame{words: p.words(fallback), Style: p.style}
	for name, view := range map[string]any{
		invitationFile: invitationView{frame: frame, Desktop: true, choices: choices{Platforms: []choice{{}}}},
		enrollFile:     enrollView{frame: frame},
		sentFile:       sentView{frame: frame},
		loginFile:      loginView{frame: frame, choices: choices{Platforms: []choice{{}}}},
		nextFile:       nextView{frame: frame, Steps: []string{""}, Scan: true, Login: &loginCodes{}},
		problemFile:    problemView{frame: frame, Again: "."},
	} {
		if err := p.templates[name].Execute(new(bytes.Buffer), view); err != nil {
			return fmt.Errorf("enrollhttp: page %s: %w", name, err)
		}
	}
	return nil
}

// render answers with a page. It is rendered whole before the first byte.
func (h *handler) render(w http.ResponseWriter, r *http.Request, status int, name, lang string, view any) {
	var body bytes.Buffer
	if err := h.pages.templates[name].Execute(&body, view); err != nil {
		// The text of the error may quote the view.
		h.log.ErrorContext(r.Context(), "page failed", "page", name)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", h.pages.policy)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", lang)
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	header.Set("Vary", "Accept, Accept-Language, "+detectedBy)
	w.WriteHeader(status)
	// A reader who went away is no error of ours.
	_, _ = w.Write(body.Bytes())
}
