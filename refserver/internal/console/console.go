// Package console is the administrators' screens: pages rendered on the server
// that work without JavaScript. A screen shows what a verb of the Service
// answers and sends what a person chose to another; it decides nothing. GET
// changes nothing.
package console

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/live"
	"example.com/enrollkit/refserver/internal/mailbox"
	"example.com/enrollkit/refserver/internal/messages"
	"example.com/enrollkit/refserver/internal/session"
	"example.com/enrollkit/refserver/internal/web"
)

// Options are what the console is made with; all but TrustedProxies and Mailbox
// are required.
type Options struct {
	Service  *enrollment.Service
	Accounts *accounts.Accounts
	Imports  *imports.Jobs
	Messages *messages.Store
	// Journal returns what happened to one subject of a site, in order.
	Journal func(ctx context.Context, site, subject string) ([]enrollment.Event, error)
	Guard   *session.Guard
	// Live streams changes to open pages.
	Live *live.Hub
	// Erase erases a person everywhere.
	Erase func(ctx context.Context, by enrollment.Actor, user string) error
	// Pace bounds failed sign-ins.
	Pace           *session.Pace
	Mailbox        *mailbox.Mailbox // nil: mail goes to a mail server
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
}

// Console is the screens. Make one with [New].
type Console struct {
	Options
	pages *pages
}

//go:embed static
var static embed.FS

// New parses every template.
func New(o Options) (*Console, error) {
	pages, err := loadPages()
	if err != nil {
		return nil, err
	}
	return &Console{Options: o, pages: pages}, nil
}

// screen answers one request of somebody who is signed in; its error becomes a
// page.
type screen func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error

// route is one method of one path.
type route struct {
	method, path string
	serve        http.Handler
}

// routes is every screen. {id} is an id, of whatever.
func (c *Console) routes() []route {
	get := func(path string, s screen) route { return route{http.MethodGet, path, c.signedIn(s)} }
	post := func(path string, s screen) route { return route{http.MethodPost, path, c.form(s)} }
	list := []route{
		{http.MethodGet, "/sign-in", http.HandlerFunc(c.signInPage)},
		{http.MethodPost, "/sign-in", http.HandlerFunc(c.signIn)},
		post("/sign-out", c.signOut),
		get("/", c.home),

		get("/devices", c.devices),
		get("/devices/live", c.live),
		post("/devices/renew", c.renewMany),
		get("/devices/{id}", c.device),
		post("/devices/{id}/renew", c.renew),

		get("/invitations", c.invitations),
		get("/invitations/new", c.invitePage),
		post("/invitations/new", c.invite),
		post("/invitations/outside", c.inviteOutside),
		get("/invitations/{id}", c.invitation),
		post("/invitations/{id}/email", c.editEmail),
		post("/invitations/{id}/send", c.sendInvitation),
		post("/invitations/{id}/credentials", c.reveal),

		get("/users", c.users),
		get("/users/import", c.importPage),
		{http.MethodPost, "/users/import", c.upload(c.takeImport)},
		get("/users/import/{id}", c.importJob),
		post("/users/import/{id}", c.startImport),
		get("/users/new", c.userPage),
		post("/users/new", c.saveUser),
		get("/users/{id}", c.userPage),
		post("/users/{id}", c.saveUser),
		post("/users/{id}/held", c.exportUser),

		get("/self-service", c.selfService),
		post("/self-service/reveal", c.revealPasscode),
		get("/self-service/generate", c.passcodePage("generate")),
		post("/self-service/generate", c.generatePasscode),
		get("/self-service/disable", c.passcodePage("disable")),
		post("/self-service/disable", c.disablePasscode),

		get("/messages", c.messages),
		get("/messages/{kind}/{language}", c.messagePage),
		post("/messages/{kind}/{language}", c.saveMessage),
		get("/messages/{kind}/{language}/html", c.messageHTML),
		post("/messages/{kind}/{language}/preview", c.previewMessage),
		post("/messages/{kind}/{language}/reset", c.resetMessage),

		get("/site", c.sitePage),
		post("/site", c.saveSite),
	}
	for _, a := range confirmed {
		list = append(list, get(a.path, c.confirmPage(a)), post(a.path, c.confirmDo(a)))
	}
	if c.Mailbox != nil {
		list = append(list,
			route{http.MethodGet, "/mailbox", c.reader(c.mails)},
			route{http.MethodGet, "/mailbox/{id}", c.reader(c.mail)},
			get("/mailbox/{id}/html", c.mailHTML),
			get("/mailbox/{id}/inline/{n}", c.mailInline),
		)
	}
	return list
}

// Mount adds the screens and what they are made of to a router.
func (c *Console) Mount(r *mux.Router) {
	vars := map[string]string{
		"{id}": "{id:[A-Za-z0-9_.-]+}", "{n}": "{n:[0-9]+}", "{kind}": "{kind:[a-z_]+}", "{language}": "{language:[A-Za-z0-9-]+}",
	}
	for _, route := range c.routes() {
		methods := []string{route.method}
		if route.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		r.Handle(expand(route.path, vars), route.serve).Methods(methods...)
	}
	files, _ := fs.Sub(static, "static") // the directory is embedded
	server := http.StripPrefix("/static/", http.FileServerFS(files))
	r.Handle("/static/{file:[a-z]+\\.(?:css|js|svg)}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})).Methods(http.MethodGet, http.MethodHead)
}

// NotFound is the page for what is not there.
func (c *Console) NotFound(w http.ResponseWriter, r *http.Request) {
	by, err := c.Guard.Browser(r)
	if err != nil && !errors.Is(err, session.ErrNobody) {
		c.fail(w, r, by, err)
		return
	}
	c.fail(w, r, by, enrollment.ErrNotFound)
}

// signedIn sends whoever is not signed in to the sign-in page.
func (c *Console) signedIn(s screen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, err := c.Guard.Browser(r)
		if errors.Is(err, session.ErrNobody) {
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return
		}
		if err == nil {
			err = s(w, r, by)
		}
		c.fail(w, r, by, err)
	})
}

// maxForm bounds a form in bytes: a page of the directory, with addresses.
const maxForm = 256 << 10

// form is signedIn for what changes something: only our own pages may send it.
func (c *Console) form(s screen) http.Handler {
	inner := c.signedIn(func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
		if err := c.Guard.CheckForm(r); err != nil {
			return err
		}
		return s(w, r, by)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		// A page of another site learns nothing of who is signed in.
		err := c.Guard.SameOrigin(r)
		if err == nil {
			err = parse(r)
		}
		if err != nil {
			c.fail(w, r, accounts.Principal{}, err)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func parse(r *http.Request) error {
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return web.Refusal(http.StatusRequestEntityTooLarge, "body_too_large", "The form is too large.")
	}
	if err != nil {
		return web.Refusal(http.StatusBadRequest, "bad_form", "The form is malformed.")
	}
	return nil
}

// fail shows an error as a page. Its text stays in the log, and there only
// where the fault is ours.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, by accounts.Principal, err error) {
	if err == nil {
		return
	}
	p := web.ProblemOf(err)
	if p.Status >= http.StatusInternalServerError {
		c.Logger.ErrorContext(r.Context(), "screen failed", "error", err, "request_id", web.RequestIDFrom(r.Context()))
	}
	c.render(w, r, by, p.Status, "problem", "Problem", p)
}

// done notes what was done and leads back to a page, so that reloading it does
// nothing again.
func (c *Console) done(w http.ResponseWriter, r *http.Request, where, what string) error {
	c.Guard.Flash(w, what)
	http.Redirect(w, r, where, http.StatusSeeOther)
	return nil
}

func (c *Console) home(w http.ResponseWriter, r *http.Request, _ accounts.Principal) error {
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
	return nil
}

func id(r *http.Request) string { return mux.Vars(r)["id"] }

// list is the address of a list with its query, for links that change one part
// of it.
type list struct {
	path  string
	query url.Values
}

// With returns the address with one parameter set, or left out if empty, from
// the first page on.
func (l list) With(name, value string) string {
	q := url.Values{}
	for k, v := range l.query {
		if k != "page" && k != name {
			q[k] = v
		}
	}
	if value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return l.path
	}
	return l.path + "?" + q.Encode()
}

// number reads a number of a form; empty: nil.
func number(s string) (*int, bool) {
	if s == "" {
		return nil, true
	}
	n, err := strconv.Atoi(s)
	return &n, err == nil
}

// moment is when a page was made.
func moment() time.Time { return time.Now().UTC() }
