package enrollhttp

import (
	"bufio"
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// document reads what these tests need of our own openapi.yaml by its
// indentation: the routes, and the fields of each schema.
func document(t *testing.T) (routes []string, schemas map[string][]string) {
	t.Helper()
	schemas = map[string][]string{}
	var at [4]string // the keys above, by indentation
	lines := bufio.NewScanner(bytes.NewReader(OpenAPI()))
	key := regexp.MustCompile(`^( *)"?([^ "#:][^":]*)"?:( |$)`)
	for lines.Scan() {
		m := key.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		depth, name := len(m[1])/2, m[2]
		if depth < len(at) {
			at[depth] = name
			clear(at[depth+1:])
		}
		switch {
		case at[0] == "paths" && depth == 2 && slices.Contains([]string{"get", "head", "post", "put", "patch", "delete"}, name):
			routes = append(routes, strings.ToUpper(name)+" "+at[1])
		case at[0] == "components" && at[1] == "schemas" && depth == 4 && at[3] == "properties":
			schemas[at[2]] = append(schemas[at[2]], name)
		}
	}
	slices.Sort(routes)
	return routes, schemas
}

// routed walks the router.
func routed(t *testing.T, h *handler) (routes []string) {
	t.Helper()
	pattern := regexp.MustCompile(`\{(\w+):[^/]*\}`)
	err := h.router().Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		methods, err := r.GetMethods()
		if err != nil {
			return nil // the 405 of a path, or the 404 of all others
		}
		path, err := r.GetPathTemplate()
		for _, method := range methods {
			routes = append(routes, method+" "+pattern.ReplaceAllString(path, "{$1}"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(routes)
	return routes
}

func TestTheDocumentHasTheRoutesOfTheRouter(t *testing.T) {
	documented, _ := document(t)
	served := routed(t, &handler{svc: new(enrollment.Service)})
	if !slices.Equal(documented, served) {
		t.Errorf("documented %q\nserved     %q", documented, served)
	}
	if len(served) == 0 {
		t.Error("neither has any")
	}
}

func TestTheDocumentHasTheFieldsOfTheBodies(t *testing.T) {
	_, schemas := document(t)
	for name, body := range map[string]any{
		"Enroll": enrollBody{}, "Credential": credentialBody{}, "Hardware": enrollingHardware{}, "Enrolled": enrolledBody{},
		"Report": reportBody{}, "Status": statusBody{}, "CheckIn": checkInBody{},
		"NextStep": nextBody{},
	} {
		var fields []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(body)) {
			fields = append(fields, f.Tag.Get("json"))
		}
		if !slices.Equal(fields, schemas[name]) {
			t.Errorf("%s: documented %q, have %q", name, schemas[name], fields)
		}
	}
}

func TestTheDocumentListsEveryValue(t *testing.T) {
	text := string(OpenAPI())
	line := func(name string) string {
		_, after, _ := strings.Cut(text, "\n    "+name+":\n")
		_, after, _ = strings.Cut(after, "enum: ")
		list, _, _ := strings.Cut(after, "\n")
		return strings.NewReplacer("[", "", "]", "", ",", "", `"`, "").Replace(list)
	}
	for name, values := range map[string]string{
		"Platform": join(device.Platforms()), "Mode": join(device.Modes("")), "State": join(device.States()), "Fact": join(device.AllFacts()),
		"Ownership": join([]device.Ownership{device.Company, device.Personal}),
	} {
		if got := line(name); got != values {
			t.Errorf("%s: documented %q, have %q", name, got, values)
		}
	}
}

func join[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = string(v)
	}
	return strings.Join(words, " ")
}

func TestTheDocumentIsACopy(t *testing.T) {
	OpenAPI()[0] = 'X'
	if OpenAPI()[0] == 'X' {
		t.Error("a caller changed the document")
	}
}
