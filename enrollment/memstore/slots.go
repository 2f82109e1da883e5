package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/enrollment"
)

type slots struct{ *tx }

func (s slots) Put(ctx context.Context, list ...enrollment.Slot) error {
	return s.write(ctx, func() error {
		for _, row := range list {
			row, err := taken(row)
			if err != nil {
				return err
			}
			k := key{row.Site, row.ID}
			if old, ok := s.data.slots[k]; ok {
				s.count(old, -1)
			}
			s.count(row, 1)
			link(s.tx, s.data.slotsOf, row.Site, k)
			put(s.tx, s.data.slots, k, row)
		}
		return nil
	})
}

func (s slots) Delete(ctx context.Context, site string, ids ...string) error {
	return s.write(ctx, func() error {
		for _, id := range ids {
			k := key{site, id}
			if old, ok := s.data.slots[k]; ok {
				s.count(old, -1)
				unlink(s.tx, s.data.slotsOf, site, k)
				drop(s.tx, s.data.slots, k)
			}
		}
		return nil
	})
}

func (s slots) count(row enrollment.Slot, by int64) {
	k := key{row.Site, row.State}
	put(s.tx, s.data.counts, k, s.data.counts[k]+by)
}

func (s slots) Get(ctx context.Context, site, id string) (enrollment.Slot, error) {
	if err := s.reading(ctx); err != nil {
		return enrollment.Slot{}, err
	}
	row, ok := s.data.slots[key{site, id}]
	if !ok {
		return enrollment.Slot{}, fmt.Errorf("memstore: slot: %w", enrollment.ErrNotFound)
	}
	return given(row), nil
}

func (s slots) Page(ctx context.Context, q enrollment.SlotQuery) ([]enrollment.Slot, error) {
	if err := s.reading(ctx); err != nil {
		return nil, err
	}
	type sorted struct {
		at  enrollment.SlotPosition
		row enrollment.Slot
	}
	order := func(a, b enrollment.SlotPosition) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	}
	if q.Sort == enrollment.SortLastConnection || q.Sort == "" {
		ascending := order
		order = func(a, b enrollment.SlotPosition) int { return ascending(b, a) }
	}
	var list []sorted
	for k := range s.data.slotsOf[q.Site] {
		row := s.data.slots[k]
		at := enrollment.SlotPosition{Key: row.SortKey(q.Sort), ID: row.ID}
		if shown(row, q) && (q.After == (enrollment.SlotPosition{}) || order(at, q.After) > 0) {
			list = append(list, sorted{at, row})
		}
	}
	slices.SortFunc(list, func(a, b sorted) int { return order(a.at, b.at) })
	var page []enrollment.Slot
	for _, r := range atMost(list, q.Limit) {
		page = append(page, given(r.row))
	}
	return page, nil
}

func shown(row enrollment.Slot, q enrollment.SlotQuery) bool {
	if q.State != "" && row.State != q.State ||
		q.Platform != "" && row.Platform != q.Platform ||
		q.Ownership != "" && row.Ownership != q.Ownership {
		return false
	}
	if len(q.Search) == 0 {
		return true
	}
	terms := row.Terms()
	for _, begin := range q.Search {
		if !slices.ContainsFunc(terms, func(term string) bool { return strings.HasPrefix(term, begin) }) {
			return false
		}
	}
	return true
}

func (s slots) Counts(ctx context.Context, site string) (map[string]int64, error) {
	if err := s.reading(ctx); err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for k, n := range s.data.counts {
		if k.site == site && n != 0 {
			counts[k.id] = n
		}
	}
	return counts, nil
}

// Fold implements [enrollment.Slots]. The counts are always exact.
func (s slots) Fold(ctx context.Context, _ int) (int, error) {
	return 0, s.locking(ctx)
}
