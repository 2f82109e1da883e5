package enrollhttp_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

const neutral = "If the details are right, a mail with your enrollment credentials is on its way."

func TestTheSelfServicePageAsksForAddressAndPasscode(t *testing.T) {
	d := newDoor(t)
	rec := d.get("/join/enroll", "User-Agent", safariIPhone)
	shows(t, rec, 200, "Acme", "help@acme.example", `<form method="post" action="enroll">`, `name="email" type="email"`, `name="passcode" type="password"`,
		`for="email"`, `for="passcode"`, `href="enroll/login"`, `name="viewport"`)
	hides(t, rec, "<script", `role="alert"`, `aria-invalid="true"`, d.passcode, "turned off")
	head := d.do("HEAD", "/join/enroll", "")
	if head.Code != 200 || head.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
}

func TestASelfServiceThatIsOffSaysSo(t *testing.T) {
	w := newWorld(t, soleHost)
	closed := func(w *world) {
		t.Helper()
		rec := w.get("/join/enroll")
		shows(t, rec, 200, "Self-service enrollment is turned off", "help@acme.example", `href="enroll/login"`)
		hides(t, rec, "<form", "<input")
	}
	closed(w) // never generated
	d := newDoor(t)
	_, err := d.svc.DisablePasscode(t.Context(), admin)
	d.must(err)
	closed(d.world)
	shows(t, d.knock("jana", d.passcode), 422, "Self-service enrollment is turned off")
	d.generate()
	hides(t, d.get("/join/enroll"), "turned off")
}

func soleHost(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
	s.SoleHost = true
}

// Whether one of several sites has its door open is nobody's business, nor are
// their names.
func TestAHostOfSeveralSitesNamesNoneAndSaysNothingOfTheirDoors(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/join/enroll", "/join/enroll/login"} {
		rec := w.get(path, "User-Agent", edgeWindows)
		shows(t, rec, 200, "<form")
		hides(t, rec, "Acme", "acme", "turned off")
	}
	rec := w.knock("eva@example.com", wrongPasscode)
	shows(t, rec, 200, neutral)
	hides(t, rec, "Acme", "acme")
}

func TestARightRequestMailsALoginToTheStoredAddress(t *testing.T) {
	d := newDoor(t)
	shows(t, d.knock(" Eva@Example.COM ", "\t"+d.passcode+" "), 200, neutral)
	mails := d.logins()
	if len(mails) != 1 || mails[0].To != "eva@example.com" || mails[0].Login.URL != "https://mdm.example.com/join/enroll/login" {
		t.Fatalf("%+v", mails)
	}
	u := strings.TrimPrefix(mails[0].Login.URL, "https://mdm.example.com")
	shows(t, d.get(u), 200, `name="username"`)
}

// T13: same status, same headers, same bytes. Only the request's own id differs.
func TestTheAnswerIsTheSameWhateverWasWrong(t *testing.T) {
	d := newDoor(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
		p := &s.Policy.Credentials
		p.PasscodeLock, p.PasscodeAlert, p.PasscodeSourceCap = 20, credentials.Off, credentials.Off
	})
	header := []string{"User-Agent", chromeAndroid, "Accept", "text/html", "Accept-Language", "en"}
	success := d.knock("eva@example.com", d.passcode, header...)
	shows(t, success, 200, neutral)
	hides(t, success, "eva", d.passcode)
	same := func(name, email, passcode string) {
		t.Helper()
		if rec := d.knock(email, passcode, header...); image(rec) != image(success) {
			t.Errorf("%s: %s\nwant %s", name, image(rec), image(success))
		}
	}
	same("a wrong passcode", "petr@example.com", wrongPasscode)
	same("an unknown address", "nobody@example.com", d.passcode)
	same("both", "a-much-longer-address-than-that@sub.example.org", wrongPasscode)
	for range 4 {
		same("a mailbox that has enough", "eva@example.com", d.passcode)
	}
	if n := len(d.logins()); n != 3 {
		t.Errorf("%d mails in an hour", n)
	}
	for range 8 {
		same("an address that is paced", "petr@example.com", wrongPasscode)
	}
	d.now = d.now.Add(time.Hour)
	for i := 0; d.status().Status == enrollment.PasscodeActive && i < 100; i++ {
		d.now = d.now.Add(15 * time.Minute)
		same("on the way to the lock", "petr@example.com", wrongPasscode)
	}
	if got := d.status().Status; got != enrollment.PasscodeLocked {
		t.Fatalf("the passcode is %s", got)
	}
	same("a locked passcode", "olga@example.com", d.passcode)
	page := d.get("/join/enroll", header...)
	d.generate()
	if image(page) != image(d.get("/join/enroll", header...)) {
		t.Error("the page tells a lock")
	}
	_, err := d.svc.DisablePasscode(t.Context(), admin)
	d.must(err)
	same("a disabled passcode", "olga@example.com", d.passcode)
	if n := len(d.logins()); n != 3 {
		t.Errorf("%d mails", n)
	}
}

func TestMalformedFieldsAreMarkedAndCountNothing(t *testing.T) {
	d := newDoor(t)
	for _, c := range []struct {
		name, email, passcode string
		wrong                 string // fields and codes
	}{
		{"nothing", "", "", "email required passcode required"},
		{"no address", "", wrongPasscode, "email required"},
		{"no passcode", "eva@example.com", "", "passcode required"},
		{"no at sign", "eva", wrongPasscode, "email malformed"},
		{"a display name", "Eva <eva@example.com>", wrongPasscode, "email malformed"},
		{"another alphabet", "ĕva@example.com", wrongPasscode, "email malformed"},
		{"two addresses", "eva@example.com,petr@example.com", wrongPasscode, "email malformed"},
		{"a header", "eva@example.com\r\nBcc: x@example.com", wrongPasscode, "email malformed"},
		{"too short", "eva@example.com", wrongPasscode[1:], "passcode malformed"},
		{"too long", "eva@example.com", wrongPasscode + "1", "passcode malformed"},
		{"a sign", "eva@example.com", wrongPasscode[1:] + "-", "passcode malformed"},
		{"a space between", "eva@example.com", "AAAA bbbb000", "passcode malformed"},
		{"a letter that looks like one", "eva@example.com", "ААAbbbb0000", "passcode malformed"},
		{"NUL", "eva@example.com", wrongPasscode[1:] + "\x00", "passcode malformed"},
		{"both", "eva", "x", "email malformed passcode malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := d.knock(c.email, c.passcode)
			shows(t, rec, 422, `role="alert"`, `name="email"`)
			for _, field := range []string{"email", "passcode"} {
				if got := strings.Contains(rec.Body.String(), `id="`+field+`-wrong"`); got != strings.Contains(c.wrong, field) {
					t.Errorf("%s marked: %v\n%s", field, got, content(rec))
				}
			}
			if marked := strings.Count(rec.Body.String(), `aria-invalid="true"`); marked != strings.Count(c.wrong, " ")/2+1 {
				t.Errorf("%d fields marked", marked)
			}
			if len(c.passcode) > 1 {
				hides(t, rec, c.passcode)
			}
			rec = d.knock(c.email, c.passcode, "Accept", "application/json")
			want(t, rec, 422, "invalid")
			var codes []string
			for _, e := range read(t, rec).Errors {
				codes = append(codes, e.Field, e.Code)
			}
			if got := strings.Join(codes, " "); got != c.wrong {
				t.Errorf("errors %q, want %q", got, c.wrong)
			}
		})
	}
	if s := d.status(); s.FailedAttempts != 0 {
		t.Errorf("%d tries counted", s.FailedAttempts)
	}
	shows(t, d.knock("not-an-address", wrongPasscode), 422, `value="not-an-address"`)
}

func TestTheSelfServiceFormsAreReadStrictly(t *testing.T) {
	d := newDoor(t)
	right := form("email", "eva@example.com", "passcode", d.passcode)
	media := "application/x-www-form-urlencoded"
	for _, c := range []struct {
		media, body string
		status      int
	}{
		{"application/json", `{"email":"eva@example.com","passcode":"` + d.passcode + `"}`, 415},
		{"text/plain", right, 415},
		{"", right, 415},
		{media, right + "&x=" + strings.Repeat("a", 4096), 413},
		{media, right + "&email=petr%40example.com", 400},
		{media, right + "&passcode=" + wrongPasscode, 400},
		{media, "email=%zz", 400},
		{media, "", 422},
	} {
		var header []string
		if c.media != "" {
			header = []string{"Content-Type", c.media}
		}
		for _, path := range []string{"/join/enroll", "/join/enroll/login/accept"} {
			if path != "/join/enroll" && c.status == 400 && !strings.Contains(c.body, "%zz") {
				continue // not its fields
			}
			rec := d.do("POST", path+"?"+right+"&username=a123456789&password=AAAABBBBCCCCDDDD", c.body, header...)
			shows(t, rec, c.status)
			hides(t, rec, d.passcode, "invitation")
		}
	}
	for _, twice := range []string{"username", "password", "ownership", "platform"} {
		shows(t, d.post("/join/enroll/login/accept", form(twice, "x", twice, "x")), 400)
	}
	if len(d.logins()) != 0 {
		t.Error("what stands in the query is no form")
	}
}

// T23.
func TestAnotherSitesPageCannotUseSelfService(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"our page", []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 200},
		{"our page in a browser that does not know Sec-Fetch-Site", []string{"Origin", "null"}, 200},
		{"no browser", nil, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site without Origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
		{"a sibling", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.mdm.example.com"}, 403},
		{"another site in an old browser", []string{"Origin", "https://evil.example"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t)
			rec := d.knock("eva@example.com", wrongPasscode, c.header...)
			shows(t, rec, c.status)
			hides(t, rec, "invitation")
			if counted := d.status().FailedAttempts == 1; counted != (c.status == 200) {
				t.Errorf("compared: %v", counted)
			}
			username, password := d.login("eva@example.com")
			shows(t, d.signIn(username, password, "personal", "android", c.header...), c.status)
		})
	}
}

// T20.
func TestFollowingLinksChangesNothingInSelfService(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	before := d.status()
	d.store.readOnly.Store(true) // a write would be a 503
	for i := range 100 {
		method := []string{"GET", "HEAD"}[i%2]
		path := []string{"/join/enroll", "/join/enroll/login"}[i/2%2] + "?" + form("email", "eva@example.com", "passcode", d.passcode, "username", username, "password", password)
		if rec := d.do(method, path, "", "User-Agent", []string{edgeWindows, "Mozilla/5.0 (compatible; Barracuda)", ""}[i%3]); rec.Code != 200 {
			t.Fatalf("%s %d: %s", method, rec.Code, rec.Body)
		} else {
			hides(t, rec, "eva", d.passcode, username, password)
		}
	}
	want(t, d.get("/join/enroll/login/accept", "Accept", "application/json"), 405, "method_not_allowed")
	d.store.readOnly.Store(false)
	before.AsOf = d.status().AsOf
	if after := d.status(); after != before {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if len(d.logins()) != 1 {
		t.Error("a link mailed a login")
	}
	want(t, d.call("enroll", "", byLogin("e", "S1", username, password)), 201, "")
}

func TestSelfServiceBehindAStoreThatFailsIsAPage(t *testing.T) {
	d := newDoor(t)
	username, password := d.login("eva@example.com")
	d.store.broken.Store(true)
	for _, rec := range []*httptest.ResponseRecorder{
		d.get("/join/enroll"), d.get("/join/enroll/login"), d.knock("eva@example.com", d.passcode), d.signIn(username, password, "personal", "android"),
	} {
		shows(t, rec, 503, "try again")
		hides(t, rec, "canary", "tcp", "eva", d.passcode, username, password)
		if rec.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	d.store.broken.Store(false)
	d.store.readOnly.Store(true)
	shows(t, d.knock("eva@example.com", d.passcode), 503)
}

// One network cannot close the door, however it spells its address; what a
// trusted proxy says is believed.
func TestTriesAreCountedByTheirSource(t *testing.T) {
	locks := func(trusted ...netip.Prefix) enrollment.PasscodeStatus {
		d := newDoor(t, func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
			o.TrustedProxies = trusted
			p := &s.Policy.Credentials
			p.PasscodeLock, p.PasscodeAlert, p.PasscodeSourceCap, p.PasscodePace, p.GlobalPace = 10, credentials.Off, 2, credentials.Off, credentials.Off
		})
		for i := range 20 {
			shows(t, d.knock("eva@example.com", wrongPasscode, "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)), 200)
		}
		return d.status().Status
	}
	if got := locks(); got != enrollment.PasscodeActive {
		t.Errorf("one peer: %s", got)
	}
	if got := locks(netip.MustParsePrefix("192.0.2.0/24")); got != enrollment.PasscodeLocked { // httptest's peer
		t.Errorf("twenty behind a proxy: %s", got)
	}
}

func TestPasscodesOfOtherHostsAreNotLookedAt(t *testing.T) {
	for host, mails := range map[string]int{"mdm.example.com": 1, "other.example.com": 0} {
		d := newDoor(t, func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, _ *enrollment.Site) {
			o.Host = host
		})
		shows(t, d.knock("eva@example.com", d.passcode), 200, neutral)
		shows(t, d.knock("eva@example.com", wrongPasscode), 200, neutral)
		if n, failed := len(d.logins()), d.status().FailedAttempts; n != mails || failed != mails {
			t.Errorf("%s: %d mails, %d failed attempts", host, n, failed)
		}
	}
}

// T24: neither names nor what somebody types add an element.
func TestSelfServicePagesTakeNoMarkup(t *testing.T) {
	element := regexp.MustCompile(`<[a-zA-Z!/][^>]*>`)
	value := regexp.MustCompile(` value="[^"]*"`)
	views := func(payload string) (pages []string) {
		d := newDoor(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
			s.Name, s.Support = payload, payload
			s.Agents = map[device.Platform]enrollment.Agent{device.Android: {Name: payload, StoreURL: "https://store.example/app", OpenURL: "acme://x"}}
		})
		username, password := d.login("eva@example.com")
		for _, rec := range []*httptest.ResponseRecorder{
			d.get("/join/enroll"), d.get("/join/enroll/login", "User-Agent", edgeWindows), d.knock(payload+"@", payload), d.knock("eva@example.com", wrongPasscode),
			d.signIn(payload, payload, "company", "android"), d.signIn(username, password, payload, payload), d.signIn(username, wrongLogin(password), "company", "android"),
			d.signIn(username, password, "company", "android"), d.signIn(username, password, "company", "android", "User-Agent", edgeWindows),
		} {
			pages = append(pages, value.ReplaceAllString(strings.Join(element.FindAllString(rec.Body.String(), -1), "\n"), ""))
		}
		return pages
	}
	harmless := views("harmless")
	for _, payload := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"><svg/onload=alert(1)>`, `</title><script>alert(1)</script>`,
		`</style><script>alert(1)</script>`, `{{.Style}}`, `{agent}{site}{platform}{minutes}`, `<!--`, `--><b>`, `" autofocus onfocus="alert(1)`,
		`<a href="https://evil.example">click</a>`, "\u202eevil", "<\x00script>", `&lt;script&gt;`, `<base href=//evil.example>`, `"><form action=//evil.example>`,
	} {
		for i, got := range views(payload) {
			if got != harmless[i] {
				t.Errorf("%q changed page %d:\n%s\nwant\n%s", payload, i, got, harmless[i])
			}
		}
	}
}

// T25, T27, T28: what people type is in no log, in no address and on no page but
// the one that says what to type into the agent.
func TestSelfServiceSecretsAreNowhere(t *testing.T) {
	d := newDoor(t)
	var pages []*httptest.ResponseRecorder
	keep := func(list ...*httptest.ResponseRecorder) { pages = append(pages, list...) }
	_, replaced := d.login("eva@example.com")
	keep(d.get("/join/enroll"), d.get("/join/enroll/login", "User-Agent", edgeWindows))
	keep(d.knock("eva@example.com", d.passcode), d.knock("nobody@example.com", d.passcode), d.knock("eva", d.passcode), d.knock("eva", d.passcode, "Accept", "application/json"))
	username, password := d.login("eva@example.com")
	keep(d.signIn(username, password, "", "android"), d.signIn("a123456789", password, "company", "android"),
		d.signIn("a123456789", password, "company", "android", "Accept", "application/json"), d.signIn("", password, "company", "android"))
	next := d.signIn(username, password, "company", "android", "User-Agent", chromeAndroid)
	enrolled := d.call("enroll", "", byLogin("e", "S1", username, password))
	want(t, enrolled, 201, "")
	keep(enrolled, d.call("enroll", "", byLogin("e2", "S2", username, password)), d.signIn(username, password, "company", "android"))
	d.store.broken.Store(true)
	keep(d.knock("eva@example.com", d.passcode), d.signIn(username, password, "company", "android"), d.call("enroll", "", byLogin("e2", "S2", username, password)))
	d.store.broken.Store(false)

	secrets := []string{d.passcode, password, strings.ReplaceAll(password, "-", ""), replaced, strings.ReplaceAll(replaced, "-", "")}
	for i, rec := range pages {
		for _, secret := range secrets {
			if strings.Contains(fmt.Sprint(rec.Header(), rec.Body), secret) {
				t.Errorf("answer %d has %q: %v\n%s", i, secret, rec.Header(), rec.Body)
			}
		}
	}
	shows(t, next, 200, password)
	hides(t, next, d.passcode)
	links := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	for _, rec := range append(pages, next) {
		for _, m := range links.FindAllStringSubmatch(rec.Body.String(), -1) {
			if strings.ContainsAny(m[1], "?") && !strings.HasPrefix(m[1], "https://play.google.com/") || strings.Contains(m[1], username) {
				t.Errorf("link %s", m[1])
			}
		}
		if strings.Contains(fmt.Sprint(rec.Header()), username) {
			t.Errorf("%v", rec.Header())
		}
	}
	log := d.log.String()
	for _, secret := range append(secrets, username, "eva", "nobody", "canary") {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
	for _, line := range []string{"route=/enroll ", "route=/enroll/login ", "route=/enroll/login/accept "} {
		if !strings.Contains(log, line) {
			t.Errorf("no %q in the log:\n%s", line, log)
		}
	}
}
