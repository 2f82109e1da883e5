package verify

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// slots compares which rows the list has, and their number, with which it should
// have.
func slots(ctx context.Context, c *checker) error {
	for _, query := range []string{
		`SELECT 'invitation ' || i.id || ' is missing or different' FROM @invitations i
			LEFT JOIN @slots s ON s.site = i.site AND s.id = i.id AND s.kind = 'invitation' AND s.state = i.state
			WHERE i.state <> 'deactivated' AND i.live = 0 AND s.id IS NULL`,
		`SELECT 'device ' || d.id || ' is missing or different' FROM @devices d
			LEFT JOIN @slots s ON s.site = d.site AND s.id = d.id AND s.kind = 'device' AND s.state = d.state
			WHERE d.deleted_at = 0 AND s.id IS NULL`,
		`SELECT 'too many: ' || s.id FROM @slots s LEFT JOIN @invitations i ON i.site = s.site AND i.id = s.id
			WHERE s.kind = 'invitation' AND (i.id IS NULL OR i.state = 'deactivated' OR i.live <> 0)`,
		`SELECT 'too many: ' || s.id FROM @slots s LEFT JOIN @devices d ON d.site = s.site AND d.id = s.id
			WHERE s.kind = 'device' AND (d.id IS NULL OR d.deleted_at <> 0)`,
	} {
		if err := c.each(ctx, slotSet, query); err != nil {
			return err
		}
	}
	return c.each(ctx, counts, `SELECT site || ' ' || state || ': told ' || sum(told) || ', really ' || sum(found) FROM (
			SELECT site, state, sum(n) told, 0 found FROM @slot_counts GROUP BY site, state
			UNION ALL SELECT site, state, sum(n), 0 FROM @slot_deltas GROUP BY site, state
			UNION ALL SELECT site, state, 0, count(*) FROM @slots GROUP BY site, state) AS n
		GROUP BY site, state HAVING sum(told) <> sum(found)`)
}

// slotRow is a row of the list beside what it is made from.
type slotRow struct {
	enrollment.Slot
	sortName string
	wrong    int // columns that differ, judged by the database
	hardware string
	refs     string
	behind   int64 // how far the list's last connection is behind the contact's, in microseconds
	terms    []string
}

// slotRows compares what the list shows, and what it is searched by, with the
// rows that it is made from.
func slotRows(ctx context.Context, c *checker) error {
	err := c.each(ctx, slotContent, `SELECT 'search words of nothing: ' || t.id FROM @slot_terms t
		WHERE NOT EXISTS (SELECT 1 FROM @slots s WHERE s.site = t.site AND s.id = t.id) GROUP BY t.site, t.id`)
	if err != nil {
		return err
	}
	var row slotRow
	compare := func() {
		if row.ID != "" {
			row.check(c)
		}
	}
	// An invitation keeps the name by which its user was invited; without one,
	// the list has the user's of the time when it was last written.
	err = c.query(ctx, `SELECT s.site, s.id, s.user_name, s.email, s.name, s.serial, s.refs, s.sort_name, CASE
			WHEN s.kind = 'invitation' AND i.id IS NOT NULL THEN CASE WHEN s.email <> i.email OR s.user_id <> i.user_id
				OR (i.name <> '' AND s.user_name <> i.name) OR s.platform <> i.accepted_platform OR s.mode <> i.mode
				OR s.ownership <> CASE WHEN i.ownership <> '' THEN i.ownership ELSE i.accepted_ownership END
				OR s.invitation <> i.id OR s.created_at <> i.created_at THEN 1 ELSE 0 END
			WHEN s.kind = 'device' AND d.id IS NOT NULL THEN CASE WHEN s.user_id <> d.user_id OR s.user_name <> coalesce(u.name, '')
				OR s.email <> coalesce(u.email, '') OR s.platform <> d.platform OR s.mode <> d.mode OR s.ownership <> d.ownership
				OR s.name <> d.name OR s.invitation <> d.invitation OR s.created_at <> d.created_at OR s.refs <> d.refs
				OR s.last_observation <> d.observed_at OR s.conflict <> CASE WHEN d.conflict <> '' THEN 1 ELSE 0 END THEN 1 ELSE 0 END
			ELSE 0 END,
			coalesce(d.hardware, '{}'), coalesce(c.at, s.last_connection) - s.last_connection, coalesce(t.term, '')
		FROM @slots s LEFT JOIN @invitations i ON i.site = s.site AND i.id = s.id
		LEFT JOIN @devices d ON d.site = s.site AND d.id = s.id
		LEFT JOIN @contacts c ON c.site = s.site AND c.device = s.id
		LEFT JOIN @users u ON u.site = s.site AND u.id = s.user_id
		LEFT JOIN @slot_terms t ON t.site = s.site AND t.id = s.id
		ORDER BY s.site, s.id`, nil, func(r sqlstore.Rows) error {
		var next slotRow
		var term string
		err := r.Scan(&next.Site, &next.ID, &next.UserName, &next.Email, &next.Name, &next.Serial, &next.refs, &next.sortName,
			&next.wrong, &next.hardware, &next.behind, &term)
		if err != nil {
			return err
		}
		if next.Site != row.Site || next.ID != row.ID {
			compare()
			row = next
		}
		row.terms = append(row.terms, term)
		return nil
	})
	compare()
	return err
}

func (s *slotRow) check(c *checker) {
	var hardware device.Hardware
	if json.Unmarshal([]byte(s.hardware), &hardware) != nil || json.Unmarshal([]byte(s.refs), &s.Refs) != nil {
		c.say(slotContent, "%s is unreadable", s.ID)
		return
	}
	terms := s.Terms()
	if len(terms) == 0 {
		terms = []string{""} // of the outer join
	}
	slices.Sort(terms)
	slices.Sort(s.terms)
	var wrong []string
	for _, part := range []struct {
		what  string
		wrong bool
	}{
		{"what it shows", s.wrong != 0},
		{"the serial number", s.Serial != hardware.Serial},
		{"the order by name", s.sortName != s.SortKey(enrollment.SortName)},
		{"the search words", !slices.Equal(terms, s.terms)},
		{"the last connection", s.behind < 0 || time.Duration(s.behind)*time.Microsecond >= enrollment.ListRefresh},
	} {
		if part.wrong {
			wrong = append(wrong, part.what)
		}
	}
	if wrong != nil {
		c.say(slotContent, "%s: %s", s.ID, strings.Join(wrong, ", "))
	}
}
