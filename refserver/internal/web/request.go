package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
)

// RequestID gives each request an id: the one that a trusted proxy in front sent
// along, if that is of a plain form, or else one of our own making. The SDK's
// handlers behind it take over the same.
func RequestID(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get("X-Request-Id")
			if !isTrusted(address(r.RemoteAddr), trusted) || !plainID(id) {
				id = rand.Text()
			}
			r.Header.Set("X-Request-Id", id)
			w.Header().Set("X-Request-Id", id)
			next.ServeHTTP(w, r.WithContext(enrollment.WithRequestID(r.Context(), id)))
		})
	}
}

// plainID reports whether an id from outside may stand in our log: one of the
// length that proxies make, which no PIN, passcode or token has.
func plainID(id string) bool {
	return len(id) >= 20 && len(id) <= 40 && !strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	})
}

// RequestIDFrom returns the id that [RequestID] gave, or "".
func RequestIDFrom(ctx context.Context) string { return enrollment.RequestID(ctx) }

// status remembers how a request was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	if s.code == 0 && code >= http.StatusOK {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(b []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController what is underneath.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Seen is one request, answered: what a log and metrics may know of it.
type Seen struct {
	Method, Route string // the pattern of the route, never its path
	Status        int
	Took          time.Duration
	RequestID     string
}

// Observe calls done after each request, under the pattern that route tells or
// that [Named] has noted, and turns a panic into a 500 without telling what it
// said.
func Observe(log *slog.Logger, route func(*http.Request) string, done func(context.Context, Seen)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			name := new(string)
			r = r.WithContext(context.WithValue(r.Context(), routeKey{}, name))
			seen := &status{ResponseWriter: w}
			defer func() {
				v := recover()
				if *name == "" {
					*name = route(r)
				}
				if v != nil && v != http.ErrAbortHandler {
					log.ErrorContext(r.Context(), "panic", "method", r.Method, "route", *name,
						"request_id", RequestIDFrom(r.Context()), "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
				}
				if v != nil && seen.code == 0 {
					WriteProblem(seen, r, Refusal(http.StatusInternalServerError, "internal", "The server failed."))
					v = nil
				}
				if seen.code == 0 {
					seen.code = http.StatusOK // nothing was written
				}
				done(r.Context(), Seen{method(r.Method), *name, seen.code, time.Since(began), RequestIDFrom(r.Context())})
				if v != nil {
					panic(http.ErrAbortHandler)
				}
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

type routeKey struct{}

// Named notes the pattern of the route of a router of ours, for [Observe].
func Named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := r.Context().Value(routeKey{}).(*string)
		if route := mux.CurrentRoute(r); name != nil && route != nil {
			if template, err := route.GetPathTemplate(); err == nil {
				*name = variables.ReplaceAllString(template, "{$1}")
			}
		}
		next.ServeHTTP(w, r)
	})
}

// variables of a template, with the expression that they have to match.
var variables = regexp.MustCompile(`\{(\w+):[^/]*\}`)

// method is a method's name if it is one of those that routes have; a client may
// send any word.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	}
	return "other"
}

// ClientIP returns the address a request came from: the peer's, or, behind
// trusted proxies, the last one in X-Forwarded-For that is not theirs.
func ClientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client := address(r.RemoteAddr)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(client, trusted); i-- {
		next := address(strings.TrimSpace(hops[i]))
		if !next.IsValid() {
			break
		}
		client = next
	}
	return client
}

func address(s string) netip.Addr {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		withPort, _ := netip.ParseAddrPort(s)
		ip = withPort.Addr()
	}
	return ip.Unmap().WithZone("")
}

func isTrusted(ip netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
