package enrollhttp_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/invitation"
)

// shows checks that a page says all of it.
func shows(t testing.TB, rec *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if rec.Code != status {
		t.Fatalf("status %d, want %d: %s", rec.Code, status, rec.Body)
	}
	if got := rec.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Fatalf("content type %q: %s", got, rec.Body)
	}
	for _, text := range texts {
		if !strings.Contains(rec.Body.String(), text) {
			t.Errorf("the page does not say %q:\n%s", text, content(rec))
		}
	}
}

// content is a page without its head.
func content(rec *httptest.ResponseRecorder) string {
	_, body, _ := strings.Cut(rec.Body.String(), "</head>")
	return body
}

func hides(t testing.TB, rec *httptest.ResponseRecorder, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(rec.Body.String(), text) {
			t.Errorf("the page says %q:\n%s", text, content(rec))
		}
	}
}

func TestThePageSaysWhoInvitesAndAsksWhatTheHolderDecides(t *testing.T) {
	w := newWorld(t)
	rec := w.get(w.page(""), "User-Agent", chromeAndroid)
	shows(t, rec, 200, "Acme invites you", "Accept invitation", "help@acme.example",
		`action="`+w.token+`/accept"`, `name="ownership" value="company"`, `name="ownership" value="personal"`,
		`value="android" required checked`, "Not your device?", `<html lang="en">`)
	hides(t, rec, "Jana", "jana@example.com", w.pin, "qr.png", "<script")
}

func TestADesktopShowsTheQRToGoOnWithAPhone(t *testing.T) {
	w := newWorld(t)
	for _, agent := range []string{edgeWindows, safariMac, chromeOS, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"} {
		rec := w.get(w.page(""), "User-Agent", agent)
		shows(t, rec, 200, `src="`+w.token+`/qr.png"`, "https://mdm.example.com/join/i/"+w.token, "Accept invitation")
		hides(t, rec, w.pin, w.pin[:4]+" "+w.pin[4:])
	}
}

func TestAFixedOwnershipIsSaidAndNotAsked(t *testing.T) {
	w := newWorld(t, func(_ *enrollment.Config, _ *enrollhttp.Options, r *enrollment.InviteRequest, _ *enrollment.Site) {
		r.Ownership, r.Mode = device.Company, device.AndroidWorkProfile
	})
	rec := w.get(w.page(""), "User-Agent", chromeAndroid)
	shows(t, rec, 200, "has decided", "The company&#39;s", "Android with a work profile")
	hides(t, rec, `name="ownership"`)

	rec = w.submit("ownership=personal&platform=android", "User-Agent", chromeAndroid)
	shows(t, rec, 200, "company device, as your administrator has decided")
	if d := w.detail(); d.AcceptedOwnership != "company" {
		t.Errorf("accepted as %q", d.AcceptedOwnership)
	}
}

func TestAcceptingOpensTheInvitationAndShowsTheNextStep(t *testing.T) {
	w := newWorld(t)
	rec := w.submit("ownership=personal&platform=android", "User-Agent", chromeAndroid)
	shows(t, rec, 200, "Install Acme Agent", "https://play.google.com/store/apps/details?id=com.acme.agent",
		`href="acmeagent://enroll"`, "Open Acme Agent", "work profile", "your own device", `href="../`+w.token+`"`, "PIN from your invitation")
	hides(t, rec, w.pin, "qr.png")
	if d := w.detail(); d.State != invitation.Opened || d.AcceptedPlatform != "android" || d.AcceptedOwnership != "personal" {
		t.Errorf("%s %s %s", d.State, d.AcceptedPlatform, d.AcceptedOwnership)
	}
	shows(t, w.submit("ownership=company&platform=ios", "User-Agent", safariIPhone), 200, "App Store", "Safari")
	if d := w.detail(); d.AcceptedPlatform != "ios" || d.AcceptedOwnership != "company" {
		t.Error("accepting again may choose anew")
	}
}

func TestAcceptingForAPhoneAtADeskShowsTheQRAgain(t *testing.T) {
	w := newWorld(t)
	rec := w.submit("ownership=personal&platform=android", "User-Agent", edgeWindows)
	shows(t, rec, 200, `src="qr.png"`, "https://mdm.example.com/join/i/"+w.token, "Scan the QR code")
	hides(t, rec, `class="button`, "acmeagent:")
}

func TestEveryPlatformAndModeHasStepsOfItsOwn(t *testing.T) {
	steps := map[string]string{}
	for _, mode := range device.Modes("") {
		action := device.InstallProfile
		if mode.Platform() == device.Android {
			action = device.InstallAgent
		}
		p := stepping{serves{name: "x", list: device.Platforms()}, enrollment.NextStep{Platform: mode.Platform(), Mode: mode, Action: action}}
		w := newWorld(t, with(p))
		rec := w.submit("ownership=company&platform=" + string(mode.Platform()))
		shows(t, rec, 200, "<li>")
		hides(t, rec, "Follow the instructions on the screen of your device.", "{agent}", "{site}", "{platform}")
		_, list, _ := strings.Cut(content(rec), "<ol>")
		steps[string(mode)], _, _ = strings.Cut(list, "</ol>")
	}
	if steps["android_work_profile"] == steps["android_device_admin"] || steps["ios_unsupervised"] == steps["macos"] || steps["macos"] == steps["windows"] {
		t.Error("two that differ have the same steps")
	}
	unknown := stepping{serves{name: "x", list: device.Platforms()}, enrollment.NextStep{Action: device.ReachServer}}
	shows(t, newWorld(t, with(unknown)).submit("ownership=company&platform=windows"), 200, "Follow the instructions on the screen of your device.")
}

// stepping is a platform with one next step.
type stepping struct {
	serves
	step enrollment.NextStep
}

func (s stepping) NextStep(context.Context, enrollment.Offer) (enrollment.NextStep, error) {
	return s.step, nil
}

// crowded is a platform whose system has no room for another device of the site.
type crowded struct{ serves }

func (crowded) NextStep(context.Context, enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{}, fmt.Errorf("crowded: %w", enrollment.ErrSiteFull)
}

func TestAPlatformWithoutRoomSaysSoToAPerson(t *testing.T) {
	w := newWorld(t, with(crowded{serves{name: "x", list: device.Platforms()}}))
	rec := w.submit("ownership=company&platform=windows")
	shows(t, rec, 409, "There is no room for another device", "Nothing was used up", "help@acme.example")
	hides(t, rec, "Ask your administrator for a new invitation")
}

func TestADeviceThatIsNotNamedIsTheOneTheFormCameFrom(t *testing.T) {
	w := newWorld(t)
	shows(t, w.submit("ownership=personal", "User-Agent", safariIPhone), 200)
	if d := w.detail(); d.AcceptedPlatform != "ios" {
		t.Errorf("accepted for %q", d.AcceptedPlatform)
	}
	// An iPad and a Mac look the same: nobody guesses.
	shows(t, w.submit("ownership=personal", "User-Agent", safariMac), 422, "Please choose")
}

func TestAnIncompleteFormIsShownAgain(t *testing.T) {
	w := newWorld(t)
	rec := w.submit("platform=android", "User-Agent", chromeAndroid)
	shows(t, rec, 422, `role="alert"`, "Please choose", `action="accept"`, `value="android" required checked`)
	rec = w.submit("platform=toaster&ownership=company", "User-Agent", chromeAndroid)
	shows(t, rec, 422, `value="company" required checked`)
	rec = w.submit("platform=android", "User-Agent", chromeAndroid, "Accept", "application/json")
	want(t, rec, 422, "invalid")
	if d := w.detail(); d.State == invitation.Opened {
		t.Error("a form that was refused opened the invitation")
	}
}

func TestAcceptTakesOneSmallFormAndNothingElse(t *testing.T) {
	w := newWorld(t)
	form := "application/x-www-form-urlencoded"
	for _, c := range []struct {
		media, body string
		status      int
	}{
		{"application/json", `{"ownership":"personal","platform":"android"}`, 415},
		{"multipart/form-data; boundary=x", "--x--", 415},
		{"", "ownership=personal&platform=android", 415},
		{form, "ownership=personal&platform=android&x=" + strings.Repeat("a", 4096), 413},
		{form, strings.Repeat("a&", 1e5), 413},
		{form, "ownership=personal&ownership=company&platform=android", 400},
		{form, "ownership=%zz&platform=android", 400},
		{form, "ownership=personal;platform=android", 400},
		{form, "", 422},
	} {
		header := []string{}
		if c.media != "" {
			header = []string{"Content-Type", c.media}
		}
		rec := w.do("POST", w.page("/accept?ownership=personal&platform=android"), c.body, header...)
		if rec.Code != c.status {
			t.Errorf("%s %.40s: %d, want %d", c.media, c.body, rec.Code, c.status)
		}
	}
	if d := w.detail(); d.State == invitation.Opened {
		t.Error("what stands in the query is no form")
	}
}

// T35: who enrolls stands in the invitation and nowhere else.
func TestNobodyAcceptsForSomebodyElse(t *testing.T) {
	w := newWorld(t)
	before := w.detail()
	rec := w.do("POST", w.page("/accept?user_id=bob&site=other"), "ownership=personal&platform=android&user_id=bob&site=other&email=bob%40example.com&email=x",
		"Content-Type", "application/x-www-form-urlencoded", "X-User", "bob")
	shows(t, rec, 200)
	if after := w.detail(); after.Invitation.User != before.Invitation.User || after.Email != before.Email || after.Site != before.Site {
		t.Errorf("%+v", after)
	}
}

func TestAnotherSitesPageCannotAccept(t *testing.T) {
	own := "ownership=personal&platform=android"
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"our page", []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 200},
		{"our page in a browser that does not know Sec-Fetch-Site", []string{"Origin", "null"}, 200},
		{"our page where Origin is sent", []string{"Origin", "http://mdm.example.com"}, 200},
		{"no browser", nil, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site without Origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
		{"a sibling", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.mdm.example.com"}, 403},
		{"another site in an old browser", []string{"Origin", "https://evil.example"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			shows(t, w.submit(own, c.header...), c.status)
			if opened := w.detail().State == invitation.Opened; opened != (c.status == 200) {
				t.Errorf("opened: %v", opened)
			}
		})
	}
}

// T20: 100 requests as mail scanners make them.
func TestScannersChangeNothing(t *testing.T) {
	w := newWorld(t)
	before := w.detail()
	for i := range 100 {
		method := []string{"GET", "HEAD"}[i%2]
		path := w.page([]string{"", "", "/qr.png", "", "/qr.svg"}[i%5])
		rec := w.do(method, path, "", "User-Agent", []string{edgeWindows, "Mozilla/5.0 (compatible; Barracuda)", "WhatsApp/2", ""}[i%4])
		if rec.Code != 200 {
			t.Fatalf("%s %d: %s", method, rec.Code, rec.Body)
		}
		if method == "HEAD" && path == w.page("") && rec.Header().Get("Content-Length") == "" {
			t.Error("HEAD has the headers of GET")
		}
	}
	after := w.detail()
	if before.State != after.State || before.Version != after.Version || before.Events != after.Events || !after.AcceptedAt.IsZero() {
		t.Errorf("before %+v\nafter %+v", before.Invitation, after.Invitation)
	}
	if len(after.Sightings) != 1 || after.Sightings[0].Evidence != invitation.Fetched || after.Sightings[0].Count != 60 {
		t.Errorf("the fetches are seen: %+v", after.Sightings)
	}
	want(t, w.call("enroll", "", w.enrollment("e", "S1")), 201, "")
}

func TestAPageIsShownEvenWhereTheFetchCannotBeNoted(t *testing.T) {
	w := newWorld(t)
	w.store.readOnly.Store(true)
	shows(t, w.get(w.page("")), 200, "Accept invitation")
	if log := w.log.String(); !strings.Contains(log, "fetch not noted") || strings.Contains(log, "canary") || strings.Contains(log, w.token) {
		t.Errorf("log: %s", log)
	}
}

// T16: every token but the right one gets one answer.
func TestTokensThatNobodyHasGetOneAnswer(t *testing.T) {
	w := newWorld(t)
	unknown := w.get("/join/i/" + strings.Repeat("A", 43))
	shows(t, unknown, 404, "does not exist")
	hides(t, unknown, "Acme")
	body := unknown.Body.String()

	last := strings.IndexByte(base64url, w.token[42])
	wrong := []string{w.token + "A", w.token + "=", strings.ToLower(w.token), w.token[:42] + string(base64url[last^1]), w.token + "%00", "%00", w.token + "%20", "x", w.token + "/nothing", w.token + "/", ""}
	for n := 1; n < 43; n++ {
		wrong = append(wrong, w.token[:n])
	}
	for _, token := range wrong {
		rec := w.get("/join/i/" + token)
		if rec.Code != 404 || rec.Body.String() != body || rec.Header().Get("Location") != "" {
			t.Errorf("%q: %d %s", token, rec.Code, rec.Body)
		}
	}
	for _, below := range []string{"/accept", "/qr.png", "/qr.svg"} {
		method := "GET"
		if below == "/accept" {
			method = "POST"
		}
		rec := w.do(method, "/join/i/"+strings.Repeat("A", 43)+below, "", "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/problem+json")
		want(t, rec, 404, "invitation_unknown")
	}
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestAnInvitationThatIsOverSaysWhomToAsk(t *testing.T) {
	over := newWorld(t)
	_, err := over.svc.Deactivate(t.Context(), admin, over.invitation)
	over.must(err)
	late := newWorld(t, expiring)
	late.now = late.now.AddDate(0, 0, 1)
	used := newWorld(t, forOneDevice)
	want(t, used.call("enroll", "", used.enrollment("e", "S1")), 201, "")
	for _, c := range []struct {
		w          *world
		code, says string
	}{
		{over, "invitation_deactivated", "no longer active"},
		{late, "invitation_expired", "has expired"},
		{used, "invitation_exhausted", "used up"},
	} {
		form := []string{"Content-Type", "application/x-www-form-urlencoded"}
		for _, rec := range []*httptest.ResponseRecorder{
			c.w.get(c.w.page("")), c.w.do("POST", c.w.page("/accept"), "ownership=personal&platform=android", form...),
		} {
			shows(t, rec, 410, c.says, "Ask your administrator", "help@acme.example", "Acme")
		}
		want(t, c.w.get(c.w.page(""), "Accept", "application/json"), 410, c.code)
		want(t, c.w.get(c.w.page("/qr.png"), "Accept", "application/problem+json, */*;q=0.1"), 410, c.code)
		if c.w.do("HEAD", c.w.page(""), "").Code != 410 {
			t.Errorf("HEAD of %s", c.code)
		}
	}
}

func TestAStoreThatFailsIsAPageToo(t *testing.T) {
	w := newWorld(t)
	w.store.broken.Store(true)
	for _, rec := range []*httptest.ResponseRecorder{w.get(w.page("")), w.submit("ownership=personal&platform=android"), w.get(w.page("/qr.png"))} {
		shows(t, rec, 503, "try again")
		hides(t, rec, "canary", "tcp")
		if rec.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

// T24: whatever stands in the names, the page has no element of theirs.
func TestNamesCannotAddMarkup(t *testing.T) {
	element := regexp.MustCompile(`<[a-zA-Z!/][^>]*>`)
	shape := func(rec *httptest.ResponseRecorder) string {
		return strings.Join(element.FindAllString(rec.Body.String(), -1), "\n")
	}
	build := func(payload string) *world {
		return newWorld(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
			s.Name, s.Support = payload, payload
			s.Agents = map[device.Platform]enrollment.Agent{device.Android: {Name: payload, StoreURL: "https://store.example/app", OpenURL: "acme://x"}}
		})
	}
	views := func(w *world) (pages [3]string) {
		for i, rec := range []*httptest.ResponseRecorder{
			w.get(w.page(""), "User-Agent", edgeWindows), w.submit("ownership=personal&platform=android", "User-Agent", edgeWindows), w.get("/join/i/x"),
		} {
			pages[i] = strings.ReplaceAll(shape(rec), w.token, "TOKEN")
		}
		return pages
	}
	harmless := views(build("harmless"))
	for _, payload := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"><svg/onload=alert(1)>`, `</title><script>alert(1)</script>`,
		`</style><script>alert(1)</script>`, `{{.Style}}`, `{agent}{site}{platform}`, `<!--`, `--><b>`, `javascript:alert(1)`, `" autofocus onfocus="alert(1)`,
		`<a href="https://evil.example">click</a>`, "\u202eevil", "<\x00script>", `&lt;script&gt;`, `<base href=//evil.example>`,
	} {
		if got := views(build(payload)); got != harmless {
			t.Errorf("%q changed the page:\n%s", payload, got)
		}
	}
}

func TestLinksNeverRunWhatTheyCarry(t *testing.T) {
	for link, shown := range map[string]bool{
		"https://store.example/app": true, "market://details?id=com.acme": true, "intent://x#Intent;scheme=acme;end": true, "ms-device-enrollment:?mode=mdm": true,
		"javascript:alert(1)": false, "JavaScript:alert(1)": false, "java\nscript:alert(1)": false, " javascript:alert(1)": false, "\x01javascript:alert(1)": false,
		"data:text/html,x": false, "vbscript:x": false, "file:///etc/passwd": false, "//evil.example": false, "/relative": false, `https:\\evil.example` + "\t": false,
	} {
		w := newWorld(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
			s.Agents = map[device.Platform]enrollment.Agent{device.Android: {Name: "Agent", StoreURL: link, OpenURL: link}}
		})
		rec := w.submit("ownership=personal&platform=android", "User-Agent", chromeAndroid)
		shows(t, rec, 200)
		if got := strings.Count(rec.Body.String(), `class="button`); got != map[bool]int{true: 2}[shown] {
			t.Errorf("%q: %d buttons\n%s", link, got, rec.Body)
		}
	}
}

// T21: links are made of the site's PublicURL, whatever the request says.
func TestHostsOfRequestsAppearNowhere(t *testing.T) {
	w := newWorld(t, soleHost)
	poison := []string{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Forwarded-Port", "666", "Forwarded", "host=evil.example", "X-Original-URL", "/evil", "User-Agent", edgeWindows}
	for _, target := range []string{w.page(""), w.page("/qr.svg"), "/join/i/x", "/join/nothing", "/join/enroll", "/join/enroll/login"} {
		clean := w.get(target, "User-Agent", edgeWindows)
		r := httptest.NewRequest("GET", "http://evil.example"+target, nil)
		r.Host = "evil.example"
		for i := 0; i < len(poison); i += 2 {
			r.Header.Add(poison[i], poison[i+1])
		}
		rec := httptest.NewRecorder()
		w.h.ServeHTTP(rec, r)
		if rec.Code != clean.Code || rec.Body.String() != clean.Body.String() {
			t.Errorf("%s: %d, was %d", target, rec.Code, clean.Code)
		}
		if strings.Contains(fmt.Sprint(rec.Header(), rec.Body), "evil") {
			t.Errorf("%s: %v", target, rec.Header())
		}
	}
	// Every absolute link of a page is the site's or a store's.
	absolute := regexp.MustCompile(`https?://[^"<\s]+`)
	for _, rec := range []*httptest.ResponseRecorder{w.get(w.page(""), poison...), w.submit("ownership=personal&platform=android", "X-Forwarded-Host", "evil.example"),
		w.get("/join/enroll", poison...), w.get("/join/enroll/login", poison...), w.knock("eva@example.com", wrongPasscode, poison...)} {
		for _, link := range absolute.FindAllString(rec.Body.String(), -1) {
			u, err := url.Parse(link)
			if err != nil || u.Host != "mdm.example.com" && u.Host != "play.google.com" {
				t.Errorf("link %s", link)
			}
		}
	}
}
