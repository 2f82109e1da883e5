package model

import (
	"slices"
	"strings"
	"time"
)

// hear notes a sign of life of a time that is not in the future.
func (m *reference) hear(d *phone, at time.Time, seq int) {
	if at.After(d.contact) {
		d.contact = at
	}
	d.seq = max(d.seq, seq)
	if !d.contact.Before(d.listed.Add(listRefresh)) {
		d.listed = d.contact
	}
}

// restore ends a silence.
func (m *reference) restore(d *phone) {
	if !d.silent || d.contact.Before(m.now.Add(-silentAfter)) {
		return
	}
	d.silent = false
	if d.state == "unresponsive" {
		event := d.judge(m.now)
		m.save(d, event, d.reason)
	}
}

// save is what every stored change of a device does: its row in the list is
// brought along.
func (m *reference) save(d *phone, event, reason string) {
	d.listed = d.contact
	if event != "" {
		m.note(d.id, event, reason)
	}
}

// report takes facts and an inventory.
func (m *reference) report(d *phone, seq int, facts map[string]bool, inventory string) string {
	if d == nil {
		return "device_token_refused"
	}
	if d.deleted {
		return "device_gone"
	}
	m.hear(d, m.now, 0)
	m.restore(d)
	if seq == 0 {
		return "invalid"
	}
	if seq <= d.seq {
		return ""
	}
	d.seq = seq
	if d.state != "unenrolled" {
		m.learn(d, facts, inventory)
	}
	return ""
}

// learn takes what the agent says by its report.
func (m *reference) learn(d *phone, facts map[string]bool, inventory string) {
	said := map[string]bool{}
	for fact, value := range facts {
		said[fact] = value
	}
	if inventory != "" {
		said["inventory_received"] = true
	}
	changed := inventory != "" && inventory != d.inventory
	if inventory != "" {
		d.inventory = inventory
	}
	m.believe(d, "agent", said, m.now, changed)
}

// believe takes what a source says of facts, and what follows.
func (m *reference) believe(d *phone, source string, said map[string]bool, at time.Time, changed bool) {
	moved := false
	for fact, value := range said {
		old, known := d.facts[fact][source]
		held, t := d.holds(fact), at
		if source == "agent" && known {
			if old.value == value && len(d.facts[fact]) == 1 && t.Sub(old.at) < factsAge {
				continue
			}
			if !t.After(old.at) {
				t = old.at.Add(time.Microsecond)
			}
		}
		if known && (t.Before(old.at) || t.Equal(old.at) && (value || !old.value)) {
			continue
		}
		d.assert(fact, source, assertion{value, t})
		changed = true
		moved = moved || d.holds(fact) != held
	}
	first, event, reason := !d.everActive, "", ""
	if d.state != "unresponsive" {
		event = d.judge(m.now)
		reason = d.reason
	}
	if event == "" && moved {
		event, reason = "device.facts_changed", ""
	}
	if event != "" || changed {
		m.save(d, event, reason)
	}
	if o := m.invitations[d.invitation]; event == "device.activated" && first && o != nil {
		o.seen["management_active"]++
	}
}

func (d *phone) assert(fact, source string, a assertion) {
	if d.facts == nil {
		d.facts = map[string]map[string]assertion{}
	}
	if d.facts[fact] == nil {
		d.facts[fact] = map[string]assertion{}
	}
	d.facts[fact][source] = a
}

func (m *reference) checkIn(d *phone, seq int) string {
	switch {
	case d == nil:
		return "device_token_refused"
	case d.deleted:
		return "device_gone"
	}
	m.hear(d, m.now, seq)
	m.restore(d)
	return ""
}

func (m *reference) unenroll(d *phone) string {
	switch {
	case d == nil:
		return "device_token_refused"
	case d.deleted:
		return "device_gone"
	}
	m.hear(d, m.now, 0)
	m.leave(d, "left")
	return ""
}

// leave ends management.
func (m *reference) leave(d *phone, why string) {
	if d.enter("unenrolled", why, m.now) {
		d.silent = false
		m.save(d, "device.unenrolled", why)
		m.vacate(d.invitation)
	}
}

func (m *reference) remove(d *phone) string {
	switch {
	case d.deleted:
		return "not_found"
	case d.state == "unenrolled":
		return "illegal_transition"
	case d.enter("leaving", "by_admin", m.now):
		d.silent = false
		m.save(d, "device.leaving", "by_admin")
	}
	return ""
}

func (m *reference) delete(d *phone) string {
	if !d.deleted {
		m.bury(d, "deleted")
	}
	return ""
}

// bury leaves a tombstone.
func (m *reference) bury(d *phone, why string) {
	live := d.live()
	d.trace = d.identity()
	d.deleted, d.gone, d.silent = true, m.now, false
	d.hardware, d.conflict, d.ref = "", "", ""
	d.state = "unenrolled"
	m.note(d.id, "device.deleted", why)
	if live {
		m.vacate(d.invitation)
	}
	m.inherit(d.id)
}

// inherit gives an identity to the oldest of those in conflict with its holder.
func (m *reference) inherit(holder string) {
	heirs := slices.DeleteFunc(inOrder(m.devices), func(d *phone) bool { return d.deleted || d.conflict != holder })
	slices.SortFunc(heirs, func(a, b *phone) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	for _, heir := range heirs {
		heir.conflict = ""
		if other := m.holder(heir.hardware, heir.id); other != nil {
			heir.conflict = other.id
			m.save(heir, "device.conflict", "")
		} else {
			m.save(heir, "device.released", "inherited")
		}
	}
}

func (m *reference) release(d *phone) string {
	if d.deleted {
		return "not_found"
	}
	if holder := m.devices[d.conflict]; holder != nil {
		d = holder
	}
	if d.identity() != "" {
		d.hardware = ""
		m.save(d, "device.released", "gave_up")
	}
	m.inherit(d.id)
	return ""
}

// renew returns the code, and whether the mail is without codes.
func (m *reference) renew(d *phone) (string, bool) {
	if d.deleted {
		return "not_found", false
	}
	o := m.activeOf(d.user)
	m.save(d, "device.renewed", "")
	m.post(letter{kind: "renewal", about: d.id})
	return "", o == nil || o.forAdmins(m.now) != ""
}

// sweep notices what time has brought, and returns how much.
func (m *reference) sweep() (n int) {
	for _, d := range inOrder(m.devices) {
		if d.state != "unresponsive" && m.shown(d) == "unresponsive" {
			d.enter("unresponsive", "silent", m.now)
			d.silent = true
			m.save(d, "device.unresponsive", "silent")
			n++
		}
	}
	for _, d := range inOrder(m.devices) {
		if d.state == "leaving" && d.since.Before(m.now.Add(-leaveWithin)) {
			m.leave(d, "timeout")
			n++
		}
	}
	for _, o := range inOrder(m.invitations) {
		if o.active() && o.over(m.now) {
			m.end(o, "expired")
			n++
		}
	}
	return n
}
