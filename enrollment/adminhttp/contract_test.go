package adminhttp

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// contract is what the tests need of openapi.yaml, read by its indentation: the
// document is written for that, one key a line.
type contract struct {
	statuses   map[string][]string // "GET /slots": "200", "400" ...
	properties map[string][]string // of each schema
	required   map[string][]string
	enums      map[string][]string
	parents    map[string]string // allOf
}

func readContract(t *testing.T) contract {
	t.Helper()
	c := contract{map[string][]string{}, map[string][]string{}, map[string][]string{}, map[string][]string{}, map[string]string{}}
	var section, part, path, method, schema, block string
	flow := regexp.MustCompile(`^(required|enum): \[(.*)\]$`)
	for line := range strings.Lines(string(OpenAPI())) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		key, _, isKey := strings.Cut(text, ":")
		switch {
		case text == "":
		case indent == 0:
			section, part = key, ""
		case section == "paths" && indent == 2:
			path = strings.TrimSuffix(text, ":")
		case section == "paths" && indent == 4:
			method, block = strings.ToUpper(key), ""
			if key != "parameters" {
				c.statuses[method+" "+path] = nil
			}
		case section == "paths" && indent == 6:
			block = key
		case section == "paths" && indent == 8 && block == "responses":
			op := method + " " + path
			c.statuses[op] = append(c.statuses[op], strings.Trim(key, `"`))
		case section == "components" && indent == 2:
			part = key
		case part == "schemas" && indent == 4:
			schema = key
			c.properties[schema] = nil
		case part == "schemas" && indent == 6:
			block = key
			if m := flow.FindStringSubmatch(text); m != nil {
				values := strings.Split(strings.ReplaceAll(m[2], `"`, ""), ", ")
				map[string]map[string][]string{"required": c.required, "enum": c.enums}[m[1]][schema] = values
			}
		case part == "schemas" && indent == 8 && block == "properties" && isKey:
			c.properties[schema] = append(c.properties[schema], key)
		case part == "schemas" && indent == 8 && block == "allOf":
			c.parents[schema] = strings.Trim(text[strings.LastIndex(text, "/")+1:], `"`)
		}
	}
	require.NotEmpty(t, c.statuses)
	require.NotEmpty(t, c.properties)
	return c
}

// check requires an answer's status to be documented, if the path is.
func (c contract) check(t *testing.T, method, path string, got answer) {
	t.Helper()
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for op, statuses := range c.statuses {
		documented, template, _ := strings.Cut(op, " ")
		pattern := "^" + regexp.QuoteMeta(base) + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllLiteralString(regexp.QuoteMeta(template), "[A-Za-z0-9._-]+") + "$"
		if documented != method || !regexp.MustCompile(pattern).MatchString(path) {
			continue
		}
		if method == "GET" && path == base+"/devices/renew" {
			continue // an id by its form, but this path is another route's
		}
		if got.Status == http.StatusMethodNotAllowed || got.Status == http.StatusInternalServerError {
			require.Contains(t, statuses, "default", op)
			continue
		}
		require.Contains(t, statuses, strconv.Itoa(got.Status), "%s answered %d, which is not in the contract: %s", op, got.Status, got.Body)
	}
}

// served lists the routes that the router has, as "GET /slots".
func served(t *testing.T, w *world) (routes []string) {
	t.Helper()
	require.NoError(t, w.api.router().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, err := route.GetPathTemplate()
		require.NoError(t, err)
		path := strings.TrimPrefix(regexp.MustCompile(`\{(\w+):[^/]+\}`).ReplaceAllString(template, "{$1}"), base)
		for method := range route.GetHandler().(methods) {
			if method != http.MethodHead {
				routes = append(routes, method+" "+path)
			}
		}
		return nil
	}))
	slices.Sort(routes)
	return routes
}

func TestContractAndRouterHaveTheSameRoutes(t *testing.T) {
	w := newWorld(t)
	var documented []string
	for op := range w.doc.statuses {
		documented = append(documented, op)
	}
	slices.Sort(documented)
	assert.Equal(t, documented, served(t, w))
}

func TestContractDocumentsEveryAnswer(t *testing.T) {
	doc := readContract(t)
	for op, statuses := range doc.statuses {
		assert.Contains(t, statuses, "401", op)
		assert.Contains(t, statuses, "403", op)
		assert.Contains(t, statuses, "default", op)
		if op != "GET /openapi.yaml" {
			assert.Contains(t, statuses, "503", op)
		}
		if strings.Contains(op, "{") || strings.Contains(op, "/messages") {
			assert.Contains(t, statuses, "404", op)
		}
	}
}

// Each schema is one Go type, and has its fields: all of them required where we
// answer, since every field of an answer is always there.
func TestContractHasTheFieldsOfEveryBody(t *testing.T) {
	doc := readContract(t)
	answers := map[string]any{
		"User": userView{}, "Ref": refView{}, "Invited": invitedView{}, "InviteResult": inviteResultView{},
		"InviteCounts": inviteCountsView{}, "Invitations": invitationsView{}, "Invitation": invitationView{},
		"Sighting": sightingView{}, "Progress": progressView{}, "Credentials": credentialsView{}, "Slots": slotsView{}, "Slot": slotView{},
		"Device": deviceView{}, "DeviceDetail": explanationView{}, "Hardware": hardwareView{}, "Assertion": assertionView{},
		"Adopted": adoptedView{}, "AdoptionField": fieldView{}, "AdoptCounts": adoptCountsView{}, "Adoptions": adoptionsView{},
		"Renewed": renewedView{}, "RenewedMany": renewManyView{}, "Events": eventsView{}, "Event": eventView{},
		"Passcode": passcodeView{}, "GeneratedPasscode": generatedPasscodeView{}, "RevealedPasscode": revealedPasscodeView{},
		"Messages": messagesView{}, "MessageEntry": messageEntryView{}, "Message": messageView{},
		"MessageText": messageTextView{}, "MessageVariable": messageVariableView{},
	}
	requests := map[string]any{
		"InviteRequest": inviteRequest{}, "InviteUser": inviteUser{}, "InvitationPatch": invitationPatch{}, "RenewRequest": renewRequest{},
		"MessageRequest": messageRequest{}, "Adoption": enrollment.Adoption{},
	}
	elsewhere := []string{"Problem", "FieldProblem"} // httpkit's

	for schema, properties := range doc.properties {
		switch {
		case answers[schema] != nil:
			fields := fieldsOf(reflect.TypeOf(answers[schema]))
			if parent := doc.parents[schema]; parent != "" {
				properties = slices.Concat(doc.properties[parent], properties)
				doc.required[schema] = slices.Concat(doc.required[parent], doc.required[schema])
			}
			assert.ElementsMatch(t, fields, properties, schema)
			assert.ElementsMatch(t, fields, doc.required[schema], "required of "+schema)
		case requests[schema] != nil:
			fields := fieldsOf(reflect.TypeOf(requests[schema]))
			for i := range fields { // a request may leave fields out
				fields[i], _, _ = strings.Cut(fields[i], " ")
			}
			assert.ElementsMatch(t, fields, properties, schema)
		case doc.enums[schema] != nil, schema == "Time", slices.Contains(elsewhere, schema):
		default:
			assert.Fail(t, "no Go type for schema "+schema)
		}
	}
	for schema := range answers {
		assert.Contains(t, doc.properties, schema)
	}
	for schema := range requests {
		assert.Contains(t, doc.properties, schema)
	}
}

func fieldsOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous {
			names = append(names, fieldsOf(f.Type)...)
		} else {
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			if option != "" {
				name += " has an option, and may be absent"
			}
			names = append(names, name)
		}
	}
	return names
}

func TestContractHasEveryValueOfEveryEnum(t *testing.T) {
	doc := readContract(t)
	for schema, want := range map[string][]string{
		"InvitationState": texts(invitation.States()),
		"DeviceState":     texts(device.States()),
		"SlotState":       slotStates(),
		"Platform":        append([]string{""}, texts(device.Platforms())...),
		"Ownership":       {"", string(device.Company), string(device.Personal)},
		"Mode":            append([]string{""}, texts(device.Modes(""))...),
		"Fact":            texts(device.AllFacts()),
		"Origin":          texts([]device.Origin{device.ByInvitation, device.BySelfService, device.ByAdoption}),
		"Party":           texts([]device.Party{device.WaitsNobody, device.WaitsUser, device.WaitsDevice, device.WaitsServer, device.WaitsAdmin}),
		"Delivery":        texts([]invitation.Delivery{invitation.NotMailed, invitation.Queued, invitation.Accepted, invitation.Failed, invitation.Bounced}),
		"Reason":          texts([]invitation.Reason{"", invitation.ByAdmin, invitation.Superseded, invitation.Expired, invitation.Exhausted, invitation.UserErased}),
		"Evidence": texts([]invitation.Evidence{
			invitation.Fetched, invitation.AcceptedByPerson, invitation.ProfileDownloaded, invitation.StoreRedirected,
			invitation.FirstContact, invitation.CertificateIssued, invitation.ManagementActive,
		}),
		"Hint": texts([]enrollment.Hint{
			enrollment.NoHint, enrollment.SendInvitation, enrollment.CorrectAddress, enrollment.CheckMailbox, enrollment.AcceptOnPage,
			enrollment.FollowNextStep, enrollment.OpenAgent, enrollment.InstallIt, enrollment.KeepOnline, enrollment.FinishOnDevice, enrollment.InviteAgain,
		}),
		"PasscodeStatus": texts([]enrollment.PasscodeStatus{
			enrollment.PasscodeNone, enrollment.PasscodeActive, enrollment.PasscodeLocked, enrollment.PasscodeDisabled,
		}),
		"Action": texts([]device.Action{
			device.NoAction, device.InstallAgent, device.InstallProfile, device.CreateWorkProfile, device.ProvisionDevice, device.SignIn,
			device.ActivateAdmin, device.GrantPermissions, device.ApproveProfile, device.SuperviseDevice, device.SendInventory,
			device.ReachServer, device.LeaveManagement, device.EnrollAgain, device.ResolveConflict,
		}),
	} {
		assert.ElementsMatch(t, want, doc.enums[schema], schema)
	}
}

func texts[T ~string](list []T) (s []string) {
	for _, element := range list {
		s = append(s, string(element))
	}
	return s
}
