package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

type invitations struct{ *tx }

func (n invitations) Create(ctx context.Context, list ...invitation.Invitation) error {
	return n.write(ctx, func() error {
		for _, row := range list {
			if _, ok := n.data.invitations[key{row.Site, row.ID}]; ok {
				return fmt.Errorf("memstore: invitation: %w", enrollment.ErrExists)
			}
			if err := n.store(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (n invitations) Get(ctx context.Context, site, id string) (invitation.Invitation, error) {
	if err := n.reading(ctx); err != nil {
		return invitation.Invitation{}, err
	}
	row, ok := n.data.invitations[key{site, id}]
	if !ok {
		return invitation.Invitation{}, fmt.Errorf("memstore: invitation: %w", enrollment.ErrNotFound)
	}
	return given(row), nil
}

func (n invitations) Lock(ctx context.Context, site, id string) (invitation.Invitation, error) {
	if err := n.locking(ctx); err != nil {
		return invitation.Invitation{}, err
	}
	return n.Get(ctx, site, id)
}

func (n invitations) Update(ctx context.Context, list ...invitation.Invitation) error {
	return n.write(ctx, func() error {
		for _, row := range list {
			old, ok := n.data.invitations[key{row.Site, row.ID}]
			switch {
			case !ok:
				return fmt.Errorf("memstore: invitation: %w", enrollment.ErrNotFound)
			case old.Version != row.Version:
				return fmt.Errorf("memstore: invitation: %w", enrollment.ErrStale)
			}
			n.unindex(old)
			row.Version++
			if err := n.store(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (n invitations) ByEmail(ctx context.Context, emailKey string, endedAfter time.Time, limit int) ([]invitation.Invitation, error) {
	if err := n.reading(ctx); err != nil {
		return nil, err
	}
	var list []invitation.Invitation
	endedAfter = micros(endedAfter)
	for k := range n.data.byEmail[emailKey] {
		if row := n.data.invitations[k]; row.State.Active() || row.EndedAt.After(endedAfter) {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b invitation.Invitation) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Site, b.Site))
	})
	return given(first(list, limit)), nil
}

func (n invitations) List(ctx context.Context, q enrollment.InvitationQuery) ([]invitation.Invitation, error) {
	if err := n.reading(ctx); err != nil {
		return nil, err
	}
	if q.Site == "" && q.Expired.IsZero() {
		return nil, errors.New("memstore: a list of invitations needs a site")
	}
	q.Expired = micros(q.Expired)
	var list []invitation.Invitation
	take := func(k key) {
		if row := n.data.invitations[k]; asked(row, q) {
			list = append(list, row)
		}
	}
	switch {
	case q.Site == "":
		for k := range n.data.invitations {
			take(k)
		}
	case q.Users != nil:
		for _, user := range slices.Compact(slices.Sorted(slices.Values(q.Users))) {
			for k := range n.data.byUser[key{q.Site, user}] {
				take(k)
			}
		}
	default:
		for k := range n.data.ofSite[q.Site] {
			take(k)
		}
	}
	slices.SortFunc(list, func(a, b invitation.Invitation) int {
		return cmp.Or(cmp.Compare(b.ID, a.ID), cmp.Compare(b.Site, a.Site))
	})
	return given(atMost(list, q.Limit)), nil
}

func asked(row invitation.Invitation, q enrollment.InvitationQuery) bool {
	return (q.Site == "" || row.Site == q.Site) &&
		(q.Users == nil || slices.Contains(q.Users, row.User)) &&
		(!q.Active || row.State.Active()) &&
		(len(q.States) == 0 || slices.Contains(q.States, row.State)) &&
		(q.Expired.IsZero() || row.State.Active() && row.Expired(q.Expired)) &&
		(q.After == "" || row.ID < q.After)
}

// store writes a row that is in no index.
func (n invitations) store(row invitation.Invitation) error {
	row, err := taken(row)
	if err != nil {
		return err
	}
	k, user := key{row.Site, row.ID}, key{row.Site, row.User}
	if row.State.Active() {
		if _, ok := n.data.active[user]; ok {
			return fmt.Errorf("memstore: active invitation of the user: %w", enrollment.ErrExists)
		}
		put(n.tx, n.data.active, user, row.ID)
	}
	if row.EmailKey != "" {
		link(n.tx, n.data.byEmail, row.EmailKey, k)
	}
	link(n.tx, n.data.byUser, user, k)
	link(n.tx, n.data.ofSite, row.Site, k)
	put(n.tx, n.data.invitations, k, row)
	return nil
}

func (n invitations) unindex(row invitation.Invitation) {
	k, user := key{row.Site, row.ID}, key{row.Site, row.User}
	if row.State.Active() {
		drop(n.tx, n.data.active, user)
	}
	unlink(n.tx, n.data.byEmail, row.EmailKey, k)
	unlink(n.tx, n.data.byUser, user, k)
	unlink(n.tx, n.data.ofSite, row.Site, k)
}
