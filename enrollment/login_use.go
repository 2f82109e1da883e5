package enrollment

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// UseLogin is [Service.UseGrant] for a platform whose devices send what a person
// typed: it proves the login, which is a counted try, and keeps that it was
// presented to enroll, with seen as evidence for an invitation. It takes a
// one-time login, or an invitation's address with the one-time password of
// [NextStep]. use names platform and step, such as "windows/enroll".
//
// The Grant that it answers has the same ID each time for the same login, and no
// end of its own. [Service.EnrollManaged] with that ID uses the login up, in the
// unit that creates the device: until then, whatever fails, the login is as good
// as before. For [MaxGrantLife] after that it is answered once more, since the
// answer may have been lost; what it then opens is its device and no other.
//
// It answers [ErrCredentialRefused] for a login that is wrong, unknown, used,
// replaced, deactivated, expired or over, with one text and one code; a
// [*PacedError] or a [*ValidationError] ("username", "password"). To somebody who
// proved the login, the error is the reason too, for errors.Is: [ErrLoginUsed],
// [*LoginExpiredError], [ErrSelfServiceOff], invitation.ErrDeactivated or ErrExpired.
// An invitation whose places are taken may yet admit a device that has one, so that
// [Service.EnrollManaged] refuses the others. A refusal is written to the journal, see [Service.RefuseGrant].
func (s *Service) UseLogin(ctx context.Context, use string, l Login, seen invitation.Evidence) (_ Grant, err error) {
	defer s.did(ctx, "use_login", "", s.began(), &err)
	p, err := s.proveTyped(ctx, l)
	if err != nil {
		return Grant{}, err
	}
	g := s.grantOfLogin(p)
	err = s.presented(ctx, p, func(ctx context.Context, u *unit) error { return u.present(ctx, p, g, seen) })
	if err != nil {
		return Grant{}, s.noteRefusal(ctx, g, use, err)
	}
	return g, nil
}

// scopeGrantAgain holds what [scopeGrant] does of a login that was presented again
// while its record there was near its end: records are not written over.
const scopeGrantAgain = "grant_again"

// present keeps that a login was presented to enroll, for a MaxGrantLife from now at
// least. One of its two records is always free for that: the second is begun in the
// last half of the first one's time, and has as much left when the first is over.
func (u *unit) present(ctx context.Context, p proof, g Grant, seen invitation.Evidence) error {
	again, err := u.opensLogin(ctx, p, g)
	if err != nil || again {
		return err
	}
	free := ""
	for _, scope := range []string{scopeGrantAgain, scopeGrant} {
		kept, err := u.Records().Get(ctx, g.Site, scope, g.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			free = scope
		case err != nil:
			return err
		case u.now.Before(kept.ExpiresAt.Add(-MaxGrantLife)):
			return nil
		case u.now.Before(kept.ExpiresAt):
			seen = "" // it was noted then
		default:
			free = scope
		}
	}
	return u.keepGrant(ctx, free, g, seen)
}

// opensLogin says whether a login that was proved admits a device, and reserves a
// one-time login for it; or whether it admitted one lately, which may ask again.
// The second is looked at last, under the lock that the first has taken: whoever
// uses the login up at the same time has done so then, or waits.
func (u *unit) opensLogin(ctx context.Context, p proof, g Grant) (again bool, err error) {
	if g.Invitation != "" {
		err = u.passwordOpens(ctx, g)
	} else {
		err = u.reserve(ctx, p, nil)
	}
	if !errors.Is(err, ErrCredentialRefused) {
		return false, err
	}
	lately, failed := u.admittedLately(ctx, g)
	if failed != nil || lately {
		return lately, failed
	}
	return false, err
}

// admittedLately reports whether a grant admitted a device so short a time ago
// that an answer may still be asked for again.
func (u *unit) admittedLately(ctx context.Context, g Grant) (bool, error) {
	kept, err := u.Records().Get(ctx, g.Site, scopeGranted, g.ID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return u.now.Before(kept.At.Add(MaxGrantLife)), err
}

// proveTyped is prove for what the verbs of platforms take: addresses too.
func (s *Service) proveTyped(ctx context.Context, l Login) (proof, error) {
	if fields := l.wrong(true); len(fields) > 0 {
		return proof{}, &ValidationError{Fields: fields}
	}
	address, noAddress := credentials.CanonicalEmail(l.Username)
	typed, behind, found := strings.Cut(strings.TrimSpace(l.Username), "@")
	if !found {
		return s.prove(ctx, l, "")
	}
	// A one-time user name with the host of its site behind it. It is looked for
	// first, because a person's own address may look like one.
	if name, err := credentials.ParseUsername(typed); err == nil {
		p, err := s.loginNamed(ctx, name, l.Host, behind)
		if err != nil {
			return proof{}, err
		}
		if p.cred.Generation > 0 || noAddress != nil {
			l.Username = name
			return s.prove(ctx, l, behind)
		}
	}
	password, err := credentials.ParseOneTimePassword(l.Password.Reveal())
	if err != nil {
		return proof{}, invalid("password", "malformed")
	}
	return s.proveAddress(ctx, l, address, password)
}

// presented is unit 2 of a login that was proved: it does what follows and gives
// the try back, which it does by itself where nothing follows.
func (s *Service) presented(ctx context.Context, p proof, then func(context.Context, *unit) error) error {
	err := s.update(ctx, func(ctx context.Context, u *unit) error {
		if err := then(ctx, u); err != nil {
			return err
		}
		return u.Counters().Refund(ctx, p.refund...)
	})
	if err != nil {
		s.giveBackAfter(ctx, err, p.refund) // the password was right
	}
	return err
}

// grantOfLogin is the one grant of a login. Its id is derived by a name and not
// by a key, so that it stays the same while keys are rotated.
func (s *Service) grantOfLogin(p proof) Grant {
	g := Grant{Site: p.cred.Site, Generation: p.cred.Generation, password: p.password}
	if p.inv.ID != "" {
		g.Invitation = p.inv.ID
	} else {
		g.User = p.cred.Owner
	}
	numbers := binary.BigEndian.AppendUint64(nil, uint64(g.Generation))
	numbers = binary.BigEndian.AppendUint64(numbers, uint64(g.password))
	name := s.keys().Name(purposeGrant, []byte(g.Site), []byte(g.Invitation), []byte(g.User), numbers)
	g.ID = idText.EncodeToString(name[:grantID])
	return g
}

// keepGrant keeps that a grant was used, and with which evidence.
func (u *unit) keepGrant(ctx context.Context, scope string, g Grant, seen invitation.Evidence) error {
	kept, err := json.Marshal(usedGrant{g.Invitation, g.User, g.Generation, g.password})
	if err != nil {
		return err
	}
	err = u.Records().Put(ctx, Record{
		Site: g.Site, Scope: scope, Key: g.ID, Result: kept, At: u.now, ExpiresAt: u.now.Add(2 * MaxGrantLife),
	})
	if err != nil || g.Invitation == "" || seen == "" {
		return err
	}
	return u.see(ctx, g.Site, g.Invitation, seen)
}
