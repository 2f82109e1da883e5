package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"example.com/enrollkit/enrollment"
)

// Problem is an answer that says no, as in RFC 9457.
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	Errors    []Field `json:"errors,omitempty"`

	RetryAfter time.Duration `json:"-"`
}

// Field is one field that was not taken.
type Field struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

// Error makes a Problem an error, so that a handler can return it.
func (p *Problem) Error() string { return "web: " + p.Code }

// Refusal returns a Problem to return.
func Refusal(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// Unauthenticated says that nobody is signed in.
func Unauthenticated() *Problem {
	return Refusal(http.StatusUnauthorized, "unauthenticated", "A valid token is required.")
}

// answers is what the codes of [enrollment.Code] are on the wire of our own
// routes, with a sentence for people.
var answers = map[string]struct {
	status int
	detail string
}{
	"invalid":                {http.StatusUnprocessableEntity, "A field is not acceptable."},
	"malformed":              {http.StatusUnprocessableEntity, "A field is malformed."},
	"no_address":             {http.StatusUnprocessableEntity, "There is no e-mail address to send to."},
	"page_token_invalid":     {http.StatusBadRequest, "The page does not belong to this list any more."},
	"idempotency_key_reused": {http.StatusUnprocessableEntity, "The idempotency key was used for another request."},
	"paced":                  {http.StatusTooManyRequests, "Too many tries. Come back later."},
	"forbidden":              {http.StatusForbidden, "This is not allowed."},
	"not_found":              {http.StatusNotFound, "There is no such thing."},
	"invitation_deactivated": {http.StatusConflict, "The invitation is no longer active."},
	"invitation_expired":     {http.StatusConflict, "The invitation has expired."},
	"invitation_exhausted":   {http.StatusConflict, "The invitation was used for as many devices as it allows."},
	"invitation_active":      {http.StatusConflict, "The user has an active invitation."},
	"illegal_transition":     {http.StatusConflict, "The present state does not allow this."},
	"device_gone":            {http.StatusGone, "The device was deleted."},
	"conflict":               {http.StatusConflict, "It was changed in the meantime."},
}

// ProblemOf returns what err is on the wire. What is nobody's fault on the other
// side is 503 without any detail.
func ProblemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	code := enrollment.Code(err)
	known, ok := answers[code]
	if !ok {
		p := Refusal(http.StatusServiceUnavailable, "unavailable", "Something behind the server does not answer. Try again.")
		p.RetryAfter = 5 * time.Second
		return p
	}
	p := Refusal(known.status, code, known.detail)
	if invalid, ok := errors.AsType[*enrollment.ValidationError](err); ok {
		for _, f := range invalid.Fields {
			p.Errors = append(p.Errors, Field{f.Field, f.Code})
		}
	}
	return p
}

// WriteProblem answers with p.
func WriteProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	out := *p
	out.Type, out.Title = "about:blank", http.StatusText(p.Status)
	if p.Status >= http.StatusInternalServerError { // other answers are the same for the same question
		out.RequestID = RequestIDFrom(r.Context())
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="administration"`)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	write(w, "application/problem+json", p.Status, out)
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, status int, v any) { write(w, "application/json", status, v) }

func write(w http.ResponseWriter, media string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a mistake of ours; its text may quote v
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that went away is no error of ours
}
