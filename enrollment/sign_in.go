package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// signIn fills in what a person types into the screens of a system, for a next
// step that asks for it.
//
// It changes nothing: the password is derived, so that the page may be shown
// again, and the same one is shown until a device came in by it.
func (s *Service) signIn(ctx context.Context, o Offer, step NextStep) (NextStep, error) {
	step.Username, step.Password = "", credentials.Secret{} // nobody else's to say
	if step.Action != device.SignIn {
		return step, nil
	}
	if at := o.Site.PublicURL; step.Server == "" && at != nil {
		step.Server = at.Scheme + "://" + at.Host
	}
	switch {
	case o.Username != "":
		step.Username = o.Username
		return step, nil
	case o.Invitation.EmailKey == "":
		return step, nil // nothing that it could be found by
	}
	step.Username = o.Invitation.Email
	var cred Credential
	left := 0
	err := s.view(ctx, func(ctx context.Context, u *unit) (err error) {
		if cred, err = u.Credentials().Get(ctx, o.Invitation.Site, o.Invitation.ID, KindInvitation); err != nil {
			return err
		}
		left, err = u.passwordTriesLeft(ctx, o.Invitation)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return step, ErrInvitationUnknown // erased since it was accepted
	}
	if err != nil || left == 0 || cred.Generation != o.Invitation.PINGeneration {
		return step, err
	}
	step.Password, err = s.shownPassword(cred)
	return step, err
}
