package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/credentials"
)

// longestReservation is how long past its end a one-time login can at most be
// used; see credentials.Policy.LoginReservation.
const longestReservation = time.Hour

// keyed is what is known of one row that names keys.
type keyed struct {
	site, owner string
	keys        []uint32             // 0: none
	use         func(*KeyUse) *int64 // where it counts; nil: nowhere
	stale       bool                 // it can be moved to the current key
	changed     bool                 // and was
	unreadable  bool                 // or does not fit its key
}

// count adds the row to the progress.
func (r keyed) count(p *RekeyProgress) {
	if r.changed {
		p.Changed++
	}
	if r.unreadable {
		p.Unreadable++
		r.use = func(k *KeyUse) *int64 { return &k.Unreadable }
	}
	slices.Sort(r.keys)
	for _, key := range slices.Compact(r.keys) {
		if key != 0 && r.use != nil {
			use := p.Keys[key]
			*r.use(&use)++
			p.Keys[key] = use
		}
	}
}

// old reports whether one of keys is older than the current one. A newer one is
// that of a process with a newer ring.
func (u *unit) old(keys []uint32) bool {
	return slices.ContainsFunc(keys, func(key uint32) bool { return key != 0 && key < u.ring.Current() })
}

// keysOfCredential judges an invitation's, a site's or a user's credential.
func (u *unit) keysOfCredential(ctx context.Context, cred Credential) (keyed, error) {
	row := keyed{site: cred.Site, owner: cred.Owner, keys: []uint32{cred.Index.KeyID, cred.Check.KeyID}}
	if len(cred.Sealed) > 0 {
		// One that names no key is found to be damaged by whoever opens it.
		if key, err := credentials.EnvelopeKey(cred.Sealed); err == nil {
			row.keys = append(row.keys, key)
		}
	}
	row.stale = len(cred.Sealed) > 0 && u.old(row.keys)
	switch {
	case cred.Kind == KindLogin:
		return u.keysOfLogin(cred, row)
	case cred.Kind == KindPasscode:
		row.use = func(k *KeyUse) *int64 { return &k.Passcodes }
	case len(cred.Sealed) > 0:
		row.use = func(k *KeyUse) *int64 { return &k.Invitations }
	default:
		// Its envelope was destroyed with its end, so nothing can be made of it
		// under another key.
		row.use = func(k *KeyUse) *int64 { return &k.Ended }
		inv, err := u.Invitations().Get(ctx, cred.Site, cred.Owner)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return row, err
		}
		if err == nil && u.now.Before(inv.EndedAt.Add(RecordsKept)) {
			row.use = func(k *KeyUse) *int64 { return &k.Recent }
		}
	}
	return row, nil
}

// keysOfLogin judges a one-time login. One that is good for nothing any more, not
// even for asking again, only has to lose its key.
func (u *unit) keysOfLogin(cred Credential, row keyed) (keyed, error) {
	var data loginData
	if err := json.Unmarshal(cred.Data, &data); err != nil {
		return row, fmt.Errorf("login: %w", err)
	}
	if u.now.Before(data.ExpiresAt.Add(longestReservation + RecordsKept)) {
		row.keys = append(row.keys, data.Key)
		row.use = func(k *KeyUse) *int64 { return &k.Logins }
		return row, nil
	}
	row.stale = u.old(row.keys)
	return row, nil
}

// keysOfContact judges a device's token. The device's row names the same key as
// its contact: both are written in one unit.
func (u *unit) keysOfContact(ctx context.Context, contact Contact) (keyed, error) {
	row := keyed{site: contact.Site, owner: contact.Device, keys: []uint32{contact.Token.KeyID}}
	if !contact.Gone {
		row.use = func(k *KeyUse) *int64 { return &k.Devices }
		row.stale = u.old(row.keys)
		return row, nil
	}
	row.use = func(k *KeyUse) *int64 { return &k.Tombstones }
	d, err := u.Devices().Get(ctx, contact.Site, contact.Device)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return row, err
	}
	if trace, err := credentials.ParseMAC(d.Trace); err == nil {
		row.keys = append(row.keys, trace.KeyID)
	}
	return row, nil
}

// rekeyRow locks a row that was seen on an older key, judges it again and moves
// it.
func (u *unit) rekeyRow(ctx context.Context, stage int, seen keyed) (keyed, error) {
	if stage == stageDevices {
		return u.rekeyDevice(ctx, seen)
	}
	cred, err := u.Credentials().Get(ctx, seen.site, seen.owner, kindOf(stage))
	if err != nil {
		return keyed{}, err
	}
	row, err := u.keysOfCredential(ctx, cred)
	if err != nil || !row.stale {
		return row, err
	}
	row.keys = []uint32{u.ring.Current()}
	switch cred.Kind {
	case KindPasscode:
		err = u.rekeyPasscode(&cred)
	case KindLogin:
		cred.Index, cred.Check = credentials.MAC{}, credentials.MAC{}
		row.keys = nil
	default:
		err = u.rekeyInvitation(&cred)
	}
	if err != nil {
		return keyed{}, err
	}
	row.changed = true
	return row, u.Credentials().Put(ctx, cred)
}

// rekeyInvitation makes a set's MACs and envelope anew. What does not fit what is
// sealed is left alone: a new MAC would make a forged one good.
func (u *unit) rekeyInvitation(cred *Credential) error {
	set, err := u.ring.OpenSet(sealedAt(*cred), cred.Sealed)
	if err != nil {
		return err
	}
	if err := u.fits(cred.Index, credentials.PurposeToken, set.Token); err != nil {
		return err
	}
	if err := u.fits(cred.Check, credentials.PurposePIN, set.PIN, pinContext(cred.Site, cred.Owner, cred.Generation)...); err != nil {
		return err
	}
	return u.sealSet(cred, set)
}

func (u *unit) rekeyPasscode(cred *Credential) error {
	code, err := u.ring.Open(sealedAt(*cred), cred.Sealed)
	if err != nil {
		return err
	}
	if err := u.fits(cred.Index, credentials.PurposePasscode, code); err != nil {
		return err
	}
	if err := u.fits(cred.Check, credentials.PurposePasscode, code, passcodeContext(*cred)...); err != nil {
		return err
	}
	return u.sealPasscode(cred, code)
}

// fits returns credentials.ErrTampered for a MAC of something else.
func (u *unit) fits(m credentials.MAC, p credentials.Purpose, s credentials.Secret, context ...string) error {
	fits, err := u.ring.VerifySecret(m, p, s, context...)
	if err == nil && !fits {
		err = credentials.ErrTampered
	}
	return err
}

// rekeyDevice moves a device's token, which stays as it is: the row then says how
// to make it from the current key, and the contact has the MAC that finds it.
func (u *unit) rekeyDevice(ctx context.Context, seen keyed) (keyed, error) {
	d, err := u.Devices().Lock(ctx, seen.site, seen.owner) // before the contact, as everybody does
	if err != nil {
		return keyed{}, err
	}
	contact, err := u.Contacts().Get(ctx, seen.site, seen.owner)
	if err != nil {
		return keyed{}, err
	}
	row, err := u.keysOfContact(ctx, contact)
	if err != nil || !row.stale {
		return row, err
	}
	token, err := credentials.DeviceToken(u.ring, d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce)
	if err != nil {
		return keyed{}, err
	}
	if err := u.fits(contact.Token, credentials.PurposeDevice, token); err != nil {
		return keyed{}, err
	}
	d.TokenKey, d.Nonce, err = credentials.RekeyDeviceToken(u.ring, d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce, u.s.cfg.Rand)
	if err != nil {
		return keyed{}, err
	}
	contact.Token = u.ring.MACSecret(credentials.PurposeDevice, token)
	row.keys, row.changed = []uint32{u.ring.Current()}, true
	if err := u.Devices().Update(ctx, d); err != nil {
		return keyed{}, err
	}
	return row, u.Contacts().Put(ctx, contact)
}
