package httpkit

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// Recover turns a panic into a 500, or cuts the connection if the answer had
// begun. It logs where it happened and of what type the panic was, not what it
// said, which may quote a secret.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := &Seen{ResponseWriter: w}
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if v != http.ErrAbortHandler {
					log.ErrorContext(r.Context(), "panic", "method", r.Method, "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
				}
				if v == http.ErrAbortHandler || seen.Status != 0 {
					panic(http.ErrAbortHandler)
				}
				WriteProblem(w, r, Problem{Status: http.StatusInternalServerError, Code: CodeInternal, Detail: "The server failed."})
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

// LogRoute logs one line for each request to a route, under the route's pattern:
// a path may hold a credential. Server errors are logged as errors, everything
// else at debug level.
func LogRoute(log *slog.Logger, pattern string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &Seen{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		level := slog.LevelDebug
		if seen.Status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		log.LogAttrs(r.Context(), level, "request",
			slog.String("method", r.Method), slog.String("route", pattern),
			slog.Int("status", seen.Status))
	})
}

// Seen is a ResponseWriter that remembers the status it was given; 0: the
// answer has not begun.
type Seen struct {
	http.ResponseWriter
	Status int
}

// WriteHeader passes the status on.
func (s *Seen) WriteHeader(status int) {
	if s.Status == 0 && status >= http.StatusOK {
		s.Status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write begins the answer if nothing else did.
func (s *Seen) Write(b []byte) (int, error) {
	if s.Status == 0 {
		s.Status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController what is underneath.
func (s *Seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
