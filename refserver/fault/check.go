package fault

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"example.com/enrollkit/credentials"
)

// Violation is a row that breaks a rule.
type Violation struct {
	Rule   string // its name
	Says   string // the rule in one sentence
	Detail string // the row, by ids; never a secret
}

func (v Violation) String() string { return v.Rule + ": " + v.Detail + " (" + v.Says + ")" }

// rule is one invariant. Of query, every row is a violation, and its one column
// says which; rows that only Go can judge are found by find.
type rule struct {
	name, says string
	query      string
	find       func(ctx context.Context, c *checker) ([]string, error)
}

// atMost bounds the violations told of one rule.
const atMost = 10

// checker is one run of the rules.
type checker struct {
	db   *sql.DB
	ring *credentials.Keyring
}

// Check returns what is wrong in the reference server's database, which nobody
// else may be writing to. ring is the server's key ring, which opens what is
// sealed there.
func Check(ctx context.Context, db *sql.DB, ring *credentials.Keyring) ([]Violation, error) {
	c := &checker{db, ring}
	var list []Violation
	for _, r := range rules {
		find := r.find
		if find == nil {
			find = func(ctx context.Context, c *checker) ([]string, error) { return c.texts(ctx, r.query) }
		}
		rows, err := find(ctx, c)
		if err != nil {
			return list, fmt.Errorf("fault: rule %s: %w", r.name, err)
		}
		for i, row := range rows {
			if i == atMost {
				list = append(list, Violation{r.name, r.says, fmt.Sprintf("and %d more", len(rows)-atMost)})
				break
			}
			list = append(list, Violation{r.name, r.says, row})
		}
	}
	return list, nil
}

// texts runs a query of one column.
func (c *checker) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	return collect(ctx, c.db, query, args, func(rows *sql.Rows) (s string, err error) {
		return s, rows.Scan(&s)
	})
}

// judge runs a query and returns what find says of its rows; "" is nothing.
func (c *checker) judge(ctx context.Context, query string, find func(*sql.Rows) (string, error)) ([]string, error) {
	list, err := collect(ctx, c.db, query, nil, find)
	return slices.DeleteFunc(list, func(s string) bool { return s == "" }), err
}

// collect runs a query and reads its rows.
func collect[T any](ctx context.Context, db *sql.DB, query string, args []any, read func(*sql.Rows) (T, error)) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []T
	for rows.Next() {
		v, err := read(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// rules are all invariants. Names in parentheses are those of the reliability
// plan.
var rules = []rule{
	{
		name: "integrity", says: "SQLite finds its own structures sound (I20)",
		find: func(ctx context.Context, c *checker) ([]string, error) {
			said, err := c.texts(ctx, "PRAGMA integrity_check")
			switch {
			case ctx.Err() != nil:
				return nil, err
			case err != nil:
				return []string{err.Error()}, nil // so unsound that it cannot be looked at
			case len(said) == 1 && said[0] == "ok":
				return nil, nil
			}
			return said, nil
		},
	},
	{
		name: "foreign keys", says: "every reference has its row",
		query: `SELECT "table" || ' row ' || coalesce(rowid, '?') || ' -> ' || "parent" FROM pragma_foreign_key_check`,
	},
	{
		name: "one active invitation", says: "a user has at most one active invitation (I1)",
		query: `SELECT site || '/' || user_id || ' has ' || count(*) FROM enroll_invitations
			WHERE state <> 'deactivated' GROUP BY site, user_id HAVING count(*) > 1`,
	},
	{
		name: "one device per hardware", says: "hardware belongs to at most one device that is not deleted (I2)",
		query: `SELECT min(id) || ' and ' || max(id) FROM enroll_devices
			WHERE identity <> '' AND deleted_at = 0 GROUP BY site, platform, identity HAVING count(*) > 1`,
	},
	{
		name: "one device per enrollment", says: "an enrollment id belongs to one device (I2)",
		query: `SELECT min(id) || ' and ' || max(id) FROM enroll_devices
			WHERE enrollment_id <> '' GROUP BY site, user_id, enrollment_id HAVING count(*) > 1`,
	},
	{
		name: "enrollment kept", says: "a device that enrolled in the last day and its kept answer were stored together",
		query: `SELECT d.id FROM enroll_devices d
			WHERE d.origin = 'invitation' AND d.deleted_at = 0
			  AND d.enrolled_at > (SELECT max(at) FROM enroll_events) - 23 * 3600 * 1000000
			  AND NOT EXISTS (SELECT 1 FROM enroll_records r
				WHERE r.site = d.site AND r.scope = 'enroll/' || d.user_id AND r.key = d.enrollment_id
				  AND json_extract(CAST(r.result AS TEXT), '$.d') = d.id
				  AND json_extract(CAST(r.result AS TEXT), '$.g') = d.generation)
			UNION ALL
			SELECT 'answer for ' || r.scope FROM enroll_records r WHERE r.scope LIKE 'enroll/%'
			  AND NOT EXISTS (SELECT 1 FROM enroll_devices d
				WHERE d.site = r.site AND d.id = json_extract(CAST(r.result AS TEXT), '$.d'))`,
	},
	{
		name: "invitations kept", says: "an invitation that a kept answer names exists (I15)",
		query: `SELECT json_extract(one.value, '$.i') FROM enroll_records r, json_each(CAST(r.result AS TEXT)) one
			WHERE r.scope LIKE 'invite/%' AND json_extract(one.value, '$.i') <> ''
			  AND NOT EXISTS (SELECT 1 FROM enroll_invitations i
				WHERE i.site = r.site AND i.id = json_extract(one.value, '$.i'))`,
	},
	{
		name: "journal without gap", says: "a subject's events are numbered 1 to n, and its row says n (I4)",
		query: `WITH said AS (SELECT site, subject, count(*) n, min(seq) low, max(seq) high FROM enroll_events GROUP BY site, subject),
			rows AS (SELECT site, id, events FROM enroll_invitations UNION ALL SELECT site, id, events FROM enroll_devices)
			SELECT r.id || ' counts ' || r.events || ', the journal has ' || coalesce(s.n, 0) || ' from ' || coalesce(s.low, 0) || ' to ' || coalesce(s.high, 0)
			FROM rows r LEFT JOIN said s ON s.site = r.site AND s.subject = r.id
			WHERE coalesce(s.n, 0) <> r.events OR coalesce(s.high, 0) <> r.events OR coalesce(s.low, 1) <> 1
			UNION ALL
			SELECT s.subject || ' has no row' FROM said s
			WHERE NOT EXISTS (SELECT 1 FROM rows r WHERE r.site = s.site AND r.id = s.subject)`,
	},
	{
		name: "journal leads to the state", says: "each event begins where the one before ended, and the last ends at the row (I4)",
		find: foldJournal,
	},
	{
		name: "site order without gap", says: "a site's numbered events are 1 to n, and n is remembered",
		query: `SELECT e.site || ' has ' || count(*) || ' up to ' || max(e.site_seq) || ', remembered ' || coalesce(s.last, 0)
			FROM enroll_events e LEFT JOIN enroll_site_sequences s ON s.site = e.site
			WHERE e.site_seq <> 0 GROUP BY e.site
			HAVING count(*) <> max(e.site_seq) OR count(DISTINCT e.site_seq) <> count(*) OR max(e.site_seq) <> coalesce(s.last, 0)`,
	},
	{
		name: "slots", says: "the list has each active invitation without a live device, each device, and nothing else (I11)",
		query: `WITH want AS (
				SELECT site, id, 'invitation' kind, state FROM enroll_invitations WHERE state <> 'deactivated' AND live = 0
				UNION ALL SELECT site, id, 'device', state FROM enroll_devices WHERE deleted_at = 0)
			SELECT 'missing or different: ' || w.id FROM want w
			WHERE NOT EXISTS (SELECT 1 FROM enroll_slots s WHERE s.site = w.site AND s.id = w.id AND s.kind = w.kind AND s.state = w.state)
			UNION ALL
			SELECT 'too many: ' || s.id FROM enroll_slots s
			WHERE NOT EXISTS (SELECT 1 FROM want w WHERE s.site = w.site AND s.id = w.id)
			UNION ALL
			SELECT 'search words of nothing: ' || t.id FROM enroll_slot_terms t
			WHERE NOT EXISTS (SELECT 1 FROM enroll_slots s WHERE s.site = t.site AND s.id = t.id)`,
	},
	{
		name: "counts", says: "the counts per state are those of the list (I17)",
		query: `WITH told AS (SELECT site, state, sum(n) n FROM
				(SELECT site, state, n FROM enroll_slot_counts UNION ALL SELECT site, state, n FROM enroll_slot_deltas) GROUP BY site, state),
			real AS (SELECT site, state, count(*) n FROM enroll_slots GROUP BY site, state)
			SELECT t.site || ' ' || t.state || ': told ' || t.n || ', really ' || coalesce(r.n, 0)
			FROM told t LEFT JOIN real r ON r.site = t.site AND r.state = t.state WHERE t.n <> coalesce(r.n, 0)
			UNION ALL
			SELECT r.site || ' ' || r.state || ': told nothing, really ' || r.n FROM real r
			WHERE NOT EXISTS (SELECT 1 FROM told t WHERE t.site = r.site AND t.state = r.state)`,
	},
	{
		name: "live devices", says: "an invitation counts its live devices, and no more than its limit (I11)",
		query: `SELECT i.id || ' counts ' || i.live || ' live of ' || i.enrolled || ' enrolled, limit ' || i.max_devices
			FROM enroll_invitations i LEFT JOIN (SELECT site, invitation, count(*) n FROM enroll_devices
				WHERE invitation <> '' AND deleted_at = 0 AND state <> 'unenrolled' GROUP BY site, invitation) d
			  ON d.site = i.site AND d.invitation = i.id
			WHERE i.live <> coalesce(d.n, 0) OR i.enrolled < i.live OR (i.max_devices > 0 AND i.enrolled > i.max_devices)`,
	},
	{
		name: "credentials", says: "an invitation has one set of credentials, of its generation, which can be shown while it is active only",
		query: `SELECT i.id FROM enroll_invitations i LEFT JOIN enroll_credentials c
				ON c.site = i.site AND c.owner = i.id AND c.kind = 'invitation'
			WHERE c.owner IS NULL OR c.generation <> i.pin_generation OR c.index_mac IS NULL
			  OR (i.state <> 'deactivated') <> (c.sealed IS NOT NULL) OR (i.state <> 'deactivated' AND c.check_mac IS NULL)
			UNION ALL
			SELECT 'nobody: ' || c.owner FROM enroll_credentials c WHERE c.kind = 'invitation'
			  AND NOT EXISTS (SELECT 1 FROM enroll_invitations i WHERE i.site = c.site AND i.id = c.owner)`,
	},
	{
		name: "credentials open", says: "what is sealed opens, and its MACs are those stored (I14)",
		find: openCredentials,
	},
	{
		name: "device tokens", says: "a device has a contact, whose token is the one that its row reproduces (I14)",
		find: reproduceTokens,
	},
	{
		name: "outbox", says: "what has to be told is queued once, in the unit in which it happened (I9)",
		query: `SELECT 'sent without a mail: ' || e.id FROM enroll_events e
			WHERE e.type = 'invitation.sent' AND NOT EXISTS (SELECT 1 FROM enroll_messages m
				WHERE m.site = e.site AND m.kind = 'mail.invitation' AND m.event = e.id AND m.invitation = e.invitation)
			UNION ALL
			SELECT 'not alerted: ' || e.id FROM enroll_events e
			WHERE e.type IN ('invitation.pin_alert', 'invitation.pin_burnt', 'device.conflict') AND NOT EXISTS (SELECT 1 FROM enroll_messages m
				WHERE m.site = e.site AND m.kind = 'mail.alert' AND m.event = e.id)
			UNION ALL
			SELECT 'about nothing: ' || m.id FROM enroll_messages m WHERE m.event <> ''
			  AND NOT EXISTS (SELECT 1 FROM enroll_events e WHERE e.site = m.site AND e.id = m.event)
			UNION ALL
			SELECT 'queued twice: ' || min(m.id) FROM enroll_messages m GROUP BY m.site, m.kind, m.event, m.admin HAVING count(*) > 1`,
	},
	{
		name: "message ends", says: "a message has ended once, or waits (I9)",
		query: `SELECT id || ' is ' || status FROM enroll_messages
			WHERE (status = 'waiting') <> (ended_at = 0) OR (status <> 'waiting' AND lease_until <> 0)
			  OR (status = 'done' AND attempt = 0) OR attempt < 0`,
	},
	{
		// The mailbox keeps the latest 1000 of a site.
		name: "mailbox", says: "a mail has a message, and a delivered message its one mail (I9, I10)",
		query: `SELECT 'mail of no message: ' || b.id FROM ref_mails b
			WHERE NOT EXISTS (SELECT 1 FROM enroll_messages m WHERE m.site = b.site AND m.id = b.id AND m.kind LIKE 'mail.%' AND m.attempt > 0)
			UNION ALL
			SELECT 'superseded, yet sent: ' || b.id FROM ref_mails b JOIN enroll_messages m ON m.site = b.site AND m.id = b.id
			WHERE m.status = 'superseded' AND m.attempt = 1
			UNION ALL
			SELECT 'delivered, yet not there: ' || m.id FROM enroll_messages m
			WHERE m.status = 'done' AND (m.kind <> 'mail.alert' AND m.kind LIKE 'mail.%' OR m.kind = 'mail.alert' AND m.admin <> '')
			  AND (SELECT count(*) FROM ref_mails b WHERE b.site = m.site) < 1000
			  AND NOT EXISTS (SELECT 1 FROM ref_mails b WHERE b.site = m.site AND b.id = m.id)`,
	},
	{
		name: "alerts", says: "a PIN's alert and its end are told once each (I8)",
		query: `SELECT e.subject || ': ' || count(*) || ' ' || e.type FROM enroll_events e
			JOIN enroll_invitations i ON i.site = e.site AND i.id = e.subject
			WHERE e.type IN ('invitation.pin_alert', 'invitation.pin_burnt')
			GROUP BY e.site, e.subject, e.type, i.pin_generation HAVING count(*) > i.pin_generation`,
	},
	{
		name: "budgets", says: "no more tries were evaluated than a PIN has (I5)",
		find: overspent,
	},
	{
		name: "sites", says: "what belongs together is of one site (I13)",
		query: `SELECT 'invitation ' || i.id FROM enroll_invitations i
			WHERE NOT EXISTS (SELECT 1 FROM enroll_users u WHERE u.site = i.site AND u.id = i.user_id)
			   OR NOT EXISTS (SELECT 1 FROM ref_sites s WHERE s.id = i.site)
			UNION ALL
			SELECT 'device ' || d.id FROM enroll_devices d WHERE d.invitation <> ''
			  AND NOT EXISTS (SELECT 1 FROM enroll_invitations i WHERE i.site = d.site AND i.id = d.invitation AND i.user_id = d.user_id)`,
	},
}

// foldJournal plays each subject's journal.
func foldJournal(ctx context.Context, c *checker) ([]string, error) {
	type event struct{ site, subject, kind, before, after string }
	events, err := collect(ctx, c.db, `SELECT site, subject, type, before, after FROM enroll_events ORDER BY site, subject, seq`, nil,
		func(rows *sql.Rows) (e event, err error) {
			return e, rows.Scan(&e.site, &e.subject, &e.kind, &e.before, &e.after)
		})
	if err != nil {
		return nil, err
	}
	var wrong []string
	state := map[[2]string]string{}
	for _, e := range events {
		at := [2]string{e.site, e.subject}
		if e.before != "" && e.before != state[at] || e.after != "" && e.before == "" && state[at] != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %s from %q, where it is %q", e.subject, e.kind, e.before, state[at]))
		}
		if e.after != "" {
			state[at] = e.after
		}
	}
	rows, err := collect(ctx, c.db, `SELECT site, id, state FROM enroll_invitations UNION ALL SELECT site, id, state FROM enroll_devices`, nil,
		func(rows *sql.Rows) (r [3]string, err error) { return r, rows.Scan(&r[0], &r[1], &r[2]) })
	for _, r := range rows {
		if end := state[[2]string{r[0], r[1]}]; end != r[2] {
			wrong = append(wrong, fmt.Sprintf("%s is %s, its journal ends with %q", r[1], r[2], end))
		}
	}
	return wrong, err
}

// openCredentials does what showing and proving credentials does.
func openCredentials(ctx context.Context, c *checker) ([]string, error) {
	return c.judge(ctx, `SELECT site, owner, generation, index_mac, check_mac, sealed FROM enroll_credentials
		WHERE kind = 'invitation' AND sealed IS NOT NULL`, func(rows *sql.Rows) (string, error) {
		var site, owner string
		var generation int
		var index, check, sealed []byte
		if err := rows.Scan(&site, &owner, &generation, &index, &check, &sealed); err != nil {
			return "", err
		}
		set, err := c.ring.OpenSet(credentials.AAD{Site: site, Owner: owner, Kind: "invitation", Generation: generation}, sealed)
		if err != nil {
			return owner + " does not open", nil
		}
		if !c.proves(index, credentials.PurposeToken, set.Token) {
			return owner + ": another token is looked up", nil
		}
		if !c.proves(check, credentials.PurposePIN, set.PIN, site, owner, strconv.Itoa(generation)) {
			return owner + ": another PIN is proved", nil
		}
		return "", nil
	})
}

// reproduceTokens derives each device's token again.
func reproduceTokens(ctx context.Context, c *checker) ([]string, error) {
	return c.judge(ctx, `SELECT d.site, d.id, d.generation, d.token_key, d.nonce, d.deleted_at <> 0, c.token, c.gone
		FROM enroll_devices d LEFT JOIN enroll_contacts c ON c.site = d.site AND c.device = d.id
		WHERE d.origin <> 'adopted'`, func(rows *sql.Rows) (string, error) {
		var site, id string
		var generation int
		var key uint32
		var nonce, token []byte
		var deleted bool
		var gone sql.NullBool
		if err := rows.Scan(&site, &id, &generation, &key, &nonce, &deleted, &token, &gone); err != nil {
			return "", err
		}
		switch {
		case !gone.Valid:
			return id + " has no contact", nil
		case gone.Bool != deleted:
			return fmt.Sprintf("%s: deleted %t, its token is gone %t", id, deleted, gone.Bool), nil
		case deleted:
			return "", nil // what it was made of is forgotten
		}
		secret, err := credentials.DeviceToken(c.ring, key, site, id, generation, nonce)
		if err != nil || !c.proves(token, credentials.PurposeDevice, secret) {
			return id + ": another token is looked up", nil
		}
		return "", nil
	})
}

// overspent compares the counters of PINs with their sites' policy.
func overspent(ctx context.Context, c *checker) ([]string, error) {
	spent := map[string]int{}
	_, err := collect(ctx, c.db, `SELECT key, n FROM enroll_counters`, nil, func(rows *sql.Rows) (string, error) {
		var key string
		var n int
		err := rows.Scan(&key, &n)
		spent[key] = n
		return "", err
	})
	if err != nil {
		return nil, err
	}
	return c.judge(ctx, `SELECT i.site, i.id, i.pin_generation, coalesce(json_extract(s.settings, '$.policy.pin_budget'), 0)
		FROM enroll_invitations i JOIN ref_sites s ON s.id = i.site`, func(rows *sql.Rows) (string, error) {
		var site, id string
		var generation, budget int
		if err := rows.Scan(&site, &id, &generation, &budget); err != nil {
			return "", err
		}
		limit := credentials.Policy{PINBudget: budget}.PINBudgetLimit(site, id, generation)
		if n := spent[limit.Key]; n > limit.Max {
			return fmt.Sprintf("%s: %d of %d", id, n, limit.Max), nil
		}
		return "", nil
	})
}

// proves reports whether a stored MAC is that of a secret.
func (c *checker) proves(stored []byte, p credentials.Purpose, s credentials.Secret, context ...string) bool {
	mac, err := credentials.ParseMAC(stored)
	if err != nil {
		return false
	}
	ok, err := c.ring.VerifySecret(mac, p, s, context...)
	return ok && err == nil
}
