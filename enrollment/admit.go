package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Enroll admits a device by the credential it presents. It answers
// [ErrInvitationUnknown] for a token that nobody has, invitation.ErrDeactivated,
// ErrExpired or ErrExhausted for one whose invitation is over, [ErrSiteFull],
// [ErrCredentialRefused] and [*PacedError] for address and PIN, and a
// [*ValidationError], which costs no try.
//
// A request that was answered before, by its EnrollmentID, gets the same answer
// again, even if the invitation is over by now. Hardware that the user enrolled
// before keeps its device, in a new generation whose token replaces the old.
//
// Address and PIN need a transaction of their own: inside an embedder's they
// answer [ErrOwnTransaction].
func (s *Service) Enroll(ctx context.Context, r EnrollRequest) (_ Enrolled, err error) {
	defer s.did(ctx, "enroll", "", s.began(), &err)
	if err := r.validate(); err != nil {
		return Enrolled{}, err
	}
	switch c := r.Credential; {
	case c.Username != "" || !c.Password.IsZero():
		return s.enrollByLogin(ctx, r)
	case c.Token.IsZero():
		return s.enrollByPIN(ctx, r)
	}
	token, err := credentials.ParseToken(r.Credential.Token.Reveal())
	if err != nil {
		return Enrolled{}, ErrInvitationUnknown
	}
	var found invitation.Invitation
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		var err error
		found, _, err = u.byToken(ctx, token)
		return err
	})
	if err != nil {
		return Enrolled{}, err
	}
	site, err := s.site(ctx, found.Site)
	if err != nil {
		return Enrolled{}, err
	}
	return s.admission(ctx, site, r, entry{inv: found})
}

// entry is what admits a device: an invitation, or a one-time login, for which
// inv has no id and names the site and the user alone.
type entry struct {
	inv invitation.Invitation
	// first is done before anything else, in the same unit; nil: nothing.
	first func(context.Context, *unit) error
	// last is done after the admission, in the same unit: tries are given back
	// where every other lock is held already; nil: nothing.
	last func(context.Context, *unit) error
	// opens says whether a login still admits and uses it up; nil for an
	// invitation, which is asked itself.
	opens func(context.Context, *unit) error
	// spends uses up an invitation's one-time password once the invitation admits;
	// nil: there is none.
	spends func(context.Context, *unit) error
	// managed is set for a device that a platform's channel brings; nil: it came
	// by itself.
	managed *ManagedRequest
}

// errMoved says that a device changed its invitation while nobody held it.
var errMoved = errors.New("enrollment: the device moved to another invitation")

// admission runs first and then admits, in one unit. Everybody locks
// invitations before devices, so the invitation that a known device leaves is
// looked up before the unit and locked with the one it comes to; should the
// device have moved meanwhile, it is done again.
func (s *Service) admission(ctx context.Context, site Site, r EnrollRequest, e entry) (Enrolled, error) {
	inv := e.inv
	identity := r.Device.Hardware.Identity(r.Device.Manufacturer)
	for try := 1; ; try++ {
		leaves := ""
		if identity != "" || e.managed != nil {
			err := s.view(ctx, func(ctx context.Context, u *unit) error {
				known, _, err := u.knownDevice(ctx, e, r.Device.Platform, identity)
				leaves = known.Invitation
				return err
			})
			if err != nil {
				return Enrolled{}, err
			}
		}
		var out Enrolled
		err := s.update(ctx, func(ctx context.Context, u *unit) error {
			locked, err := u.lockInvitations(ctx, inv.Site, inv.ID, leaves)
			if err != nil {
				return err
			}
			if e.first != nil {
				if err := e.first(ctx, u); err != nil {
					return err
				}
			}
			if inv.ID != "" {
				e.inv = locked[inv.ID]
			}
			if out, err = u.admit(ctx, site, e, locked, r); err != nil || e.last == nil {
				return err
			}
			return e.last(ctx, u)
		})
		if errors.Is(err, errMoved) && try < 3 {
			continue
		}
		if err != nil {
			return Enrolled{}, err
		}
		return s.enrolled(site, out)
	}
}

// lockInvitations locks rows in the order of their ids; "" and rows that are
// gone are left out.
func (u *unit) lockInvitations(ctx context.Context, site string, ids ...string) (map[string]invitation.Invitation, error) {
	slices.Sort(ids)
	locked := map[string]invitation.Invitation{}
	for _, id := range slices.Compact(ids) {
		if id == "" {
			continue
		}
		inv, err := u.Invitations().Lock(ctx, site, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err == nil {
			locked[id] = inv
		}
	}
	return locked, nil
}

// enrolled completes an answer after the commit: the device token is derived,
// not stored.
func (s *Service) enrolled(site Site, out Enrolled) (Enrolled, error) {
	d := out.Device
	token, err := credentials.DeviceToken(s.keys(), d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce)
	if err != nil {
		return Enrolled{}, err
	}
	out.Token = token
	out.Missing = d.Missing(site.Policy.Requirements)
	out.Waits, out.Next = site.Policy.waiting(d, out.Missing)
	return out, nil
}

// admission is the kept answer of an enrollment.
type admission struct {
	Device     string `json:"d"`
	Generation int    `json:"g"`
}

// admit takes a device in by what the unit has locked and whose credential is
// proved. First what was answered before, then whether the hardware is known,
// then whether the invitation or the login still admits it.
func (u *unit) admit(ctx context.Context, site Site, e entry, locked map[string]invitation.Invitation, r EnrollRequest) (Enrolled, error) {
	inv := e.inv
	scope := "enroll/" + inv.User
	identity := r.Device.Hardware.Identity(r.Device.Manufacturer)
	// One enrollment id is not the key to two devices. A name and not a MAC, so
	// that the answer outlives a rotation of keys.
	fingerprint := u.ring.Name(credentials.PurposeHardware, []byte(inv.Site), []byte(r.Device.Platform), []byte(identity))
	if e.managed == nil {
		old, err := u.answered(ctx, inv.Site, scope, r.EnrollmentID, fingerprint[:])
		if err != nil {
			return Enrolled{}, err
		}
		if old != nil {
			return u.admittedBefore(ctx, inv.Site, old)
		}
	}

	known, holder, err := u.knownDevice(ctx, e, r.Device.Platform, identity)
	if err != nil {
		return Enrolled{}, err
	}
	first := false
	if e.managed != nil {
		if first, err = u.granted(ctx, e.managed, known); err != nil {
			return Enrolled{}, err
		}
		if out, before, err := u.managedBefore(ctx, e.managed, known); err != nil || before {
			if err == nil {
				out, err = u.filled(ctx, site, e, out)
			}
			return out, err
		}
	}
	if known.Invitation != "" {
		if _, held := locked[known.Invitation]; !held && known.Live() {
			return Enrolled{}, errMoved
		}
	}
	gone := device.Device{}
	if known.ID == "" {
		if gone, err = u.deletedBefore(ctx, inv.Site, r.Device.Platform, identity); err != nil {
			return Enrolled{}, err
		}
	}
	samePlace := inv.ID != "" && (known.Invitation == inv.ID || gone.Invitation == inv.ID)
	if err := u.admits(ctx, e, samePlace); err != nil {
		return Enrolled{}, err
	}
	if e.spends != nil {
		if err := e.spends(ctx, u); err != nil {
			return Enrolled{}, err
		}
	}
	if !known.Live() {
		if err := u.room(ctx, inv.Site, site.Policy.MaxDevices); err != nil {
			return Enrolled{}, err
		}
	}
	d, events, err := u.arrive(inv, r, known, holder, gone)
	if err != nil {
		return Enrolled{}, err
	}
	if e.managed != nil {
		events[0].Actor, d.EnrollmentID = actorSource+string(e.managed.Source), e.managed.kept(d)
		if d, err = u.name(ctx, e.managed, d); err != nil {
			return Enrolled{}, err
		}
	}
	token, err := credentials.DeviceToken(u.ring, d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce)
	if err != nil {
		return Enrolled{}, err
	}
	contact := Contact{
		Site: d.Site, Device: d.ID, At: u.now,
		Token: u.ring.MACSecret(credentials.PurposeDevice, token),
	}
	if d, err = u.saveDevice(ctx, d, contact, site.Policy.Requirements, events...); err != nil {
		return Enrolled{}, err
	}
	if err := u.Contacts().Put(ctx, contact); err != nil {
		return Enrolled{}, err
	}
	if first {
		if err := u.grantTo(ctx, e.managed, d); err != nil {
			return Enrolled{}, err
		}
	}
	if err := u.place(ctx, inv, known, d, samePlace); err != nil {
		return Enrolled{}, err
	}
	if last := events[len(events)-1]; last.Type == device.EventConflict {
		err := u.enqueue(ctx, Message{Site: d.Site, Kind: MessageAlert, Device: d.ID, User: d.User, Event: last.ID})
		if err != nil {
			return Enrolled{}, err
		}
	}
	kept, err := json.Marshal(admission{d.ID, d.Generation})
	if err != nil {
		return Enrolled{}, err
	}
	err = u.Records().Put(ctx, Record{
		Site: inv.Site, Scope: scope, Key: d.EnrollmentID, Fingerprint: fingerprint[:],
		Result: kept, At: u.now, ExpiresAt: u.now.Add(site.Policy.Retention.Requests),
	})
	return Enrolled{Device: d, Reenrolled: known.ID != "", Seq: 1}, err
}

// admits says whether an invitation or a login still takes this device. An
// invitation that is exhausted lets its own devices come back while no other has
// taken its place.
func (u *unit) admits(ctx context.Context, e entry, samePlace bool) error {
	if e.opens != nil {
		return e.opens(ctx, u)
	}
	inv := e.inv
	if err := inv.Usable(u.now, samePlace); err != nil || inv.State.Active() {
		return err
	}
	latest, err := u.Invitations().List(ctx, InvitationQuery{Site: inv.Site, Users: []string{inv.User}, Limit: 1})
	if err != nil {
		return err
	}
	if len(latest) == 0 || latest[0].ID != inv.ID {
		return invitation.ErrDeactivated
	}
	return nil
}

// admittedBefore gives the first answer again.
func (u *unit) admittedBefore(ctx context.Context, site string, record []byte) (Enrolled, error) {
	var kept admission
	if err := json.Unmarshal(record, &kept); err != nil {
		return Enrolled{}, fmt.Errorf("enrollment: kept answer: %w", err)
	}
	d, err := u.Devices().Get(ctx, site, kept.Device)
	switch {
	case err != nil:
		return Enrolled{}, err
	case d.Deleted():
		return Enrolled{}, ErrDeviceGone
	case d.Generation != kept.Generation:
		// The hardware has enrolled anew since; a late repetition of the older
		// request must not bring its token back.
		return Enrolled{}, ErrStale
	}
	contact, err := u.Contacts().Get(ctx, site, d.ID)
	return Enrolled{Device: d, Replayed: true, Seq: contact.Seq + 1}, err
}

// arrive makes the device's row: a new generation of a known one, or a new one,
// linked to the deleted one of the same hardware or in conflict with another
// user's.
func (u *unit) arrive(inv invitation.Invitation, r EnrollRequest, known device.Device, holder string, gone device.Device) (device.Device, []Event, error) {
	d := known
	if known.ID == "" {
		id, err := newID(prefixDevice, u.now, u.s.cfg.Rand)
		if err != nil {
			return d, nil, err
		}
		d = device.Device{
			Site: inv.Site, ID: id, User: inv.User, Platform: r.Device.Platform,
			CreatedAt: u.now, Conflict: holder, Previous: gone.ID,
		}
	}
	d = d.Enroll(u.now)
	d.Invitation, d.Origin = inv.ID, device.ByInvitation
	if inv.ID == "" {
		d.Origin = device.BySelfService
	}
	d.Mode = modeFor(r.Mode, inv, d.Platform)
	if p, ok := u.s.platformFor(d.Platform).(ModeChecker); ok {
		if err := p.CheckMode(d.Mode, r.Device); err != nil {
			return d, nil, invalid("mode", "not_supported")
		}
	}
	d.Ownership = ownershipOf(inv, r, d.Mode)
	d.EnrollmentID = r.EnrollmentID
	// What was learned of known hardware stays where the request is silent.
	d.Hardware = d.Hardware.Known(r.Device.Hardware)
	d.Name, d.Manufacturer = firstOf(r.Device.Name, d.Name), firstOf(r.Device.Manufacturer, d.Manufacturer)
	d.Model, d.OSVersion = firstOf(r.Device.Model, d.Model), firstOf(r.Device.OSVersion, d.OSVersion)
	d.TokenKey = u.ring.Current()
	d.Nonce = make([]byte, credentials.MinNonceBytes)
	if _, err := io.ReadFull(u.s.cfg.Rand, d.Nonce); err != nil {
		return d, nil, fmt.Errorf("enrollment: random source: %w", err)
	}
	if known.ID != "" {
		return d, []Event{{Type: device.EventReenrolled, Actor: ActorDevice, Before: string(known.State), After: string(d.State)}}, nil
	}
	events := []Event{{Type: device.EventEnrolled, Actor: ActorDevice, After: string(d.State)}}
	if d.Conflict != "" {
		events = append(events, Event{Type: device.EventConflict, Actor: ActorSystem, Data: map[string]string{"holder": d.Conflict}})
	}
	return d, events, nil
}
