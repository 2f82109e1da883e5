package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"example.com/enrollkit/enrollment"
)

type journal struct{ *tx }

func (j journal) Append(ctx context.Context, list ...enrollment.Event) error {
	return j.write(ctx, func() error {
		for _, e := range list {
			e, err := taken(e)
			if err != nil {
				return err
			}
			e.SiteSeq = 0 // it is given after the commit
			k, subject := key{e.Site, e.ID}, key{e.Site, e.Subject}
			if _, ok := j.data.events[k]; ok {
				return fmt.Errorf("memstore: event: %w", enrollment.ErrExists)
			}
			if _, ok := j.data.bySeq[subject][e.Seq]; ok {
				return fmt.Errorf("memstore: event of this number: %w", enrollment.ErrExists)
			}
			j.data.appended++
			put(j.tx, j.data.pending, k, j.data.appended)
			number(j.tx, j.data.bySeq, subject, e.Seq, e.ID)
			put(j.tx, j.data.events, k, e)
		}
		return nil
	})
}

func (j journal) List(ctx context.Context, q enrollment.EventQuery) ([]enrollment.Event, error) {
	if err := j.reading(ctx); err != nil {
		return nil, err
	}
	var list []enrollment.Event
	if q.ID != "" {
		e, ok := j.data.events[key{q.Site, q.ID}]
		if ok && (q.Subject == "" || e.Subject == q.Subject) {
			list = append(list, e)
		}
		return given(list), nil
	}
	numbered := j.data.bySiteSeq[q.Site]
	if q.Subject != "" {
		numbered = j.data.bySeq[key{q.Site, q.Subject}]
	}
	var after []int64
	for n := range numbered {
		if n > q.After {
			after = append(after, n)
		}
	}
	slices.Sort(after)
	for _, n := range atMost(after, q.Limit) {
		list = append(list, j.data.events[key{q.Site, numbered[n]}])
	}
	return given(list), nil
}

// Sequence implements [enrollment.Journal]. Oldest is what was appended first.
func (j journal) Sequence(ctx context.Context, limit int) (int, error) {
	var total int
	err := j.write(ctx, func() error {
		var committed []key
		for k, n := range j.data.pending {
			if n <= j.began {
				committed = append(committed, k)
			}
		}
		slices.SortFunc(committed, func(a, b key) int { return cmp.Compare(j.data.pending[a], j.data.pending[b]) })
		for _, k := range first(committed, limit) {
			e := j.data.events[k]
			e.SiteSeq = j.data.lastSeq[e.Site] + 1
			put(j.tx, j.data.lastSeq, e.Site, e.SiteSeq)
			number(j.tx, j.data.bySiteSeq, e.Site, e.SiteSeq, e.ID)
			put(j.tx, j.data.events, k, e)
			drop(j.tx, j.data.pending, k)
			total++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

func (j journal) Backlog(ctx context.Context) (enrollment.Backlog, error) {
	if err := j.reading(ctx); err != nil {
		return enrollment.Backlog{}, err
	}
	var b enrollment.Backlog
	for k := range j.data.pending {
		b.N++
		if at := j.data.events[k].At; b.Oldest.IsZero() || at.Before(b.Oldest) {
			b.Oldest = at
		}
	}
	return b, nil
}

// number notes under which number an event is found.
func number[A comparable](t *tx, index map[A]map[int64]string, of A, n int64, id string) {
	if index[of] == nil {
		put(t, index, of, map[int64]string{})
	}
	put(t, index[of], n, id)
}
