package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// counter is a stored credentials.Counter and when it may be forgotten.
type counter struct {
	credentials.Counter
	expires time.Time // zero: never
}

const counterColumns = "key, n, start_at, last_at, expires_at"

func counterFields(c *counter) []any {
	return []any{&c.Key, &c.N, stamp{&c.Start}, stamp{&c.Last}, stamp{&c.expires}}
}

type counters struct{ *unit }

func (t counters) Get(ctx context.Context, keys ...string) ([]credentials.Counter, error) {
	known, err := t.load(ctx, keys)
	if err != nil {
		return nil, err
	}
	return known.stand(keys), nil
}

func (t counters) Refund(ctx context.Context, keys ...string) error {
	keys = slices.Sorted(slices.Values(keys)) // one order for all callers
	for _, k := range keys {                  // one by one, as a key named twice gets two back
		if _, err := t.exec(ctx, "UPDATE @counters SET n = n - 1 WHERE key = ? AND n > 0", k); err != nil {
			return err
		}
	}
	return t.may(ctx, true)
}

func (t counters) Delete(ctx context.Context, keys ...string) error {
	for _, k := range keys {
		if _, err := t.exec(ctx, "DELETE FROM @counters WHERE key = ?", k); err != nil {
			return err
		}
	}
	return t.may(ctx, true)
}

func (t counters) load(ctx context.Context, keys []string) (ledger, error) {
	known := make(ledger, len(keys))
	if len(keys) == 0 {
		return known, t.may(ctx, false)
	}
	var w where
	w.in("key", anys(keys))
	list, err := collect(ctx, t.unit, counterFields, "SELECT "+counterColumns+" FROM @counters WHERE "+w.text+" ORDER BY key"+t.lock(), w.args...)
	for _, c := range list {
		known[c.Key] = c
	}
	return known, err
}

// ledger is counters by key, while tries are spent.
type ledger map[string]counter

// stand returns the counters of keys as they are.
func (l ledger) stand(keys []string) []credentials.Counter {
	list := make([]credentials.Counter, len(keys))
	for i, k := range keys {
		list[i] = l[k].Counter
		list[i].Key = k
	}
	return list
}

// spend takes one try on every limit, or none and says when all have room
// again: never, if one of them never has.
func (l ledger) spend(limits []credentials.Limit, now time.Time) (changed ledger, retryAt time.Time) {
	changed = make(ledger, len(limits))
	full, never := false, false
	for _, limit := range limits {
		c, twice := changed[limit.Key]
		if !twice {
			c = l[limit.Key]
		}
		next, ok, at := c.Spend(limit, now)
		if ok {
			changed[limit.Key] = counter{next, limit.Expires(next)}
			continue
		}
		full, never = true, never || at.IsZero()
		if at.After(retryAt) {
			retryAt = at
		}
	}
	switch {
	case never:
		return nil, time.Time{}
	case full:
		return nil, retryAt
	}
	for k, c := range changed {
		l[k] = c
	}
	return changed, time.Time{}
}

// Spend implements [enrollment.Storage].
func (s *Store) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (spent enrollment.Spent, err error) {
	err = s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		spent, err = counters{tx.(*unit)}.spend(ctx, now.UTC().Truncate(time.Microsecond), gate, groups)
		if err == nil && spent.Refused {
			err = errRefused
		}
		return err
	})
	if err != nil && !errors.Is(err, errRefused) {
		return enrollment.Spent{}, err
	}
	return spent, nil
}

// errRefused takes back the rows that were only made to be locked.
var errRefused = errors.New("sqlstore: refused")

func (t counters) spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups [][]credentials.Limit) (enrollment.Spent, error) {
	all := names(gate)
	for _, group := range groups {
		all = append(all, names(group)...)
	}
	known, err := t.claim(ctx, all)
	if err != nil {
		return enrollment.Spent{}, err
	}
	write := ledger{}
	changed, retryAt := known.spend(gate, now)
	if changed == nil {
		return enrollment.Spent{Refused: true, RetryAt: retryAt, Gate: known.stand(names(gate))}, nil
	}
	var spent enrollment.Spent
	for i := -1; i < len(groups); i++ {
		if i >= 0 {
			changed, _ = known.spend(groups[i], now)
			spent.Groups = append(spent.Groups, enrollment.GroupSpent{OK: changed != nil})
		}
		for k, c := range changed {
			write[k] = c
		}
	}
	rows := make([]counter, 0, len(write))
	for _, k := range all { // in the caller's order, not the map's
		if c, ok := write[k]; ok {
			rows = append(rows, c)
			delete(write, k)
		}
	}
	if err := replace(ctx, t.unit, "@counters ("+counterColumns+")", counterFields, `ON CONFLICT (key) DO UPDATE SET
		n = excluded.n, start_at = excluded.start_at, last_at = excluded.last_at, expires_at = excluded.expires_at`, rows); err != nil {
		return enrollment.Spent{}, err
	}
	spent.Gate = known.stand(names(gate))
	for i, group := range groups {
		spent.Groups[i].Counters = known.stand(names(group))
	}
	return spent, t.disclaim(ctx, known)
}

// claim is load that locks counters that do not exist yet as well. Where others
// may write at the same time it makes a row of each, in one order for all
// callers; a row that nothing was spent on is taken away again by disclaim.
func (t counters) claim(ctx context.Context, keys []string) (ledger, error) {
	if t.rendered.dialect.oneWriter {
		return t.load(ctx, keys)
	}
	known := make(ledger, len(keys))
	for chunk := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(keys))), maxRows) {
		var values []any
		for _, k := range chunk {
			values = append(values, k)
		}
		err := t.change(ctx, "INSERT INTO @counters AS c (key, n, start_at, last_at, expires_at) VALUES "+
			strings.TrimSuffix(strings.Repeat("(?, 0, 0, 0, 0), ", len(chunk)), ", ")+
			" ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING "+counterColumns, values, func(r Rows) error {
			var c counter
			err := r.Scan(counterFields(&c)...)
			known[c.Key] = c
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

func (t counters) disclaim(ctx context.Context, known ledger) error {
	if t.rendered.dialect.oneWriter {
		return nil
	}
	var unused []string
	for k, c := range known {
		if c.Last.IsZero() {
			unused = append(unused, k)
		}
	}
	return t.Delete(ctx, unused...)
}

func names(limits []credentials.Limit) []string {
	list := make([]string, len(limits))
	for i, l := range limits {
		list[i] = l.Key
	}
	return list
}
