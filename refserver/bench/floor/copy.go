package floor

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Copy makes invitations of people who were never invited before, by COPY into
// every table in one transaction: as fast as the tables with their indexes take
// them.
func Copy(ctx context.Context, pool *pgxpool.Pool, list []Invite) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	for _, c := range copies {
		var rows [][]any
		for i := range list {
			rows = append(rows, c.rows(&list[i])...)
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{c.table}, c.columns, pgx.CopyFromRows(rows)); err != nil {
			return errors.Join(err, tx.Rollback(ctx))
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO enroll_slot_deltas (site, state, n) VALUES ($1, 'sent', $2)", list[0].Site, len(list))
	if err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

// copies are the tables and what an invitation is in each.
var copies = []struct {
	table   string
	columns []string
	rows    func(r *Invite) [][]any
}{
	{"enroll_users", []string{"site", "id", "name", "email", "email_key", "language", "outside"}, func(r *Invite) [][]any {
		return [][]any{{r.Site, r.User, r.Name, r.Email, r.Email, "cs", int64(0)}}
	}},
	{"enroll_invitations", []string{"site", "id", "user_id", "email", "email_key", "name", "state", "reason", "mode", "ownership",
		"expires_at", "max_devices", "enrolled", "live", "delivery", "delivery_at", "accepted_at", "accepted_ownership", "accepted_platform",
		"created_at", "sent_at", "opened_at", "ended_at", "pin_generation", "events", "version"}, func(r *Invite) [][]any {
		return [][]any{{r.Site, r.Invitation, r.User, r.Email, r.Email, r.Name, "sent", "", "", "", int64(0), int64(0), int64(0), int64(0),
			"queued", r.At, int64(0), "", "", r.At, r.At, int64(0), int64(0), int64(1), int64(2), int64(1)}}
	}},
	{"enroll_credentials", []string{"site", "owner", "kind", "generation", "index_mac", "check_mac", "sealed", "data", "created_at", "created_by"},
		func(r *Invite) [][]any {
			return [][]any{{r.Site, r.Invitation, "invitation", int64(1), r.Token, r.PIN, r.Sealed, nil, r.At, r.By}}
		}},
	{"enroll_slots", []string{"site", "id", "kind", "state", "invitation", "user_id", "user_name", "email", "platform", "mode", "ownership",
		"name", "serial", "refs", "last_connection", "last_observation", "missing", "conflict", "created_at", "sort_name"}, func(r *Invite) [][]any {
		return [][]any{{r.Site, r.Invitation, "invitation", "sent", r.Invitation, r.User, r.Name, r.Email, "", "", "", "", "", "null",
			int64(0), int64(0), "null", int64(0), r.At, r.Name}}
	}},
	{"enroll_slot_terms", []string{"site", "id", "term"}, func(r *Invite) [][]any {
		return [][]any{{r.Site, r.Invitation, "jan"}, {r.Site, r.Invitation, "novák"}, {r.Site, r.Invitation, r.Email}}
	}},
	{"enroll_events", []string{"site", "id", "subject", "seq", "site_seq", "type", "at", "actor", "before", "after", "reason",
		"ref_source", "ref_id", "user_id", "invitation", "device", "data"}, func(r *Invite) [][]any {
		event := func(id string, seq int64, kind, before, after string) []any {
			return []any{r.Site, id, r.Invitation, seq, int64(0), kind, r.At, r.By, before, after, "", "", "", r.User, r.Invitation, "", "null"}
		}
		return [][]any{event(r.Event1, 1, "invitation.created", "", "created"), event(r.Event2, 2, "invitation.sent", "created", "sent")}
	}},
	{"enroll_messages", []string{"site", "id", "kind", "dedupe", "invitation", "device", "user_id", "admin", "event",
		"created_at", "due_at", "attempt", "lease_until", "fence", "status", "ended_at", "cause"}, func(r *Invite) [][]any {
		return [][]any{{r.Site, r.ID, "invitation", "invitation/" + r.Event2, r.Invitation, "", r.User, "", r.Event2,
			r.At, r.At, int64(0), int64(0), int64(0), "waiting", int64(0), ""}}
	}},
}
