package enrollhttp_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

// answer is a body of the device API, read as a client would.
type answer struct {
	DeviceID    string   `json:"device_id"`
	DeviceToken string   `json:"device_token"`
	State       string   `json:"state"`
	Missing     []string `json:"missing"`
	Next        *string  `json:"next"`
	Seq         int64    `json:"seq"`
	Code        string   `json:"code"`
	Errors      []struct{ Field, Code string }
}

func read(t testing.TB, rec *httptest.ResponseRecorder) (a answer) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		t.Fatalf("%d: %v: %s", rec.Code, err, rec.Body)
	}
	return a
}

// want checks a status and, for a no, its code.
func want(t testing.TB, rec *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if rec.Code != status {
		t.Fatalf("status %d, want %d: %s", rec.Code, status, rec.Body)
	}
	if code == "" {
		return
	}
	if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if a := read(t, rec); a.Code != code {
		t.Errorf("code %q, want %q", a.Code, code)
	}
}

func TestADeviceEnrollsReportsAndLeaves(t *testing.T) {
	w := newWorld(t)

	rec := w.call("enroll", "", w.enrollment("e1", "S1"))
	want(t, rec, 201, "")
	first := rec.Body.String()
	a := read(t, rec)
	if !strings.HasPrefix(a.DeviceID, "dev_") || a.DeviceToken == "" || a.State != "pending" || a.Next == nil || *a.Next != "install_agent" || a.Seq != 1 {
		t.Errorf("enrolled: %s", first)
	}

	rec = w.call("enroll", "", w.enrollment("e1", "S1"))
	want(t, rec, 200, "")
	if rec.Body.String() != first {
		t.Errorf("a repetition gets the same answer: %s, was %s", rec.Body, first)
	}

	rec = w.call("report", a.DeviceToken, `{"seq":1,"facts":{"agent_installed":true},"inventory":{"storage_gb":128},"model":"Pixel 8a"}`)
	want(t, rec, 200, "")
	if s := read(t, rec); s.State != "pending" || len(s.Missing) == 0 || s.Seq != 2 {
		t.Errorf("first report: %s", rec.Body)
	}
	rec = w.call("report", a.DeviceToken, `{"seq":2,"facts":{"agent_installed":true,"work_profile":true,"permissions":true}}`)
	want(t, rec, 200, "")
	if got := rec.Body.String(); got != `{"state":"active","missing":[],"next":"","seq":3}`+"\n" {
		t.Errorf("complete: %s", got)
	}
	rec = w.call("report", a.DeviceToken, `{"seq":2,"facts":{"permissions":false}}`)
	want(t, rec, 200, "")
	if s := read(t, rec); s.State != "active" || s.Seq != 3 {
		t.Errorf("a report that comes late changes nothing: %s", rec.Body)
	}

	rec = w.call("checkin", a.DeviceToken, `{"seq":3}`)
	want(t, rec, 204, "")
	if rec.Body.Len() != 0 {
		t.Errorf("204 has no body: %q", rec.Body)
	}
	for range 2 {
		want(t, w.call("unenroll", a.DeviceToken, ""), 204, "")
	}
}

func TestEnrollingByPINTakesItAsTyped(t *testing.T) {
	w := newWorld(t)
	want(t, w.call("enroll", "", byPIN("e1", "Jana@Example.com", w.pin[:4]+" "+w.pin[4:])), 201, "")
}

func TestHardwareIdsReachTheDevice(t *testing.T) {
	w := newWorld(t)
	body := `{"enrollment_id":"e","credential":{"type":"token","token":"` + w.token + `"},"ownership":"company","mode":"android_fully_managed","device":{` +
		`"platform":"android","udid":"U","serial":"S","imei":"I","esid":"E","hwdevid":"H","name":"N","manufacturer":"M","model":"O","os_version":"14"}}`
	rec := w.call("enroll", "", body)
	want(t, rec, 201, "")
	d, err := w.svc.Device(t.Context(), admin, read(t, rec).DeviceID)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v %s %s %s %s %s %s", d.Hardware, d.Name, d.Manufacturer, d.Model, d.OSVersion, d.Ownership, d.Mode)
	if got != "{UDID:U ESID:E HWDevID:H Serial:S IMEI:I} N M O 14 company android_fully_managed" {
		t.Errorf("got %s", got)
	}
}

func TestEveryRefusalOfEnrollHasItsStatusAndCode(t *testing.T) {
	device := `"device":{"platform":"android"}`
	for _, c := range []struct {
		name   string
		body   func(w *world) string
		status int
		code   string
		field  string // "field code"
	}{
		{"no JSON", func(*world) string { return "x" }, 400, "bad_json", ""},
		{"an unknown field", func(*world) string { return `{"enrollment_id":"e","user_id":"bob"}` }, 400, "bad_json", ""},
		{"a field twice", func(*world) string { return `{"enrollment_id":"e","enrollment_id":"f"}` }, 400, "bad_json", ""},
		{"a token that is a list", func(w *world) string {
			return `{"enrollment_id":"e","credential":{"type":"token","token":["` + w.token + `"]},` + device + `}`
		}, 400, "bad_json", ""},
		{"a body that is too large", func(*world) string {
			return `{"enrollment_id":"` + strings.Repeat("e", enrollhttp.MaxBody) + `"}`
		}, 413, "body_too_large", ""},
		{"no credential", func(*world) string { return `{"enrollment_id":"e",` + device + `}` }, 422, "invalid", "credential.type required"},
		{"an unknown credential", func(*world) string { return `{"enrollment_id":"e","credential":{"type":"face"},` + device + `}` }, 422, "invalid", "credential.type unknown"},
		{"a user name of another length", func(*world) string { return byLogin("e", "S", "u", "AAAABBBBCCCCDDDD") }, 422, "invalid", "credential.username malformed"},
		{"a password of another length", func(*world) string { return byLogin("e", "S", "a123456789", "p") }, 422, "invalid", "credential.password malformed"},
		{"no user name", func(*world) string { return byLogin("e", "S", "", "AAAABBBBCCCCDDDD") }, 422, "invalid", "credential.username required"},
		{"a login and a token", func(w *world) string {
			return strings.Replace(byLogin("e", "S", "a123456789", "AAAABBBBCCCCDDDD"), `"username"`, `"token":"`+w.token+`","username"`, 1)
		}, 422, "invalid", "credential.token mismatch"},
		{"a login that nobody has", func(*world) string { return byLogin("e", "S", "a123456789", "AAAABBBBCCCCDDDD") }, 401, "credential_refused", ""},
		{"no token", func(*world) string { return `{"enrollment_id":"e","credential":{"type":"token"},` + device + `}` }, 422, "invalid", "credential.token required"},
		{"a token and a PIN", func(w *world) string {
			return `{"enrollment_id":"e","credential":{"type":"token","token":"` + w.token + `","pin":"12345678"},` + device + `}`
		}, 422, "invalid", "credential.pin mismatch"},
		{"no PIN", func(*world) string { return byPIN("e", "jana@example.com", "") }, 422, "invalid", "credential.pin required"},
		{"a PIN of letters", func(*world) string { return byPIN("e", "jana@example.com", "abcdefgh") }, 422, "invalid", "credential.pin malformed"},
		{"a malformed address", func(w *world) string { return byPIN("e", "jana", w.pin) }, 422, "invalid", "credential.email malformed"},
		{"no enrollment id", func(w *world) string { return w.enrollment("", "S") }, 422, "invalid", "enrollment_id required"},
		{"no platform", func(w *world) string { return strings.Replace(w.enrollment("e", "S"), "android", "", 1) }, 422, "invalid", "device.platform required"},
		{"an unknown token", func(w *world) string {
			return strings.Replace(w.enrollment("e", "S"), w.token, strings.Repeat("A", 43), 1)
		}, 404, "invitation_unknown", ""},
		{"a malformed token", func(w *world) string { return strings.Replace(w.enrollment("e", "S"), w.token, "A", 1) }, 404, "invitation_unknown", ""},
		{"a wrong PIN", func(w *world) string { return byPIN("e", "jana@example.com", w.wrongPIN()) }, 401, "credential_refused", ""},
		{"an address that nobody has", func(w *world) string { return byPIN("e", "nobody@example.com", w.pin) }, 401, "credential_refused", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			rec := w.call("enroll", "", c.body(w))
			want(t, rec, c.status, c.code)
			if c.field != "" {
				a := read(t, rec)
				if len(a.Errors) != 1 || a.Errors[0].Field+" "+a.Errors[0].Code != c.field {
					t.Errorf("fields %v, want %q", a.Errors, c.field)
				}
			}
		})
	}
}

func TestOnlyJSONIsTaken(t *testing.T) {
	w := newWorld(t)
	rec := w.do("POST", "/join/device/v1/enroll", w.enrollment("e", "S"), "Content-Type", "text/plain")
	want(t, rec, 415, "unsupported_media_type")
	rec = w.do("POST", "/join/device/v1/enroll", w.enrollment("e", "S"))
	want(t, rec, 201, "")
}

func TestAnInvitationThatIsOverSaysWhy(t *testing.T) {
	t.Run("deactivated", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.svc.Deactivate(t.Context(), admin, w.invitation)
		w.must(err)
		want(t, w.call("enroll", "", w.enrollment("e", "S")), 410, "invitation_deactivated")
	})
	t.Run("expired", func(t *testing.T) {
		w := newWorld(t, expiring)
		w.now = w.now.Add(time.Hour)
		want(t, w.call("enroll", "", w.enrollment("e", "S")), 410, "invitation_expired")
	})
	t.Run("exhausted", func(t *testing.T) {
		w := newWorld(t, forOneDevice)
		want(t, w.call("enroll", "", w.enrollment("e1", "S1")), 201, "")
		want(t, w.call("enroll", "", w.enrollment("e2", "S2")), 410, "invitation_exhausted")
	})
	t.Run("a full site", func(t *testing.T) {
		w := newWorld(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, site *enrollment.Site) {
			site.Policy.MaxDevices = 1
		})
		want(t, w.call("enroll", "", w.enrollment("e1", "S1")), 201, "")
		want(t, w.call("enroll", "", w.enrollment("e2", "S2")), 409, "site_full")
		want(t, w.call("enroll", "", w.enrollment("e1", "S1")), 200, "")
	})
}

func expiring(_ *enrollment.Config, _ *enrollhttp.Options, r *enrollment.InviteRequest, _ *enrollment.Site) {
	r.ExpiresAt = start.Add(time.Hour)
}

func forOneDevice(_ *enrollment.Config, _ *enrollhttp.Options, r *enrollment.InviteRequest, _ *enrollment.Site) {
	r.MaxDevices = 1
}

func TestOneEnrollmentIdIsForOneDevice(t *testing.T) {
	w := newWorld(t)
	want(t, w.call("enroll", "", w.enrollment("e", "S1")), 201, "")
	want(t, w.call("enroll", "", w.enrollment("e", "S2")), 422, "idempotency_key_reused")
}

func TestALateRepetitionDoesNotBringAnOldTokenBack(t *testing.T) {
	w := newWorld(t)
	want(t, w.call("enroll", "", w.enrollment("e1", "R58M1")), 201, "")
	want(t, w.call("enroll", "", w.enrollment("e2", "R58M1")), 201, "")
	want(t, w.call("enroll", "", w.enrollment("e1", "R58M1")), 409, "conflict")
}

// Locked, wrong and unknown look identical: status, headers and body.
func TestRefusedCredentialsAreIdenticalToTheByte(t *testing.T) {
	image := func(rec *httptest.ResponseRecorder) string {
		rec.Header().Del("X-Request-Id")
		return fmt.Sprint(rec.Code, rec.Header(), rec.Body)
	}
	w := newWorld(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
		s.Policy.Credentials.PINBudget, s.Policy.Credentials.PINAlert = 2, -1
		s.Policy.Credentials.PINPace, s.Policy.Credentials.SourcePace = -1, -1
	})
	wrong := image(w.call("enroll", "", byPIN("e", "jana@example.com", w.wrongPIN())))
	unknown := image(w.call("enroll", "", byPIN("e", "nobody@example.com", w.wrongPIN())))
	image(w.call("enroll", "", byPIN("e", "jana@example.com", w.wrongPIN())))
	burnt := image(w.call("enroll", "", byPIN("e", "jana@example.com", w.pin)))
	if !strings.HasPrefix(wrong, "401") || wrong != unknown || wrong != burnt {
		t.Errorf("wrong:   %s\nunknown: %s\nburnt:   %s", wrong, unknown, burnt)
	}
	if d := w.detail(); d.PINTriesLeft != 0 {
		t.Errorf("the PIN should be burnt, %d left", d.PINTriesLeft)
	}
}

func TestPacedTriesSayWhenToComeBack(t *testing.T) {
	w := newWorld(t)
	last := func(email string) *httptest.ResponseRecorder {
		var rec *httptest.ResponseRecorder
		for range 6 {
			rec = w.call("enroll", "", byPIN("e", email, w.wrongPIN()))
		}
		return rec
	}
	known := last("jana@example.com")
	want(t, known, 429, "paced")
	if got := known.Header().Get("Retry-After"); got != "900" {
		t.Errorf("Retry-After %q, want whole seconds", got)
	}
	w.now = w.now.Add(24 * time.Hour)
	unknown := last("nobody@example.com")
	if known.Body.String() != unknown.Body.String() || unknown.Header().Get("Retry-After") != "900" {
		t.Errorf("an address that nobody has is paced alike: %s, %v", unknown.Body, unknown.Header())
	}
}

func TestASpoofedAddressIsNoNewSource(t *testing.T) {
	w := newWorld(t)
	status := 0
	for i := range 11 {
		email := fmt.Sprintf("nobody%d@example.com", i)
		rec := w.call("enroll", "", byPIN("e", email, "12345678"), "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i), "X-Real-IP", fmt.Sprintf("198.51.100.%d", i))
		status = rec.Code
	}
	if status != 429 {
		t.Errorf("the eleventh try of one peer: %d", status)
	}
}

func TestPINsOfOtherHostsAreNotLookedAt(t *testing.T) {
	on := func(host string) *world {
		return newWorld(t, func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, _ *enrollment.Site) {
			o.Host = host
		})
	}
	w := on("mdm.example.com")
	want(t, w.call("enroll", "", byPIN("e", "jana@example.com", w.pin)), 201, "")
	w = on("other.example.com")
	want(t, w.call("enroll", "", byPIN("e", "jana@example.com", w.pin)), 401, "credential_refused")
	want(t, w.call("enroll", "", w.enrollment("e", "S")), 201, "")
}

func TestDeviceTokensAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	token := read(t, w.call("enroll", "", w.enrollment("e", "S"))).DeviceToken
	for _, verb := range []string{"report", "checkin", "unenroll"} {
		for name, header := range map[string][]string{
			"none":               nil,
			"empty":              {"Authorization", ""},
			"no scheme":          {"Authorization", token},
			"another scheme":     {"Authorization", "Basic " + token},
			"two spaces":         {"Authorization", "Bearer  " + token},
			"something behind":   {"Authorization", "Bearer " + token + " x"},
			"cut short":          {"Authorization", "Bearer " + token[:42]},
			"one too long":       {"Authorization", "Bearer " + token + "A"},
			"another":            {"Authorization", "Bearer " + strings.Repeat("A", 43)},
			"an invitation's":    {"Authorization", "Bearer " + w.token},
			"twice":              {"Authorization", "Bearer " + token, "Authorization", "Bearer " + token},
			"in another header":  {"X-Authorization", "Bearer " + token},
			"in the query alone": nil,
		} {
			t.Run(verb+"/"+name, func(t *testing.T) {
				path := "/join/device/v1/" + verb
				if strings.HasPrefix(name, "in the query") {
					path += "?access_token=" + token
				}
				rec := w.do("POST", path, `{"seq":1}`, header...)
				want(t, rec, 401, "device_token_refused")
				if got := rec.Header().Get("WWW-Authenticate"); got != `Bearer realm="device"` {
					t.Errorf("challenge %q", got)
				}
			})
		}
	}
	want(t, w.do("POST", "/join/device/v1/checkin", `{}`, "Authorization", "bearer "+token), 204, "")
}

func TestATokenEndsWithItsGenerationAndItsDevice(t *testing.T) {
	w := newWorld(t)
	old := read(t, w.call("enroll", "", w.enrollment("e1", "R58M1")))
	now := read(t, w.call("enroll", "", w.enrollment("e2", "R58M1")))
	if now.DeviceID != old.DeviceID {
		t.Fatal("the same hardware is the same device")
	}
	want(t, w.call("checkin", old.DeviceToken, `{}`), 401, "device_token_refused")
	w.must(w.svc.Delete(t.Context(), admin, now.DeviceID))
	for verb, body := range map[string]string{"report": `{"seq":1}`, "checkin": `{}`, "unenroll": ""} {
		want(t, w.call(verb, now.DeviceToken, body), 410, "device_gone")
	}
}

func TestReportsAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	token := read(t, w.call("enroll", "", w.enrollment("e", "S"))).DeviceToken
	big := strings.Repeat("a", enrollment.MaxInventory)
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{`{"seq":1,"facts":{"permissions":null}}`, 400, "bad_json"},
		{`{"seq":1,"facts":{"permissions":"yes"}}`, 400, "bad_json"},
		{`{"seq":1,"facts":{"permissions":true,"permissions":false}}`, 400, "bad_json"},
		{`{"seq":1,"inventory":[]}`, 400, "bad_json"},
		{`{"seq":1,"inventory":"x"}`, 400, "bad_json"},
		{`{"seq":1,"inventory":{"a":1,"a":2}}`, 400, "bad_json"},
		{`{"seq":"1"}`, 400, "bad_json"},
		{`{"seq":1,"device_id":"dev_other"}`, 400, "bad_json"},
		{`{"seq":1,"inventory":{"a":"` + big + `"}}`, 422, "invalid"},
		{`{"seq":0}`, 422, "invalid"},
		{`{}`, 422, "invalid"},
		{`{"seq":1,"facts":{"rooted":true}}`, 422, "invalid"},
		{`{"seq":1,"facts":{"management_profile":true}}`, 422, "invalid"}, // not an agent's to say
	} {
		rec := w.call("report", token, c.body)
		if rec.Code != c.status || c.code != "" && read(t, rec).Code != c.code {
			t.Errorf("%.80s: %d %s", c.body, rec.Code, rec.Body)
		}
	}
}

func TestAStoreThatFailsIs503AndSaysNothing(t *testing.T) {
	w := newWorld(t)
	token := read(t, w.call("enroll", "", w.enrollment("e", "S"))).DeviceToken
	w.store.broken.Store(true)
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"enroll by token": w.call("enroll", "", w.enrollment("e2", "S2")),
		"enroll by PIN":   w.call("enroll", "", byPIN("e3", "jana@example.com", w.pin)),
		"report":          w.call("report", token, `{"seq":1}`),
		"checkin":         w.call("checkin", token, `{"seq":1}`),
		"unenroll":        w.call("unenroll", token, ""),
	} {
		t.Run(name, func(t *testing.T) {
			want(t, rec, 503, "unavailable")
			if rec.Header().Get("Retry-After") == "" || strings.Contains(rec.Body.String(), "canary") {
				t.Errorf("%v %s", rec.Header(), rec.Body)
			}
		})
	}
	if strings.Contains(w.log.String(), "canary") {
		t.Error("the text of the error is in the log")
	}
}
