package model

import (
	"fmt"
	"net/netip"

	"pgregory.net/rapid"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// admitted is what an enrollment answers, with the token in the clear.
type admitted struct {
	Enrolled enrollment.Enrolled
	Token    string
}

// enroll presents a credential on every system, and compares with the model.
func (w *world) enroll(c enrollment.Presented, source, id, hardware string, predict func() arrival) {
	answer, code := everywhere(w, func(svc *enrollment.Service) (admitted, error) {
		e, err := svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: id, Credential: c, Device: claim(hardware), Source: netip.MustParseAddr(source),
		})
		return admitted{e, e.Token.Reveal()}, err
	})
	want := predict()
	w.expect("the answer", code, want.code)
	if code != "" {
		return
	}
	e := answer.Enrolled
	if want.fresh {
		w.arrived(e.Device.ID)
	}
	w.expect("the device", e.Device.ID, want.device.id)
	w.expect("replayed", e.Replayed, want.replayed)
	w.expect("the next number", e.Seq, int64(want.device.seq+1))
	w.expect("reenrolled", e.Reenrolled, !want.replayed && !want.fresh)
	if !want.replayed {
		w.handed = append(w.handed, handed{answer.Token, e.Device.ID, want.device.generation})
		return
	}
	last := w.handed[len(w.handed)-1]
	for _, h := range w.handed {
		if h.device == e.Device.ID {
			last = h
		}
	}
	w.expect("the token that is given again", answer.Token, last.text)
}

// arrived notes the id of a new device.
func (w *world) arrived(id string) {
	w.names[id] = fmt.Sprint("dev", len(w.phones)+1)
	w.phones = append(w.phones, id)
	w.m.settleDevice(id)
}

// phoneDrawn draws an enrollment id and a hardware id: few, so that they meet.
func (w *world) phoneDrawn() (id, hardware string) {
	return fmt.Sprint("e", rapid.IntRange(1, 6).Draw(w.T, "enrollment")), of(w, "hardware", []string{"", "SN-1", "SN-2", "SN-3"})
}

var sources = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}

func (w *world) enrollByLink() {
	o := w.offer()
	id, hardware := w.phoneDrawn()
	w.say("enroll by the link of %s: %s, hardware %q", o.id, id, hardware)
	w.enroll(enrollment.Presented{Token: credentials.SecretString(w.tokens[o.id])}, sources[0], id, hardware, func() arrival {
		if o.forgotten {
			return arrival{code: "invitation_unknown"}
		}
		return w.m.enroll(o, o.user, nil, id, hardware)
	})
}

func (w *world) enrollByPIN() {
	o := w.offer()
	email := o.email
	if email == "" || rapid.IntRange(0, 4).Draw(w.T, "other address") == 0 {
		email = of(w, "address", []string{addressOf("bob"), "nobody@else.example"})
	}
	pin := "00000000"
	if pins := w.pins[o.id]; len(pins) > 0 && rapid.IntRange(0, 2).Draw(w.T, "right") > 0 {
		pin = late(w, "PIN", pins)
	}
	id, hardware := w.phoneDrawn()
	source := of(w, "source", sources)
	w.say("enroll by the PIN %s with %s from %s: %s, hardware %q", pin, email, source, id, hardware)
	w.enroll(enrollment.Presented{Email: email, PIN: credentials.SecretString(pin)}, source, id, hardware, func() arrival {
		return w.m.enrollByPIN(email, func(o *offer) bool {
			pins := w.pins[o.id]
			return len(pins) == o.pin && pins[o.pin-1] == pin
		}, id, hardware, source)
	})
}

// presented draws a login that was mailed, and whether its password is typed
// right.
func (w *world) presented() (mailed, string, bool) {
	l := late(w, "login", w.mailed)
	if rapid.IntRange(0, 3).Draw(w.T, "right") > 0 {
		return l, l.password, true
	}
	return l, "0000-0000-0000-0000", false
}

func (w *world) enrollByLogin() {
	l, password, right := w.presented()
	id, hardware := w.phoneDrawn()
	w.say("enroll by the login %d of %s, right %t: %s, hardware %q", l.number, l.user, right, id, hardware)
	w.enroll(enrollment.Presented{Username: l.username, Password: credentials.SecretString(password)}, sources[0], id, hardware, func() arrival {
		return w.m.enrollByLogin(l.user, l.number, right, id, hardware)
	})
}

func (w *world) checkLogin() {
	l, password, right := w.presented()
	w.say("check the login %d of %s, right %t", l.number, l.user, right)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error {
		_, err := svc.CheckLogin(w.ctx, "windows/policy", enrollment.Login{Username: l.username, Password: credentials.SecretString(password)})
		return err
	}))
	w.expect("the answer", code, w.m.checkLogin(l.user, l.number, right))
}

// report says something of a device: new, repeated or late.
func (w *world) report() {
	facts := map[string]bool{}
	for _, fact := range []string{"agent_installed", "work_profile", "permissions"} {
		switch rapid.IntRange(0, 3).Draw(w.T, fact) {
		case 0:
			facts[fact] = false
		case 1, 2:
			facts[fact] = true
		}
	}
	w.reportOf(facts, of(w, "inventory", []string{"", `{"model":"P1"}`, `{"model":"P2"}`}))
}

// reportAll is what brings a device to be active.
func (w *world) reportAll() {
	w.reportOf(map[string]bool{"agent_installed": true, "work_profile": true, "permissions": true}, `{"model":"P1"}`)
}

func (w *world) reportOf(facts map[string]bool, inventory string) {
	h := late(w, "token", w.handed)
	d := w.m.holding(h)
	seq := max(0, w.m.devices[h.device].seq+rapid.IntRange(-1, 2).Draw(w.T, "number"))
	w.say("report %d of %s (generation %d): %v %s", seq, h.device, h.generation, facts, inventory)
	report := enrollment.Report{Seq: int64(seq), Facts: map[device.Fact]bool{}, Inventory: []byte(inventory)}
	for fact, value := range facts {
		report.Facts[device.Fact(fact)] = value
	}
	status, code := everywhere(w, func(svc *enrollment.Service) (enrollment.Status, error) {
		return svc.Report(w.ctx, credentials.SecretString(h.text), report)
	})
	w.expect("the answer", code, w.m.report(d, seq, facts, inventory))
	if code == "" {
		w.expect("the state", string(status.State), d.state)
		w.expect("the next number", status.Seq, int64(d.seq+1))
	}
}

func (w *world) checkIn() {
	h := late(w, "token", w.handed)
	seq := max(0, w.m.devices[h.device].seq+rapid.IntRange(-1, 2).Draw(w.T, "number"))
	w.say("check-in %d of %s (generation %d)", seq, h.device, h.generation)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error {
		return svc.CheckIn(w.ctx, credentials.SecretString(h.text), int64(seq))
	}))
	w.expect("the answer", code, w.m.checkIn(w.m.holding(h), seq))
}

func (w *world) leave() {
	h := late(w, "token", w.handed)
	w.say("%s leaves (generation %d)", h.device, h.generation)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error {
		return svc.Unenroll(w.ctx, credentials.SecretString(h.text))
	}))
	w.expect("the answer", code, w.m.unenroll(w.m.holding(h)))
}

func (w *world) renew() {
	d := w.phone()
	w.say("renew %s", d.id)
	result, code := everywhere(w, func(svc *enrollment.Service) (enrollment.RenewResult, error) {
		return svc.Renew(w.ctx, admin, d.id)
	})
	want, without := w.m.renew(d)
	w.expect("the answer", code, want)
	w.expect("without codes", result.WithoutCodes, without)
}

func (w *world) remove() {
	d := w.phone()
	w.say("tell %s to go", d.id)
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.DeviceDetail, error) {
		return svc.Remove(w.ctx, admin, d.id)
	})
	w.expect("the answer", code, w.m.remove(d))
}

func (w *world) delete() {
	d := w.phone()
	w.say("delete %s", d.id)
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error { return svc.Delete(w.ctx, admin, d.id) }))
	w.expect("the answer", code, w.m.delete(d))
}

func (w *world) release() {
	d := w.phone()
	w.say("release %s", d.id)
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.DeviceDetail, error) {
		return svc.Release(w.ctx, admin, d.id)
	})
	w.expect("the answer", code, w.m.release(d))
}
