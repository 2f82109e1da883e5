package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

var counterTrace = trace{
	spend: func(t tb, s enrollment.Storage) {
		spend(t, s, at(0), nil, limits("one", 5), limits("two", 5))
	},
	seed: func(context.Context, enrollment.Tx) error { return nil },
	write: func(ctx context.Context, tx enrollment.Tx) error {
		return errors.Join(tx.Counters().Refund(ctx, "one"), tx.Counters().Delete(ctx, "two"))
	},
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) { return tx.Counters().Get(ctx, "one", "two") },
}

// limits is one limit that lasts for ever.
func limits(key string, most int) []credentials.Limit {
	return []credentials.Limit{{Key: key, Max: most}}
}

// spend books a try and has to succeed in that, whatever comes of it.
func spend(t tb, s enrollment.Storage, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) enrollment.Spent {
	t.Helper()
	got, err := s.Spend(t.Context(), now, gate, groups...)
	if err != nil {
		t.Fatalf("Spend failed: %v", err)
	}
	if !got.Refused && len(got.Groups) != len(groups) {
		t.Fatalf("Spend answered %d groups with %d rows", len(groups), len(got.Groups))
	}
	return got
}

func counted(keys ...string) reading[[]credentials.Counter] {
	return func(ctx context.Context, tx enrollment.Tx) ([]credentials.Counter, error) {
		return tx.Counters().Get(ctx, keys...)
	}
}

// tries are the numbers of what was spent on keys.
func tries(t tb, s enrollment.Storage, keys ...string) []int {
	t.Helper()
	var list []int
	for _, c := range see(t, s, counted(keys...)) {
		list = append(list, c.N)
	}
	return list
}

func counter(key string, n int, start, last time.Time) credentials.Counter {
	return credentials.Counter{Key: key, N: n, Start: start, Last: last}
}

func refund(keys ...string) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Counters().Refund(ctx, keys...) }
}

func forget(keys ...string) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Counters().Delete(ctx, keys...) }
}

// model is Spend by the book: the arithmetic of credentials.Counter on a map.
type model map[string]credentials.Counter

func (m model) spend(now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (want enrollment.Spent) {
	ok, retryAt := m.book(now, gate)
	want.Refused, want.RetryAt = !ok, retryAt
	for _, group := range groups {
		if want.Refused {
			break
		}
		ok, _ := m.book(now, group)
		want.Groups = append(want.Groups, enrollment.GroupSpent{OK: ok})
	}
	want.Gate = m.stand(gate)
	for i := range want.Groups {
		want.Groups[i].Counters = m.stand(groups[i])
	}
	return want
}

func (m model) book(now time.Time, list []credentials.Limit) (ok bool, retryAt time.Time) {
	next := model{}
	ok, never := true, false
	for _, l := range list {
		c, spent := next[l.Key]
		if !spent {
			c = m[l.Key]
		}
		c, room, at := c.Spend(l, now)
		next[l.Key] = c
		ok, never = ok && room, never || !room && at.IsZero()
		if at.After(retryAt) {
			retryAt = at
		}
	}
	if !ok {
		if never {
			retryAt = time.Time{}
		}
		return false, retryAt
	}
	for key, c := range next {
		m[key] = c
	}
	return true, time.Time{}
}

func (m model) stand(list []credentials.Limit) (counters []credentials.Counter) {
	for _, l := range list {
		c := m[l.Key]
		c.Key = l.Key
		counters = append(counters, c)
	}
	return counters
}

var spendRules = []rule{
	{"spend on each", "With room everywhere, one try is spent on each limit, and the answer has the counters as they stand.", func(t tb, s enrollment.Storage) {
		got := spend(t, s, at(0), append(limits("a", 3), limits("b", 3)...), limits("c", 3), append(limits("d", 3), limits("e", 3)...))
		one := func(key string) credentials.Counter { return counter(key, 1, at(0), at(0)) }
		same(t, "the answer", got, enrollment.Spent{
			Gate:   []credentials.Counter{one("a"), one("b")},
			Groups: []enrollment.GroupSpent{{OK: true, Counters: []credentials.Counter{one("c")}}, {OK: true, Counters: []credentials.Counter{one("d"), one("e")}}},
		})
		same(t, "the counters", see(t, s, counted("e", "d", "a", "none")), []credentials.Counter{one("e"), one("d"), one("a"), {Key: "none"}})
		spend(t, s, at(2), limits("a", 3))
		same(t, "the counter spent twice", see(t, s, counted("a")), []credentials.Counter{counter("a", 2, at(0), at(2))})
	}},
	{"nothing to spend", "Without limits there is nothing to refuse.", func(t tb, s enrollment.Storage) {
		same(t, "the answer", spend(t, s, at(0), nil), enrollment.Spent{})
		same(t, "the answer for an empty group", spend(t, s, at(0), nil, nil), enrollment.Spent{Groups: []enrollment.GroupSpent{{OK: true}}})
	}},
	{"a full gate", "If one limit of the gate is full, nothing is spent anywhere.", func(t tb, s enrollment.Storage) {
		spend(t, s, at(0), limits("full", 1))
		for _, gate := range [][]credentials.Limit{
			{{Key: "free", Max: 3}, {Key: "full", Max: 1}},
			{{Key: "full", Max: 1}, {Key: "free", Max: 3}},
		} {
			got := spend(t, s, at(1), gate, limits("group", 3), nil)
			if !got.Refused || len(got.Groups) != 0 || !got.RetryAt.IsZero() {
				t.Errorf("the answer is %+v, want a refusal for ever", got)
			}
			same(t, "the tries", tries(t, s, "free", "full", "group"), []int{0, 1, 0})
			for _, c := range got.Gate {
				if c.N != map[string]int{"full": 1}[c.Key] {
					t.Errorf("the answer has %+v of the gate", c)
				}
			}
			same(t, "the number of counters of the gate", len(got.Gate), 2)
		}
	}},
	{"groups by themselves", "A full group spends none of its own and is no concern of the gate or of other groups.", func(t tb, s enrollment.Storage) {
		spend(t, s, at(0), nil, limits("full", 1))
		got := spend(t, s, at(1), limits("gate", 9), append(limits("a", 9), limits("full", 1)...), limits("b", 9), append(limits("full", 1), limits("c", 9)...))
		if got.Refused {
			t.Fatalf("refused, though the gate has room")
		}
		for i, want := range []bool{false, true, false} {
			same(t, fmt.Sprintf("whether group %d was spent", i), got.Groups[i].OK, want)
		}
		same(t, "the tries", tries(t, s, "gate", "a", "full", "b", "c"), []int{1, 0, 1, 1, 0})
		same(t, "the counters of the full group", got.Groups[0].Counters, []credentials.Counter{{Key: "a"}, counter("full", 1, at(0), at(0))})
	}},
	{"named twice", "A limit named twice in one call is spent twice, and refused if there is room for one only.", func(t tb, s enrollment.Storage) {
		a, b := limits("a", 3), limits("b", 3)
		spend(t, s, at(0), append(a, a...), append(b, b...), b)
		same(t, "the tries", tries(t, s, "a", "b"), []int{2, 3})
		got := spend(t, s, at(0), append(a, a...))
		same(t, "whether the gate refused", got.Refused, true)
		same(t, "the tries after the refusal", tries(t, s, "a"), []int{2})
		same(t, "whether groups refuse", spend(t, s, at(0), nil, append(a, a...), a, a).Groups[0].OK, false)
		same(t, "the tries after the groups", tries(t, s, "a"), []int{3})
	}},
	{"windows", "When a window has passed, counting starts anew; until then the gate says when that is.", func(t tb, s enrollment.Storage) {
		gate := []credentials.Limit{{Key: "key", Max: 2, Window: 10 * time.Minute}}
		spend(t, s, at(0), gate)
		spend(t, s, at(5), gate)
		got := spend(t, s, at(10).Add(-time.Microsecond), gate)
		if !got.Refused || !got.RetryAt.Equal(at(10)) {
			t.Errorf("the answer is %+v, want a refusal until %v", got, at(10))
		}
		same(t, "the answer in the next window", spend(t, s, at(10), gate).Gate, []credentials.Counter{counter("key", 1, at(10), at(10))})
	}},
	{"slow tries", "A slow limit that is full takes one more try after each pause.", func(t tb, s enrollment.Storage) {
		gate := []credentials.Limit{{Key: "key", Max: 1, Slow: time.Minute}}
		spend(t, s, at(0), gate)
		for n := range 3 {
			got := spend(t, s, at(n+1).Add(-time.Microsecond), gate)
			if !got.Refused || !got.RetryAt.Equal(at(n+1)) {
				t.Fatalf("the answer is %+v, want a refusal until %v", got, at(n+1))
			}
			same(t, "the answer after the pause", spend(t, s, at(n+1), gate).Gate, []credentials.Counter{counter("key", n+2, at(0), at(n+1))})
		}
	}},
	{"retry when all have room", "RetryAt is when the last limit of the gate has room again, and zero if one never has.", func(t tb, s enrollment.Storage) {
		short := credentials.Limit{Key: "short", Max: 1, Window: time.Minute}
		long := credentials.Limit{Key: "long", Max: 1, Window: time.Hour}
		never := credentials.Limit{Key: "never", Max: 1}
		spend(t, s, at(0), []credentials.Limit{short, long, never})
		for _, c := range []struct {
			gate []credentials.Limit
			want time.Time
		}{
			{[]credentials.Limit{short, long}, at(60)}, {[]credentials.Limit{long, short}, at(60)},
			{[]credentials.Limit{short}, at(1)}, {[]credentials.Limit{never, short}, time.Time{}}, {[]credentials.Limit{long, never}, time.Time{}},
		} {
			same(t, fmt.Sprintf("when %+v has room", c.gate), spend(t, s, at(0), c.gate).RetryAt, c.want)
		}
	}},
	{"invalid limits", "A limit that is invalid has no room.", func(t tb, s enrollment.Storage) {
		for _, l := range []credentials.Limit{{}, {Key: "a"}, {Key: "b", Max: 1, Window: -1}, {Key: strings.Repeat("k", credentials.MaxLimitKey+1), Max: 1}} {
			if got, err := s.Spend(t.Context(), at(0), []credentials.Limit{l}, limits("other", 1)); err == nil && !got.Refused {
				t.Errorf("%+v was spent", l)
			}
		}
		same(t, "the tries", tries(t, s, "a", "b", "other"), []int{0, 0, 0})
	}},
	{"keys are text", "Keys are compared byte by byte, up to MaxLimitKey of them, and hold no NUL.", func(t tb, s enrollment.Storage) {
		long := strings.Repeat("🦊", credentials.MaxLimitKey/4)
		spend(t, s, at(0), limits("key", 9), limits("KEY", 9), limits(long, 9), limits("key", 9))
		same(t, "the tries", tries(t, s, "key", "KEY", long, "Key"), []int{2, 1, 1, 0})
		if got, err := s.Spend(t.Context(), at(0), limits("free", 1), limits("a\x00", 9)); err == nil {
			t.Errorf("a key with a NUL was taken: %+v", got)
		}
		same(t, "the tries", tries(t, s, "free"), []int{0})
	}},
	{"spend by the book", "Whatever is spent in whatever order, the answers are those of credentials.Counter.", func(t tb, s enrollment.Storage) {
		all := []credentials.Limit{
			{Key: "1", Max: 3}, {Key: "2", Max: 2, Window: 7 * time.Minute}, {Key: "3", Max: 1, Slow: 2 * time.Minute},
			{Key: "4", Max: 2, Window: 11 * time.Minute, Slow: 3 * time.Minute}, {Key: "5", Max: 40}, {Key: "6", Max: 4, Window: time.Minute},
		}
		n, m, now := lcg(7), model{}, at(0)
		some := func() (list []credentials.Limit) {
			for range n.upTo(3) {
				list = append(list, all[n.upTo(len(all))])
			}
			return list
		}
		for step := range 150 {
			now = now.Add(time.Duration(n.upTo(120)-20) * time.Second) // now and then backward
			gate, groups := some(), [][]credentials.Limit{some(), some()}
			want := m.spend(now, gate, groups...)
			same(t, fmt.Sprintf("step %d: %+v, %+v at %v: the answer", step, gate, groups, now), spend(t, s, now, gate, groups...), want)
			if step%13 == 0 {
				do(t, s, refund("1", "3", "none"))
				for _, key := range []string{"1", "3"} {
					if c, ok := m[key]; ok {
						m[key] = c.Refund()
					}
				}
			}
		}
	}},
	{"refund", "Refund gives back one try on each key, never below zero, and minds no key that is not there.", func(t tb, s enrollment.Storage) {
		for range 2 {
			spend(t, s, at(0), limits("a", 9), limits("b", 9))
		}
		do(t, s, refund("a", "none"))
		same(t, "the tries", tries(t, s, "a", "b", "none"), []int{1, 2, 0})
		same(t, "the counter", see(t, s, counted("a")), []credentials.Counter{counter("a", 1, at(0), at(0))})
		for range 3 {
			do(t, s, refund("a"))
		}
		same(t, "the tries", tries(t, s, "a", "b"), []int{0, 2})
		same(t, "the answer to the next try", spend(t, s, at(5), limits("a", 1)).Gate, []credentials.Counter{counter("a", 1, at(5), at(5))})
	}},
	{"forget", "Delete forgets counters and minds no key that is not there.", func(t tb, s enrollment.Storage) {
		spend(t, s, at(0), limits("a", 1), limits("A", 1), limits("b", 1))
		do(t, s, forget("a", "none"), forget())
		same(t, "the counters", see(t, s, counted("a", "A", "b")), []credentials.Counter{{Key: "a"}, counter("A", 1, at(0), at(0)), counter("b", 1, at(0), at(0))})
		same(t, "whether there is room again", spend(t, s, at(0), limits("a", 1)).Refused, false)
	}},
	{"prune counters", "Prune deletes the counters whose window has passed, and never those without one.", func(t tb, s enrollment.Storage) {
		spend(t, s, at(0), []credentials.Limit{{Key: "short", Max: 9, Window: 5 * time.Minute}, {Key: "long", Max: 9, Window: 6 * time.Minute}, {Key: "ever", Max: 9}})
		same(t, "the number deleted too early", take(t, s, prune(at(5).Add(-time.Microsecond), 10)), 0)
		same(t, "the number deleted", take(t, s, prune(at(5), 10)), 1)
		same(t, "the tries", tries(t, s, "short", "long", "ever"), []int{0, 1, 1})
	}},
	{"cut times", "Spend keeps times to the microsecond, in UTC.", func(t tb, s enrollment.Storage) {
		got := spend(t, s, at(1).Add(789).In(farAway), limits("key", 9))
		same(t, "the answer", got.Gate, []credentials.Counter{counter("key", 1, at(1), at(1))})
		same(t, "the counter", see(t, s, counted("key")), got.Gate)
	}},
	{"not when cancelled", "With a context that is done, Spend returns its error and spends nothing.", func(t tb, s enrollment.Storage) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Spend(ctx, at(0), limits("key", 9)); !errors.Is(err, context.Canceled) {
			t.Errorf("Spend returned %v, want %v", err, context.Canceled)
		}
		same(t, "the tries", tries(t, s, "key"), []int{0})
	}},
	{"exact at a gate", "However many try at once, a gate lets through exactly as many as its limit allows.", func(t tb, s enrollment.Storage) {
		passed := make([]bool, 64)
		allNil(t, together(64, func(i int) error {
			got, err := s.Spend(t.Context(), at(0), limits("gate", 20), limits("beside", 100))
			passed[i] = err == nil && !got.Refused
			return err
		}))
		same(t, "the number let through", trues(passed), 20)
		same(t, "the tries", tries(t, s, "gate", "beside"), []int{20, 20})
	}},
	{"exact in groups", "However many try at once, in whatever order they name limits, a group spends exactly what it may.", func(t tb, s enrollment.Storage) {
		passed := make([]bool, 64)
		allNil(t, together(64, func(i int) error {
			group := []credentials.Limit{{Key: "a", Max: 30}, {Key: "b", Max: 10}}
			if i%2 == 1 {
				group[0], group[1] = group[1], group[0]
			}
			got, err := s.Spend(t.Context(), at(0), nil, group, limits("c", 100))
			passed[i] = err == nil && got.Groups[0].OK
			return err
		}))
		same(t, "the number of groups spent", trues(passed), 10)
		same(t, "the tries", tries(t, s, "a", "b", "c"), []int{10, 10, 64})
	}},
}

func trues(list []bool) (n int) {
	for _, v := range list {
		if v {
			n++
		}
	}
	return n
}
