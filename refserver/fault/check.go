package fault

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/internal/database"
	ownverify "example.com/enrollkit/refserver/internal/verify"
)

// Check returns what is wrong in the reference server's SQLite database: in the
// SDK's tables by package verify, and in what the server keeps beside them. ring
// is the server's key ring.
func Check(ctx context.Context, db *sql.DB, ring *credentials.Keyring) ([]verify.Violation, error) {
	store, err := sqlstore.New(sqlstore.SQL(db), sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	report, err := verify.Check(ctx, store, verify.Options{Keyring: ring, Now: time.Now()})
	if err != nil {
		return report.Violations, err
	}
	own, err := ownverify.Check(ctx, opened{db}, time.Now())
	list := append(report.Violations, own...)
	if err != nil {
		return list, fmt.Errorf("fault: %w", err)
	}
	for _, r := range ownRules {
		find := r.find
		if find == nil {
			find = func(ctx context.Context, db *sql.DB) ([]string, error) { return texts(ctx, db, r.query) }
		}
		details, err := find(ctx, db)
		if err != nil {
			return list, fmt.Errorf("fault: rule %s: %w", r.name, err)
		}
		for _, detail := range details {
			list = append(list, verify.Violation{Rule: r.name, Says: r.says, Detail: detail})
		}
	}
	return list, nil
}

// ownRule is one invariant of the server's own tables. Of query, every row is a
// violation, and its one column says which.
type ownRule struct {
	name, says string
	query      string
	find       func(context.Context, *sql.DB) ([]string, error) // what only Go can judge
}

// opened is a database that no server has open.
type opened struct{ *sql.DB }

func (o opened) Rows(ctx context.Context, text string, args []any, scan func(database.Scanner) error) error {
	return each(ctx, o.DB, text, func(rows *sql.Rows) error { return scan(rows) }, args...)
}

// ownRules are those that hold as the servers are used here: with the built-in
// mailbox, settings that stay, and nobody erased. Names in parentheses are those of the reliability
// plan.
var ownRules = []ownRule{
	{
		// The mailbox keeps the latest 1000 of a site.
		name: "delivered", says: "a delivered message has its one mail (I9, I10)",
		query: `SELECT 'delivered, yet not there: ' || m.id FROM enroll_messages m
			WHERE m.status = 'done' AND (m.kind <> 'mail.alert' AND m.kind LIKE 'mail.%' OR m.kind = 'mail.alert' AND m.admin <> '')
			  AND (SELECT count(*) FROM ref_mails b WHERE b.site = m.site) < 1000
			  AND NOT EXISTS (SELECT 1 FROM ref_mails b WHERE b.site = m.site AND b.id = m.id)`,
	},
	{
		name: "evaluated tries", says: "no more tries were evaluated than a PIN has (I5)",
		find: overspent,
	},
}

// texts runs a query of one column.
func texts(ctx context.Context, db *sql.DB, query string) (list []string, err error) {
	err = each(ctx, db, query, func(rows *sql.Rows) error {
		var s string
		err := rows.Scan(&s)
		list = append(list, s)
		return err
	})
	return list, err
}

// each runs a query and reads its rows.
func each(ctx context.Context, db *sql.DB, query string, read func(*sql.Rows) error, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// overspent compares the counters of PINs with their sites' policy, which stays
// as it is here.
func overspent(ctx context.Context, db *sql.DB) (list []string, err error) {
	spent := map[string]int{}
	err = each(ctx, db, `SELECT key, n FROM enroll_counters`, func(rows *sql.Rows) error {
		var key string
		var n int
		err := rows.Scan(&key, &n)
		spent[key] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, `SELECT i.site, i.id, i.pin_generation, coalesce(json_extract(s.settings, '$.policy.pin_budget'), 0)
		FROM enroll_invitations i JOIN ref_sites s ON s.id = i.site`, func(rows *sql.Rows) error {
		var site, id string
		var generation, budget int
		if err := rows.Scan(&site, &id, &generation, &budget); err != nil {
			return err
		}
		limit := credentials.Policy{PINBudget: budget}.PINBudgetLimit(site, id, generation)
		if n := spent[limit.Key]; n > limit.Max {
			list = append(list, fmt.Sprintf("%s: %d of %d", id, n, limit.Max))
		}
		return nil
	})
	return list, err
}
