package adminhttp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// ErrUnauthenticated is what an actor function answers, or wraps, when nobody is
// signed in.
var ErrUnauthenticated = errors.New("adminhttp: no administrator is signed in")

// New returns the API over svc. actor says who asks: it looks at whatever
// authenticates the embedder's administrators and returns the actor, with its
// one site. An error that wraps [ErrUnauthenticated] is answered 401, one that
// wraps [enrollment.ErrForbidden] 403, and every other 503: then it is not known
// who asks, and the text goes to the log. Without a service or an actor, New
// panics.
func New(svc *enrollment.Service, actor func(*http.Request) (enrollment.Actor, error), options ...Option) http.Handler {
	if svc == nil || actor == nil {
		panic("adminhttp: New needs a service and a function that finds the actor")
	}
	c := config{origin: http.NewCrossOriginProtection(), log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&c)
	}
	c.log = slog.New(enrollment.LogRequestID(c.log.Handler()))
	c.origin.SetDenyHandler(http.HandlerFunc(crossOrigin))
	a := &api{svc: svc, actor: actor, config: c}
	return httpkit.RequestID(httpkit.SecurityHeaders(httpkit.Recover(c.log)(c.origin.Handler(a.router()))))
}

type api struct {
	svc   *enrollment.Service
	actor func(*http.Request) (enrollment.Actor, error)
	config
}

// route is one method of one path below the base.
type route struct {
	method, path string
	serve        verb
}

// verb serves a request of an actor. It answers, or returns an error and has
// answered nothing.
type verb func(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error

// routes is the API.
func (a *api) routes() []route {
	if a.messages == nil {
		return a.serviceRoutes()
	}
	return append(a.serviceRoutes(), []route{
		{"GET", "/messages", a.listMessages},
		{"GET", "/messages/{kind}/{language}", a.message},
		{"PUT", "/messages/{kind}/{language}", a.putMessage},
		{"DELETE", "/messages/{kind}/{language}", a.resetMessage},
		{"POST", "/messages/{kind}/{language}/preview", a.previewMessage},
	}...)
}

// serviceRoutes are those that the service answers.
func (a *api) serviceRoutes() []route {
	return []route{
		{"POST", "/invitations", a.invite},
		{"GET", "/invitations", a.invitations},
		{"GET", "/invitations/{id}", a.invitation},
		{"PATCH", "/invitations/{id}", a.editInvitation},
		{"POST", "/invitations/{id}/send", a.change(a.svc.Send)},
		{"POST", "/invitations/{id}/deactivate", a.change(a.svc.Deactivate)},
		{"POST", "/invitations/{id}/new-pin", a.change(a.svc.NewPIN)},
		{"POST", "/invitations/{id}/credentials", a.reveal},

		{"GET", "/slots", a.slots},

		{"POST", "/devices/renew", a.renewMany},
		{"POST", "/devices/adopt", a.adopt},
		{"GET", "/devices/export", a.exportDevices},
		{"GET", "/devices/{id}", a.device},
		{"DELETE", "/devices/{id}", a.deleteDevice},
		{"POST", "/devices/{id}/renew", a.renew},
		{"POST", "/devices/{id}/release", a.command(a.svc.Release)},
		{"POST", "/devices/{id}/remove", a.command(a.svc.Remove)},

		{"POST", "/users/{id}/export", a.exportUser},
		{"POST", "/users/{id}/erase", a.eraseUser},

		{"GET", "/passcode", a.passcode},
		{"POST", "/passcode/generate", a.generatePasscode},
		{"POST", "/passcode/disable", a.disablePasscode},
		{"POST", "/passcode/reveal", a.revealPasscode},

		{"GET", "/events", a.events},
		{"GET", "/openapi.yaml", a.openAPI},
	}
}

// patterns are what the router takes in place of each variable of a path. The
// id of a user is the embedder's, and any text. The
// name of a message is the embedder's; that it begins with a letter or a digit
// keeps "." and ".." out.
var patterns = strings.NewReplacer(
	"/users/{id}", "/users/{id}",
	"{id}", "{id:[A-Za-z0-9_-]+}",
	"{kind}", "{kind:[A-Za-z0-9][A-Za-z0-9._-]{0,63}}",
	"{language}", "{language:[A-Za-z0-9][A-Za-z0-9._-]{0,63}}",
)

// router gives each path one handler that chooses by method. Paths are taken as
// they are: cleaning them would redirect out of the base path, and an escaped
// slash is none.
func (a *api) router() *mux.Router {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	router.NotFoundHandler = http.HandlerFunc(httpkit.NotFound)
	paths := map[string]methods{}
	for _, route := range a.routes() {
		path := a.base + patterns.Replace(route.path)
		if paths[path] == nil {
			paths[path] = methods{}
			router.Handle(path, paths[path])
		}
		serve := httpkit.LogRoute(a.log, route.path, a.endpoint(route.serve))
		paths[path][route.method] = serve
		if route.method == http.MethodGet {
			paths[path][http.MethodHead] = serve
		}
	}
	return router
}

// methods is what one path answers.
type methods map[string]http.Handler

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serve := m[r.Method]; serve != nil {
		serve.ServeHTTP(w, r)
		return
	}
	httpkit.MethodNotAllowed(m.allow())(w, r)
}

func (m methods) allow() string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// endpoint finds the actor and answers errors.
func (a *api) endpoint(serve verb) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, err := a.actor(r)
		switch {
		case errors.Is(err, ErrUnauthenticated):
			httpkit.WriteProblem(w, r, httpkit.Problem{
				Status: http.StatusUnauthorized, Code: httpkit.CodeUnauthenticated,
				Detail: "No administrator is signed in.", Challenge: `Bearer realm="administration"`,
			})
		case errors.Is(err, enrollment.ErrForbidden), err == nil && (by.Site == "" || by.ID == ""):
			httpkit.WriteProblem(w, r, httpkit.ProblemOf(enrollment.ErrForbidden))
		case err != nil:
			// Whatever it wraps, it says nothing of what was asked for.
			a.refuse(w, r, httpkit.ProblemOf(errNoActor), err)
		default:
			if err := serve(w, r, by); err != nil {
				a.fail(w, r, err)
			}
		}
	})
}

// errNoActor stands for the errors of an actor function, and has no code.
var errNoActor = errors.New("adminhttp: no actor")

// fail answers the error of a verb.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := httpkit.ProblemOf(err)
	if p.Status == http.StatusGone && strings.HasPrefix(p.Code, "invitation_") {
		// Gone is what the holder of a link is told. Here the invitation is still
		// to be seen, and its state is what refuses.
		p.Status = http.StatusConflict
	}
	a.refuse(w, r, p, err)
}

// canceled is answered to a client that went away. Nobody reads it; it is not
// one of ours, so that neither logs nor metrics take it for a failure.
var canceled = httpkit.Problem{Status: 499, Code: "canceled", Title: "Client Closed Request", Detail: "The client went away."}

// refuse answers p, because of err. The text of err goes to the log alone, and
// only where the fault is not the client's.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, p httpkit.Problem, err error) {
	switch {
	case p.Status == http.StatusServiceUnavailable && errors.Is(err, context.Canceled) && errors.Is(r.Context().Err(), context.Canceled):
		p = canceled
		a.log.DebugContext(r.Context(), "adminhttp: the client went away")
	case p.Status >= http.StatusInternalServerError:
		a.log.ErrorContext(r.Context(), "adminhttp: request failed", "error", err)
	}
	httpkit.WriteProblem(w, r, p)
}

func crossOrigin(w http.ResponseWriter, r *http.Request) {
	httpkit.WriteProblem(w, r, httpkit.Problem{
		Status: http.StatusForbidden, Code: httpkit.CodeCrossOrigin,
		Detail: "A page of another origin sent this request.",
	})
}

// id is the id in the path.
func id(r *http.Request) string { return mux.Vars(r)["id"] }

// kind and language are the name of a message in the path.
func kind(r *http.Request) string     { return mux.Vars(r)["kind"] }
func language(r *http.Request) string { return mux.Vars(r)["language"] }

// reply answers with v.
func reply(w http.ResponseWriter, status int, v any) error {
	httpkit.WriteJSON(w, status, v)
	return nil
}
