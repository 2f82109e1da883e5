package enrollment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"example.com/enrollkit/credentials"
)

// LoginRequest is what a person enters on the enrollment page.
type LoginRequest struct {
	Email    string
	Passcode credentials.Secret
	Source   netip.Addr // where the request came from
	Host     string     // as in EnrollRequest
}

// SelfService is what the enrollment page may say before anything is entered.
type SelfService struct {
	Site Site // whose host it is; without an ID where several sites share it
	Open bool // false only where the one site of a host has it off
}

// SelfService tells whose door a host is and whether it is open. A lock does not
// show: locked, wrong and unknown look alike from outside.
func (s *Service) SelfService(ctx context.Context, host string) (_ SelfService, err error) {
	defer s.did(ctx, "self_service", "", s.began(), &err)
	if s.cfg.Sites == nil {
		return SelfService{}, fmt.Errorf("enrollment: no sites in the config: %w", ErrNotFound)
	}
	site, err := s.cfg.Sites.Host(ctx, host)
	if err != nil || !site.SoleHost {
		return SelfService{Open: true}, err
	}
	door := SelfService{Site: site}
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		_, data, err := u.passcode(ctx, site.ID)
		door.Open = data.Status == PasscodeActive || data.Status == PasscodeLocked
		return err
	})
	return door, err
}

// RequestLogin asks for a one-time login by mail. It answers nil whatever was
// wrong: a wrong passcode, an unknown address, a throttled mailbox. The
// exceptions are what the person can mend by looking: a [*ValidationError] for
// a malformed address ("email") or passcode ("passcode"), which counts nothing,
// and the store's trouble.
//
// A wrong passcode names no site, so a failure is booked on the sites in which
// the address is known, and on the site that has the host to itself. One source
// network counts for at most its cap towards a lock; its further tries are
// compared slowly and shown.
func (s *Service) RequestLogin(ctx context.Context, r LoginRequest) (err error) {
	defer s.did(ctx, "request_login", "", s.began(), &err)
	var fields []FieldError
	address, err := credentials.CanonicalEmail(r.Email)
	if err != nil {
		fields = append(fields, FieldError{"email", codeOfText(r.Email)})
	}
	passcode, err := credentials.ParsePasscode(r.Passcode.Reveal())
	if err != nil {
		fields = append(fields, FieldError{"passcode", codeOfText(r.Passcode.Reveal())})
	}
	if len(fields) > 0 {
		return &ValidationError{Fields: fields}
	}
	pace, err := s.hostPolicy(ctx, r.Host)
	if err != nil {
		return err
	}
	doors, err := s.doors(ctx, address, r.Host)
	if err != nil {
		return err
	}
	var gate []credentials.Limit
	source := s.keyOf(credentials.PurposeSource, network(r.Source))
	if limit, on := pace.GlobalLimit(r.Host); on {
		// No source may take more than its share of the ceiling.
		gate = append(gate, limit, pace.GlobalSourceLimit(r.Host, source))
	}
	if limit, on := pace.PasscodePaceLimit(s.keyOf(credentials.PurposeEmail, r.Host, address)); on {
		gate = append(gate, limit)
	}
	groups := make([][]credentials.Limit, len(doors))
	for i, d := range doors {
		groups[i] = d.limits(source)
	}
	spent, err := s.store.Spend(ctx, s.now(), gate, groups...)
	if err != nil || spent.Refused {
		if err == nil {
			s.tried(ctx, "passcode", TryPaced, "", 1)
		}
		return err
	}
	if err := s.spendPatiently(ctx, doors, source, spent.Groups); err != nil {
		s.giveBack(ctx, spentKeys(gate, groups, spent.Groups)) // nothing was compared
		return err
	}
	slow, err := s.spendSlowly(ctx, doors, source, spent.Groups)
	if err != nil {
		s.giveBack(ctx, spentKeys(gate, groups, spent.Groups))
		return err
	}

	winner, missed := -1, []int{}
	if len(doors) == 0 {
		s.tried(ctx, "passcode", TryUnknown, "", 1)
	}
	for i, d := range doors {
		switch {
		case !d.active:
			s.tried(ctx, "passcode", TryUnknown, d.site.ID, 1)
			continue
		case !spent.Groups[i].OK && !slow[i]:
			s.tried(ctx, "passcode", TryLocked, d.site.ID, 1)
			continue
		}
		right, err := s.keys().VerifySecret(d.cred.Check, credentials.PurposePasscode, passcode, passcodeContext(d.cred)...)
		switch {
		case err != nil: // of this process's ring; of what was compared before, the answer tells nothing
			s.giveBack(ctx, spentKeys(gate, groups, spent.Groups))
			return err
		case right:
			winner = i
		case spent.Groups[i].OK:
			missed = append(missed, i)
		}
		s.tried(ctx, "passcode", rightOrWrong(right), d.site.ID, 1)
	}
	if winner < 0 {
		s.passcodesMissed(ctx, doors, missed, spent.Groups, address, source)
		return nil
	}
	// A passcode is unique, so one that is right for a site is no guess at
	// another: whatever was spent there is given back too.
	refund := keysOf(gate)
	for i := range doors {
		switch {
		case spent.Groups[i].OK:
			refund = append(refund, keysOf(groups[i])...)
		case slow[i]:
			refund = append(refund, keysOf(doors[i].slowLimits(source))...)
		}
	}
	if len(doors[winner].users) == 0 {
		s.giveBack(ctx, refund[len(gate):])
		return nil // the right passcode of a site that does not know the address
	}
	return s.mailLogin(context.WithoutCancel(ctx), doors[winner], address, refund)
}

// passcodesMissed counts wrong tries by themselves, as missed does, and
// raises what they reach: an alert, then the lock. The answer does not depend on
// it.
// Where nobody was to be booked on, the same is written.
func (s *Service) passcodesMissed(ctx context.Context, doors []door, missed []int, spent []GroupSpent, address, source string) {
	ctx = context.WithoutCancel(ctx) // who hangs up must not keep the alert from being raised
	now := s.now()
	err := func() error {
		var groups [][]credentials.Limit
		for _, i := range missed {
			groups = append(groups, wrongLimits(doors[i].limits(source)))
		}
		if len(groups) == 0 {
			groups = append(groups, []credentials.Limit{wrongLimit(s.keyOf(credentials.PurposeEmail, address), time.Hour)})
		}
		wrong, err := s.store.Spend(ctx, now, nil, groups...)
		if err != nil {
			return err
		}
		var errs []error
		for k, i := range missed {
			errs = append(errs, s.passcodeTried(ctx, doors[i], wrong.Groups[k].Counters[0].N))
		}
		for i, d := range doors {
			if !d.active || spent[i].OK {
				continue
			}
			lock := d.site.Policy.Credentials.PasscodeLimit(d.site.ID, d.cred.Generation)
			if c := spent[i].Counters[0]; c.Left(lock, now) == 0 && now.Sub(c.Last) > settleTime {
				errs = append(errs, s.passcodeTried(ctx, d, lock.Max)) // whoever filled it died before telling
			}
		}
		return errors.Join(errs...)
	}()
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "enrollment: wrong passcodes not told", "code", Code(err))
	}
}

// passcodeTried raises the level that so many wrong tries have reached: once per
// generation for the lock, once per generation and window for the alert.
func (s *Service) passcodeTried(ctx context.Context, d door, tries int) error {
	p := d.site.Policy.Credentials
	locks := tries >= p.PasscodeLock
	if !locks && (p.PasscodeAlert == credentials.Off || tries < p.PasscodeAlert) {
		return nil
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		cred, data, err := u.passcode(ctx, d.site.ID)
		if err != nil || cred.Generation != d.cred.Generation || data.Status != PasscodeActive {
			return err
		}
		event := Event{Actor: ActorSystem, Data: map[string]string{"tries": strconv.Itoa(tries)}}
		switch {
		case locks:
			event.Type, event.Before, event.After = EventPasscodeLocked, string(PasscodeActive), string(PasscodeLocked)
			cred.Index, cred.Check, cred.Sealed = credentials.MAC{}, credentials.MAC{}, nil
			data.Status, data.Tries = PasscodeLocked, tries
		case !data.AlertedAt.IsZero() && u.now.Before(data.AlertedAt.Add(p.PasscodeWindow)):
			return nil
		default:
			event.Type, data.AlertedAt = EventPasscodeAlert, u.now
		}
		return u.savePasscode(ctx, cred, &data, event)
	})
}

// mailLogin makes a new one-time login for the user and queues its mail, unless
// the mailbox has had its share; then nothing tells. The passcode was right, so
// whatever does not come about gives every try back.
func (s *Service) mailLogin(ctx context.Context, d door, address string, refund []string) error {
	mailbox := d.site.Policy.Credentials.MailboxLimit(d.site.ID, s.keyOf(credentials.PurposeEmail, address))
	share, err := s.store.Spend(ctx, s.now(), nil, []credentials.Limit{mailbox})
	if err != nil {
		s.giveBack(ctx, refund)
		return err
	}
	if !share.Groups[0].OK {
		s.giveBack(ctx, refund)
		return nil
	}
	mailed := false
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		cred, data, err := u.passcode(ctx, d.site.ID)
		// By its generation and not by its MAC, which a rotation of keys changes.
		mailed = err == nil && cred.Generation == d.cred.Generation && data.Status == PasscodeActive
		if !mailed {
			return err // replaced, locked or disabled since it was compared
		}
		if err := u.newLogin(ctx, d.site, d.users[0]); err != nil {
			return err
		}
		return u.Counters().Refund(ctx, refund...)
	})
	if err != nil || !mailed {
		s.giveBackAfter(ctx, err, append(refund, mailbox.Key))
	}
	return err
}

// loginEnd is when a login made at now ends.
func loginEnd(site Site, now time.Time) time.Time {
	return now.Add(site.Policy.Credentials.OneTimeTTL)
}
