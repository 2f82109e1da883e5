package httpkit

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"example.com/enrollkit/enrollment"
)

// Problem is an answer that says no (RFC 9457).
type Problem struct {
	Status int
	Code   string // stable
	Title  string // empty: the name of the status
	Detail string // one sentence for a developer, always the same for a code
	Errors []FieldProblem

	// Challenge is the WWW-Authenticate of a 401.
	Challenge string
	// RetryAfter is written as Retry-After in whole seconds, rounded up.
	RetryAfter time.Duration
	// RetryAt is the moment behind a RetryAfter that is not known yet; see At.
	// As long as it is alone, Retry-After is written as a date.
	RetryAt time.Time
}

// FieldProblem is one thing wrong with one field.
type FieldProblem struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

// problemJSON is a Problem on the wire. The request's id is in the body of
// server errors only, where somebody has to quote it: all others are the same,
// byte for byte, for the same reason.
type problemJSON struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Code      string         `json:"code"`
	Detail    string         `json:"detail,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	Errors    []FieldProblem `json:"errors,omitempty"`
}

// At returns p with RetryAfter as it is at now.
func (p Problem) At(now time.Time) Problem {
	if !p.RetryAt.IsZero() {
		p.RetryAfter = max(p.RetryAt.Sub(now), time.Second)
	}
	return p
}

// WriteProblem answers with p.
func WriteProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	out := problemJSON{
		Type: "about:blank", Title: p.Title, Status: p.Status, Code: p.Code, Detail: p.Detail, Errors: p.Errors,
	}
	if out.Title == "" {
		out.Title = http.StatusText(p.Status)
	}
	if p.Status >= http.StatusInternalServerError {
		out.RequestID = enrollment.RequestID(r.Context())
	}
	WriteProblemHeaders(w, p)
	write(w, "application/problem+json", p.Status, out)
}

// WriteProblemHeaders sets the headers that belong to p, for answers that say
// it in another way than JSON.
func WriteProblemHeaders(w http.ResponseWriter, p Problem) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	switch {
	case p.RetryAfter > 0:
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	case !p.RetryAt.IsZero():
		h.Set("Retry-After", p.RetryAt.UTC().Format(http.TimeFormat))
	}
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, status int, v any) { write(w, "application/json", status, v) }

func write(w http.ResponseWriter, media string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a mistake of ours; its text may quote v
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A client that went away is no error of ours.
	_, _ = w.Write(body)
}
