package enrollment

import (
	"context"
	"encoding/base64"
	"net/netip"
	"strconv"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// maxCandidates is how many invitations one try with address + PIN is compared
// with: one address may be invited by several sites of a host.
const maxCandidates = 8

// candidate is an invitation that a PIN might belong to.
type candidate struct {
	inv  invitation.Invitation
	cred Credential
	site Site
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
	list, pace, err := s.candidates(ctx, address, r.Host)
	if err != nil {
		return Enrolled{}, err
	}
	gate := s.pinGate(pace, address, r.Source)
	groups := make([][]credentials.Limit, len(list))
	for i, c := range list {
		groups[i] = c.limits()
	}
	now := s.now()
	spent, err := s.store.Spend(ctx, now, gate, groups...)
	if err != nil {
		return Enrolled{}, err
	}
	if spent.Refused {
		return Enrolled{}, &PacedError{RetryAt: spent.RetryAt}
	}

	// Every candidate whose budget had a try is compared, so that neither the
	// number nor the order of comparisons says which one was right.
	winner := -1
	for i, c := range list {
		if !spent.Groups[i].OK || c.cred.Check.IsZero() {
			continue
		}
		right, err := s.cfg.Keyring.VerifySecret(c.cred.Check, credentials.PurposePIN, pin, pinContext(c.inv.Site, c.inv.ID, c.cred.Generation)...)
		if err != nil {
			return Enrolled{}, err
		}
		if right && winner < 0 {
			winner = i
		}
	}
	for i, c := range list {
		if i == winner {
			continue
		}
		if err := s.pinMissed(ctx, c, spent.Groups[i]); err != nil {
			return Enrolled{}, err
		}
	}
	if winner < 0 {
		return Enrolled{}, ErrCredentialRefused
	}
	return s.admitByPIN(ctx, list[winner], keysOf(append(gate, groups[winner]...)), r)
}

// admitByPIN is unit 2. A PIN that was replaced or burnt since it was compared
// admits nobody.
func (s *Service) admitByPIN(ctx context.Context, c candidate, refund []string, r EnrollRequest) (Enrolled, error) {
	var out Enrolled
	var refusal error
	err := s.update(ctx, func(ctx context.Context, u *unit) error {
		out, refusal = Enrolled{}, nil
		inv, err := u.Invitations().Lock(ctx, c.inv.Site, c.inv.ID)
		if err != nil {
			return err
		}
		cred, err := u.Credentials().Get(ctx, inv.Site, inv.ID, KindInvitation)
		if err != nil {
			return err
		}
		if cred.Check != c.cred.Check {
			refusal = ErrCredentialRefused
			return nil
		}
		if err := u.Counters().Refund(ctx, refund...); err != nil {
			return err
		}
		// A refusal of the invitation is an outcome, so that the refund stays.
		if err := inv.Usable(u.now, true); err != nil {
			refusal = err
			return nil
		}
		out, err = u.admit(ctx, c.site, inv, r)
		if code := Code(err); code == "invitation_exhausted" || code == "idempotency_key_reused" || code == "device_gone" {
			refusal = err
			return nil
		}
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Enrolled{}, err
	}
	return s.enrolled(c.site, out)
}

// candidates returns the active invitations to an address, oldest first, and
// the policy that paces tries with this address: that of the first candidate's
// site, or of the host for an address that nobody has.
func (s *Service) candidates(ctx context.Context, address, host string) ([]candidate, credentials.Policy, error) {
	var found []candidate
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		found = nil
		invs, err := u.Invitations().ByEmail(ctx, address, maxCandidates)
		if err != nil {
			return err
		}
		for _, inv := range invs {
			cred, err := u.Credentials().Get(ctx, inv.Site, inv.ID, KindInvitation)
			if err != nil {
				return err
			}
			found = append(found, candidate{inv: inv, cred: cred})
		}
		return nil
	})
	if err != nil {
		return nil, credentials.Policy{}, err
	}
	var list []candidate
	for _, c := range found {
		if c.site, err = s.site(ctx, c.inv.Site); err != nil {
			return nil, credentials.Policy{}, err
		}
		if host == "" || (c.site.PublicURL != nil && c.site.PublicURL.Host == host) {
			list = append(list, c)
		}
	}
	if len(list) > 0 {
		return list, list[0].site.Policy.Credentials, nil
	}
	if s.cfg.Sites == nil {
		return nil, credentials.Policy{}, nil
	}
	site, err := s.cfg.Sites.Host(ctx, host)
	return nil, site.Policy.Credentials, err
}

// pinGate is what every try with an address has to pass, known or not.
func (s *Service) pinGate(p credentials.Policy, address string, source netip.Addr) []credentials.Limit {
	var gate []credentials.Limit
	if limit, on := p.SourceLimit(s.keyOf(credentials.PurposeSource, network(source))); on {
		gate = append(gate, limit)
	}
	if limit, on := p.PINPaceLimit(s.keyOf(credentials.PurposeEmail, address)); on {
		gate = append(gate, limit)
	}
	return gate
}

// keyOf stands for an address in a counter's key.
func (s *Service) keyOf(p credentials.Purpose, text string) string {
	mac := s.cfg.Keyring.MAC(p, []byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum[:])
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

func keysOf(limits []credentials.Limit) []string {
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	return keys
}

// pinMissed tells the administrators when a candidate's wrong tries reach the
// alert level, and when they have burnt its PIN. That a PIN is burnt is nothing
// but its counter being full: right tries that are under way fill it for a
// moment and give their place back. It looks at what is spent and not at whether
// this very try reached it, so that a crash in between is made good by the next
// try; each level is told once per PIN.
func (s *Service) pinMissed(ctx context.Context, c candidate, g GroupSpent) error {
	if c.cred.Check.IsZero() || len(g.Counters) == 0 {
		return nil
	}
	p := c.site.Policy.Credentials
	tries := g.Counters[0].N
	if tries >= p.PINBudget {
		return s.raise(ctx, c, invitation.EventPINBurnt, p.PINBudget)
	}
	if p.PINAlert != credentials.Off && tries >= p.PINAlert {
		return s.raise(ctx, c, invitation.EventPINAlert, p.PINAlert)
	}
	return nil
}

// raise journals one level of wrong tries and queues the alert, once per PIN,
// if its counter still stands at that many.
func (s *Service) raise(ctx context.Context, c candidate, level string, tries int) error {
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Lock(ctx, c.inv.Site, c.inv.ID)
		if err != nil {
			return err
		}
		if inv.PINGeneration != c.cred.Generation || !inv.State.Active() {
			return nil // a new PIN, or none, by now
		}
		counters, err := u.Counters().Get(ctx, pinBudgetKey(inv))
		if err != nil {
			return err
		}
		if counters[0].N < tries {
			return nil // some of them were right
		}
		key := inv.ID + "/" + strconv.Itoa(inv.PINGeneration)
		if old, err := u.answered(ctx, inv.Site, level, key, nil); err != nil || old != nil {
			return err
		}
		err = u.Records().Put(ctx, Record{
			Site: inv.Site, Scope: level, Key: key, Result: []byte("{}"), At: u.now, ExpiresAt: u.now.Add(raisedKept),
		})
		if err != nil {
			return err
		}
		events := []Event{{Type: EventType(level), Actor: ActorSystem, Data: map[string]string{"tries": strconv.Itoa(tries)}}}
		if _, err := u.saveInvitation(ctx, inv, events...); err != nil {
			return err
		}
		return u.enqueue(ctx, Message{Site: inv.Site, Kind: MessageAlert, Invitation: inv.ID, User: inv.User, Event: events[0].ID})
	})
}

// raisedKept is how long a told level is remembered: longer than any PIN is
// likely to be guessed at slowly.
const raisedKept = 10 * 365 * 24 * time.Hour
