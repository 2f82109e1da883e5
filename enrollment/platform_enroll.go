package enrollment

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// ManagedRequest is a device that a platform's own channel brings: an MDM server,
// another system's notifications. The caller has authenticated the channel; what
// the device says of itself is a claim all the same.
type ManagedRequest struct {
	Site string // required
	// Source is the channel, such as "apple". Required, and not the agent.
	Source device.Source

	// What admits the device, one of them. Grant is the id of one that was used
	// ([Service.UseGrant]). Invitation is for channels that carry its id
	// themselves and let nobody else put it there.
	Grant      string
	Invitation string

	// EnrollmentID is the channel's name for this enrollment: repeated and late
	// messages of it change nothing. Empty: Grant. At most 64 bytes.
	EnrollmentID string
	// Ref is the device in the channel, which no other device of the site has.
	// Required.
	Ref device.Ref
	// Refs are further names of the device, of other sources. One that another
	// device has is left out: names that devices give themselves are claims. A device
	// that says nothing of its hardware is known again by them, to its own user.
	Refs []device.Ref

	// Was is our id of the device that this enrollment became, from an earlier answer,
	// if that is known. With it, what an enrollment says that was replaced long ago,
	// when its grant is forgotten, is still known to be of a device that was deleted
	// ([ErrDeviceGone]) or has enrolled by something else ([ErrSuperseded]).
	Was string

	// Again says that the message is the beginning of an enrollment and may bring
	// back a device that left. Without it, only what is not there yet is enrolled.
	Again bool

	At        time.Time        // when the channel heard of it; zero: now
	Ownership device.Ownership // empty: as accepted, or as the mode implies
	Mode      device.Mode      // empty: as invited, or the platform's default
	// AsInvited refuses a Mode that is not the one that the device was invited as, with
	// a [*ValidationError]: for modes that nobody may choose by what a device shows.
	AsInvited bool
	// Device is what it says of itself. Its Platform, if empty, is as accepted,
	// or Platform.
	Device Claim
	// Platform is that of a device of which nobody said any. A device that is
	// known by its Ref, or is the user's own hardware, keeps the one it has.
	Platform device.Platform

	assumed bool // Device.Platform is nobody's word
}

// EnrollManaged admits a device by what a grant or an invitation offers, without
// a credential and without a device token: it is the verb of platforms whose
// devices speak a protocol of their own. What is said of the device later goes
// through [Service.Observe], by Ref.
//
// The rules are those of [Service.Enroll]: the invitation or the login has to
// admit a device now; hardware that the user enrolled before keeps its row, in a
// new generation; another user's hardware is a row of its own in conflict; a
// device that was deleted is a new row with a predecessor; limits count. A
// one-time login, or an invitation's one-time password ([Service.UseLogin]), is
// used up by its first device.
//
// It may be called for every message of an enrollment, in any order. While the
// device is enrolled, a repetition answers the same, whatever became of the
// invitation, and adds what it says of the device. A Platform that it says replaces
// the device's, which may have been assumed, and the mode with it, whatever the times
// of the messages: a device is expected to say one and the same. What belongs to an
// enrollment before the latest answers [ErrStale].
// A grant admits one device, once: another one answers [ErrGrantUsed], a device
// that was deleted since [ErrDeviceGone], and one that has enrolled by something
// else since [ErrSuperseded], whatever the message says.
// A device that has left comes back by a message with Again that is younger than
// its leaving, if it is admitted anew.
//
// It answers a [*ValidationError], [ErrGrantRefused] for a grant that nobody
// used, [ErrInvitationUnknown], invitation.ErrDeactivated, ErrExpired and
// ErrExhausted, [ErrSiteFull], and [ErrCredentialRefused] for a login or password that is
// over. A refusal is written to the journal, see [Service.RefuseGrant].
func (s *Service) EnrollManaged(ctx context.Context, r ManagedRequest) (_ Enrolled, err error) {
	defer s.did(ctx, "enroll_managed", r.Site, s.began(), &err)
	if err := r.validate(); err != nil {
		return Enrolled{}, err
	}
	site, err := s.site(ctx, r.Site)
	if err != nil {
		return Enrolled{}, err
	}
	g, inv, err := s.admittedBy(ctx, r)
	if err != nil {
		return Enrolled{}, s.noteStranger(ctx, r, err)
	}
	e := entry{inv: inv, managed: &r}
	if accepted := device.Platform(inv.AcceptedPlatform); r.Device.Platform == "" && r.Platform != "" {
		if r.Device.Platform, r.assumed = r.Platform, true; accepted.Valid() {
			r.Device.Platform = accepted
		}
	}
	if err := r.asInvited(modeFor("", inv, r.Device.Platform)); err != nil {
		return Enrolled{}, err
	}
	if g.password > 0 {
		e.spends = func(ctx context.Context, u *unit) error { return u.usePassword(ctx, g) }
	}
	request := r.request()
	if g.User != "" {
		if err := s.employed(ctx, g); err != nil {
			return Enrolled{}, s.noteRefusal(ctx, g, string(r.Source)+"/enroll", err)
		}
		e.first = func(ctx context.Context, u *unit) error { return u.lockLogin(ctx, g.proof()) }
		e.opens = func(ctx context.Context, u *unit) error { return u.useLogin(ctx, g.proof()) }
		if request.Ownership == "" {
			request.Ownership = device.Ownership(inv.AcceptedOwnership)
		}
	}
	out, err := s.admission(ctx, site, request, e)
	out.Token = credentials.Secret{} // nobody asked for it
	return out, s.noteRefusal(ctx, g, string(r.Source)+"/enroll", err)
}

// request is r in the words of a device's own request.
func (r ManagedRequest) request() EnrollRequest {
	d := r.Device
	if d.Platform == "" {
		d.Platform = r.Platform
	}
	return EnrollRequest{Ownership: r.Ownership, Mode: r.Mode, Device: d}
}

// kept is the enrollment id of a device's row: another one each time a device
// comes back by the same enrollment.
func (r ManagedRequest) kept(d device.Device) string {
	return r.keptPrefix() + strings.TrimPrefix(d.ID, prefixDevice) + "/" + strconv.Itoa(d.Generation)
}

func (r ManagedRequest) keptPrefix() string {
	id := r.EnrollmentID
	if id == "" {
		id = r.Grant
	}
	return string(r.Source) + "/" + id + "/"
}

func (r ManagedRequest) validate() error {
	var fields []FieldError
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
	if r.Site == "" {
		add("site", "required")
	}
	switch {
	case r.Source == "":
		add("source", "required")
	case r.Source == device.SourceAgent:
		add("source", "not_allowed")
	case len(r.Source) > 24 || !plainText(string(r.Source)):
		add("source", "malformed")
	}
	if (r.Grant == "") == (r.Invitation == "") {
		add("grant", "required")
	}
	if id := r.EnrollmentID; id == "" && r.Grant == "" {
		add("enrollment_id", "required")
	} else if len(id) > 64 || len(r.Grant) > 64 || !plainText(id) || !plainText(r.Grant) {
		add("enrollment_id", "malformed")
	}
	for _, ref := range append([]device.Ref{r.Ref}, r.Refs...) {
		if ref.Source == "" || ref.ID == "" || len(ref.Source) > maxID || !plainText(ref.Source) || !plainText(ref.ID) {
			add("ref", "malformed")
		}
	}
	fields = append(fields, r.request().wrongDevice()...)
	if len(fields) > 0 {
		return &ValidationError{Fields: fields}
	}
	return nil
}

// admittedBy returns the grant and the invitation that admit a device; of a
// login, an invitation without an id, as [entry] wants it. An enrollment whose
// grant is forgotten goes on by what its device came by.
func (s *Service) admittedBy(ctx context.Context, r ManagedRequest) (g Grant, inv invitation.Invitation, err error) {
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		g, inv = Grant{ID: r.Grant, Site: r.Site, Invitation: r.Invitation}, invitation.Invitation{}
		if r.Grant != "" {
			var err error
			if g, err = u.grantOf(ctx, r.Site, r.Grant); errors.Is(err, ErrGrantRefused) {
				g, err = u.grantOfDevice(ctx, r)
			}
			if err != nil {
				return err
			}
		}
		if g.Invitation == "" {
			inv = invitation.Invitation{Site: r.Site, User: g.User}
			if _, data, err := u.login(ctx, r.Site, g.User); err == nil {
				inv.AcceptedOwnership, inv.AcceptedPlatform = data.Ownership, data.Platform
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
			return nil
		}
		found, err := u.Invitations().Get(ctx, r.Site, g.Invitation)
		if errors.Is(err, ErrNotFound) {
			return ErrInvitationUnknown
		}
		inv = found
		return err
	})
	return g, inv, err
}

// grantOfDevice is the grant of a device that enrolled by it so long ago that its
// use is forgotten.
func (u *unit) grantOfDevice(ctx context.Context, r ManagedRequest) (Grant, error) {
	d, err := u.Devices().Find(ctx, DeviceKey{Site: r.Site, Ref: r.Ref})
	if errors.Is(err, ErrNotFound) || err == nil && !strings.HasPrefix(d.EnrollmentID, r.keptPrefix()) {
		return Grant{}, u.becameOf(ctx, r)
	}
	g := Grant{ID: r.Grant, Site: r.Site, Invitation: d.Invitation}
	if d.Invitation == "" {
		g.User = d.User
	}
	return g, err
}

// knownDevice is knownHardware that knows a managed device by its Ref first.
func (u *unit) knownDevice(ctx context.Context, e entry, p device.Platform, identity string) (known device.Device, holder string, err error) {
	if e.managed == nil {
		return u.knownHardware(ctx, e.inv, p, identity)
	}
	d, err := u.Devices().Find(ctx, DeviceKey{Site: e.inv.Site, Ref: e.managed.Ref})
	switch {
	case errors.Is(err, ErrNotFound):
		if identity == "" {
			return u.knownByName(ctx, e, p)
		}
		if known, holder, err = u.knownHardware(ctx, e.inv, p, identity); err != nil || known.ID != "" || !e.managed.assumed {
			return known, holder, err
		}
		return u.knownOtherwise(ctx, e, p, identity, holder)
	case err != nil:
		return known, holder, err
	case d.User != e.inv.User:
		return known, holder, ErrStale // the channel gave one name to two people's devices
	}
	return d, d.Conflict, nil
}

// managedBefore says whether a message of this enrollment was there before, or
// comes too late, and answers it then.
func (u *unit) managedBefore(ctx context.Context, r *ManagedRequest, known device.Device) (Enrolled, bool, error) {
	at := earlier(r.At, u.now)
	if r.At.IsZero() {
		at = u.now
	}
	same := known.ID != "" && strings.HasPrefix(known.EnrollmentID, r.keptPrefix())
	switch {
	case known.ID == "":
		return Enrolled{}, false, nil
	case same && (known.Live() || !r.Again || at.Before(known.Since)):
		contact, err := u.contactOf(ctx, known.Site, known.ID)
		return Enrolled{Device: known, Replayed: true, Seq: contact.Seq + 1}, true, err
	case !same && at.Before(known.EnrolledAt):
		return Enrolled{}, true, ErrStale
	}
	return Enrolled{}, false, nil
}

// useLogin uses a login up.
func (u *unit) useLogin(ctx context.Context, p proof) error {
	cred, data, err := u.still(ctx, p)
	if err != nil {
		return err
	}
	data.UsedAt = u.now
	_, err = u.saveLogin(ctx, cred, &data, Event{Type: EventLoginUsed, Actor: ActorDevice})
	return err
}

// name gives a device the names that its channel has for it, as far as no other
// device has them.
func (u *unit) name(ctx context.Context, r *ManagedRequest, d device.Device) (device.Device, error) {
	d, _ = d.AddRef(r.Ref)
	for _, ref := range r.Refs {
		holder, err := u.Devices().Find(ctx, DeviceKey{Site: d.Site, Ref: ref})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return d, err
		}
		if err != nil || holder.ID == d.ID {
			d, _ = d.AddRef(ref)
		}
	}
	return d, nil
}
