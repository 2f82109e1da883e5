package httpkit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/enrollkit/enrollment/internal/httpkit"
)

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	w := httptest.NewRecorder()
	httpkit.SecurityHeaders(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"X-Frame-Options": "DENY", "X-Robots-Tag": "noindex, nofollow, noarchive", "Content-Security-Policy": httpkit.APIPolicy,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestARequestHasOneIDThatNoClientChooses(t *testing.T) {
	var seen string
	inner := httpkit.RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = httpkit.IDFrom(r.Context()) }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Request-Id", "chosen\nby the client")
	w := httptest.NewRecorder()
	httpkit.RequestID(inner).ServeHTTP(w, r)
	if id := w.Header().Get("X-Request-Id"); id == "" || id != seen || strings.Contains(id, "client") {
		t.Errorf("answered %q, inside it was %q", id, seen)
	}
	if httpkit.IDFrom(t.Context()) != "" {
		t.Error("a context without an id has none")
	}
}

func TestAPanicIsA500AndSaysNothing(t *testing.T) {
	var log bytes.Buffer
	guard := httpkit.Recover(slog.New(slog.NewJSONHandler(&log, nil)))
	for _, v := range []any{"canary", errors.New("canary"), struct{ s []string }{[]string{"canary"}}} {
		w := httptest.NewRecorder()
		guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) })).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/i/canary", nil))
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	}
	if strings.Contains(log.String(), "canary") || !strings.Contains(log.String(), "guard_test.go") {
		t.Errorf("the log should say where and not what: %s", log.String())
	}
}

func TestAPanicInMidAnswerCutsTheConnection(t *testing.T) {
	guard := httpkit.Recover(slog.New(slog.DiscardHandler))
	for name, h := range map[string]http.HandlerFunc{
		"after the first byte": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")); panic("x") },
		"on purpose":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Error("the server was not told to cut the connection")
				}
			}()
			guard(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
	}
}

func TestTheLogHasThePatternAndNotThePath(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for status, level := range map[int]string{200: "DEBUG", 404: "DEBUG", 503: "ERROR"} {
		log.Reset()
		h := httpkit.LogRoute(logger, "/i/{token}", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/i/canary?canary", nil))
		if s := log.String(); !strings.Contains(s, "route=/i/{token}") || !strings.Contains(s, "level="+level) || strings.Contains(s, "canary") {
			t.Errorf("%d: %s", status, s)
		}
	}
}

func TestSeenLetsControllersThrough(t *testing.T) {
	server := httptest.NewServer(httpkit.Recover(slog.New(slog.DiscardHandler))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}
