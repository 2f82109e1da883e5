package enrollhttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

// speaking is a platform that says what it was asked.
type speaking struct{ serves }

var _ enrollhttp.Mounter = speaking{}

func (speaking) Handler(svc *enrollment.Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := ""
		if token := r.PathValue("token"); token != "" {
			offer, err := svc.Peek(r.Context(), token)
			if err != nil {
				panic("the invitation was looked up before")
			}
			user = offer.Invitation.Email
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.EscapedPath(), user)
	})
}

func TestAPlatformThatSpeaksHTTPIsMountedInTwoPlaces(t *testing.T) {
	w := newWorld(t, with(speaking{serves{name: "apple", list: []device.Platform{device.IOS}}}))
	for _, c := range []struct{ method, path, says string }{
		{"PUT", "/join/platform/apple/checkin", "PUT /checkin "},
		{"GET", "/join/platform/apple/a/b%20c", "GET /a/b%20c "},
		{"GET", w.page("/apple/profile"), "GET /profile jana@example.com"},
		{"POST", w.page("/apple/"), "POST / jana@example.com"},
	} {
		rec := w.do(c.method, c.path, "")
		if rec.Code != 202 || rec.Body.String() != c.says || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %d %q", c.method, c.path, rec.Code, rec.Body)
		}
	}
	for _, path := range []string{"/join/platform/apple", "/join/platform/other/x", "/join/platform/apple/../x", "/join/platform/apple/%2e%2e/x", "/join/platform/apple//x", "/join/platform/apple/a%2fb", w.page("/other/x"), w.page("/apple")} {
		if rec := w.get(path); rec.Code != 404 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	if strings.Contains(w.log.String(), w.token) {
		t.Error("the token is in the log")
	}
}

func TestAPlatformIsNotAskedForInvitationsThatAreOver(t *testing.T) {
	w := newWorld(t, with(speaking{serves{name: "apple", list: []device.Platform{device.IOS}}}))
	want(t, w.get("/join/i/"+strings.Repeat("A", 43)+"/apple/profile", "Accept", "application/json"), 404, "invitation_unknown")
	_, err := w.svc.Deactivate(t.Context(), admin, w.invitation)
	w.must(err)
	shows(t, w.get(w.page("/apple/profile")), 410, "no longer active")
}

func TestAPanicIsAnAnswer(t *testing.T) {
	w := newWorld(t, with(panicking{serves{name: "apple", list: []device.Platform{device.IOS}}}))
	want(t, w.get("/join/platform/apple/x"), 500, "internal")
	if log := w.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, "panic") {
		t.Errorf("log: %s", log)
	}
}

type panicking struct{ serves }

func (panicking) Handler(*enrollment.Service) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("canary") })
}
