package enrollment

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"time"

	"example.com/enrollkit/credentials"
)

// guess is one try with an address and with what may be right for one of the
// invitations to it.
type guess struct {
	name    string     // for the Observer
	address string     // canonical
	host    string     // see EnrollRequest
	source  netip.Addr // likewise
	// right compares with one candidate, in constant time. An error says that
	// nothing was compared.
	right func(*candidate) (bool, error)
	// password says that a one-time password is tried and no PIN: one that is so
	// long that it is counted on counters of its own, and that what is right for one
	// invitation was no guess at the others, which get their tries back.
	password bool
}

// gate is what every try of the address costs. A password has none: whoever knows
// an address must not be able to shut out the one who has the page.
func (g guess) gate(s *Service, pace credentials.Policy) []credentials.Limit {
	limit, on := pace.PINPaceLimit(s.keyOf(credentials.PurposeEmail, g.host, g.address))
	if !on || g.password {
		return nil
	}
	return []credentials.Limit{limit}
}

// limits are what a wrong try costs a candidate, its own budget first.
func (g guess) limits(c candidate) []credentials.Limit {
	if g.password {
		return []credentials.Limit{credentials.PasswordBudgetLimit(c.inv.Site, c.inv.ID, c.cred.Generation)}
	}
	return c.limits()
}

// nobodys is what a try at an address costs that nobody has, where the address has
// no pace: as much work as at one that somebody has.
func (g guess) nobodys(s *Service) []credentials.Limit {
	limit := credentials.PasswordBudgetLimit("", s.keyOf(credentials.PurposeEmail, g.host, g.address), 0)
	limit.Window = time.Hour // it need not be kept
	return []credentials.Limit{limit}
}

// guess is the guess, exactly: unit 1 spends a try on every counter and
// commits; then it is compared. It returns the candidate for which it was right,
// and the counters on which the caller gives the try back in unit 2. Between the
// two, nothing that fails can make a try uncounted.
func (s *Service) guess(ctx context.Context, g guess) (_ candidate, refund []string, _ error) {
	pace, err := s.hostPolicy(ctx, g.host)
	if err != nil {
		return candidate{}, nil, err
	}
	source := s.sourceLimit(pace, g.host, g.source)
	if err := s.sourcePaced(ctx, source); err != nil {
		if Code(err) == "paced" {
			s.tried(ctx, g.name, TryPaced, "", 1)
		}
		return candidate{}, nil, err
	}
	gate := g.gate(s, pace)
	list, err := s.candidates(ctx, g.address, g.host)
	if err != nil {
		return candidate{}, nil, err
	}
	groups := make([][]credentials.Limit, len(list))
	for i, c := range list {
		groups[i] = g.limits(c)
	}
	if len(list) == 0 && g.password {
		groups = append(groups, g.nobodys(s))
	}
	spent, err := s.store.Spend(ctx, s.now(), gate, groups...)
	if err != nil {
		return candidate{}, nil, err
	}
	if spent.Refused {
		s.tried(ctx, g.name, TryPaced, "", 1)
		return candidate{}, nil, &PacedError{RetryAt: spent.RetryAt}
	}

	// Every candidate whose budget had a try is compared, so that neither the
	// number nor the order of comparisons says which one was right.
	winner, missed := -1, []int{}
	if len(list) == 0 {
		s.tried(ctx, g.name, TryUnknown, "", 1)
	}
	for i := range list {
		c := &list[i]
		if !spent.Groups[i].OK {
			s.tried(ctx, g.name, TryLocked, c.inv.Site, 1)
			continue
		}
		right, err := g.right(c)
		switch {
		case err != nil: // of this process's ring: nothing was compared
			s.giveBack(ctx, spentKeys(gate, groups, spent.Groups))
			return candidate{}, nil, err
		case right && winner < 0:
			winner = i
		case !right:
			missed = append(missed, i)
		}
		s.tried(ctx, g.name, rightOrWrong(right), c.inv.Site, 1)
	}
	if winner >= 0 && g.password {
		return list[winner], spentKeys(gate, groups, spent.Groups), nil
	}
	s.missed(ctx, g, list, missed, spent.Groups, source, winner < 0)
	if winner < 0 {
		return candidate{}, nil, ErrCredentialRefused
	}
	return list[winner], keysOf(append(gate, groups[winner]...)), nil
}

// hostPolicy paces every guess on a host, known or not. It is the host's and not
// the site's: what nobody has is paced like what somebody has.
func (s *Service) hostPolicy(ctx context.Context, host string) (credentials.Policy, error) {
	if s.cfg.Sites == nil {
		return credentials.Policy{}, fmt.Errorf("enrollment: no sites in the config: %w", ErrNotFound)
	}
	site, err := s.cfg.Sites.Host(ctx, host)
	return site.Policy.Credentials.WithDefaults(), err
}

// sourceLimit is the pace of one source, none if it is off.
func (s *Service) sourceLimit(p credentials.Policy, host string, from netip.Addr) []credentials.Limit {
	if limit, on := p.SourceLimit(s.keyOf(credentials.PurposeSource, host, network(from))); on {
		return []credentials.Limit{limit}
	}
	return nil
}

// sourcePaced refuses a source that has failed too often. Unlike a budget it
// counts failures alone, after they happened: a room full of people behind one
// address tries at the same time. What gets through in a burst is bounded by
// the exact counters of the address and of the PIN.
func (s *Service) sourcePaced(ctx context.Context, source []credentials.Limit) error {
	if len(source) == 0 {
		return nil
	}
	return s.view(ctx, func(ctx context.Context, u *unit) error {
		counters, err := u.Counters().Get(ctx, keysOf(source)...)
		if err != nil {
			return err
		}
		for i, limit := range source {
			if _, ok, retryAt := counters[i].Spend(limit, u.now); !ok {
				return &PacedError{RetryAt: retryAt}
			}
		}
		return nil
	})
}

// keyOf stands for an address, a source or a user name in a counter's key. It
// stays the same when keys are rotated, or a rotation would give tries back.
func (s *Service) keyOf(p credentials.Purpose, parts ...string) string {
	raw := make([][]byte, len(parts))
	for i, part := range parts {
		raw[i] = []byte(part)
	}
	name := s.keys().Name(p, raw...)
	return base64.RawURLEncoding.EncodeToString(name[:])
}

// network is what counts as one source: an IPv4 address, or the /64 that one
// IPv6 customer has.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// limits are what a wrong PIN costs a candidate.
func (c candidate) limits() []credentials.Limit {
	p := c.site.Policy.Credentials
	limits := []credentials.Limit{p.PINBudgetLimit(c.inv.Site, c.inv.ID, c.cred.Generation)}
	if limit, on := p.PINSiteLimit(c.inv.Site); on {
		limits = append(limits, limit)
	}
	return limits
}

// spentKeys are the counters on which a Spend has put a try.
func spentKeys(gate []credentials.Limit, groups [][]credentials.Limit, spent []GroupSpent) []string {
	keys := keysOf(gate)
	for i, g := range groups {
		if spent[i].OK {
			keys = append(keys, keysOf(g)...)
		}
	}
	return keys
}

func keysOf(limits []credentials.Limit) []string {
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	return keys
}
