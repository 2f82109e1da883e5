package sqlstore

import (
	"context"

	"example.com/enrollkit/enrollment"
)

const (
	eventColumns = `site, id, subject, seq, site_seq, type, at, actor, before, after, reason,
		ref_source, ref_id, user_id, invitation, device, data`
	selectEvents = "SELECT " + eventColumns + " FROM @events WHERE "
)

func eventFields(e *enrollment.Event) []any {
	return []any{
		&e.Site, &e.ID, &e.Subject, &e.Seq, &e.SiteSeq, (*string)(&e.Type), stamp{&e.At}, &e.Actor,
		&e.Before, &e.After, &e.Reason, &e.Ref.Source, &e.Ref.ID, &e.User, &e.Invitation, &e.Device, doc{&e.Data},
	}
}

type journal struct{ *unit }

func (t journal) Append(ctx context.Context, list ...enrollment.Event) error {
	rows := make([]enrollment.Event, len(list))
	for i, e := range list {
		e.SiteSeq = 0 // given after the commit
		rows[i] = e
	}
	if err := add(ctx, t.unit, "@events ("+eventColumns+")", eventFields, rows); err != nil {
		return err
	}
	if t.appended == nil && len(rows) > 0 {
		t.appended = &rows[0]
	}
	return nil
}

func (t journal) List(ctx context.Context, q enrollment.EventQuery) ([]enrollment.Event, error) {
	var w where
	w.and("site = ?", q.Site)
	if q.Subject != "" {
		w.and("subject = ?", q.Subject)
	}
	order := ""
	switch {
	case q.ID != "":
		w.and("id = ?", q.ID)
	case q.Subject != "":
		w.and("seq > ?", q.After)
		order = " ORDER BY seq" + w.limitOrAll(q.Limit)
	default:
		w.and("site_seq <> 0 AND site_seq > ?", q.After)
		order = " ORDER BY site_seq" + w.limitOrAll(q.Limit)
	}
	return collect(ctx, t.unit, eventFields, selectEvents+w.text+order, w.args...)
}

// Sequence implements [enrollment.Journal]. Oldest is what was appended first.
func (t journal) Sequence(ctx context.Context, limit int) (int, error) {
	if err := t.may(ctx, true); err != nil {
		return 0, err
	}
	if err := t.rendered.dialect.hold(t.sure(ctx), t.q, t.rendered.options, "sequence"); err != nil {
		return 0, t.fail(err)
	}
	var w where
	w.and("site_seq = 0")
	if t.appended != nil { // what this unit appended is not committed yet
		w.and("pos < (SELECT pos FROM @events WHERE site = ? AND id = ?)", t.appended.Site, t.appended.ID)
	}
	type given struct {
		site string
		last int64
	}
	var (
		highest = map[string]int64{}
		count   int
	)
	err := t.change(ctx, `UPDATE @events SET site_seq = n.seq FROM (
			SELECT e.pos, COALESCE(q.last, 0) + row_number() OVER (PARTITION BY e.site ORDER BY e.pos) AS seq
			FROM (SELECT pos, site FROM @events WHERE `+w.text+" ORDER BY pos"+w.limit(limit)+`) e
			LEFT JOIN @site_sequences q ON q.site = e.site
		) n WHERE @events.pos = n.pos RETURNING site, site_seq`, w.args, func(r Rows) error {
		var g given
		if err := r.Scan(&g.site, &g.last); err != nil {
			return err
		}
		highest[g.site] = max(highest[g.site], g.last)
		count++
		return nil
	})
	if err != nil {
		return 0, err
	}
	var rows []given
	for site, n := range highest {
		rows = append(rows, given{site, n})
	}
	return count, replace(ctx, t.unit, "@site_sequences (site, last)",
		func(g *given) []any { return []any{&g.site, &g.last} },
		"ON CONFLICT (site) DO UPDATE SET last = excluded.last", rows)
}

func (t journal) Backlog(ctx context.Context) (enrollment.Backlog, error) {
	return one(ctx, t.unit, backlogFields, "SELECT COUNT(*), COALESCE(MIN(at), 0) FROM @events WHERE site_seq = 0")
}
