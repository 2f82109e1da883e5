package enrollment

import (
	"context"
	"errors"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// SpendGrant is UseGrant for a platform that keeps by itself, before it calls, what
// the grant is to be used for, and whose own next step or answer may be lost: that
// the grant was used before is no error then and no refusal, and before says so.
// What gave the grant has to stand all the same.
func (s *Service) SpendGrant(ctx context.Context, use string, text credentials.Secret, seen invitation.Evidence) (_ Grant, before bool, err error) {
	defer s.did(ctx, "spend_grant", "", s.began(), &err)
	g, err := s.parseGrant(use, text)
	if err == nil {
		err = s.employed(ctx, g)
	}
	if err == nil {
		err = s.update(ctx, func(ctx context.Context, u *unit) error { return u.useGrant(ctx, g, seen) })
	}
	if errors.Is(err, ErrGrantUsed) || errors.Is(err, ErrExists) { // the latter at the same time
		before = true
		err = s.view(ctx, func(ctx context.Context, u *unit) error { return u.stands(ctx, g) })
	}
	return g, before, s.noteRefusal(ctx, g, use, err)
}
