package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/refserver/internal/console"
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
	own, err := s.ownRoutes(guard)
	if err != nil {
		return nil, err
	}
	people, err := enrollhttp.New(s.svc, enrollhttp.Options{TrustedProxies: s.TrustedProxies, AnswerTime: s.AnswerTime, Logger: s.Log})
	if err != nil {
		return nil, err
	}
	admin := adminhttp.New(s.svc, guard.Actor, adminhttp.BasePath("/api/v1"), adminhttp.Logger(s.Log), adminhttp.WithMessages(s.messages),
		adminhttp.TrustedOrigins(s.public.Scheme+"://"+s.public.Host))

	// The SDK's handlers have guards of their own and take whole paths.
	root := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, prefix := range []string{"/i/", "/device/", "/platform/"} {
		root.PathPrefix(prefix).Handler(people)
	}
	for _, path := range []string{"/enroll", "/enroll/login", "/enroll/login/accept"} {
		root.Path(path).Handler(people)
	}
	root.Path("/api/v1/{own:sites|site|users}").Handler(own)
	root.PathPrefix("/api/v1/users/").Handler(own)
	root.PathPrefix("/api/v1/").Handler(admin)
	root.PathPrefix("/").Handler(own)
	return web.RequestID(web.Headers(web.KnownHosts(s.public)(root))), nil
}

// ownRoutes are the routes that are not the SDK's.
func (s *server) ownRoutes(guard *session.Guard) (*mux.Router, error) {
	screens, err := console.New(console.Options{
		Service: s.svc, Accounts: s.accounts, Guard: guard, Mailbox: s.mailbox, Messages: s.messages, Imports: s.imports, Journal: s.journal,
		TrustedProxies: s.TrustedProxies, Logger: s.Log,
	})
	if err != nil {
		return nil, err
	}

	own := mux.NewRouter().SkipClean(true)
	own.Use(web.Log(s.Log))
	own.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	own.HandleFunc("/readyz", s.readyz)
	own.Handle("/openapi.yaml", siteapi.ServeOpenAPI(s.OpenAPI)).Methods(http.MethodGet, http.MethodHead)
	(&siteapi.API{Accounts: s.accounts, Imports: s.imports, Guard: guard, OperatorToken: s.OperatorToken, Logger: s.Log}).Mount(own)
	screens.Mount(own)
	own.NotFoundHandler = web.Log(s.Log)(notFound(screens.NotFound))
	own.MethodNotAllowedHandler = web.Log(s.Log)(http.HandlerFunc(methodNotAllowed))
	return own, nil
}

// journal returns what happened to one subject of a site. The Service has the
// journal of a whole site; its storage has this, too.
func (s *server) journal(ctx context.Context, site, subject string) (events []enrollment.Event, err error) {
	err = s.store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
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

// readyz says whether requests should come here.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if !s.ready.Load() || s.store.Check(ctx) != nil || s.accounts.Ping(ctx) != nil {
		web.WriteProblem(w, r, web.Refusal(http.StatusServiceUnavailable, "not_ready", "The server is starting, stopping, or has no database."))
		return
	}
	w.WriteHeader(http.StatusOK)
}
