package device

import (
	"slices"
	"time"
)

// Fact is something true or false of a device that its state depends on.
type Fact string

const (
	AgentInstalled    Fact = "agent_installed"    // the agent runs
	ManagementProfile Fact = "management_profile" // the platform's MDM channel is up
	WorkProfile       Fact = "work_profile"       // Android: the agent owns a work profile
	DeviceOwner       Fact = "device_owner"       // Android: the agent is device owner
	AdminRights       Fact = "admin_rights"       // Android: device admin is activated
	Permissions       Fact = "permissions"        // the agent was given all it asks for
	InventoryReceived Fact = "inventory_received" // name, model and system are known
	UserApproved      Fact = "user_approved"      // macOS: the user approved the profile
	Supervised        Fact = "supervised"         // Apple: supervised
)

// Source is who says so. Every source but [SourceAgent] is a channel that the
// embedder trusts: an MDM server, another system's notifications.
type Source string

const (
	SourceAgent Source = "agent" // the agent on the device, by its reports
	SourceMDM   Source = "mdm"   // the platform's own management channel
)

// facts is the table of what there is: who may assert a fact, who has to act
// when it is missing, and what they do. What a program on the device could
// merely claim of its own management comes from trusted channels alone.
var facts = []struct {
	fact  Fact
	agent bool // the agent may assert it; trusted sources may assert all
	waits Party
	next  Action
}{
	{AgentInstalled, true, WaitsUser, InstallAgent},
	{ManagementProfile, false, WaitsUser, InstallProfile},
	{WorkProfile, true, WaitsUser, CreateWorkProfile},
	{DeviceOwner, true, WaitsAdmin, ProvisionDevice},
	{AdminRights, true, WaitsUser, ActivateAdmin},
	{Permissions, true, WaitsUser, GrantPermissions},
	{UserApproved, false, WaitsUser, ApproveProfile},
	{Supervised, false, WaitsAdmin, SuperviseDevice},
	{InventoryReceived, true, WaitsDevice, SendInventory},
}

// AllFacts lists every fact in the order in which an enrollment usually meets
// them.
func AllFacts() []Fact {
	list := make([]Fact, len(facts))
	for i, f := range facts {
		list[i] = f.fact
	}
	return list
}

// Valid reports whether f is one of [AllFacts].
func (f Fact) Valid() bool { return slices.Contains(AllFacts(), f) }

// MayAssert reports whether s is allowed to say that f holds or not.
func (s Source) MayAssert(f Fact) bool {
	if s == "" {
		return false
	}
	for _, row := range facts {
		if row.fact == f {
			return s != SourceAgent || row.agent
		}
	}
	return false
}

// Assertion is what one source last said about one fact.
type Assertion struct {
	Value bool      `json:"value"`
	At    time.Time `json:"at"`
}

// Facts holds the newest assertion of each source about each fact. The zero
// value knows nothing. It is a value: [Facts.Assert] returns a changed copy.
type Facts map[Fact]map[Source]Assertion

// Assert notes what s says of f at the time at, and reports whether the fact
// now holds differently. What s may not assert, and what is older than what s
// said before, is left out. Of two assertions of one instant, false wins, so
// that the order of their arrival does not matter.
func (fs Facts) Assert(s Source, f Fact, value bool, at time.Time) (Facts, bool) {
	if !s.MayAssert(f) {
		return fs, false
	}
	old, said := fs[f][s]
	if said && (at.Before(old.At) || (at.Equal(old.At) && (value || !old.Value))) {
		return fs, false
	}
	before := fs.Holds(f)
	next := fs.clone()
	if next[f] == nil {
		next[f] = map[Source]Assertion{}
	}
	next[f][s] = Assertion{Value: value, At: at}
	return next, next.Holds(f) != before
}

// Holds reports whether f is true by the newest assertion of any source; of
// two at the same instant, false wins.
func (fs Facts) Holds(f Fact) bool {
	var newest Assertion
	for _, a := range fs[f] {
		if a.At.After(newest.At) || (a.At.Equal(newest.At) && !a.Value) {
			newest = a
		}
	}
	return newest.Value
}

// Missing returns those of want that do not hold, in the order of want. It is
// never nil, so that it is [] on the wire.
func (fs Facts) Missing(want []Fact) []Fact {
	missing := []Fact{}
	for _, f := range want {
		if !fs.Holds(f) {
			missing = append(missing, f)
		}
	}
	return missing
}

func (fs Facts) clone() Facts {
	next := make(Facts, len(fs)+1)
	for f, said := range fs {
		inner := make(map[Source]Assertion, len(said)+1)
		for s, a := range said {
			inner[s] = a
		}
		next[f] = inner
	}
	return next
}
