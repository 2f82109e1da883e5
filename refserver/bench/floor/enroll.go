package floor

import "context"

const (
	getByToken = `SELECT i.id, i.user_id, i.state, i.events, u.name, u.email FROM enroll_credentials c
		JOIN enroll_invitations i ON i.site = c.site AND i.id = c.owner
		JOIN enroll_users u ON u.site = i.site AND u.id = i.user_id
		WHERE c.kind = 'invitation' AND c.index_mac = $1`
	getRecord   = `SELECT result FROM enroll_records WHERE site = $1 AND scope = $2 AND key = $3`
	getHardware = `SELECT id FROM enroll_devices WHERE site = $1 AND platform = $2 AND identity = $3 AND identity <> '' AND deleted_at = 0`
	getTrace    = `SELECT id FROM enroll_devices WHERE site = $1 AND platform = $2 AND trace = $3 AND trace IS NOT NULL AND deleted_at <> 0
		ORDER BY deleted_at DESC LIMIT 1`
	putDevice = `INSERT INTO enroll_devices (site, id, user_id, invitation, origin, platform, mode, ownership, state, since, reason, ever_active,
		generation, enrollment_id, enrolled_at, nonce, token_key, hardware, name, manufacturer, model, os_version,
		facts, inventory, observed_at, refs, conflict, previous, trace, created_at, deleted_at, events, version, identity)
		VALUES ($1, $2, $3, $4, 'invitation', $5, $6, 'company', 'pending', $7, '', 0, 1, $8, $9, $10, 1, $11, '', $12, 'Phone 7', '16',
		'null', NULL, 0, 'null', '', '', NULL, $13, 0, 1, 1, $14)`
	putDeviceSlot = `INSERT INTO enroll_slots (site, id, kind, state, invitation, user_id, user_name, email, platform, mode, ownership,
		name, serial, refs, last_connection, last_observation, missing, conflict, created_at, sort_name)
		VALUES ($1, $2, 'device', 'pending', $3, $4, $5, $6, $7, $8, 'company', '', $9, 'null', $10, 0,
		'["agent_installed","work_profile","permissions","inventory_received"]', 0, $11, $12)`
	putTerms4 = `INSERT INTO enroll_slot_terms (site, id, term) VALUES ($1, $2, $3), ($4, $5, $6), ($7, $8, $9), ($10, $11, $12)`
	putMove   = `INSERT INTO enroll_slot_deltas (site, state, n) VALUES ($1, $2, -1), ($3, $4, 1)`
	putPlace  = `UPDATE enroll_invitations SET state = 'opened', opened_at = $1, enrolled = enrolled + 1, live = live + 1,
		events = events + 1, version = version + 1 WHERE site = $2 AND id = $3`
	dropSlot  = `DELETE FROM enroll_slots WHERE site = $1 AND id = $2`
	dropTerms = `DELETE FROM enroll_slot_terms WHERE site = $1 AND id = $2`
	putToken  = `INSERT INTO enroll_contacts (site, device, token, seq, at, silent, gone) VALUES ($1, $2, $3, 0, $4, 0, 0)`
	putArrive = `INSERT INTO enroll_events (site, id, subject, seq, site_seq, type, at, actor, before, after, reason,
		ref_source, ref_id, user_id, invitation, device, data)
		VALUES ($1, $2, $3, 1, 0, 'device.enrolled', $4, 'device', '', 'pending', '', '', '', $5, $6, $7, 'null'),
		($8, $9, $10, $11, 0, 'invitation.opened', $12, 'device', $13, 'opened', 'enrolled', '', '', $14, $15, $16, 'null')`
	putSeen = `INSERT INTO enroll_sightings (site, invitation, evidence, count, first_at, last_at) VALUES ($1, $2, $3, 1, $4, $5)
		ON CONFLICT (site, invitation, evidence) DO UPDATE SET count = enroll_sightings.count + 1, last_at = excluded.last_at`
	putRecord = `INSERT INTO enroll_records (site, scope, key, fingerprint, result, at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

// Enroll implements [Program]. It locks the invitation, looks whether the
// request was answered before and whether the hardware is known or was deleted,
// and takes it in.
func (p *program) Enroll(ctx context.Context, r Enroll) error {
	return p.within(ctx, func(t tx) error {
		var inv, user, state, name, email, other string
		var events int64
		var result []byte
		lock := ""
		if p.lock != "" {
			lock = p.lock + " OF i"
		}
		if found, err := t.row(ctx, getByToken+lock, []any{r.Token}, &inv, &user, &state, &events, &name, &email); err != nil || !found {
			return orTaken(err)
		}
		scope := "enroll/" + user
		if found, err := t.row(ctx, getRecord, []any{r.Site, scope, r.EnrollmentID}, &result); err != nil || found {
			return orTaken(err)
		}
		if found, err := t.row(ctx, getHardware+p.lock, []any{r.Site, r.Platform, r.Identity}, &other); err != nil || found {
			return orTaken(err)
		}
		if _, err := t.row(ctx, getTrace, []any{r.Site, r.Platform, r.Trace}, &other); err != nil {
			return err
		}
		return steps(ctx, t,
			step{putDevice, []any{r.Site, r.Device, user, inv, r.Platform, r.Mode, r.At, r.EnrollmentID, r.At, r.Nonce, r.Hardware, r.Maker, r.At, r.Identity}},
			step{putDeviceSlot, []any{r.Site, r.Device, inv, user, name, email, r.Platform, r.Mode, r.Serial, r.At, r.At, name}},
			step{putTerms4, []any{r.Site, r.Device, "jan", r.Site, r.Device, "novák", r.Site, r.Device, email, r.Site, r.Device, r.Serial}},
			step{putToken, []any{r.Site, r.Device, r.Contact, r.At}},
			step{putPlace, []any{r.At, r.Site, inv}},
			step{dropSlot, []any{r.Site, inv}},
			step{dropTerms, []any{r.Site, inv}},
			step{putMove, []any{r.Site, state, r.Site, "pending"}},
			step{putArrive, []any{
				r.Site, r.Event1, r.Device, r.At, user, inv, r.Device,
				r.Site, r.Event2, inv, events + 1, r.At, state, user, inv, r.Device,
			}},
			step{putSeen, []any{r.Site, inv, "first_contact", r.At, r.At}},
			step{putRecord, []any{r.Site, scope, r.EnrollmentID, r.Trace, r.Result, r.At, r.Expires}},
		)
	})
}
