package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Login is a one-time login as somebody presents it.
type Login struct {
	Username string
	Password credentials.Secret
	Source   netip.Addr
	Host     string
}

// LoginOffer is what a good login leads to.
type LoginOffer struct {
	Site      Site
	User      User
	ExpiresAt time.Time
	Platform  device.Platform
	Ownership device.Ownership
	Mode      device.Mode
	Next      NextStep
}

// The journal's names for what happens to one-time logins. Their Subject is
// [LoginSubject] of the user.
const (
	EventLoginMailed = "login.mailed"
	EventLoginUsed   = "login.used"
)

// LoginSubject is the subject of the events of a user's one-time logins.
func LoginSubject(user string) string { return "login/" + user }

// loginData is what a login's row keeps beside its credential. The user name and
// the password are derived from it and from a key that is not in the database.
type loginData struct {
	Key           uint32    `json:"key"`
	Nonce         []byte    `json:"nonce"`
	ExpiresAt     time.Time `json:"expires_at"`
	ReservedUntil time.Time `json:"reserved_until,omitzero"`
	UsedAt        time.Time `json:"used_at,omitzero"`
	Ownership     string    `json:"ownership,omitempty"` // as accepted on the page
	Platform      string    `json:"platform,omitempty"`  // likewise
	Events        int64     `json:"events"`
}

// wrong says which parts are malformed.
func (l Login) wrong() (fields []FieldError) {
	if _, err := credentials.ParseUsername(l.Username); err != nil {
		fields = append(fields, FieldError{"username", codeOfText(l.Username)})
	}
	if _, err := credentials.ParseOneTimePassword(l.Password.Reveal()); err != nil {
		fields = append(fields, FieldError{"password", codeOfText(l.Password.Reveal())})
	}
	return fields
}

// newLogin replaces the user's one-time login and queues the mail that carries
// it.
func (u *unit) newLogin(ctx context.Context, site Site, user User) error {
	if _, err := u.Users().Lock(ctx, user); err != nil {
		return err
	}
	cred, data, err := u.login(ctx, user.Site, user.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	generation := cred.Generation + 1
	if cred.Generation == 0 {
		// The first, or the first since an earlier one was erased, whose generation
		// must not come again: what it passed on would be good for this one. Each
		// login has an event at least.
		if data.Events, err = u.lastSeq(ctx, user.Site, LoginSubject(user.ID)); err != nil {
			return err
		}
		generation = int(data.Events) + 1
	} else {
		if err := u.Counters().Delete(ctx, credentials.Policy{}.OneTimeBudgetLimit(cred.Site, cred.Owner, cred.Generation).Key); err != nil {
			return err
		}
	}
	ring := u.ring
	cred = Credential{
		Site: user.Site, Owner: user.ID, Kind: KindLogin, Generation: generation,
		CreatedAt: u.now, CreatedBy: ActorUser,
	}
	data = loginData{Key: ring.Current(), Nonce: make([]byte, credentials.MinNonceBytes), ExpiresAt: loginEnd(site, u.now), Events: data.Events}
	if _, err := io.ReadFull(u.s.cfg.Rand, data.Nonce); err != nil {
		return fmt.Errorf("enrollment: random source: %w", err)
	}
	username, password, err := u.s.reproduce(cred, data)
	if err != nil {
		return err
	}
	cred.Index = ring.MAC(credentials.PurposeUsername, []byte(username))
	cred.Check = ring.MACSecret(credentials.PurposeOneTime, password, loginContext(cred)...)
	events, err := u.saveLogin(ctx, cred, &data, Event{Type: EventLoginMailed, Actor: ActorUser})
	if err != nil {
		return err
	}
	if err := u.rename(ctx, user); err != nil {
		return err
	}
	return u.enqueue(ctx, Message{Site: user.Site, Kind: MessageLogin, User: user.ID, Event: events[0].ID})
}

// reproduce derives what a login's mail says.
func (s *Service) reproduce(cred Credential, data loginData) (username string, password credentials.Secret, err error) {
	ring := s.keys()
	if username, err = credentials.OneTimeUsername(ring, data.Key, cred.Site, cred.Owner, cred.Generation, data.Nonce); err != nil {
		return "", credentials.Secret{}, err
	}
	password, err = credentials.OneTimePassword(ring, data.Key, cred.Site, cred.Owner, cred.Generation, data.Nonce)
	return username, password, err
}

func loginContext(c Credential) []string {
	return []string{c.Site, c.Owner, strconv.Itoa(c.Generation)}
}

// login returns a user's latest login, locked where the unit may write.
func (u *unit) login(ctx context.Context, site, user string) (Credential, loginData, error) {
	cred, err := u.Credentials().Get(ctx, site, user, KindLogin)
	if err != nil {
		return cred, loginData{}, err
	}
	var data loginData
	if err := json.Unmarshal(cred.Data, &data); err != nil {
		return cred, data, fmt.Errorf("enrollment: login: %w", err)
	}
	return cred, data, nil
}

// saveLogin stores the row with the events of the change.
func (u *unit) saveLogin(ctx context.Context, cred Credential, data *loginData, events ...Event) ([]Event, error) {
	events, err := u.entries(cred.Site, LoginSubject(cred.Owner), &data.Events, events, func(e *Event) { e.User = cred.Owner })
	if err != nil {
		return nil, err
	}
	if cred.Data, err = json.Marshal(data); err != nil {
		return nil, err
	}
	if err := u.Credentials().Put(ctx, cred); err != nil {
		return nil, err
	}
	return events, u.record(ctx, events)
}

// proof is a login whose password was right, with the tries to give back.
type proof struct {
	site      Site
	cred      Credential
	ownership device.Ownership // as chosen on the page, if anything
	refund    []string
}

// prove is unit 1 and the comparison, as for a PIN: spend, commit, compare. A
// login that is spent or over is proved all the same; what it still opens is
// judged in unit 2.
func (s *Service) prove(ctx context.Context, l Login) (proof, error) {
	if fields := l.wrong(); len(fields) > 0 {
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
	p, err := s.loginNamed(ctx, username, l.Host)
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
func (s *Service) loginNamed(ctx context.Context, username, host string) (proof, error) {
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
	open := door.admits(cred)
	inTime := u.now.Before(data.ExpiresAt) || u.now.Before(data.ReservedUntil)
	if cred.Generation != p.cred.Generation || !data.UsedAt.IsZero() || !inTime || !open {
		return cred, data, ErrCredentialRefused
	}
	return cred, data, nil
}

// admits reports whether self-service is on, and was ever since the login was
// made. A lock keeps new ones from being made and lets those that are out in.
func (d passcodeData) admits(login Credential) bool {
	return (d.Status == PasscodeActive || d.Status == PasscodeLocked) && login.CreatedAt.After(d.DisabledAt)
}

// enrollByLogin admits one device by a one-time login and uses it up, in the
// unit that creates the device.
func (s *Service) enrollByLogin(ctx context.Context, r EnrollRequest) (Enrolled, error) {
	p, err := s.prove(ctx, Login{Username: r.Credential.Username, Password: r.Credential.Password, Source: r.Source, Host: r.Host})
	if err != nil {
		return Enrolled{}, err
	}
	e := entry{
		inv:   invitation.Invitation{Site: p.cred.Site, User: p.cred.Owner},
		last:  func(ctx context.Context, u *unit) error { return u.Counters().Refund(ctx, p.refund...) },
		opens: func(ctx context.Context, u *unit) error { return u.useLogin(ctx, p) },
	}
	if r.Ownership == "" {
		r.Ownership = p.ownership
	}
	out, err := s.admission(ctx, p.site, r, e)
	if err != nil {
		s.giveBackAfter(ctx, err, p.refund)
	}
	return out, err
}
