package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// RunFlows runs user stories through enrollment.Service on a store: they find
// what rules about single methods cannot. open returns an empty store, as for
// Run. Run does not include it.
func RunFlows(t *testing.T, open func(t *testing.T) enrollment.Storage) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) { f.run(t, newWorld(t, open(t))) })
	}
}

// flow is one story.
type flow struct {
	name string
	run  func(t *testing.T, w *world)
}

var flows = []flow{
	{"an invitation becomes an active device", flowInviteToActive},
	{"inviting again supersedes", flowSupersede},
	{"a lost answer to an enrollment is repeated", flowReplay},
	{"the same hardware keeps its device", flowReenroll},
	{"another user's hardware is a conflict until it is released", flowConflict},
	{"a deleted device is gone and its successor is linked to it", flowDelete},
	{"silence is noticed and a contact restores", flowSilence},
	{"late and repeated reports change nothing", flowLateReports},
	{"a wrong PIN is counted and burns at its budget", flowPINBudget},
	{"a device limit holds", flowDeviceLimit},
	{"a site's limit holds for any number at once", flowSiteLimit},
	{"two sites see nothing of each other", flowSites},
	{"a one-time login lets one device in", flowSelfService},
	{"many invite one user at once", flowConcurrentInvites},
	{"one hardware enrolls many times at once", flowConcurrentEnrolls},
	{"many guess one PIN at once", flowConcurrentGuesses},
	{"many guess a passcode at once", flowConcurrentPasscodes},
	{"many use one login at once", flowConcurrentLogins},
	{"what is typed into a system's settings lets one device in", flowSignIn},
	{"many computers present one login at once", flowConcurrentSignIns},
	{"one computer presents its login many times at once", flowRepeatedSignIns},
	{"keys rotate three times under load", flowRotations},
	{"many import one fleet at once", flowConcurrentAdoptions},
	{"a person is erased while devices come in", flowErase},
	{"what is past its retention goes", flowRetention},
	{"many strangers are turned away at once", flowConcurrentRefusals},
}

// world is a Service with its surroundings, on a clock that the story moves.
type world struct {
	svc   *enrollment.Service
	store enrollment.Storage
	ring  *credentials.Keyring

	mu   sync.Mutex
	now  time.Time
	most int // Policy.MaxDevices of both sites
	mail []enrollment.Mail
}

func newWorld(t *testing.T, store enrollment.Storage) *world {
	t.Helper()
	key, err := credentials.NewKey(1, rand.Reader)
	must(t, err)
	ring, err := credentials.NewKeyring(key)
	must(t, err)
	w := &world{store: store, ring: ring, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.svc = w.node(t)
	return w
}

// node is a process of its own over the world's store, with the world's first
// ring.
func (w *world) node(t *testing.T) *enrollment.Service {
	t.Helper()
	svc, err := enrollment.New(w.store, enrollment.Config{
		Keyring: w.ring, Sites: w, Directory: w, Administrators: w, Deliverer: w, Now: w.clock,
		Platforms: []enrollment.Platform{settings{}},
	})
	must(t, err)
	must(t, svc.Check(t.Context()))
	return svc
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// limit gives the sites room for n devices; 0: for any number.
func (w *world) limit(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most = n
}

// Site, Host and All make the world its own enrollment.Sites.
func (w *world) Site(_ context.Context, id string) (enrollment.Site, error) {
	if id != "alpha" && id != "beta" {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	site := enrollment.Site{ID: id, Name: id, PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}}
	w.mu.Lock()
	site.Policy.MaxDevices = w.most
	w.mu.Unlock()
	site.Policy.Credentials = credentials.Policy{
		PINPace: credentials.Off, SourcePace: credentials.Off,
		PasscodePace: credentials.Off, GlobalPace: credentials.Off, OneTimePace: credentials.Off,
	}
	return site, nil
}

func (w *world) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return w.Site(ctx, "alpha")
}

func (w *world) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		_ = yield("alpha", nil) && yield("beta", nil)
	}
}

// Lookup and ByEmail make it a Directory in which everybody at example.com exists.
func (w *world) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Name of " + id, Email: id + "@example.com"}, nil
}

func (w *world) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	id, ok := strings.CutSuffix(email, "@example.com")
	if !ok {
		return nil, nil
	}
	user, err := w.Lookup(ctx, "alpha", id)
	return []enrollment.User{user}, err
}

// Administrators and Deliver complete the surroundings.
func (w *world) Administrators(_ context.Context, site string) ([]enrollment.Administrator, error) {
	return []enrollment.Administrator{{ID: "root", Email: "root@example.com"}, {ID: "second", Email: "second@example.com"}}, nil
}

func (w *world) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail = append(w.mail, m)
	return nil
}

// delivered empties the outbox and returns the mail of one kind.
func (w *world) delivered(t *testing.T, kind enrollment.MessageKind) []enrollment.Mail {
	t.Helper()
	for range 10 {
		n, err := w.svc.DeliverDue(t.Context())
		must(t, err)
		if n == 0 {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []enrollment.Mail
	for _, m := range w.mail {
		if m.Kind == kind {
			list = append(list, m)
		}
	}
	return list
}

var alpha = enrollment.Actor{Site: "alpha", ID: "root"}

// invite invites a user of site alpha and returns what an administrator sees.
func (w *world) invite(t *testing.T, r enrollment.InviteRequest) (string, enrollment.Revealed) {
	t.Helper()
	r.Send = true
	result, err := w.svc.Invite(t.Context(), alpha, r)
	must(t, err)
	shown, err := w.svc.Reveal(t.Context(), alpha, result.Invitation)
	must(t, err)
	return result.Invitation, shown
}

// byLink is a device's request with the link of an invitation.
func byLink(t *testing.T, url credentials.Secret, id string, serial string) enrollment.EnrollRequest {
	t.Helper()
	token, err := credentials.ParseDeploymentURL(url.Reveal())
	must(t, err)
	return enrollment.EnrollRequest{
		EnrollmentID: id, Credential: enrollment.Presented{Token: token}, Ownership: device.Company,
		Device: enrollment.Claim{Platform: device.Android, Hardware: device.Hardware{Serial: serial}, Manufacturer: "Acme"},
	}
}

func byPIN(email string, pin credentials.Secret, id string) enrollment.EnrollRequest {
	return enrollment.EnrollRequest{
		EnrollmentID: id, Credential: enrollment.Presented{Email: email, PIN: pin}, Ownership: device.Company,
		Device: enrollment.Claim{Platform: device.Android},
		Source: netip.MustParseAddr("192.0.2.1"),
	}
}

// complete reports all that an Android work profile requires.
func (w *world) complete(t *testing.T, token credentials.Secret, seq int64) enrollment.Status {
	t.Helper()
	status, err := w.svc.Report(t.Context(), token, enrollment.Report{Seq: seq, Facts: map[device.Fact]bool{
		device.AgentInstalled: true, device.WorkProfile: true, device.Permissions: true, device.InventoryReceived: true,
	}})
	must(t, err)
	return status
}

// slots returns the list of a site as "kind/state" by id.
func (w *world) slots(t *testing.T, by enrollment.Actor) map[string]string {
	t.Helper()
	page, err := w.svc.Overview(t.Context(), by, enrollment.OverviewQuery{PageSize: enrollment.MaxPageSize})
	must(t, err)
	rows := map[string]string{}
	var n int64
	for _, s := range page.Slots {
		rows[s.ID] = string(s.Kind) + "/" + s.State
	}
	for _, count := range page.Counts {
		n += count
	}
	if n != int64(len(rows)) {
		t.Fatalf("the counts add up to %d for %d rows", n, len(rows))
	}
	return rows
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func want[V comparable](t *testing.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func wrongPIN(right credentials.Secret, i int) credentials.Secret {
	pin := fmt.Sprintf("%08d", i)
	if pin == right.Reveal() {
		pin = "99999999"
	}
	return credentials.SecretString(pin)
}
