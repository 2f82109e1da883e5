package enrollment

import (
	"context"
	"errors"
	"maps"
	"time"

	"example.com/enrollkit/device"
)

// maxAhead is how far a source's clock may be ahead of ours before its time is
// not believed.
const maxAhead = 5 * time.Minute

// Observe takes what a trusted channel saw of a device, named by its id or by
// its Ref in the source's own system, and answers how the device stands. It
// answers a [*ValidationError], [ErrNotFound] for a device that nobody has,
// [ErrDeviceGone] for one that was deleted, and [ErrExists] when the Ref is
// another device's. With o.Was, a Ref that nobody has answers [ErrDeviceGone] if
// that device was deleted, however long ago, and [ErrSuperseded] if it has another
// Ref by now.
//
// Observations may come late, repeated and in any order: of each source's
// assertions about a fact the newest by its At counts, and what is older than
// the device's latest enrollment says nothing of it. Names are taken from the
// newest and filled in from the others; hardware ids are filled in and never
// replaced. An observation counts as contact at its time, but not in the
// future. A device that is unenrolled does not change.
//
// It is for channels that the caller trusts and has authenticated: nothing else
// is checked.
func (s *Service) Observe(ctx context.Context, o device.Observation) (_ Status, err error) {
	defer s.did(ctx, "observe", o.Site, s.began(), &err)
	e, err := s.observed(&o)
	if err != nil {
		return Status{}, err
	}
	site, err := s.site(ctx, o.Site)
	if err != nil {
		return Status{}, err
	}
	id, enrolled, err := s.findObserved(ctx, o)
	if err != nil {
		return Status{}, err
	}
	if enrolled {
		touch := Touch{Site: o.Site, Device: id, At: earlier(e.at, s.now())}
		rows, err := s.store.Touch(ctx, []Touch{touch})
		if err != nil {
			return Status{}, err
		}
		// Who leaves is not restored first.
		if !o.Left {
			for _, c := range rows {
				if err := s.restoreIfSilent(ctx, c); err != nil {
					return Status{}, err
				}
			}
		}
	}
	var out Status
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		if o.Left {
			if err := u.lockInvitationOf(ctx, o.Site, id); err != nil {
				return err
			}
		}
		d, err := u.Devices().Lock(ctx, o.Site, id)
		if err != nil {
			return err
		}
		if d.Deleted() {
			return ErrDeviceGone
		}
		contact, err := u.contactOf(ctx, o.Site, id)
		if err != nil {
			return err
		}
		if d.State != device.Unenrolled {
			if d, err = u.learn(ctx, site, d, contact, e); err != nil {
				return err
			}
		}
		// A goodbye from before the device enrolled is that of an earlier life.
		if o.Left && !e.at.Before(d.EnrolledAt) {
			if d, err = u.left(ctx, site, d, contact, "left", e.actor, e.ref); err != nil {
				return err
			}
		}
		out = statusOf(d, contact, site.Policy)
		return nil
	})
	if err != nil {
		return Status{}, err
	}
	return out, nil
}

// observed checks an observation and reads it.
func (s *Service) observed(o *device.Observation) (evidence, error) {
	var fields []FieldError
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
	if o.Source == "" {
		o.Source = device.Source(o.Ref.Source)
	}
	if o.Site == "" {
		add("site", "required")
	}
	switch {
	case o.Source == "":
		add("source", "required")
	case o.Source == device.SourceAgent:
		add("source", "not_allowed") // the agent has reports, which it signs for
	case len(o.Source) > maxID || !plainText(string(o.Source)):
		add("source", "malformed")
	default:
		fields = append(fields, checkFacts(o.Source, o.Facts)...)
	}
	switch {
	case o.Ref == (device.Ref{}) && o.Device == "":
		add("ref", "required")
	case o.Ref == (device.Ref{}):
	case o.Ref.Source == "" || o.Ref.ID == "" || len(o.Ref.Source) > maxID || !plainText(o.Ref.Source) || !plainText(o.Ref.ID):
		add("ref", "malformed")
	}
	if o.At.IsZero() {
		add("at", "required")
	}
	fields = append(fields, checkTexts("", [][2]string{
		{"name", o.Name}, {"manufacturer", o.Manufacturer}, {"model", o.Model}, {"os_version", o.OSVersion},
		{"udid", o.Hardware.UDID}, {"esid", o.Hardware.ESID}, {"hwdevid", o.Hardware.HWDevID},
		{"serial", o.Hardware.Serial}, {"imei", o.Hardware.IMEI},
	})...)
	inventory, code := readInventory(o.Inventory)
	if code != "" {
		add("inventory", code)
	}
	if len(fields) > 0 {
		return evidence{}, &ValidationError{Fields: fields}
	}
	facts := o.Facts
	if inventory != nil {
		facts = maps.Clone(o.Facts)
		if facts == nil {
			facts = map[device.Fact]bool{}
		}
		facts[device.InventoryReceived] = true
	}
	at := o.At.UTC().Truncate(time.Microsecond)
	if now := s.now(); at.After(now.Add(maxAhead)) {
		at = now
	}
	return evidence{
		source: o.Source, actor: actorSource + string(o.Source), ref: o.Ref, at: at,
		facts: facts, inventory: inventory, hardware: o.Hardware,
		name: o.Name, manufacturer: o.Manufacturer, model: o.Model, osVersion: o.OSVersion,
	}, nil
}

// findObserved returns the id of the device that o names, and whether it is
// enrolled.
func (s *Service) findObserved(ctx context.Context, o device.Observation) (id string, enrolled bool, err error) {
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		var d device.Device
		var err error
		if o.Device != "" {
			d, err = u.Devices().Get(ctx, o.Site, o.Device)
		} else {
			d, err = u.Devices().Find(ctx, DeviceKey{Site: o.Site, Ref: o.Ref})
			if errors.Is(err, ErrNotFound) && o.Was != "" {
				switch d, err = u.Devices().Get(ctx, o.Site, o.Was); {
				case errors.Is(err, ErrNotFound):
					err = ErrDeviceGone // so long ago that its row was pruned
				case err == nil && !d.Deleted():
					err = ErrSuperseded
				}
			}
		}
		if err != nil {
			return err
		}
		if d.Deleted() {
			return ErrDeviceGone
		}
		id, enrolled = d.ID, d.State != device.Unenrolled
		return nil
	})
	return id, enrolled, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
