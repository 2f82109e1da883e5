package memstore

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
)

type recordKey struct{ site, scope, key string }

type records struct{ *tx }

func (r records) Put(ctx context.Context, row enrollment.Record) error {
	return r.write(ctx, func() error {
		row, err := taken(row)
		if err != nil {
			return err
		}
		k := recordKey{row.Site, row.Scope, row.Key}
		if old, ok := r.data.records[k]; ok && !past(old.ExpiresAt, row.At) {
			return fmt.Errorf("memstore: record: %w", enrollment.ErrExists)
		}
		put(r.tx, r.data.records, k, row)
		return nil
	})
}

func (r records) Get(ctx context.Context, site, scope, name string) (enrollment.Record, error) {
	if err := r.reading(ctx); err != nil {
		return enrollment.Record{}, err
	}
	row, ok := r.data.records[recordKey{site, scope, name}]
	if !ok {
		return enrollment.Record{}, fmt.Errorf("memstore: record: %w", enrollment.ErrNotFound)
	}
	return given(row), nil
}

func (r records) Prune(ctx context.Context, now time.Time, limit int) (int, error) {
	now = micros(now)
	total := 0
	err := r.write(ctx, func() error {
		total = sweep(r.tx, r.data.records, limit, func(row enrollment.Record) bool {
			return past(row.ExpiresAt, now)
		})
		total += sweep(r.tx, r.data.counters, limit, func(c counter) bool {
			return past(c.expires, now)
		})
		total += sweep(r.tx, r.data.messages, limit, func(m enrollment.Message) bool {
			ended := !m.EndedAt.IsZero() && m.EndedAt.Before(now.Add(-enrollment.OutboxKept))
			if ended && m.Dedupe != "" {
				drop(r.tx, r.data.deduped, key{m.Site, m.Dedupe})
			}
			return ended
		})
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// sweep drops at most limit elements that are to go and returns how many it did.
func sweep[K comparable, V any](t *tx, m map[K]V, limit int, toGo func(V) bool) int {
	n := 0
	for k, v := range m {
		if n >= limit {
			break
		}
		if toGo(v) {
			drop(t, m, k)
			n++
		}
	}
	return n
}

// past reports whether a time that may never come has come at now.
func past(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }
