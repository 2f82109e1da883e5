package model

import "time"

// fleet is the other system that adopted devices come from.
const fleet = "fleet"

// allFacts are what a mode requires here.
var allFacts = []string{"agent_installed", "work_profile", "permissions", "inventory_received"}

// byRef returns the device that the fleet knows by an id, or nil.
func (m *reference) byRef(ref string) *phone {
	for _, d := range m.devices {
		if !d.deleted && d.ref == ref {
			return d
		}
	}
	return nil
}

// adoption is what became of a row of an import. A new device has no id yet:
// settleDevice gives it one.
type adoption struct {
	code, outcome, conflict string
	device                  *phone
	fresh                   bool
}

// adopt takes in a device that the fleet manages.
func (m *reference) adopt(user, ref, hardware, state string, contact time.Time) adoption {
	if d := m.byRef(ref); d != nil {
		return adoption{outcome: "unchanged", device: d, conflict: d.conflict}
	}
	m.users[user] = addressOf(user)
	d, holder := m.known(user, hardware)
	if d != nil && d.live() && d.ref != "" {
		return adoption{code: "conflict", conflict: d.id}
	}
	if d != nil && (d.live() || state == "unenrolled") {
		d.ref = ref
		m.save(d, "device.adopted", "")
		return adoption{outcome: "linked", device: d, conflict: d.conflict}
	}
	out := adoption{outcome: "linked", device: d}
	if d == nil {
		d = &phone{user: user, created: m.now, conflict: holder, hardware: hardware}
		out = adoption{outcome: "created", device: d, fresh: true}
	}
	d.ref, d.state, d.reason, d.since = ref, state, "", m.now
	d.everActive = state == "active" || state == "impaired" || state == "unresponsive"
	d.generation++
	d.contact, d.listed, d.enrolled = contact, contact, contact
	d.seq, d.silent, d.invitation, d.inventory, d.facts = 0, state == "unresponsive", "", "", nil
	if state == "active" || state == "unresponsive" {
		for _, fact := range allFacts {
			d.assert(fact, fleet, assertion{true, contact})
		}
	}
	finish := func() {
		m.note(d.id, "device.adopted", "")
		if out.fresh && holder != "" {
			m.note(d.id, "device.conflict", "")
		}
	}
	out.conflict = d.conflict
	if !out.fresh {
		finish()
		return out
	}
	m.settleDevice = func(id string) {
		d.id = id
		m.devices[id] = d
		finish()
	}
	return out
}

// observe takes what the fleet saw of a device at a time that is not in the
// future.
func (m *reference) observe(ref string, facts map[string]bool, at time.Time, left bool) (*phone, string) {
	d := m.byRef(ref)
	if d == nil {
		return nil, "not_found"
	}
	if d.state == "unenrolled" {
		return d, ""
	}
	m.hear(d, at, 0)
	if !left {
		m.restore(d)
	}
	if d.generation > 1 && at.Before(d.enrolled) {
		facts = nil
	}
	m.believe(d, fleet, facts, at, false)
	if left && !at.Before(d.enrolled) {
		m.leave(d, "left")
	}
	return d, ""
}
