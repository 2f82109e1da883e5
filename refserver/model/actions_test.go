package model

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// actions are the steps of a story; those that lead somewhere come more often
// than those that end something. What a step needs and is not there yet skips it.
func (w *world) actions() map[string]func(*rapid.T) {
	table := map[string]func(*rapid.T){"": func(t *rapid.T) { w.T = t; w.compare() }}
	for _, steps := range []struct {
		often int
		steps map[string]func()
	}{
		{4, map[string]func(){"enroll by link": w.enrollByLink, "enroll by PIN": w.enrollByPIN, "report all": w.reportAll}},
		{3, map[string]func(){"invite": w.invite, "knock": w.knock, "enroll by login": w.enrollByLogin, "sweep": w.sweep, "check in": w.checkIn, "deliver": w.deliver, "wait for it": w.waitFor}},
		{2, map[string]func(){"wait": w.wait, "check login": w.checkLogin, "report": w.report, "adopt": w.adopt, "observe": w.observe}},
		{1, map[string]func(){
			"resend": w.resend, "edit address": w.editAddress, "new PIN": w.newPIN, "deactivate": w.deactivate,
			"open": w.open, "accept": w.accept, "leave": w.leave, "renew": w.renew,
			"remove": w.remove, "delete": w.delete, "release": w.release, "generate passcode": w.generate,
			"disable passcode": w.seldom(w.disable), "guess passcode": w.seldom(w.guessPasscode), "erase": w.seldom(w.erase), "start anew": w.startAnew,
			"rotate keys": w.seldom(w.rotate), "stranger": w.seldom(w.stranger),
		}},
	} {
		for name, step := range steps.steps {
			for i := range steps.often {
				table[strings.Repeat(" ", i)+name] = func(t *rapid.T) { w.T = t; step() }
			}
		}
	}
	return table
}

// seldom skips a step three times of four.
func (w *world) seldom(step func()) func() {
	return func() {
		if rapid.IntRange(0, 3).Draw(w.T, "seldom") > 0 {
			w.Skip()
		}
		step()
	}
}

// of draws one of a list, and skips the step if it is empty.
func of[V any](w *world, label string, list []V) V {
	if len(list) == 0 {
		w.Skip()
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(w.T, label)]
}

// late draws one of a list, mostly of its last few.
func late[V any](w *world, label string, list []V) V {
	if len(list) == 0 {
		w.Skip()
	}
	back := rapid.IntRange(0, min(len(list)-1, 3)).Draw(w.T, label)
	return list[len(list)-1-back]
}

func (w *world) offer() *offer { return w.m.invitations[late(w, "invitation", w.offers)] }
func (w *world) phone() *phone { return w.m.devices[late(w, "device", w.phones)] }

// revealed is what an administrator sees.
type revealed struct {
	Result   enrollment.InviteResult
	URL, PIN string
	Left     int
}

func (w *world) invite() {
	r := invitee{
		user:     of(w, "user", append(slices.Clone(staff), "guest@else.example")),
		ifActive: of(w, "if active", []string{"replace", "keep", "refuse"}), send: rapid.Bool().Draw(w.T, "send"),
		max: of(w, "max", []int{0, 0, 1, 2}), ownership: of(w, "ownership", []string{"", "", "company"}),
	}
	ttl := of(w, "expires after", []time.Duration{0, 0, 2 * time.Hour, 48 * time.Hour})
	if ttl > 0 {
		r.expires = w.m.now.Add(ttl)
	}
	request := enrollment.InviteRequest{
		User: r.user, Send: r.send, IfActive: enrollment.IfActive(r.ifActive),
		ExpiresAt: r.expires, MaxDevices: r.max, Ownership: device.Ownership(r.ownership),
	}
	r.email, r.name = addressOf(r.user), "someone"
	w.say("invite %s: %s, send %t, at most %d devices, for %s (0: for good)", r.user, r.ifActive, r.send, r.max, ttl)
	if r.user == "guest@else.example" {
		request.User, request.Email, r.email, r.name = "", r.user, r.user, ""
		r.user = w.guest(r.email)
	}
	result, code := everywhere(w, func(svc *enrollment.Service) (enrollment.InviteResult, error) {
		return svc.Invite(w.ctx, admin, request)
	})
	if r.user == "" {
		r.user = result.User
		w.names[r.user] = "guest"
	}
	want, o, replaced := w.m.invite(r)
	w.expect("the answer", code, want)
	w.expect("the replaced one", result.Replaced, replaced)
	if o.id == "" {
		w.names[result.Invitation] = fmt.Sprint("inv", len(w.offers)+1)
		w.offers = append(w.offers, result.Invitation)
		w.m.settle(o, result.Invitation, replaced != "", r.send)
		w.reveal(o)
	}
	w.expect("the invitation", result.Invitation, o.id)
	if code == "" {
		w.expect("the user", result.User, o.user)
	}
}

// guest returns the id of a person outside the directory, "" while unknown. One
// that was erased is another person.
func (w *world) guest(email string) string {
	for id, address := range w.m.users {
		if address == email {
			return id
		}
	}
	return ""
}

// reveal learns an invitation's secrets, as an administrator does.
func (w *world) reveal(o *offer) {
	left := o.triesLeft(w.m.now)
	shown, code := everywhere(w, func(svc *enrollment.Service) (revealed, error) {
		r, err := svc.Reveal(w.ctx, admin, o.id)
		return revealed{URL: r.URL.Reveal(), PIN: r.PIN.Reveal(), Left: r.PINTriesLeft}, err
	})
	w.expect("the answer to reveal", code, w.m.reveal(o))
	if code != "" {
		return
	}
	w.expect("the tries left", shown.Left, left)
	token, err := credentials.ParseDeploymentURL(shown.URL)
	w.must(err)
	w.tokens[o.id] = token.Reveal()
	if left > 0 {
		w.pins[o.id] = append(w.pins[o.id], shown.PIN)
	}
}

func (w *world) resend() {
	o := w.offer()
	w.say("send %s", o.id)
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.InvitationDetail, error) {
		return svc.Send(w.ctx, admin, o.id)
	})
	if o.email == "" {
		w.expect("the answer", code, "no_address")
		return
	}
	w.expect("the answer", code, w.m.mail(o))
}

func (w *world) editAddress() {
	o := w.offer()
	email := of(w, "address", []string{addressOf("ann"), addressOf("bob"), "home@else.example"})
	w.say("edit the address of %s: %s", o.id, email)
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.InvitationDetail, error) {
		return svc.EditEmail(w.ctx, admin, o.id, email)
	})
	w.expect("the answer", code, w.m.editEmail(o, email))
}

func (w *world) newPIN() {
	o := w.offer()
	w.say("new PIN for %s", o.id)
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.InvitationDetail, error) {
		return svc.NewPIN(w.ctx, admin, o.id)
	})
	w.expect("the answer", code, w.m.newPIN(o))
	if code == "" {
		w.reveal(o)
	}
}

func (w *world) deactivate() {
	o := w.offer()
	w.say("deactivate %s", o.id)
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.InvitationDetail, error) {
		return svc.Deactivate(w.ctx, admin, o.id)
	})
	w.m.end(o, "by_admin")
	w.expect("the answer", code, "")
}

func (w *world) open() {
	o := w.offer()
	w.say("fetch the page of %s", o.id)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error { return svc.RecordFetch(w.ctx, w.tokens[o.id]) }))
	w.expect("the answer", code, w.m.fetch(o))
}

func (w *world) accept() {
	o := w.offer()
	ownership := of(w, "ownership", []string{"company", "personal"})
	w.say("accept %s: %s", o.id, ownership)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error {
		_, err := svc.Accept(w.ctx, w.tokens[o.id], enrollment.AcceptRequest{
			Ownership: device.Ownership(ownership), Platform: device.Android,
		})
		return err
	}))
	w.expect("the answer", code, w.m.accept(o, ownership))
}

func (w *world) wait() {
	d := of(w, "time", []time.Duration{time.Second, time.Minute, 6 * time.Minute, 20 * time.Minute, 90 * time.Minute, 25 * time.Hour, 8 * 24 * time.Hour})
	w.say("wait %s", d)
	w.m.now = w.m.now.Add(d)
}

// waitFor waits until something is just about to change by itself, or just has.
func (w *world) waitFor() {
	to := of(w, "deadline", w.m.deadlines()).Add(of(w, "by", []time.Duration{0, time.Second, -time.Second}))
	if to.Before(w.m.now) {
		w.Skip()
	}
	w.say("wait until %s", to.Format("02 15:04:05"))
	w.m.now = to
}

func (w *world) sweep() {
	w.say("sweep")
	n, code := everywhere(w, func(svc *enrollment.Service) (int, error) { return svc.Sweep(w.ctx) })
	w.expect("the answer", code, "")
	w.expect("what time has brought", n, w.m.sweep())
}

func (w *world) deliver() {
	w.say("deliver")
	want := w.m.deliver()
	var first []enrollment.Mail
	for i, s := range w.systems {
		texts, logins, err := s.deliver(w.ctx)
		w.must(err)
		if len(want)+len(texts) > 0 {
			w.expect("the mails of "+s.name, texts, want)
		}
		if i == 0 {
			first = logins
			continue
		}
		for k, m := range logins {
			w.expect("the login mailed by "+s.name, m.Login.Username+m.Login.Password.Reveal(), first[k].Login.Username+first[k].Login.Password.Reveal())
		}
	}
	for _, m := range first {
		for user, l := range w.m.logins {
			if m.To == addressOf(user) {
				w.mailed = append(w.mailed, mailed{user, m.Login.Username, m.Login.Password.Reveal(), l.number})
			}
		}
	}
}

func (w *world) startAnew() {
	w.say("every process ends and starts again")
	for _, s := range w.systems {
		w.must(s.start(true))
	}
}

// rotate changes nothing that anybody could see: no token, no PIN, no count.
func (w *world) rotate() {
	moved := rapid.Bool().Draw(w.T, "rekey")
	w.say("rotate the keys, and move what is stored: %t", moved)
	source := &stream{}
	source.step(-w.step)
	ring, err := w.ring.Rotate(source)
	w.must(err)
	w.ring = ring
	if moved {
		w.m.rekey()
	}
	for _, s := range w.systems {
		s.config.Keyring = ring
		w.must(s.svc.UseKeyring(w.ctx, ring))
		for p := (enrollment.RekeyProgress{}); moved && !p.Done; {
			p, err = s.svc.Rekey(w.ctx, p, 0)
			w.must(err)
		}
	}
}

func (w *world) erase() {
	user := of(w, "user", append(slices.Clone(staff), w.guest("guest@else.example")))
	w.say("erase %s", user)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error { return svc.EraseUser(w.ctx, admin, user) }))
	w.expect("the answer", code, w.m.erase(user))
}

// stranger is the administrator of another tenant, to whom nothing here exists.
func (w *world) stranger() {
	o := w.offer()
	w.say("a stranger is at %s", o.id)
	for name, verb := range map[string]func(*enrollment.Service) error{
		"send":       func(svc *enrollment.Service) error { _, err := svc.Send(w.ctx, stranger, o.id); return err },
		"deactivate": func(svc *enrollment.Service) error { _, err := svc.Deactivate(w.ctx, stranger, o.id); return err },
		"reveal":     func(svc *enrollment.Service) error { _, err := svc.Reveal(w.ctx, stranger, o.id); return err },
		"erase":      func(svc *enrollment.Service) error { return svc.EraseUser(w.ctx, stranger, o.user) },
		"delete": func(svc *enrollment.Service) error {
			if len(w.phones) == 0 {
				return enrollment.ErrNotFound
			}
			return svc.Delete(w.ctx, stranger, w.phones[0])
		},
	} {
		_, code := everywhere(w, nothing(verb))
		w.expect("the answer to "+name, code, "not_found")
	}
}
