package enrollment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Renew mails a device's user that the device does not communicate, and how to
// go on. It creates no invitation and changes no credential. It answers
// [ErrNotFound] and [ErrNoAddress]; the mail goes to the address of the user's
// active invitation, or to the user's own.
func (s *Service) Renew(ctx context.Context, by Actor, id string) (_ RenewResult, err error) {
	defer s.did(ctx, "renew", by.Site, s.began(), &err)
	results, err := s.renewMany(ctx, by, []string{id})
	if err != nil {
		return RenewResult{}, err
	}
	return results[0], results[0].Err
}

// RenewMany is [Service.Renew] for at most [MaxPageSize] devices in one unit of
// work: each has a result, in the order of ids, and one that cannot be renewed
// does not keep the others from it. An id that is named twice is mailed once.
// The error is about the request as a whole; then nobody is mailed.
func (s *Service) RenewMany(ctx context.Context, by Actor, ids []string) (_ []RenewResult, err error) {
	defer s.did(ctx, "renew_many", by.Site, s.began(), &err)
	return s.renewMany(ctx, by, ids)
}

func (s *Service) renewMany(ctx context.Context, by Actor, ids []string) ([]RenewResult, error) {
	if err := s.authorize(ctx, by, PermRenew); err != nil {
		return nil, err
	}
	switch {
	case len(ids) == 0:
		return nil, invalid("ids", "required")
	case len(ids) > MaxPageSize:
		return nil, invalid("ids", "too_many")
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return nil, err
	}
	// Everybody locks devices in the order of their ids.
	order := slices.Compact(slices.Sorted(slices.Values(ids)))
	var done map[string]RenewResult
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		done = make(map[string]RenewResult, len(order))
		for _, id := range order {
			result, err := u.renew(ctx, by, site, id)
			if err != nil {
				return err
			}
			done[id] = result
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	results := make([]RenewResult, len(ids))
	for i, id := range ids {
		results[i] = done[id]
	}
	return results, nil
}

// renew journals one renewal and queues its mail. What is the device's own
// trouble is in the result; an error is the store's.
func (u *unit) renew(ctx context.Context, by Actor, site Site, id string) (RenewResult, error) {
	result := RenewResult{Device: id}
	d, err := u.liveRow(ctx, site.ID, id)
	if errors.Is(err, ErrNotFound) {
		result.Err = fmt.Errorf("enrollment: device: %w", ErrNotFound)
		return result, nil
	}
	if err != nil {
		return result, err
	}
	to, err := u.recipient(ctx, d)
	if err != nil {
		return result, err
	}
	if to.Email == "" {
		result.Err = ErrNoAddress
		return result, nil
	}
	result.WithoutCodes = to.invitation.ID == ""
	contact, err := u.contactOf(ctx, d.Site, d.ID)
	if err != nil {
		return result, err
	}
	events := []Event{{Type: device.EventRenewed, Actor: by.ID}}
	if _, err := u.saveDevice(ctx, d, contact, site.Policy.Requirements, events...); err != nil {
		return result, err
	}
	return result, u.enqueue(ctx, Message{
		Site: d.Site, Kind: MessageRenewal, Device: d.ID, User: d.User, Event: events[0].ID,
	})
}

// recipient is who is told of a device.
type recipient struct {
	User                             // Email is where to send
	invitation invitation.Invitation // active and usable; zero without one
}

// recipient returns the device's user with the address to send to: that of the
// active invitation, which an administrator may have edited, or the user's own.
func (u *unit) recipient(ctx context.Context, d device.Device) (recipient, error) {
	user, err := u.userOf(ctx, d.Site, d.User)
	if err != nil {
		return recipient{}, err
	}
	to := recipient{User: user}
	active, err := u.Invitations().List(ctx, InvitationQuery{Site: d.Site, Users: []string{d.User}, Active: true, Limit: 1})
	if err != nil || len(active) == 0 || usable(active[0], u) != nil {
		return to, err
	}
	to.invitation = active[0]
	to.Email = firstOf(active[0].Email, user.Email)
	return to, nil
}

// scheduleRenewal queues the next automatic renewal of a device that has been
// unresponsive since the event. The outbox is the schedule: each delivery
// queues the one after it, and one whose device came back ends the chain.
func (u *unit) scheduleRenewal(ctx context.Context, d device.Device, event string, due time.Time) error {
	id, err := newID(prefixMessage, u.now, u.s.cfg.Rand)
	if err != nil {
		return err
	}
	u.put = true
	return u.Outbox().Put(ctx, Message{
		Site: d.Site, ID: id, Kind: MessageRenewal, Device: d.ID, User: d.User, Event: event,
		Dedupe:    "renewal/" + event + "/" + strconv.FormatInt(due.UnixMicro(), 10),
		CreatedAt: due, DueAt: due, Status: MessageWaiting,
	})
}

// automatic reports whether a renewal is one of the schedule, which an
// administrator's is not: it refers to the silence and not to a renewal.
func automatic(e Event) bool { return e.Type == device.EventUnresponsive }

// renewedBySchedule journals an automatic renewal that was delivered, and
// queues the next: the time between two doubles.
func (u *unit) renewedBySchedule(ctx context.Context, site Site, m Message, silence Event) error {
	d, err := u.Devices().Lock(ctx, m.Site, m.Device)
	if err != nil || !stillSilent(d, silence) {
		return err
	}
	contact, err := u.contactOf(ctx, d.Site, d.ID)
	if err != nil {
		return err
	}
	d, err = u.saveDevice(ctx, d, contact, site.Policy.Requirements, Event{Type: device.EventRenewed, Actor: ActorSystem, Reason: "automatic"})
	if err != nil {
		return err
	}
	// With a pace of R they are due R, 3R, 7R ... after the silence began, so
	// the next interval is what has passed and R.
	return u.scheduleRenewal(ctx, d, silence.ID, u.now.Add(u.now.Sub(silence.At)+site.Policy.RenewEvery))
}

// stillSilent reports whether d is in the very silence that the event began.
func stillSilent(d device.Device, silence Event) bool {
	return !d.Deleted() && d.State == device.Unresponsive && d.Since.Equal(silence.At)
}
