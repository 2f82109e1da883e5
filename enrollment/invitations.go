package enrollment

import (
	"context"
	"errors"
	"slices"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// Send mails an invitation, for the first time or again. The credentials stay
// as they are. It answers [ErrNoAddress], or a transition error when the
// invitation is deactivated.
func (s *Service) Send(ctx context.Context, by Actor, id string) (_ InvitationDetail, err error) {
	defer s.did(ctx, "send", by.Site, s.began(), &err)
	return s.changeInvitation(ctx, by, PermInvite, id, func(ctx context.Context, u *unit, _ Site, inv invitation.Invitation) (invitation.Invitation, error) {
		if inv.Email == "" {
			return inv, ErrNoAddress
		}
		return u.send(ctx, by, inv)
	})
}

// EditEmail changes where an active invitation is sent, and the address that
// goes with its PIN. The user's own address stays as it is. It mails nothing.
func (s *Service) EditEmail(ctx context.Context, by Actor, id, email string) (_ InvitationDetail, err error) {
	defer s.did(ctx, "edit_email", by.Site, s.began(), &err)
	return s.changeInvitation(ctx, by, PermInvite, id, func(ctx context.Context, u *unit, _ Site, inv invitation.Invitation) (invitation.Invitation, error) {
		email := trimAddress(email)
		key, err := credentials.CanonicalEmail(email)
		if err != nil {
			return inv, invalid("email", "malformed")
		}
		if err := usable(inv, u); err != nil {
			return inv, err
		}
		if inv.Email == email {
			return inv, nil
		}
		inv.Email, inv.EmailKey = email, key
		return u.saveInvitation(ctx, inv, Event{Type: invitation.EventEmailChanged, Actor: by.ID})
	})
}

// Deactivate ends an invitation: from then on nothing enrolls by it. Its
// devices stay. Deactivating twice is no error.
func (s *Service) Deactivate(ctx context.Context, by Actor, id string) (_ InvitationDetail, err error) {
	defer s.did(ctx, "deactivate", by.Site, s.began(), &err)
	return s.changeInvitation(ctx, by, PermDeactivate, id, func(ctx context.Context, u *unit, _ Site, inv invitation.Invitation) (invitation.Invitation, error) {
		return u.end(ctx, inv, invitation.ByAdmin, by.ID)
	})
}

// NewPIN replaces the PIN of an active invitation, burnt or not, and with it
// the budget of wrong tries. The link and the QR code stay.
func (s *Service) NewPIN(ctx context.Context, by Actor, id string) (_ InvitationDetail, err error) {
	defer s.did(ctx, "new_pin", by.Site, s.began(), &err)
	return s.changeInvitation(ctx, by, PermReveal, id, func(ctx context.Context, u *unit, site Site, inv invitation.Invitation) (invitation.Invitation, error) {
		if err := usable(inv, u); err != nil {
			return inv, err
		}
		if err := u.renewPIN(ctx, by, site, &inv); err != nil {
			return inv, err
		}
		return u.saveInvitation(ctx, inv, Event{Type: invitation.EventNewPIN, Actor: by.ID})
	})
}

// Reveal shows an active invitation's credentials. The journal has it before
// anybody sees it, even if the caller does not wait for the answer.
func (s *Service) Reveal(ctx context.Context, by Actor, id string) (_ Revealed, err error) {
	defer s.did(ctx, "reveal", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermReveal); err != nil {
		return Revealed{}, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return Revealed{}, err
	}
	var inv invitation.Invitation
	var cred Credential
	var left int
	err = s.update(context.WithoutCancel(ctx), func(ctx context.Context, u *unit) error {
		var err error
		if inv, err = u.Invitations().Lock(ctx, by.Site, id); err != nil {
			return err
		}
		if err := usable(inv, u); err != nil {
			return err
		}
		if cred, err = u.Credentials().Get(ctx, inv.Site, inv.ID, KindInvitation); err != nil {
			return err
		}
		if left, err = u.pinTriesLeft(ctx, site, inv); err != nil {
			return err
		}
		inv, err = u.saveInvitation(ctx, inv, Event{Type: invitation.EventRevealed, Actor: by.ID})
		return err
	})
	if err != nil {
		return Revealed{}, err
	}
	codes, err := s.codesOf(ctx, site, inv, cred, left)
	return Revealed{Codes: codes, PINTriesLeft: left}, err
}

// Invitation returns one invitation.
func (s *Service) Invitation(ctx context.Context, by Actor, id string) (_ InvitationDetail, err error) {
	defer s.did(ctx, "invitation", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermRead); err != nil {
		return InvitationDetail{}, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return InvitationDetail{}, err
	}
	var detail InvitationDetail
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Get(ctx, by.Site, id)
		if err != nil {
			return err
		}
		detail, err = u.describe(ctx, site, inv)
		return err
	})
	return detail, err
}

// Invitations returns a page of invitations, the newest first.
func (s *Service) Invitations(ctx context.Context, by Actor, q InvitationsQuery) (_ InvitationsPage, err error) {
	defer s.did(ctx, "invitations", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermRead); err != nil {
		return InvitationsPage{}, err
	}
	size, err := pageSize(q.PageSize)
	if err != nil {
		return InvitationsPage{}, err
	}
	names := make([]string, len(q.States))
	for i, state := range q.States {
		if !slices.Contains(invitation.States(), state) {
			return InvitationsPage{}, invalid("state", "unknown")
		}
		names[i] = string(state)
	}
	asked := strings.Join(names, ",") + "\x00" + q.User
	query := InvitationQuery{Site: by.Site, States: q.States, Limit: size + 1}
	if q.User != "" {
		query.Users = []string{q.User}
	}
	if q.PageToken != "" {
		after, err := s.openPageToken("invitations", by.Site, asked, q.PageToken, 1)
		if err != nil {
			return InvitationsPage{}, err
		}
		query.After = after[0]
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return InvitationsPage{}, err
	}
	page := InvitationsPage{}
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		page = InvitationsPage{Invitations: []InvitationDetail{}}
		list, err := u.Invitations().List(ctx, query)
		if err != nil {
			return err
		}
		if len(list) > size {
			list = list[:size]
			page.NextPageToken = s.pageToken("invitations", by.Site, asked, list[size-1].ID)
		}
		for _, inv := range list {
			detail, err := u.describe(ctx, site, inv)
			if err != nil {
				return err
			}
			page.Invitations = append(page.Invitations, detail)
		}
		return nil
	})
	return page, err
}

// RecordDelivery notes what became of the latest mail of an invitation: an
// embedder's mail system calls it for bounces. The state stays as it is.
func (s *Service) RecordDelivery(ctx context.Context, site, id string, d invitation.Delivery) (err error) {
	defer s.did(ctx, "record_delivery", site, s.began(), &err)
	if !slices.Contains([]invitation.Delivery{invitation.Queued, invitation.Accepted, invitation.Failed, invitation.Bounced}, d) {
		return invalid("delivery", "unknown")
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Lock(ctx, site, id)
		if err != nil {
			return err
		}
		return u.delivered(ctx, inv, d)
	})
}

// changeInvitation runs one administrator's change of one invitation.
func (s *Service) changeInvitation(ctx context.Context, by Actor, p Permission, id string,
	change func(context.Context, *unit, Site, invitation.Invitation) (invitation.Invitation, error)) (InvitationDetail, error) {
	if err := s.authorize(ctx, by, p); err != nil {
		return InvitationDetail{}, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return InvitationDetail{}, err
	}
	var detail InvitationDetail
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Lock(ctx, by.Site, id)
		if err != nil {
			return err
		}
		if inv, err = change(ctx, u, site, inv); err != nil {
			return err
		}
		detail, err = u.describe(ctx, site, inv)
		return err
	})
	return detail, err
}

// usable is for what an administrator does with an active invitation: a limit
// on devices does not matter to it.
func usable(inv invitation.Invitation, u *unit) error {
	return inv.Usable(u.now, inv.State.Active())
}

// send marks an invitation as sent and queues its mail, in one unit.
func (u *unit) send(ctx context.Context, by Actor, inv invitation.Invitation) (invitation.Invitation, error) {
	before := inv.State
	inv, err := u.sent(inv)
	if err != nil {
		return inv, err
	}
	events := []Event{sentEvent(by, before, inv)}
	if inv, err = u.saveInvitation(ctx, inv, events...); err != nil {
		return inv, err
	}
	return inv, u.enqueue(ctx, invitationMail(inv, events[0]))
}

// sent is an invitation whose mail is queued.
func (u *unit) sent(inv invitation.Invitation) (invitation.Invitation, error) {
	if inv.Expired(u.now) {
		return inv, invitation.ErrExpired
	}
	inv, _, err := inv.Send(u.now)
	return inv, err
}

func sentEvent(by Actor, before invitation.State, inv invitation.Invitation) Event {
	return Event{Type: invitation.EventSent, Actor: by.ID, Before: string(before), After: string(inv.State)}
}

func invitationMail(inv invitation.Invitation, sent Event) Message {
	return Message{Site: inv.Site, Kind: MessageInvitation, Invitation: inv.ID, User: inv.User, Event: sent.ID}
}

// end deactivates an invitation. What could show its credentials is destroyed
// in the same unit. What proves them stays: a link says what happened, and an
// answer that was lost can still be asked for.
func (u *unit) end(ctx context.Context, inv invitation.Invitation, why invitation.Reason, actor string) (invitation.Invitation, error) {
	before := inv.State
	inv, changed := inv.Deactivate(why, u.now)
	if !changed {
		return inv, nil
	}
	cred, err := u.Credentials().Get(ctx, inv.Site, inv.ID, KindInvitation)
	if err != nil {
		return inv, err
	}
	cred.Sealed = nil
	if err := u.Credentials().Put(ctx, cred); err != nil {
		return inv, err
	}
	return u.saveInvitation(ctx, inv, Event{
		Type: invitation.EventDeactivated, Actor: actor, Reason: string(why),
		Before: string(before), After: string(inv.State),
	})
}

// delivered notes the fate of the latest mail.
func (u *unit) delivered(ctx context.Context, inv invitation.Invitation, d invitation.Delivery) error {
	inv, changed := inv.Delivered(d, u.now)
	if !changed {
		return nil
	}
	_, err := u.saveInvitation(ctx, inv, Event{Type: invitation.EventDelivery, Actor: ActorSystem, Reason: string(d)})
	return err
}

// describe adds what stands beside an invitation.
func (u *unit) describe(ctx context.Context, site Site, inv invitation.Invitation) (InvitationDetail, error) {
	user, err := u.Users().Get(ctx, inv.Site, inv.User)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return InvitationDetail{}, err
	}
	left, err := u.pinTriesLeft(ctx, site, inv)
	if err != nil {
		return InvitationDetail{}, err
	}
	seen, err := u.Sightings().List(ctx, inv.Site, inv.ID)
	if err != nil {
		return InvitationDetail{}, err
	}
	since := inv.CreatedAt
	if inv.SentAt.After(since) {
		since = inv.SentAt
	}
	return InvitationDetail{
		Invitation: inv, User: user, PINTriesLeft: left, Sightings: seen, AsOf: u.now,
		Progress: progressOf(inv.State, inv.Delivery, since, seen),
	}, nil
}

// pinTriesLeft is 0 for an invitation that is not active.
func (u *unit) pinTriesLeft(ctx context.Context, site Site, inv invitation.Invitation) (int, error) {
	if usable(inv, u) != nil {
		return 0, nil
	}
	limit := site.Policy.Credentials.PINBudgetLimit(inv.Site, inv.ID, inv.PINGeneration)
	counters, err := u.Counters().Get(ctx, limit.Key)
	if err != nil {
		return 0, err
	}
	return counters[0].Left(limit, u.now), nil
}
