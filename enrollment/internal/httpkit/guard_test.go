package httpkit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/enrollkit/enrollment"
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

// asked is the id of a request that was sent with these in its header, in the
// answer and inside.
func asked(t *testing.T, ctx context.Context, sent ...string) string {
	t.Helper()
	var seen string
	inner := httpkit.RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = enrollment.RequestID(r.Context()) }))
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header["X-Request-Id"] = sent
	w := httptest.NewRecorder()
	httpkit.RequestID(inner).ServeHTTP(w, r)
	if got := w.Header().Values("X-Request-Id"); len(got) != 1 || got[0] == "" || got[0] != seen {
		t.Errorf("answered %q, inside it was %q", got, seen)
	}
	return seen
}

func TestARequestHasOneIDAllTheWay(t *testing.T) {
	for _, plain := range []string{"7e5b1f0c-6f6a-4f0e-9a55-0f6f5c3a2b1d", "01JD8M2Z3Y4X5W6V7T8S9R0QPN", "0123456789abcdef0123456789abcdef", "cm5f0a.b_c-d0e1f2g3h4"} {
		if got := asked(t, t.Context(), plain); got != plain {
			t.Errorf("%q became %q", plain, got)
		}
	}
	if got := asked(t, enrollment.WithRequestID(t.Context(), "ours"), "7e5b1f0c-6f6a-4f0e-9a55-0f6f5c3a2b1d"); got != "ours" {
		t.Errorf("the context's became %q", got)
	}
	if enrollment.RequestID(t.Context()) != "" {
		t.Error("a context without an id has none")
	}
}

func TestAnIDThatIsNotPlainIsReplaced(t *testing.T) {
	plain := "7e5b1f0c-6f6a-4f0e-9a55-0f6f5c3a2b1d"
	for what, sent := range map[string][]string{
		"none": nil, "empty": {""}, "short": {"7e5b1f0c"}, "long": {strings.Repeat("a", 41)}, "two": {plain, plain},
		"a new line": {"7e5b1f0c-6f6a-4f0e\nlevel=ERROR"}, "a space": {"7e5b1f0c 6f6a 4f0e 9a55"}, "a quote": {`7e5b1f0c"6f6a"4f0e"9a55"`},
		"another alphabet": {"сm5f0a-b-c-d0e1f2g3h4i5"}, "a NUL": {plain[:20] + "\x00"},
		"a token": {"4Xy7Qm2Zb9Kd5Tn8Rw3Vc6Hs1Jf0Lg-Pa_Ue4Io7Yk2"}, "a PIN": {"12345678"}, "a passcode": {"aB3dE6gH9kL2"}, "a password": {"ABCD-EFGH-JKMN-PQRS"},
	} {
		got := asked(t, t.Context(), sent...)
		for _, s := range sent {
			if s != "" && strings.Contains(got, s) {
				t.Errorf("%s: %q is taken", what, s)
			}
		}
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
