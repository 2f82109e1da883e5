package adminhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/enrollkit/enrollment"
)

func TestErrorsOfTheActorFunction(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"nobody is signed in", ErrUnauthenticated, 401, "unauthenticated"},
		{"nobody is signed in, with a reason", fmt.Errorf("canary: %w", ErrUnauthenticated), 401, "unauthenticated"},
		{"both, which is nobody", errors.Join(enrollment.ErrForbidden, ErrUnauthenticated), 401, "unauthenticated"},
		{"may not", fmt.Errorf("canary: %w", enrollment.ErrForbidden), 403, "forbidden"},
		{"the sessions are away", errors.New("canary: dial tcp"), 503, "unavailable"},
		{"it took too long", context.DeadlineExceeded, 503, "unavailable"},
		{"canceled, and not by the client", context.Canceled, 503, "unavailable"},
		{"an error with a code that means something else", fmt.Errorf("canary: %w", enrollment.ErrNotFound), 503, "unavailable"},
		{"an error about fields", &enrollment.ValidationError{}, 503, "unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			h := New(w.svc, func(*http.Request) (enrollment.Actor, error) {
				return enrollment.Actor{Site: "acme", ID: "ann"}, c.err
			}, Logger(slog.New(slog.NewTextHandler(&log, nil))))
			recorder := httptest.NewRecorder()
			h.ServeHTTP(recorder, httptest.NewRequest("GET", "/slots", nil))
			got := answer{t, recorder.Code, recorder.Header(), recorder.Body.String()}
			got.problem(c.status, c.code)
			assert.NotContains(t, got.Body, "canary", "why stays inside")
			assert.Equal(t, c.status == 401, got.Header.Get("WWW-Authenticate") != "")
			assert.Equal(t, c.status == 503, got.Header.Get("Retry-After") != "")
			if c.status == 503 {
				assert.Contains(t, log.String(), "level=ERROR")
				assert.Contains(t, log.String(), c.err.Error(), "the log has the cause")
			} else {
				assert.Empty(t, log.String())
			}
		})
	}
}

// A client that does not wait is nobody's failure.
func TestAClientThatWentAway(t *testing.T) {
	ask := func(t *testing.T, ctx context.Context, storeErr, actorErr error) (int, string) {
		t.Helper()
		w := newWorld(t)
		w.store.err = storeErr
		h := New(w.svc, func(r *http.Request) (enrollment.Actor, error) {
			return enrollment.Actor{Site: "acme", ID: "ann"}, actorErr
		}, Logger(slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, "GET", "/slots", nil))
		return recorder.Code, w.log.String()
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	wrapped := fmt.Errorf("store: %w", context.Canceled)

	for _, c := range []struct {
		name       string
		ctx        context.Context
		store, who error
		status     int
		failure    bool // in the log
	}{
		{"is at debug level", gone, wrapped, nil, 499, false},
		{"is at debug level while it is found out who asks", gone, nil, wrapped, 499, false},
		{"but not what was canceled by somebody else", t.Context(), wrapped, nil, 503, true},
		{"but not a failure that comes with it", gone, errors.New("disk full"), nil, 503, true},
		{"but not what took too long", late, context.DeadlineExceeded, nil, 503, true},
		{"and who may not is told so", gone, nil, enrollment.ErrForbidden, 403, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, log := ask(t, c.ctx, c.store, c.who)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.failure, strings.Contains(log, "level=ERROR"), log)
			assert.Contains(t, log, "level=")
		})
	}
}
