package model

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The policy of the site: small numbers, so that a story reaches the ends.
const (
	pinBudget, pinAlert         = 3, 2
	pinPace, sourcePace         = 5, 7
	paceWindow                  = 15 * time.Minute
	lockAt, alertAt             = 10, 3
	passcodeWindow              = 24 * time.Hour
	sourceCap, slowPace         = 5, time.Minute
	mailboxCap, mailboxWindow   = 2, time.Hour
	loginBudget, loginTTL       = 3, 24 * time.Hour
	reservation                 = 10 * time.Minute
	silentAfter, leaveWithin    = 24 * time.Hour, 7 * 24 * time.Hour
	kept, listRefresh, factsAge = 24 * time.Hour, 5 * time.Minute, time.Hour
)

// reference is the model: what is true after the steps so far.
type reference struct {
	now time.Time

	users       map[string]string // the addresses of our rows; "" once erased
	invitations map[string]*offer // by id
	devices     map[string]*phone
	answers     map[string]*answer // by user and enrollment id
	door        door
	logins      map[string]*login // the latest of each user
	made        int               // logins so far

	pinPaces, sources, caps, slow, mailboxes counters

	outbox  []letter
	journal map[string][]string // by subject

	// settleDevice completes the latest enrollment with the id of its new device.
	settleDevice func(id string)
}

func newReference(now time.Time) *reference {
	return &reference{
		now: now, users: map[string]string{}, invitations: map[string]*offer{}, devices: map[string]*phone{},
		answers: map[string]*answer{}, logins: map[string]*login{}, journal: map[string][]string{},
		pinPaces: counters{}, sources: counters{}, caps: counters{}, slow: counters{}, mailboxes: counters{},
		door: door{status: "none"},
	}
}

// offer is an invitation.
type offer struct {
	id, user, email, name string
	state, reason         string
	expires               time.Time
	max, enrolled, live   int
	ownership, chosen     string // fixed, and accepted
	delivery              string
	created, sent, ended  time.Time
	pin, tries            int // the PIN's generation, and wrong tries on it
	alerted, burnt        bool
	forgotten             bool // its credentials were erased
	seen                  map[string]int
}

// phone is a device.
type phone struct {
	id, user, invitation string
	state, reason        string
	everActive, deleted  bool
	generation           int
	hardware, trace      string
	conflict             string
	facts                map[string]map[string]assertion // by fact and source
	ref                  string                          // in the fleet's own system
	inventory            string
	created, since, gone time.Time
	enrolled             time.Time
	contact, listed      time.Time
	seq                  int
	silent               bool
}

// assertion is what a source last said of a fact.
type assertion struct {
	value bool
	at    time.Time
}

// holds is the newest assertion; of two at once, false.
func (d *phone) holds(fact string) bool {
	var newest assertion
	for _, a := range d.facts[fact] {
		if a.at.After(newest.at) || a.at.Equal(newest.at) && !a.value {
			newest = a
		}
	}
	return newest.value
}

func (d *phone) live() bool { return !d.deleted && d.state != "unenrolled" }

func (d *phone) identity() string {
	if d.conflict != "" {
		return ""
	}
	return d.hardware
}

// answer is what an enrollment was answered.
type answer struct {
	device, hardware string
	generation       int
	until            time.Time
}

// door is the company passcode.
type door struct {
	status               string
	generation           int
	alerted, disabled    time.Time
	wrong, locks, excess counter
	tries                int // when it was locked
}

// login is a one-time login.
type login struct {
	number                     int
	created, expires, reserved time.Time
	used, forgotten            bool
	tries                      int
	refused                    map[string]time.Time // when the journal last said so, by reason
}

// letter is something in the outbox.
type letter struct {
	kind, about, event string
	created            time.Time
}

// note journals an event.
func (m *reference) note(subject, event, reason string) {
	if reason != "" {
		event += " " + reason
	}
	m.journal[subject] = append(m.journal[subject], event)
}

func (m *reference) post(l letter) {
	l.created = m.now
	m.outbox = append(m.outbox, l)
}

// inOrder returns the values of a map by their keys.
func inOrder[V any](m map[string]V) []V {
	list := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[k])
	}
	return list
}

// missing is what a device still has to prove.
func (d *phone) missing() []string {
	var list []string
	for _, fact := range []string{"agent_installed", "work_profile", "permissions", "inventory_received"} {
		if !d.holds(fact) {
			list = append(list, fact)
		}
	}
	return list
}

// enter moves a device to a state, and says whether that is another.
func (d *phone) enter(state, reason string, at time.Time) bool {
	if d.state == state {
		return false
	}
	d.state, d.reason, d.since = state, reason, at
	d.everActive = d.everActive || state == "active"
	return true
}

// judge moves a device to what its facts say, and returns the event.
func (d *phone) judge(now time.Time) string {
	before := d.state
	to, reason := "active", ""
	if missing := d.missing(); len(missing) > 0 {
		reason = missing[0]
		if to = "impaired"; before == "pending" {
			to = "pending"
		}
	}
	if before == "leaving" || !d.enter(to, reason, now) {
		return ""
	}
	switch {
	case before == "unresponsive":
		return "device.restored"
	case to == "active":
		return "device.activated"
	}
	return "device.impaired"
}

// shown is the state of a device as it is computed when somebody looks.
func (m *reference) shown(d *phone) string {
	if (d.state == "active" || d.state == "impaired") && d.contact.Before(m.now.Add(-silentAfter)) {
		return "unresponsive"
	}
	return d.state
}

// slots are the rows of the list, in its order.
func (m *reference) slots() []string {
	type row struct {
		id, state string
		at        time.Time
	}
	var rows []row
	for _, o := range inOrder(m.invitations) {
		if o.active() && o.live == 0 {
			rows = append(rows, row{o.id, o.state, time.Time{}})
		}
	}
	for _, d := range inOrder(m.devices) {
		if !d.deleted {
			rows = append(rows, row{d.id, d.state, d.listed})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		if c := b.at.Compare(a.at); c != 0 {
			return c
		}
		if a.id > b.id {
			return -1
		}
		return 1
	})
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = fmt.Sprintf("%s %s", r.id, r.state)
	}
	return list
}

// deadlines are the times ahead at which something changes by itself, in order.
func (m *reference) deadlines() []time.Time {
	var list []time.Time
	ahead := func(t time.Time) {
		if t.After(m.now) && !slices.ContainsFunc(list, t.Equal) {
			list = append(list, t)
		}
	}
	for _, l := range m.logins {
		ahead(l.expires)
		ahead(l.reserved)
	}
	for _, o := range m.invitations {
		ahead(o.expires)
		ahead(o.ended.Add(kept))
	}
	for _, d := range m.devices {
		ahead(d.contact.Add(silentAfter))
		ahead(d.listed.Add(listRefresh))
		if d.state == "leaving" {
			ahead(d.since.Add(leaveWithin))
		}
	}
	for _, a := range m.answers {
		ahead(a.until)
	}
	for window, cs := range map[time.Duration]counters{paceWindow: m.pinPaces, mailboxWindow: m.mailboxes, passcodeWindow: m.caps, slowPace: m.slow} {
		for _, c := range cs {
			ahead(c.start.Add(window))
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}
