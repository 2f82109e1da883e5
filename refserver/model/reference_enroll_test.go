package model

// known returns the user's device of this hardware, or who else holds it.
func (m *reference) known(user, hardware string) (mine *phone, holder string) {
	d := m.holder(hardware, "")
	switch {
	case d == nil:
		return nil, ""
	case d.user == user:
		return d, ""
	}
	for _, rival := range inOrder(m.devices) {
		if !rival.deleted && rival.user == user && rival.conflict == d.id && rival.hardware == hardware {
			return rival, d.id
		}
	}
	return nil, d.id
}

// holder returns the device that has an identity to itself, other than one.
func (m *reference) holder(identity, other string) *phone {
	for _, d := range m.devices {
		if identity != "" && !d.deleted && d.identity() == identity && d.id != other {
			return d
		}
	}
	return nil
}

// predecessor returns the latest deleted device of a hardware, or nil.
func (m *reference) predecessor(hardware string) (latest *phone) {
	for _, d := range inOrder(m.devices) {
		if hardware != "" && d.deleted && d.trace == hardware && (latest == nil || !d.gone.Before(latest.gone)) {
			latest = d
		}
	}
	return latest
}

// arrival is how an enrollment ended. For a new device, settleDevice gives it
// the id that the Service made.
type arrival struct {
	code     string
	device   *phone
	replayed bool
	fresh    bool
}

// enroll admits a device by an invitation, or by a login, for which o is nil and
// opens says whether it still does.
func (m *reference) enroll(o *offer, user string, opens func() string, id, hardware string) arrival {
	key := user + "/" + id
	if old := m.answers[key]; old != nil && m.now.Before(old.until) {
		d := m.devices[old.device]
		switch {
		case old.hardware != hardware:
			return arrival{code: "idempotency_key_reused"}
		case d.deleted:
			return arrival{code: "device_gone"}
		case d.generation != old.generation:
			return arrival{code: "conflict"}
		}
		return arrival{device: d, replayed: true}
	}
	d, holder := m.known(user, hardware)
	var gone *phone
	if d == nil {
		gone = m.predecessor(hardware)
	}
	same := o != nil && (d != nil && d.invitation == o.id || gone != nil && gone.invitation == o.id)
	code := ""
	if o == nil {
		code = opens()
	} else if code = o.usable(m.now, same); code == "" && !o.active() && m.latestOf(user) != o {
		code = "invitation_deactivated"
	}
	if code != "" {
		return arrival{code: code}
	}
	events := []string{"device.reenrolled"}
	wasLive, before := d != nil && d.live(), ""
	fresh := d == nil
	if fresh {
		d = &phone{user: user, created: m.now, conflict: holder, hardware: hardware}
		if events[0] = "device.enrolled"; holder != "" {
			events = append(events, "device.conflict")
		}
	} else {
		before = d.invitation
	}
	d.state, d.reason, d.since, d.everActive = "pending", "", m.now, false
	d.generation++
	d.facts, d.inventory, d.enrolled = nil, "", m.now
	d.contact, d.listed, d.seq, d.silent = m.now, m.now, 0, false
	d.invitation = ""
	if o != nil {
		d.invitation = o.id
	}
	finish := func() {
		for _, e := range events {
			m.note(d.id, e, "")
		}
		if len(events) > 1 {
			m.post(letter{kind: "alert", about: d.id, event: "device.conflict"})
		}
		m.place(o, d, wasLive, before, same)
		m.answers[key] = &answer{d.id, hardware, d.generation, m.now.Add(kept)}
	}
	if fresh {
		m.settleDevice = func(id string) {
			d.id = id
			m.devices[id] = d
			finish()
		}
	} else {
		finish()
	}
	return arrival{device: d, fresh: fresh}
}

// latestOf returns the newest invitation of a user.
func (m *reference) latestOf(user string) (latest *offer) {
	for _, o := range inOrder(m.invitations) { // ids grow with time
		if o.user == user {
			latest = o
		}
	}
	return latest
}

// place counts a device on its invitation, and off the one that it leaves.
func (m *reference) place(o *offer, d *phone, wasLive bool, before string, same bool) {
	if wasLive && before != d.invitation {
		m.vacate(before)
	}
	if o == nil {
		return
	}
	if o.active() && o.state != "opened" {
		o.state = "opened"
		m.note(o.id, "invitation.opened", "enrolled")
	}
	if !same {
		o.enrolled++
	}
	if !wasLive || before != o.id {
		o.live++
	}
	if o.max > 0 && o.enrolled >= o.max {
		m.end(o, "exhausted")
	}
	o.seen["first_contact"]++
}

func (m *reference) vacate(invitation string) {
	if o := m.invitations[invitation]; o != nil {
		o.live = max(0, o.live-1)
	}
}

// enrollByPIN is a guess.
func (m *reference) enrollByPIN(email string, right func(*offer) bool, id, hardware, source string) arrival {
	pace, from := m.pinPaces.of(email), m.sources.of(source)
	if !from.room(sourcePace, paceWindow, m.now) || !pace.room(pinPace, paceWindow, m.now) {
		return arrival{code: "paced"}
	}
	pace.spend(paceWindow, m.now)
	var winner *offer
	var missed []*offer
	for _, o := range m.candidates(email) {
		switch {
		case o.tries >= pinBudget:
		case right(o) && winner == nil:
			winner = o
		case !right(o):
			o.tries++
			missed = append(missed, o)
		}
	}
	for _, o := range missed {
		m.tell(o)
	}
	if winner == nil {
		from.spend(paceWindow, m.now)
		return arrival{code: "credential_refused"}
	}
	pace.refund()
	out := m.enroll(winner, winner.user, nil, id, hardware)
	switch out.code {
	case "invitation_deactivated", "invitation_expired", "invitation_exhausted":
		out.code = "credential_refused"
	}
	return out
}

// tell raises what so many wrong tries have reached.
func (m *reference) tell(o *offer) {
	event, told := "invitation.pin_alert", &o.alerted
	if o.tries >= pinBudget {
		event, told = "invitation.pin_burnt", &o.burnt
	}
	if o.forAdmins(m.now) != "" || o.tries < pinAlert || *told {
		return
	}
	*told = true
	m.note(o.id, event, "")
	m.post(letter{kind: "alert", about: o.id, event: event})
}
