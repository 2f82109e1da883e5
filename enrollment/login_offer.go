package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// CheckLogin proves a one-time login without using it up, any number of times,
// and keeps it usable for a short reservation even past its end: a platform may
// present it more than once before the device is in. It answers
// [ErrCredentialRefused], [*PacedError] or a [*ValidationError] ("username",
// "password").
func (s *Service) CheckLogin(ctx context.Context, l Login) (_ LoginOffer, err error) {
	defer s.did(ctx, "check_login", "", s.began(), &err)
	return s.checkLogin(ctx, l, func(Credential, *loginData) error { return nil })
}

// AcceptLogin is CheckLogin for a person who chose ownership and platform on
// the page: the answer says the next step, and the device gets the ownership
// unless it brings its own.
func (s *Service) AcceptLogin(ctx context.Context, l Login, r AcceptRequest) (_ LoginOffer, err error) {
	defer s.did(ctx, "accept_login", "", s.began(), &err)
	if err := r.validate(invitation.Invitation{}); err != nil {
		return LoginOffer{}, err
	}
	generation := 0
	offer, err := s.checkLogin(ctx, l, func(cred Credential, data *loginData) error {
		data.Ownership, data.Platform, generation = string(r.Ownership), string(r.Platform), cred.Generation
		return nil
	})
	if err != nil {
		return LoginOffer{}, err
	}
	offer.Platform, offer.Ownership, offer.Mode = r.Platform, r.Ownership, device.DefaultMode(r.Platform)
	o := Offer{Site: offer.Site, Platform: offer.Platform, Ownership: offer.Ownership, Mode: offer.Mode}
	if p := s.platformFor(offer.Platform); p != nil {
		g := Grant{Site: offer.Site.ID, User: offer.User.ID, Generation: generation}
		if _, o.Grant, err = s.NewGrant(LoginGrantUse(p.Name()), g, loginGrantLife); err != nil {
			return LoginOffer{}, err
		}
	}
	offer.Next, err = s.nextStep(ctx, o)
	return offer, err
}

func (s *Service) checkLogin(ctx context.Context, l Login, note func(Credential, *loginData) error) (LoginOffer, error) {
	p, err := s.prove(ctx, l)
	if err != nil {
		return LoginOffer{}, err
	}
	offer := LoginOffer{Site: p.site}
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		cred, data, err := u.still(ctx, p)
		if err != nil {
			return err
		}
		// Bounded by the login's own end: checking again and again must not keep
		// it alive.
		keep := p.site.Policy.Credentials.LoginReservation
		if data.ReservedUntil = u.now.Add(keep); data.ReservedUntil.After(data.ExpiresAt.Add(keep)) {
			data.ReservedUntil = data.ExpiresAt.Add(keep)
		}
		if err := note(cred, &data); err != nil {
			return err
		}
		if _, err := u.saveLogin(ctx, cred, &data); err != nil {
			return err
		}
		offer.ExpiresAt = data.ExpiresAt
		if offer.User, err = u.Users().Get(ctx, cred.Site, cred.Owner); errors.Is(err, ErrNotFound) {
			return ErrCredentialRefused // erased
		}
		if err != nil {
			return err
		}
		return u.Counters().Refund(ctx, p.refund...)
	})
	if err != nil {
		s.giveBackAfter(ctx, err, p.refund) // the password was right
		return LoginOffer{}, err
	}
	return offer, nil
}
