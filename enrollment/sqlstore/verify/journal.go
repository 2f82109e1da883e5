package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/invitation"
)

// pageOfEvents is how many events are read at once. Between two pages the rows
// of the subjects are read that ended in the first.
const pageOfEvents = 2000

// subject is what its events lead to.
type subject struct {
	site, id string
	low      int64 // number of the first event that is kept
	high     int64 // of the latest
	state    string
	known    bool // whether state is known: not behind the cut of a pruned journal
	last     string
	seen     map[string]bool // types that may come once until another type
}

// site is how far back a site's journal goes.
type siteJournal struct{ low, high, count, last int64 }

// pruned reports whether the oldest entries are past the site's retention. They
// go in the site's order, so what remains of every subject is without gap.
func (s siteJournal) pruned() bool { return s.low > 1 || s.count == 0 && s.last > 0 }

// journal plays the events of every subject.
func journal(ctx context.Context, c *checker) error {
	sites, err := siteJournals(ctx, c)
	if err != nil {
		return err
	}
	var now subject
	var ended []subject
	for {
		read := 0
		after := []any{now.site, now.id, now.high, pageOfEvents}
		err := c.query(ctx, `SELECT site, subject, seq, type, before, after FROM @events
			WHERE (site, subject, seq) > (?, ?, ?) ORDER BY site, subject, seq LIMIT ?`, after, func(r sqlstore.Rows) error {
			var site, id string
			var e enrollment.Event
			if err := r.Scan(&site, &id, &e.Seq, (*string)(&e.Type), &e.Before, &e.After); err != nil {
				return err
			}
			if read++; site != now.site || id != now.id {
				if now.id != "" {
					ended = append(ended, now)
				}
				now = subject{site: site, id: id, low: e.Seq, known: e.Seq == 1, state: initialState(id), seen: map[string]bool{}}
				if e.Seq > 1 && !sites[site].pruned() {
					c.say(noGap, "%s begins at %d", id, e.Seq)
				}
			}
			now.play(c, e)
			return nil
		})
		if err != nil {
			return err
		}
		if read < pageOfEvents && now.id != "" {
			ended = append(ended, now)
		}
		if err := compareEnds(ctx, c, ended); err != nil {
			return err
		}
		if ended = ended[:0]; read < pageOfEvents {
			return nil
		}
	}
}

// initialState is where a subject's first event begins.
func initialState(id string) string {
	if id == enrollment.PasscodeSubject {
		return string(enrollment.PasscodeNone)
	}
	return ""
}

// siteJournals looks at the order of each site.
func siteJournals(ctx context.Context, c *checker) (map[string]siteJournal, error) {
	sites := map[string]siteJournal{}
	err := c.query(ctx, `SELECT site, last FROM @site_sequences`, nil, func(r sqlstore.Rows) error {
		var site string
		var s siteJournal
		err := r.Scan(&site, &s.last)
		sites[site] = s
		return err
	})
	if err != nil {
		return nil, err
	}
	err = c.query(ctx, `SELECT site, min(site_seq), max(site_seq), count(DISTINCT site_seq) FROM @events WHERE site_seq <> 0 GROUP BY site`, nil,
		func(r sqlstore.Rows) error {
			var site string
			var s siteJournal
			if err := r.Scan(&site, &s.low, &s.high, &s.count); err != nil {
				return err
			}
			s.last = sites[site].last
			sites[site] = s
			return nil
		})
	for site, s := range sites {
		if s.count > 0 && (s.high != s.last || s.count != s.high-s.low+1) {
			c.say(siteOrder, "%s has %d from %d to %d, remembered %d", site, s.count, s.low, s.high, s.last)
		}
	}
	return sites, err
}

// once are the types that a subject has at most once until the other type comes.
var once = map[string]struct{ rule, until string }{
	invitation.EventPINAlert:      {alertsOnce, invitation.EventNewPIN},
	invitation.EventPINBurnt:      {alertsOnce, invitation.EventNewPIN},
	invitation.EventPasswordBurnt: {alertsOnce, invitation.EventNewPIN},
	enrollment.EventLoginUsed:     {loginsOnce, enrollment.EventLoginMailed},
}

// play adds an event.
func (s *subject) play(c *checker, e enrollment.Event) {
	if s.high != 0 && e.Seq != s.high+1 {
		c.say(noGap, "%s: %d follows %d", s.id, e.Seq, s.high)
	}
	s.high, s.last = e.Seq, string(e.Type)
	for of, o := range once {
		switch s.last {
		case o.until:
			delete(s.seen, of)
		case of:
			if s.seen[of] {
				c.say(o.rule, "%s: %s twice, the second time as number %d", s.id, of, e.Seq)
			}
			s.seen[of] = true
		}
	}
	if e.Before == "" && e.After == "" {
		return
	}
	switch {
	case s.known && e.Before != s.state:
		c.say(leadsToState, "%s: %s from %q, where it is %q", s.id, e.Type, e.Before, s.state)
	case e.Type != device.EventAdopted && !legal(s.id, e.Before, e.After):
		c.say(leadsToState, "%s: %s from %q to %q", s.id, e.Type, e.Before, e.After)
	}
	s.state, s.known = e.After, true
}

// The legal changes of state, by whose they are.
var (
	invitationSteps = steps(invitation.States(), invitation.Steps(), invitation.Next)
	deviceSteps     = steps(device.States(), device.Steps(), device.Next)
)

// steps returns every pair of states that one step of a machine connects.
func steps[S, T ~string](states []S, all []T, next func(S, T) (S, error)) map[[2]string]bool {
	pairs := map[[2]string]bool{}
	for _, from := range states {
		for _, step := range all {
			if to, err := next(from, step); err == nil {
				pairs[[2]string{string(from), string(to)}] = true
			}
		}
	}
	return pairs
}

// legal reports whether a subject may go from one state to another. It may begin
// anywhere. Adopting is no step: it takes over a state from another system.
func legal(id, from, to string) bool {
	switch {
	case from == "":
		return to != ""
	case strings.HasPrefix(id, "inv_"):
		return invitationSteps[[2]string{from, to}]
	case strings.HasPrefix(id, "dev_"):
		return deviceSteps[[2]string{from, to}]
	}
	return true
}

// subjectRow is what the row of a subject says.
type subjectRow struct {
	events int64
	state  string
	states bool // whether it has one
}

// compareEnds compares where journals end with what the rows say.
func compareEnds(ctx context.Context, c *checker, ended []subject) error {
	for batch := range slices.Chunk(ended, 200) {
		rows := make(map[[2]string]subjectRow, len(batch))
		marks := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(batch)), ", ")
		var args []any
		for _, s := range batch {
			args = append(args, s.site, s.id)
		}
		for _, table := range []string{"@invitations", "@devices"} {
			err := c.query(ctx, "SELECT site, id, events, state FROM "+table+" WHERE (site, id) IN (VALUES "+marks+")", args, func(r sqlstore.Rows) error {
				var at [2]string
				row := subjectRow{states: true}
				err := r.Scan(&at[0], &at[1], &row.events, &row.state)
				rows[at] = row
				return err
			})
			if err != nil {
				return err
			}
		}
		for _, s := range batch {
			at := [2]string{s.site, s.id}
			row, found := rows[at]
			if !found {
				var err error
				if row, found, err = credentialRow(ctx, c, s); err != nil {
					return err
				}
			}
			switch {
			case !found:
				// A tombstone, and a login of somebody who was erased, may be
				// forgotten before what the journal says of them.
				if strings.HasPrefix(s.id, "inv_") || strings.HasPrefix(s.id, "dev_") && s.last != device.EventDeleted {
					c.say(noGap, "%s has no row", s.id)
				}
			case s.high != row.events:
				c.say(noGap, "%s counts %d, the journal has up to %d", s.id, row.events, s.high)
			case s.known && row.states && s.state != row.state:
				c.say(leadsToState, "%s is %q, its journal ends with %q", s.id, row.state, s.state)
			}
		}
	}
	return nil
}

// credentialData is what the rows of passcodes and logins count for themselves.
type credentialData struct {
	Status string `json:"status"`
	Events int64  `json:"events"`
}

// credentialRow returns what a passcode or a login says of its journal.
func credentialRow(ctx context.Context, c *checker, s subject) (row subjectRow, found bool, err error) {
	kind, owner := enrollment.KindPasscode, s.id
	if user, ok := strings.CutPrefix(s.id, enrollment.LoginSubject("")); ok {
		kind, owner = enrollment.KindLogin, user
	} else if s.id != enrollment.PasscodeSubject {
		return row, false, nil
	}
	err = c.query(ctx, "SELECT data FROM @credentials WHERE kind = ? AND site = ? AND owner = ?", []any{string(kind), s.site, owner},
		func(r sqlstore.Rows) error {
			var text []byte
			if err := r.Scan(&text); err != nil {
				return err
			}
			var data credentialData
			if err := json.Unmarshal(text, &data); err != nil {
				return fmt.Errorf("what %s keeps: %w", s.id, err)
			}
			row, found = subjectRow{data.Events, data.Status, kind == enrollment.KindPasscode}, true
			return nil
		})
	return row, found, err
}

// journalRows finds rows that the journal says nothing of, though its site's is
// whole.
func journalRows(ctx context.Context, c *checker) error {
	return c.each(ctx, noGap, `SELECT r.id || ' counts ' || r.events || ', the journal has none' FROM (
			SELECT site, id, events FROM @invitations UNION ALL SELECT site, id, events FROM @devices) AS r
		WHERE NOT EXISTS (SELECT 1 FROM @events e WHERE e.site = r.site AND e.subject = r.id)
		  AND NOT EXISTS (SELECT 1 FROM @site_sequences q WHERE q.site = r.site AND q.last > 0
			AND coalesce((SELECT min(e.site_seq) FROM @events e WHERE e.site = r.site AND e.site_seq <> 0), q.last + 1) > 1)`)
}
