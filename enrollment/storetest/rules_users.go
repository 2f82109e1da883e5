package storetest

import (
	"context"

	"example.com/enrollkit/enrollment"
)

var userTrace = trace{
	seed: putUsers(userOf("site", "one"), userRows.row("site", "two")),
	write: all(
		putUsers(enrollment.User{Site: "site", ID: "one", Name: "Renamed"}, userOf("site", "two")),
		dropped(lockUsers(userOf("site", "three"))),
		dropped(outside(enrollment.User{Site: "site", ID: "four", EmailKey: userRows.row("site", "two").EmailKey, Outside: true})),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		var list []enrollment.User
		for _, id := range []string{"one", "two", "three", "four"} {
			u, err := optional(tx.Users().Get(ctx, "site", id))
			if err != nil {
				return nil, err
			}
			list = append(list, u)
		}
		return list, nil
	},
}

var userRules = []rule{
	{"lock writes a row that is not there", "Lock adds the users that have no row yet and returns them.", func(t tb, s enrollment.Storage) {
		got := take(t, s, lockUsers(userRows.row("site", "one")))
		same(t, "the locked users", got, []enrollment.User{userRows.row("site", "one")})
		same(t, "the user", see(t, s, getUser("site", "one")), userRows.row("site", "one"))
	}},
	{"lock keeps a row that is there", "Lock returns the stored row, whatever was given, and does not change it.", func(t tb, s enrollment.Storage) {
		do(t, s, putUsers(userRows.row("site", "one")))
		got := take(t, s, lockUsers(enrollment.User{Site: "site", ID: "one", Name: "other"}))
		same(t, "the locked users", got, []enrollment.User{userRows.row("site", "one")})
		same(t, "the user", see(t, s, getUser("site", "one")), userRows.row("site", "one"))
	}},
	{"lock answers in the order given", "Lock returns a row for each user given, in that order, also for one given twice.", func(t tb, s enrollment.Storage) {
		do(t, s, putUsers(userOf("site", "b")))
		given := []enrollment.User{userOf("site", "c"), userOf("site", "a"), userOf("other", "z"), userOf("site", "b"), userOf("site", "a"), userOf("site", "B")}
		same(t, "the locked users", take(t, s, lockUsers(given...)), given)
	}},
	{"same id in another site", "The same id in another site is another user.", func(t tb, s enrollment.Storage) {
		do(t, s, putUsers(enrollment.User{Site: "a", ID: "one", Name: "A"}))
		got := take(t, s, lockUsers(enrollment.User{Site: "b", ID: "one", Name: "B"}))
		same(t, "the locked users", ids(got, func(u enrollment.User) string { return u.Name }), []string{"B"})
	}},
	{"keep a long name", "A name may be thousands of bytes long.", func(t tb, s enrollment.Storage) {
		u := userOf("site", "one")
		for range 500 {
			u.Name += "Zoë 🦊 "
		}
		do(t, s, putUsers(u))
		same(t, "the user", see(t, s, getUser("site", "one")), u)
	}},
	{"outside stores once", "Outside stores a user with a new address, and returns that one ever after.", func(t tb, s enrollment.Storage) {
		first := userRows.row("site", "one")
		same(t, "the first", take(t, s, outside(first)), first)
		second := first
		second.ID, second.Name = "two", "other"
		same(t, "the second", take(t, s, outside(second)), first)
		misses(t, s, "the second user", getUser("site", "two"))
	}},
	{"outside within a site", "The same address in another site is another user.", func(t tb, s enrollment.Storage) {
		first, second := userRows.row("a", "one"), userRows.row("b", "one")
		second.ID = "two"
		do(t, s, dropped(outside(first)))
		same(t, "the user of the other site", take(t, s, outside(second)), second)
	}},
	{"outside leaves the directory alone", "Outside does not return a user of the directory, whatever the address.", func(t tb, s enrollment.Storage) {
		inside := userRows.row("site", "one")
		inside.Outside = false
		do(t, s, putUsers(inside))
		given := userRows.row("site", "one")
		given.ID = "usr_1"
		same(t, "the user", take(t, s, outside(given)), given)
		same(t, "the user of the directory", see(t, s, getUser("site", "one")), inside)
	}},
	{"outside follows the address", "Outside finds a user by the address that Put gave it, and by no earlier one.", func(t tb, s enrollment.Storage) {
		moved := userRows.row("site", "one")
		do(t, s, dropped(outside(moved)))
		old := moved
		old.ID = "two"
		moved.EmailKey = "new@example.com"
		do(t, s, putUsers(moved))
		given := moved
		given.ID = "three"
		same(t, "the user of the new address", take(t, s, outside(given)), moved)
		same(t, "the user of the old address", take(t, s, outside(old)), old)
	}},
	{"outside and lock in one unit", "A user that Outside stored can be locked in the same unit.", func(t tb, s enrollment.Storage) {
		u := userRows.row("site", "one")
		got := take(t, s, func(ctx context.Context, tx enrollment.Tx) ([]enrollment.User, error) {
			stored, err := tx.Users().Outside(ctx, u)
			if err != nil {
				return nil, err
			}
			return tx.Users().Lock(ctx, stored)
		})
		same(t, "the locked users", got, []enrollment.User{u})
	}},
}
