package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
)

var messageTrace = trace{
	seed: putMessages(queued("site", "evt_1", at(0)), queued("site", "evt_2", at(0))),
	write: all(
		func(ctx context.Context, tx enrollment.Tx) error {
			list, err := tx.Outbox().Claim(ctx, at(1), time.Minute, 1)
			if err != nil || len(list) != 1 {
				return errors.Join(err, fmt.Errorf("storetest: claimed %d messages of two, want one", len(list)))
			}
			return finish(list[0], enrollment.Outcome{Status: enrollment.MessageDone, At: at(1)})(ctx, tx)
		},
		dropped(claim(at(1), time.Minute, 10)),
		putMessages(queued("site", "evt_3", at(0))),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		return tx.Outbox().List(ctx, "site", "", 100)
	},
}

// leased is m as a claim of it leaves it.
func leased(m enrollment.Message, until time.Time) enrollment.Message {
	m.LeaseUntil = until
	m.Attempt++
	return m
}

// claimed claims, and returns the messages by id, with their fences taken off
// and returned beside them.
func claimed(t tb, s enrollment.Storage, now time.Time, limit int) ([]enrollment.Message, []int64) {
	t.Helper()
	list := take(t, s, claim(now, time.Minute, limit))
	slices.SortFunc(list, func(a, b enrollment.Message) int { return cmpText(a.Site+"/"+a.ID, b.Site+"/"+b.ID) })
	var fences []int64
	for i := range list {
		fences = append(fences, list[i].Fence)
		list[i].Fence = 0
	}
	return list, fences
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

var outboxRules = []rule{
	{"one message for each key", "A message whose Dedupe key is taken is left out silently, for as long as the other is kept.", func(t tb, s enrollment.Storage) {
		one := queued("site", "evt_1", at(0))
		again := queued("site", "evt_2", at(0))
		again.Dedupe = one.Dedupe
		do(t, s, putMessages(one))
		do(t, s, putMessages(again, queued("site", "evt_3", at(0)), queued("site", "evt_4", at(0))))
		misses(t, s, "the second message", getMessage("site", "evt_2"))
		see(t, s, getMessage("site", "evt_3"))
		same(t, "the first message", see(t, s, getMessage("site", "evt_1")), one)

		five, six := queued("site", "evt_5", at(0)), queued("site", "evt_6", at(0))
		six.Dedupe = five.Dedupe
		do(t, s, putMessages(five, six))
		misses(t, s, "the second of one call", getMessage("site", "evt_6"))

		for _, m := range take(t, s, claim(at(1), time.Minute, 10)) {
			do(t, s, finish(m, enrollment.Outcome{Status: enrollment.MessageDone, At: at(1)}))
		}
		do(t, s, putMessages(again))
		misses(t, s, "the second message after the first was delivered", getMessage("site", "evt_2"))
	}},
	{"one key for each site", "The same Dedupe key in another site, or in another case, is another key.", func(t tb, s enrollment.Storage) {
		a, b, c := queued("a", "evt_1", at(0)), queued("b", "evt_1", at(0)), queued("a", "evt_2", at(0))
		a.Dedupe, b.Dedupe, c.Dedupe = "key", "key", "KEY"
		do(t, s, putMessages(a), putMessages(b), putMessages(c))
		see(t, s, getMessage("b", "evt_1"))
		see(t, s, getMessage("a", "evt_2"))
	}},
	{"claim what is due", "Claim leases the waiting messages of every site that are due and counts an attempt on each.", func(t tb, s enrollment.Storage) {
		one, two, later := queued("a", "evt_1", at(0)), queued("b", "evt_2", at(1)), queued("a", "evt_3", at(1).Add(time.Microsecond))
		dead := queued("a", "evt_4", at(0))
		dead.Status = enrollment.MessageDead
		do(t, s, putMessages(one, two, later, dead))
		got, _ := claimed(t, s, at(1), 10)
		same(t, "the claimed messages", got, []enrollment.Message{leased(one, at(2)), leased(two, at(2))})
		stored := see(t, s, getMessage("a", "evt_1"))
		stored.Fence = 0
		same(t, "the stored message", stored, leased(one, at(2)))
		same(t, "a message not due", see(t, s, getMessage("a", "evt_3")), later)
		same(t, "a message that has ended", see(t, s, getMessage("a", "evt_4")), dead)
	}},
	{"claim exclusively", "A message that is leased is claimed by nobody until its lease has run out, and then with a greater fence.", func(t tb, s enrollment.Storage) {
		m := queued("site", "evt_1", at(0))
		do(t, s, putMessages(m))
		_, first := claimed(t, s, at(0), 10) // until minute 1
		for _, now := range []time.Time{at(0), at(1).Add(-time.Microsecond)} {
			if got, _ := claimed(t, s, now, 10); len(got) != 0 {
				t.Fatalf("claimed again at %v: %v", now, got)
			}
		}
		got, second := claimed(t, s, at(1), 10)
		same(t, "the message claimed again", got, []enrollment.Message{leased(leased(m, at(1)), at(2))})
		if first[0] >= second[0] {
			t.Errorf("fences are %d and then %d, want a greater one", first[0], second[0])
		}
	}},
	{"tell the backlog", "Backlog counts the waiting messages of every site, leased or not, and tells since when the oldest of the due ones is due.", func(t tb, s enrollment.Storage) {
		backlog := func(now time.Time) enrollment.Backlog {
			t.Helper()
			return see(t, s, func(ctx context.Context, tx enrollment.Tx) (enrollment.Backlog, error) {
				return tx.Outbox().Backlog(ctx, now)
			})
		}
		same(t, "of nothing", backlog(at(9)), enrollment.Backlog{})
		do(t, s, putMessages(queued("a", "evt_1", at(2)), queued("b", "evt_2", at(1)), queued("a", "evt_3", at(5))))
		same(t, "before any is due", backlog(at(1).Add(-time.Microsecond)), enrollment.Backlog{N: 3})
		same(t, "when the first is due", backlog(at(1)), enrollment.Backlog{N: 3, Oldest: at(1)})
		list := take(t, s, claim(at(1), time.Minute, 10))
		same(t, "while it is leased", backlog(at(1)), enrollment.Backlog{N: 3, Oldest: at(1)})
		do(t, s, finish(list[0], enrollment.Outcome{Status: enrollment.MessageDone, At: at(1)}))
		same(t, "after it has ended", backlog(at(9)), enrollment.Backlog{N: 2, Oldest: at(2)})
	}},
	{"claim at most", "Claim leases at most as many as asked for, and leaves the rest to the next.", func(t tb, s enrollment.Storage) {
		for i := range 5 {
			do(t, s, putMessages(queued("site", fmt.Sprint("evt_", i), at(0))))
		}
		var got []string
		for _, n := range []int{2, 2, 1, 0} {
			list := take(t, s, claim(at(1), time.Minute, 2))
			same(t, "the number of messages claimed", len(list), n)
			got = append(got, ids(list, messageID)...)
		}
		slices.Sort(got)
		same(t, "the messages claimed", got, []string{"evt_0", "evt_1", "evt_2", "evt_3", "evt_4"})
	}},
	{"finish for good", "A message that is done, superseded or dead says when and why, and is never claimed again.", func(t tb, s enrollment.Storage) {
		for _, status := range []enrollment.MessageStatus{enrollment.MessageDone, enrollment.MessageSuperseded, enrollment.MessageDead} {
			do(t, s, putMessages(queued("site", string(status), at(0)), queued("site", "beside "+string(status), at(500))))
			m := take(t, s, claim(at(1), time.Minute, 10))[0]
			do(t, s, finish(m, enrollment.Outcome{Status: status, At: at(1).Add(789).In(farAway), Cause: "cause"}))
			got := see(t, s, getMessage("site", string(status)))
			m.Status, m.EndedAt, m.Cause, m.LeaseUntil = status, at(1), "cause", got.LeaseUntil
			same(t, "the message", got, m)
			same(t, "the number of messages claimed much later", len(take(t, s, claim(at(400), time.Minute, 10))), 0)
			same(t, "the message beside it", see(t, s, getMessage("site", "beside "+string(status))), queued("site", "beside "+string(status), at(500)))
		}
	}},
	{"finish to try again", "A message that is to be tried again is due at the time given, not earlier and not only after its lease.", func(t tb, s enrollment.Storage) {
		do(t, s, putMessages(queued("site", "evt_1", at(0))))
		m := take(t, s, claim(at(0), time.Hour, 10))[0]
		do(t, s, finish(m, enrollment.Outcome{Status: enrollment.MessageWaiting, At: at(1), RetryAt: at(5), Cause: "refused"}))
		got := see(t, s, getMessage("site", "evt_1"))
		if got.Status != enrollment.MessageWaiting || got.Cause != "refused" || !got.EndedAt.IsZero() || !got.DueAt.Equal(at(5)) {
			t.Errorf("the message is %+v", got)
		}
		same(t, "the number of messages claimed too early", len(take(t, s, claim(at(5).Add(-time.Microsecond), time.Minute, 10))), 0)
		again := take(t, s, claim(at(5), time.Minute, 10))
		if len(again) != 1 || again[0].Attempt != 2 || again[0].Fence <= m.Fence {
			t.Errorf("claimed when due again: %+v, want attempt 2 and a fence greater than %d", again, m.Fence)
		}
	}},
	{"finish by the holder", "Who was overtaken by another claim, or comes when all is done, is refused with ErrStale and changes nothing.", func(t tb, s enrollment.Storage) {
		done := enrollment.Outcome{Status: enrollment.MessageDone, At: at(9)}
		do(t, s, putMessages(queued("site", "evt_1", at(0))))
		slow := take(t, s, claim(at(0), time.Minute, 10))[0]
		fast := take(t, s, claim(at(1), time.Minute, 10))[0]
		fails(t, s, enrollment.ErrStale, finish(slow, done))
		same(t, "the message", see(t, s, getMessage("site", "evt_1")), fast)
		do(t, s, finish(fast, done))
		ended := see(t, s, getMessage("site", "evt_1"))
		for _, m := range []enrollment.Message{slow, fast} {
			fails(t, s, enrollment.ErrStale, finish(m, enrollment.Outcome{Status: enrollment.MessageWaiting, At: at(9), RetryAt: at(9)}))
		}
		same(t, "the message that is done", see(t, s, getMessage("site", "evt_1")), ended)
	}},
	{"finish late", "A lease that ran out, but that nobody claimed since, still ends in time.", func(t tb, s enrollment.Storage) {
		do(t, s, putMessages(queued("site", "evt_1", at(0))))
		m := take(t, s, claim(at(0), time.Minute, 10))[0]
		do(t, s, finish(m, enrollment.Outcome{Status: enrollment.MessageDone, At: at(30)}))
		same(t, "the status", see(t, s, getMessage("site", "evt_1")).Status, enrollment.MessageDone)
	}},
	{"finish nothing", "There is nothing to finish where there is no message, or another site's.", func(t tb, s enrollment.Storage) {
		do(t, s, putMessages(queued("site", "evt_1", at(0))))
		m := take(t, s, claim(at(0), time.Minute, 10))[0]
		before := see(t, s, getMessage("site", "evt_1"))
		for _, name := range [][2]string{{"other", "evt_1"}, {"site", "evt_2"}, {"site", "EVT_1"}} {
			none := m
			none.Site, none.ID = name[0], name[1]
			fails(t, s, nil, finish(none, enrollment.Outcome{Status: enrollment.MessageDone, At: at(1)}))
		}
		same(t, "the message", see(t, s, getMessage("site", "evt_1")), before)
	}},
	{"list newest first", "List returns a site's messages, or those of one invitation or device, newest first.", func(t tb, s enrollment.Storage) {
		for i, about := range [][2]string{{"inv_1", ""}, {"inv_2", "dev_1"}, {"", "dev_1"}, {"inv_1", "dev_2"}} {
			m := queued("site", fmt.Sprint("evt_", i), at(0))
			m.Invitation, m.Device, m.CreatedAt = about[0], about[1], at(i)
			do(t, s, putMessages(m))
		}
		do(t, s, putMessages(queued("other", "evt_9", at(0))))
		for _, c := range []struct {
			subject string
			limit   int
			want    []string
		}{
			{"", 10, []string{"evt_3", "evt_2", "evt_1", "evt_0"}},
			{"", 2, []string{"evt_3", "evt_2"}},
			{"inv_1", 10, []string{"evt_3", "evt_0"}},
			{"dev_1", 10, []string{"evt_2", "evt_1"}},
			{"dev_1", 1, []string{"evt_2"}},
			{"INV_1", 10, nil},
		} {
			same(t, "the messages of "+c.subject, ids(see(t, s, listMessages("site", c.subject, c.limit)), messageID), c.want)
		}
	}},
}
