package simulate

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

func TestThirtyDevicesMeetNothingUnexpected(t *testing.T) {
	for seed := range uint64(4) {
		report, err := Run(t.Context(), newWorld(t, enrollment.Policy{}).options(seed))
		require.NoError(t, err)
		assert.Empty(t, report.Unexpected, "seed %d", seed)
		assert.True(t, report.OK())
		assert.Equal(t, DefaultDevices, report.Devices)
		assert.Positive(t, report.Verified)
		assert.Positive(t, report.States["active"])
		assert.Positive(t, report.Events["QR codes scanned"])
	}
}

func TestTheFleetLivesOn(t *testing.T) {
	w := newWorld(t, enrollment.Policy{UnresponsiveAfter: time.Second})
	o := w.options(3)
	o.For, o.Pace = 2*time.Second, 100_000
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	assert.Empty(t, report.Unexpected)
}

func TestAFleetBearsAnAdministratorAtTheConsole(t *testing.T) {
	for verb, change := range map[string]func(*admin, context.Context, string) error{
		"devices deleted by others": func(a *admin, ctx context.Context, id string) error { return a.forget(ctx, "test", id) },
		"devices left":              func(a *admin, ctx context.Context, id string) error { return a.command(ctx, "test", id, "remove") },
	} {
		w := newWorld(t, enrollment.Policy{})
		s := newSimulation(must(t, w.options(1)), NewPlan(1, 1, "t"))
		p := s.players[0]
		p.person.Acts = []Act{{Do: Open}, {Do: Accept}, {Do: Enroll, With: "link"}, {Do: Finish}}
		require.NoError(t, s.setup(t.Context()))
		require.NoError(t, p.play(t.Context()))
		require.NoError(t, change(s.admin, t.Context(), p.agents[0].id))
		require.NoError(t, p.liveOn(t.Context(), time.Now().Add(time.Second)))
		_, err := s.verify(t.Context())
		require.NoError(t, err)

		var report Report
		s.tally.fill(&report)
		assert.Empty(t, report.Unexpected)
		assert.Equal(t, 1, report.Events[verb], verb)
	}
}

func TestPeopleWhoAreInvitedAlready(t *testing.T) {
	w := newWorld(t, enrollment.Policy{})
	first := w.options(1)
	plan := NewPlan(1, 12, "t")
	s := newSimulation(must(t, first), plan)
	require.NoError(t, s.setup(t.Context()))

	o := w.options(5)
	o.Existing, o.Label = true, "u"
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	assert.Empty(t, report.Unexpected)
	assert.Positive(t, report.Events["invitations found"])
	assert.Equal(t, report.People, report.Events["invitations found"]+report.Events["people invited"])
}

func TestLostAnswersChangeNothing(t *testing.T) {
	w := newWorld(t, enrollment.Policy{})
	var lost sync.Map
	w.before = func(_ http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if _, again := lost.LoadOrStore(r.Method+r.URL.Path+string(body), true); again {
			return false
		}
		(*w.inner.Load()).ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	report, err := Run(t.Context(), w.options(1))
	require.NoError(t, err)
	assert.Empty(t, report.Unexpected)
}

func TestWhatIsNotForeseenIsListed(t *testing.T) {
	// refuse answers the first request of a path, or every one.
	refuse := func(path string, once bool, status int, header ...string) func(http.ResponseWriter, *http.Request) bool {
		var done sync.Once
		return func(w http.ResponseWriter, r *http.Request) bool {
			hit := strings.Contains(r.URL.Path, path)
			if hit && once {
				hit = false
				done.Do(func() { hit = true })
			}
			if hit {
				for i := 0; i < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(status)
			}
			return hit
		}
	}
	// lie changes the answers of a path.
	lie := func(w *world, path, from, to string) {
		w.before = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, path) {
				return false
			}
			recorder := httptest.NewRecorder()
			(*w.inner.Load()).ServeHTTP(recorder, r)
			for name, values := range recorder.Header() {
				rw.Header()[name] = values
			}
			rw.Header().Del("Content-Length")
			rw.WriteHeader(recorder.Code)
			_, _ = rw.Write([]byte(strings.ReplaceAll(recorder.Body.String(), from, to)))
			return true
		}
	}
	for _, c := range []struct {
		name string
		how  func(w *world)
		what string // of the first that is listed; empty: nothing is
		got  string
	}{
		{"a status that was not foreseen", func(w *world) { w.before = refuse("/device/v1/report", false, 500) }, "POST /device/v1/report", "500"},
		{"a page that is not there", func(w *world) { w.before = refuse("/qr.png", false, 404) }, "/i/{token}/qr.png", "404"},
		{"a 503, after which the story goes on", func(w *world) { w.before = refuse("/device/v1/enroll", true, 503, "Retry-After", "0") }, "POST /device/v1/enroll", "503"},
		{"a 429 without Retry-After", func(w *world) { w.before = refuse("/device/v1/enroll", true, 429) }, "POST /device/v1/enroll", "429 without Retry-After"},
		{"but not a 429 that says how long", func(w *world) { w.before = refuse("/device/v1/enroll", true, 429, "Retry-After", "0") }, "", ""},
		{"a state that does not follow from the facts", func(w *world) { lie(w, "/device/v1/report", `"state":"active"`, `"state":"pending"`) }, "state in the answer", "pending"},
		{"a fact that is forgotten", func(w *world) { lie(w, "/device/v1/report", `"missing":[]`, `"missing":["permissions"]`) }, "missing in the answer", "[permissions]"},
		{"an invitation that a scanner opened", func(w *world) { lie(w, "/api/v1/invitations/", `"state":"sent"`, `"state":"opened"`) }, "state of the invitation", "opened"},
		{"a device that the view has in another state", func(w *world) { lie(w, "/api/v1/slots", `"state":"active"`, `"state":"impaired"`) }, "state of a device in GET /slots", "impaired"},
		{"a device that the view does not have", func(w *world) { lie(w, "/api/v1/slots", `"id":"dev_`, `"id":"dev_x`) }, "rows of a device in GET /slots", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, enrollment.Policy{})
			c.how(w)
			report, err := Run(t.Context(), w.options(1))
			require.NoError(t, err)
			if c.what == "" {
				assert.Empty(t, report.Unexpected)
				return
			}
			assert.False(t, report.OK())
			found := false
			for _, u := range report.Unexpected {
				found = found || strings.Contains(u.What, c.what) && strings.Contains(u.Got, c.got)
			}
			assert.True(t, found, report)
		})
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	w := newWorld(t, enrollment.Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	w.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/accept") {
			cancel()
		}
		return false
	}
	o := w.options(1)
	o.For = UntilCancelled
	report, err := Run(ctx, o)
	require.NoError(t, err)
	assert.True(t, report.Interrupted)
	assert.Empty(t, report.Unexpected)
}

func TestARunThatCannotBeginIsAnError(t *testing.T) {
	w := newWorld(t, enrollment.Policy{})
	for name, change := range map[string]func(*Options){
		"no address":                     func(o *Options) { o.BaseURL = "" },
		"an address that is no address":  func(o *Options) { o.BaseURL = "127.0.0.1:8080" },
		"a token in the clear, far away": func(o *Options) { o.BaseURL = "http://mdm.example.com" },
		"no token":                       func(o *Options) { o.AdminToken = "" },
		"too many devices":               func(o *Options) { o.Devices = MaxDevices + 1 },
		"a clock that runs backward":     func(o *Options) { o.Pace = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			o := w.options(1)
			change(&o)
			_, err := Run(t.Context(), o)
			assert.Error(t, err)
		})
	}
	t.Run("a wrong token is in the report", func(t *testing.T) {
		o := w.options(1)
		o.AdminToken = "wrong"
		report, err := Run(t.Context(), o)
		require.NoError(t, err)
		assert.False(t, report.OK())
	})
}

func TestNothingSecretIsWritten(t *testing.T) {
	w := newWorld(t, enrollment.Policy{})
	var mu sync.Mutex
	secrets := map[string]bool{adminToken: true}
	w.before = func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if _, rest, ok := strings.Cut(r.URL.Path, "/i/"); ok && len(rest) >= 43 {
			secrets[rest[:43]] = true
		}
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			secrets[token] = true
		}
		if len(secrets)%7 == 0 { // errors quote addresses
			panic(http.ErrAbortHandler)
		}
		return false
	}
	var written bytes.Buffer
	o := w.options(1)
	o.Progress = &written
	o.Logger = slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	written.WriteString(report.String())
	mu.Lock() // a request that was given up may still be on its way
	defer mu.Unlock()
	require.Greater(t, len(secrets), 5)
	for secret := range secrets {
		assert.NotContains(t, written.String(), secret)
	}
}

func TestTheCommand(t *testing.T) {
	w := newWorld(t, enrollment.Policy{})
	command := func(args ...string) (code int, out, errOut string) {
		var stdout, stderr bytes.Buffer
		code = Main(t.Context(), args, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	t.Run("prints a table and ends with 0", func(t *testing.T) {
		code, out, errOut := command("-url", w.url, "-token", adminToken, "-devices", "3", "-seed", "9", "-pace", "1e6")
		assert.Zero(t, code, errOut)
		assert.Contains(t, out, "Nothing unexpected.")
	})
	t.Run("ends with 1 if anything was unexpected", func(t *testing.T) {
		code, out, _ := command("-q", "-url", w.url, "-token", "wrong", "-devices", "3")
		assert.Equal(t, 1, code)
		assert.Contains(t, out, "UNEXPECTED")
	})
	t.Run("takes the token from the environment", func(t *testing.T) {
		t.Setenv("ENROLLKIT_ADMIN_TOKEN", adminToken)
		code, _, errOut := command("-q", "-url", w.url, "-devices", "1", "-pace", "1e6")
		assert.Zero(t, code, errOut)
	})
	t.Run("ends with 2 for arguments it does not know", func(t *testing.T) {
		for _, args := range [][]string{{"-nothing"}, {"devices"}, {"-devices", "many"}} {
			code, _, errOut := command(args...)
			assert.Equal(t, 2, code)
			assert.NotEmpty(t, errOut)
		}
	})
}

func must(t *testing.T, o Options) Options {
	t.Helper()
	o, err := o.withDefaults()
	require.NoError(t, err)
	return o
}
