package enrollment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// proof is a login whose password was right, with the tries to give back: a
// one-time login, or an invitation's address with a one-time password of it.
type proof struct {
	site      Site
	cred      Credential
	ownership device.Ownership // as chosen on the page, if anything
	refund    []string

	inv      invitation.Invitation // without an id: a one-time login
	password int                   // the number of the invitation's password, from 1
}

// prove is unit 1 and the comparison, as for a PIN: spend, commit, compare. A
// login that is spent or over is proved all the same; what it still opens is
// judged in unit 2.
//
// behind is what stands behind the user name, if anything: the host of its site.
func (s *Service) prove(ctx context.Context, l Login, behind string) (proof, error) {
	if fields := l.wrong(false); len(fields) > 0 {
		return proof{}, &ValidationError{Fields: fields}
	}
	username, err := credentials.ParseUsername(l.Username)
	if err != nil {
		return proof{}, invalid("username", "malformed")
	}
	password, err := credentials.ParseOneTimePassword(l.Password.Reveal())
	if err != nil {
		return proof{}, invalid("password", "malformed")
	}
	pace, err := s.hostPolicy(ctx, l.Host)
	if err != nil {
		return proof{}, err
	}
	// No pace for the source: the names have 50 bits, each has a budget and a
	// pace of its own, and an office types many of them behind one address.
	var gate []credentials.Limit
	if limit, on := pace.OneTimePaceLimit(s.keyOf(credentials.PurposeUsername, l.Host, username)); on {
		gate = append(gate, limit)
	}
	p, err := s.loginNamed(ctx, username, l.Host, behind)
	if err != nil {
		return proof{}, err
	}
	var groups [][]credentials.Limit
	if p.cred.Generation > 0 {
		groups = append(groups, []credentials.Limit{
			p.site.Policy.Credentials.OneTimeBudgetLimit(p.cred.Site, p.cred.Owner, p.cred.Generation),
		})
	}
	spent, err := s.store.Spend(ctx, s.now(), gate, groups...)
	if err != nil {
		return proof{}, err
	}
	if spent.Refused {
		s.tried(ctx, "one_time", TryPaced, "", 1)
		return proof{}, &PacedError{RetryAt: spent.RetryAt}
	}
	right, outcome := false, TryUnknown
	if len(groups) > 0 && spent.Groups[0].OK {
		right, err = s.keys().VerifySecret(p.cred.Check, credentials.PurposeOneTime, password, loginContext(p.cred)...)
		p.refund = keysOf(append(gate, groups[0]...))
		if err != nil { // of this process's ring: nothing was compared
			s.giveBack(ctx, p.refund)
			return proof{}, err
		}
		outcome = rightOrWrong(right)
	} else if len(groups) > 0 {
		outcome = TryLocked
	}
	s.tried(ctx, "one_time", outcome, p.cred.Site, 1)
	if !right {
		return proof{}, ErrCredentialRefused
	}
	if s.cfg.Directory != nil {
		// Whoever has left since the mail was sent does not come in by it.
		if _, err := s.cfg.Directory.Lookup(ctx, p.cred.Site, p.cred.Owner); err != nil {
			s.giveBack(ctx, p.refund)
			if errors.Is(err, ErrNotFound) {
				err = ErrCredentialRefused
			}
			return proof{}, err
		}
	}
	return p, nil
}

// loginNamed finds a login by its user name on a host; one that nobody has is
// no error and has no generation.
func (s *Service) loginNamed(ctx context.Context, username, host, behind string) (proof, error) {
	var p proof
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		var err error
		p.cred, err = u.Credentials().ByIndex(ctx, KindLogin, u.ring.MACs(credentials.PurposeUsername, []byte(username)))
		if errors.Is(err, ErrNotFound) {
			return u.missed(ctx, err)
		}
		if err != nil {
			return err
		}
		_, data, err := u.login(ctx, p.cred.Site, p.cred.Owner)
		p.ownership = device.Ownership(data.Ownership)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return proof{}, nil
	case err != nil:
		return proof{}, err
	case !slices.Contains(s.keys().IDs(), p.cred.Check.KeyID):
		return proof{}, fmt.Errorf("enrollment: a login in use: %w", credentials.ErrUnknownKey)
	}
	if p.site, err = s.site(ctx, p.cred.Site); errors.Is(err, ErrNotFound) {
		return proof{}, nil
	}
	if err == nil && host != "" && (p.site.PublicURL == nil || p.site.PublicURL.Host != host) {
		return proof{}, nil
	}
	if err == nil && behind != "" && (p.site.PublicURL == nil || !strings.EqualFold(p.site.PublicURL.Hostname(), behind)) {
		return proof{}, nil
	}
	return p, err
}

// still locks the login that was proved and says whether it still opens
// anything: it is the same, self-service is not off, and its time is not up, or
// it is reserved.
func (u *unit) still(ctx context.Context, p proof) (Credential, loginData, error) {
	_, door, err := u.passcode(ctx, p.cred.Site)
	if err != nil {
		return Credential{}, loginData{}, err
	}
	cred, data, err := u.login(ctx, p.cred.Site, p.cred.Owner)
	if errors.Is(err, ErrNotFound) {
		return cred, data, ErrCredentialRefused // erased since it was proved
	}
	if err != nil {
		return cred, data, err
	}
	switch {
	case cred.Generation != p.cred.Generation:
		return cred, data, ErrCredentialRefused
	case !data.UsedAt.IsZero():
		return cred, data, &refusal{ErrLoginUsed}
	case !door.admits(cred):
		return cred, data, &refusal{ErrSelfServiceOff}
	case !u.now.Before(data.ExpiresAt) && !u.now.Before(data.ReservedUntil):
		end := data.ExpiresAt
		if data.ReservedUntil.After(end) {
			end = data.ReservedUntil
		}
		return cred, data, &refusal{&LoginExpiredError{At: end}}
	}
	return cred, data, nil
}

// admits reports whether self-service is on, and was ever since the login was
// made. A lock keeps new ones from being made and lets those that are out in.
func (d passcodeData) admits(login Credential) bool {
	return (d.Status == PasscodeActive || d.Status == PasscodeLocked) && login.CreatedAt.After(d.DisabledAt)
}
