package enrollhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/invitation"
)

// settings is a platform whose people type into the settings of their system.
type settings struct{ serves }

func (settings) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

func (settings) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{
		Platform: o.Platform, Mode: o.Mode, Action: device.SignIn, URL: "ms-device-enrollment:?mode=mdm&username=" + o.Invitation.Email,
	}, nil
}

var windows = settings{serves{name: "windows", list: []device.Platform{device.Windows}}}

const acceptsWindows = "ownership=company&platform=windows"

var shownPassword = regexp.MustCompile(`<code>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</code>`)

// passwordOn reads the password of a page.
func passwordOn(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	m := shownPassword.FindStringSubmatch(rec.Body.String())
	if m == nil {
		t.Fatalf("no password: %s", content(rec))
	}
	return m[1]
}

// enter does what the n-th computer does with what its user typed.
func (w *world) enter(username, password, hw string) error {
	ctx := context.Background()
	g, err := w.svc.UseLogin(ctx, "windows/enroll", enrollment.Login{Username: username, Password: credentials.SecretString(password)}, "")
	if err != nil {
		return err
	}
	_, err = w.svc.EnrollManaged(ctx, enrollment.ManagedRequest{
		Site: "acme", Source: "windows", Grant: g.ID, Again: true, Ref: device.Ref{Source: "windows", ID: hw},
		Device: enrollment.Claim{Platform: device.Windows, Hardware: device.Hardware{HWDevID: hw}},
	})
	return err
}

func TestAComputerThatWasResetEnrollsAgainWhenAllPlacesAreTaken(t *testing.T) {
	w := newWorld(t, with(windows), forOneDevice)
	first := passwordOn(t, w.submit(acceptsWindows, "User-Agent", edgeWindows))
	w.must(w.enter("jana@example.com", first, "HW1"))
	shows(t, w.submit(acceptsWindows, "User-Agent", edgeWindows), 410, "used up")
	page := w.get(w.page(""), "User-Agent", edgeWindows)
	shows(t, page, 410, "used up", "Ask your administrator", `name="again" value="1"`, `name="ownership" value="company"`)
	if shownPassword.MatchString(page.Body.String()) {
		t.Error("whoever fetches the page has the password")
	}
	rec := w.submit(acceptsWindows+"&again=1", "User-Agent", edgeWindows)
	next := passwordOn(t, rec)
	if next == first {
		t.Error("it still shows the one that was used")
	}
	if err := w.enter("jana@example.com", next, "HW2"); !errors.Is(err, invitation.ErrExhausted) {
		t.Errorf("another computer: %v", err)
	}
	w.must(w.enter("jana@example.com", next, "HW1"))

	w = newWorld(t, with(windows), forOneDevice) // a phone's agent comes back by what it has
	w.submit("ownership=company&platform=android")
	want(t, w.call("enroll", "", w.enrollment("e", "S1")), 201, "")
	hides(t, w.get(w.page("")), "again")
}

func TestAnAcceptedInvitationShowsWhatToTypeIntoTheSettings(t *testing.T) {
	w := newWorld(t, with(windows))
	page := w.get(w.page(""), "User-Agent", edgeWindows)
	if shownPassword.MatchString(page.Body.String()) {
		t.Error("whoever fetches the page has the password")
	}
	rec := w.submit(acceptsWindows, "User-Agent", edgeWindows)
	shows(t, rec, 200, `href="ms-device-enrollment:?mode=mdm&amp;username=jana@example.com"`, "Open the settings", "Access work or school",
		"Enroll only in device management", "enter jana@example.com", "<code>https://mdm.example.com</code>", "<code>jana@example.com</code>", "used once")
	hides(t, rec, "<img", "Go on with your phone", "PIN", "{account}")
	if got := rec.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
	password := passwordOn(t, rec)
	if again := passwordOn(t, w.submit(acceptsWindows, "User-Agent", edgeWindows)); again != password {
		t.Error("looking again shows another one")
	}
	w.must(w.enter("jana@example.com", password, "HW1"))
	if next := passwordOn(t, w.submit(acceptsWindows, "User-Agent", edgeWindows)); next == password {
		t.Error("it still shows the one that was used")
	}
	if strings.Contains(w.log.String(), password) || strings.Contains(w.log.String(), strings.ReplaceAll(password, "-", "")) {
		t.Error("the log has the password")
	}
}

// Somebody reads the invitation on a phone and types at the desk.
func TestAPhoneShowsWhatIsTypedOnTheComputer(t *testing.T) {
	w := newWorld(t, with(windows))
	for _, agent := range []string{safariIPhone, chromeAndroid, safariMac} {
		rec := w.submit(acceptsWindows, "User-Agent", agent)
		shows(t, rec, 200, "Enroll only in device management", "<code>jana@example.com</code>")
		hides(t, rec, "ms-device-enrollment", "<img")
		passwordOn(t, rec)
	}
}

func TestThePageSaysWhyThereIsNoPassword(t *testing.T) {
	w := newWorld(t, with(windows), noPaces)
	password := passwordOn(t, w.submit(acceptsWindows, "User-Agent", edgeWindows))
	if err := w.enter("jana@example.com", "0000-0000-0000-0000", "HW1"); enrollment.Code(err) != "credential_refused" {
		t.Fatal(err)
	}
	passwordOn(t, w.submit(acceptsWindows, "User-Agent", edgeWindows))
	limit := credentials.PasswordBudgetLimit("acme", w.invitation, 1)
	for range credentials.PasswordBudget {
		_, err := w.store.Spend(t.Context(), w.now, nil, []credentials.Limit{limit})
		w.must(err)
	}
	rec := w.submit(acceptsWindows, "User-Agent", edgeWindows)
	shows(t, rec, 200, "Too many wrong passwords", "<code>jana@example.com</code>")
	hides(t, rec, password, "used once")
}

func TestALoginOnAComputerSaysWhatToTypeIntoTheSettings(t *testing.T) {
	d := newDoor(t, with(windows))
	username, password := d.login("eva@example.com")
	rec := d.signIn(username, password, "company", "windows", "User-Agent", edgeWindows)
	shows(t, rec, 200, "<code>"+username+"</code>", "<code>"+password+"</code>", "<code>https://mdm.example.com</code>",
		"enter "+username+"@mdm.example.com", `href="ms-device-enrollment:?mode=mdm&amp;username="`)
	hides(t, rec, "Open this address on the phone", "invitation")
	hides(t, d.signIn(username, password, "company", "windows", "User-Agent", safariIPhone), "Open this address on the phone", "ms-device-enrollment")
	d.must(d.enter(username+"@mdm.example.com", password, "HW1"))
}

func TestAProgramGetsTheNextStepAsJSON(t *testing.T) {
	d := newDoor(t, with(windows))
	read := func(rec *httptest.ResponseRecorder) (body map[string]string) {
		t.Helper()
		if got := rec.Header().Get("Content-Type"); rec.Code != 200 || got != "application/json" {
			t.Fatalf("%d %s %s", rec.Code, got, rec.Body)
		}
		if got := rec.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control: %q", got)
		}
		d.must(json.Unmarshal(rec.Body.Bytes(), &body))
		return body
	}
	page := passwordOn(t, d.submit(acceptsWindows, "User-Agent", edgeWindows))
	got := read(d.submit(acceptsWindows, "Accept", "application/json"))
	for field, value := range map[string]string{
		"platform": "windows", "mode": "windows", "ownership": "company", "action": "sign_in", "server": "https://mdm.example.com",
		"username": "jana@example.com", "password": page, "url": "ms-device-enrollment:?mode=mdm&username=jana@example.com", "agent": "", "typed": "",
	} {
		if got[field] != value {
			t.Errorf("%s is %q, want %q", field, got[field], value)
		}
	}
	username, password := d.login("eva@example.com")
	got = read(d.signIn(username, password, "personal", "windows", "Accept", "application/json"))
	if got["username"] != username || got["password"] != "" || got["ownership"] != "personal" {
		t.Errorf("%v", got)
	}
	want(t, d.submit("ownership=company", "Accept", "application/json"), 422, "invalid")
}

// noPaces lets wrong tries come as fast as they like.
func noPaces(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
	s.Policy.Credentials = credentials.Policy{PINPace: credentials.Off, SourcePace: credentials.Off}
}
