package fault

import (
	"fmt"
	"maps"
	"slices"
)

// compare says where the database differs from what the hands were told. What
// had no answer is resolved first, so the rest has to match exactly.
func compare(h *history, offices []*office, hands []*hand, s *snapshot) {
	lost := func(hand int, format string, args ...any) {
		h.fault("hand %d: %s", hand, fmt.Sprintf(format, args...))
	}
	for _, hand := range hands {
		hand.resolve(s)
		if hand.broken {
			continue
		}
		for _, p := range hand.people {
			if got, want := s.users[p.user], [2]string{p.email, p.name}; got != want && !hand.office.told {
				lost(hand.n, "user %s is %v, was acknowledged as %v", p.user, got, want)
			}
			if n := len(s.invsOf[p.user]); n != p.count {
				lost(hand.n, "user %s has %d invitations, should have %d", p.user, n, p.count)
			}
		}
		devicesOf := map[string]int{}
		for _, d := range s.devices {
			devicesOf[d.user]++
		}
		for _, i := range hand.invs {
			got := s.invs[i.id]
			want := got
			want.site, want.user, want.email, want.state, want.reason = hand.office.id, i.person.user, i.email, i.state, i.reason
			want.generation, want.enrolled, want.accepted = i.generation, i.enrolled, i.accepted
			if got != want {
				lost(hand.n, "invitation %s is %+v, was acknowledged as %+v", i.id, got, want)
			}
			for kind, n := range map[string]int{
				"invitation.sent": i.sends, "invitation.credentials_revealed": i.reveals, "invitation.pin_replaced": i.generation - 1,
			} {
				if s.events[i.id][kind] != n {
					lost(hand.n, "invitation %s has %d %s, should have %d", i.id, s.events[i.id][kind], kind, n)
				}
			}
			if n := s.triesOf(hand.office.id, i.id, i.generation); i.active() && n != i.tries {
				lost(hand.n, "PIN of %s has %d tries, should have %d", i.id, n, i.tries)
			}
			// Wrong tries are told of after they were counted, in a unit of its own.
			if !h.lossy && (i.refused >= pinAlert && s.events[i.id]["invitation.pin_alert"] == 0 || i.refused >= pinBudget && s.events[i.id]["invitation.pin_burnt"] == 0) {
				lost(hand.n, "PIN of %s: %d wrong tries and no alert", i.id, i.refused)
			}
		}
		phonesOf := map[string]int{}
		for _, p := range hand.phones {
			phonesOf[p.person.user]++
			got := s.devices[p.id]
			want := deviceRow{
				user: p.person.user, invitation: p.inv.id, state: p.state, enrollment: p.enrollmentID,
				generation: p.generation, deleted: p.deleted, gone: p.deleted, seq: p.seq, facts: p.facts,
			}
			if p.deleted {
				want.invitation, want.enrollment, want.facts = got.invitation, "", map[string]bool{}
			}
			facts := maps.Equal(got.facts, want.facts)
			got.facts, want.facts = nil, nil
			if fmt.Sprint(got) != fmt.Sprint(want) || !facts {
				lost(hand.n, "device %s is %+v (facts as told: %t), was acknowledged as %+v", p.id, got, facts, want)
			}
			for kind, n := range map[string]int{"device.enrolled": 1, "device.reenrolled": p.generation - 1} {
				if s.events[p.id][kind] != n {
					lost(hand.n, "device %s has %d %s, should have %d", p.id, s.events[p.id][kind], kind, n)
				}
			}
		}
		for _, p := range hand.people {
			if devicesOf[p.user] != phonesOf[p.user] {
				lost(hand.n, "user %s has %d devices, should have %d", p.user, devicesOf[p.user], phonesOf[p.user])
			}
		}
	}
	for _, o := range offices {
		o.compare(h, s)
	}
}

// compare looks at what all hands of an office worked on at once.
func (o *office) compare(h *history, s *snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for user, told := range o.shared {
		stored := slices.Sorted(slices.Values(s.invsOf[user]))
		if acked := slices.Sorted(maps.Keys(told)); !slices.Equal(stored, acked) {
			h.fault("shared user %s has the invitations %v, should have %v", user, stored, acked)
		}
		replaced := map[string]bool{}
		for id, old := range told {
			if replaced[old] {
				h.fault("shared user %s: %q was replaced twice, by %s too", user, old, id)
			}
			replaced[old] = true
			if old != "" && s.invs[old].reason != "superseded" {
				h.fault("invitation %s was replaced and is %+v", old, s.invs[old])
			}
		}
	}
	n := s.triesOf(o.id, o.target, o.generation)
	low, high := min(pinBudget, o.base+o.sure), min(pinBudget, o.base+o.sure+o.maybe)
	if n < low || n > high {
		h.fault("shared PIN of %s has %d tries, should have %d to %d", o.target, n, low, high)
	}
	o.base, o.sure, o.maybe = n, 0, 0
}
