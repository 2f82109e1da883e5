package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/gorilla/mux"
)

type idKey struct{}

// RequestID gives each request an id of our own making.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), idKey{}, id)))
	})
}

// RequestIDFrom returns the id that [RequestID] gave, or "".
func RequestIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

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

// Log logs each request under the pattern of its route, never under its path,
// and turns a panic into a 500 without telling what it said.
func Log(log *slog.Logger) mux.MiddlewareFunc {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			pattern := "..."
			if route := mux.CurrentRoute(r); route != nil {
				if template, err := route.GetPathTemplate(); err == nil {
					pattern = template
				}
			}
			seen := &status{ResponseWriter: w}
			defer func() {
				v := recover()
				if v != nil && v != http.ErrAbortHandler {
					log.ErrorContext(r.Context(), "panic", "method", r.Method, "route", pattern,
						"request_id", RequestIDFrom(r.Context()), "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
				}
				if v != nil && seen.code != 0 {
					panic(http.ErrAbortHandler)
				}
				if v != nil {
					WriteProblem(seen, r, Refusal(http.StatusInternalServerError, "internal", "The server failed."))
				}
				level := slog.LevelDebug
				if seen.code >= http.StatusInternalServerError {
					level = slog.LevelError
				}
				log.LogAttrs(r.Context(), level, "request", slog.String("method", r.Method), slog.String("route", pattern),
					slog.Int("status", seen.code), slog.String("request_id", RequestIDFrom(r.Context())))
			}()
			next.ServeHTTP(seen, r)
		})
	}
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
