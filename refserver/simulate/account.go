package simulate

import (
	"fmt"
	"slices"

	"example.com/enrollkit/device"
	"example.com/enrollkit/refserver/internal/windowsclient"
)

// status is how a device stands, by the server's word.
type status struct {
	State   device.State  `json:"state"`
	Missing []device.Fact `json:"missing"`
	Seq     int64         `json:"seq"`
}

// gone is the state of a device that was deleted. No server answers it.
const gone device.State = "deleted"

// agent is the program on one device, and the account it keeps of what it has
// proved.
type agent struct {
	player *player
	device Device

	id, token string
	request   enrollBody // that brought it in
	old       enrollBody // that brought it in before
	oldToken  string
	name      string // that the server knows

	seq      int64
	last     reportBody
	requires []device.Fact
	missing  []device.Fact // by the latest answer
	said     map[device.Fact]bool
	ever     bool // has been active
	silent   bool
	ownLife  bool         // the story is over, and other people may be at work
	state    device.State // expected; empty: never enrolled

	mdm    *windowsclient.Client // of a computer that Windows itself has managed; nil: there is an agent
	login  windowsclient.Credential
	bySelf bool // it came by a login of self-service, and takes no invitation's place
}

func newAgent(p *player, d Device) *agent { return &agent{player: p, device: d} }

// begin is a new life: what the old one proved is forgotten.
func (a *agent) begin(who string, request enrollBody, e enrolled) {
	a.id, a.token, a.request = e.ID, e.Token, request
	a.name = request.Device.Name
	a.seq, a.last = 0, reportBody{}
	a.requires, a.missing = e.Missing, e.Missing
	a.said, a.ever, a.silent = map[device.Fact]bool{}, false, false
	a.state = device.Pending
	a.compare(who, e.status)
}

// speaks reports whether the device is one that goes on reporting.
func (a *agent) speaks() bool {
	return a.state == device.Pending || a.state == device.Active || a.state == device.Impaired
}

// live reports whether the device takes the place of its invitation.
func (a *agent) live() bool { return a.id != "" && a.state.Live() && a.state != gone && !a.bySelf }

// compare judges an answer by the account, and moves the account on. Facts that
// only others can vouch for are taken from the answer.
func (a *agent) compare(who string, s status) {
	want := []device.Fact{}
	for _, f := range a.requires {
		open := !a.said[f]
		if !device.SourceAgent.MayAssert(f) {
			open = slices.Contains(s.Missing, f)
		}
		if open {
			want = append(want, f)
		}
	}
	if a.ownLife && s.State == device.Leaving {
		a.state = device.Leaving // somebody at the console told it to go
	}
	switch {
	case a.state == device.Leaving || a.state == device.Unenrolled:
	case len(want) == 0 && a.seq > 0:
		a.state, a.ever = device.Active, true
	case a.ever:
		a.state = device.Impaired
	default:
		a.state = device.Pending
	}
	if a.state == device.Unenrolled {
		want = []device.Fact{}
	}
	tally := a.player.tally
	if s.State != a.state {
		tally.unexpected(who, "state in the answer", string(a.state), string(s.State))
	}
	if !slices.Equal(s.Missing, want) {
		tally.unexpected(who, "missing in the answer", fmt.Sprint(want), fmt.Sprint(s.Missing))
	}
	if s.Seq != a.seq+1 {
		tally.unexpected(who, "seq in the answer", "the number after the latest", fmt.Sprintf("%+d from it", s.Seq-a.seq-1))
	}
	a.missing = s.Missing
}
