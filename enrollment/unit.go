package enrollment

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// unit is one unit of work with its one time and the rules that every change
// follows: the row, its journal entries, the calls and mails they cause, and
// its row in the list change together or not at all.
type unit struct {
	Tx
	s    *Service
	ring *credentials.Keyring // one for the whole unit, see UseKeyring
	now  time.Time
	put  bool // something was put into the outbox

	events int    // how many the unit wrote
	site   string // of the first of them
}

// update runs fn in a read-write unit and wakes the relay if it left something
// to deliver. The time is taken once, so that a repeated fn sees the same.
func (s *Service) update(ctx context.Context, fn func(ctx context.Context, u *unit) error) error {
	now := s.now()
	var last struct { // of the runs; in one piece, which is one allocation
		put    bool // it put something into the outbox
		runs   int
		events int
		site   string // of the first event
	}
	run := func() error {
		return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			u := &unit{Tx: tx, s: s, ring: s.keys(), now: now}
			last.runs++
			err := fn(ctx, u)
			last.put, last.events, last.site = u.put, u.events, u.site
			return err
		})
	}
	err := run()
	if errors.Is(err, ErrExists) {
		// Somebody was quicker with a key that only one may have: hardware, an
		// idempotency key. The second run sees what they wrote.
		err = run()
	}
	if last.runs > 1 {
		s.signal(ctx, Signal{Kind: SignalRetry, N: int64(last.runs - 1)})
	}
	if err == nil && last.put {
		s.rouse()
	}
	if err == nil && last.events > 0 {
		s.signal(ctx, Signal{Kind: SignalEvents, Site: last.site, N: int64(last.events)})
	}
	return err
}

// view runs fn in a read-only unit.
func (s *Service) view(ctx context.Context, fn func(ctx context.Context, u *unit) error) error {
	now := s.now()
	return s.store.View(ctx, func(ctx context.Context, tx Tx) error {
		return fn(ctx, &unit{Tx: tx, s: s, ring: s.keys(), now: now})
	})
}

// saveInvitation stores a changed row with the events of the change, and puts
// or takes its slot.
func (u *unit) saveInvitation(ctx context.Context, inv invitation.Invitation, events ...Event) (invitation.Invitation, error) {
	events, err := u.entries(inv.Site, inv.ID, &inv.Events, events, func(e *Event) {
		e.Invitation, e.User = inv.ID, inv.User
	})
	if err != nil {
		return inv, err
	}
	if err := u.Invitations().Update(ctx, inv); err != nil {
		return inv, err
	}
	inv.Version++
	if !inv.State.Active() || inv.Live > 0 {
		err = u.Slots().Delete(ctx, inv.Site, inv.ID)
	} else {
		var user User
		if user, err = u.Users().Get(ctx, inv.Site, inv.User); err == nil {
			err = u.Slots().Put(ctx, invitationSlot(inv, user))
		}
	}
	if err != nil {
		return inv, err
	}
	return inv, u.record(ctx, events)
}

// saveDevice stores a device with the events of the change and its slot;
// contact is its contact row as it stands. A device without a Version is new.
func (u *unit) saveDevice(ctx context.Context, d device.Device, contact Contact, r device.Requirements, events ...Event) (device.Device, error) {
	events, err := u.entries(d.Site, d.ID, &d.Events, events, func(e *Event) {
		e.Device, e.User, e.Invitation = d.ID, d.User, d.Invitation
		if len(d.Refs) > 0 && e.Ref == (device.Ref{}) {
			e.Ref = d.Refs[0]
		}
	})
	if err != nil {
		return d, err
	}
	if d.Version == 0 {
		d.Version = 1
		err = u.Devices().Create(ctx, d)
	} else if err = u.Devices().Update(ctx, d); err == nil {
		d.Version++
	}
	if err != nil {
		return d, err
	}
	if d.Deleted() {
		err = u.Slots().Delete(ctx, d.Site, d.ID)
	} else {
		var user User
		if user, err = u.Users().Get(ctx, d.Site, d.User); errors.Is(err, ErrNotFound) {
			user, err = User{Site: d.Site, ID: d.User}, nil // a device may outlive its user's row
		}
		if err == nil {
			err = u.Slots().Put(ctx, deviceSlot(d, user, contact, r))
		}
	}
	if err != nil {
		return d, err
	}
	return d, u.record(ctx, events)
}

// entries completes events of one subject and counts them.
func (u *unit) entries(site, subject string, count *int64, events []Event, fill func(*Event)) ([]Event, error) {
	for i := range events {
		id, err := newID(prefixEvent, u.now, u.s.cfg.Rand)
		if err != nil {
			return nil, err
		}
		e := &events[i]
		*count++
		e.Site, e.ID, e.Subject, e.Seq, e.At = site, id, subject, *count, u.now
		fill(e)
	}
	return events, nil
}

// record writes completed events to the journal and asks for the handlers that
// wait for them.
func (u *unit) record(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := u.Journal().Append(ctx, events...); err != nil {
		return err
	}
	if u.events == 0 {
		u.site = events[0].Site
	}
	u.events += len(events)
	for _, e := range events {
		if u.s.cfg.Handlers[e.Type] == nil {
			continue
		}
		if err := u.enqueue(ctx, Message{Site: e.Site, Kind: MessageHandler, Event: e.ID, Invitation: e.Invitation, Device: e.Device, User: e.User}); err != nil {
			return err
		}
	}
	return nil
}

// enqueue puts one message into the outbox, due now. Without a Dedupe key of
// its own it gets one from its kind and event.
func (u *unit) enqueue(ctx context.Context, m Message) error {
	m, err := u.message(m)
	if err != nil {
		return err
	}
	u.put = true
	return u.Outbox().Put(ctx, m)
}

// message completes a message.
func (u *unit) message(m Message) (Message, error) {
	id, err := newID(prefixMessage, u.now, u.s.cfg.Rand)
	m.ID, m.CreatedAt, m.DueAt, m.Status = id, u.now, u.now, MessageWaiting
	if m.Dedupe == "" {
		m.Dedupe = string(m.Kind) + "/" + m.Event
	}
	return m, err
}

// invitationSlot is the list's row of an active invitation without a live
// device.
func invitationSlot(inv invitation.Invitation, user User) Slot {
	return Slot{
		Site: inv.Site, ID: inv.ID, Kind: SlotInvitation, State: string(inv.State), Invitation: inv.ID,
		User: inv.User, UserName: firstOf(inv.Name, user.Name), Email: inv.Email,
		Platform: device.Platform(inv.AcceptedPlatform), Mode: device.Mode(inv.Mode),
		Ownership: device.Ownership(firstOf(inv.Ownership, inv.AcceptedOwnership)),
		CreatedAt: inv.CreatedAt,
	}
}

// deviceSlot is the list's row of a device.
func deviceSlot(d device.Device, user User, contact Contact, r device.Requirements) Slot {
	slot := Slot{
		Site: d.Site, ID: d.ID, Kind: SlotDevice, State: string(d.State), Invitation: d.Invitation,
		User: d.User, UserName: user.Name, Email: user.Email,
		Platform: d.Platform, Mode: d.Mode, Ownership: d.Ownership,
		Name: d.Name, Serial: d.Hardware.Serial, Refs: d.Refs,
		LastConnection: contact.At, LastObservation: d.ObservedAt,
		Conflict: d.Conflict != "", CreatedAt: d.CreatedAt,
	}
	if d.Live() {
		slot.Missing = d.Missing(r)
	}
	return slot
}

// changes says whether u is news to our row of the same person. One from outside
// the directory is news only to a row that was blanked while it was waited for.
func (u User) changes(stored User) bool {
	return u != stored && (!u.Outside || stored.EmailKey == "" && u.EmailKey != "")
}

// rename stores what the directory now says of a user, in the list as well.
func (u *unit) rename(ctx context.Context, user User) error {
	if err := u.Users().Put(ctx, user); err != nil {
		return err
	}
	return u.relabel(ctx, user)
}

// relabel brings a renamed user's devices in the list along. Each is locked
// first: whoever saves it has the name from before and is waited for, or reads
// ours. So it comes after the locks of the user's invitations and login. A device
// that is new at this very moment is brought along when it is saved next.
func (u *unit) relabel(ctx context.Context, user User) error {
	devices, err := u.Devices().List(ctx, DeviceQuery{Site: user.Site, User: user.ID})
	if err != nil {
		return err
	}
	for _, d := range devices {
		var slot Slot
		if d, err = u.Devices().Lock(ctx, d.Site, d.ID); err == nil {
			slot, err = u.Slots().Get(ctx, d.Site, d.ID)
		}
		if errors.Is(err, ErrNotFound) {
			continue // deleted since it was listed
		}
		if err != nil {
			return err
		}
		slot.UserName, slot.Email = user.Name, user.Email
		if err := u.Slots().Put(ctx, slot); err != nil {
			return err
		}
	}
	return nil
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
