// Package verify looks for what must not be in the tables that the reference
// server keeps beside enrollkit's. Those of enrollkit are package sqlstore/verify's.
package verify

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/internal/database"
)

// Rows is a database, or a unit of one.
type Rows interface {
	Rows(ctx context.Context, text string, args []any, scan func(database.Scanner) error) error
}

// rule is one invariant. Of query, every row is a violation, and its one column
// says which.
type rule struct {
	name, says, query string
	args              func(now time.Time) []any // nil: none
}

// rules are all of them, for every database. They hold whatever an administrator
// did: settings may have changed, mail may have gone to a mail server for a while,
// and people may have been erased. Names in parentheses are those of the
// reliability plan.
var rules = []rule{
	{
		name: "foreign keys", says: "every reference has its row",
		query: `SELECT 'administrator ' || a.id FROM ref_admins a WHERE NOT EXISTS (SELECT 1 FROM ref_sites s WHERE s.id = a.site)
			UNION ALL
			SELECT 'user ' || u.id FROM ref_users u WHERE NOT EXISTS (SELECT 1 FROM ref_sites s WHERE s.id = u.site)
			UNION ALL
			SELECT 'token of ' || t.admin FROM ref_tokens t WHERE NOT EXISTS (SELECT 1 FROM ref_admins a WHERE a.site = t.site AND a.id = t.admin)
			UNION ALL
			SELECT 'a session of no token' FROM ref_sessions s WHERE NOT EXISTS (SELECT 1 FROM ref_tokens t WHERE t.hash = s.token)
			UNION ALL
			SELECT 'results of import ' || r.id FROM ref_import_results r
			WHERE NOT EXISTS (SELECT 1 FROM ref_imports i WHERE i.site = r.site AND i.id = r.id)`,
	},
	{
		// A message goes some time after it ended, its mail may stay.
		name: "mailbox", says: "a mail has a message that was sent (I9, I10)",
		query: `SELECT 'mail of no message: ' || b.id FROM ref_mails b
			WHERE b.at > ? AND NOT EXISTS (SELECT 1 FROM enroll_messages m WHERE m.site = b.site AND m.id = b.id AND m.kind LIKE 'mail.%' AND m.attempt > 0)
			UNION ALL
			SELECT 'superseded, yet sent: ' || b.id FROM ref_mails b JOIN enroll_messages m ON m.site = b.site AND m.id = b.id
			WHERE m.status = 'superseded' AND m.attempt = 1`,
		args: func(now time.Time) []any {
			return []any{now.Add(verify.DefaultSkew - enrollment.OutboxKept).UnixMicro()}
		},
	},
	{
		name: "sites known", says: "what the SDK keeps belongs to a site of the server (I13)",
		query: `SELECT 'invitation ' || i.id FROM enroll_invitations i WHERE NOT EXISTS (SELECT 1 FROM ref_sites s WHERE s.id = i.site)
			UNION ALL
			SELECT 'device ' || d.id FROM enroll_devices d WHERE NOT EXISTS (SELECT 1 FROM ref_sites s WHERE s.id = d.site)`,
	},
	{
		name: "authorities", says: "every certificate and every deputy of an authority has its root",
		query: `SELECT 'certificate ' || c.authority || ' ' || c.serial FROM ref_certificates c WHERE NOT EXISTS (
				SELECT 1 FROM ref_authorities a WHERE a.name = c.authority AND a.generation = c.generation AND a.role = 'root')
			UNION ALL
			SELECT 'deputy ' || d.name || ' ' || d.role FROM ref_authorities d WHERE NOT EXISTS (
				SELECT 1 FROM ref_authorities a WHERE a.name = d.name AND a.generation = d.generation AND a.role = 'root')`,
	},
}

// Names returns the names of the rules.
func Names() (names []string) {
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

// Check returns every violation at a time by the servers' clocks. It writes
// nothing. Each rule sees one state of the database.
func Check(ctx context.Context, from Rows, now time.Time) (list []verify.Violation, err error) {
	for _, r := range rules {
		var args []any
		if r.args != nil {
			args = r.args(now)
		}
		err := from.Rows(ctx, r.query, args, func(row database.Scanner) error {
			v := verify.Violation{Rule: r.name, Says: r.says}
			err := row.Scan(&v.Detail)
			list = append(list, v)
			return err
		})
		if err != nil {
			return list, fmt.Errorf("rule %s: %w", r.name, err)
		}
	}
	return list, nil
}
