package enrollment

import (
	"context"

	"example.com/enrollkit/invitation"
)

// newInvites are the invitations of one unit, written together: many people are
// invited with as many statements as one.
type newInvites struct {
	invitations []invitation.Invitation
	slots       []Slot
	credentials []Credential
	events      []Event
	mails       []Message
}

// add makes an invitation's rows. The last of its events is the sending, if it
// is sent.
func (n *newInvites) add(u *unit, by Actor, site Site, inv invitation.Invitation, user User, events []Event) error {
	events, err := u.entries(inv.Site, inv.ID, &inv.Events, events, func(e *Event) {
		e.Invitation, e.User = inv.ID, inv.User
	})
	if err != nil {
		return err
	}
	cred, err := u.newCredential(by, site, inv)
	if err != nil {
		return err
	}
	if last := events[len(events)-1]; last.Type == invitation.EventSent {
		mail, err := u.message(invitationMail(inv, last))
		if err != nil {
			return err
		}
		n.mails = append(n.mails, mail)
	}
	n.invitations = append(n.invitations, inv)
	n.slots = append(n.slots, invitationSlot(inv, user))
	n.credentials = append(n.credentials, cred)
	n.events = append(n.events, events...)
	return nil
}

// write stores what was added.
func (n *newInvites) write(ctx context.Context, u *unit) error {
	if len(n.invitations) == 0 {
		return nil
	}
	if err := u.Invitations().Create(ctx, n.invitations...); err != nil {
		return err
	}
	if err := u.Slots().Put(ctx, n.slots...); err != nil {
		return err
	}
	if err := u.Credentials().Put(ctx, n.credentials...); err != nil {
		return err
	}
	if err := u.record(ctx, n.events); err != nil {
		return err
	}
	if len(n.mails) == 0 {
		return nil
	}
	u.put = true
	return u.Outbox().Put(ctx, n.mails...)
}
