package enrollment

import (
	"context"
	"errors"
	"strings"

	"example.com/enrollkit/device"
)

// becameOf is the answer to a message of an enrollment whose grant is forgotten and
// whose device has another one: what became of the device it had.
func (u *unit) becameOf(ctx context.Context, r ManagedRequest) error {
	if r.Was == "" {
		return ErrGrantRefused
	}
	d, err := u.Devices().Get(ctx, r.Site, r.Was)
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrGrantRefused
	case err != nil:
		return err
	case d.Deleted():
		return ErrDeviceGone
	case !strings.HasPrefix(d.EnrollmentID, r.keptPrefix()):
		return ErrSuperseded
	}
	return ErrGrantRefused
}

// knownOtherwise is the user's own device under another platform than the one that
// was assumed; without one, holder stays what it was. The hardware is the same, and
// its row says what it is.
func (u *unit) knownOtherwise(ctx context.Context, e entry, assumed device.Platform, identity, holder string) (device.Device, string, error) {
	for _, p := range device.Platforms() {
		if p == assumed {
			continue
		}
		if known, rival, err := u.knownHardware(ctx, e.inv, p, identity); err != nil || known.ID != "" {
			return known, rival, err
		}
	}
	return device.Device{}, holder, nil
}

// filled adds to a device what a repeated message of its enrollment says of it: the
// message that enrolled it may have said nothing but a name. A platform that is said
// replaces the row's, and the mode with it: nothing keeps whether that one was said
// or assumed, and the message that says it may be older than the one that did not.
func (u *unit) filled(ctx context.Context, site Site, e entry, out Enrolled) (Enrolled, error) {
	r, d := e.managed, out.Device
	if !d.Live() {
		return out, nil
	}
	at := earlier(r.At, u.now)
	if r.At.IsZero() {
		at = u.now
	}
	said := evidence{
		source: r.Source, actor: actorSource + string(r.Source), ref: r.Ref, at: at, hardware: r.Device.Hardware,
		name: r.Device.Name, manufacturer: r.Device.Manufacturer, model: r.Device.Model, osVersion: r.Device.OSVersion,
	}
	if p := r.Device.Platform; !r.assumed && p != d.Platform {
		said.platform, said.mode = p, modeFor(r.Mode, e.inv, p)
	}
	contact, err := u.contactOf(ctx, d.Site, d.ID)
	if err != nil {
		return out, err
	}
	out.Device, err = u.learn(ctx, site, d, contact, said)
	return out, err
}

// noteStranger is noteRefusal for an enrollment of which nobody knows what gave it.
func (s *Service) noteStranger(ctx context.Context, r ManagedRequest, err error) error {
	code := reasonOf(err)
	if code == "unavailable" || code == "conflict" {
		return err
	}
	return errors.Join(err, s.RefuseContact(ctx, r.Site, string(r.Source)+"/enroll", code))
}

// asInvited refuses a device in another mode than its invitation says.
func (r ManagedRequest) asInvited(invited device.Mode) error {
	if r.AsInvited && r.Mode != invited {
		return invalid("mode", "not_allowed")
	}
	return nil
}
