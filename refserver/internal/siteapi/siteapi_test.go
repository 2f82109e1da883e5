package siteapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/assert/yaml"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/session"
)

const operator = "operator-token"

// newAPI returns the routes over an empty database, and a token for a site.
func newAPI(t *testing.T) (http.Handler, string) {
	t.Helper()
	db := databasetest.Open(t, databasetest.SQLite(t))
	public := &url.URL{Scheme: "http", Host: "127.0.0.1"}
	a, err := accounts.Open(t.Context(), db, public)
	require.NoError(t, err)
	token := accounts.MintToken(accounts.Minted)
	_, _, err = a.CreateSite(t.Context(), accounts.Settings{Name: "One"}, "admin@localhost", token)
	require.NoError(t, err)
	guard, err := session.New(a, public)
	require.NoError(t, err)
	router := mux.NewRouter().SkipClean(true)
	jobs := imports.New(db, a, slog.New(slog.DiscardHandler))
	(&API{Accounts: a, Imports: jobs, Guard: guard, OperatorToken: credentials.SecretString(operator), Logger: slog.New(slog.DiscardHandler)}).Mount(router)
	return router, token.Secret.Reveal()
}

func ask(t *testing.T, h http.Handler, token, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if strings.HasPrefix(path, "/api/") && w.Code >= 400 {
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	}
	return w.Code, w.Body.String()
}

func TestTheDocumentAndTheRoutesAreTheSame(t *testing.T) {
	document, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(document, &doc))
	var written, routed []string
	for path, methods := range doc.Paths {
		for method := range methods {
			if strings.HasPrefix(path, "/api/") && method != "parameters" {
				written = append(written, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, r := range (&API{}).routes() {
		routed = append(routed, r.method+" "+r.path)
	}
	slices.Sort(written)
	slices.Sort(routed)
	assert.Equal(t, written, routed)
}

func TestAnswers(t *testing.T) {
	h, token := newAPI(t)
	big := `{"name":"` + strings.Repeat("x", 70<<10) + `"}`
	for _, c := range []struct {
		name, token, method, path, body string
		status                          int
		has                             string
	}{
		{"no token", "", "GET", "/api/v1/site", "", 401, `"code":"unauthenticated"`},
		{"a wrong token", "wrong", "GET", "/api/v1/site", "", 401, `"code":"unauthenticated"`},
		{"the operator is no administrator", operator, "GET", "/api/v1/site", "", 401, `"code":"unauthenticated"`},
		{"an administrator is no operator", token, "POST", "/api/v1/sites", `{"name":"x","admin_email":"a@example.com"}`, 401, `"code":"unauthenticated"`},
		{"a site", operator, "POST", "/api/v1/sites", `{"name":"Two","admin_email":"a@example.com"}`, 201, `"admin_token":"`},
		{"a site without a name", operator, "POST", "/api/v1/sites", `{"admin_email":"a@example.com"}`, 422, `{"field":"name","code":"required"}`},
		{"a site without a person", operator, "POST", "/api/v1/sites", `{"name":"x"}`, 422, `{"field":"admin_email","code":"required"}`},
		{"another method", token, "DELETE", "/api/v1/site", "", 405, `"code":"method_not_allowed"`},
		{"the settings have defaults", token, "GET", "/api/v1/site", "", 200, `"pin_budget":20,"pin_pace":5,"pin_pace_seconds":900,"source_pace":10`},
		{"a number", token, "PUT", "/api/v1/site", `{"policy":{"unresponsive_after_seconds":20}}`, 200, `"unresponsive_after_seconds":20`},
		{"absent again is the default", token, "PUT", "/api/v1/site", `{}`, 200, `"unresponsive_after_seconds":86400`},
		{"the name stays", token, "GET", "/api/v1/site", "", 200, `"name":"One"`},
		{"0 turns a pace off", token, "PUT", "/api/v1/site", `{"policy":{"pin_pace":0,"source_pace":0}}`, 200, `"pin_pace":0,"pin_pace_seconds":900,"source_pace":0`},
		{"0 turns no budget off", token, "PUT", "/api/v1/site", `{"policy":{"pin_budget":0}}`, 422, `{"field":"policy.pin_budget","code":"out_of_range"}`},
		{"too much", token, "PUT", "/api/v1/site", `{"policy":{"pin_budget":101}}`, 422, `{"field":"policy.pin_budget","code":"out_of_range"}`},
		{"below zero", token, "PUT", "/api/v1/site", `{"policy":{"pin_pace":-1}}`, 422, `{"field":"policy.pin_pace","code":"out_of_range"}`},
		{"a window of nothing", token, "PUT", "/api/v1/site", `{"policy":{"pin_pace_seconds":0}}`, 422, `{"field":"policy.pin_pace_seconds","code":"out_of_range"}`},
		{"no silence at all", token, "PUT", "/api/v1/site", `{"policy":{"unresponsive_after_seconds":0}}`, 422, `out_of_range`},
		{"self-service has defaults", token, "GET", "/api/v1/site", "", 200, `"passcode_alert":10,"passcode_lock":100,"passcode_window_seconds":86400,"passcode_source_cap":10,"passcode_source_window_seconds":86400,"passcode_slow_seconds":60,"passcode_pace":5,"passcode_pace_seconds":900,"global_pace":50,"mailbox_cap":3,"mailbox_window_seconds":3600,"one_time_budget":10,"one_time_pace":5,"one_time_pace_seconds":900,"one_time_ttl_seconds":86400,"login_reservation_seconds":600`},
		{"a lower lock brings a lower cap", token, "PUT", "/api/v1/site", `{"policy":{"passcode_lock":12}}`, 200, `"passcode_alert":10,"passcode_lock":12,"passcode_window_seconds":86400,"passcode_source_cap":1`},
		{"the lowest lock", token, "PUT", "/api/v1/site", `{"policy":{"passcode_lock":10}}`, 200, `"passcode_source_cap":1`},
		{"a cap above half of the lock", token, "PUT", "/api/v1/site", `{"policy":{"passcode_lock":12,"passcode_source_cap":7}}`, 422, `{"field":"policy.passcode_source_cap","code":"out_of_range"}`},
		{"half of the lock", token, "PUT", "/api/v1/site", `{"policy":{"passcode_lock":12,"passcode_source_cap":6}}`, 200, `"passcode_source_cap":6`},
		{"an alert behind the lock", token, "PUT", "/api/v1/site", `{"policy":{"passcode_lock":12,"passcode_alert":13}}`, 422, `{"field":"policy.passcode_alert","code":"out_of_range"}`},
		{"a window of self-service below the lock's", token, "PUT", "/api/v1/site", `{"policy":{"passcode_source_window_seconds":3600}}`, 422, `{"field":"policy.passcode_source_window_seconds","code":"out_of_range"}`},
		{"what can be turned off", token, "PUT", "/api/v1/site", `{"policy":{"passcode_alert":0,"passcode_source_cap":0,"passcode_pace":0,"global_pace":0,"one_time_pace":0}}`, 200, `"passcode_source_cap":0`},
		{"the lock cannot", token, "PUT", "/api/v1/site", `{"policy":{"passcode_lock":0}}`, 422, `{"field":"policy.passcode_lock","code":"out_of_range"}`},
		{"nor the cap of a mailbox", token, "PUT", "/api/v1/site", `{"policy":{"mailbox_cap":0}}`, 422, `{"field":"policy.mailbox_cap","code":"out_of_range"}`},
		{"nor the budget of a login", token, "PUT", "/api/v1/site", `{"policy":{"one_time_budget":0}}`, 422, `{"field":"policy.one_time_budget","code":"out_of_range"}`},
		{"a login for two days", token, "PUT", "/api/v1/site", `{"policy":{"one_time_ttl_seconds":172800}}`, 422, `{"field":"policy.one_time_ttl_seconds","code":"out_of_range"}`},
		{"a login for a minute", token, "PUT", "/api/v1/site", `{"policy":{"one_time_ttl_seconds":60}}`, 200, `"one_time_ttl_seconds":60,"login_reservation_seconds":60`},
		{"an agent", token, "PUT", "/api/v1/site", `{"agents":{"android":{"package":"com.example"}}}`, 200, `"package":"com.example"`},
		{"an unknown platform", token, "PUT", "/api/v1/site", `{"agents":{"symbian":{}}}`, 422, `{"field":"agents","code":"unknown"}`},
		{"a store that is a script", token, "PUT", "/api/v1/site", `{"agents":{"ios":{"store_url":"javascript:alert(1)"}}}`, 422, `agents.ios.store_url`},
		{"a language", token, "PUT", "/api/v1/site", `{"languages":["english please"]}`, 422, `languages`},
		{"unknown field", token, "PUT", "/api/v1/site", `{"polcy":{}}`, 400, `"code":"bad_json"`},
		{"another spelling of a field", token, "PUT", "/api/v1/site", `{"NAME":"x"}`, 400, `"code":"bad_json"`},
		{"repeated field", token, "POST", "/api/v1/users", `{"email":"a@example.com","email":"b@example.com"}`, 400, `"code":"bad_json"`},
		{"a list for a text", token, "POST", "/api/v1/users", `{"email":["a@example.com","b@example.com"]}`, 400, `"code":"bad_json"`},
		{"two bodies", token, "POST", "/api/v1/users", `{"name":"a"}{"name":"b"}`, 400, `"code":"bad_json"`},
		{"no body", token, "POST", "/api/v1/users", ``, 400, `"code":"bad_json"`},
		{"oversize", token, "POST", "/api/v1/users", big, 413, `"code":"body_too_large"`},
		{"deep", token, "PUT", "/api/v1/site", `{"policy":` + strings.Repeat(`{"a":`, 10000), 400, `"code":"bad_json"`},
		{"nobody", token, "POST", "/api/v1/users", `{}`, 422, `{"field":"name","code":"required"}`},
		{"two addresses", token, "POST", "/api/v1/users", `{"name":"a","email":"a@example.com,b@example.com"}`, 422, `{"field":"email","code":"malformed"}`},
		{"a line break in a name", token, "POST", "/api/v1/users", `{"name":"a\r\nBcc: x"}`, 422, `{"field":"name","code":"malformed"}`},
		{"a user", token, "POST", "/api/v1/users", `{"name":"Ann","email":"Ann@Example.com","external_id":"7"}`, 201, `"email":"Ann@Example.com"`},
		{"an external id twice", token, "POST", "/api/v1/users", `{"name":"Bob","external_id":"7"}`, 409, `"code":"conflict"`},
		{"an unknown user", token, "GET", "/api/v1/users/u_none", "", 404, `"code":"not_found"`},
		{"a page of nothing", token, "GET", "/api/v1/users?q=nobody", "", 200, `{"next_page_token":"","users":[]}`},
		{"a page too large", token, "GET", "/api/v1/users?page_size=501", "", 422, `page_size`},
		{"a forged page", token, "GET", "/api/v1/users?page_token=%27OR", "", 400, `"code":"page_token_invalid"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := ask(t, h, c.token, c.method, c.path, c.body)
			assert.Equal(t, c.status, status, body)
			assert.Contains(t, body, c.has)
		})
	}
}

func TestPagesOfUsersMissNobody(t *testing.T) {
	h, token := newAPI(t)
	for _, name := range []string{"Cid", "ann", "Bob", "ann", "Dan"} {
		status, body := ask(t, h, token, "POST", "/api/v1/users", `{"name":"`+name+`"}`)
		require.Equal(t, 201, status, body)
	}
	var names []string
	next := ""
	for range 5 {
		status, body := ask(t, h, token, "GET", "/api/v1/users?page_size=2&page_token="+next, "")
		require.Equal(t, 200, status, body)
		var page struct {
			Users []struct{ Name string }
			Next  string `yaml:"next_page_token"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(body), &page))
		for _, u := range page.Users {
			names = append(names, u.Name)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	assert.Equal(t, []string{"ann", "ann", "Bob", "Cid", "Dan"}, names)
}

func TestARepeatedRequestWithAKeyAddsNobodyTwice(t *testing.T) {
	h, token := newAPI(t)
	post := func(key, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/users", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	status, first := post("k1", `{"name":"Ann"}`)
	require.Equal(t, 201, status)
	status, again := post("k1", `{"name":"Ann"}`)
	assert.Equal(t, 201, status)
	assert.Equal(t, first, again)
	status, body := post("k1", `{"name":"Bob"}`)
	assert.Equal(t, 422, status)
	assert.Contains(t, body, "idempotency_key_reused")
	status, other := post("k2", `{"name":"Ann"}`)
	assert.Equal(t, 201, status)
	assert.NotEqual(t, first, other)
}
