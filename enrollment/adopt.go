package enrollment

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// adoptBatch is how many rows one unit takes.
const adoptBatch = 100

// Adopt takes in devices that another system manages, each in the state given,
// without credentials and without mail: they have no device token and are heard
// of through [Service.Observe], by their Ref, or [Service.Touch]. The journal has
// one device.adopted for each. Policy.MaxDevices is not asked: they are managed
// already.
//
// It is repeatable: a Ref that is there is left as it is, whatever the row says,
// so the second import of a file changes nothing, and of two imports at once each
// device comes in once. As when enrolling, hardware that the user has here
// already is no new device, hardware of a deleted device knows its predecessor,
// and another user's hardware comes in as a device in conflict, which the result
// and the list show; administrators get no mail for it.
//
// Each row has a result of its own, in order. The error is about the whole: who
// may, and trouble of the directory or the store. What was taken by then stays,
// its results are returned, and repeating the call goes on from there. Rows are
// written in units of a bounded size, so there may be any number of them.
func (s *Service) Adopt(ctx context.Context, by Actor, rows []Adoption) (_ []AdoptResult, err error) {
	defer s.did(ctx, "adopt", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermAdopt); err != nil {
		return nil, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return nil, err
	}
	results := make([]AdoptResult, 0, len(rows))
	people := map[InviteRequest]plannedInvite{} // so that the directory is asked once for each
	for batch := range slices.Chunk(rows, adoptBatch) {
		done, err := s.adoptBatch(ctx, by, site, batch, people)
		if err != nil {
			return results, err
		}
		results = append(results, done...)
	}
	return results, nil
}

// adopting is one row on its way.
type adopting struct {
	Adoption
	user   User
	result *AdoptResult
}

func (s *Service) adoptBatch(ctx context.Context, by Actor, site Site, rows []Adoption, people map[InviteRequest]plannedInvite) ([]AdoptResult, error) {
	results := make([]AdoptResult, len(rows))
	for i, row := range rows {
		results[i] = AdoptResult{Ref: row.Ref, Err: row.validate(site)}
	}
	// Those that are there need neither the directory nor a lock.
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		for i := range results {
			if err := u.adoptedBefore(ctx, by.Site, &results[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var list []adopting
	for i, row := range rows {
		if results[i].Err != nil || results[i].Outcome != "" {
			continue
		}
		user, err := s.adopter(ctx, by.Site, row, people)
		if Code(err) == "unavailable" {
			return nil, err // the directory's trouble, not this row's
		}
		if results[i].Err = err; err == nil {
			list = append(list, adopting{row, user, &results[i]})
		}
	}
	err = s.adoptAll(ctx, by, site, list)
	if !errors.Is(err, ErrExists) {
		return results, err
	}
	// Two rows want what one may have. One by one it shows which.
	for i := range list {
		err := s.adoptAll(ctx, by, site, list[i:i+1])
		if err != nil && !errors.Is(err, ErrExists) {
			return nil, err
		}
		if err != nil {
			*list[i].result = AdoptResult{Ref: list[i].Ref, Err: err}
		}
	}
	return results, nil
}

// adopter finds a row's user as an invitation would.
func (s *Service) adopter(ctx context.Context, site string, row Adoption, people map[InviteRequest]plannedInvite) (User, error) {
	who := InviteRequest{User: row.User, Email: row.Email, Name: row.UserName}
	if row.User != "" {
		who.Email, who.Name = "", ""
	}
	known, ok := people[who]
	if !ok {
		known.user, known.err = s.person(ctx, site, who)
		people[who] = known
	}
	return known.user, known.err
}

// adoptedBefore completes the result of a Ref that is there.
func (u *unit) adoptedBefore(ctx context.Context, site string, result *AdoptResult) error {
	if result.Err != nil {
		return nil
	}
	result.Device, result.Outcome, result.Conflict = "", "", "" // a unit may run again
	d, err := u.Devices().Find(ctx, DeviceKey{Site: site, Ref: result.Ref})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	result.Device, result.Outcome, result.Conflict = d.ID, AdoptUnchanged, d.Conflict
	return err
}

// adoptAll takes rows in one unit.
func (s *Service) adoptAll(ctx context.Context, by Actor, site Site, list []adopting) error {
	if len(list) == 0 {
		return nil
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		if err := u.lockAdopters(ctx, list); err != nil {
			return err
		}
		for i := range list {
			row := &list[i]
			*row.result = AdoptResult{Ref: row.Ref}
			err := u.adoptedBefore(ctx, by.Site, row.result)
			if err == nil && row.result.Outcome == "" {
				err = u.adopt(ctx, by, site, row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// lockAdopters locks our rows of the users, and brings them up to date: two
// imports of one file wait for each other here.
func (u *unit) lockAdopters(ctx context.Context, list []adopting) error {
	users := map[string]User{}
	for i := range list {
		user := list[i].user
		if user.Outside {
			id, err := newID(prefixUser, u.now, u.s.cfg.Rand)
			if err != nil {
				return err
			}
			user.ID = id
			if user, err = u.Users().Outside(ctx, user); err != nil {
				return err
			}
		}
		list[i].user.ID = user.ID
		users[user.ID] = user
	}
	sorted := make([]User, 0, len(users))
	for _, id := range slices.Sorted(maps.Keys(users)) {
		sorted = append(sorted, users[id])
	}
	stored, err := u.Users().Lock(ctx, sorted...)
	if err != nil {
		return err
	}
	for i, user := range sorted {
		if user.changes(stored[i]) {
			if err := u.rename(ctx, user); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt takes one row whose Ref is not there.
func (u *unit) adopt(ctx context.Context, by Actor, site Site, row *adopting) error {
	for _, ref := range row.MoreRefs {
		switch other, err := u.Devices().Find(ctx, DeviceKey{Site: by.Site, Ref: ref}); {
		case err == nil:
			row.result.Err = ErrExists
			row.result.Conflict = other.ID
			return nil
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	identity := row.Hardware.Identity(row.Manufacturer)
	known, holder, err := u.knownHardware(ctx, invitation.Invitation{Site: by.Site, User: row.user.ID}, row.Platform, identity)
	if err != nil {
		return err
	}
	if known.Live() && otherwiseKnown(known, row.Adoption) {
		row.result.Err, row.result.Conflict = ErrExists, known.ID
		return nil
	}
	gone := device.Device{}
	if known.ID == "" {
		if gone, err = u.deletedBefore(ctx, by.Site, row.Platform, identity); err != nil {
			return err
		}
	}
	d, contact, err := u.adoptee(ctx, by.Site, site.Policy.Requirements, row, known)
	if err != nil {
		return err
	}
	event := Event{Type: device.EventAdopted, Actor: by.ID, Ref: row.Ref}
	if d.State != known.State {
		event.Before, event.After = string(known.State), string(d.State)
	}
	events := []Event{event}
	row.result.Outcome = AdoptLinked
	if known.ID == "" {
		row.result.Outcome = Adopted
		d.Conflict, d.Previous = holder, gone.ID
		if holder != "" {
			events = append(events, Event{Type: device.EventConflict, Actor: ActorSystem, Ref: row.Ref, Data: map[string]string{"holder": holder}})
		}
	}
	if d, err = u.saveDevice(ctx, d, contact, site.Policy.Requirements, events...); err != nil {
		return err
	}
	row.result.Device, row.result.Conflict = d.ID, d.Conflict
	return u.Contacts().Put(ctx, contact)
}

// otherwiseKnown reports whether a system that names d by one id names it by
// another in a: taking that would have the two rows replace each other for ever.
func otherwiseKnown(d device.Device, a Adoption) bool {
	return slices.ContainsFunc(d.Refs, func(old device.Ref) bool {
		return slices.ContainsFunc(append([]device.Ref{a.Ref}, a.MoreRefs...), func(r device.Ref) bool {
			return r.Source == old.Source && r.ID != old.ID
		})
	})
}

// adoptee makes the device of a row: a new one, the next generation of one that
// had left, or one that is here with a further Ref; and its contact.
func (u *unit) adoptee(ctx context.Context, site string, r device.Requirements, row *adopting, known device.Device) (device.Device, Contact, error) {
	d := known
	if known.ID == "" {
		id, err := newID(prefixDevice, u.now, u.s.cfg.Rand)
		if err != nil {
			return d, Contact{}, err
		}
		d = device.Device{Site: site, ID: id, User: row.user.ID, Platform: row.Platform, CreatedAt: u.now}
	}
	for _, ref := range append([]device.Ref{row.Ref}, row.MoreRefs...) {
		d, _ = d.AddRef(ref)
	}
	if known.Live() || known.ID != "" && row.State == device.Unenrolled {
		contact, err := u.contactOf(ctx, site, d.ID)
		return d, contact, err
	}
	past := func(t, zero time.Time) time.Time {
		if t.IsZero() {
			return zero
		}
		return earlier(t.UTC().Truncate(time.Microsecond), u.now)
	}
	contact := Contact{Site: site, Device: d.ID, At: past(row.LastContact, u.now), Silent: row.State == device.Unresponsive}
	d = d.Enroll(past(row.EnrolledAt, contact.At))
	d.State, d.Since, d.EverActive = row.State, past(row.Since, u.now), row.State == device.Active || row.State == device.Impaired || row.State == device.Unresponsive
	d.Invitation, d.Origin = "", device.ByAdoption
	d.EnrollmentID, d.Nonce, d.TokenKey = "", nil, 0
	d.Mode = modeFor(row.Mode, invitation.Invitation{}, row.Platform)
	d.Ownership = ownershipOf(invitation.Invitation{}, EnrollRequest{Ownership: row.Ownership}, d.Mode)
	d.Hardware = d.Hardware.Known(row.Hardware)
	d.Name, d.Manufacturer = firstOf(row.Name, d.Name), firstOf(row.Manufacturer, d.Manufacturer)
	d.Model, d.OSVersion = firstOf(row.Model, d.Model), firstOf(row.OSVersion, d.OSVersion)
	for fact, value := range row.facts(r) {
		d.Facts, _ = d.Facts.Assert(device.Source(row.Ref.Source), fact, value, contact.At)
	}
	d.ObservedAt = contact.At
	return d, contact, nil
}
