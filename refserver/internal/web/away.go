package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// WriteAway answers a person with a page that looks again by itself.
func WriteAway(w http.ResponseWriter, p *Problem) {
	after := strconv.Itoa(int((p.RetryAfter + time.Second - 1) / time.Second))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Retry-After", after)
	h.Set("Refresh", after)
	w.WriteHeader(p.Status)
	// A client that went away is no error of ours.
	_, _ = fmt.Fprintf(w, "<!doctype html><meta charset=utf-8><title>One moment</title><h1>One moment</h1><p>%s</p>\n", p.Detail)
}

// Bound returns the context in which a request is answered: it ends after usual,
// or, of a request that may take long, after that, and so do the deadlines of
// its connection.
func Bound(w http.ResponseWriter, r *http.Request, usual, long time.Duration, isLong bool) (context.Context, context.CancelFunc) {
	if !isLong {
		return context.WithTimeout(r.Context(), usual)
	}
	allow := http.NewResponseController(w)
	end := time.Now().Add(long)
	// A connection that cannot be given more time has the server's.
	_, _ = allow.SetReadDeadline(end), allow.SetWriteDeadline(end)
	return context.WithDeadline(r.Context(), end)
}
