package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
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
	// Whoever is named twice is shown as it stands at the end.
	at := make(map[key]int, len(answer))
	for i := range answer {
		at[contactKey(&answer[i])] = i
	}
	for i := range answer {
		answer[i] = answer[at[contactKey(&answer[i])]]
	}
	return answer, nil
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
		SELECT DISTINCT ON (n) n, site, device, at, seq FROM (
			SELECT a.n, a.candidate, c.site, c.device, a.at, a.seq FROM asked a
				JOIN @contacts c ON c.site = a.site AND c.device = a.device WHERE a.token IS NULL
			UNION ALL
			SELECT a.n, a.candidate, c.site, c.device, a.at, a.seq FROM asked a
				JOIN @contacts c ON c.token = a.token AND c.token IS NOT NULL
		) AS f ORDER BY n, candidate
	), wanted AS (
		SELECT site, device, max(at) AS at, max(seq) AS seq FROM found GROUP BY site, device
	), locked AS MATERIALIZED (
		SELECT c.site, c.device, w.at, w.seq FROM @contacts c JOIN wanted w ON c.site = w.site AND c.device = w.device
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
	left := make([]int, len(touches)) // still to be asked for
	for i := range left {
		left[i] = i
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
		left = again
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

// maxTouches is how many touches one statement takes from several callers. One
// caller's are never split.
const maxTouches = 1000

// gather sends the touches of many callers in one statement. While one is under
// way, whoever comes queues for the next, so that nobody waits for company and
// many share a commit. A statement that is run again does no more than once.
type gather struct {
	run func(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error)

	mu    sync.Mutex
	busy  bool
	queue []*touchCall
}

// touchCall is one caller's touches.
type touchCall struct {
	touches []enrollment.Touch
	answer  []enrollment.Contact
	err     error
	done    chan struct{} // closed when answer and err are known
}

func (g *gather) do(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	call := &touchCall{touches: touches, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, call)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if lead {
		go g.drain(context.WithoutCancel(ctx))
	}
	select {
	case <-call.done:
		return call.answer, call.err
	case <-ctx.Done():
		return nil, ctx.Err() // it may happen all the same
	}
}

// drain runs statements until the queue is empty.
func (g *gather) drain(ctx context.Context) {
	for {
		g.mu.Lock()
		n, total := 0, 0
		for n < len(g.queue) && (n == 0 || total+len(g.queue[n].touches) <= maxTouches) {
			total += len(g.queue[n].touches)
			n++
		}
		batch := slices.Clone(g.queue[:n])
		g.queue = slices.Delete(g.queue, 0, n)
		g.busy = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		g.send(ctx, batch, total)
	}
}

func (g *gather) send(ctx context.Context, batch []*touchCall, total int) {
	ctx, cancel := context.WithTimeout(ctx, commitFor)
	defer cancel()
	touches := batch[0].touches
	if len(batch) > 1 {
		touches = make([]enrollment.Touch, 0, total)
		for _, c := range batch {
			touches = append(touches, c.touches...)
		}
	}
	answer, err := g.run(ctx, touches)
	for _, c := range batch {
		if c.err = err; err == nil {
			c.answer, answer = answer[:len(c.touches):len(c.touches)], answer[len(c.touches):]
		}
		close(c.done)
	}
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
