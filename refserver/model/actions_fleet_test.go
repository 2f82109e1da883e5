package model

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// adopted is the result of a row, with its error in a form that compares.
type adopted struct{ Device, Outcome, Conflict, Code string }

// adopt imports one device of the fleet, maybe for the second time.
func (w *world) adopt() {
	ref, hardware := w.refDrawn(), of(w, "hardware", []string{"", "SN-1", "SN-2", "SN-3"})
	user, state := of(w, "user", staff), of(w, "state", []string{"active", "active", "pending", "impaired", "unresponsive", "unenrolled"})
	contact := w.m.now.Add(-of(w, "silent for", []time.Duration{0, 0, time.Hour, 30 * time.Hour}))
	w.say("adopt %s of %s, %s, hardware %q, last heard of at %s", ref, user, state, hardware, contact.Format("02 15:04:05"))
	result, code := everywhere(w, func(svc *enrollment.Service) (adopted, error) {
		c := claim(hardware)
		results, err := svc.Adopt(w.ctx, admin, []enrollment.Adoption{{
			Ref: device.Ref{Source: fleet, ID: ref}, User: user, Platform: c.Platform, State: device.State(state),
			Hardware: c.Hardware, Name: c.Name, Manufacturer: c.Manufacturer, LastContact: contact,
		}})
		if err != nil {
			return adopted{}, err
		}
		r := results[0]
		return adopted{r.Device, string(r.Outcome), r.Conflict, enrollment.Code(r.Err)}, nil
	})
	w.expect("the answer", code, "")
	want := w.m.adopt(user, ref, hardware, state, contact)
	id := ""
	if want.fresh {
		w.arrived(result.Device)
	}
	if want.device != nil {
		id = want.device.id
	}
	w.expect("the result", result, adopted{id, want.outcome, want.conflict, want.code})
}

func (w *world) refDrawn() string { return fmt.Sprint("ref", rapid.IntRange(1, 4).Draw(w.T, "ref")) }

// observe is what the fleet's own channel tells, late or not.
func (w *world) observe() {
	ref := w.refDrawn()
	at := w.m.now.Add(-of(w, "late by", []time.Duration{0, 0, 10 * time.Minute, 26 * time.Hour}))
	left := rapid.IntRange(0, 5).Draw(w.T, "left") == 5
	facts, o := map[string]bool{}, device.Observation{Site: acme, Ref: device.Ref{Source: fleet, ID: ref}, At: at, Left: left, Facts: map[device.Fact]bool{}}
	for _, fact := range allFacts {
		if n := rapid.IntRange(0, 5).Draw(w.T, fact); n > 1 {
			facts[fact], o.Facts[device.Fact(fact)] = n > 2, n > 2
		}
	}
	w.say("the fleet saw %s at %s: %v, left %t", ref, at.Format("02 15:04:05"), facts, left)
	status, code := everywhere(w, func(svc *enrollment.Service) (enrollment.Status, error) { return svc.Observe(w.ctx, o) })
	d, want := w.m.observe(ref, facts, at, left)
	w.expect("the answer", code, want)
	if code == "" {
		w.expect("the state", string(status.State), d.state)
	}
}
