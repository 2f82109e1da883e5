package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/device"
)

// ErrSiteFull: the site has as many live devices as Policy.MaxDevices allows. It is
// said only to who proved a credential, and uses nothing of it up.
var ErrSiteFull = errors.New("enrollment: the site has no room for another device")

// roomOwner names a site's one row of [KindRoom].
const roomOwner = "devices"

// room answers [ErrSiteFull] where one more live device would be too many. Units that
// bring one wait here for each other, so that each counts what those before it have
// stored. It is asked behind the locks of the invitation, the login and the known
// device. What comes after is the new device, its contact and counters, and a look
// at who has the names that the device claims: a store that finds two units in each
// other's way there begins one of them again.
func (u *unit) room(ctx context.Context, site string, limit int) error {
	if limit == 0 {
		return nil
	}
	_, err := u.Credentials().Get(ctx, site, roomOwner, KindRoom)
	if errors.Is(err, ErrNotFound) { // the first time: writing a row locks it as well
		err = u.Credentials().Put(ctx, Credential{Site: site, Owner: roomOwner, Kind: KindRoom, CreatedAt: u.now})
	}
	if err != nil {
		return err
	}
	counts, err := u.Slots().Counts(ctx, site)
	if err != nil {
		return err
	}
	var live int64
	for _, state := range device.States() { // no invitation is in a state of this name
		if state.Live() {
			live += counts[string(state)]
		}
	}
	if live >= int64(limit) {
		return ErrSiteFull
	}
	return nil
}
