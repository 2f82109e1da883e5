package adminhttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

// tour is one good request to each route, in an order in which all succeed.
// {inv} and {dev} are an invitation and a device of acme's.
var tour = []struct {
	op, path, body string
	status         int
}{
	{"POST /invitations", "/invitations", `{"users":[{"user_id":"u-3"}]}`, 201},
	{"GET /invitations", "/invitations", "", 200},
	{"GET /invitations/{id}", "/invitations/{inv}", "", 200},
	{"PATCH /invitations/{id}", "/invitations/{inv}", `{"email":"new@example.com"}`, 200},
	{"POST /invitations/{id}/send", "/invitations/{inv}/send", "", 200},
	{"POST /invitations/{id}/new-pin", "/invitations/{inv}/new-pin", "", 200},
	{"POST /invitations/{id}/credentials", "/invitations/{inv}/credentials", "", 200},
	{"GET /slots", "/slots", "", 200},
	{"GET /devices/{id}", "/devices/{dev}", "", 200},
	{"POST /devices/{id}/renew", "/devices/{dev}/renew", "", 200},
	{"POST /devices/renew", "/devices/renew", `{"ids":["{dev}"]}`, 200},
	{"POST /devices/{id}/release", "/devices/{dev}/release", "", 200},
	{"POST /devices/{id}/remove", "/devices/{dev}/remove", "", 200},
	{"DELETE /devices/{id}", "/devices/{dev}", "", 204},
	{"POST /devices/adopt", "/devices/adopt", `{"ref":{"source":"mdm","id":"tour"},"user_id":"u-2","platform":"ios","state":"active"}`, 200},
	{"GET /devices/export", "/devices/export", "", 200},
	{"POST /users/{id}/export", "/users/u-1/export", "", 200},
	{"POST /invitations/{id}/deactivate", "/invitations/{inv}/deactivate", "", 200},
	{"POST /users/{id}/erase", "/users/u-1/erase", "", 204},
	{"GET /passcode", "/passcode", "", 200},
	{"POST /passcode/generate", "/passcode/generate", "", 200},
	{"POST /passcode/reveal", "/passcode/reveal", "", 200},
	{"POST /passcode/disable", "/passcode/disable", "", 200},
	{"GET /messages", "/messages", "", 200},
	{"GET /messages/{kind}/{language}", "/messages/invitation/en", "", 200},
	{"PUT /messages/{kind}/{language}", "/messages/invitation/en", `{"subject":"S","text":"T","html":"H"}`, 200},
	{"POST /messages/{kind}/{language}/preview", "/messages/invitation/en/preview", `{"subject":"S","text":"T","html":"H"}`, 200},
	{"DELETE /messages/{kind}/{language}", "/messages/invitation/en", "", 204},
	{"GET /events", "/events?after=0&page_size=500", "", 200},
	{"GET /openapi.yaml", "/openapi.yaml", "", 200},
}

// drive makes the tour as somebody and calls seen with each answer. Before it
// begins, but behind what it needs, it calls each of ready.
func (w *world) drive(who string, seen func(op string, status int, got answer), ready ...func()) {
	w.t.Helper()
	invitation, enrolled := w.enroll(acme, "u-1", "SN-TOUR")
	for _, do := range ready {
		do()
	}
	fill := strings.NewReplacer("{inv}", invitation, "{dev}", enrolled.Device.ID)
	var driven []string
	for _, step := range tour {
		if step.op == "GET /events" && w.store.err == nil {
			_, err := w.svc.Sequence(w.t.Context())
			require.NoError(w.t, err)
		}
		method, _, _ := strings.Cut(step.op, " ")
		seen(step.op, step.status, w.do(who, method, fill.Replace(step.path), fill.Replace(step.body)))
		driven = append(driven, step.op)
	}
	require.ElementsMatch(w.t, served(w.t, w), driven, "the tour misses a route")
}

func TestEveryRoute(t *testing.T) {
	t.Run("answers as promised, is not stored by caches and has a request id", func(t *testing.T) {
		newWorld(t).drive(acme, func(op string, status int, got answer) {
			assert.Equal(t, status, got.Status, op+got.Body)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"), op)
			assert.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"), op)
			assert.NotEmpty(t, got.Header.Get("X-Request-Id"), op)
			assert.Empty(t, got.Header.Get("ETag"), op)
			assert.Empty(t, got.Header.Get("Last-Modified"), op)
		})
	})
	t.Run("is 401 without an actor", func(t *testing.T) {
		newWorld(t).drive("", func(op string, _ int, got answer) {
			got.problem(401, "unauthenticated")
			assert.NotEmpty(t, got.Header.Get("WWW-Authenticate"), op)
			assert.NotContains(t, got.Body, "session", "why stays inside")
		})
	})
	t.Run("is 403 for an actor who may not act at all", func(t *testing.T) {
		newWorld(t).drive("locked", func(op string, _ int, got answer) {
			got.problem(403, "forbidden")
			assert.NotContains(t, got.Body, "locked", op)
		})
	})
	t.Run("is 403 for an actor without a site or a name", func(t *testing.T) {
		for _, who := range []string{"/ann", "acme/"} {
			newWorld(t).drive(who, func(op string, _ int, got answer) {
				got.problem(403, "forbidden")
			})
		}
	})
	t.Run("asks whether the actor may", func(t *testing.T) {
		w := newWorld(t)
		before := ""
		w.drive(acme, func(op string, _ int, got answer) {
			switch op {
			case "GET /openapi.yaml", "GET /messages", "GET /messages/{kind}/{language}":
				assert.Equal(t, 200, got.Status, "everybody who is let in may read it")
			default:
				got.problem(403, "forbidden")
			}
		}, func() { w.deny, before = true, w.snapshot() })
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("is 503 while the store fails, and says nothing of it", func(t *testing.T) {
		for _, trouble := range []error{errors.New("dial db-7.internal: refused"), context.DeadlineExceeded} {
			w := newWorld(t)
			w.drive(acme, func(op string, _ int, got answer) {
				if op == "GET /openapi.yaml" {
					return
				}
				got.problem(503, "unavailable")
				assert.NotEmpty(t, got.Header.Get("Retry-After"), op)
				assert.Equal(t, got.Header.Get("X-Request-Id"), got.at("request_id"))
				assert.NotContains(t, got.Body, "db-7", op)
			}, func() { w.store.err = trouble })
			assert.Contains(t, w.log.String(), trouble.Error(), "the log has the cause")
		}
	})
	t.Run("is 409 where somebody else was faster", func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(acme, "u-1")
		w.store.err = enrollment.ErrStale
		w.do(acme, "POST", "/invitations/"+id+"/send", "").problem(409, "conflict")
	})
	t.Run("answers HEAD where GET, without a body", func(t *testing.T) {
		w := newWorld(t)
		server := httptest.NewServer(w.handler)
		defer server.Close()
		r, err := http.NewRequestWithContext(t.Context(), "HEAD", server.URL+base+"/slots", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+acme)
		got, err := server.Client().Do(r)
		require.NoError(t, err)
		defer got.Body.Close()
		assert.Equal(t, 200, got.StatusCode)
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
		assert.Positive(t, got.ContentLength)
	})
	t.Run("refuses other methods and names its own", func(t *testing.T) {
		w := newWorld(t)
		allow := map[string][]string{}
		for _, op := range served(t, w) {
			method, path, _ := strings.Cut(op, " ")
			allow[path] = append(allow[path], method)
			if method == "GET" {
				allow[path] = append(allow[path], "HEAD")
			}
		}
		for path, methods := range allow {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "PROPFIND"} {
				if strings.Contains(strings.Join(methods, " ")+" ", method+" ") {
					continue
				}
				got := w.do(acme, method, strings.NewReplacer("{id}", "x", "{kind}", "invitation", "{language}", "en").Replace(path), "")
				got.problem(405, "method_not_allowed")
				assert.ElementsMatch(t, methods, strings.Split(got.Header.Get("Allow"), ", "), path)
			}
		}
	})
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	id := w.invite(acme, "u-1")
	for _, path := range []string{
		"", "/", "/slots/", "//slots", "/invitations//" + id, "/invitations/" + id + "/", "/invitations/" + id + "//send", "/./slots", "/x/../slots",
		"/invitations/" + id + "%2fsend", "/invitations%2f" + id, "/invitations/" + id + "%20", "/invitations/" + id + "%00", "/invitations/..%2f..%2fslots", "/invitations/" + id + ".json",
		"/invitations/" + id + ":send", "/Slots",
		"/passcode/", "/passcode/show", "/messages/", "/messages/invitation", "/messages/invitation/", "/messages/invitation/en/", "/messages/invitation/en/preview/",
		"/messages/../en", "/messages/invitation/..", "/messages/./en", "/messages/.hidden/en", "/messages/-x/en", "/messages/invitation/%2e%2e", "/messages/invitation%2fen",
		"/messages/invitation/en%00", "/messages/" + strings.Repeat("k", 65) + "/en",
	} {
		for _, method := range []string{"GET", "POST"} {
			got := w.do(acme, method, path, "")
			got.problem(404, "not_found")
			assert.Empty(t, got.Header.Get("Location"), "no redirect out of the base path: "+path)
		}
	}
}

func TestMounting(t *testing.T) {
	w := newWorld(t)
	ask := func(h http.Handler, path string) int {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+acme)
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		return got.Code
	}
	t.Run("under a prefix that stays", func(t *testing.T) {
		outer := http.NewServeMux()
		outer.Handle("/admin/enroll/", New(w.svc, actorOf, BasePath("/admin/enroll")))
		assert.Equal(t, 200, ask(outer, "/admin/enroll/slots"))
		assert.Equal(t, 404, ask(outer, "/admin/enroll/admin/enroll/slots"))
	})
	t.Run("under a prefix that is stripped", func(t *testing.T) {
		assert.Equal(t, 200, ask(http.StripPrefix("/admin", New(w.svc, actorOf)), "/admin/slots"))
	})
	t.Run("at the root", func(t *testing.T) {
		assert.Equal(t, 200, ask(New(w.svc, actorOf), "/slots"))
	})
	t.Run("mistakes are found at once", func(t *testing.T) {
		assert.Panics(t, func() { New(nil, actorOf) })
		assert.Panics(t, func() { New(w.svc, nil) })
		for _, path := range []string{"/", "api", "/api/", "/api//v1", "/{x}", "/a?b", "/a%20b", "/..", "/a/../b", " /a"} {
			assert.Panics(t, func() { BasePath(path) }, path)
		}
		for _, origin := range []string{"", "console.example.com", "https://console.example.com/", "https://"} {
			assert.Panics(t, func() { New(w.svc, actorOf, TrustedOrigins(origin)) }, origin)
		}
	})
}

// A session cookie comes along with requests that other pages make.
func TestOtherOrigins(t *testing.T) {
	const cross, same = "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"
	w := newWorld(t, TrustedOrigins("https://console.example.org"))
	id := w.invite(acme, "u-1")
	before := w.snapshot()
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
	}{
		{"a form on another page", "POST", "/invitations", `{"users":[{"user_id":"u-2"}]}`, []string{cross, "Origin: https://evil.example"}},
		{"a sister site", "POST", "/invitations/" + id + "/deactivate", "", []string{"Sec-Fetch-Site: same-site", "Origin: https://shop.example.com"}},
		{"an old browser", "POST", "/invitations/" + id + "/credentials", "", []string{"Origin: https://evil.example"}},
		{"a sandboxed frame", "DELETE", "/devices/x", "", []string{cross, "Origin: null"}},
		{"an edit", "PATCH", "/invitations/" + id, `{"email":"evil@example.com"}`, []string{cross}},
		{"a new passcode", "POST", "/passcode/generate", "", []string{cross, "Origin: https://evil.example"}},
		{"a passcode to show", "POST", "/passcode/reveal", "", []string{"Origin: https://evil.example"}},
		{"a passcode to disable", "POST", "/passcode/disable", "", []string{cross}},
		{"a message", "PUT", "/messages/invitation/en", `{"subject":"","text":"","html":""}`, []string{cross, "Origin: https://evil.example"}},
		{"a message to reset", "DELETE", "/messages/invitation/en", "", []string{cross}},
		{"like a trusted one", "POST", "/devices/renew", `{"ids":["x"]}`, []string{cross, "Origin: https://console.example.org.evil.example"}},
	} {
		t.Run(c.name+" may not change anything", func(t *testing.T) {
			got := w.do(acme, c.method, c.path, c.body, c.header...)
			got.problem(403, "cross_origin")
			assert.Equal(t, before, w.snapshot())
		})
	}
	t.Run("our own page, a trusted one and a program may", func(t *testing.T) {
		for _, header := range [][]string{{same}, {cross, "Origin: https://console.example.org"}, {"Origin: http://example.com"}, nil} {
			assert.Equal(t, 200, w.do(acme, "POST", "/invitations/"+id+"/send", "", header...).Status, header)
		}
	})
	t.Run("without options, no other origin is trusted", func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(acme, "u-1")
		w.do(acme, "POST", "/invitations/"+id+"/send", "", cross, "Origin: https://console.example.org").problem(403, "cross_origin")
	})
	t.Run("reading is up to the browser", func(t *testing.T) {
		got := w.do(acme, "GET", "/slots", "", cross, "Origin: https://evil.example")
		assert.Equal(t, 200, got.Status)
		assert.Empty(t, got.Header.Get("Access-Control-Allow-Origin"))
	})
}

func TestAPanicIsA500(t *testing.T) {
	w := newWorld(t)
	h := New(w.svc, func(*http.Request) (enrollment.Actor, error) { panic("secret") }, Logger(nil))
	got := httptest.NewRecorder()
	h.ServeHTTP(got, httptest.NewRequest("GET", "/slots", nil))
	assert.Equal(t, 500, got.Code)
	assert.NotContains(t, got.Body.String(), "secret")
}

func TestOpenAPIIsACopy(t *testing.T) {
	OpenAPI()[0] = 'X'
	assert.Equal(t, byte('o'), OpenAPI()[0])
	w := newWorld(t)
	got := w.get(acme, "/openapi.yaml")
	assert.Equal(t, string(OpenAPI()), got.Body)
	assert.Equal(t, "application/yaml", got.Header.Get("Content-Type"))
}
