package enrollment

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
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

// candidate is an invitation that a PIN might belong to.
type candidate struct {
	inv  invitation.Invitation
	cred Credential
	site Site
	over bool // it admits nobody new; only an answer of before is repeated
}

// enrollByPIN is the guess, exactly: unit 1 spends a try on every counter and
// commits; then the PIN is compared; unit 2 acts and gives its own try back.
// Between the two, nothing that fails can make a try uncounted.
func (s *Service) enrollByPIN(ctx context.Context, r EnrollRequest) (Enrolled, error) {
	pin, err := credentials.ParsePIN(r.Credential.PIN.Reveal())
	if err != nil {
		return Enrolled{}, invalid("credential.pin", "malformed")
	}
	address, err := credentials.CanonicalEmail(r.Credential.Email)
	if err != nil {
		return Enrolled{}, invalid("credential.email", "malformed")
	}
	pace, err := s.hostPolicy(ctx, r.Host)
	if err != nil {
		return Enrolled{}, err
	}
	source := s.sourceLimit(pace, r.Host, r.Source)
	if err := s.sourcePaced(ctx, source); err != nil {
		if Code(err) == "paced" {
			s.tried(ctx, "pin", TryPaced, "", 1)
		}
		return Enrolled{}, err
	}
	var gate []credentials.Limit
	if limit, on := pace.PINPaceLimit(s.keyOf(credentials.PurposeEmail, r.Host, address)); on {
		gate = append(gate, limit)
	}
	list, err := s.candidates(ctx, address, r.Host)
	if err != nil {
		return Enrolled{}, err
	}
	groups := make([][]credentials.Limit, len(list))
	for i, c := range list {
		groups[i] = c.limits()
	}
	spent, err := s.store.Spend(ctx, s.now(), gate, groups...)
	if err != nil {
		return Enrolled{}, err
	}
	if spent.Refused {
		s.tried(ctx, "pin", TryPaced, "", 1)
		return Enrolled{}, &PacedError{RetryAt: spent.RetryAt}
	}

	// Every candidate whose budget had a try is compared, so that neither the
	// number nor the order of comparisons says which one was right.
	winner, missed := -1, []int{}
	if len(list) == 0 {
		s.tried(ctx, "pin", TryUnknown, "", 1)
	}
	for i, c := range list {
		if !spent.Groups[i].OK {
			s.tried(ctx, "pin", TryLocked, c.inv.Site, 1)
			continue
		}
		right, err := s.keys().VerifySecret(c.cred.Check, credentials.PurposePIN, pin, pinContext(c.inv.Site, c.inv.ID, c.cred.Generation)...)
		switch {
		case err != nil: // of this process's ring: nothing was compared
			s.giveBack(ctx, spentKeys(gate, groups, spent.Groups))
			return Enrolled{}, err
		case right && winner < 0:
			winner = i
		case !right:
			missed = append(missed, i)
		}
		s.tried(ctx, "pin", rightOrWrong(right), c.inv.Site, 1)
	}
	s.pinsMissed(ctx, list, missed, spent.Groups, address, source, winner < 0)
	if winner < 0 {
		return Enrolled{}, ErrCredentialRefused
	}
	return s.admitByPIN(ctx, list[winner], keysOf(append(gate, groups[winner]...)), r)
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

// limits are what a wrong try costs a candidate.
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
