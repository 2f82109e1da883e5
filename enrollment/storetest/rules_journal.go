package storetest

import (
	"context"
	"fmt"

	"example.com/enrollkit/enrollment"
)

var eventTrace = trace{
	seed: appendEvents(happened("site", "one", 1)),
	write: all(
		appendEvents(happened("site", "one", 2), happened("site", "two", 1)),
		dropped(sequence(10)),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		var list []enrollment.Event
		for _, q := range []enrollment.EventQuery{{Subject: "one"}, {Subject: "two"}, {}} {
			q.Site = "site"
			events, err := tx.Journal().List(ctx, q)
			if err != nil {
				return nil, err
			}
			list = append(list, events...)
		}
		return list, nil
	},
}

// sequenceAll gives every committed event its number.
func sequenceAll(t tb, s enrollment.Storage) {
	t.Helper()
	for range 1000 {
		if take(t, s, sequence(100)) == 0 {
			return
		}
	}
	t.Fatalf("sequencing never ends")
}

// ofSite lists the ids of the sequenced events of a site and has their numbers
// checked: 1, 2, 3 and so on.
func ofSite(t tb, s enrollment.Storage, site string) []string {
	t.Helper()
	list := see(t, s, listEvents(enrollment.EventQuery{Site: site}))
	for i, e := range list {
		if e.SiteSeq != int64(i+1) {
			t.Fatalf("event %d of the site, %s, has number %d", i+1, e.ID, e.SiteSeq)
		}
	}
	return ids(list, eventID)
}

var journalRules = []rule{
	{"tell the backlog", "Backlog counts the events of every site without a site sequence, and tells the time of the oldest.", func(t tb, s enrollment.Storage) {
		backlog := func() enrollment.Backlog {
			t.Helper()
			return see(t, s, func(ctx context.Context, tx enrollment.Tx) (enrollment.Backlog, error) {
				return tx.Journal().Backlog(ctx)
			})
		}
		same(t, "of nothing", backlog(), enrollment.Backlog{})
		late, early := happened("a", "one", 1), happened("b", "two", 1)
		late.At, early.At = at(5), at(3)
		do(t, s, appendEvents(late), appendEvents(early))
		same(t, "of two", backlog(), enrollment.Backlog{N: 2, Oldest: at(3)})
		do(t, s, dropped(sequence(1)))
		if got := backlog(); got.N != 1 {
			t.Errorf("after one was numbered, the backlog is %+v", got)
		}
		sequenceAll(t, s)
		same(t, "after all are numbered", backlog(), enrollment.Backlog{})
	}},
	{"number within a subject", "A subject's number is given once: a second event with it is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		do(t, s, appendEvents(happened("site", "one", 1)))
		again := happened("site", "one", 1)
		again.ID = "log_again"
		fails(t, s, enrollment.ErrExists, appendEvents(happened("site", "one", 2), again))
		misses(t, s, "the refused event", eventRows.get("site", again.ID))
		misses(t, s, "the event beside it", eventRows.get("site", happened("site", "one", 2).ID))
		again.Subject = "two"
		elsewhere := happened("other", "one", 1)
		do(t, s, appendEvents(again, elsewhere))
	}},
	{"list of a subject", "The events of a subject come in the order of its numbers, sequenced or not.", func(t tb, s enrollment.Storage) {
		for _, n := range []int64{2, 10, 1, 3} {
			do(t, s, appendEvents(happened("site", "one", n), happened("site", "two", n), happened("other", "one", n)))
		}
		for range 2 {
			for _, c := range []struct {
				q    enrollment.EventQuery
				want []string
			}{
				{enrollment.EventQuery{}, []string{"log_one_001", "log_one_002", "log_one_003", "log_one_010"}},
				{enrollment.EventQuery{After: 1, Limit: 2}, []string{"log_one_002", "log_one_003"}},
				{enrollment.EventQuery{After: 10}, nil},
			} {
				c.q.Site, c.q.Subject = "site", "one"
				same(t, fmt.Sprintf("the events of %+v", c.q), ids(see(t, s, listEvents(c.q)), eventID), c.want)
			}
			sequenceAll(t, s)
		}
		same(t, "the events of nothing", see(t, s, listEvents(enrollment.EventQuery{Site: "site", Subject: "ONE"})), []enrollment.Event{})
	}},
	{"list of one event", "An event is found by its id, sequenced or not, in its own site.", func(t tb, s enrollment.Storage) {
		e := happened("site", "one", 1)
		do(t, s, appendEvents(e, happened("site", "one", 2)))
		same(t, "before sequencing", see(t, s, listEvents(enrollment.EventQuery{Site: "site", ID: e.ID})), []enrollment.Event{e})
		sequenceAll(t, s)
		e.SiteSeq = 1
		same(t, "after sequencing", see(t, s, listEvents(enrollment.EventQuery{Site: "site", ID: e.ID})), []enrollment.Event{e})
		same(t, "in another site", see(t, s, listEvents(enrollment.EventQuery{Site: "other", ID: e.ID})), []enrollment.Event{})
	}},
	{"sequence within a site", "Each site's committed events get 1, 2, 3 and so on, oldest first, and nothing else of them changes.", func(t tb, s enrollment.Storage) {
		do(t, s, appendEvents(happened("a", "one", 1), happened("b", "one", 1)))
		do(t, s, appendEvents(happened("a", "one", 2)))
		same(t, "the events of the site, not sequenced", ofSite(t, s, "a"), []string{})
		same(t, "the number of events sequenced", take(t, s, sequence(10)), 3)
		do(t, s, appendEvents(happened("a", "two", 3), happened("b", "two", 4)))
		same(t, "the events before the second sequencing", ofSite(t, s, "a"), []string{"log_one_001", "log_one_002"})
		same(t, "the number of events sequenced then", take(t, s, sequence(10)), 2)
		same(t, "the number of events sequenced last", take(t, s, sequence(10)), 0)
		same(t, "the events of one site", ofSite(t, s, "a"), []string{"log_one_001", "log_one_002", "log_two_003"})
		same(t, "the events of the other", ofSite(t, s, "b"), []string{"log_one_001", "log_two_004"})
		full := eventRows.row("c", "one")
		do(t, s, appendEvents(full))
		sequenceAll(t, s)
		full.SiteSeq = 1
		same(t, "the sequenced event", see(t, s, eventRows.get("c", "one")), full)
	}},
	{"sequence in steps", "Sequence gives at most as many numbers as it was asked for and goes on where it stopped.", func(t tb, s enrollment.Storage) {
		var want []string
		for n := range int64(7) {
			do(t, s, appendEvents(happened("site", "one", n+1)))
			want = append(want, happened("site", "one", n+1).ID)
		}
		for _, n := range []int{3, 3, 1, 0} {
			same(t, "the number of events sequenced", take(t, s, sequence(3)), n)
		}
		same(t, "the events", ofSite(t, s, "site"), want)
	}},
	{"sequence a subject in its order", "Events of a subject that happened at one time are sequenced in the order of their numbers.", func(t tb, s enrollment.Storage) {
		var want []string
		for n := range int64(5) {
			e := happened("site", "one", n+1)
			e.At, e.ID = at(0), fmt.Sprint("log_", 9-n) // ids of one millisecond are in no order
			do(t, s, appendEvents(e))
			want = append(want, e.ID)
		}
		sequenceAll(t, s)
		same(t, "the events", ofSite(t, s, "site"), want)
	}},
	{"list of a site", "The sequenced events of a site come in the order of their numbers, after the one given.", func(t tb, s enrollment.Storage) {
		for n := range int64(6) {
			do(t, s, appendEvents(happened("site", "one", n+1), happened("other", "one", n+1)))
			sequenceAll(t, s)
		}
		do(t, s, appendEvents(happened("site", "one", 7)))
		for _, c := range []struct {
			after int64
			limit int
			want  []string
		}{
			{0, 2, []string{"log_one_001", "log_one_002"}},
			{2, 3, []string{"log_one_003", "log_one_004", "log_one_005"}},
			{4, 0, []string{"log_one_005", "log_one_006"}},
			{6, 10, nil},
		} {
			q := enrollment.EventQuery{Site: "site", After: c.after, Limit: c.limit}
			same(t, fmt.Sprintf("the events of %+v", q), ids(see(t, s, listEvents(q)), eventID), c.want)
		}
	}},
}
