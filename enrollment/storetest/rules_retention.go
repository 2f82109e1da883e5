package storetest

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func pruneSite(site string, c enrollment.Cutoffs, limit int) reading[int] {
	return func(ctx context.Context, tx enrollment.Tx) (int, error) {
		return tx.Records().PruneSite(ctx, site, c, limit)
	}
}

// numbered lists the events of a site as "1 log_one_001".
func numbered(t tb, s enrollment.Storage, site string) (list []string) {
	t.Helper()
	for _, e := range see(t, s, listEvents(enrollment.EventQuery{Site: site})) {
		list = append(list, fmt.Sprint(e.SiteSeq, " ", e.ID))
	}
	return list
}

var retentionRules = []rule{
	{"prune the journal from its beginning", "PruneSite deletes a site's events in the order of their numbers, at most as many as asked for, up to the first that is not old enough.", func(t tb, s enrollment.Storage) {
		for n := range int64(5) {
			do(t, s, appendEvents(happened("site", "one", n+1), happened("other", "one", n+1)))
			sequenceAll(t, s)
		}
		late := happened("site", "two", 1) // of a node whose clock is behind
		late.At = at(0)
		do(t, s, appendEvents(late))
		sequenceAll(t, s)
		before := enrollment.Cutoffs{Journal: at(4)}
		for _, n := range []int{2, 1, 0} {
			same(t, "the number of events deleted", take(t, s, pruneSite("site", before, 2)), n)
		}
		same(t, "the events left", numbered(t, s, "site"), []string{"4 log_one_004", "5 log_one_005", "6 log_two_001"})
		same(t, "those of the subject", ids(see(t, s, listEvents(enrollment.EventQuery{Site: "site", Subject: "one"})), eventID), []string{"log_one_004", "log_one_005"})
		same(t, "the events of the other site", len(numbered(t, s, "other")), 5)
		misses(t, s, "a deleted event", eventRows.get("site", "log_one_001"))
	}},
	{"prune no event that waits for its number", "An event without a number of the site stays, however old, and the numbers of those that went are not given again.", func(t tb, s enrollment.Storage) {
		do(t, s, appendEvents(happened("site", "one", 1)))
		sequenceAll(t, s)
		do(t, s, appendEvents(happened("site", "one", 2)))
		all := enrollment.Cutoffs{Journal: at(50)}
		same(t, "the number of events deleted", take(t, s, pruneSite("site", all, 10)), 1)
		same(t, "the event that waits", see(t, s, listEvents(enrollment.EventQuery{Site: "site", Subject: "one"}))[0].ID, "log_one_002")
		sequenceAll(t, s)
		same(t, "the events left", numbered(t, s, "site"), []string{"2 log_one_002"})
		same(t, "the number of events deleted then", take(t, s, pruneSite("site", all, 10)), 1)
		do(t, s, appendEvents(happened("site", "one", 3)))
		sequenceAll(t, s)
		same(t, "the events after that", numbered(t, s, "site"), []string{"3 log_one_003"})
	}},
	{"prune sightings of what is over", "PruneSite deletes sightings last seen before the time given, of invitations that ended before it or do not exist.", func(t tb, s enrollment.Storage) {
		end := func(id string, when time.Time) invitation.Invitation {
			n := ended(invited("site", id, "user of "+id))
			n.EndedAt = when
			return n
		}
		do(t, s, createInvitations(end("early", at(3)), end("late", at(5)), invited("site", "active", "user"),
			invitation.Invitation{Site: "other", ID: "early", User: "user", State: invitation.Created, CreatedAt: at(0)}))
		do(t, s, noteSightings(
			seen("site", "early", invitation.Fetched, 9, at(1), at(4)),
			seen("site", "early", invitation.FirstContact, 1, at(1), at(5)), // since then
			seen("site", "late", invitation.Fetched, 1, at(1), at(1)),
			seen("site", "active", invitation.Fetched, 1, at(1), at(1)),
			seen("site", "nobody", invitation.Fetched, 1, at(1), at(1)),
			seen("other", "early", invitation.Fetched, 1, at(1), at(1))))
		same(t, "the number of sightings deleted", take(t, s, pruneSite("site", enrollment.Cutoffs{Sightings: at(5)}, 10)), 2)
		same(t, "the sightings left", see(t, s, listSightings("site", "active", "early", "late", "nobody")), []invitation.Sighting{
			seen("site", "active", invitation.Fetched, 1, at(1), at(1)),
			seen("site", "early", invitation.FirstContact, 1, at(1), at(5)),
			seen("site", "late", invitation.Fetched, 1, at(1), at(1)),
		})
		same(t, "those of the other site", len(see(t, s, listSightings("other", "early"))), 1)
		for _, n := range []int{1, 1, 0} {
			same(t, "the number of sightings deleted one by one", take(t, s, pruneSite("site", enrollment.Cutoffs{Sightings: at(50)}, 1)), n)
		}
		same(t, "the sightings of the active one", len(see(t, s, listSightings("site", "active"))), 1)
	}},
	{"prune tombstones", "PruneSite deletes devices that were deleted before the time given, with their contacts, at most as many as asked for, and no other.", func(t tb, s enrollment.Storage) {
		bury := func(site, id string, when time.Time) {
			d := enrolled(site, id)
			do(t, s, createDevices(d), putContacts(enrollment.Contact{Site: site, Device: id, Token: mac(site + id), Gone: true}))
			do(t, s, updateDevices(d.Tombstone([]byte("trace of "+id), when)))
		}
		for i := range 4 {
			bury("site", fmt.Sprint("dev_", i), at(i))
		}
		bury("other", "dev_0", at(0))
		live := enrolled("site", "dev_9")
		do(t, s, createDevices(live), putContacts(enrollment.Contact{Site: "site", Device: "dev_9", Token: mac("live")}))
		before := enrollment.Cutoffs{Tombstones: at(3)}
		for _, n := range []int{2, 1, 0} {
			same(t, "the number of devices deleted", take(t, s, pruneSite("site", before, 2)), n)
		}
		for _, id := range []string{"dev_0", "dev_1", "dev_2"} {
			misses(t, s, "a pruned tombstone", getDevice("site", id))
			misses(t, s, "its contact", getContact("site", id))
			misses(t, s, "its token", byToken(mac("site"+id)))
			misses(t, s, "its trace", findDevice(traced("site", device.Android, "trace of "+id)))
		}
		same(t, "the younger tombstone", see(t, s, findDevice(traced("site", device.Android, "trace of dev_3"))).ID, "dev_3")
		same(t, "its token", see(t, s, byToken(mac("sitedev_3"))).Gone, true)
		same(t, "the other site's", see(t, s, byToken(mac("otherdev_0"))).Gone, true)
		same(t, "the device that is not deleted", see(t, s, getDevice("site", "dev_9")), live)
		do(t, s, createDevices(enrolled("site", "dev_0"))) // its id is free
	}},
	{"prune nothing without a cutoff", "A zero time deletes nothing of its kind.", func(t tb, s enrollment.Storage) {
		d := enrolled("site", "dev_1")
		do(t, s, createDevices(d), appendEvents(happened("site", "one", 1)), noteSightings(seen("site", "nobody", invitation.Fetched, 1, at(1), at(1))))
		do(t, s, updateDevices(d.Tombstone(nil, at(1))))
		sequenceAll(t, s)
		same(t, "the number of rows deleted", take(t, s, pruneSite("site", enrollment.Cutoffs{}, 10)), 0)
		same(t, "the tombstone", see(t, s, getDevice("site", "dev_1")).ID, "dev_1")
		same(t, "the sightings", len(see(t, s, listSightings("site", "nobody"))), 1)
		same(t, "the events", numbered(t, s, "site"), []string{"1 log_one_001"})
	}},
}

var retentionTrace = trace{
	seed: all(
		appendEvents(happened("site", "one", 1)),
		createDevices(enrolled("site", "dev_1").Tombstone([]byte("trace"), at(1))),
		putContacts(enrollment.Contact{Site: "site", Device: "dev_1", Token: mac("token"), Gone: true}),
		noteSightings(seen("site", "nobody", invitation.Fetched, 1, at(1), at(1))),
		putCredentials(indexed("site", "one", kindOther, mac("index"))),
	),
	write: all(
		dropped(pruneSite("site", enrollment.Cutoffs{Sightings: at(9), Tombstones: at(9)}, 10)),
		deleteSightings("site", "nobody"),
		deleteCredentials(enrollment.CredentialKey{Site: "site", Owner: "one", Kind: kindOther}),
		putCredentials(indexed("site", "two", kindOther, mac("index"))),
		putContacts(enrollment.Contact{Site: "site", Device: "dev_2", Token: mac("token")}),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		d, err := optional(tx.Devices().Get(ctx, "site", "dev_1"))
		if err != nil {
			return nil, err
		}
		c, err := optional(tx.Contacts().ByToken(ctx, macs(mac("token"))))
		if err != nil {
			return nil, err
		}
		owner, err := optional(tx.Credentials().ByIndex(ctx, kindOther, macs(mac("index"))))
		if err != nil {
			return nil, err
		}
		list, err := tx.Sightings().List(ctx, "site", "nobody")
		return []any{d, c, owner, list}, err
	},
}
