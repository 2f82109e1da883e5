package sqlstore

import (
	"context"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// touchRow is the touch of one device that is not deleted. It says whether the
// list lags too far behind, which touchSlot mends: a statement that may change
// both tables opens every index of the list each time.
const touchRow = `UPDATE @contacts AS c SET at = greatest(at, ?::bigint), seq = greatest(seq, ?::bigint) WHERE gone = 0 AND `

const touchRowAnd = ` RETURNING site, device, token, seq, at, silent, gone, EXISTS (
		SELECT 1 FROM @slots s WHERE s.site = c.site AND s.id = c.device AND s.last_connection <= c.at - ?::bigint)`

const (
	touchByDevice = touchRow + "site = ? AND device = ?" + touchRowAnd
	touchByToken  = touchRow + "token = ? AND token IS NOT NULL" + touchRowAnd
)

// touchTokens is the touches of devices that are not deleted, each named by
// another token: what is left of touchRows where nothing else is asked.
const touchTokens = `WITH locked AS MATERIALIZED (
		SELECT c.site, c.device, a.at, a.seq FROM unnest(?::bytea[], ?::bigint[], ?::bigint[]) AS a (token, at, seq)
			JOIN @contacts c ON c.token = a.token AND c.token IS NOT NULL WHERE c.gone = 0
			ORDER BY c.site, c.device FOR UPDATE OF c
	), touched AS (
		UPDATE @contacts c SET at = greatest(c.at, l.at), seq = greatest(c.seq, l.seq) FROM locked l
			WHERE c.site = l.site AND c.device = l.device AND c.gone = 0
			RETURNING c.site, c.device, c.token, c.seq, c.at, c.silent, c.gone
	), listed AS (
		UPDATE @slots s SET last_connection = t.at FROM touched t
			WHERE s.site = t.site AND s.id = t.device AND s.last_connection <= t.at - ?::bigint
	)
	SELECT site, device, token, seq, at, silent, gone FROM touched`

// touchMost notes the signs of life that a short statement can, fills in their
// answers, and returns which are left: of devices that are unknown or deleted, or
// named by tokens of several keys.
func touchMost(ctx context.Context, q Querier, r *rendered, touches []enrollment.Touch, answer []enrollment.Contact) (left []int, err error) {
	var args []any
	switch t := touches; {
	case len(t) == 1 && t[0].Device != "" && isPlain(t[0].Site) && isPlain(t[0].Device):
		return touchOne(ctx, q, r, &answer[0], touchByDevice, micros(t[0].At), t[0].Seq, t[0].Site, t[0].Device)
	case len(t) == 1 && oneToken(&t[0]):
		return touchOne(ctx, q, r, &answer[0], touchByToken, micros(t[0].At), t[0].Seq, t[0].Tokens[0].Bytes())
	case len(t) > 1:
		args = tokenArgs(t)
	}
	found := make(map[credentials.MAC]enrollment.Contact, len(touches))
	if args != nil {
		rows, err := q.Query(ctx, r.text(touchTokens), append(args, enrollment.ListRefresh.Microseconds())...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var c enrollment.Contact
			if err := rows.Scan(contactFields(&c)...); err != nil {
				return nil, err
			}
			found[c.Token] = c
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	for i := range touches {
		ok := false
		if oneToken(&touches[i]) {
			answer[i], ok = found[touches[i].Tokens[0]]
		}
		if !ok {
			left = append(left, i)
		}
	}
	return left, nil
}

// touchOne is touchMost of one touch.
func touchOne(ctx context.Context, q Querier, r *rendered, c *enrollment.Contact, text string, args ...any) (left []int, err error) {
	refresh := enrollment.ListRefresh.Microseconds()
	rows, err := q.Query(ctx, r.text(text), append(args, refresh)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	lags := false
	if !rows.Next() {
		return []int{0}, rows.Err()
	}
	if err := rows.Scan(append(contactFields(c), &lags)...); err != nil {
		return nil, err
	}
	rows.Close()
	if err := rows.Err(); err != nil || !lags {
		return nil, err
	}
	at := micros(c.At)
	_, err = q.Exec(ctx, r.text(touchSlot), at, c.Site, c.Device, at-refresh)
	return nil, err
}

func oneToken(t *enrollment.Touch) bool {
	return t.Device == "" && len(t.Tokens) == 1 && !t.Tokens[0].IsZero()
}

// tokenArgs are the arguments of touchTokens, nil if there is nothing for it. A
// token that is named twice is asked for once, with the latest of both.
func tokenArgs(touches []enrollment.Touch) []any {
	var (
		tokens  [][]byte
		at, seq []int64
		places  = make(map[credentials.MAC]int, len(touches))
	)
	for i := range touches {
		t := &touches[i]
		if !oneToken(t) {
			continue
		}
		n, twice := places[t.Tokens[0]]
		if !twice {
			places[t.Tokens[0]] = len(tokens)
			tokens, at, seq = append(tokens, t.Tokens[0].Bytes()), append(at, micros(t.At)), append(seq, t.Seq)
			continue
		}
		at[n], seq[n] = max(at[n], micros(t.At)), max(seq[n], t.Seq)
	}
	if len(tokens) == 0 {
		return nil
	}
	return []any{tokens, at, seq}
}
