package httpkit

import (
	"errors"
	"net/http"
	"time"

	"example.com/enrollkit/enrollment"
)

// Codes of answers that no verb of the service gives.
const (
	CodeNotFound         = "not_found"
	CodeMethodNotAllowed = "method_not_allowed"
	CodeCrossOrigin      = "cross_origin"
	CodeUnauthenticated  = "unauthenticated"
	CodeInternal         = "internal"
	CodeUnavailable      = "unavailable"
)

// unavailableFor is how long a client waits when something behind us fails.
const unavailableFor = 5 * time.Second

// answers is what each code of [enrollment.Code] is on the wire. A code that is
// not here is the store's or the embedder's trouble and is 503.
var answers = map[string]Problem{
	"invalid":                {Status: http.StatusUnprocessableEntity, Detail: "A field is not acceptable."},
	"malformed":              {Status: http.StatusUnprocessableEntity, Detail: "A field is malformed."},
	"no_address":             {Status: http.StatusUnprocessableEntity, Detail: "There is no e-mail address to send to."},
	"idempotency_key_reused": {Status: http.StatusUnprocessableEntity, Detail: "The idempotency key was used for another request."},
	"page_token_invalid":     {Status: http.StatusBadRequest, Detail: "The page token does not belong to this query."},
	"paced":                  {Status: http.StatusTooManyRequests, Detail: "Too many tries. Come back later."},
	"forbidden":              {Status: http.StatusForbidden, Detail: "This is not allowed."},
	"not_found":              {Status: http.StatusNotFound, Detail: "There is no such thing."},
	"invitation_unknown":     {Status: http.StatusNotFound, Detail: "There is no such invitation."},
	"invitation_deactivated": {Status: http.StatusGone, Detail: "The invitation is no longer active."},
	"invitation_expired":     {Status: http.StatusGone, Detail: "The invitation has expired."},
	"invitation_exhausted":   {Status: http.StatusGone, Detail: "The invitation was used for as many devices as it allows."},
	"device_gone":            {Status: http.StatusGone, Detail: "The device was deleted."},
	"credential_refused":     {Status: http.StatusUnauthorized, Detail: "The credential was refused.", Challenge: `Enrollment realm="invitation"`},
	"device_token_refused":   {Status: http.StatusUnauthorized, Detail: "The device token was refused.", Challenge: `Bearer realm="device"`},
	"invitation_active":      {Status: http.StatusConflict, Detail: "The user has an active invitation."},
	"site_full":              {Status: http.StatusConflict, Detail: "The company has as many devices as it may have."},
	"illegal_transition":     {Status: http.StatusConflict, Detail: "The present state does not allow this."},
	"conflict":               {Status: http.StatusConflict, Detail: "It was changed in the meantime."},
	"own_transaction":        {Status: http.StatusInternalServerError, Detail: "The server is set up wrongly."},
}

// ProblemOf returns what err is on the wire: the code of a verb's error, a
// [*BodyError], or 503 for everything else, without any detail of it.
func ProblemOf(err error) Problem {
	if body, ok := errors.AsType[*BodyError](err); ok {
		return Problem{Status: body.Status, Code: body.Code, Detail: body.Detail}
	}
	code := enrollment.Code(err)
	p, known := answers[code]
	if !known {
		return Problem{
			Status: http.StatusServiceUnavailable, Code: CodeUnavailable,
			Detail: "Something behind the server does not answer. Try again.", RetryAfter: unavailableFor,
		}
	}
	p.Code = code
	if paced, ok := errors.AsType[*enrollment.PacedError](err); ok {
		p.RetryAt = paced.RetryAt
	}
	if invalid, ok := errors.AsType[*enrollment.ValidationError](err); ok {
		p.Errors = make([]FieldProblem, len(invalid.Fields))
		for i, f := range invalid.Fields {
			p.Errors[i] = FieldProblem{Field: f.Field, Code: f.Code}
		}
	}
	return p
}

// Invalid is the problem of fields that are not acceptable.
func Invalid(fields ...FieldProblem) Problem {
	p := answers["invalid"]
	p.Code, p.Errors = "invalid", fields
	return p
}

// NotFound answers 404.
func NotFound(w http.ResponseWriter, r *http.Request) {
	WriteProblem(w, r, Problem{Status: http.StatusNotFound, Code: CodeNotFound, Detail: "There is nothing here."})
}

// MethodNotAllowed returns a handler that answers 405 and names the methods
// that are, as in "GET, HEAD".
func MethodNotAllowed(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		WriteProblem(w, r, Problem{Status: http.StatusMethodNotAllowed, Code: CodeMethodNotAllowed, Detail: "This method does not apply here."})
	}
}
