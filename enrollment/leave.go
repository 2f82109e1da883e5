package enrollment

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"example.com/enrollkit/device"
)

// Remove tells a device to go: it is leaving until it says goodbye or its time
// is up (Policy.LeaveTimeout). It learns so by the answer to its next report,
// or by whatever a handler of the event device.leaving does. Removing twice is
// no error; it answers [ErrNotFound], or a transition error for a device that
// has left already.
func (s *Service) Remove(ctx context.Context, by Actor, id string) (_ DeviceDetail, err error) {
	defer s.did(ctx, "remove", by.Site, s.began(), &err)
	return s.changeDevice(ctx, by, PermRemove, id, func(ctx context.Context, u *unit, site Site) error {
		d, err := u.liveRow(ctx, by.Site, id)
		if err != nil {
			return err
		}
		next, err := d.Step(device.StepLeave, "by_admin", u.now)
		if err != nil || next.State == d.State {
			return err
		}
		contact, err := u.contactOf(ctx, d.Site, d.ID)
		if err != nil {
			return err
		}
		if contact, err = u.hush(ctx, contact); err != nil {
			return err
		}
		_, err = u.saveDevice(ctx, next, contact, site.Policy.Requirements, stateEvent(d, next, by.ID))
		return err
	})
}

// Delete forgets a device. What stays is a tombstone without anything personal:
// its token answers [ErrDeviceGone] from then on, and the same hardware enrolls
// as a new device that knows its predecessor. Its invitation, if still active,
// is a slot again; whoever was in conflict with it is released. Deleting twice
// is no error; an id that never was answers [ErrNotFound].
func (s *Service) Delete(ctx context.Context, by Actor, id string) (err error) {
	defer s.did(ctx, "delete", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermRemove); err != nil {
		return err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return err
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		if err := u.lockInvitationOf(ctx, by.Site, id); err != nil {
			return err
		}
		d, err := u.Devices().Lock(ctx, by.Site, id)
		if err != nil || d.Deleted() {
			return err
		}
		return u.bury(ctx, site, d, by.ID, "")
	})
}

// Release resolves a conflict over hardware. id is the device that holds the
// hardware's identity, or one in conflict with it. The holder gives up its
// hardware ids and lives on without; of those in conflict the oldest takes the
// identity, the others are in conflict with it. Without a conflict, the device
// gives up its ids for whoever enrolls next. It answers [ErrNotFound].
func (s *Service) Release(ctx context.Context, by Actor, id string) (_ DeviceDetail, err error) {
	defer s.did(ctx, "release", by.Site, s.began(), &err)
	return s.changeDevice(ctx, by, PermRelease, id, func(ctx context.Context, u *unit, site Site) error {
		d, err := u.Devices().Get(ctx, by.Site, id)
		if err != nil {
			return err
		}
		if d.Deleted() {
			return ErrNotFound
		}
		holder, err := u.Devices().Lock(ctx, by.Site, firstOf(d.Conflict, d.ID))
		if err != nil {
			return err
		}
		if holder.Identity() != "" {
			holder.Hardware = device.Hardware{}
			contact, err := u.contactOf(ctx, holder.Site, holder.ID)
			if err != nil {
				return err
			}
			holder, err = u.saveDevice(ctx, holder, contact, site.Policy.Requirements, Event{
				Type: device.EventReleased, Actor: by.ID, Reason: "gave_up",
			})
			if err != nil {
				return err
			}
		}
		return u.inherit(ctx, site, holder.ID, by.ID)
	})
}

// inherit gives an identity that holder has given up to the oldest of the
// devices in conflict with it.
func (u *unit) inherit(ctx context.Context, site Site, holder, actor string) error {
	heirs, err := u.Devices().List(ctx, DeviceQuery{Site: site.ID, Conflict: holder})
	if err != nil {
		return err
	}
	slices.SortFunc(heirs, func(a, b device.Device) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, heir := range heirs {
		if heir, err = u.Devices().Lock(ctx, heir.Site, heir.ID); err != nil {
			return err
		}
		heir.Conflict = ""
		// Those after the first meet it as the new holder.
		heir, conflict, err := u.settle(ctx, device.Device{}, heir)
		if err != nil {
			return err
		}
		event := Event{Type: device.EventReleased, Actor: actor, Reason: "inherited", Data: map[string]string{"holder": holder}}
		if conflict {
			event.Type, event.Reason, event.Data = device.EventConflict, "", map[string]string{"holder": heir.Conflict}
		}
		contact, err := u.contactOf(ctx, heir.Site, heir.ID)
		if err != nil {
			return err
		}
		if _, err := u.saveDevice(ctx, heir, contact, site.Policy.Requirements, event); err != nil {
			return err
		}
	}
	return nil
}

// left notes that a device has left management, for the reason why. A device
// that had left before stays as it is. The caller has called lockInvitationOf.
func (u *unit) left(ctx context.Context, site Site, d device.Device, contact Contact, why, actor string, ref device.Ref) (device.Device, error) {
	next, err := d.Step(device.StepGone, why, u.now)
	if err != nil || next.State == d.State {
		return d, err
	}
	if contact, err = u.hush(ctx, contact); err != nil {
		return d, err
	}
	event := stateEvent(d, next, actor)
	event.Ref = ref
	return next, u.depart(ctx, site, d, next, contact, event)
}

// depart stores a device that is no longer live, and gives its place on its
// invitation back.
func (u *unit) depart(ctx context.Context, site Site, d, next device.Device, contact Contact, event Event) error {
	if _, err := u.saveDevice(ctx, next, contact, site.Policy.Requirements, event); err != nil {
		return err
	}
	if !d.Live() {
		return nil
	}
	// The device may outlive its invitation's row.
	if err := u.vacate(ctx, d); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// hush stores that a device is not waited for any more.
func (u *unit) hush(ctx context.Context, contact Contact) (Contact, error) {
	if !contact.Silent {
		return contact, nil
	}
	contact.Silent = false
	return contact, u.Contacts().Put(ctx, contact)
}

// trace stands for a deleted device's hardware; nil if nothing identified it.
func (u *unit) trace(d device.Device) []byte {
	identity := d.Identity()
	if identity == "" {
		return nil
	}
	return u.traces(d.Site, d.Platform, identity)[0]
}

// lockInvitationOf locks the invitation by which a device came. Units lock an
// invitation before its devices, and a device before its contact, so that they
// wait for one another in one direction only.
func (u *unit) lockInvitationOf(ctx context.Context, site, id string) error {
	d, err := u.Devices().Get(ctx, site, id)
	if err != nil || d.Invitation == "" {
		return err
	}
	if _, err := u.Invitations().Lock(ctx, site, d.Invitation); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// liveRow locks a device that is not deleted; to administrators, one that is
// does not exist.
func (u *unit) liveRow(ctx context.Context, site, id string) (device.Device, error) {
	d, err := u.Devices().Lock(ctx, site, id)
	if err == nil && d.Deleted() {
		return device.Device{}, ErrNotFound
	}
	return d, err
}

// changeDevice runs one administrator's change of one device.
func (s *Service) changeDevice(ctx context.Context, by Actor, p Permission, id string,
	change func(context.Context, *unit, Site) error) (DeviceDetail, error) {
	if err := s.authorize(ctx, by, p); err != nil {
		return DeviceDetail{}, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return DeviceDetail{}, err
	}
	var detail DeviceDetail
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		if err := change(ctx, u, site); err != nil {
			return err
		}
		var err error
		detail, err = u.detail(ctx, site, id)
		return err
	})
	if err != nil {
		return DeviceDetail{}, err
	}
	return detail, nil
}
