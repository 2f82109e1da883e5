package floor

import "context"

const (
	getContact = `SELECT site, device, seq FROM enroll_contacts WHERE token = $1 AND token IS NOT NULL AND gone = 0`
	getDevice  = `SELECT invitation, user_id, state, facts, events FROM enroll_devices WHERE site = $1 AND id = $2`
	putActive  = `UPDATE enroll_devices SET state = 'active', since = $1, reason = '', ever_active = 1, facts = $2, observed_at = $3,
		events = events + 1, version = version + 1 WHERE site = $4 AND id = $5`
	putListed = `UPDATE enroll_slots SET state = 'active', missing = '[]', last_connection = $1, last_observation = $2 WHERE site = $3 AND id = $4`
	putEvent  = `INSERT INTO enroll_events (site, id, subject, seq, site_seq, type, at, actor, before, after, reason,
		ref_source, ref_id, user_id, invitation, device, data)
		VALUES ($1, $2, $3, $4, 0, 'device.activated', $5, 'device', $6, 'active', '', '', '', $7, $8, $9, $10)`
	putSeq  = `UPDATE enroll_contacts SET seq = $1, at = $2 WHERE site = $3 AND device = $4`
	checkIn = `UPDATE enroll_contacts SET at = CASE WHEN at < $1 THEN $2 ELSE at END, seq = CASE WHEN seq < $3 THEN $4 ELSE seq END
		WHERE token = $5 AND token IS NOT NULL AND gone = 0`
)

// moved is what the journal says of the facts that a report changed.
const moved = `{"agent_installed":"true","inventory_received":"true","permissions":"true","work_profile":"true"}`

// Report implements [Program].
func (p *program) Report(ctx context.Context, r Report) error {
	return p.within(ctx, func(t tx) error {
		var site, id, inv, user, state, facts string
		var seq, events int64
		if found, err := t.row(ctx, getContact+p.lock, []any{r.Token}, &site, &id, &seq); err != nil || !found {
			return orTaken(err)
		}
		if found, err := t.row(ctx, getDevice+p.lock, []any{site, id}, &inv, &user, &state, &facts, &events); err != nil || !found {
			return orTaken(err)
		}
		return steps(ctx, t,
			step{putActive, []any{r.At, r.Facts, r.At, site, id}},
			step{putListed, []any{r.At, r.At, site, id}},
			step{putMove, []any{site, state, site, "active"}},
			step{putEvent, []any{site, r.Event, id, events + 1, r.At, state, user, inv, id, moved}},
			step{putSeq, []any{r.Seq, r.At, site, id}},
			step{putSeen, []any{site, inv, "management_active", r.At, r.At}},
		)
	})
}

// CheckIn implements [Program]: one statement. What the list shows as the last
// connection is left to something that runs every few minutes.
func (p *program) CheckIn(ctx context.Context, token []byte, at, seq int64) error {
	n, err := p.exec(ctx, checkIn, at, at, seq, seq, token)
	if err == nil && n != 1 {
		err = ErrTaken
	}
	return err
}

const (
	getPage = `SELECT site, id, kind, state, invitation, user_id, user_name, email, platform, mode, ownership, name, serial,
		refs, last_connection, last_observation, missing, conflict, created_at
		FROM enroll_slots WHERE site = $1 ORDER BY last_connection DESC, id DESC LIMIT $2`
	getCounts = `SELECT state, CAST(sum(n) AS BIGINT) FROM (
		SELECT state, n FROM enroll_slot_counts WHERE site = $1 UNION ALL SELECT state, n FROM enroll_slot_deltas WHERE site = $2
		) AS c GROUP BY state`
)

// slot is a row of the list as it comes from the database.
type slot struct {
	texts [14]string
	last  [2]int64
	miss  string
	flags [2]int64
}

func (s *slot) fields() []any {
	list := make([]any, 0, 19)
	for i := range s.texts {
		list = append(list, &s.texts[i])
	}
	return append(list, &s.last[0], &s.last[1], &s.miss, &s.flags[0], &s.flags[1])
}

// Page implements [Program]: two statements that may see different states.
func (p *program) Page(ctx context.Context, site string, limit int) (int, error) {
	return p.page(ctx, getPage, []any{site, limit}, getCounts, []any{site, site})
}
