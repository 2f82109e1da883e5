package model

import (
	"slices"
	"time"
)

// invitee is what an invitation is asked for with.
type invitee struct {
	user, email, name string
	ifActive          string
	send              bool
	expires           time.Time
	max               int
	ownership         string
}

func (o *offer) active() bool { return o.state != "deactivated" }

func (o *offer) over(now time.Time) bool { return !o.expires.IsZero() && !now.Before(o.expires) }

// usable is the code of why nothing enrolls by it; "" if something does.
func (o *offer) usable(now time.Time, known bool) string {
	switch {
	case o.reason == "by_admin" || o.reason == "superseded" || o.reason == "user_erased":
		return "invitation_deactivated"
	case o.reason == "expired" || o.over(now):
		return "invitation_expired"
	case !known && (o.reason == "exhausted" || o.max > 0 && o.enrolled >= o.max):
		return "invitation_exhausted"
	}
	return ""
}

// forAdmins is usable without the limit on devices.
func (o *offer) forAdmins(now time.Time) string { return o.usable(now, o.active()) }

func (o *offer) triesLeft(now time.Time) int {
	if o.forAdmins(now) != "" {
		return 0
	}
	return max(0, pinBudget-o.tries)
}

// activeOf returns the active invitation of a user, or nil.
func (m *reference) activeOf(user string) *offer {
	for _, o := range m.invitations {
		if o.user == user && o.active() {
			return o
		}
	}
	return nil
}

// invite returns the code, the invitation that stands for the answer, and which
// it replaced. A new one has no id yet: the caller calls settle with it.
func (m *reference) invite(r invitee) (code string, o *offer, replaced string) {
	m.users[r.user] = r.email
	old := m.activeOf(r.user)
	if old != nil && old.over(m.now) {
		m.end(old, "expired")
		old = nil
	}
	switch {
	case old != nil && r.ifActive == "refuse":
		return "invitation_active", old, ""
	case old != nil && r.ifActive == "keep":
		if r.send {
			m.mail(old)
		}
		return "", old, ""
	case old != nil:
		m.end(old, "superseded")
		replaced = old.id
	}
	return "", &offer{
		user: r.user, email: r.email, name: r.name, state: "created", expires: r.expires, max: r.max,
		ownership: r.ownership, created: m.now, pin: 1, seen: map[string]int{},
	}, replaced
}

// settle stores a new invitation under the id that the Service gave it.
func (m *reference) settle(o *offer, id string, replaced, send bool) {
	o.id = id
	m.invitations[id] = o
	reason := ""
	if replaced {
		reason = "replaces"
	}
	m.note(id, "invitation.created", reason)
	if send {
		m.mail(o)
	}
}

func (m *reference) end(o *offer, why string) {
	if o.reason != "" && (o.reason != "exhausted" || why == "exhausted") {
		return
	}
	o.state, o.reason, o.ended = "deactivated", why, m.now
	m.note(o.id, "invitation.deactivated", why)
}

// mail sends an invitation, and returns the code.
func (m *reference) mail(o *offer) string {
	switch {
	case o.over(m.now):
		return "invitation_expired"
	case !o.active():
		return "illegal_transition"
	case o.state == "created":
		o.state = "sent"
	}
	o.sent, o.delivery = m.now, "queued"
	m.note(o.id, "invitation.sent", "")
	m.post(letter{kind: "invitation", about: o.id})
	return ""
}

func (m *reference) editEmail(o *offer, email string) string {
	code := o.forAdmins(m.now)
	if code == "" && o.email != email {
		o.email = email
		m.note(o.id, "invitation.email_changed", "")
	}
	return code
}

func (m *reference) newPIN(o *offer) string {
	code := o.forAdmins(m.now)
	if code == "" {
		o.pin++
		o.tries, o.alerted, o.burnt = 0, false, false
		m.note(o.id, "invitation.pin_replaced", "")
	}
	return code
}

func (m *reference) reveal(o *offer) string {
	code := o.forAdmins(m.now)
	if code == "" {
		m.note(o.id, "invitation.credentials_revealed", "")
	}
	return code
}

// fetch is what a mail scanner does too: nothing but a sighting.
func (m *reference) fetch(o *offer) string {
	if o.forgotten {
		return "invitation_unknown"
	}
	o.seen["fetched"]++
	return ""
}

func (m *reference) accept(o *offer, ownership string) string {
	if o.forgotten {
		return "invitation_unknown"
	}
	if code := o.usable(m.now, false); code != "" {
		return code
	}
	if o.ownership != "" {
		ownership = o.ownership
	}
	switch {
	case o.state != "opened":
		o.state = "opened"
		m.note(o.id, "invitation.opened", "accepted")
	case o.chosen != ownership:
		m.note(o.id, "invitation.accepted", "")
	}
	o.chosen = ownership
	o.seen["accepted"]++
	return ""
}

// erase forgets a person.
func (m *reference) erase(user string) string {
	email, known := m.users[user]
	if !known {
		return "not_found"
	}
	changed := email != ""
	m.users[user] = ""
	for _, o := range inOrder(m.invitations) {
		if o.user != user {
			continue
		}
		texts := o.email + o.name
		o.email, o.name, o.forgotten, o.tries = "", "", true, 0
		clear(o.seen)
		if o.active() || o.reason == "exhausted" {
			m.end(o, "user_erased")
			changed = true
		}
		changed = changed || texts != ""
	}
	if m.logins[user] != nil {
		delete(m.logins, user)
		changed = true
	}
	for _, d := range inOrder(m.devices) {
		if d.user == user && !d.deleted {
			m.bury(d, "user_erased")
			changed = true
		}
	}
	if changed {
		m.note("user/"+user, "user.erased", "")
	}
	return ""
}

// candidates are the invitations that a PIN may belong to.
func (m *reference) candidates(email string) []*offer {
	var list []*offer
	for _, o := range m.invitations {
		if o.email == email && (o.active() || o.ended.After(m.now.Add(-kept))) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *offer) int {
		if over := a.forAdmins(m.now) != ""; over != (b.forAdmins(m.now) != "") {
			if over {
				return 1
			}
			return -1
		}
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return list[:min(len(list), 8)]
}
