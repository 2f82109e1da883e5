package canary

import (
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/assert/yaml"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/refserver/internal/console"
	"example.com/enrollkit/refserver/internal/mailbox"
	"example.com/enrollkit/refserver/internal/siteapi"
)

// route is one method of one path of the server.
type route struct{ method, path string }

func (r route) String() string { return r.method + " " + r.path }

// routes are those of the three OpenAPI documents and of the console's and the
// site API's routers.
func routes(t *testing.T) (list []route) {
	t.Helper()
	own, err := os.ReadFile("../openapi.yaml")
	require.NoError(t, err)
	for _, doc := range []struct {
		base string
		text []byte
	}{{"/api/v1", adminhttp.OpenAPI()}, {"", enrollhttp.OpenAPI()}, {"", own}} {
		var read struct {
			Paths map[string]map[string]any `yaml:"paths"`
		}
		require.NoError(t, yaml.Unmarshal(doc.text, &read))
		require.NotEmpty(t, read.Paths)
		for path, methods := range read.Paths {
			for method := range methods {
				if method != "parameters" {
					list = append(list, route{strings.ToUpper(method), doc.base + path})
				}
			}
		}
	}
	screens, err := console.New(console.Options{Mailbox: new(mailbox.Mailbox), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	router := mux.NewRouter()
	screens.Mount(router)
	(&siteapi.API{}).Mount(router)
	pattern := regexp.MustCompile(`\{(\w+):[^/]*\}`)
	require.NoError(t, router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		methods, _ := r.GetMethods() // none: those that say which there are
		for _, method := range methods {
			if method != http.MethodHead {
				list = append(list, route{method, pattern.ReplaceAllString(path, "{$1}")})
			}
		}
		return err
	}))
	slices.SortFunc(list, func(a, b route) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	list = slices.Compact(list)
	require.Greater(t, len(list), 70)
	return list
}

// fill puts ids that exist into a path, or what, if that is not empty.
func (w *world) fill(path, what string) string {
	id := w.ids.device
	switch {
	case strings.Contains(path, "/invitations/"):
		id = w.ids.invitation
	case strings.Contains(path, "/users/import"):
		id = w.ids.job
	case strings.Contains(path, "/users/"):
		id = w.ids.user
	case strings.Contains(path, "/mailbox/"):
		id = w.ids.mail
	}
	with := map[string]string{"{id}": id, "{token}": w.secrets["token"], "{n}": "0", "{site}": "site", "{kind}": "invitation", "{language}": "en", "{file}": "style.css"}
	for name, value := range with {
		if what != "" {
			value = what
		}
		path = strings.ReplaceAll(path, name, value)
	}
	if strings.HasPrefix(path, "/platform/apple/scep/") {
		path += "?operation=GetCACaps&what=" // more may follow
	}
	return path
}

// isPage reports whether a route is a page for people who enroll.
func isPage(path string) bool {
	return strings.HasPrefix(path, "/i/") || strings.HasPrefix(path, "/enroll")
}

// isScreen reports whether a route is a page of the console.
func isScreen(path string) bool {
	return !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/device/") && !strings.HasPrefix(path, "/platform/") && !strings.HasPrefix(path, "/EnrollmentServer/") && !isPage(path)
}

// caller is the header of whoever may call a route.
func (w *world) caller(r route) http.Header {
	switch {
	case r.path == "/api/v1/sites":
		return bearer(operatorToken)
	case r.path == "/api/v1/devices/adopt":
		return http.Header{"Authorization": {"Bearer " + adminToken}, "Content-Type": {"application/x-ndjson"}}
	case strings.HasPrefix(r.path, "/api/"):
		return bearer(adminToken)
	case strings.HasPrefix(r.path, "/device/"):
		return bearer(w.secrets["second device token"])
	case isPage(r.path):
		return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	}
	return w.browser()
}

// bodies are those that routes take; others get an empty object or the form's
// token alone.
var bodies = map[string]string{
	"POST /api/v1/invitations":       `{"users":[{"email":"guest@example.com","name":"Guest"}],"deliver":"none"}`,
	"PATCH /api/v1/invitations/{id}": `{"email":"jan.new@example.com"}`,
	"POST /api/v1/devices/renew":     `{"ids":["DEVICE"]}`,
	"POST /api/v1/users":             `{"email":"new@example.com","name":"New"}`,
	"PATCH /api/v1/users/{id}":       `{"name":"Jan Renamed"}`,
	"POST /api/v1/devices/adopt":     `{"ref":{"source":"canary","id":"r-1"},"email":"adopted@example.com","platform":"android","mode":"android_work_profile","state":"active"}`,
	"POST /api/v1/sites":             `{"name":"Third","admin_email":"third@example.com"}`,
	"PUT /api/v1/site":               `{"policy":{"pin_digits":12,"pin_pace":0,"source_pace":0,"pin_site_budget":0}}`,
	"POST /device/v1/enroll":         `{"enrollment_id":"e-3","credential":{"type":"token","token":"TOKEN"},"device":{"platform":"ios","serial":"SERIAL0003"}}`,
	"POST /device/v1/report":         `{"seq":1,"facts":{"agent_installed":true},"inventory":{"a":1}}`,
	"POST /device/v1/checkin":        `{"seq":2}`,
	"POST /i/{token}/accept":         "ownership=personal&platform=android",
	"POST /enroll":                   "email=jan%40example.com&passcode=PASSCODE",
	"POST /enroll/login/accept":      "username=nobody1234&password=NOPE-NOPE-NOPE-NOPE&platform=android&ownership=personal",
	"POST /users/new":                "email=form%40example.com&name=Form&form_token=FORM",
	"POST /invitations/outside":      "email=out%40example.com&name=Out&form_token=FORM",
	"POST /invitations/{id}/email":   "email=jan.form%40example.com&form_token=FORM",
	"POST /sign-in":                  "email=admin%40localhost&token=" + adminToken,
}

// valid is the request that a route is there for.
func (w *world) valid(r route) request {
	body, known := bodies[r.String()]
	switch {
	case r.method == http.MethodGet || r.method == http.MethodHead:
		body = ""
	case known:
	case isScreen(r.path):
		body = "form_token=FORM"
	case strings.HasPrefix(r.path, "/api/v1/users/{id}/"):
		body = "" // they take none
	default:
		body = "{}"
	}
	body = strings.NewReplacer("DEVICE", w.ids.device, "TOKEN", w.secrets["token"], "FORM", w.formToken, "PASSCODE", w.secrets["passcode"]).Replace(body)
	return request{r.method, r.path, w.fill(r.path, ""), w.caller(r), body, ""}
}

// rank orders routes so that what ends something comes last.
func rank(r route) int {
	for i, ending := range []string{"/sign-out", "/erase", "DELETE", "/delete", "/unenroll", "/deactivate", "/remove", "/new-pin", "/release"} {
		if strings.Contains(r.String(), ending) {
			return 100 - i
		}
	}
	return 0
}
