package adminhttp

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// Each line is one request that is not acceptable, and every field that is
// wrong with it, as it is called on the wire.
func TestFieldErrors(t *testing.T) {
	w := newWorld(t)
	one := w.invite(acme, "u-1")
	before := w.snapshot()
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		request, body string
		want          []string
	}{
		{"POST /invitations", `{}`, []string{"users: required"}},
		{"POST /invitations", `{"users":[]}`, []string{"users: required"}},
		{"POST /invitations", `{"users":null}`, []string{"users: required"}},
		{"POST /invitations", `{"users":[` + strings.Repeat(`{"user_id":"u-1"},`, 1000) + `{"user_id":"u-1"}]}`, []string{"users: too_many"}},
		{"POST /invitations", `{"users":[{}]}`, []string{"users[0].user_id: required"}},
		{"POST /invitations", `{"users":[{"name":"Somebody"}]}`, []string{"users[0].user_id: required"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"},{"user_id":"u-2"},{"email":"a@b"}]}`, []string{"users[2].email: malformed"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1","email":"a@b.cz, c@d.cz"}]}`, []string{"users[0].email: malformed"}},
		{"POST /invitations", `{"users":[{"email":"\u212aate@example.com"}]}`, []string{"users[0].email: malformed"}},
		{"POST /invitations", `{"users":[{"email":"a@example.com\r\nBcc: b@example.com"}]}`, []string{"users[0].email: malformed"}},
		{"POST /invitations", `{"users":[{"user_id":"u\u00001"}]}`, []string{"users[0].user_id: malformed"}},
		{"POST /invitations", `{"users":[{"user_id":"` + long + `"}]}`, []string{"users[0].user_id: too_long"}},
		{"POST /invitations", `{"users":[{"email":"a@example.com","name":"a\nb"}]}`, []string{"users[0].name: malformed"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"deliver":"fax"}`, []string{"deliver: unknown"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"deliver":"Send"}`, []string{"deliver: unknown"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"if_active":"ask"}`, []string{"if_active: unknown"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"},{"user_id":"u-2"}],"mode":"symbian","ownership":"mine"}`, []string{"mode: unknown", "ownership: unknown"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"expires_at":"tomorrow"}`, []string{"expires_at: malformed"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"expires_at":""}`, []string{"expires_at: malformed"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"expires_at":"2020-01-01T00:00:00Z"}`, []string{"expires_at: past"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"expires_at":"0001-01-01T00:00:00Z"}`, []string{"expires_at: past"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"max_devices":-1}`, []string{"max_devices: out_of_range"}},
		{"POST /invitations", `{"users":[{"user_id":"u-1"}],"max_devices":1000001}`, []string{"max_devices: out_of_range"}},
		{"POST /invitations", `{"users":[{"email":"x"},{"email":"y"}],"deliver":"fax"}`, []string{"deliver: unknown", "users[0].email: malformed", "users[1].email: malformed"}},

		{"PATCH /invitations/" + one, `{}`, []string{"email: required"}},
		{"PATCH /invitations/" + one, `{"email":null}`, []string{"email: required"}},
		{"PATCH /invitations/" + one, `{"email":""}`, []string{"email: malformed"}},
		{"PATCH /invitations/" + one, `{"email":"a@b.cz,c@d.cz"}`, []string{"email: malformed"}},

		{"GET /invitations?state=lost", "", []string{"state: unknown"}},
		{"GET /invitations?state=sent&state=Sent", "", []string{"state: unknown"}},
		{"GET /invitations?state=sent,opened", "", []string{"state: unknown"}},
		{"GET /invitations?user_id=" + long, "", []string{"user_id: too_long"}},
		{"GET /invitations?user_id=u%00", "", []string{"user_id: malformed"}},
		{"GET /invitations?user_id=u-1&user_id=u-2", "", []string{"user_id: repeated"}},
		{"GET /invitations?page_size=0", "", []string{"page_size: out_of_range"}},
		{"GET /invitations?page_size=501", "", []string{"page_size: out_of_range"}},
		{"GET /invitations?page_size=-1&state=lost", "", []string{"page_size: out_of_range", "state: unknown"}},

		{"GET /slots?state=deactivated", "", []string{"state: unknown"}},
		{"GET /slots?state=ACTIVE", "", []string{"state: unknown"}},
		{"GET /slots?platform=symbian", "", []string{"platform: unknown"}},
		{"GET /slots?ownership=stolen", "", []string{"ownership: unknown"}},
		{"GET /slots?sort=serial", "", []string{"sort: unknown"}},
		{"GET /slots?sort=-name", "", []string{"sort: unknown"}},
		{"GET /slots?sort=name&sort=state", "", []string{"sort: repeated"}},
		{"GET /slots?q=" + long, "", []string{"q: too_long"}},
		{"GET /slots?q=a+b+c+d+e+f+g+h+i", "", []string{"q: too_long"}},
		{"GET /slots?q=%00", "", []string{"q: malformed"}},
		{"GET /slots?q=%ff", "", []string{"q: malformed"}},
		{"GET /slots?page_size=501", "", []string{"page_size: out_of_range"}},
		{"GET /slots?page_size=many", "", []string{"page_size: malformed"}},
		{"GET /slots?page_size=99999999999999999999", "", []string{"page_size: out_of_range"}},
		{"GET /slots?page_token=a&page_token=b", "", []string{"page_token: repeated"}},

		{"POST /devices/renew", `{}`, []string{"ids: required"}},
		{"POST /devices/renew", `{"ids":[]}`, []string{"ids: required"}},
		{"POST /devices/renew", `{"ids":["a","","` + long + `","a\u0000"]}`, []string{"ids[1]: malformed", "ids[2]: malformed", "ids[3]: malformed"}},
		{"POST /devices/renew", `{"ids":[` + strings.Repeat(`"a",`, 500) + `"a"]}`, []string{"ids: too_many"}},

		{"PUT /messages/invitation/en", `{}`, []string{"subject: required", "text: required", "html: required"}},
		{"PUT /messages/invitation/en", `{"subject":null,"text":"","html":""}`, []string{"subject: required"}},
		{"PUT /messages/invitation/en", `{"subject":"a\r\nBcc: b@example.com","text":"a\u0000","html":"\u0000"}`, []string{"subject: malformed", "text: malformed", "html: malformed"}},
		{"PUT /messages/invitation/en", `{"subject":"{{.Password}}","text":"{{call .Site}}","html":"ok"}`, []string{"subject: unknown", "text: unknown"}},
		{"POST /messages/invitation/en/preview", `{"text":"","html":""}`, []string{"subject: required"}},
		{"POST /messages/invitation/en/preview", `{"subject":"","text":"","html":"{{.Password}}"}`, []string{"html: unknown"}},

		{"GET /events?after=-1", "", []string{"after: out_of_range"}},
		{"GET /events?after=last", "", []string{"after: malformed"}},
		{"GET /events?page_size=0", "", []string{"page_size: out_of_range"}},
		{"GET /events?page_size=501", "", []string{"page_size: out_of_range"}},
	} {
		name := c.request + " " + c.body
		t.Run(name[:min(len(name), 120)], func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			got := w.do(acme, method, path, c.body)
			got.t = t
			got.invalid(c.want...)
		})
	}
	assert.Equal(t, before, w.snapshot(), "nothing was done")
}

func TestBodiesAreTakenStrictly(t *testing.T) {
	w := newWorld(t)
	invitation, enrolled := w.enroll(acme, "u-1", "SN-ONE")
	before := w.snapshot()
	type send struct {
		body, header string
		status       int
		code         string
	}
	const json = "Content-Type: application/json"
	bad := []send{
		{`{"unknown":1}`, json, 400, "bad_json"},
		{`{`, json, 400, "bad_json"},
		{`[]`, json, 400, "bad_json"},
		{`null`, json, 400, "bad_json"},
		{`{} {}`, json, 400, "bad_json"},
		{`{}x`, json, 400, "bad_json"},
		{"{\"\xff\":1}", json, 400, "bad_json"},
		{`{"ids":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, json, 413, "body_too_large"},
		{`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, json, 400, "bad_json"},
		{strings.Repeat(" ", inviteBody+1) + `{}`, json, 413, "body_too_large"},
		{`{}`, "Content-Type: text/plain", 415, "unsupported_media_type"},
		{`a=b`, "Content-Type: application/x-www-form-urlencoded", 415, "unsupported_media_type"},
	}
	limits := map[string]int{ // where more than usual is taken
		"POST /invitations": inviteBody, "PUT /messages/{kind}/{language}": messageBody, "POST /messages/{kind}/{language}/preview": messageBody,
	}
	with := map[string][]send{
		"PUT /messages/{kind}/{language}": {
			{``, json, 400, "bad_json"},
			{`{"subject":"","text":"","html":"","kind":"alert"}`, json, 400, "bad_json"},
			{`{"subject":"","text":"","html":"","site":"globex"}`, json, 400, "bad_json"},
			{`{"subject":"","text":"","html":"","HTML":""}`, json, 400, "bad_json"},
			{`{"subject":{"en":""},"text":"","html":""}`, json, 400, "bad_json"},
		},
		"POST /messages/{kind}/{language}/preview": {
			{``, json, 400, "bad_json"},
		},
		"POST /invitations": {
			{``, json, 400, "bad_json"},
			{`{"users":[{"user_id":"u-2"}],"Users":[]}`, json, 400, "bad_json"},
			{`{"users":[{"user_id":"u-2","user_id":"u-3"}]}`, json, 400, "bad_json"},
			{`{"users":[{"user_id":"u-2","site":"globex"}]}`, json, 400, "bad_json"},
			{`{"users":[{"user_id":"u-2"}],"site":"globex"}`, json, 400, "bad_json"},
			{`{"users":[{"user_id":["u-2"]}]}`, json, 400, "bad_json"},
			{`{"users":[{"email":["a@example.com","b@example.com"]}]}`, json, 400, "bad_json"},
			{`{"users":[{"user_id":"u-2"}],"max_devices":1.5}`, json, 400, "bad_json"},
			{`{"users":[{"user_id":"u-2"}],"dry_run":"yes"}`, json, 400, "bad_json"},
		},
		"PATCH /invitations/{id}": {
			{``, json, 400, "bad_json"},
			{`{"email":"a@example.com","email":"b@example.com"}`, json, 400, "bad_json"},
			{`{"email":["a@example.com"]}`, json, 400, "bad_json"},
			{`{"email":"a@example.com","state":"sent"}`, json, 400, "bad_json"},
		},
		"POST /devices/renew": {
			{``, json, 400, "bad_json"},
			{`{"ids":"dev_1"}`, json, 400, "bad_json"},
			{`{"ids":[1]}`, json, 400, "bad_json"},
		},
	}
	for _, op := range served(t, w) {
		method, path, _ := strings.Cut(op, " ")
		if method == "GET" || op == "POST /devices/adopt" { // which takes lines, each by itself
			continue
		}
		id := invitation
		if strings.HasPrefix(path, "/devices") {
			id = enrolled.Device.ID
		}
		for _, c := range append(bad[:len(bad):len(bad)], with[op]...) {
			if limits[op] > len(c.body) && c.status == 413 {
				c.status, c.code = 400, "bad_json" // it may be larger, and nests too deeply
			}
			t.Run(op+" "+c.body[:min(len(c.body), 60)], func(t *testing.T) {
				got := w.do(acme, method, strings.NewReplacer("{id}", id, "{kind}", "invitation", "{language}", "en").Replace(path), c.body, c.header)
				got.t = t
				got.problem(c.status, c.code)
			})
		}
	}
	assert.Equal(t, before, w.snapshot(), "nothing was done")
}

func TestQueriesThatAreNone(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{"q=%zz", "q=a;b", "%=1", strings.Repeat("q=a&", 100_000)} {
		w.do(acme, "GET", "/slots?"+query, "").problem(400, "bad_query")
	}
}

// Whatever is asked to be sorted or filtered by: only what is listed is taken,
// and the rest is refused before it reaches a store.
func TestSortAndFilterTakeNothingElse(t *testing.T) {
	w := newWorld(t)
	one, _ := w.enroll(acme, "u-1", "SN-ONE")
	secret := w.token(acme, one).Reveal()
	corpus := []string{
		"'", `"`, "`", "\\", ";", "--", "/*", "#", "%", "_", "*", "?", "$1", ":1", "@x", "(", ")", "1", "0", "-1", "1e9", "NaN", "null", "true",
		"name;", "name--", "name/**/", "name desc", "name,state", "name asc nulls first", "+name", "-name", "name ", " name", "NAME", "nаme", "name\t", "name.token",
		"(select sealed from credentials)", "case when 1=1 then name else state end", "name limit 1 --", "name union select token", "1;drop table slots",
		"name' or '1'='1", "name\" or \"1\"=\"1", "pg_sleep(10)", "sleep(10)", "randomblob(1e9)", "load_extension('x')", "name collate nocase", "rowid", "ctid", "xmin",
		"credentials.sealed", "invitations.token", "{{.Token}}", "${jndi:ldap://x}", "$ne", "[$gt]=", "{\"$gt\":\"\"}", "__proto__", "constructor", "../../etc/passwd",
		"%27", "%2527", "\u2019", "\u0130", "\u212a", "sent' --", "sent)", "sent,opened", "android'", "company\"", "state=sent", "state&sent", secret[:8], secret,
	}
	for _, row := range []any{enrollment.Slot{}, enrollment.Credential{}, invitation.Invitation{}, device.Device{}, enrollment.Contact{}, enrollment.User{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(row)) {
			corpus = append(corpus, f.Name, snake(f.Name))
		}
	}
	allowed := map[string][]string{
		"sort": {"last_connection", "name", "state"}, "state": slotStates(),
		"platform": texts(device.Platforms()), "ownership": {"company", "personal"},
	}
	for param, known := range allowed {
		for _, value := range corpus {
			got := w.do(acme, "GET", "/slots?"+param+"="+url.QueryEscape(value), "")
			if slices.Contains(known, value) {
				continue
			}
			want := "unknown"
			if !clean(value) {
				want = "malformed"
			}
			got.invalid(param + ": " + want)
			require.NotContains(t, got.Body, secret[:8], "an error repeats nothing")
		}
	}
	for _, value := range corpus {
		escaped := url.QueryEscape(value)
		w.do(acme, "GET", "/slots?page_token="+escaped, "").problem(400, "page_token_invalid")
		w.do(acme, "GET", "/invitations?page_token="+escaped, "").problem(400, "page_token_invalid")
		for _, search := range []string{"/slots?q=", "/invitations?user_id="} {
			got := w.do(acme, "GET", search+escaped, "")
			require.Contains(t, []int{200, 422}, got.Status, value)
		}
	}
	for _, part := range []string{secret, secret[:8]} {
		assert.Equal(t, []any{}, w.get(acme, "/slots?q="+part).at("slots"), "no search finds a secret")
	}
}

func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

func TestPageTokensBelongToTheirQuery(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.invite(acme, fmt.Sprintf("u-%d", i+1))
		w.invite(globex, fmt.Sprintf("g-%d", i+1))
	}
	next := func(who, path string) string { return w.get(who, path).text("next_page_token") }
	slots := next(acme, "/slots?page_size=1&sort=name")
	invitations := next(acme, "/invitations?page_size=1")
	refused := func(who, path, token string) {
		t.Helper()
		w.do(who, "GET", path+"page_token="+url.QueryEscape(token), "").problem(400, "page_token_invalid")
	}
	assert.Equal(t, 200, w.do(acme, "GET", "/slots?page_size=2&sort=name&page_token="+slots, "").Status, "the size may change")
	refused(acme, "/slots?", slots)
	refused(acme, "/slots?sort=state&", slots)
	refused(acme, "/slots?sort=name&q=user&", slots)
	refused(acme, "/slots?sort=name&state=sent&", slots)
	refused(acme, "/slots?sort=name&platform=android&", slots)
	refused(acme, "/slots?sort=name&ownership=company&", slots)
	refused(acme, "/slots?", invitations)
	refused(acme, "/invitations?", slots)
	refused(acme, "/invitations?state=sent&", invitations)
	refused(acme, "/invitations?user_id=u-1&", invitations)
	refused(globex, "/slots?sort=name&", slots)
	refused(globex, "/invitations?", invitations)
	for i := range slots {
		flipped := []byte(slots)
		flipped[i] ^= 1
		refused(acme, "/slots?sort=name&", string(flipped))
	}
	refused(acme, "/slots?sort=name&", slots+"A")
	refused(acme, "/slots?sort=name&", slots[:len(slots)-1])
	refused(acme, "/slots?sort=name&", strings.Repeat("A", 5000))
}
