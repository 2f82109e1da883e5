package enrollment

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/enrollkit/credentials"
)

// EventRefused is the journal's name for a grant that a platform presented and
// that was refused. Its Subject is the invitation, or [LoginSubject] of the user;
// its Reason is a stable code, and Data names the step ("step") and the grant
// ("grant"). Where there was no grant, see [Service.RefuseContact], it is
// [PlatformSubject] and the step alone.
const EventRefused = "enrollment.refused"

// RefuseGrant notes in the journal that whoever holds g was turned away, at a
// step such as "apple/certificate", for a reason that is a stable code. The same
// refusal of one grant is noted once, and of all grants of one invitation or login
// [MaxRefusals] times: who repeats himself must not fill the journal. Of a g without
// an id, or whose invitation or login is erased, there is nothing to note.
//
// [Service.UseGrant], [Service.UseLogin], [Service.CheckLogin] and
// [Service.EnrollManaged] note their refusals themselves; this is for what a
// platform finds out beyond them.
func (s *Service) RefuseGrant(ctx context.Context, g Grant, step, reason string) (err error) {
	defer s.did(ctx, "refuse_grant", g.Site, s.began(), &err)
	if g.ID == "" || g.Site == "" {
		return nil
	}
	key := strings.Join([]string{g.ID, step, reason}, "/")
	if reason == "" || len(key) > maxText || !plainText(key) {
		return invalid("reason", "malformed")
	}
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		save, err := u.refusedBy(ctx, g)
		if err != nil {
			return err
		}
		if noted, err := u.answered(ctx, g.Site, scopeRefused, key); err != nil || noted != nil {
			return err
		}
		room, err := u.roomToRefuse(ctx, g, step, reason)
		if err != nil || room == "" {
			return err
		}
		event := Event{
			Type: EventRefused, Actor: ActorDevice, Reason: reason,
			Data: map[string]string{"step": step, "grant": g.ID},
		}
		if err := save(event); err != nil {
			return err
		}
		for _, key := range []string{key, room} {
			err := u.Records().Put(ctx, Record{
				Site: g.Site, Scope: scopeRefused, Key: key, Result: []byte("{}"), At: u.now, ExpiresAt: u.now.Add(2 * MaxGrantLife),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// MaxRefusals is how often the journal has one refusal, of one step for one reason,
// of the grants of one invitation or login in two [MaxGrantLife]: there may be any
// number of grants, each with an id of its own.
const MaxRefusals = 20

// roomToRefuse is the key of the next of them, "" if there were all. The lock of what
// gave the grant is held.
func (u *unit) roomToRefuse(ctx context.Context, g Grant, step, reason string) (key string, err error) {
	owner := g.Invitation
	if owner == "" {
		owner = LoginSubject(g.User)
	}
	name := u.ring.Name(credentials.PurposeUser, []byte(g.Site), []byte(owner), []byte(step), []byte(reason))
	for n := range MaxRefusals {
		key := fmt.Sprintf("%x/%d", name, n)
		if taken, err := u.answered(ctx, g.Site, scopeRefused, key); err != nil || taken == nil {
			return key, err
		}
	}
	return "", nil
}

// refusedBy locks what gave a grant and returns what writes an event of it.
func (u *unit) refusedBy(ctx context.Context, g Grant) (save func(Event) error, err error) {
	if g.Invitation != "" {
		inv, err := u.Invitations().Lock(ctx, g.Site, g.Invitation)
		return func(e Event) error {
			_, err := u.saveInvitation(ctx, inv, e)
			return err
		}, err
	}
	cred, data, err := u.login(ctx, g.Site, g.User)
	return func(e Event) error {
		_, err := u.saveLogin(ctx, cred, &data, e)
		return err
	}, err
}

// noteRefusal is RefuseGrant for an error of a verb. What is the store's trouble,
// or the embedder's, refuses nobody.
func (s *Service) noteRefusal(ctx context.Context, g Grant, step string, err error) error {
	if code := reasonOf(err); err != nil && code != "unavailable" && code != "conflict" {
		return errors.Join(err, s.RefuseGrant(ctx, g, step, code))
	}
	return err
}

// scopeRefused holds the refusals that the journal has.
const scopeRefused = "refused"
