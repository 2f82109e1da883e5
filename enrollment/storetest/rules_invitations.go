package storetest

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

var invitationTrace = trace{
	seed: createInvitations(invited("site", "inv_1", "user"), invited("site", "inv_2", "other")),
	write: all(
		updateInvitations(ended(invited("site", "inv_1", "user"))),
		createInvitations(invited("site", "inv_3", "user"), invited("site", "inv_4", "third")),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		return tx.Invitations().List(ctx, enrollment.InvitationQuery{Site: "site"})
	},
}

// mailed is an active invitation of its own user to an address.
func mailed(site, id, emailKey string, created time.Time) invitation.Invitation {
	n := invited(site, id, "user of "+id)
	n.EmailKey, n.CreatedAt = emailKey, created
	return n
}

func byEmail(emailKey string, limit int) reading[[]string] {
	return byEmailSince(emailKey, at(1000), limit)
}

func byEmailSince(emailKey string, endedAfter time.Time, limit int) reading[[]string] {
	return func(ctx context.Context, tx enrollment.Tx) ([]string, error) {
		list, err := tx.Invitations().ByEmail(ctx, emailKey, endedAfter, limit)
		return ids(list, func(n invitation.Invitation) string { return n.Site + "/" + n.ID }), err
	}
}

var invitationRules = []rule{
	{"lock returns the row", "Lock returns the stored row, and ErrNotFound where there is none or it is another site's.", func(t tb, s enrollment.Storage) {
		lock := func(site, id string) reading[invitation.Invitation] {
			return func(ctx context.Context, tx enrollment.Tx) (invitation.Invitation, error) {
				return tx.Invitations().Lock(ctx, site, id)
			}
		}
		do(t, s, createInvitations(invitationRows.row("site", "one")))
		same(t, "the invitation", take(t, s, lock("site", "one")), invitationRows.row("site", "one"))
		fails(t, s, enrollment.ErrNotFound, dropped(lock("other", "one")))
		fails(t, s, enrollment.ErrNotFound, dropped(lock("site", "two")))
	}},
	{"one active for each user", "A user has one active invitation: a second is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		do(t, s, createInvitations(invited("site", "inv_1", "user")))
		for _, state := range []invitation.State{invitation.Created, invitation.Sent, invitation.Opened} {
			second := invited("site", "inv_2", "user")
			second.State = state
			fails(t, s, enrollment.ErrExists, createInvitations(second))
		}
		misses(t, s, "the second invitation", getInvitation("site", "inv_2"))
		fails(t, s, enrollment.ErrExists, createInvitations(invited("site", "inv_3", "other"), invited("site", "inv_4", "other")))
		misses(t, s, "the first of two", getInvitation("site", "inv_3"))
	}},
	{"many deactivated for each user", "A user has any number of deactivated invitations beside an active one.", func(t tb, s enrollment.Storage) {
		do(t, s, createInvitations(ended(invited("site", "inv_1", "user")), ended(invited("site", "inv_2", "user")), invited("site", "inv_3", "user"), ended(invited("site", "inv_4", "user"))))
		same(t, "the invitations", ids(see(t, s, listInvitations(enrollment.InvitationQuery{Site: "site"})), invitationID), []string{"inv_4", "inv_3", "inv_2", "inv_1"})
	}},
	{"replace in one unit", "A unit that deactivates the old invitation may create its successor.", func(t tb, s enrollment.Storage) {
		old := invited("site", "inv_1", "user")
		do(t, s, createInvitations(old))
		do(t, s, updateInvitations(ended(old)), createInvitations(invited("site", "inv_2", "user")))
		same(t, "the active invitations", ids(see(t, s, listInvitations(enrollment.InvitationQuery{Site: "site", Active: true})), invitationID), []string{"inv_2"})
	}},
	{"update keeps the active one alone", "No update makes a second active invitation of a user.", func(t tb, s enrollment.Storage) {
		old := ended(invited("site", "inv_1", "user"))
		do(t, s, createInvitations(old, invited("site", "inv_2", "user")))
		old.State = invitation.Created
		fails(t, s, nil, updateInvitations(old))
	}},
	{"active in two sites", "Users of two sites with one id each have an active invitation.", func(t tb, s enrollment.Storage) {
		do(t, s, createInvitations(invited("a", "inv_1", "user"), invited("b", "inv_2", "user"), invited("a", "inv_3", "USER")))
		see(t, s, getInvitation("b", "inv_2"))
	}},
	{"by email across sites", "ByEmail returns the active invitations of every site to one canonical address, oldest first, then by id.", func(t tb, s enrollment.Storage) {
		do(t, s, createInvitations(
			mailed("b", "inv_4", "zoe@example.com", at(2)), mailed("a", "inv_5", "zoe@example.com", at(1)),
			mailed("c", "inv_3", "zoe@example.com", at(2)), mailed("a", "inv_1", "zoe@example.com", at(3)),
			ended(mailed("a", "inv_2", "zoe@example.com", at(0))), mailed("a", "inv_6", "ZOE@example.com", at(0)),
			mailed("a", "inv_7", "zoe@example.co", at(0)), mailed("a", "inv_8", "", at(0))))
		want := []string{"a/inv_5", "c/inv_3", "b/inv_4", "a/inv_1"}
		same(t, "the invitations", see(t, s, byEmail("zoe@example.com", 10)), want)
		same(t, "the first two", see(t, s, byEmail("zoe@example.com", 2)), want[:2])
		same(t, "those to nobody known", see(t, s, byEmail("none@example.com", 10)), []string{})
		same(t, "those without an address", see(t, s, byEmail("", 10)), []string{})
	}},
	{"by email, ended lately", "ByEmail also returns the invitations that ended after the time given.", func(t tb, s enrollment.Storage) {
		early, late := mailed("a", "inv_1", "zoe@example.com", at(1)), mailed("b", "inv_2", "zoe@example.com", at(2))
		early, _ = early.Deactivate(invitation.ByAdmin, at(5))
		late, _ = late.Deactivate(invitation.ByAdmin, at(6))
		do(t, s, createInvitations(early, late, mailed("c", "inv_3", "zoe@example.com", at(3))))
		same(t, "since the first ended", see(t, s, byEmailSince("zoe@example.com", at(5), 10)), []string{"b/inv_2", "c/inv_3"})
		same(t, "since before", see(t, s, byEmailSince("zoe@example.com", at(4), 10)), []string{"a/inv_1", "b/inv_2", "c/inv_3"})
		same(t, "since the last ended", see(t, s, byEmailSince("zoe@example.com", at(6), 10)), []string{"c/inv_3"})
	}},
	{"by email follows changes", "ByEmail finds an invitation by its present address, while it is active.", func(t tb, s enrollment.Storage) {
		one, two := mailed("a", "inv_1", "zoe@example.com", at(1)), mailed("a", "inv_2", "zoe@example.com", at(2))
		do(t, s, createInvitations(one, two))
		one.EmailKey = "new@example.com"
		do(t, s, updateInvitations(one, ended(two)))
		same(t, "the invitations to the new address", see(t, s, byEmail("new@example.com", 10)), []string{"a/inv_1"})
		same(t, "the invitations to the old address", see(t, s, byEmail("zoe@example.com", 10)), []string{})
	}},
	{"list by query", "List returns what every field of its query asks for, newest id first.", func(t tb, s enrollment.Storage) {
		sent := invited("site", "inv_2", "two")
		sent.State, sent.ExpiresAt = invitation.Sent, at(10)
		late := invited("site", "inv_4", "four")
		late.ExpiresAt = at(11)
		dead := ended(invited("site", "inv_3", "one"))
		dead.ExpiresAt = at(5)
		other := invited("other", "inv_5", "one")
		other.ExpiresAt = at(9)
		do(t, s, createInvitations(invited("site", "inv_1", "one"), sent, dead, late, other, invited("site", "INV_6", "ONE")))
		for _, c := range []struct {
			what string
			q    enrollment.InvitationQuery
			want []string
		}{
			{"all", enrollment.InvitationQuery{Site: "site"}, []string{"inv_4", "inv_3", "inv_2", "inv_1", "INV_6"}},
			{"of a user", enrollment.InvitationQuery{Site: "site", Users: []string{"one"}}, []string{"inv_3", "inv_1"}},
			{"of users", enrollment.InvitationQuery{Site: "site", Users: []string{"two", "one", "none", "two"}}, []string{"inv_3", "inv_2", "inv_1"}},
			{"of no users", enrollment.InvitationQuery{Site: "site", Users: []string{}}, nil},
			{"active", enrollment.InvitationQuery{Site: "site", Active: true}, []string{"inv_4", "inv_2", "inv_1", "INV_6"}},
			{"of a user, active", enrollment.InvitationQuery{Site: "site", Users: []string{"one"}, Active: true}, []string{"inv_1"}},
			{"of states", enrollment.InvitationQuery{Site: "site", States: []invitation.State{invitation.Sent, invitation.Deactivated}}, []string{"inv_3", "inv_2"}},
			{"expired", enrollment.InvitationQuery{Site: "site", Expired: at(10)}, []string{"inv_2"}},
			{"expired a little earlier", enrollment.InvitationQuery{Site: "site", Expired: at(10).Add(-time.Microsecond)}, nil},
			{"expired anywhere", enrollment.InvitationQuery{Expired: at(11)}, []string{"inv_5", "inv_4", "inv_2"}},
			{"expired anywhere, limited", enrollment.InvitationQuery{Expired: at(11), Limit: 2}, []string{"inv_5", "inv_4"}},
			{"after an id", enrollment.InvitationQuery{Site: "site", After: "inv_3"}, []string{"inv_2", "inv_1", "INV_6"}},
			{"after an id that is not there", enrollment.InvitationQuery{Site: "site", After: "inv_25"}, []string{"inv_2", "inv_1", "INV_6"}},
			{"limited", enrollment.InvitationQuery{Site: "site", Active: true, Limit: 2}, []string{"inv_4", "inv_2"}},
			{"of a site without any", enrollment.InvitationQuery{Site: "SITE"}, nil},
		} {
			same(t, c.what, ids(see(t, s, listInvitations(c.q)), invitationID), c.want)
		}
	}},
	{"pages are stable", "Pages of a list meet every row once, whatever is added ahead of them.", func(t tb, s enrollment.Storage) {
		var want []string
		for i := 20; i > 0; i-- {
			n := invited("site", fmt.Sprintf("inv_%02d", i), fmt.Sprint(i))
			do(t, s, createInvitations(n))
			want = append(want, n.ID)
		}
		var got []string
		for page := 0; len(got) <= len(want); page++ {
			q := enrollment.InvitationQuery{Site: "site", Limit: 3}
			if len(got) > 0 {
				q.After = got[len(got)-1]
			}
			list := see(t, s, listInvitations(q))
			if len(list) == 0 {
				break
			}
			got = append(got, ids(list, invitationID)...)
			do(t, s, createInvitations(invited("site", fmt.Sprintf("inv_9%d", page), fmt.Sprint("new", page))))
		}
		same(t, "the pages", got, want)
	}},
}
