package enrollment

import (
	"context"
	"errors"
	"fmt"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

const (
	sweepBatch  = 500
	pruneBatch  = 1000
	pruneRounds = 100 // of one sweep; the rest waits for the next
)

// Sweep notices what time has brought: devices that have been silent for too
// long, devices that were told to go and did not answer, invitations whose time
// is up. It merges the counts of the list, deletes what is past its time (what is
// past a site's [Retention] once an hour in each process), and numbers the
// journal. It returns how many devices and invitations it changed.
//
// Each change is a unit of its own and judged again under the lock, so any
// number of processes may sweep at once. What goes wrong with one of them does
// not keep the rest from being done; the errors are joined.
func (s *Service) Sweep(ctx context.Context) (_ int, err error) {
	defer s.did(ctx, "sweep", "", s.began(), &err)
	total := 0
	var errs []error
	note := func(what, site string, n int, err error) {
		s.signal(ctx, Signal{Kind: SignalSweep, Name: what, Outcome: outcomeOf(err), Site: site, N: int64(n)})
		if err != nil {
			s.cfg.Logger.ErrorContext(ctx, "enrollment: sweep", "step", what, "site", site, "code", Code(err))
			errs = append(errs, fmt.Errorf("enrollment: sweep: %s: %w", what, err))
		}
	}
	retain := s.retentionDue()
	if s.cfg.Sites != nil {
		for id, err := range s.cfg.Sites.All(ctx) {
			var site Site
			if err == nil {
				site, err = s.site(ctx, id)
			}
			if err != nil {
				note("site", id, 0, err)
				continue
			}
			n, err := s.sweepSilent(ctx, site)
			total += n
			note("silent", id, n, err)
			n, err = s.sweepLeaving(ctx, site)
			total += n
			note("leaving", id, n, err)
			if retain {
				n, err = s.retain(ctx, site)
				note("retention", id, n, err)
			}
		}
	}
	n, err := s.sweepExpired(ctx)
	total += n
	note("expired", "", n, err)
	n, err = s.repeat(ctx, func(ctx context.Context, u *unit) (int, error) {
		return u.Slots().Fold(ctx, pruneBatch)
	})
	note("fold", "", n, err)
	n, err = s.repeat(ctx, func(ctx context.Context, u *unit) (int, error) {
		return u.Records().Prune(ctx, u.now, pruneBatch)
	})
	note("prune", "", n, err)
	n, err = s.sequence(ctx)
	note("sequence", "", n, err)
	return total, errors.Join(errs...)
}

// Sequence gives the journal's committed events their place in the site's
// order, and returns how many. [Service.Run] and [Service.Sweep] call it.
func (s *Service) Sequence(ctx context.Context) (_ int, err error) {
	defer s.did(ctx, "sequence", "", s.began(), &err)
	return s.sequence(ctx)
}

func (s *Service) sequence(ctx context.Context) (int, error) {
	return s.repeat(ctx, func(ctx context.Context, u *unit) (int, error) {
		return u.Journal().Sequence(ctx, pruneBatch)
	})
}

// repeat runs a step that works in batches until there is nothing left, and
// returns how much it did.
func (s *Service) repeat(ctx context.Context, step func(context.Context, *unit) (int, error)) (int, error) {
	total := 0
	for range pruneRounds {
		var n int
		err := s.update(ctx, func(ctx context.Context, u *unit) error {
			var err error
			n, err = step(ctx, u)
			return err
		})
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
	return total, nil
}

// sweepSilent makes devices unresponsive whose latest sign of life is longer
// ago than the site allows.
func (s *Service) sweepSilent(ctx context.Context, site Site) (int, error) {
	states := []string{string(device.Active), string(device.Impaired)}
	return s.sweepDevices(ctx,
		func(ctx context.Context, u *unit) ([]string, error) {
			return u.Contacts().Silent(ctx, site.ID, states, u.now.Add(-site.Policy.UnresponsiveAfter), sweepBatch)
		},
		func(ctx context.Context, u *unit, id string) (bool, error) {
			d, err := u.Devices().Lock(ctx, site.ID, id)
			if err != nil || d.Deleted() || !waitedFor(d.State) {
				return false, err
			}
			contact, err := u.contactOf(ctx, site.ID, id)
			if err != nil || !silent(contact, site, u.now) {
				return false, err
			}
			next, err := d.Step(device.StepSilence, reasonSilent, u.now)
			if err != nil {
				return false, err
			}
			contact.Silent = true
			if err := u.Contacts().Put(ctx, contact); err != nil {
				return false, err
			}
			events := []Event{stateEvent(d, next, ActorSystem)}
			if next, err = u.saveDevice(ctx, next, contact, site.Policy.Requirements, events...); err != nil {
				return false, err
			}
			if site.Policy.RenewEvery > 0 {
				err = u.scheduleRenewal(ctx, next, events[0].ID, u.now)
			}
			return true, err
		})
}

// sweepLeaving gives up devices that were told to go and never said goodbye.
func (s *Service) sweepLeaving(ctx context.Context, site Site) (int, error) {
	return s.sweepDevices(ctx,
		func(ctx context.Context, u *unit) ([]string, error) {
			list, err := u.Devices().List(ctx, DeviceQuery{
				Site: site.ID, States: []device.State{device.Leaving},
				SinceBefore: u.now.Add(-site.Policy.LeaveTimeout), Limit: sweepBatch,
			})
			ids := make([]string, len(list))
			for i, d := range list {
				ids[i] = d.ID
			}
			return ids, err
		},
		func(ctx context.Context, u *unit, id string) (bool, error) {
			if err := u.lockInvitationOf(ctx, site.ID, id); err != nil {
				return false, err
			}
			d, err := u.Devices().Lock(ctx, site.ID, id)
			if err != nil || d.State != device.Leaving || !d.Since.Before(u.now.Add(-site.Policy.LeaveTimeout)) {
				return false, err
			}
			contact, err := u.contactOf(ctx, site.ID, id)
			if err != nil {
				return false, err
			}
			_, err = u.left(ctx, site, d, contact, "timeout", ActorSystem, device.Ref{})
			return true, err
		})
}

// sweepExpired ends invitations whose time is up. That they admit nobody any
// more does not wait for it.
func (s *Service) sweepExpired(ctx context.Context) (int, error) {
	var sites map[string]string // of the invitations found
	return s.sweepDevices(ctx,
		func(ctx context.Context, u *unit) ([]string, error) {
			list, err := u.Invitations().List(ctx, InvitationQuery{Active: true, Expired: u.now, Limit: sweepBatch})
			sites = make(map[string]string, len(list))
			ids := make([]string, len(list))
			for i, inv := range list {
				ids[i], sites[inv.ID] = inv.ID, inv.Site
			}
			return ids, err
		},
		func(ctx context.Context, u *unit, id string) (bool, error) {
			inv, err := u.Invitations().Lock(ctx, sites[id], id)
			if err != nil || !inv.State.Active() || !inv.Expired(u.now) {
				return false, err
			}
			_, err = u.end(ctx, inv, invitation.Expired, ActorSystem)
			return true, err
		})
}

// sweepDevices finds what may be due and changes it one by one, each in a unit
// of its own, batch after batch for as long as that gets on. One that fails is
// left for the next sweep.
func (s *Service) sweepDevices(ctx context.Context, find func(context.Context, *unit) ([]string, error),
	change func(ctx context.Context, u *unit, id string) (bool, error)) (int, error) {
	total := 0
	var errs []error
	for {
		var ids []string
		err := s.view(ctx, func(ctx context.Context, u *unit) error {
			var err error
			ids, err = find(ctx, u)
			return err
		})
		if err != nil {
			return total, errors.Join(append(errs, err)...)
		}
		got := 0
		for _, id := range ids {
			var changed bool
			err := s.update(ctx, func(ctx context.Context, u *unit) error {
				var err error
				changed, err = change(ctx, u, id)
				return err
			})
			if err != nil {
				errs = append(errs, err)
				if ctx.Err() != nil {
					return total, errors.Join(errs...)
				}
				continue
			}
			if changed {
				got++
			}
		}
		total += got
		if len(ids) < sweepBatch || got == 0 {
			return total, errors.Join(errs...)
		}
	}
}
