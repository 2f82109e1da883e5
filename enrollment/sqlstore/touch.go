package sqlstore

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// Touch implements [enrollment.Storage]. On PostgreSQL the touches of callers
// that come while one statement is under way are gathered into the next.
func (s *Store) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	if s.dialect.touch == "" {
		return touch(ctx, s.Update, touches)
	}
	if nested(ctx) {
		return nil, ErrNested
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.touches.do(ctx, touches)
}

// touch is Touch in whatever update makes of a unit.
func touch(ctx context.Context, update func(context.Context, func(context.Context, enrollment.Tx) error) error, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	var answer []enrollment.Contact
	err := update(ctx, func(ctx context.Context, tx enrollment.Tx) (err error) {
		t := contacts{tx.(*unit)}
		if t.rendered.dialect.touch != "" {
			if err := t.may(ctx, true); err != nil {
				return err
			}
			if answer, err = touchAll(t.sure(ctx), t.q, t.rendered, touches); err != nil {
				err = t.fail(cmpErr(t.sure(ctx), err))
			}
			return err
		}
		answer = make([]enrollment.Contact, len(touches))
		for i := range touches {
			if answer[i], err = t.touch(ctx, touches[i]); err != nil {
				return err
			}
		}
		return t.may(ctx, true)
	})
	if err != nil {
		return nil, err
	}
	newest(answer)
	return answer, nil
}

// newest shows whoever is named twice as it stands at the end. At and Seq only
// grow.
func newest(answer []enrollment.Contact) {
	at := make(map[key]int, len(answer))
	for i := range answer {
		k := contactKey(&answer[i])
		if n, ok := at[k]; !ok || answer[i].At.After(answer[n].At) || answer[i].Seq > answer[n].Seq {
			at[k] = i
		}
	}
	for i := range answer {
		answer[i] = answer[at[contactKey(&answer[i])]]
	}
}

const (
	touchContact = `UPDATE @contacts SET
		at = CASE WHEN gone = 0 AND at < ? THEN ? ELSE at END,
		seq = CASE WHEN gone = 0 AND seq < ? THEN ? ELSE seq END WHERE `
	touchSlot = "UPDATE @slots SET last_connection = ? WHERE site = ? AND id = ? AND last_connection <= ?"
)

func (t contacts) touch(ctx context.Context, touch enrollment.Touch) (row enrollment.Contact, err error) {
	found := false
	set := func(condition string, args ...any) error {
		at := micros(touch.At)
		return t.change(ctx, touchContact+condition+" RETURNING "+contactColumns,
			append([]any{at, at, touch.Seq, touch.Seq}, args...), func(r Rows) error {
				found = true
				return r.Scan(contactFields(&row)...)
			})
	}
	if touch.Device != "" {
		err = set("site = ? AND device = ?", touch.Site, touch.Device)
	} else {
		for _, token := range macArgs(touch.Tokens) {
			if err = set("token = ?", token); err != nil || found {
				break
			}
		}
	}
	if err != nil || !found || row.Gone {
		return row, err
	}
	at := micros(row.At)
	_, err = t.exec(ctx, touchSlot, at, row.Site, row.Device, at-enrollment.ListRefresh.Microseconds())
	return row, err
}

// touchRows is the touches of any number of devices in one statement, for
// systems whose statements may change several tables. Devices are locked in one
// order, whatever order was given. It returns every contact found; one that is
// not Gone and was not touched has been changed by somebody else meanwhile.
const touchRows = `WITH asked AS (
		SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::bytea[], ?::bigint[], ?::bigint[])
			AS a (n, candidate, site, device, token, at, seq)
	), found AS (
		SELECT DISTINCT ON (n) n, site, device, token, at, seq FROM (
			SELECT a.n, a.candidate, c.site, c.device, a.token, a.at, a.seq FROM asked a
				JOIN @contacts c ON c.site = a.site AND c.device = a.device WHERE a.token IS NULL
			UNION ALL
			SELECT a.n, a.candidate, c.site, c.device, a.token, a.at, a.seq FROM asked a
				JOIN @contacts c ON c.token = a.token AND c.token IS NOT NULL
		) AS f ORDER BY n, candidate
	), wanted AS (
		SELECT site, device, (array_agg(token) FILTER (WHERE token IS NOT NULL))[1] AS token, max(at) AS at, max(seq) AS seq
			FROM found GROUP BY site, device
	), locked AS MATERIALIZED (
		-- The token again: it may have become another while this waited for the lock.
		SELECT c.site, c.device, w.at, w.seq FROM @contacts c JOIN wanted w ON c.site = w.site AND c.device = w.device
			AND (w.token IS NULL OR c.token = w.token)
			ORDER BY c.site, c.device FOR UPDATE OF c
	), touched AS (
		UPDATE @contacts c SET at = greatest(c.at, l.at), seq = greatest(c.seq, l.seq) FROM locked l
			WHERE c.site = l.site AND c.device = l.device AND c.gone = 0
			RETURNING c.site, c.device, c.token, c.seq, c.at, c.silent, c.gone
	), listed AS (
		UPDATE @slots s SET last_connection = t.at FROM touched t
			WHERE s.site = t.site AND s.id = t.device AND s.last_connection <= t.at - ?::bigint
	)
	SELECT 1, site, device, token, seq, at, silent, gone FROM touched
	UNION ALL
	SELECT 0, c.site, c.device, c.token, c.seq, c.at, c.silent, c.gone FROM @contacts c
		JOIN wanted w ON c.site = w.site AND c.device = w.device
		WHERE NOT EXISTS (SELECT FROM touched t WHERE t.site = c.site AND t.device = c.device)`

// touchAll is Touch in one statement, or a few where somebody else is at the
// same devices.
func touchAll(ctx context.Context, q Querier, r *rendered, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	answer := make([]enrollment.Contact, len(touches))
	left, err := touchMost(ctx, q, r, touches, answer) // still to be asked for
	if err != nil {
		return nil, err
	}
	for run := 0; len(left) > 0; run++ {
		if run == maxRuns {
			return nil, fmt.Errorf("sqlstore: contacts that change all the time: %w", enrollment.ErrStale)
		}
		byKey, byToken, raced, err := touchOnce(ctx, q, r, touches, left)
		if err != nil {
			return nil, err
		}
		var again []int
		for _, i := range left {
			row, ok := byKey[key{touches[i].Site, touches[i].Device}]
			if touches[i].Device == "" {
				row, ok = firstToken(byToken, touches[i].Tokens)
			}
			switch {
			case ok && raced[contactKey(&row)]:
				again = append(again, i)
			case ok:
				answer[i] = row
			}
		}
		if left = again; len(left) == 0 {
			newest(answer)
		}
	}
	return answer, nil
}

func firstToken(byToken map[credentials.MAC]enrollment.Contact, macs []credentials.MAC) (enrollment.Contact, bool) {
	for _, m := range macs {
		if row, ok := byToken[m]; ok && !m.IsZero() {
			return row, true
		}
	}
	return enrollment.Contact{}, false
}

func touchOnce(ctx context.Context, q Querier, r *rendered, touches []enrollment.Touch, which []int) (byKey map[key]enrollment.Contact, byToken map[credentials.MAC]enrollment.Contact, raced map[key]bool, err error) {
	var (
		n, candidate, at, seq []int64
		site, device          []string
		token                 [][]byte
	)
	ask := func(i int, t enrollment.Touch, mac []byte) {
		n, candidate = append(n, int64(i)), append(candidate, int64(len(n)))
		site, device, token = append(site, t.Site), append(device, t.Device), append(token, mac)
		at, seq = append(at, micros(t.At)), append(seq, t.Seq)
	}
	for _, i := range which {
		t := touches[i]
		switch {
		case t.Device == "":
			for _, m := range t.Tokens {
				if !m.IsZero() {
					ask(i, enrollment.Touch{At: t.At, Seq: t.Seq}, m.Bytes())
				}
			}
		case isPlain(t.Site) && isPlain(t.Device): // no row has another text
			ask(i, t, nil)
		}
	}
	byKey, byToken, raced = map[key]enrollment.Contact{}, map[credentials.MAC]enrollment.Contact{}, map[key]bool{}
	if len(n) == 0 {
		return byKey, byToken, raced, nil
	}
	rows, err := q.Query(ctx, r.text(r.dialect.touch), n, candidate, site, device, token, at, seq, enrollment.ListRefresh.Microseconds())
	if err != nil {
		return nil, nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var row enrollment.Contact
		var touched int64
		if err := rows.Scan(append([]any{&touched}, contactFields(&row)...)...); err != nil {
			return nil, nil, nil, err
		}
		byKey[contactKey(&row)] = row
		if !row.Token.IsZero() {
			byToken[row.Token] = row
		}
		if touched == 0 && !row.Gone {
			raced[contactKey(&row)] = true
		}
	}
	return byKey, byToken, raced, rows.Err()
}

// touchAlone is touchAll outside of any transaction: the statement commits by
// itself, and bears repetition.
func (s *Store) touchAlone(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	wait := firstWait
	for run := 1; ; run++ {
		answer, err := touchAll(ctx, s.db, s.rendered, touches)
		if err == nil {
			return answer, nil
		}
		if run == maxRuns || !s.retries(ctx, err) {
			return nil, fmt.Errorf("sqlstore: touch: %w", cmpErr(ctx, err))
		}
		time.Sleep(wait)
		wait = min(2*wait, longWait)
	}
}
