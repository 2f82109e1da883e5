package floor

import "context"

const (
	putUser = `INSERT INTO enroll_users (site, id, name, email, email_key, language, outside)
		VALUES ($1, $2, $3, $4, $5, 'cs', 0) ON CONFLICT (site, id) DO UPDATE SET name = excluded.name`
	getActive     = `SELECT id FROM enroll_invitations WHERE site = $1 AND user_id = $2 AND state <> 'deactivated'`
	putInvitation = `INSERT INTO enroll_invitations (site, id, user_id, email, email_key, name, state, reason, mode, ownership,
		expires_at, max_devices, enrolled, live, delivery, delivery_at, accepted_at, accepted_ownership, accepted_platform,
		created_at, sent_at, opened_at, ended_at, pin_generation, events, version)
		VALUES ($1, $2, $3, $4, $5, $6, 'sent', '', '', '', 0, 0, 0, 0, 'queued', $7, 0, '', '', $8, $9, 0, 0, 1, 2, 1)`
	putCredential = `INSERT INTO enroll_credentials (site, owner, kind, generation, index_mac, check_mac, sealed, data, created_at, created_by)
		VALUES ($1, $2, 'invitation', 1, $3, $4, $5, NULL, $6, $7)`
	putSlot = `INSERT INTO enroll_slots (site, id, kind, state, invitation, user_id, user_name, email, platform, mode, ownership,
		name, serial, refs, last_connection, last_observation, missing, conflict, created_at, sort_name)
		VALUES ($1, $2, 'invitation', 'sent', $3, $4, $5, $6, '', '', '', '', '', 'null', 0, 0, 'null', 0, $7, $8)`
	putTerms3 = `INSERT INTO enroll_slot_terms (site, id, term) VALUES ($1, $2, $3), ($4, $5, $6), ($7, $8, $9)`
	putDelta  = `INSERT INTO enroll_slot_deltas (site, state, n) VALUES ($1, 'sent', 1)`
	putEvents = `INSERT INTO enroll_events (site, id, subject, seq, site_seq, type, at, actor, before, after, reason,
		ref_source, ref_id, user_id, invitation, device, data)
		VALUES ($1, $2, $3, 1, 0, 'invitation.created', $4, $5, '', 'created', '', '', '', $6, $7, '', 'null'),
		($8, $9, $10, 2, 0, 'invitation.sent', $11, $12, 'created', 'sent', '', '', '', $13, $14, '', 'null')`
	putMail = `INSERT INTO enroll_messages (site, id, kind, dedupe, invitation, device, user_id, admin, event,
		created_at, due_at, attempt, lease_until, fence, status, ended_at, cause)
		VALUES ($1, $2, 'invitation', $3, $4, '', $5, '', $6, $7, $8, 0, 0, 0, 'waiting', 0, '')`
)

// Invite implements [Program]. The row of the user, written first, is the lock
// that keeps two from inviting one person twice.
func (p *program) Invite(ctx context.Context, r Invite) error {
	return p.within(ctx, func(t tx) error { return invite(ctx, t, r) })
}

// InviteMany implements [Program].
func (p *program) InviteMany(ctx context.Context, list []Invite) error {
	return p.within(ctx, func(t tx) error {
		for _, r := range list {
			if err := invite(ctx, t, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func invite(ctx context.Context, t tx, r Invite) error {
	if err := t.exec(ctx, putUser, r.Site, r.User, r.Name, r.Email, r.Email); err != nil {
		return err
	}
	var old string
	if found, err := t.row(ctx, getActive, []any{r.Site, r.User}, &old); err != nil || found {
		return orTaken(err)
	}
	return steps(ctx, t,
		step{putInvitation, []any{r.Site, r.Invitation, r.User, r.Email, r.Email, r.Name, r.At, r.At, r.At}},
		step{putCredential, []any{r.Site, r.Invitation, r.Token, r.PIN, r.Sealed, r.At, r.By}},
		step{putSlot, []any{r.Site, r.Invitation, r.Invitation, r.User, r.Name, r.Email, r.At, r.Name}},
		step{putTerms3, []any{r.Site, r.Invitation, "jan", r.Site, r.Invitation, "novák", r.Site, r.Invitation, r.Email}},
		step{putDelta, []any{r.Site}},
		step{putEvents, []any{
			r.Site, r.Event1, r.Invitation, r.At, r.By, r.User, r.Invitation,
			r.Site, r.Event2, r.Invitation, r.At, r.By, r.User, r.Invitation,
		}},
		step{putMail, []any{r.Site, r.ID, "invitation/" + r.Event2, r.Invitation, r.User, r.Event2, r.At, r.At}},
	)
}

func orTaken(err error) error {
	if err == nil {
		return ErrTaken
	}
	return err
}
