package enrollhttp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

// T25, T26: the address of each of these is a credential, or the answer has one.
func TestEveryAnswerHasTheHeadersThatKeepItSecret(t *testing.T) {
	w := newWorld(t)
	dead := newWorld(t)
	_, err := dead.svc.Deactivate(t.Context(), admin, dead.invitation)
	dead.must(err)
	down := newWorld(t)
	down.store.broken.Store(true)
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	paced := newDoor(t)
	for range 5 {
		shows(t, paced.signIn("a123456789", "AAAABBBBCCCCDDDD", "company", "android"), 401)
	}
	answers := map[string]*httptest.ResponseRecorder{
		"page":             w.get(w.page("")),
		"page, HEAD":       w.do("HEAD", w.page(""), ""),
		"accept":           w.submit("ownership=personal&platform=android"),
		"accept, again":    w.submit(""),
		"accept, foreign":  w.submit("", "Sec-Fetch-Site", "cross-site"),
		"accept, no form":  w.do("POST", w.page("/accept"), "x", "Content-Type", "text/plain"),
		"png":              w.get(w.page("/qr.png")),
		"svg":              w.get(w.page("/qr.svg")),
		"svg, JSON":        w.get(w.page("/qr.svg?platform=x"), "Accept", "application/json"),
		"unknown":          w.get("/join/i/x"),
		"method":           w.do("DELETE", w.page(""), ""),
		"gone":             dead.get(dead.page("")),
		"gone, JSON":       dead.get(dead.page(""), "Accept", "application/json"),
		"down":             down.get(down.page("")),
		"nothing":          w.get("/join/nothing"),
		"unclean":          w.get("/join//i/" + w.token),
		"enroll":           w.call("enroll", "", w.enrollment("e", "R58M1")),
		"enroll, bad":      w.call("enroll", "", "x"),
		"enroll, refused":  w.call("enroll", "", byPIN("e", "jana@example.com", w.wrongPIN())),
		"enroll, GET":      w.get("/join/device/v1/enroll"),
		"report, no token": w.call("report", "", `{"seq":1}`),
		"device, nothing":  w.get("/join/device/v2/enroll"),

		"self-service":            d.get("/join/enroll"),
		"self-service, HEAD":      d.do("HEAD", "/join/enroll", ""),
		"self-service, closed":    newWorld(t, soleHost).get("/join/enroll"),
		"self-service, down":      down.get("/join/enroll"),
		"self-service, method":    d.do("DELETE", "/join/enroll", ""),
		"request, taken":          d.knock("eva@example.com", d.passcode),
		"request, wrong":          d.knock("eva@example.com", wrongPasscode),
		"request, malformed":      d.knock("eva", d.passcode),
		"request, malformed JSON": d.knock("eva", d.passcode, "Accept", "application/json"),
		"request, foreign":        d.knock("eva@example.com", d.passcode, "Sec-Fetch-Site", "cross-site"),
		"request, no form":        d.do("POST", "/join/enroll", "x", "Content-Type", "text/plain"),
		"login":                   d.get("/join/enroll/login"),
		"login, accepted":         d.signIn(username, password, "company", "android"),
		"login, wrong":            d.signIn(username, wrongLogin(password), "company", "android"),
		"login, wrong JSON":       d.signIn(username, wrongLogin(password), "company", "android", "Accept", "application/json"),
		"login, malformed":        d.signIn("x", password, "company", "android"),
		"login, paced":            paced.signIn("a123456789", "AAAABBBBCCCCDDDD", "company", "android"),
		"login, foreign":          d.post("/join/enroll/login/accept", "", "Sec-Fetch-Site", "cross-site"),
		"login, GET of accept":    d.get("/join/enroll/login/accept"),
		"enroll by login":         d.call("enroll", "", byLogin("e", "S", username, password)),
		"enroll by login, again":  d.call("enroll", "", byLogin("e2", "S2", username, password)),
	}
	for name, rec := range answers {
		t.Run(name, func(t *testing.T) {
			h := rec.Header()
			for header, want := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			} {
				if got := h.Values(header); len(got) != 1 || got[0] != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if !strings.HasPrefix(h.Get("X-Robots-Tag"), "noindex") || h.Get("X-Request-Id") == "" {
				t.Errorf("%v", h)
			}
			csp := h.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action '"} {
				if !strings.Contains(csp, part) || strings.Contains(csp, "unsafe") {
					t.Errorf("policy %q", csp)
				}
			}
			for _, absent := range []string{"ETag", "Last-Modified", "Set-Cookie", "Location", "Access-Control-Allow-Origin"} {
				if h.Get(absent) != "" {
					t.Errorf("%s: %q", absent, h.Get(absent))
				}
			}
			if strings.HasPrefix(h.Get("Content-Type"), "text/html") {
				for _, part := range []string{"Accept", "Accept-Language", "User-Agent", "Sec-CH-UA-Platform"} {
					if !strings.Contains(h.Get("Vary"), part) {
						t.Errorf("Vary: %q", h.Get("Vary"))
					}
				}
			}
		})
	}
}

func TestThePolicyAllowsTheStyleOfThePageAndNoOther(t *testing.T) {
	w := newWorld(t)
	for _, rec := range []*httptest.ResponseRecorder{w.get(w.page("")), w.submit("ownership=personal&platform=android"), w.get("/join/i/x"),
		w.get("/join/enroll"), w.get("/join/enroll/login"), w.knock("eva@example.com", wrongPasscode)} {
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(rec.Body.String())
		if style == nil {
			t.Fatal("no style")
		}
		sum := sha256.Sum256([]byte(style[1]))
		want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if csp := rec.Header().Get("Content-Security-Policy"); !strings.Contains(csp, want) {
			t.Errorf("policy %q, want %s", csp, want)
		}
		if strings.Contains(rec.Body.String(), "style=") || strings.Contains(rec.Body.String(), "<script") {
			t.Error("the page has what its policy refuses")
		}
	}
}

func TestMethodsThatDoNotApplyAre405AndSayWhichDo(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ path, allow string }{
		{w.page(""), "GET, HEAD"}, {w.page("/qr.png"), "GET, HEAD"}, {w.page("/qr.svg"), "GET, HEAD"}, {w.page("/accept"), "POST"},
		{"/join/enroll", "GET, HEAD, POST"}, {"/join/enroll/login", "GET, HEAD"}, {"/join/enroll/login/accept", "POST"},
		{"/join/device/v1/enroll", "POST"}, {"/join/device/v1/report", "POST"}, {"/join/device/v1/checkin", "POST"}, {"/join/device/v1/unenroll", "POST"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
			if strings.Contains(c.allow, method) {
				continue
			}
			rec := w.do(method, c.path, "", "Accept", "application/json")
			if rec.Code != 405 || rec.Header().Get("Allow") != c.allow {
				t.Errorf("%s %s: %d, Allow %q", method, c.path, rec.Code, rec.Header().Get("Allow"))
			}
		}
	}
	want(t, w.get("/join/device/v1/enroll"), 405, "method_not_allowed")
	shows(t, w.do("PUT", w.page(""), "", "Accept", "text/html"), 405, "Open your invitation again")
}

// No path is repaired: a redirect would lose a POST, and a second reading of a
// path is a hole.
func TestUncleanPathsAre404AndNeverRedirected(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"//join/i/" + w.token, "/join//i/" + w.token, "/join/i//" + w.token, "/join/i/" + w.token + "//qr.png", "/join/i/" + w.token + "/",
		"/join/./i/" + w.token, "/join/x/../i/" + w.token, "/join/i/x/..%2f" + w.token, "/join/i%2f" + w.token, "/join/i/" + w.token + "%2fqr.png",
		"/join/i/" + w.token + "%00", "/join/%69/" + w.token, "/join/i/" + w.token + "/%2e%2e/x", "/join/i/" + w.token + "%5cqr.png",
		"/join/i/" + w.token + "/qr%2epng", "/JOIN/i/" + w.token, "/join/I/" + w.token, "/joini/" + w.token, "/i/" + w.token, "/join", "/join/", "/", "/join/i", "/join/i/",
		"/join/enroll/", "/join/enroll/login/", "/join//enroll", "/join/enroll/../enroll", "/join/enroll%2flogin", "/join/Enroll", "/join/enroll/login/accept/x", "/enroll", "/join/enroll/nothing",
		"/join/device//v1/enroll", "/join/device/v1/enroll/", "/join/device/v1/../v1/enroll", "/join/device/v1/%2e/enroll", "/join/platform/x/", "/join/i/" + w.token + "/x/",
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			rec := w.do(method, path, "", "Content-Type", "application/x-www-form-urlencoded")
			if rec.Code != 404 || rec.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d %s", method, path, rec.Code, rec.Header().Get("Location"))
			}
		}
	}
	want(t, w.get("/join/device/v1/nothing"), 404, "not_found")
	want(t, w.get("/join/nothing", "Accept", "application/json"), 404, "not_found")
	shows(t, w.get("/join/nothing", "Accept", "text/html,application/json"), 404, "nothing here")
}

func TestMountedBesideOtherHandlersOfTheStandardRouter(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.Handle("/join/", w.h)
	mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusTeapot) })
	server := httptest.NewServer(mux)
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for path, status := range map[string]int{
		w.page(""): 200, w.page("/qr.png"): 200, "/join/i/x": 404, "/join/enroll": 200, "/join/enroll/login": 200, "/join/device/v1/enroll": 405, "/other": 418, "/i/" + w.token: 418,
	} {
		res, err := client.Get(server.URL + path)
		w.must(err)
		w.must(res.Body.Close())
		if res.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, status)
		}
	}
}

func TestMountedAtTheRootOrDeeper(t *testing.T) {
	for _, base := range []string{"", "/a/b-c/v1.2"} {
		w := newWorld(t, func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, _ *enrollment.Site) {
			o.BasePath = base
		})
		shows(t, w.get(base+"/i/"+w.token), 200, "Accept")
		shows(t, w.get(base+"/enroll"), 200, `action="enroll"`)
		shows(t, w.post(base+"/enroll", form("email", "eva@example.com", "passcode", wrongPasscode)), 200, neutral)
		shows(t, w.post(base+"/enroll/login/accept", form("username", "a123456789", "password", "AAAABBBBCCCCDDDD", "ownership", "company", "platform", "ios")), 401)
		rec := w.do("POST", base+"/device/v1/enroll", w.enrollment("e", "R58M1"))
		want(t, rec, 201, "")
		want(t, w.get(base+"/device/v1/x"), 404, "not_found")
	}
}

func TestOptionsAreCheckedAtTheStart(t *testing.T) {
	w := newWorld(t)
	for _, o := range []enrollhttp.Options{
		{BasePath: "join"}, {BasePath: "/join/"}, {BasePath: "/"}, {BasePath: "//join"}, {BasePath: "/{x}"}, {BasePath: "/a/../b"}, {BasePath: "/a b"}, {BasePath: "/."},
		{TrustedProxies: []netip.Prefix{{}}},
	} {
		if _, err := enrollhttp.New(w.svc, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := enrollhttp.New(nil, enrollhttp.Options{}); err == nil {
		t.Error("no service was taken")
	}
	if _, err := enrollhttp.New(w.svc, enrollhttp.Options{}); err != nil {
		t.Error(err)
	}
}

// T27: the secrets of a whole enrollment, and of everything that goes wrong,
// are in no log.
func TestLogsHavePatternsAndNoSecrets(t *testing.T) {
	w := newWorld(t)
	w.get(w.page("?" + w.pin))
	w.get(w.page("/qr.png"))
	w.get(w.page("/nothing"))
	w.submit("ownership=personal&platform=android")
	a := read(t, w.call("enroll", "", w.enrollment("e", "R58M1")))
	w.call("enroll", "", byPIN("e2", "jana@example.com", w.pin))
	w.call("enroll", "", `{"`+w.pin+`":1}`)
	w.call("report", a.DeviceToken, `{"seq":1}`)
	w.store.broken.Store(true)
	w.get(w.page(""))
	w.call("report", a.DeviceToken, `{"seq":2}`)
	log := w.log.String()
	for _, secret := range []string{w.token, w.pin, a.DeviceToken, "jana", "R58M1", "canary"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
	for _, line := range []string{"route=/i/{token:", "route=/device/v1/report", "status=503", "code=unavailable"} {
		if !strings.Contains(log, line) {
			t.Errorf("no %q in the log:\n%s", line, log)
		}
	}
}
