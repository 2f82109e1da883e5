package enrollment

import "context"

// GrantUsed says whether a use of a grant is kept: what carried it admits its one
// device, or did, and nobody new. A grant that is none of ours was not used.
func (s *Service) GrantUsed(ctx context.Context, g Grant) (used bool, err error) {
	defer s.did(ctx, "grant_used", g.Site, s.began(), &err)
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		kept, err := u.answered(ctx, g.Site, scopeGrant, g.ID)
		used = kept != nil
		return err
	})
	return used, err
}
