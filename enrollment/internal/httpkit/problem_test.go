package httpkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
	"example.com/enrollkit/invitation"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestProblemOfGivesEveryErrorItsStatusAndCode(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{enrollment.ErrForbidden, 403, "forbidden"},
		{enrollment.ErrInvitationUnknown, 404, "invitation_unknown"},
		{invitation.ErrDeactivated, 410, "invitation_deactivated"},
		{invitation.ErrExpired, 410, "invitation_expired"},
		{invitation.ErrExhausted, 410, "invitation_exhausted"},
		{enrollment.ErrSiteFull, 409, "site_full"},
		{enrollment.ErrCredentialRefused, 401, "credential_refused"},
		{enrollment.ErrDeviceGone, 410, "device_gone"},
		{enrollment.ErrTokenRefused, 401, "device_token_refused"},
		{enrollment.ErrActive, 409, "invitation_active"},
		{enrollment.ErrKeyReused, 422, "idempotency_key_reused"},
		{enrollment.ErrPageToken, 400, "page_token_invalid"},
		{enrollment.ErrNoAddress, 422, "no_address"},
		{enrollment.ErrOwnTransaction, 500, "own_transaction"},
		{&invitation.TransitionError{}, 409, "illegal_transition"},
		{&device.TransitionError{}, 409, "illegal_transition"},
		{enrollment.ErrNotFound, 404, "not_found"},
		{enrollment.ErrExists, 409, "conflict"},
		{enrollment.ErrStale, 409, "conflict"},
		{credentials.ErrMalformed, 422, "malformed"},
		{&enrollment.ValidationError{}, 422, "invalid"},
		{&enrollment.PacedError{RetryAt: at}, 429, "paced"},
		{&httpkit.BodyError{Status: 413, Code: httpkit.CodeTooLarge}, 413, "body_too_large"},
		{errors.New("dial tcp 10.0.0.5:5432: canary"), 503, "unavailable"},
		{context.DeadlineExceeded, 503, "unavailable"},
		{credentials.ErrNoSealingKey, 503, "unavailable"},
	} {
		t.Run(c.code, func(t *testing.T) {
			p := httpkit.ProblemOf(fmt.Errorf("canary: %w", c.err))
			if p.Status != c.status || p.Code != c.code || p.Detail == "" && c.status != 413 {
				t.Errorf("got %+v", p)
			}
			w := httptest.NewRecorder()
			httpkit.WriteProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), p)
			var out map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || out["code"] != c.code || out["status"] != float64(c.status) || out["title"] != http.StatusText(c.status) || out["type"] != "about:blank" {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if strings.Contains(w.Body.String(), "canary") {
				t.Errorf("the text of the error came out: %s", w.Body)
			}
			if (c.status == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Error("a 401, and nothing else, has a challenge")
			}
			if c.status == 503 && w.Header().Get("Retry-After") != "5" {
				t.Error("a 503 says when to come back")
			}
		})
	}
}

func TestRetryAfterIsWholeSecondsRoundedUp(t *testing.T) {
	for _, c := range []struct {
		now  time.Time
		want string
	}{
		{at.Add(-time.Minute), "60"},
		{at.Add(-time.Minute + time.Nanosecond), "60"},
		{at.Add(-time.Nanosecond), "1"},
		{at.Add(time.Hour), "1"},
		{time.Time{}, at.Format(http.TimeFormat)}, // without a clock
	} {
		p := httpkit.ProblemOf(&enrollment.PacedError{RetryAt: at})
		if !c.now.IsZero() {
			p = p.At(c.now)
		}
		w := httptest.NewRecorder()
		httpkit.WriteProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), p)
		if got := w.Header().Get("Retry-After"); got != c.want {
			t.Errorf("at %v: %q, want %q", c.now, got, c.want)
		}
	}
}

func TestFieldsAreListed(t *testing.T) {
	w := httptest.NewRecorder()
	httpkit.WriteProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), httpkit.ProblemOf(&enrollment.ValidationError{
		Fields: []enrollment.FieldError{{Field: "users[2].email", Code: "malformed"}, {Field: "mode", Code: "unknown"}},
	}))
	const want = `{"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"invalid","detail":"A field is not acceptable.",` +
		`"errors":[{"field":"users[2].email","code":"malformed"},{"field":"mode","code":"unknown"}]}` + "\n"
	if w.Body.String() != want {
		t.Errorf("got %s", w.Body)
	}
}

func TestOnlyServerErrorsHaveTheRequestIDInTheBody(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{{enrollment.ErrCredentialRefused, false}, {enrollment.ErrNotFound, false}, {errors.New("x"), true}} {
		w := httptest.NewRecorder()
		httpkit.RequestID(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			httpkit.WriteProblem(w, r, httpkit.ProblemOf(c.err))
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		id := w.Header().Get("X-Request-Id")
		if id == "" || strings.Contains(w.Body.String(), id) != c.want {
			t.Errorf("%v: id %q, body %s", c.err, id, w.Body)
		}
	}
}

func TestMethodNotAllowedNamesTheMethods(t *testing.T) {
	w := httptest.NewRecorder()
	httpkit.MethodNotAllowed("GET, HEAD")(w, httptest.NewRequest(http.MethodPut, "/", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" || !strings.Contains(w.Body.String(), "method_not_allowed") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestWriteJSONSaysItsLength(t *testing.T) {
	w := httptest.NewRecorder()
	httpkit.WriteJSON(w, 201, map[string]any{"list": []string{}})
	if w.Code != 201 || w.Body.String() != "{\"list\":[]}\n" || w.Header().Get("Content-Length") != "12" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	httpkit.WriteJSON(w, 200, make(chan int))
	if w.Code != 500 || w.Body.Len() != 0 {
		t.Errorf("what cannot be JSON: %d %q", w.Code, w.Body)
	}
}
