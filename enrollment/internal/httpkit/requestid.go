package httpkit

import (
	"crypto/rand"
	"net/http"
	"strings"

	"example.com/enrollkit/enrollment"
)

// requestIDHeader is where a request and its answer tell the request's id.
const requestIDHeader = "X-Request-Id"

// RequestID gives each request an id, in its context ([enrollment.RequestID]) and
// in the answer's X-Request-Id: the one of its context, or else the one that was
// sent along, if that is of a plain form, or else one of our own making.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := enrollment.RequestID(r.Context())
		if id == "" {
			if id = r.Header.Get(requestIDHeader); len(r.Header.Values(requestIDHeader)) > 1 || !plainID(id) {
				id = rand.Text()
			}
			r = r.WithContext(enrollment.WithRequestID(r.Context(), id))
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r)
	})
}

// plainID reports whether an id from outside may stand in logs and answers. It
// takes what proxies and tracers make: UUIDs, ULIDs, hexadecimal. PINs,
// passcodes and one-time passwords are shorter and tokens longer, so that a
// client's mistake puts no secret into a log.
func plainID(id string) bool {
	return len(id) >= 20 && len(id) <= 40 && !strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	})
}
