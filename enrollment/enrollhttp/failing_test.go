package enrollhttp_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/storetest"
)

// shaky is one good request, with the status that it has while all is well.
type shaky struct {
	name   string
	status int
	// prepare makes ready in a fresh world and returns the request.
	prepare func(d *door) func() *httptest.ResponseRecorder
}

var shakies = []shaky{
	{"GET /i/{token}", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.get(d.page("")) }
	}},
	{"GET /i/{token}/qr.png", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.get(d.page("/qr.png")) }
	}},
	{"GET /i/{token}/qr.svg", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.get(d.page("/qr.svg")) }
	}},
	{"POST /i/{token}/accept", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.submit("ownership=personal&platform=android") }
	}},
	{"GET /enroll", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.get("/join/enroll") }
	}},
	{"POST /enroll", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.knock("eva@example.com", d.passcode) }
	}},
	{"GET /enroll/login", 200, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.get("/join/enroll/login") }
	}},
	{"POST /enroll/login/accept", 200, func(d *door) func() *httptest.ResponseRecorder {
		username, password := d.login("eva@example.com")
		return func() *httptest.ResponseRecorder { return d.signIn(username, password, "personal", "android") }
	}},
	{"POST /device/v1/enroll by token", 201, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return d.call("enroll", "", d.enrollment("e", "S1")) }
	}},
	{"POST /device/v1/enroll by PIN", 201, func(d *door) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder {
			return d.call("enroll", "", byPIN("e", "jana@example.com", d.pin))
		}
	}},
	{"POST /device/v1/enroll by login", 201, func(d *door) func() *httptest.ResponseRecorder {
		username, password := d.login("eva@example.com")
		return func() *httptest.ResponseRecorder { return d.call("enroll", "", byLogin("e", "S1", username, password)) }
	}},
	{"POST /device/v1/report", 200, func(d *door) func() *httptest.ResponseRecorder {
		token := read(d.t, d.call("enroll", "", d.enrollment("e", "S1"))).DeviceToken
		return func() *httptest.ResponseRecorder {
			return d.call("report", token, `{"seq":1,"facts":{"agent_installed":true}}`)
		}
	}},
	{"POST /device/v1/checkin", 204, func(d *door) func() *httptest.ResponseRecorder {
		token := read(d.t, d.call("enroll", "", d.enrollment("e", "S1"))).DeviceToken
		return func() *httptest.ResponseRecorder { return d.call("checkin", token, `{"seq":1}`) }
	}},
	{"POST /device/v1/unenroll", 204, func(d *door) func() *httptest.ResponseRecorder {
		token := read(d.t, d.call("enroll", "", d.enrollment("e", "S1"))).DeviceToken
		return func() *httptest.ResponseRecorder { return d.call("unenroll", token, "") }
	}},
}

// T50: whatever call of the store fails, before it is done or after, the answer
// is 503 and says when to come back: not 500, and above all no 401, 404 or 410,
// by which a device would throw its credential away. What is right spends
// nothing, and the same request succeeds afterwards.
func TestWhateverCallOfTheStoreFailsTheAnswerIs503AndTheRequestCanBeRepeated(t *testing.T) {
	for _, c := range shakies {
		for name, late := range map[string]bool{"before": false, "after": true} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				t.Parallel()
				refused := 0
				for n := 1; ; n++ {
					d := newDoor(t)
					send := c.prepare(d)
					failing := &storetest.Failing{Storage: d.store.Storage, At: n, Late: late}
					d.store.Storage = failing
					rec := send()
					failed := failing.Failed()
					failing.Heal()
					if !failed {
						want(t, rec, c.status, "")
						if refused == 0 {
							t.Error("no call was worth a 503")
						}
						return
					}
					switch rec.Code {
					case 503:
						refused++
						checkUnavailable(t, rec)
						again := send()
						if again.Code != c.status && (again.Code != 200 || !late) {
							t.Errorf("call %d: repeated, it is %d: %s", n, again.Code, again.Body)
						}
					case c.status: // what was not essential: a fetch that could not be noted
					default:
						t.Errorf("call %d: %d: %s", n, rec.Code, rec.Body)
					}
					if !late { // else nobody knows whether a try was spent, so it is
						d.spentNothing(t, n)
					}
					if strings.Contains(d.log.String(), "canary") {
						t.Errorf("call %d: the text of the error is in the log", n)
					}
				}
			})
		}
	}
}

// checkUnavailable checks what a 503 says to a program or a person.
func checkUnavailable(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	if got := rec.Header().Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After is %q", got)
	}
	id := rec.Header().Get("X-Request-Id")
	switch media, _, _ := strings.Cut(rec.Header().Get("Content-Type"), ";"); media {
	case "application/problem+json":
		if read(t, rec).Code != "unavailable" || !strings.Contains(rec.Body.String(), `"request_id":"`+id+`"`) {
			t.Errorf("body: %s", rec.Body)
		}
	case "text/html":
		if !strings.Contains(rec.Body.String(), "Please try again in a moment") {
			t.Errorf("page: %s", rec.Body)
		}
	default:
		t.Errorf("content type %q", media)
	}
	if strings.Contains(rec.Body.String(), "canary") || strings.Contains(rec.Body.String(), "tcp") {
		t.Errorf("the text of the error gets out: %s", rec.Body)
	}
}

// spentNothing checks that no budget of the world has a try on it.
func (d *door) spentNothing(t *testing.T, n int) {
	t.Helper()
	var p credentials.Policy
	keys := []string{
		p.PINBudgetLimit("acme", d.invitation, 1).Key, p.PasscodeLimit("acme", 1).Key, p.PasscodeExcessLimit("acme", 1).Key,
		p.OneTimeBudgetLimit("acme", "eva", 1).Key,
	}
	site, _ := p.PINSiteLimit("acme")
	d.must(d.store.View(context.Background(), func(ctx context.Context, tx enrollment.Tx) error {
		counters, err := tx.Counters().Get(ctx, append(keys, site.Key)...)
		for _, c := range counters {
			if c.N != 0 {
				t.Errorf("call %d: %d tries on %s", n, c.N, c.Key)
			}
		}
		return err
	}))
}
