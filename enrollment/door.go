package enrollment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
)

// door is a site whose passcode a try is compared with.
type door struct {
	site   Site
	users  []User // with the address; none where only the host names the site
	cred   Credential
	active bool
}

// doors returns the sites that a try is booked on: those that know the address,
// and the one that has the host to itself.
func (s *Service) doors(ctx context.Context, address, host string) ([]door, error) {
	users := map[string][]User{}
	if s.cfg.Directory != nil {
		found, err := s.cfg.Directory.ByEmail(ctx, address)
		if err != nil {
			return nil, err
		}
		for _, user := range found {
			user = ofDirectory(user)
			if user.EmailKey == address && user.Site != "" && user.ID != "" {
				users[user.Site] = append(users[user.Site], user)
			}
		}
	}
	for _, list := range users { // one address of two people is the first one's, always
		slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.ID, b.ID) })
	}
	own, err := s.cfg.Sites.Host(ctx, host)
	if err != nil {
		return nil, err
	}
	if own.SoleHost && users[own.ID] == nil {
		users[own.ID] = []User{}
	}
	var list []door
	for id, known := range users {
		site, err := s.site(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if host == "" || (site.PublicURL != nil && site.PublicURL.Host == host) {
			list = append(list, door{site: site, users: known})
		}
	}
	slices.SortFunc(list, func(a, b door) int { return strings.Compare(a.site.ID, b.site.ID) })
	return list, s.view(ctx, func(ctx context.Context, u *unit) error {
		for i := range list {
			d := &list[i]
			cred, data, err := u.passcode(ctx, d.site.ID)
			if err != nil {
				return err
			}
			d.cred, d.active = cred, data.Status == PasscodeActive
			if d.active && !slices.Contains(s.keys().IDs(), cred.Check.KeyID) {
				return fmt.Errorf("enrollment: a passcode in use: %w", credentials.ErrUnknownKey)
			}
		}
		return nil
	})
}

// limits are what a wrong try costs a site: the source's share, and the lock.
func (d door) limits(source string) []credentials.Limit {
	if !d.active {
		return nil
	}
	p := d.site.Policy.Credentials
	limits := []credentials.Limit{p.PasscodeLimit(d.site.ID, d.cred.Generation)}
	if limit, on := p.PasscodeSourceLimit(d.site.ID, source); on {
		limits = append(limits, limit)
	}
	return limits
}

// slowLimits are what a try costs beyond the source's share.
func (d door) slowLimits(source string) []credentials.Limit {
	p := d.site.Policy.Credentials
	return []credentials.Limit{p.PasscodeSlowLimit(d.site.ID, source), p.PasscodeExcessLimit(d.site.ID, d.cred.Generation)}
}

// How a try waits for others of its source that are under way.
const (
	patience = time.Second
	patient  = 25 * time.Millisecond
)

// spendPatiently repeats what only the source's cap refused while other tries of
// that source are under way: right ones give their place back in a moment, and a
// room full of people must not be told that a mail is coming which is not.
func (s *Service) spendPatiently(ctx context.Context, doors []door, source string, spent []GroupSpent) error {
	used, err := s.capsUsedUp(ctx, doors, source, spent)
	if err != nil {
		return err
	}
	for waited := time.Duration(0); waited < patience; waited += patient {
		var at []int
		var groups [][]credentials.Limit
		now := s.now()
		for i, d := range doors {
			if !d.active || spent[i].OK || used[i] {
				continue
			}
			limits := d.limits(source)
			if c := spent[i].Counters; len(c) > 1 && c[0].Left(limits[0], now) > 0 && now.Sub(c[1].Last) < 2*patience {
				at, groups = append(at, i), append(groups, limits)
			}
		}
		if len(at) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patient):
		}
		again, err := s.store.Spend(ctx, s.now(), nil, groups...)
		if err != nil {
			return err
		}
		for k, i := range at {
			spent[i] = again.Groups[k]
		}
	}
	return nil
}

// capsUsedUp says for which doors the source's cap is full of wrong tries, which
// nobody will give back.
func (s *Service) capsUsedUp(ctx context.Context, doors []door, source string, spent []GroupSpent) ([]bool, error) {
	used := make([]bool, len(doors))
	if !slices.ContainsFunc(spent, func(g GroupSpent) bool { return !g.OK }) {
		return used, nil
	}
	return used, s.view(ctx, func(ctx context.Context, u *unit) error {
		for i, d := range doors {
			limits := d.limits(source)
			if spent[i].OK || len(limits) < 2 {
				continue
			}
			wrong := wrongLimits(limits)[1]
			counters, err := u.Counters().Get(ctx, wrong.Key)
			if err != nil {
				return err
			}
			used[i] = wrong.Max-counters[0].Left(wrong, u.now) >= limits[1].Max
		}
		return nil
	})
}

// spendSlowly gives the tries that only their source's cap refused another
// chance: compared at a slow pace, counted to be shown, and not towards the lock.
func (s *Service) spendSlowly(ctx context.Context, doors []door, source string, spent []GroupSpent) ([]bool, error) {
	ok := make([]bool, len(doors))
	var at []int
	var groups [][]credentials.Limit
	now := s.now()
	for i, d := range doors {
		if d.active && !spent[i].OK && spent[i].Counters[0].Left(d.limits(source)[0], now) > 0 {
			at = append(at, i)
			groups = append(groups, d.slowLimits(source))
		}
	}
	if len(at) == 0 {
		return ok, nil
	}
	slow, err := s.store.Spend(ctx, now, nil, groups...)
	if err != nil {
		return nil, err
	}
	for k, i := range at {
		ok[i] = slow.Groups[k].OK
	}
	return ok, nil
}
