package model

import (
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
)

func (m *reference) generate() {
	m.door.generation++
	m.door.status = "active"
	m.door.wrong, m.door.locks, m.door.excess, m.door.tries = counter{}, counter{}, counter{}, 0
	m.door.alerted = time.Time{}
	m.note("passcode", "passcode.generated", "")
}

func (m *reference) disable() {
	if m.door.generation == 0 || m.door.status == "disabled" {
		return
	}
	m.door.status, m.door.disabled = "disabled", m.now
	m.note("passcode", "passcode.disabled", "")
}

// failed is how many wrong tries are shown.
func (m *reference) failed() int {
	tries := m.door.wrong.in(passcodeWindow, m.now).n
	if m.door.status == "locked" {
		tries = m.door.tries
	}
	return tries + m.door.excess.in(passcodeWindow, m.now).n
}

// knock asks for a login with a passcode. Nothing is answered.
func (m *reference) knock(user, email string, right bool, source string) {
	d := &m.door
	if user == "" || d.status != "active" {
		return
	}
	share, slow := m.caps.of(source), m.slow.of(source)
	locks := d.locks.room(lockAt, passcodeWindow, m.now)
	counted := locks && share.room(sourceCap, passcodeWindow, m.now)
	slowly := !counted && locks && slow.room(1, slowPace, m.now)
	switch {
	case !counted && !slowly:
	case right:
		// What was spent is given back, which leaves nothing but the beginning
		// of a window that is empty.
		if box := m.mailboxes.of(email); box.room(mailboxCap, mailboxWindow, m.now) {
			box.spend(mailboxWindow, m.now)
			m.newLogin(user, email)
		}
	case slowly:
		slow.spend(slowPace, m.now)
		d.excess.spend(passcodeWindow, m.now)
	default:
		d.locks.spend(passcodeWindow, m.now)
		share.spend(passcodeWindow, m.now)
		d.wrong.spend(passcodeWindow, m.now)
		m.missed(d.wrong.n)
	}
}

// missed raises what so many wrong passcodes have reached.
func (m *reference) missed(tries int) {
	d := &m.door
	switch {
	case tries >= lockAt:
		d.status, d.tries = "locked", tries
		m.note("passcode", "passcode.locked", "")
		m.post(letter{kind: "alert", event: "passcode.locked"})
	case tries >= alertAt && !m.now.Before(d.alerted.Add(passcodeWindow)):
		d.alerted = m.now
		m.note("passcode", "passcode.alert", "")
		m.post(letter{kind: "alert", event: "passcode.alert"})
	}
}

func (m *reference) newLogin(user, email string) {
	m.made++
	m.users[user] = email
	m.logins[user] = &login{number: m.made, created: m.now, expires: m.now.Add(loginTTL), refused: map[string]time.Time{}}
	m.note("login/"+user, "login.mailed", "")
	m.post(letter{kind: "login", about: user})
}

// admits says whether self-service lets a login in.
func (m *reference) admits(l *login) bool {
	return (m.door.status == "active" || m.door.status == "locked") && l.created.After(m.door.disabled)
}

// prove checks a login; number says which was presented, of all that were made.
func (m *reference) prove(user string, number int, right bool) (*login, bool) {
	l := m.logins[user]
	if l == nil || l.number != number || l.forgotten || l.tries >= loginBudget {
		return nil, false
	}
	if !right {
		l.tries++
	}
	return l, right
}

// rekey moves everything to another key, but for what is good for nothing, not
// even for asking again: a login that ended long ago is forgotten.
func (m *reference) rekey() {
	for _, l := range m.logins {
		if !m.now.Before(l.expires.Add(time.Hour + kept)) {
			l.forgotten = true
		}
	}
}

func (m *reference) opens(l *login) string {
	if m.closed(l) != "" {
		return "credential_refused"
	}
	return ""
}

// closed is why a login opens nothing any more, which the journal alone says.
func (m *reference) closed(l *login) string {
	switch {
	case l.used:
		return "login_used"
	case !m.admits(l):
		return "self_service_off"
	case !m.now.Before(l.expires) && !m.now.Before(l.reserved):
		return "login_expired"
	}
	return ""
}

func (m *reference) checkLogin(user string, number int, right bool) string {
	l, ok := m.prove(user, number, right)
	if !ok {
		return "credential_refused"
	}
	if why := m.closed(l); why != "" {
		// To who proved it; the same is noted once in a while.
		if at, noted := l.refused[why]; !noted || !m.now.Before(at.Add(2*enrollment.MaxGrantLife)) {
			m.note("login/"+user, "enrollment.refused", why)
			l.refused[why] = m.now
		}
		return "credential_refused"
	}
	if l.reserved = m.now.Add(reservation); l.reserved.After(l.expires.Add(reservation)) {
		l.reserved = l.expires.Add(reservation)
	}
	return ""
}

func (m *reference) enrollByLogin(user string, number int, right bool, id, hardware string) arrival {
	l, ok := m.prove(user, number, right)
	if !ok {
		return arrival{code: "credential_refused"}
	}
	return m.enroll(nil, user, func() string {
		code := m.opens(l)
		if code == "" {
			l.used = true
			m.note("login/"+user, "login.used", "")
		}
		return code
	}, id, hardware)
}

// deliver empties the outbox and returns the mails, in no order.
func (m *reference) deliver() []string {
	var mails []string
	for _, l := range m.outbox {
		if text := m.render(l); text != "" {
			mails = append(mails, text)
		}
	}
	m.outbox = nil
	slices.Sort(mails)
	return mails
}

// render returns a mail as it is by now; "" if it is no longer true.
func (m *reference) render(l letter) string {
	o, d := m.invitations[l.about], m.devices[l.about]
	switch l.kind {
	case "invitation":
		if o.forAdmins(m.now) != "" || l.created.Before(o.sent) {
			return ""
		}
		if o.delivery != "accepted" {
			o.delivery = "accepted"
			m.note(o.id, "invitation.delivery", "accepted")
		}
		return fmt.Sprintf("invitation to %s, with PIN %t", o.email, o.triesLeft(m.now) > 0)
	case "renewal":
		if d.deleted {
			return ""
		}
		to, codes, pin := m.users[d.user], false, false
		if o := m.activeOf(d.user); o != nil && o.forAdmins(m.now) == "" {
			to, codes, pin = o.email, true, o.triesLeft(m.now) > 0
		}
		return fmt.Sprintf("renewal to %s, %s, with link %t, with PIN %t", to, m.shown(d), codes, pin)
	case "login":
		now := m.logins[l.about]
		if now == nil || !m.admits(now) || l.created.Before(now.created) || now.used || !m.now.Before(now.expires) {
			return ""
		}
		return "login to " + m.users[l.about]
	}
	return "alert " + l.event
}
