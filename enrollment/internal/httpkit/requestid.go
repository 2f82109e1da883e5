package httpkit

import (
	"context"
	"crypto/rand"
	"net/http"
)

// requestIDHeader is where the answer tells the request's id.
const requestIDHeader = "X-Request-Id"

type idKey struct{}

// RequestID gives each request an id, in its context and in the answer's
// X-Request-Id. A request that has one from an outer RequestID keeps it; what a
// client calls its request is not believed.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := IDFrom(r.Context())
		if id == "" {
			id = rand.Text()
			r = r.WithContext(context.WithValue(r.Context(), idKey{}, id))
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r)
	})
}

// IDFrom returns the id that [RequestID] gave, or "".
func IDFrom(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}
