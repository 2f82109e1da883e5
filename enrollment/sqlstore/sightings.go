package sqlstore

import (
	"context"
	"slices"

	"example.com/enrollkit/invitation"
)

const sightingColumns = "site, invitation, evidence, count, first_at, last_at"

func sightingFields(s *invitation.Sighting) []any {
	return []any{&s.Site, &s.Invitation, (*string)(&s.Evidence), &s.Count, stamp{&s.First}, stamp{&s.Last}}
}

type sightings struct{ *unit }

func (t sightings) Note(ctx context.Context, list ...invitation.Sighting) error {
	write := func() error {
		for i := range list { // one by one, as one statement may not change a row twice
			err := insertLater(ctx, t.unit, "@sightings AS s ("+sightingColumns+")", sightingFields, `ON CONFLICT (site, invitation, evidence) DO UPDATE SET
				count = s.count + excluded.count,
				first_at = CASE WHEN excluded.first_at < s.first_at THEN excluded.first_at ELSE s.first_at END,
				last_at = CASE WHEN excluded.last_at > s.last_at THEN excluded.last_at ELSE s.last_at END`, list[i:i+1])
			if err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 1 {
		return write()
	}
	return t.all(ctx, write)
}

func (t sightings) List(ctx context.Context, site string, invitations ...string) ([]invitation.Sighting, error) {
	var w where
	w.and("site = ?", site)
	w.in("invitation", anys(invitations))
	return collect(ctx, t.unit, sightingFields,
		"SELECT "+sightingColumns+" FROM @sightings WHERE "+w.text+" ORDER BY invitation, first_at, evidence", w.args...)
}

func (t sightings) Delete(ctx context.Context, site string, invitations ...string) error {
	for chunk := range slices.Chunk(invitations, maxRows) {
		var w where
		w.and("site = ?", site)
		w.in("invitation", anys(chunk))
		if _, err := t.exec(ctx, "DELETE FROM @sightings WHERE "+w.text, w.args...); err != nil {
			return err
		}
	}
	return t.may(ctx, true)
}
