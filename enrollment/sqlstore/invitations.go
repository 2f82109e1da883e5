package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

const (
	invitationColumns = `site, id, user_id, email, email_key, name, state, reason, mode, ownership, expires_at, max_devices,
		enrolled, live, delivery, delivery_at, accepted_at, accepted_ownership, accepted_platform,
		created_at, sent_at, opened_at, ended_at, pin_generation, events, version`
	invitationWidth   = 26
	selectInvitations = "SELECT " + invitationColumns + " FROM @invitations WHERE "

	// isActive is the condition of the indexes, word for word, or they are not used.
	isActive = "state <> 'deactivated'"
)

func invitationFields(i *invitation.Invitation) []any {
	return []any{
		&i.Site, &i.ID, &i.User, &i.Email, &i.EmailKey, &i.Name, (*string)(&i.State), (*string)(&i.Reason),
		&i.Mode, &i.Ownership, stamp{&i.ExpiresAt}, &i.MaxDevices,
		&i.Enrolled, &i.Live, (*string)(&i.Delivery), stamp{&i.DeliveryAt},
		stamp{&i.AcceptedAt}, &i.AcceptedOwnership, &i.AcceptedPlatform,
		stamp{&i.CreatedAt}, stamp{&i.SentAt}, stamp{&i.OpenedAt}, stamp{&i.EndedAt},
		&i.PINGeneration, &i.Events, &i.Version,
	}
}

type invitations struct{ *unit }

func (t invitations) Create(ctx context.Context, list ...invitation.Invitation) error {
	return add(ctx, t.unit, "@invitations ("+invitationColumns+")", invitationFields, list)
}

func (t invitations) Get(ctx context.Context, site, id string) (invitation.Invitation, error) {
	return one(ctx, t.unit, invitationFields, selectInvitations+"site = ? AND id = ?", site, id)
}

func (t invitations) Lock(ctx context.Context, site, id string) (invitation.Invitation, error) {
	if err := t.may(ctx, true); err != nil {
		return invitation.Invitation{}, err
	}
	return one(ctx, t.unit, invitationFields, selectInvitations+"site = ? AND id = ?"+t.lock(), site, id)
}

func (t invitations) Update(ctx context.Context, list ...invitation.Invitation) error {
	write := func() error {
		for i := range list {
			if err := t.update(ctx, list[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 1 {
		return t.guard(ctx, write)
	}
	return t.all(ctx, write)
}

func (t invitations) update(ctx context.Context, row invitation.Invitation) error {
	stored := row.Version
	row.Version++
	values, err := args(nil, invitationFields(&row))
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "UPDATE @invitations SET ("+invitationColumns+") = ("+marks(invitationWidth)+
		") WHERE site = ? AND id = ? AND version = ?", append(values, row.Site, row.ID, stored)...)
	if err != nil || n == 1 {
		return err
	}
	return t.missed(ctx, "@invitations", row.Site, row.ID)
}

// missed says why an update by version found no row.
func (u *unit) missed(ctx context.Context, table, site, id string) error {
	var version int64
	fields := func(n *int64) []any { return []any{n} }
	version, err := one(ctx, u, fields, "SELECT version FROM "+table+" WHERE site = ? AND id = ?", site, id)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: it is at version %d", enrollment.ErrStale, version)
}

func (t invitations) ByEmail(ctx context.Context, emailKey string, endedAfter time.Time, limit int) ([]invitation.Invitation, error) {
	if emailKey == "" {
		return nil, nil
	}
	return collect(ctx, t.unit, invitationFields,
		selectInvitations+"email_key = ? AND email_key <> '' AND ("+isActive+" OR ended_at > ?) ORDER BY created_at, id, site LIMIT ?",
		emailKey, micros(endedAfter), max(limit, 0))
}

func (t invitations) List(ctx context.Context, q enrollment.InvitationQuery) ([]invitation.Invitation, error) {
	if q.Site == "" && q.Expired.IsZero() {
		return nil, errors.New("sqlstore: a list of invitations needs a site")
	}
	var w where
	switch {
	case q.Site != "" && q.Expired.IsZero():
		w.and("site = ?", q.Site)
	case q.Site != "":
		w.and("site || '' = ?", q.Site) // keeps to the index of the expiry
	}
	if q.Users != nil {
		w.in("user_id", anys(q.Users))
	}
	if q.Active {
		w.and(isActive)
	}
	if len(q.States) > 0 {
		w.in("state", anys(q.States))
	}
	if !q.Expired.IsZero() {
		w.and(isActive+" AND expires_at <> 0 AND expires_at <= ?", micros(q.Expired))
	}
	if q.After != "" {
		w.and("id < ?", q.After)
	}
	return collect(ctx, t.unit, invitationFields,
		selectInvitations+w.text+" ORDER BY id DESC, site DESC"+w.limitOrAll(q.Limit), w.args...)
}
