package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
)

const (
	messageColumns = `site, id, kind, dedupe, invitation, device, user_id, admin, event,
		created_at, due_at, attempt, lease_until, fence, status, ended_at, cause`

	// isWaiting is the condition of the index, word for word, or it is not used.
	isWaiting = "status = 'waiting'"
)

func messageFields(m *enrollment.Message) []any {
	return []any{
		&m.Site, &m.ID, (*string)(&m.Kind), &m.Dedupe, &m.Invitation, &m.Device, &m.User, &m.Admin, &m.Event,
		stamp{&m.CreatedAt}, stamp{&m.DueAt}, &m.Attempt, stamp{&m.LeaseUntil}, &m.Fence,
		(*string)(&m.Status), stamp{&m.EndedAt}, &m.Cause,
	}
}

type outbox struct{ *unit }

func (t outbox) Put(ctx context.Context, list ...enrollment.Message) error {
	write := func() error {
		return insertLater(ctx, t.unit, "@messages ("+messageColumns+")", messageFields,
			"ON CONFLICT (site, dedupe) WHERE dedupe <> '' DO NOTHING", list)
	}
	if len(list) <= maxRows {
		return write()
	}
	return t.all(ctx, write)
}

// Claim implements [enrollment.Outbox]. What has been due for longest comes first.
func (t outbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]enrollment.Message, error) {
	skip := ""
	if t.lock() != "" {
		skip = t.lock() + " SKIP LOCKED" // what another is claiming is not ours
	}
	var list []enrollment.Message
	// Materialized, because a plan that asks again for each row would find others
	// each time, and claim more than the limit.
	err := t.change(ctx, `WITH due AS MATERIALIZED (
			SELECT site, id FROM @messages WHERE `+isWaiting+` AND due_at <= ? AND lease_until <= ?
			ORDER BY due_at, id, site LIMIT ?`+skip+`)
		UPDATE @messages SET lease_until = ?, fence = fence + 1, attempt = attempt + 1
		WHERE (site, id) IN (SELECT site, id FROM due) RETURNING `+messageColumns,
		[]any{micros(now), micros(now), max(limit, 0), micros(now.Add(lease))}, func(r Rows) error {
			var m enrollment.Message
			err := r.Scan(messageFields(&m)...)
			list = append(list, m)
			return err
		})
	slices.SortFunc(list, func(a, b enrollment.Message) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Site, b.Site))
	})
	return list, err
}

func (t outbox) Finish(ctx context.Context, site, id string, fence int64, out enrollment.Outcome) error {
	again := out.Status == enrollment.MessageWaiting
	set, at := "ended_at = ?", out.At
	if again {
		set, at = "due_at = ?", out.RetryAt
	}
	n, err := t.exec(ctx, "UPDATE @messages SET status = ?, cause = ?, lease_until = 0, "+set+
		" WHERE site = ? AND id = ? AND fence = ? AND "+isWaiting, string(out.Status), out.Cause, micros(at), site, id, fence)
	if err != nil || n == 1 {
		return err
	}
	fields := func(status *string) []any { return []any{status} }
	if _, err := one(ctx, t.unit, fields, "SELECT status FROM @messages WHERE site = ? AND id = ?", site, id); err != nil {
		return err
	}
	return enrollment.ErrStale
}

func (t outbox) List(ctx context.Context, site, subject string, limit int) ([]enrollment.Message, error) {
	var w where
	w.and("site = ?", site)
	if subject != "" {
		// Two searches, where an OR would walk the site.
		w.and(`(site, id) IN (
			SELECT site, id FROM @messages WHERE site = ? AND invitation = ? AND invitation <> ''
			UNION ALL
			SELECT site, id FROM @messages WHERE site = ? AND device = ? AND device <> '')`, site, subject, site, subject)
	}
	return collect(ctx, t.unit, messageFields, "SELECT "+messageColumns+" FROM @messages WHERE "+w.text+
		" ORDER BY created_at DESC, id DESC"+w.limit(limit), w.args...)
}

func (t outbox) Backlog(ctx context.Context, now time.Time) (enrollment.Backlog, error) {
	return one(ctx, t.unit, backlogFields, `SELECT COUNT(*), COALESCE(MIN(CASE WHEN due_at <= ? THEN due_at END), 0)
		FROM @messages WHERE `+isWaiting, micros(now))
}

func backlogFields(b *enrollment.Backlog) []any { return []any{&b.N, stamp{&b.Oldest}} }
