package memstore

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// counter is a stored credentials.Counter and when it may be forgotten.
type counter struct {
	credentials.Counter
	expires time.Time // zero: never
}

type counters struct{ *tx }

func (c counters) Get(ctx context.Context, names ...string) ([]credentials.Counter, error) {
	if err := c.reading(ctx); err != nil {
		return nil, err
	}
	return c.stand(names), nil
}

// stand returns the counters of names as they are.
func (c counters) stand(names []string) []credentials.Counter {
	list := make([]credentials.Counter, len(names))
	for i, name := range names {
		list[i] = c.data.counters[name].Counter
		list[i].Key = name
	}
	return list
}

func (c counters) Refund(ctx context.Context, names ...string) error {
	return c.write(ctx, func() error {
		for _, name := range names {
			if old, ok := c.data.counters[name]; ok {
				old.Counter = old.Counter.Refund()
				put(c.tx, c.data.counters, name, old)
			}
		}
		return nil
	})
}

func (c counters) Delete(ctx context.Context, names ...string) error {
	return c.write(ctx, func() error {
		for _, name := range names {
			drop(c.tx, c.data.counters, name)
		}
		return nil
	})
}

// Spend implements [enrollment.Storage].
func (s *Store) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	var spent enrollment.Spent
	err := s.unit(ctx, true, func(ctx context.Context, t *tx) error {
		c := counters{t}
		for _, list := range append([][]credentials.Limit{gate}, groups...) {
			if _, err := taken(list); err != nil {
				return err
			}
		}
		ok, retryAt := c.spend(gate, micros(now))
		if !ok {
			spent.Refused, spent.RetryAt = true, retryAt
			spent.Gate = c.stand(names(gate))
			return nil
		}
		for _, group := range groups {
			ok, _ := c.spend(group, micros(now))
			spent.Groups = append(spent.Groups, enrollment.GroupSpent{OK: ok})
		}
		spent.Gate = c.stand(names(gate))
		for i, group := range groups {
			spent.Groups[i].Counters = c.stand(names(group))
		}
		return nil
	})
	if err != nil {
		return enrollment.Spent{}, err
	}
	return spent, nil
}

// spend takes one try on every limit, or none and says when all have room again.
func (c counters) spend(limits []credentials.Limit, now time.Time) (ok bool, retryAt time.Time) {
	before := len(c.undo)
	ok, never := true, false
	for _, l := range limits {
		next, room, at := c.data.counters[l.Key].Spend(l, now)
		if room {
			put(c.tx, c.data.counters, l.Key, counter{next, l.Expires(next)})
			continue
		}
		ok = false
		never = never || at.IsZero()
		if at.After(retryAt) {
			retryAt = at
		}
	}
	if ok {
		return true, time.Time{}
	}
	c.undoTo(before)
	if never {
		retryAt = time.Time{}
	}
	return false, retryAt
}

func names(limits []credentials.Limit) []string {
	list := make([]string, len(limits))
	for i, l := range limits {
		list[i] = l.Key
	}
	return list
}
