package sqlstore

import (
	"context"
	"time"

	"example.com/enrollkit/enrollment"
)

const recordColumns = "site, scope, key, fingerprint, result, at, expires_at"

func recordFields(r *enrollment.Record) []any {
	return []any{&r.Site, &r.Scope, &r.Key, bin{&r.Fingerprint}, bin{&r.Result}, stamp{&r.At}, stamp{&r.ExpiresAt}}
}

type records struct{ *unit }

func (t records) Put(ctx context.Context, r enrollment.Record) error {
	n, err := insert(ctx, t.unit, "@records AS r ("+recordColumns+")", recordFields, `ON CONFLICT (site, scope, key) DO UPDATE SET
		fingerprint = excluded.fingerprint, result = excluded.result, at = excluded.at, expires_at = excluded.expires_at
		WHERE r.expires_at <> 0 AND r.expires_at <= excluded.at`, []enrollment.Record{r})
	if err == nil && n == 0 {
		err = enrollment.ErrExists
	}
	return err
}

func (t records) Get(ctx context.Context, site, scope, key string) (enrollment.Record, error) {
	return one(ctx, t.unit, recordFields,
		"SELECT "+recordColumns+" FROM @records WHERE site = ? AND scope = ? AND key = ?", site, scope, key)
}

func (t records) Prune(ctx context.Context, now time.Time, limit int) (int, error) {
	total := 0
	for _, past := range []struct {
		table, key, condition string
		at                    time.Time
	}{
		{"@records", "site, scope, key", "expires_at <> 0 AND expires_at <= ?", now},
		{"@counters", "key", "expires_at <> 0 AND expires_at <= ?", now},
		{"@messages", "site, id", "status <> 'waiting' AND ended_at <> 0 AND ended_at < ?", now.Add(-enrollment.OutboxKept)},
	} {
		// The condition again: while this waited for a row, somebody may have
		// renewed it.
		n, err := t.exec(ctx, "DELETE FROM "+past.table+" WHERE ("+past.key+") IN (SELECT "+past.key+
			" FROM "+past.table+" WHERE "+past.condition+" LIMIT ?) AND "+past.condition, micros(past.at), max(limit, 0), micros(past.at))
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, nil
}
