package storetest

import (
	"context"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

var sightingTrace = trace{
	seed: noteSightings(seen("site", "one", invitation.Fetched, 1, at(5), at(5))),
	write: noteSightings(seen("site", "one", invitation.Fetched, 1, at(6), at(6)), seen("site", "one", invitation.FirstContact, 1, at(6), at(6)),
		seen("site", "two", invitation.Fetched, 1, at(6), at(6))),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		return tx.Sightings().List(ctx, "site", "one", "two")
	},
}

var sightingRules = []rule{
	{"add up", "Noting what was noted before adds the counts and widens the times, in both directions.", func(t tb, s enrollment.Storage) {
		do(t, s, noteSightings(seen("site", "one", invitation.Fetched, 2, at(5), at(6))))
		do(t, s, noteSightings(seen("site", "one", invitation.Fetched, 3, at(7), at(8))))
		do(t, s, noteSightings(seen("site", "one", invitation.Fetched, 4, at(3), at(4)), seen("site", "one", invitation.Fetched, 5, at(5), at(6))))
		same(t, "the sightings", see(t, s, listSightings("site", "one")), []invitation.Sighting{seen("site", "one", invitation.Fetched, 14, at(3), at(8))})
	}},
	{"list in order", "List returns what was seen of the invitations asked for, by invitation and then by time.", func(t tb, s enrollment.Storage) {
		a1, a2 := seen("site", "a", invitation.FirstContact, 1, at(5), at(5)), seen("site", "a", invitation.Fetched, 1, at(6), at(6))
		b1, b2 := seen("site", "b", invitation.Fetched, 1, at(1), at(9)), seen("site", "b", invitation.AcceptedByPerson, 1, at(2), at(2))
		do(t, s, noteSightings(b2, a2, seen("site", "c", invitation.Fetched, 1, at(0), at(0)), seen("other", "a", invitation.Fetched, 7, at(0), at(0)), b1, a1))
		same(t, "the sightings", see(t, s, listSightings("site", "b", "none", "a", "b")), []invitation.Sighting{a1, a2, b1, b2})
		same(t, "the sightings of none", see(t, s, listSightings("site")), []invitation.Sighting{})
	}},
	{"delete", "Delete forgets what was seen of the invitations named, and of no other; what is seen later counts anew.", func(t tb, s enrollment.Storage) {
		do(t, s, noteSightings(seen("site", "one", invitation.Fetched, 5, at(1), at(2)), seen("site", "one", invitation.FirstContact, 1, at(1), at(1)),
			seen("site", "two", invitation.Fetched, 1, at(1), at(1)), seen("other", "one", invitation.Fetched, 1, at(1), at(1))))
		do(t, s, deleteSightings("site", "one", "nobody"), deleteSightings("site"))
		same(t, "the sightings left", ids(see(t, s, listSightings("site", "one", "two")), func(s invitation.Sighting) string { return s.Invitation }), []string{"two"})
		same(t, "those of the other site", len(see(t, s, listSightings("other", "one"))), 1)
		do(t, s, noteSightings(seen("site", "one", invitation.Fetched, 1, at(3), at(3))))
		same(t, "what was seen since", see(t, s, listSightings("site", "one")), []invitation.Sighting{seen("site", "one", invitation.Fetched, 1, at(3), at(3))})
	}},
}
