package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/refserver/internal/console"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/session"
	"example.com/enrollkit/refserver/internal/siteapi"
	"example.com/enrollkit/refserver/internal/web"
)

// handler is everything behind the listener.
func (s *server) handler() (http.Handler, error) {
	guard, err := session.New(s.accounts, s.public)
	if err != nil {
		return nil, err
	}
	people, err := enrollhttp.New(s.svc, enrollhttp.Options{Platforms: s.platforms(), TrustedProxies: s.TrustedProxies, AnswerTime: s.AnswerTime, Logger: s.Log})
	if err != nil {
		return nil, err
	}
	admin := adminhttp.New(s.svc, guard.Actor, adminhttp.BasePath("/api/v1"), adminhttp.Logger(s.Log), adminhttp.WithMessages(s.messages),
		adminhttp.TrustedOrigins(s.public.Scheme+"://"+s.public.Host))
	own, err := s.ownRoutes(guard)
	if err != nil {
		return nil, err
	}

	// The SDK's handlers have guards of their own and take whole paths.
	root := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, prefix := range []string{"/i/", "/device/", "/platform/"} {
		root.PathPrefix(prefix).Handler(people)
	}
	for _, path := range []string{"/enroll", "/enroll/login", "/enroll/login/accept"} {
		root.Path(path).Handler(people)
	}
	if s.windows != nil {
		root.MatcherFunc(isDiscovery).Handler(s.windows.Discovery(s.svc))
	}
	root.Path("/api/v1/users/{id}/export").Handler(admin)
	root.Path("/api/v1/{own:sites|site|users}").Handler(own)
	root.PathPrefix("/api/v1/users/").Handler(own)
	root.PathPrefix("/api/v1/").Handler(admin)
	root.PathPrefix("/").Handler(own)
	return s.guarded(root, s.discovered, s.public), nil
}

// guarded puts the server's guards around a handler that is reached at public;
// first comes before the others look.
func (s *server) guarded(handler http.Handler, first func(http.Handler) http.Handler, public *url.URL) http.Handler {
	var patterns web.Patterns
	patterns.Add("", enrollhttp.OpenAPI())
	patterns.Add("/api/v1", adminhttp.OpenAPI())
	patterns.Add("", s.OpenAPI)
	for _, around := range []func(http.Handler) http.Handler{ // from the inside out
		bound, s.gate, web.KnownHosts(public), first, web.Headers,
		web.Observe(s.Log, patterns.Of, s.seen), web.RequestID(s.TrustedProxies),
	} {
		handler = around(handler)
	}
	return handler
}

// seen logs and counts one request. What probes and pages ask for all the time
// is for whoever looks closely.
func (s *server) seen(ctx context.Context, r web.Seen) {
	s.metrics.Request(r)
	level := slog.LevelInfo
	switch {
	case r.Status >= http.StatusInternalServerError && r.Status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case r.Status == http.StatusServiceUnavailable && r.Route != "/readyz":
		level = slog.LevelWarn
	case s.Demo, r.Route == "/healthz", r.Route == "/readyz", strings.HasPrefix(r.Route, "/static/"):
		level = slog.LevelDebug
	}
	s.Log.LogAttrs(ctx, level, "request", slog.String("method", r.Method), slog.String("route", r.Route), slog.Int("status", r.Status),
		slog.Float64("ms", float64(r.Took.Microseconds())/1000), slog.String("request_id", r.RequestID))
}

// observe counts what the Service did, and has open pages look at once where it is
// a change: what came of a request or of the sweeper, and no sign of life, no
// message that says what is known, and no refusal that is noted already.
func (s *server) observe(ctx context.Context, what enrollment.Signal) {
	if what.Kind == enrollment.SignalEvents {
		s.db.Signals.Changed(database.Devices)
	}
	s.metrics.Observe(ctx, what)
}

// ownRoutes are the routes that are not the SDK's.
func (s *server) ownRoutes(guard *session.Guard) (*mux.Router, error) {
	screens, err := console.New(console.Options{
		Service: s.svc, Accounts: s.accounts, Guard: guard, Mailbox: s.mailbox, Messages: s.messages, Imports: s.imports, Journal: s.journal,
		Live: s.live, Pace: session.NewPace(s.db.Store, s.keys), Erase: s.eraseUser, TrustedProxies: s.TrustedProxies, Logger: s.Log,
	})
	if err != nil {
		return nil, err
	}

	own := mux.NewRouter().SkipClean(true)
	own.Use(web.Named)
	own.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	own.HandleFunc("/readyz", s.readyz)
	own.HandleFunc(android.AssetLinksPath, s.assetLinks)
	own.Handle("/openapi.yaml", siteapi.ServeOpenAPI(s.OpenAPI)).Methods(http.MethodGet, http.MethodHead)
	(&siteapi.API{Accounts: s.accounts, Imports: s.imports, Guard: guard, OperatorToken: s.OperatorToken, Erase: s.eraseUser, Logger: s.Log}).Mount(own)
	screens.Mount(own)
	own.NotFoundHandler = notFound(screens.NotFound)
	own.MethodNotAllowedHandler = http.HandlerFunc(methodNotAllowed)
	return own, nil
}

// journal returns what happened to one subject of a site. The Service has the
// journal of a whole site; its storage has this, too.
func (s *server) journal(ctx context.Context, site, subject string) (events []enrollment.Event, err error) {
	err = s.db.Store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		events, err = tx.Journal().List(ctx, enrollment.EventQuery{Site: site, Subject: subject})
		return err
	})
	return events, err
}

// notFound answers programs in their form and people with a page.
func notFound(page http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			web.WriteProblem(w, r, web.Refusal(http.StatusNotFound, "not_found", "There is nothing here."))
			return
		}
		page(w, r)
	})
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	web.WriteProblem(w, r, web.Refusal(http.StatusMethodNotAllowed, "method_not_allowed", "This method does not apply here."))
}
