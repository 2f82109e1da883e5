package enrollment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// settleTime is longer than any try is under way between its two units.
const settleTime = time.Minute

// raisedKept is how long a told level is remembered: longer than any PIN is
// likely to be guessed at slowly.
const raisedKept = 10 * 365 * 24 * time.Hour

// missed counts the wrong tries by themselves and tells the administrators
// when they reach a level. The budget's own counter cannot say it: right tries
// that are under way fill it for a moment and give their place back.
//
// The answer to the guess does not depend on it: that an alert could not be
// stored would tell an outsider that there is somebody to be alerted for. So
// for an address that nobody has, the same is written.
func (s *Service) missed(ctx context.Context, g guess, list []candidate, missed []int, spent []GroupSpent, source []credentials.Limit, refused bool) {
	ctx = context.WithoutCancel(ctx) // who hangs up must not keep the alert from being raised
	limits := make([][]credentials.Limit, 0, len(missed)+1)
	for _, i := range missed {
		limits = append(limits, []credentials.Limit{wrongLimit(g.limits(list[i])[0].Key, 0)})
	}
	if len(missed) == 0 && refused {
		limits = append(limits, []credentials.Limit{wrongLimit(s.keyOf(credentials.PurposeEmail, g.address), time.Hour)})
	}
	if refused && len(source) > 0 {
		limits = append(limits, source)
	}
	if len(limits) == 0 {
		return
	}
	now := s.now()
	err := func() error {
		wrong, err := s.store.Spend(ctx, now, nil, limits...)
		if err != nil {
			return err
		}
		var errs []error
		for k, i := range missed {
			errs = append(errs, s.tell(ctx, g, list[i], wrong.Groups[k].Counters[0].N))
		}
		for i, c := range list {
			errs = append(errs, s.tellSite(ctx, c.site, spent[i].Counters))
		}
		for i, c := range list {
			// Full for longer than any try takes: whoever spent the last one may
			// have died before telling.
			budget := g.limits(c)[0]
			if of := spent[i]; !of.OK && len(of.Counters) > 0 && of.Counters[0].Left(budget, now) == 0 && now.Sub(of.Counters[0].Last) > settleTime {
				errs = append(errs, s.tell(ctx, g, c, budget.Max))
			}
		}
		return errors.Join(errs...)
	}()
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "wrong tries not told", "code", Code(err))
	}
}

// wrongLimit counts without bound, for as long as the window says.
func wrongLimit(of string, window time.Duration) credentials.Limit {
	sum := sha256.Sum256([]byte(of))
	return credentials.Limit{Key: "wrong/" + hex.EncodeToString(sum[:]), Max: math.MaxInt32, Window: window}
}

// wrongLimits counts without bound what limits bound.
func wrongLimits(limits []credentials.Limit) []credentials.Limit {
	wrong := make([]credentials.Limit, len(limits))
	for i, l := range limits {
		wrong[i] = wrongLimit(l.Key, l.Window)
	}
	return wrong
}

// tell raises the levels that so many wrong tries have reached. Of passwords it is
// the last alone: whoever tries those finds nothing, and is not to have mail sent by
// it.
func (s *Service) tell(ctx context.Context, g guess, c candidate, tries int) error {
	p := c.site.Policy.Credentials
	switch {
	case c.over:
		return nil
	case g.password && tries < credentials.PasswordBudget:
		return nil
	case g.password:
		return s.raise(ctx, c, invitation.EventPasswordBurnt, credentials.PasswordBudget)
	}
	if tries >= p.PINBudget {
		return s.raise(ctx, c, invitation.EventPINBurnt, p.PINBudget)
	}
	if p.PINAlert != credentials.Off && tries >= p.PINAlert {
		return s.raise(ctx, c, invitation.EventPINAlert, p.PINAlert)
	}
	return nil
}

// raise journals one level of wrong tries and queues the alert, once per PIN.
func (s *Service) raise(ctx context.Context, c candidate, level string, tries int) error {
	key := c.inv.ID + "/" + strconv.Itoa(c.cred.Generation)
	told := false
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		old, err := u.answered(ctx, c.inv.Site, level, key)
		told = old != nil
		return err
	})
	if err != nil || told {
		return err
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Lock(ctx, c.inv.Site, c.inv.ID)
		if err != nil {
			return err
		}
		if inv.PINGeneration != c.cred.Generation || !inv.State.Active() {
			return nil // a new PIN, or none, by now
		}
		if old, err := u.answered(ctx, inv.Site, level, key); err != nil || old != nil {
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
