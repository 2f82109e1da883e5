package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// CheckLogin proves a login without using it up, any number of times: a platform
// may present it more than once before the device is in. It takes what
// [Service.UseLogin] takes and answers like it, except that nothing is kept but
// that a one-time login stays usable for a short reservation, even past its end.
// use names platform and step, such as "windows/policy"; the journal has it where
// somebody who proved the login is refused. The LoginOffer says Site, User, ExpiresAt (zero: none), Platform and Ownership,
// as far as they were chosen.
func (s *Service) CheckLogin(ctx context.Context, use string, l Login) (_ LoginOffer, err error) {
	defer s.did(ctx, "check_login", "", s.began(), &err)
	p, err := s.proveTyped(ctx, l)
	if err != nil {
		return LoginOffer{}, err
	}
	g := s.grantOfLogin(p)
	offer := LoginOffer{Site: p.site}
	err = s.presented(ctx, p, func(ctx context.Context, u *unit) error {
		if _, err := u.opensLogin(ctx, p, g); err != nil {
			return err
		}
		return u.describeLogin(ctx, p, &offer)
	})
	if err != nil {
		return LoginOffer{}, s.noteRefusal(ctx, g, use, err)
	}
	return offer, nil
}

// AcceptLogin is CheckLogin for a person who chose ownership and platform on
// the page: the answer says the next step, and the device gets the ownership
// unless it brings its own. It takes one-time logins alone, whose user name has no
// at sign, and none that was used before.
func (s *Service) AcceptLogin(ctx context.Context, l Login, r AcceptRequest) (_ LoginOffer, err error) {
	defer s.did(ctx, "accept_login", "", s.began(), &err)
	if err := r.validate(invitation.Invitation{}); err != nil {
		return LoginOffer{}, err
	}
	p, err := s.prove(ctx, l, "")
	if err != nil {
		return LoginOffer{}, err
	}
	offer := LoginOffer{Site: p.site}
	err = s.presented(ctx, p, func(ctx context.Context, u *unit) error {
		err := u.reserve(ctx, p, func(data *loginData) { data.Ownership, data.Platform = string(r.Ownership), string(r.Platform) })
		if err != nil {
			return err
		}
		return u.describeLogin(ctx, p, &offer)
	})
	if err != nil {
		return LoginOffer{}, err
	}
	offer.Platform, offer.Ownership, offer.Mode = r.Platform, r.Ownership, device.DefaultMode(r.Platform)
	o := Offer{Site: offer.Site, Platform: offer.Platform, Ownership: offer.Ownership, Mode: offer.Mode}
	if o.Username, err = credentials.ParseUsername(l.Username); err != nil {
		return LoginOffer{}, invalid("username", "malformed")
	}
	if platform := s.platformFor(offer.Platform); platform != nil {
		g := Grant{Site: offer.Site.ID, User: offer.User.ID, Generation: p.cred.Generation}
		if _, o.Grant, err = s.NewGrant(LoginGrantUse(platform.Name()), g, loginGrantLife); err != nil {
			return LoginOffer{}, err
		}
	}
	offer.Next, err = s.nextStep(ctx, o)
	return offer, err
}

// reserve keeps a one-time login that was proved usable for a while, and notes
// what was chosen on the page.
func (u *unit) reserve(ctx context.Context, p proof, note func(*loginData)) error {
	cred, data, err := u.still(ctx, p)
	if err != nil {
		return err
	}
	// Bounded by the login's own end: checking again and again must not keep it
	// alive.
	keep := p.site.Policy.Credentials.LoginReservation
	if data.ReservedUntil = u.now.Add(keep); data.ReservedUntil.After(data.ExpiresAt.Add(keep)) {
		data.ReservedUntil = data.ExpiresAt.Add(keep)
	}
	if note != nil {
		note(&data)
	}
	_, err = u.saveLogin(ctx, cred, &data)
	return err
}

// describeLogin says whose a login is and what was chosen with it.
func (u *unit) describeLogin(ctx context.Context, p proof, offer *LoginOffer) (err error) {
	user := p.cred.Owner
	if p.inv.ID != "" {
		var inv invitation.Invitation
		inv, err = u.Invitations().Get(ctx, p.inv.Site, p.inv.ID)
		user, offer.ExpiresAt = inv.User, inv.ExpiresAt
		offer.Platform = device.Platform(inv.AcceptedPlatform)
		offer.Ownership = device.Ownership(firstOf(inv.Ownership, inv.AcceptedOwnership))
	} else {
		var data loginData
		_, data, err = u.login(ctx, p.cred.Site, p.cred.Owner)
		offer.ExpiresAt = data.ExpiresAt
		offer.Platform, offer.Ownership = device.Platform(data.Platform), device.Ownership(data.Ownership)
	}
	if err == nil {
		offer.User, err = u.Users().Get(ctx, p.cred.Site, user)
	}
	if errors.Is(err, ErrNotFound) {
		return ErrCredentialRefused // erased
	}
	return err
}
