package storetest

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// touch notes signs of life and has to succeed.
func touch(t tb, s enrollment.Storage, list ...enrollment.Touch) []enrollment.Contact {
	t.Helper()
	got, err := s.Touch(t.Context(), list)
	if err != nil {
		t.Fatalf("Touch failed: %v", err)
	}
	if len(got) != len(list) {
		t.Fatalf("Touch answered %d touches with %d rows", len(list), len(got))
	}
	return got
}

// heard is a sign of life of a device of "site".
func heard(device string, when time.Time, seq int64) enrollment.Touch {
	return enrollment.Touch{Site: "site", Device: device, At: when, Seq: seq}
}

var touchRules = []rule{
	{"note signs of life", "Touch sets when the device was last heard of and returns the contact as it stands afterwards.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(1))
		do(t, s, putContacts(c))
		c.At, c.Seq = at(2), 6
		same(t, "the answer", touch(t, s, heard("one", at(2), 6)), []enrollment.Contact{c})
		same(t, "the contact", see(t, s, getContact("site", "one")), c)
	}},
	{"answer in order", "The answer has one row for each touch, in order, and the zero Contact where nothing matches.", func(t tb, s enrollment.Storage) {
		a, b, c := contactOf("site", "a", at(1)), contactOf("site", "b", at(1)), contactOf("other", "c", at(1))
		do(t, s, putContacts(a, b, c))
		got := touch(t, s,
			heard("none", at(2), 0), enrollment.Touch{Tokens: []credentials.MAC{mac("x"), c.Token}, At: at(2)}, heard("b", at(3), 0),
			enrollment.Touch{Tokens: []credentials.MAC{mac("x")}, At: at(2)}, heard("c", at(2), 0), heard("a", at(4), 9), enrollment.Touch{At: at(2)})
		none := enrollment.Contact{}
		a.At, a.Seq, b.At, c.At = at(4), 9, at(3), at(2)
		same(t, "the answer", got, []enrollment.Contact{none, c, b, none, none, a, none})
		for _, want := range []enrollment.Contact{a, b, c} {
			same(t, "the contact", see(t, s, getContact(want.Site, want.Device)), want)
		}
		same(t, "the answer to nothing", touch(t, s), []enrollment.Contact{})
	}},
	{"find by token", "A touch without a device is of the row whose token is one of the candidates, never by the zero MAC.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(1))
		do(t, s, putContacts(c, contactRows.bare("site", "none")))
		c.At = at(2)
		same(t, "by token", touch(t, s, enrollment.Touch{Tokens: []credentials.MAC{{}, mac("x"), c.Token}, At: at(2)}), []enrollment.Contact{c})
		same(t, "by the zero MAC", touch(t, s, enrollment.Touch{Tokens: []credentials.MAC{{}}, At: at(2)}), []enrollment.Contact{{}})
		same(t, "the row without a token", see(t, s, getContact("site", "none")), contactRows.bare("site", "none"))
	}},
	{"only ever grow", "A late touch moves neither the time nor the number back, and each grows by itself.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(5)) // and number 5
		do(t, s, putContacts(c))
		for _, step := range []struct {
			touch enrollment.Touch
			at    time.Time
			seq   int64
		}{
			{heard("one", at(4), 4), at(5), 5},
			{heard("one", at(6), 4), at(6), 5},
			{heard("one", at(4), 7), at(6), 7},
			{heard("one", at(8), 0), at(8), 7},
			{heard("one", at(8), 7), at(8), 7},
			{heard("one", time.Time{}, 0), at(8), 7},
		} {
			c.At, c.Seq = step.at, step.seq
			same(t, "the answer", touch(t, s, step.touch), []enrollment.Contact{c})
			same(t, "the contact", see(t, s, getContact("site", "one")), c)
		}
	}},
	{"touch twice in one call", "Several touches of one device in one call all count, whatever their order.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(1))
		do(t, s, putContacts(c))
		got := touch(t, s, heard("one", at(3), 6), enrollment.Touch{Tokens: []credentials.MAC{c.Token}, At: at(4), Seq: 5}, heard("one", at(2), 8))
		for i, when := range []time.Time{at(3), at(4), at(4)} {
			if got[i].Device != "one" || got[i].At.Before(when) {
				t.Errorf("answer %d is %v, want the device at %v or later", i, got[i], when)
			}
		}
		c.At, c.Seq = at(4), 8
		same(t, "the contact", see(t, s, getContact("site", "one")), c)
	}},
	{"keep the rest", "Touch leaves the token and Silent as they are.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(1))
		c.Silent = true
		do(t, s, putContacts(c))
		c.At = at(2)
		same(t, "the answer", touch(t, s, heard("one", at(2), 0)), []enrollment.Contact{c})
		same(t, "the contact", see(t, s, getContact("site", "one")), c)
	}},
	{"leave the gone alone", "The contact of a deleted device is returned as it is and not changed, nor is a slot.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(1))
		c.Gone = true
		slot := slotOf("site", "one", "active")
		do(t, s, putContacts(c), putSlots(slot))
		same(t, "the answer", touch(t, s, heard("one", at(9), 9)), []enrollment.Contact{c})
		same(t, "the answer by token", touch(t, s, enrollment.Touch{Tokens: []credentials.MAC{c.Token}, At: at(9)}), []enrollment.Contact{c})
		same(t, "the contact", see(t, s, getContact("site", "one")), c)
		same(t, "the slot", see(t, s, getSlot("site", "one")), slot)
	}},
	{"bring the list along", "A slot whose last connection is ListRefresh or more behind is brought along, and no other.", func(t tb, s enrollment.Storage) {
		slot := slotOf("site", "one", "active")
		slot.LastConnection = at(0)
		elsewhere := slotOf("other", "one", "active")
		do(t, s, putContacts(contactOf("site", "one", at(0)), contactOf("site", "two", at(0))), putSlots(slot, elsewhere, slotOf("site", "two", "active")))
		for _, step := range []struct {
			when, shown time.Time
		}{
			{at(1), at(0)},
			{at(0).Add(enrollment.ListRefresh - time.Microsecond), at(0)},
			{at(0).Add(enrollment.ListRefresh), at(5)},
			{at(9), at(5)},
			{at(20), at(20)},
			{at(3), at(20)},
		} {
			touch(t, s, heard("one", step.when, 0))
			slot.LastConnection = step.shown
			same(t, "after "+step.when.String()+" the slot", see(t, s, getSlot("site", "one")), slot)
			rows := see(t, s, pageSlots(enrollment.SlotQuery{Site: "site", Sort: enrollment.SortLastConnection, Limit: 1}))
			same(t, "and the first of the list", rows, []enrollment.Slot{slot})
		}
		same(t, "the slot of another site", see(t, s, getSlot("other", "one")), elsewhere)
		touch(t, s, heard("two", at(1), 0)) // was never connected
		same(t, "a slot never connected", see(t, s, getSlot("site", "two")).LastConnection, at(1))
	}},
	{"count no slot twice", "Bringing a slot along does not change the counts.", func(t tb, s enrollment.Storage) {
		do(t, s, putContacts(contactOf("site", "one", at(0))), putSlots(slotOf("site", "one", "active")))
		touch(t, s, heard("one", at(30), 0))
		same(t, "the counts", see(t, s, countSlots("site")), map[string]int64{"active": 1})
	}},
	{"cut times", "Touch keeps times to the microsecond, in UTC.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(0))
		do(t, s, putContacts(c))
		c.At = at(1)
		same(t, "the answer", touch(t, s, heard("one", at(1).Add(789).In(farAway), 0)), []enrollment.Contact{c})
		same(t, "the contact", see(t, s, getContact("site", "one")), c)
	}},
	{"not when cancelled", "With a context that is done, Touch returns its error and changes nothing.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(0))
		do(t, s, putContacts(c))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Touch(ctx, []enrollment.Touch{heard("one", at(1), 0)}); !errors.Is(err, context.Canceled) {
			t.Errorf("Touch returned %v, want %v", err, context.Canceled)
		}
		same(t, "the contact", see(t, s, getContact("site", "one")), c)
	}},
}
