package storetest

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
)

var recordTrace = trace{
	seed: all(putRecord(keptUntil("old", at(5))), putRecord(keptUntil("new", at(50)))),
	write: all(
		dropped(prune(at(10), 10)),
		putRecord(keptUntil("third", at(50))),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		var list []enrollment.Record
		for _, key := range []string{"old", "new", "third"} {
			r, err := optional(tx.Records().Get(ctx, "site", "scope", key))
			if err != nil {
				return nil, err
			}
			list = append(list, r)
		}
		return list, nil
	},
}

// keptUntil is a record of "site" and "scope" that expires at a time.
func keptUntil(key string, end time.Time) enrollment.Record {
	return enrollment.Record{Site: "site", Scope: "scope", Key: key, Result: []byte("first"), At: at(0), ExpiresAt: end}
}

var recordRules = []rule{
	{"a key is taken until it expires", "A key is refused with ErrExists while its record has not expired, and free from then on.", func(t tb, s enrollment.Storage) {
		first := keptUntil("key", at(5))
		do(t, s, putRecord(first))
		second := keptUntil("key", at(50))
		second.Result = []byte("second")
		for _, now := range []time.Time{at(0), at(5).Add(-time.Microsecond)} {
			second.At = now
			fails(t, s, enrollment.ErrExists, putRecord(second))
			same(t, "the record", see(t, s, getRecord("site", "scope", "key")), first)
		}
		second.At = at(5)
		do(t, s, putRecord(second))
		same(t, "the record that replaced it", see(t, s, getRecord("site", "scope", "key")), second)
	}},
	{"an expired record is still there", "Get returns a record, expired or not.", func(t tb, s enrollment.Storage) {
		r := keptUntil("key", at(0))
		do(t, s, putRecord(r))
		same(t, "the record", see(t, s, getRecord("site", "scope", "key")), r)
	}},
	{"scopes do not meet", "The same key in another scope, site or case is another record.", func(t tb, s enrollment.Storage) {
		one := keptUntil("key", at(5))
		do(t, s, putRecord(one))
		for i, edit := range []func(*enrollment.Record){
			func(r *enrollment.Record) { r.Scope = "other" }, func(r *enrollment.Record) { r.Scope = "SCOPE" },
			func(r *enrollment.Record) { r.Site = "other" }, func(r *enrollment.Record) { r.Key = "KEY" },
		} {
			r := one
			edit(&r)
			misses(t, s, "another record", getRecord(r.Site, r.Scope, r.Key))
			r.Result = []byte(fmt.Sprint(i))
			do(t, s, putRecord(r))
			same(t, "another record", see(t, s, getRecord(r.Site, r.Scope, r.Key)), r)
		}
		same(t, "the first record", see(t, s, getRecord("site", "scope", "key")), one)
	}},
	{"prune records", "Prune deletes the records that have expired, at most as many as asked for, and no other.", func(t tb, s enrollment.Storage) {
		for i := range 5 {
			do(t, s, putRecord(keptUntil(fmt.Sprint("old", i), at(i))))
		}
		later := keptUntil("new", at(4).Add(time.Microsecond))
		do(t, s, putRecord(later))
		for _, n := range []int{2, 2, 1, 0} {
			same(t, "the number of records deleted", take(t, s, prune(at(4), 2)), n)
		}
		for i := range 5 {
			misses(t, s, "an expired record", getRecord("site", "scope", fmt.Sprint("old", i)))
		}
		same(t, "the record that has not expired", see(t, s, getRecord("site", "scope", "new")), later)
	}},
	{"prune messages", "Prune deletes the messages that ended more than OutboxKept ago, and none that is waiting.", func(t tb, s enrollment.Storage) {
		do(t, s, putMessages(queued("site", "evt_1", at(0)), queued("site", "evt_2", at(0))))
		for i, m := range take(t, s, claim(at(0), time.Minute, 10)) {
			do(t, s, finish(m, enrollment.Outcome{Status: enrollment.MessageDone, At: at(1).Add(time.Duration(i) * time.Microsecond)}))
		}
		do(t, s, putMessages(queued("site", "evt_3", at(0))))
		end := at(1).Add(enrollment.OutboxKept)
		for i, n := range []int{0, 1, 1, 0} {
			same(t, "the number of messages deleted", take(t, s, prune(end.Add(time.Duration(i)*time.Microsecond), 10)), n)
		}
		same(t, "the messages left", ids(see(t, s, listMessages("site", "", 10)), messageID), []string{"evt_3"})
	}},
}
