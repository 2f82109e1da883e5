package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Login is what somebody types to sign in: a one-time login of self-service, or,
// where a verb says so, the address of an invitation with its one-time password.
type Login struct {
	// Username is as typed. Where addresses are taken, a one-time user name may
	// have the host of its site behind it, "k7m2q9x4td@mdm.example.com": some
	// systems ask for nothing that is not an address.
	Username string
	Password credentials.Secret
	Source   netip.Addr // for the pace of guesses, as in [EnrollRequest]
	Host     string     // if set, restricts to sites whose PublicURL has it
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

// wrong says which parts are malformed. A user name with an at sign is one only
// where addresses are taken.
func (l Login) wrong(addresses bool) (fields []FieldError) {
	var err error
	name := l.Username
	if addresses {
		name, _, _ = strings.Cut(l.Username, "@")
	}
	if _, err = credentials.ParseUsername(name); err != nil && name != l.Username {
		_, err = credentials.CanonicalEmail(l.Username)
	}
	if err != nil {
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

// lockLogin locks a login before anything is looked up, so that of two devices at
// once the second finds what the first has made. What the login still opens is
// asked later: what was answered before is answered all the same.
func (u *unit) lockLogin(ctx context.Context, p proof) error {
	if _, _, err := u.still(ctx, p); !errors.Is(err, ErrCredentialRefused) {
		return err
	}
	return nil
}

// enrollByLogin admits one device by a one-time login and uses it up, in the
// unit that creates the device.
func (s *Service) enrollByLogin(ctx context.Context, r EnrollRequest) (Enrolled, error) {
	p, err := s.prove(ctx, Login{Username: r.Credential.Username, Password: r.Credential.Password, Source: r.Source, Host: r.Host}, "")
	if err != nil {
		return Enrolled{}, err
	}
	e := entry{
		inv:   invitation.Invitation{Site: p.cred.Site, User: p.cred.Owner},
		first: func(ctx context.Context, u *unit) error { return u.lockLogin(ctx, p) },
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
