package enrollment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// maxCandidates is how many invitations one try with address + PIN is compared
// with: one address may be invited by several sites of a host.
const maxCandidates = 8

// maxInvited is how many invitations of one address are looked at to find the
// candidates among them.
const maxInvited = 200

// candidate is an invitation that a PIN might belong to, or a password.
type candidate struct {
	inv  invitation.Invitation
	cred Credential
	site Site
	over bool // it admits nobody new; only an answer of before is repeated

	password int // the number of its one-time password that was right, from 1
}

// enrollByPIN admits a device by address and PIN, see guess.
func (s *Service) enrollByPIN(ctx context.Context, r EnrollRequest) (Enrolled, error) {
	pin, err := credentials.ParsePIN(r.Credential.PIN.Reveal())
	if err != nil {
		return Enrolled{}, invalid("credential.pin", "malformed")
	}
	address, err := credentials.CanonicalEmail(r.Credential.Email)
	if err != nil {
		return Enrolled{}, invalid("credential.email", "malformed")
	}
	winner, refund, err := s.guess(ctx, guess{
		name: "pin", address: address, host: r.Host, source: r.Source,
		right: func(c *candidate) (bool, error) {
			return s.keys().VerifySecret(c.cred.Check, credentials.PurposePIN, pin, pinContext(c.inv.Site, c.inv.ID, c.cred.Generation)...)
		},
	})
	if err != nil {
		return Enrolled{}, err
	}
	return s.admitByPIN(ctx, winner, refund, r)
}

// admitByPIN is unit 2. The try is given back with the admission, or by itself
// where there is none: the PIN was right. One that was replaced since it was
// compared admits nobody, and what is over is told from nothing that never was.
func (s *Service) admitByPIN(ctx context.Context, c candidate, refund []string, r EnrollRequest) (Enrolled, error) {
	first := func(ctx context.Context, u *unit) error {
		cred, err := u.Credentials().Get(ctx, c.inv.Site, c.inv.ID, KindInvitation)
		if errors.Is(err, ErrNotFound) {
			return ErrCredentialRefused // erased since it was compared
		}
		if err != nil {
			return err
		}
		if cred.Generation != c.cred.Generation {
			return ErrCredentialRefused
		}
		return nil
	}
	last := func(ctx context.Context, u *unit) error { return u.Counters().Refund(ctx, refund...) }
	out, err := s.admission(ctx, c.site, r, entry{inv: c.inv, first: first, last: last})
	if err == nil {
		return out, nil
	}
	s.giveBackAfter(ctx, err, refund)
	switch Code(err) {
	case "invitation_deactivated", "invitation_expired", "invitation_exhausted":
		return Enrolled{}, ErrCredentialRefused
	}
	return Enrolled{}, err
}

// giveBackAfter is giveBack for a unit 2 that ended with err. One that may have
// come about gave the try back itself: a second time would give a guess away.
func (s *Service) giveBackAfter(ctx context.Context, err error, keys []string) {
	if errors.Is(err, ErrUnsettled) {
		s.cfg.Logger.WarnContext(ctx, "enrollment: a right try may stay counted", "code", Code(err))
		return
	}
	s.giveBack(ctx, keys)
}

// giveBack returns a right try whose unit 2 did not come about.
func (s *Service) giveBack(ctx context.Context, keys []string) {
	err := s.update(context.WithoutCancel(ctx), func(ctx context.Context, u *unit) error {
		return u.Counters().Refund(ctx, keys...)
	})
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "enrollment: a right try stays counted", "code", Code(err))
	}
}

// candidates returns the invitations to an address on a host: those that are
// active, and behind them those that ended lately, whose answers may be
// repeated. Sites take turns, the oldest of each first, so that no site can
// crowd another's out.
func (s *Service) candidates(ctx context.Context, address, host string) ([]candidate, error) {
	var found []candidate
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		found = nil
		invs, err := u.Invitations().ByEmail(ctx, address, u.now.Add(-RecordsKept), maxInvited)
		if err != nil {
			return err
		}
		for _, inv := range invs {
			found = append(found, candidate{inv: inv, over: usable(inv, u) != nil})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sites := map[string]Site{}
	turn := map[candidateTurn]int{}
	list := found[:0]
	for _, c := range found {
		var known bool
		if c.site, known = sites[c.inv.Site]; !known {
			c.site, err = s.site(ctx, c.inv.Site)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
			sites[c.inv.Site] = c.site // a tenant that is gone answers on no host
		}
		if c.site.PublicURL != nil && (host == "" || c.site.PublicURL.Host == host) {
			list = append(list, c)
		}
	}
	order := make(map[string]int, len(list))
	for _, c := range list {
		t := candidateTurn{c.inv.Site, c.over}
		order[c.inv.ID] = turn[t]
		turn[t]++
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(truth(a.over), truth(b.over)), cmp.Compare(order[a.inv.ID], order[b.inv.ID]))
	})
	list = list[:min(len(list), maxCandidates)]
	return list, s.loadPINs(ctx, list)
}

// candidateTurn is one site's queue of candidates.
type candidateTurn struct {
	site string
	over bool
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// loadPINs reads the candidates' credentials. A key that this node's ring lacks
// would make every right PIN a wrong one, so it is found here, before anything
// is counted.
func (s *Service) loadPINs(ctx context.Context, list []candidate) error {
	if len(list) == 0 {
		return nil
	}
	return s.view(ctx, func(ctx context.Context, u *unit) error {
		for i := range list {
			c := &list[i]
			cred, err := u.Credentials().Get(ctx, c.inv.Site, c.inv.ID, KindInvitation)
			if errors.Is(err, ErrNotFound) {
				return ErrCredentialRefused // erased a moment ago
			}
			if err != nil {
				return err
			}
			if !slices.Contains(s.keys().IDs(), cred.Check.KeyID) {
				return fmt.Errorf("enrollment: a PIN in use: %w", credentials.ErrUnknownKey)
			}
			c.cred = cred
		}
		return nil
	})
}
