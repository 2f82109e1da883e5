package enrollment

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// AcceptRequest is what a person chooses on the invitation page.
type AcceptRequest struct {
	Ownership device.Ownership // required unless the invitation fixes it, which wins
	Platform  device.Platform
	// Again says that the device has enrolled by this invitation before. Such a
	// device may come back when all places are taken, so an invitation that was
	// exhausted less than [RecordsKept] ago answers with the next step too; nothing
	// is changed by that, and another device is refused when it enrolls. Later, what
	// a person types finds the invitation no more.
	Again bool
}

// Accepted is the answer to an accept.
type Accepted struct {
	Offer
	// OwnershipFixed says that the invitation decided the ownership, whatever
	// was asked for.
	OwnershipFixed bool
	Next           NextStep
}

// Peek returns what a token offers and changes nothing. It answers
// [ErrInvitationUnknown], or the Offer together with invitation.ErrDeactivated,
// ErrExpired or ErrExhausted.
func (s *Service) Peek(ctx context.Context, token string) (_ Offer, err error) {
	defer s.did(ctx, "peek", "", s.began(), &err)
	return s.peek(ctx, token)
}

func (s *Service) peek(ctx context.Context, token string) (Offer, error) {
	secret, err := credentials.ParseToken(token)
	if err != nil {
		return Offer{}, ErrInvitationUnknown
	}
	var inv invitation.Invitation
	var unusable error
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if inv, _, err = u.byToken(ctx, secret); err != nil {
			return err
		}
		unusable = inv.Usable(u.now, false)
		return nil
	})
	if err != nil {
		return Offer{}, err
	}
	site, err := s.site(ctx, inv.Site)
	if err != nil {
		return Offer{}, err
	}
	offer, err := s.offer(site, inv, secret)
	if err != nil {
		return Offer{}, err
	}
	offer.Again = errors.Is(unusable, invitation.ErrExhausted) && comesBack(inv, s.now())
	return offer, unusable
}

// comesBack reports whether a device of an invitation that was exhausted is still
// found by address and password.
func comesBack(inv invitation.Invitation, now time.Time) bool {
	return inv.EndedAt.IsZero() || now.Before(inv.EndedAt.Add(RecordsKept))
}

// RecordFetch notes that the page of a token was fetched, by whomever. It
// touches neither the invitation nor its state.
func (s *Service) RecordFetch(ctx context.Context, token string) (err error) {
	defer s.did(ctx, "record_fetch", "", s.began(), &err)
	secret, err := credentials.ParseToken(token)
	if err != nil {
		return ErrInvitationUnknown
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		inv, _, err := u.byToken(ctx, secret)
		if err != nil {
			return err
		}
		return u.see(ctx, inv.Site, inv.ID, invitation.Fetched)
	})
}

// See notes evidence for an invitation. It is for platforms, whose pages and
// profiles lie between the invitation and the device.
func (s *Service) See(ctx context.Context, site, id string, e invitation.Evidence) (err error) {
	defer s.did(ctx, "see", site, s.began(), &err)
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		if _, err := u.Invitations().Get(ctx, site, id); err != nil {
			return err
		}
		return u.see(ctx, site, id, e)
	})
}

// Accept notes that a person acted: the invitation is opened. Accepting again
// may choose anew. It answers like [Service.Peek], or a [*ValidationError].
func (s *Service) Accept(ctx context.Context, token string, r AcceptRequest) (_ Accepted, err error) {
	defer s.did(ctx, "accept", "", s.began(), &err)
	secret, err := credentials.ParseToken(token)
	if err != nil {
		return Accepted{}, ErrInvitationUnknown
	}
	var inv invitation.Invitation
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		found, _, err := u.byToken(ctx, secret)
		if err != nil {
			return err
		}
		if inv, err = u.Invitations().Lock(ctx, found.Site, found.ID); err != nil {
			return err
		}
		if err := inv.Usable(u.now, r.Again && comesBack(inv, u.now)); err != nil {
			return err
		}
		if err := r.validate(inv); err != nil {
			return err
		}
		if !inv.State.Active() { // exhausted, and stays as it was accepted
			return u.see(ctx, inv.Site, inv.ID, invitation.AcceptedByPerson)
		}
		return u.accept(ctx, &inv, r)
	})
	if err != nil {
		return Accepted{}, err
	}
	site, err := s.site(ctx, inv.Site)
	if err != nil {
		return Accepted{}, err
	}
	offer, err := s.offer(site, inv, secret)
	if err != nil {
		return Accepted{}, err
	}
	offer.Platform = r.Platform
	offer.Ownership = device.Ownership(inv.AcceptedOwnership)
	offer.Mode = modeFor("", inv, r.Platform)
	next, err := s.nextStep(ctx, offer)
	return Accepted{Offer: offer, OwnershipFixed: inv.Ownership != "", Next: next}, err
}

// QR returns what the QR code of a token says on platform p; with p empty, or a
// platform that has no payload of its own, that is the deployment URL.
func (s *Service) QR(ctx context.Context, token string, p device.Platform) (_ credentials.Secret, err error) {
	defer s.did(ctx, "qr", "", s.began(), &err)
	offer, err := s.peek(ctx, token)
	if err != nil {
		return credentials.Secret{}, err
	}
	offer.Platform = p
	offer.Mode = modeFor("", offer.Invitation, p)
	return s.qrPayload(ctx, offer)
}

func (r AcceptRequest) validate(inv invitation.Invitation) error {
	var fields []FieldError
	if !r.Platform.Valid() {
		fields = append(fields, FieldError{"platform", codeFor(string(r.Platform))})
	}
	if inv.Ownership == "" && !r.Ownership.Valid() {
		fields = append(fields, FieldError{"ownership", codeFor(string(r.Ownership))})
	}
	if len(fields) > 0 {
		return &ValidationError{Fields: fields}
	}
	return nil
}

// codeFor tells a missing value from an unknown one.
func codeFor(value string) string {
	if value == "" {
		return "required"
	}
	return "unknown"
}

// accept opens the invitation and notes the choice. A repetition of the same
// choice changes nothing.
func (u *unit) accept(ctx context.Context, inv *invitation.Invitation, r AcceptRequest) error {
	before := inv.State
	next, changed, err := inv.Open(u.now)
	if err != nil {
		return err
	}
	ownership := firstOf(inv.Ownership, string(r.Ownership))
	same := inv.AcceptedOwnership == ownership && inv.AcceptedPlatform == string(r.Platform)
	if !changed && same {
		return u.see(ctx, inv.Site, inv.ID, invitation.AcceptedByPerson)
	}
	next.AcceptedAt, next.AcceptedOwnership, next.AcceptedPlatform = u.now, ownership, string(r.Platform)
	event := Event{
		Type: invitation.EventAccepted, Actor: ActorUser,
		Data: map[string]string{"ownership": ownership, "platform": string(r.Platform)},
	}
	if changed {
		event.Type, event.Before, event.After, event.Reason = invitation.EventOpened, string(before), string(next.State), "accepted"
	}
	if *inv, err = u.saveInvitation(ctx, next, event); err != nil {
		return err
	}
	return u.see(ctx, inv.Site, inv.ID, invitation.AcceptedByPerson)
}

// byToken finds an invitation by its token, whatever its state.
func (u *unit) byToken(ctx context.Context, token credentials.Secret) (invitation.Invitation, Credential, error) {
	macs := u.ring.MACsSecret(credentials.PurposeToken, token)
	cred, err := u.Credentials().ByIndex(ctx, KindInvitation, macs)
	if errors.Is(err, ErrNotFound) {
		return invitation.Invitation{}, cred, u.missed(ctx, ErrInvitationUnknown)
	}
	if err != nil {
		return invitation.Invitation{}, cred, err
	}
	inv, err := u.Invitations().Get(ctx, cred.Site, cred.Owner)
	return inv, cred, err
}

// see notes one piece of evidence.
func (u *unit) see(ctx context.Context, site, id string, e invitation.Evidence) error {
	return u.Sightings().Note(ctx, invitation.Sighting{
		Site: site, Invitation: id, Evidence: e, Count: 1, First: u.now, Last: u.now,
	})
}

// offer is an invitation in the hands of whoever holds its token.
func (s *Service) offer(site Site, inv invitation.Invitation, token credentials.Secret) (Offer, error) {
	link, err := credentials.DeploymentURL(site.PublicURL, token)
	if err != nil {
		return Offer{}, err
	}
	return Offer{
		Site: site, Invitation: inv, URL: link, Token: token,
		Platform:  device.Platform(inv.AcceptedPlatform),
		Ownership: device.Ownership(firstOf(inv.Ownership, inv.AcceptedOwnership)),
		Mode:      device.Mode(inv.Mode),
	}, nil
}

// nextStep asks the platform, or sends the person to the store of the site's
// own agent.
func (s *Service) nextStep(ctx context.Context, o Offer) (NextStep, error) {
	if p := s.platformFor(o.Platform); p != nil {
		step, err := p.NextStep(ctx, o)
		if err != nil {
			return step, err
		}
		return s.signIn(ctx, o, step)
	}
	agent := o.Site.Agents[o.Platform]
	step := NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.InstallAgent, Agent: agent, URL: agent.InstallURL(o.Platform)}
	if agent.OpenURL != "" {
		step.OpenURL = credentials.SecretString(agent.OpenURL)
	}
	return step, nil
}

// qrPayload is what the QR code of an offer says.
func (s *Service) qrPayload(ctx context.Context, o Offer) (credentials.Secret, error) {
	if p := s.platformFor(o.Platform); p != nil {
		if payload, err := p.QR(ctx, o); err != nil || !payload.IsZero() {
			return payload, err
		}
	}
	return o.URL, nil
}

// modeFor decides the mode of a device of platform p: as asked for, else as the
// invitation recommends, else the platform's default. What belongs to another
// platform does not count.
func modeFor(asked device.Mode, inv invitation.Invitation, p device.Platform) device.Mode {
	for _, m := range []device.Mode{asked, device.Mode(inv.Mode)} {
		if m != "" && m.Platform() == p {
			return m
		}
	}
	return device.DefaultMode(p)
}
