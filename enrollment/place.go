package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// place counts the device on its invitation and opens it. A device that held a
// place of the same invitation takes no further one; one that moves here from
// another leaves its place there.
func (u *unit) place(ctx context.Context, inv invitation.Invitation, known, d device.Device, samePlace bool) error {
	if known.Live() && known.Invitation != inv.ID {
		if err := u.vacate(ctx, known); err != nil {
			return err
		}
	}
	if inv.ID == "" {
		return nil
	}
	before := inv.State
	next := inv
	if inv.State.Active() {
		var err error
		if next, _, err = inv.Open(u.now); err != nil {
			return err
		}
	}
	if !samePlace {
		next.Enrolled++
	}
	if !known.Live() || known.Invitation != inv.ID {
		next.Live++
	}
	var events []Event
	if next.State != before {
		events = append(events, Event{
			Type: invitation.EventOpened, Actor: ActorDevice, Reason: "enrolled", Device: d.ID,
			Before: string(before), After: string(next.State),
		})
	}
	next, err := u.saveInvitation(ctx, next, events...)
	if err != nil {
		return err
	}
	if next.MaxDevices > 0 && next.Enrolled >= next.MaxDevices {
		if _, err := u.end(ctx, next, invitation.Exhausted, ActorSystem); err != nil {
			return err
		}
	}
	return u.see(ctx, inv.Site, inv.ID, invitation.FirstContact)
}

// vacate gives back the live place of a device on its invitation.
func (u *unit) vacate(ctx context.Context, d device.Device) error {
	if d.Invitation == "" {
		return nil
	}
	inv, err := u.Invitations().Lock(ctx, d.Site, d.Invitation)
	if errors.Is(err, ErrNotFound) {
		return nil // its row was erased; nothing counts there any more
	}
	if err != nil {
		return err
	}
	inv.Live = max(0, inv.Live-1)
	_, err = u.saveInvitation(ctx, inv)
	return err
}

// ownershipOf decides whose device it is: what the invitation fixes, what the
// device's user chose there or on the page, what the mode implies.
func ownershipOf(inv invitation.Invitation, r EnrollRequest, m device.Mode) device.Ownership {
	chosen := firstOf(inv.Ownership, string(r.Ownership), inv.AcceptedOwnership)
	if chosen != "" {
		return device.Ownership(chosen)
	}
	switch m {
	case device.AndroidFullyManaged, device.AndroidDedicated, device.AndroidCompanyWorkProfile, device.IOSSupervised:
		return device.Company
	}
	return device.Personal
}
