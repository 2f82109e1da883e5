package sqlstore

import (
	"context"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
)

// PruneSite implements [enrollment.Records].
func (t records) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	total := 0
	for _, step := range []struct {
		before time.Time
		prune  func(ctx context.Context, site string, before int64, limit int) (int64, error)
	}{
		{c.Journal, t.pruneJournal}, {c.Sightings, t.pruneSightings}, {c.Tombstones, t.pruneTombstones},
	} {
		if step.before.IsZero() {
			continue
		}
		n, err := step.prune(ctx, site, micros(step.before), max(limit, 0))
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, t.may(ctx, true)
}

// pruneJournal reads the oldest events in the order of the site and stops at the
// first that is too young, whatever comes behind it.
func (t records) pruneJournal(ctx context.Context, site string, before int64, limit int) (int64, error) {
	type numbered struct{ seq, at int64 }
	oldest, err := collect(ctx, t.unit, func(n *numbered) []any { return []any{&n.seq, &n.at} },
		"SELECT site_seq, at FROM @events WHERE site = ? AND site_seq <> 0 ORDER BY site_seq LIMIT ?", site, limit)
	if err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(oldest, func(n numbered) bool { return n.at >= before }); i >= 0 {
		oldest = oldest[:i]
	}
	if len(oldest) == 0 {
		return 0, nil
	}
	return t.exec(ctx, "DELETE FROM @events WHERE site = ? AND site_seq <> 0 AND site_seq <= ?", site, oldest[len(oldest)-1].seq)
}

func (t records) pruneSightings(ctx context.Context, site string, before int64, limit int) (int64, error) {
	return t.exec(ctx, `DELETE FROM @sightings WHERE (site, invitation, evidence) IN (
		SELECT s.site, s.invitation, s.evidence FROM @sightings s
		LEFT JOIN @invitations i ON i.site = s.site AND i.id = s.invitation
		WHERE s.site = ? AND s.last_at < ? AND (i.id IS NULL OR i.state = 'deactivated' AND i.ended_at < ?) LIMIT ?)
		AND last_at < ?`, // again, as in Prune
		site, before, before, limit, before)
}

func (t records) pruneTombstones(ctx context.Context, site string, before int64, limit int) (int64, error) {
	gone, err := collect(ctx, t.unit, func(id *string) []any { return []any{id} },
		"SELECT id FROM @devices WHERE site = ? AND deleted_at <> 0 AND deleted_at < ? ORDER BY deleted_at, id LIMIT ?", site, before, limit)
	if err != nil {
		return 0, err
	}
	var total int64
	for chunk := range slices.Chunk(gone, maxRows) {
		var contacts, devices where
		contacts.and("site = ?", site)
		contacts.in("device", anys(chunk))
		if _, err := t.exec(ctx, "DELETE FROM @contacts WHERE "+contacts.text, contacts.args...); err != nil {
			return total, err
		}
		devices.and("site = ?", site)
		devices.in("id", anys(chunk))
		n, err := t.exec(ctx, "DELETE FROM @devices WHERE "+devices.text, devices.args...)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
