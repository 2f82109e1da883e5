package verify

import (
	"context"

	"example.com/enrollkit/enrollment/sqlstore"
)

// tables are counted for the report.
var tables = []string{
	"users", "invitations", "credentials", "counters", "sightings", "devices", "device_refs", "contacts",
	"slots", "slot_terms", "events", "messages", "records",
}

// count says how much there is to look at.
func count(ctx context.Context, c *checker) error {
	number := func(n *int64, text string) error {
		return c.query(ctx, text, nil, func(r sqlstore.Rows) error { return r.Scan(n) })
	}
	for _, table := range tables {
		l := Looked{Table: table}
		if err := number(&l.Rows, "SELECT count(*) FROM @"+table); err != nil {
			return err
		}
		c.report.Looked = append(c.report.Looked, l)
	}
	if err := number(&c.report.Waiting, "SELECT count(*) FROM @messages WHERE status = 'waiting'"); err != nil {
		return err
	}
	return number(&c.report.Unsequenced, "SELECT count(*) FROM @events WHERE site_seq = 0")
}

// counters looks at tries against what no policy allows: a hundred for a PIN and
// for a one-time login, credentials.PasswordBudget for an invitation's password.
func counters(ctx context.Context, c *checker) error {
	return c.each(ctx, budgets, `SELECT key || ' has ' || n FROM @counters
		WHERE n < 0 OR (n > 100 AND (key LIKE 'pin/%' OR key LIKE 'pin#%' OR key LIKE 'one-time/%' OR key LIKE 'one-time#%'))
		OR (n > 10000 AND (key LIKE 'password/%' OR key LIKE 'password#%'))`)
}

// references follows what rows say of one another.
func references(ctx context.Context, c *checker) error {
	for _, query := range []string{
		`SELECT 'user of invitation ' || i.id FROM @invitations i LEFT JOIN @users u ON u.site = i.site AND u.id = i.user_id
			WHERE u.id IS NULL`,
		`SELECT 'invitation of device ' || d.id FROM @devices d LEFT JOIN @invitations i ON i.site = d.site AND i.id = d.invitation
			WHERE d.invitation <> '' AND (i.id IS NULL OR i.user_id <> d.user_id)`,
		`SELECT 'rival of device ' || d.id FROM @devices d LEFT JOIN @devices h ON h.site = d.site AND h.id = d.conflict
			WHERE d.conflict <> '' AND (h.id IS NULL OR h.deleted_at <> 0 OR h.platform <> d.platform OR h.id = d.id)`,
		`SELECT 'user of login ' || c.owner FROM @credentials c LEFT JOIN @users u ON u.site = c.site AND u.id = c.owner
			WHERE c.kind = 'login' AND u.id IS NULL`,
		`SELECT 'invitation of event ' || e.id FROM @events e LEFT JOIN @invitations i ON i.site = e.site AND i.id = e.invitation
			WHERE e.invitation <> '' AND (i.id IS NULL OR (e.user_id <> '' AND e.user_id <> i.user_id))`,
		// Tombstones are forgotten before the journal; a row elsewhere is another site's.
		`SELECT 'device of event ' || e.id FROM @events e JOIN @devices o ON o.id = e.device
			LEFT JOIN @devices d ON d.site = e.site AND d.id = e.device WHERE e.device <> '' AND d.id IS NULL`,
		`SELECT 'invitation of message ' || m.id FROM @messages m LEFT JOIN @invitations i ON i.site = m.site AND i.id = m.invitation
			WHERE m.invitation <> '' AND i.id IS NULL`,
		`SELECT 'device of message ' || m.id FROM @messages m JOIN @devices o ON o.id = m.device
			LEFT JOIN @devices d ON d.site = m.site AND d.id = m.device WHERE m.device <> '' AND d.id IS NULL`,
	} {
		if err := c.each(ctx, sameSite, query); err != nil {
			return err
		}
	}
	return nil
}

// erased looks for what is left of people who were erased, of rows that were
// there before by any server's clock: they may have been invited again since.
func erased(ctx context.Context, c *checker) error {
	for _, query := range []string{
		`SELECT 'invitation ' || i.id FROM @events e JOIN @invitations i ON i.site = e.site AND i.user_id = e.user_id
			LEFT JOIN @credentials c ON c.kind = 'invitation' AND c.site = i.site AND c.owner = i.id
			WHERE e.type = 'user.erased' AND i.created_at < e.at - ?
			  AND (i.email <> '' OR i.email_key <> '' OR i.name <> '' OR i.state <> 'deactivated' OR c.owner IS NOT NULL)`,
		`SELECT 'device ' || d.id FROM @events e JOIN @devices d ON d.site = e.site AND d.user_id = e.user_id
			WHERE e.type = 'user.erased' AND d.created_at < e.at - ? AND d.deleted_at = 0`,
		`SELECT 'login of ' || c.owner FROM @events e JOIN @credentials c ON c.kind = 'login' AND c.site = e.site AND c.owner = e.user_id
			WHERE e.type = 'user.erased' AND c.created_at < e.at - ?`,
		`SELECT 'what was seen of ' || s.invitation FROM @events e JOIN @invitations i ON i.site = e.site AND i.user_id = e.user_id
			JOIN @sightings s ON s.site = i.site AND s.invitation = i.id
			WHERE e.type = 'user.erased' AND s.last_at < e.at - ?`,
	} {
		if err := c.each(ctx, erasedPeople, query, c.o.Skew.Microseconds()); err != nil {
			return err
		}
	}
	return nil
}
