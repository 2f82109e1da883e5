package enrollhttp_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

func TestTheLoginPageAsksForTheLoginAndTheDevice(t *testing.T) {
	d := newDoor(t)
	for agent, platform := range map[string]string{chromeAndroid: "android", safariIPhone: "ios", edgeWindows: "windows"} {
		rec := d.get("/join/enroll/login", "User-Agent", agent)
		shows(t, rec, 200, `action="login/accept"`, `name="username"`, `name="password"`, `name="ownership" value="company"`, `name="ownership" value="personal"`,
			`value="`+platform+`" required checked`, "Not your device?", `href="../enroll"`, "Acme")
		hides(t, rec, "<script", `role="alert"`, d.token)
		for _, p := range device.Platforms() {
			shows(t, rec, 200, `name="platform" value="`+string(p)+`"`)
		}
		if desktop := strings.Contains(rec.Body.String(), "https://mdm.example.com/join/enroll/login"); desktop != (agent == edgeWindows) {
			t.Errorf("%s: the address for a phone: %v", platform, desktop)
		}
	}
	// An iPad and a Mac look the same: nobody guesses.
	hides(t, d.get("/join/enroll/login", "User-Agent", safariMac), "required checked", "Not your device?")
}

func TestALoginLeadsEachPlatformToItsNextStepAndInWithOneDevice(t *testing.T) {
	for _, c := range []struct {
		platform, agent string
		says            []string
	}{
		{"android", chromeAndroid, []string{"Install Acme Agent from Google Play", "https://play.google.com/store/apps/details?id=com.acme.agent", "work profile", `href="acmeagent://enroll"`}},
		{"ios", safariIPhone, []string{"App Store", "Safari"}},
		{"macos", safariMac, []string{"this Mac"}},
		{"windows", edgeWindows, []string{"this computer"}},
	} {
		t.Run(c.platform, func(t *testing.T) {
			d := newDoor(t)
			username, password := d.login("eva@example.com")
			for range 2 { // looking uses nothing up
				rec := d.signIn(" "+strings.ToUpper(username), strings.ToLower(strings.ReplaceAll(password, "-", " ")), "company", c.platform, "User-Agent", c.agent)
				shows(t, rec, 200, append(c.says, "<li>", "user name and the password below", "<code>"+username+"</code>", "<code>"+password+"</code>",
					"company device", `href="../login"`)...)
				hides(t, rec, "QR", "PIN", "qr.png", "invitation", "{agent}", "{platform}", d.passcode)
			}
			claim := strings.NewReplacer("android", c.platform, "Google", "")
			rec := d.call("enroll", "", claim.Replace(byLogin("e1", "R58M1", username, password)))
			want(t, rec, 201, "")
			first := read(t, rec)
			again := d.call("enroll", "", claim.Replace(byLogin("e1", "R58M1", username, password)))
			want(t, again, 200, "")
			if again.Body.String() != rec.Body.String() {
				t.Errorf("a repetition gets the same answer: %s, was %s", again.Body, rec.Body)
			}
			want(t, d.call("enroll", "", claim.Replace(byLogin("e2", "R58M2", username, password))), 401, "credential_refused")
			shows(t, d.signIn(username, password, "company", c.platform), 401)
			got, err := d.svc.Device(t.Context(), admin, first.DeviceID)
			d.must(err)
			if got.Device.User != "eva" || got.Origin != device.BySelfService || got.Invitation != "" || got.Ownership != device.Company || string(got.Platform) != c.platform {
				t.Errorf("%+v", got.Device)
			}
		})
	}
}

func TestOneOfManyDevicesAtOnceGetsInByALogin(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	statuses := make([]int, 16)
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() {
			rec := d.call("enroll", "", byLogin(fmt.Sprint("e", i), fmt.Sprint("R58M", i), username, password))
			statuses[i] = rec.Code
		})
	}
	all.Wait()
	in := 0
	for _, status := range statuses {
		switch status {
		case 201:
			in++
		case 401, 429:
		default:
			t.Errorf("status %d", status)
		}
	}
	if in != 1 {
		t.Errorf("%d devices are in: %v", in, statuses)
	}
}

func TestEveryPlatformHasLoginStepsOfItsOwn(t *testing.T) {
	steps := map[string]string{}
	for _, action := range []device.Action{device.InstallAgent, device.InstallProfile, device.ProvisionDevice, device.SuperviseDevice} {
		for _, p := range device.Platforms() {
			step := stepping{serves{name: "x", list: device.Platforms()}, enrollment.NextStep{Platform: p, Action: action, URL: "https://store.example/app"}}
			d := newDoor(t, with(step))
			username, password := d.login("eva@example.com")
			rec := d.signIn(username, password, "personal", string(p))
			shows(t, rec, 200, "<li>", password, "your own device")
			hides(t, rec, "{agent}", "{platform}", "PIN", "qr.png")
			if links := strings.Contains(rec.Body.String(), `class="button"`); links != (action != device.ProvisionDevice) {
				t.Errorf("%s %s: a link to go on: %v", p, action, links)
			}
			_, list, _ := strings.Cut(content(rec), "<ol>")
			steps[string(p)+"."+string(action)], _, _ = strings.Cut(list, "</ol>")
		}
	}
	for _, same := range [][2]string{{"android.install_agent", "ios.install_agent"}, {"ios.install_agent", "macos.install_agent"}, {"macos.install_agent", "windows.install_agent"}, {"macos.install_profile", "windows.install_profile"}} {
		if steps[same[0]] == steps[same[1]] {
			t.Errorf("%v have the same steps", same)
		}
	}
}

func TestALoginForAPhoneAtADeskSendsThePersonToThePhone(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	rec := d.signIn(username, password, "personal", "android", "User-Agent", edgeWindows)
	shows(t, rec, 200, "https://mdm.example.com/join/enroll/login", username, password)
	hides(t, rec, `class="button`, "acmeagent:", "play.google.com", "qr.png")
}

func TestTheOwnershipOfThePageIsTheDevices(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	shows(t, d.signIn(username, password, "company", "android"), 200)
	shows(t, d.signIn(username, password, "personal", "android"), 200, "your own device")
	rec := d.call("enroll", "", byLogin("e", "S", username, password))
	want(t, rec, 201, "")
	got, err := d.svc.Device(t.Context(), admin, read(t, rec).DeviceID)
	d.must(err)
	if got.Ownership != device.Personal {
		t.Errorf("ownership %s", got.Ownership)
	}
}

// Wrong, unknown, used, replaced, over and off look the same, on the page and to
// an agent.
func TestLoginsThatOpenNothingGetOneAnswer(t *testing.T) {
	type answers struct{ page, json, api string }
	ask := func(d *door, username, password string) answers {
		return answers{
			image(d.signIn(username, password, "company", "android")),
			image(d.signIn(username, password, "company", "android", "Accept", "application/json")),
			image(d.call("enroll", "", byLogin("e9", "S9", username, password))),
		}
	}
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	rec := d.signIn(username, wrongLogin(password), "company", "android")
	shows(t, rec, 401, "do not work", `role="alert"`, `action="accept"`, `href="../../enroll"`, `value="company" required checked`, `value="android" required checked`)
	hides(t, rec, username, `aria-invalid="true"`)
	if rec.Header().Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	want(t, d.signIn(username, wrongLogin(password), "company", "android", "Accept", "application/json"), 401, "credential_refused")
	want(t, d.call("enroll", "", byLogin("e9", "S9", username, wrongLogin(password))), 401, "credential_refused")
	refused := ask(newDoor(t), "a123456789", "AAAA-BBBB-CCCC-DDDD")
	for name, other := range map[string]func() answers{
		"a wrong password": func() answers {
			d := newDoor(t)
			username, password := d.login("eva@example.com")
			return ask(d, username, wrongLogin(password))
		},
		"used": func() answers {
			d := newDoor(t)
			username, password := d.login("eva@example.com")
			want(t, d.call("enroll", "", byLogin("e", "S", username, password)), 201, "")
			return ask(d, username, password)
		},
		"replaced": func() answers {
			d := newDoor(t)
			username, password := d.login("eva@example.com")
			d.login("eva@example.com")
			return ask(d, username, password)
		},
		"over": func() answers {
			d := newDoor(t)
			username, password := d.login("eva@example.com")
			d.now = d.now.Add(25 * time.Hour)
			return ask(d, username, password)
		},
		"self-service is off": func() answers {
			d := newDoor(t)
			username, password := d.login("eva@example.com")
			_, err := d.svc.DisablePasscode(t.Context(), admin)
			d.must(err)
			return ask(d, username, password)
		},
		"of another host": func() answers {
			d := newDoor(t, func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, _ *enrollment.Site) {
				o.Host = "mdm.example.com"
			})
			username, password := d.login("eva@example.com")
			d.sites.site.PublicURL = d.sites.site.PublicURL.JoinPath("..")
			d.sites.site.PublicURL.Host = "other.example.com"
			return ask(d, username, password)
		},
	} {
		if got := other(); got != refused {
			t.Errorf("%s: %+v\nwant %+v", name, got, refused)
		}
	}
	// By agents, a PIN that is wrong looks the same as well.
	w := newWorld(t)
	if got := image(w.call("enroll", "", byPIN("e", "jana@example.com", w.wrongPIN()))); got != refused.api {
		t.Errorf("a wrong PIN: %s\nwant %s", got, refused.api)
	}
}

func TestPacedLoginsSayWhenToComeBack(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	paced := func(username string, header ...string) *httptest.ResponseRecorder {
		var rec *httptest.ResponseRecorder
		for range 6 {
			rec = d.signIn(username, wrongLogin(password), "company", "android", header...)
		}
		return rec
	}
	known := paced(username)
	shows(t, known, 429, "Too many tries", "15 min", "Acme")
	hides(t, known, username, password, "invitation")
	if got := known.Header().Get("Retry-After"); got != "900" {
		t.Errorf("Retry-After %q", got)
	}
	want(t, d.call("enroll", "", byLogin("e", "S", username, password)), 429, "paced")
	want(t, d.signIn(username, password, "company", "android", "Accept", "application/json"), 429, "paced")
	d.now = d.now.Add(time.Hour)
	if unknown := paced("a123456789"); image(unknown) != image(known) {
		t.Errorf("a user name that nobody has is paced alike: %s\nwant %s", image(unknown), image(known))
	}
}

// Names and passwords are beyond guessing, so an office that types many of them
// behind one address is not slowed down.
func TestManyLoginsOfOneSourceAreNotPaced(t *testing.T) {
	d := newDoor(t)
	for i := range 30 {
		rec := d.signIn(fmt.Sprintf("a1234567%02d", i), "AAAABBBBCCCCDDDD", "company", "android")
		if rec.Code != 401 {
			t.Fatalf("try %d with another name: %d", i, rec.Code)
		}
	}
}

func TestMalformedLoginsAreMarkedAndCountNothing(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	for _, c := range []struct{ name, username, password, ownership, platform, wrong string }{
		{"no user name", "", password, "company", "android", "username required"},
		{"no password", username, "", "company", "android", "password required"},
		{"a short user name", username[1:], password, "company", "android", "username malformed"},
		{"an address", "eva@example.com", password, "company", "android", "username malformed"},
		{"a short password", username, password[1:], "company", "android", "password malformed"},
		{"the passcode", username, d.passcode, "company", "android", "password malformed"},
		{"no ownership", username, password, "", "android", "ownership required"},
		{"no platform", username, password, "company", "", "platform required"},
		{"an unknown platform", username, password, "company", "toaster", "platform unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 3 {
				rec := d.signIn(c.username, c.password, c.ownership, c.platform)
				shows(t, rec, 422, `role="alert"`, `action="accept"`)
				field, _, _ := strings.Cut(c.wrong, " ")
				marked := strings.Contains(rec.Body.String(), `id="`+field+`-wrong"`)
				if text := field == "username" || field == "password"; marked != text {
					t.Errorf("%s marked: %v", field, marked)
				}
				if c.username != "" {
					shows(t, rec, 422, `value="`+c.username+`"`)
				}
				if c.password != "" {
					hides(t, rec, c.password)
				}
			}
			rec := d.signIn(c.username, c.password, c.ownership, c.platform, "Accept", "application/json")
			want(t, rec, 422, "invalid")
			if e := read(t, rec).Errors; len(e) != 1 || fmt.Sprint(e[0].Field, " ", e[0].Code) != c.wrong {
				t.Errorf("errors %v, want %s", e, c.wrong)
			}
		})
	}
	shows(t, d.signIn(username, password, "company", "android"), 200)
}

// A device that is not named is the one the form came from.
func TestALoginWithoutAPlatformIsForTheDeviceTheFormCameFrom(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	shows(t, d.signIn(username, password, "personal", "", "User-Agent", safariIPhone), 200, "App Store")
	shows(t, d.signIn(username, password, "personal", "", "User-Agent", safariMac), 422)
}

// Self-service makes no invitation, and the login says nothing of one.
func TestALoginIsNoInvitation(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	before := d.detail()
	shows(t, d.signIn(username, password, "personal", "android"), 200)
	want(t, d.call("enroll", "", byLogin("e", "S", username, password)), 201, "")
	list, err := d.svc.Invitations(t.Context(), admin, enrollment.InvitationsQuery{})
	d.must(err)
	if len(list.Invitations) != 1 || d.detail().Version != before.Version {
		t.Errorf("%+v", list.Invitations)
	}
}
