package enrollment

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// The journal's names for what happens to what is held of a person. Their
// Subject is [UserSubject].
const (
	EventUserErased   = "user.erased"
	EventUserExported = "user.exported"
)

// UserSubject is the subject of the events about what is held of a user.
func UserSubject(user string) string { return "user/" + user }

// reasonErased is why the devices of somebody who was erased are gone.
const reasonErased = "user_erased"

// EraseUser erases what is held of a person in the actor's site, in one unit: an
// active invitation ends with the reason user_erased, credentials and sightings
// are deleted, names and addresses are blanked, and devices are deleted as by
// [Service.Delete], so that their tokens are answered with [ErrDeviceGone]. Mail
// that waits in the outbox is rendered when it is sent, so none is any more; one
// that is being handed over cannot be called back.
//
// What stays is the user's id without a name; invitations without an address;
// tombstones, which hold keyed MACs of hardware; counters of wrong tries under
// keyed MACs until their windows end; answers kept for repeated requests, which
// hold ids and keyed MACs of what was asked, until they expire; and the journal,
// which holds ids: of ours, of the user, and of the devices in other systems
// (Ref). It notes user.erased.
// [Retention] says for how long.
//
// Erasing twice is no error and notes nothing; a user of whom nothing was ever
// held answers [ErrNotFound]. Whoever is erased may be invited again: a user of
// the directory under the same id, anybody else under a new one.
//
// What the embedder keeps is the embedder's to erase: the directory (or the next
// invitation brings name and address back), rows written beside ours, mail that
// was sent, what handlers passed on, logs, backups, and the pages that a
// database frees without overwriting (SQLite: PRAGMA secure_delete).
func (s *Service) EraseUser(ctx context.Context, by Actor, user string) (err error) {
	defer s.did(ctx, "erase_user", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermErase); err != nil {
		return err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return err
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		stored, err := u.lockUser(ctx, by.Site, user)
		if err != nil {
			return err
		}
		invitations, changed, err := u.eraseInvitations(ctx, by, user)
		if err != nil {
			return err
		}
		had, err := u.eraseLogin(ctx, by.Site, user)
		if err != nil {
			return err
		}
		devices, err := u.eraseDevices(ctx, by, site, user)
		if err != nil {
			return err
		}
		blank := User{Site: stored.Site, ID: stored.ID, Outside: stored.Outside}
		if stored != blank {
			err = u.Users().Put(ctx, blank)
		}
		if err != nil || (stored == blank && changed == 0 && !had && devices == 0) {
			return err
		}
		return u.noteUser(ctx, by, user, Event{Type: EventUserErased, Data: map[string]string{
			"invitations": strconv.Itoa(invitations), "devices": strconv.Itoa(devices),
		}})
	})
}

// lockUser locks our row of a user, and makes none where there is none.
func (u *unit) lockUser(ctx context.Context, site, id string) (User, error) {
	user, err := u.Users().Get(ctx, site, id)
	if err != nil {
		return User{}, err
	}
	stored, err := u.Users().Lock(ctx, user)
	if err != nil {
		return User{}, err
	}
	return stored[0], nil
}

// eraseInvitations ends and blanks a user's invitations, and returns how many
// there are and how many of them had anything to erase.
func (u *unit) eraseInvitations(ctx context.Context, by Actor, user string) (all, changed int, err error) {
	list, err := u.Invitations().List(ctx, InvitationQuery{Site: by.Site, Users: []string{user}})
	if err != nil {
		return 0, 0, err
	}
	slices.SortFunc(list, func(a, b invitation.Invitation) int { return strings.Compare(a.ID, b.ID) })
	var keys []CredentialKey
	var ids, counters []string
	for _, inv := range list {
		if inv, err = u.Invitations().Lock(ctx, inv.Site, inv.ID); err != nil {
			return 0, 0, err
		}
		ids = append(ids, inv.ID)
		keys = append(keys, CredentialKey{inv.Site, inv.ID, KindInvitation})
		for _, budget := range triesKeys(inv) {
			counters = append(counters, budget, wrongLimit(budget, 0).Key)
		}
		texts := inv.Email + inv.EmailKey + inv.Name
		inv.Email, inv.EmailKey, inv.Name = "", "", ""
		switch {
		case inv.State.Active() || inv.Reason == invitation.Exhausted: // which its devices may still come back by
			_, err = u.end(ctx, inv, invitation.UserErased, by.ID)
		case texts != "":
			_, err = u.saveInvitation(ctx, inv)
		default:
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		changed++
	}
	if err := u.Credentials().Delete(ctx, keys...); err != nil {
		return 0, 0, err
	}
	if err := u.Counters().Delete(ctx, counters...); err != nil {
		return 0, 0, err
	}
	return len(list), changed, u.Sightings().Delete(ctx, by.Site, ids...)
}

// eraseLogin deletes a user's one-time login and says whether there was one.
func (u *unit) eraseLogin(ctx context.Context, site, user string) (bool, error) {
	cred, err := u.Credentials().Get(ctx, site, user, KindLogin)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	budget := credentials.Policy{}.OneTimeBudgetLimit(site, user, cred.Generation).Key
	if err := u.Counters().Delete(ctx, budget, wrongLimit(budget, 0).Key); err != nil {
		return false, err
	}
	return true, u.Credentials().Delete(ctx, CredentialKey{site, user, KindLogin})
}

// eraseDevices deletes a user's devices, whose invitations are locked, and
// returns how many it did.
func (u *unit) eraseDevices(ctx context.Context, by Actor, site Site, user string) (buried int, err error) {
	list, err := u.Devices().List(ctx, DeviceQuery{Site: by.Site, User: user})
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		// One that was in conflict with the one before has changed since.
		if d, err = u.Devices().Lock(ctx, d.Site, d.ID); err != nil {
			return 0, err
		}
		if d.Deleted() {
			continue // since it was listed
		}
		if err := u.bury(ctx, site, d, by.ID, reasonErased); err != nil {
			return 0, err
		}
		buried++
	}
	return buried, nil
}

// bury leaves a tombstone of a device that the unit has locked, and its
// invitation before it.
func (u *unit) bury(ctx context.Context, site Site, d device.Device, actor, why string) error {
	contact, err := u.contactOf(ctx, d.Site, d.ID)
	if err != nil {
		return err
	}
	contact.Gone, contact.Silent = true, false
	if err := u.Contacts().Put(ctx, contact); err != nil {
		return err
	}
	next := d.Tombstone(u.trace(d), u.now)
	if why != "" {
		next.Reason = why
	}
	event := Event{
		Type: device.EventDeleted, Actor: actor, Reason: next.Reason,
		Before: string(d.State), After: string(next.State),
	}
	if d.Invitation != "" {
		event.Data = map[string]string{"invitation": d.Invitation} // the tombstone does not name it
	}
	if err := u.depart(ctx, site, d, next, contact, event); err != nil {
		return err
	}
	return u.inherit(ctx, site, d.ID, actor)
}

// noteUser journals what happened to what is held of a user, whose row the unit
// has locked.
func (u *unit) noteUser(ctx context.Context, by Actor, user string, event Event) error {
	last, err := u.lastSeq(ctx, by.Site, UserSubject(user))
	if err != nil {
		return err
	}
	event.Actor = by.ID
	events, err := u.entries(by.Site, UserSubject(user), &last, []Event{event}, func(e *Event) { e.User = user })
	if err != nil {
		return err
	}
	return u.record(ctx, events)
}

// lastSeq is the number of a subject's latest event that is still there: for
// subjects without a row that counts them. What is there has no gap, so that a
// subject with many events is looked at in a few places only.
func (u *unit) lastSeq(ctx context.Context, site, subject string) (int64, error) {
	// next returns the first event after a number; 0: there is none.
	next := func(after int64) (int64, error) {
		list, err := u.Journal().List(ctx, EventQuery{Site: site, Subject: subject, After: after, Limit: 1})
		if err != nil || len(list) == 0 {
			return 0, err
		}
		return list[0].Seq, nil
	}
	last, err := next(0)
	if err != nil || last == 0 {
		return 0, err
	}
	for step, grows := int64(1), true; step > 0; {
		n, err := next(last + step - 1)
		switch {
		case err != nil:
			return 0, err
		case n == 0:
			grows = false
		default:
			last = n
		}
		if grows {
			step *= 2
		} else {
			step /= 2
		}
	}
	return last, nil
}
