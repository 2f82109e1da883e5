package server

import (
	"net/http"
	"strings"
	"time"

	"example.com/enrollkit/refserver/internal/web"
)

// retryAfter is what a client is told while the database is away: it is asked
// for twice a second.
const retryAfter = 2 * time.Second

// readyz says whether requests should come here. It asks nobody: whoever watches
// the database has done that.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	err := s.health.Ready()
	if err == nil && s.ready.Load() {
		w.WriteHeader(http.StatusOK)
		return
	}
	detail := "The server is starting or stopping."
	switch {
	case s.health.Lost() != nil:
		detail = "The database does not answer."
	case err != nil:
		detail = "This machine's clock is off the database's."
	}
	p := web.Refusal(http.StatusServiceUnavailable, "not_ready", detail)
	p.RetryAfter = retryAfter
	web.WriteProblem(w, r, p)
}

// gate answers at once while the database is away, instead of letting everybody
// wait for it.
func (s *server) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.health.Lost() == nil || needsNothing(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if s.windows != nil && s.windows.Enrolling(r.URL.Path) {
			s.windows.Unavailable().ServeHTTP(w, r) // Windows reads no other answer
			return
		}
		p := web.Refusal(http.StatusServiceUnavailable, "unavailable", "The database does not answer. Try again.")
		p.RetryAfter = retryAfter
		if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			web.WriteAway(w, p)
			return
		}
		web.WriteProblem(w, r, p)
	})
}

// needsNothing are the paths that are answered without the database.
func needsNothing(path string) bool {
	return path == "/healthz" || path == "/readyz" || strings.HasSuffix(path, "/openapi.yaml") || strings.HasPrefix(path, "/static/")
}

// answerFor bounds what an answer may wait for; the connection's own deadline is
// later, so that whoever waits hears why.
const answerFor = 25 * time.Second

// longFor is that of a request that brings or takes a list of any length.
const longFor = 5 * time.Minute

// bound gives every request a time to be answered in.
func bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := web.Bound(w, r, answerFor, longFor, isLong(r))
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// isLong reports whether a request may take long.
func isLong(r *http.Request) bool {
	switch r.URL.Path {
	case "/api/v1/users/import", "/users/import", "/api/v1/users/export", "/api/v1/devices/adopt", "/api/v1/devices/export", "/devices/live":
		return true
	}
	return false
}
