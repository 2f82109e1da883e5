package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// knownHardware returns the user's own device with this identity, locked where
// the unit may write. If another user's device holds the identity, it returns
// that one's id, and the user's own device that is in conflict with it, if there
// is one already.
func (u *unit) knownHardware(ctx context.Context, inv invitation.Invitation, p device.Platform, identity string) (known device.Device, holder string, err error) {
	if identity == "" {
		return device.Device{}, "", nil
	}
	d, err := u.Devices().Find(ctx, DeviceKey{Site: inv.Site, Platform: p, Identity: identity})
	switch {
	case errors.Is(err, ErrNotFound):
		return device.Device{}, "", nil
	case err != nil:
		return device.Device{}, "", err
	case d.User == inv.User:
		return d, "", nil
	}
	rivals, err := u.Devices().List(ctx, DeviceQuery{Site: inv.Site, User: inv.User, Conflict: d.ID})
	if err != nil {
		return device.Device{}, "", err
	}
	for _, rival := range rivals {
		if rival.Platform == p && rival.Hardware.Identity(rival.Manufacturer) == identity {
			return rival, d.ID, nil
		}
	}
	return device.Device{}, d.ID, nil
}

// knownByName returns the user's own device that a managed device calls itself: all
// that there is of one that says nothing of its hardware. Of another user's device
// the same name says nothing.
func (u *unit) knownByName(ctx context.Context, e entry, p device.Platform) (known device.Device, holder string, err error) {
	for _, ref := range e.managed.Refs {
		d, err := u.Devices().Find(ctx, DeviceKey{Site: e.inv.Site, Ref: ref})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return known, "", err
		}
		if err == nil && d.User == e.inv.User && d.Platform == p && !d.Deleted() {
			return d, d.Conflict, nil
		}
	}
	return known, "", nil
}

// deletedBefore returns the latest deleted device of this hardware.
func (u *unit) deletedBefore(ctx context.Context, site string, p device.Platform, identity string) (device.Device, error) {
	if identity == "" {
		return device.Device{}, nil
	}
	gone, err := u.Devices().Find(ctx, DeviceKey{Site: site, Platform: p, Traces: u.traces(site, p, identity)})
	if errors.Is(err, ErrNotFound) {
		return device.Device{}, nil
	}
	return gone, err
}

// traces are keyed MACs of an identity, the current key's first: they stand for
// hardware that is gone.
func (u *unit) traces(site string, p device.Platform, identity string) [][]byte {
	macs := u.ring.MACs(credentials.PurposeHardware, []byte(site), []byte(p), []byte(identity))
	traces := make([][]byte, len(macs))
	for i, m := range macs {
		traces[i] = m.Bytes()
	}
	return traces
}
