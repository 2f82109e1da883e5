package storetest

import (
	"context"
	"slices"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

var contactTrace = trace{
	seed: putContacts(contactOf("site", "one", at(1))),
	write: all(
		putContacts(enrollment.Contact{Site: "site", Device: "one", At: at(2)}),
		putContacts(enrollment.Contact{Site: "site", Device: "two", Token: contactOf("site", "one", at(1)).Token}),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		one, err := optional(tx.Contacts().Get(ctx, "site", "one"))
		if err != nil {
			return nil, err
		}
		two, err := optional(tx.Contacts().Get(ctx, "site", "two"))
		if err != nil {
			return nil, err
		}
		owner, err := optional(tx.Contacts().ByToken(ctx, []credentials.MAC{contactOf("site", "one", at(1)).Token}))
		return []enrollment.Contact{one, two, owner}, err
	},
}

// contactOf is a contact with a token of its own, last heard of at a time.
func contactOf(site, device string, last time.Time) enrollment.Contact {
	return enrollment.Contact{Site: site, Device: device, Token: mac(site + "/" + device), Seq: 5, At: last}
}

func silent(site string, states []string, before time.Time, limit int) reading[[]string] {
	return func(ctx context.Context, tx enrollment.Tx) ([]string, error) {
		return tx.Contacts().Silent(ctx, site, states, before, limit)
	}
}

var contactRules = []rule{
	{"token is unique", "A token of another row, in whatever site, is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		one := contactOf("site", "one", at(1))
		do(t, s, putContacts(one))
		for _, c := range []enrollment.Contact{{Site: "site", Device: "two", Token: one.Token}, {Site: "other", Device: "one", Token: one.Token}} {
			fails(t, s, enrollment.ErrExists, putContacts(contactOf("site", "three", at(1)), c))
			misses(t, s, "the refused row", getContact(c.Site, c.Device))
			misses(t, s, "the row beside it", getContact("site", "three"))
		}
		do(t, s, putContacts(one)) // its own
	}},
	{"found by any candidate", "ByToken finds the row whose token is one of the candidates, never by the zero MAC.", func(t tb, s enrollment.Storage) {
		one, two := contactOf("a", "one", at(1)), contactOf("b", "two", at(2))
		do(t, s, putContacts(one, two, contactRows.bare("a", "none"), contactRows.bare("b", "none")))
		same(t, "by one", see(t, s, byToken(one.Token)), one)
		same(t, "by one of three", see(t, s, byToken(mac("x"), two.Token, credentials.MAC{})), two)
		misses(t, s, "by another", byToken(mac("x")))
		misses(t, s, "by the zero MAC", byToken(credentials.MAC{}))
		misses(t, s, "by no MAC", byToken())
	}},
	{"token follows changes", "A row is found by its present token only, and the old one is free.", func(t tb, s enrollment.Storage) {
		old := contactOf("site", "one", at(1))
		moved := old
		moved.Token = mac("new")
		do(t, s, putContacts(old), putContacts(moved))
		misses(t, s, "by the old token", byToken(old.Token))
		same(t, "by the new token", see(t, s, byToken(moved.Token)), moved)
		do(t, s, putContacts(enrollment.Contact{Site: "site", Device: "two", Token: old.Token}))
		same(t, "by the old token, given away", see(t, s, byToken(old.Token)).Device, "two")
	}},
	{"list in order", "List goes through the rows of every site, those of deleted devices too, by site and then device, byte by byte.", func(t tb, s enrollment.Storage) {
		gone := contactOf("a", "z", at(1))
		gone.Gone = true
		do(t, s, putContacts(contactOf("a!", "a", at(1)), gone, contactOf("a", "Z", at(1)), contactRows.bare("a", "b"), contactOf("A", "x", at(1))))
		want := []string{"A/x", "a/Z", "a/b", "a/z", "a!/a"}
		list := func(after enrollment.Contact, limit int) []string {
			t.Helper()
			return see(t, s, func(ctx context.Context, tx enrollment.Tx) ([]string, error) {
				rows, err := tx.Contacts().List(ctx, after, limit)
				return ids(rows, func(c enrollment.Contact) string { return c.Site + "/" + c.Device }), err
			})
		}
		same(t, "all", list(enrollment.Contact{}, 100), want)
		same(t, "the first two", list(enrollment.Contact{}, 2), want[:2])
		same(t, "after a row", list(enrollment.Contact{Site: "a", Device: "b"}, 100), want[3:])
		same(t, "after a row that is not there", list(enrollment.Contact{Site: "a", Device: "c"}, 1), want[3:4])
		same(t, "after the last", list(enrollment.Contact{Site: "a!", Device: "a"}, 100), []string{})
	}},
	{"silent devices", "Silent returns the devices of a site whose slot is in one of the states and whose last sign of life is before the time.", func(t tb, s enrollment.Storage) {
		add := func(site, id, state string, last time.Time) {
			do(t, s, putContacts(contactOf(site, id, last)), putSlots(slotOf(site, id, state)))
		}
		add("site", "active, old", "active", at(1))
		add("site", "active, older", "active", at(0))
		add("site", "impaired, old", "impaired", at(2))
		add("site", "leaving, old", "leaving", at(1))
		add("site", "active, new", "active", at(5))
		add("site", "active, newer", "active", at(6))
		add("other", "other site", "active", at(1))
		do(t, s, putContacts(contactOf("site", "no slot", at(1))), putSlots(slotOf("site", "no contact", "active")))
		for _, c := range []struct {
			what   string
			states []string
			before time.Time
			want   []string
		}{
			{"of two states", []string{"active", "impaired"}, at(5), []string{"active, old", "active, older", "impaired, old"}},
			{"of one state", []string{"impaired"}, at(5), []string{"impaired, old"}},
			{"a little later", []string{"active"}, at(5).Add(time.Microsecond), []string{"active, new", "active, old", "active, older"}},
			{"of no state", []string{}, at(5), nil},
			{"long ago", []string{"active"}, at(0), nil},
		} {
			got := see(t, s, silent("site", c.states, c.before, 100))
			slices.Sort(got)
			same(t, c.what, got, c.want)
		}
		if got := see(t, s, silent("site", []string{"active", "impaired"}, at(5), 2)); len(got) != 2 || got[0] == got[1] {
			t.Errorf("at most two of three are %q", got)
		}
		do(t, s, putSlots(slotOf("site", "impaired, old", "unresponsive")))
		same(t, "of a state it left", see(t, s, silent("site", []string{"impaired"}, at(5), 100)), []string{})
	}},
}
