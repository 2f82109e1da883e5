package enrollment

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Grant is the right to enroll one device, passed on to a platform that has no
// room for an invitation's token: in a profile's challenge, in a link, in the
// data of another system's token. Its text is not stored; it holds no secret but
// its own MAC, and ends with what gave it.
type Grant struct {
	ID         string // of this grant alone; opaque, for addresses and certificates
	Site       string
	Invitation string // what gave it; empty: a one-time login
	User       string // whose one-time login gave it
	Generation int    // of the credentials it came from: the PIN's, or the login's
	ExpiresAt  time.Time

	// password is the number of the invitation's one-time password that was
	// presented, counted from 1; 0: it came from something else.
	password int
}

// What a Grant is refused for, besides what the invitation or the login behind
// it answers.
var (
	// ErrGrantRefused: it is none of ours, for another use, or not valid any
	// more, because the credentials behind it were replaced.
	ErrGrantRefused = errors.New("enrollment: grant refused")
	// ErrGrantExpired: its time is up.
	ErrGrantExpired = errors.New("enrollment: grant expired")
	// ErrGrantUsed: it was used before.
	ErrGrantUsed = errors.New("enrollment: grant used before")
)

// MaxGrantLife is the longest life of a Grant, and for how long it is kept that
// one was used: a device has to make contact in that time.
const MaxGrantLife = 24 * time.Hour

const (
	purposeGrant = credentials.Purpose("grant")

	grantByInvitation = 1 // the first byte of a grant's text
	grantByLogin      = 2

	grantID   = 16                       // random bytes
	grantHead = 1 + 4 + 8 + grantID      // kind, generation, end in milliseconds, id
	maxGrant  = 512                      // characters of a text
	minGrant  = grantHead + 2 + grantMAC // bytes of one
	grantMAC  = credentials.MACBytes     // at the end
)

// GrantByToken returns what the holder of an invitation's token may pass on. It
// answers like [Service.Peek], and the Offer with it.
func (s *Service) GrantByToken(ctx context.Context, token string) (_ Grant, _ Offer, err error) {
	defer s.did(ctx, "grant_by_token", "", s.began(), &err)
	offer, err := s.peek(ctx, token)
	if err != nil {
		return Grant{}, offer, err
	}
	inv := offer.Invitation
	return Grant{Site: inv.Site, Invitation: inv.ID, Generation: inv.PINGeneration}, offer, nil
}

// NewGrant returns g with an id and an end of its own, and as a text: base64url,
// 90 characters and four for every three bytes of the ids of the site and of the
// invitation or user. use names the platform and what the text is for, such as
// "apple/certificate"; it is good for nothing else. life is at most
// [MaxGrantLife]. Nothing is stored. The Grant of [Service.UseLogin] by an
// invitation's one-time password is not passed on: it is good for one device.
func (s *Service) NewGrant(use string, g Grant, life time.Duration) (Grant, credentials.Secret, error) {
	kind, owner := byte(grantByInvitation), g.Invitation
	if owner == "" {
		kind, owner = grantByLogin, g.User
	}
	if use == "" || g.password > 0 || g.Site == "" || owner == "" || len(g.Site) > maxID || len(owner) > maxID || life <= 0 || life > MaxGrantLife {
		return Grant{}, credentials.Secret{}, errors.New("enrollment: not a grant to pass on")
	}
	g.ExpiresAt = s.now().Add(life).Truncate(time.Millisecond)
	raw := append(make([]byte, 0, maxGrant), kind)
	raw = binary.BigEndian.AppendUint32(raw, uint32(g.Generation))
	raw = binary.BigEndian.AppendUint64(raw, uint64(g.ExpiresAt.UnixMilli()))
	raw = raw[:grantHead]
	id := raw[grantHead-grantID:]
	if _, err := io.ReadFull(s.cfg.Rand, id); err != nil {
		return Grant{}, credentials.Secret{}, fmt.Errorf("enrollment: random source: %w", err)
	}
	g.ID = idText.EncodeToString(id)
	for _, part := range []string{g.Site, owner} {
		raw = append(append(raw, byte(len(part))), part...)
	}
	raw = append(raw, s.keys().MAC(purposeGrant, []byte(use), raw).Bytes()...)
	return g, credentials.SecretString(base64.RawURLEncoding.EncodeToString(raw)), nil
}

// OpenGrant reads a grant and says whether it still stands: what gave it is
// looked at again. It changes nothing, and may be asked any number of times. It
// answers [ErrGrantRefused], [ErrGrantExpired], [ErrCredentialRefused] where the
// login is over, and of an invitation what [Service.Peek] answers. With an error,
// the Grant says where it came from as far as that was proved.
func (s *Service) OpenGrant(ctx context.Context, use string, text credentials.Secret) (_ Grant, _ Site, err error) {
	defer s.did(ctx, "open_grant", "", s.began(), &err)
	g, err := s.parseGrant(use, text)
	if err != nil {
		return g, Site{}, err
	}
	site, err := s.site(ctx, g.Site)
	if err == nil {
		err = s.employed(ctx, g)
	}
	if err == nil {
		err = s.view(ctx, func(ctx context.Context, u *unit) error { return u.stands(ctx, g) })
	}
	return g, site, err
}

// UseGrant is OpenGrant for what a grant is good for once: the first use is
// kept, with seen as evidence for the invitation, and every further one answers
// [ErrGrantUsed]. The grant's id then admits one device, see
// [Service.EnrollManaged]. A refusal of a grant of ours is written to the
// journal, once for each reason.
func (s *Service) UseGrant(ctx context.Context, use string, text credentials.Secret, seen invitation.Evidence) (_ Grant, err error) {
	defer s.did(ctx, "use_grant", "", s.began(), &err)
	return s.useGrant(ctx, use, text, seen, time.Time{})
}

// UseGrantAt is UseGrant for what another system says that a device did at a time,
// and says late: the grant's own end is judged by that time, up to [MaxGrantLife]
// after the end. What gave the grant has to stand now all the same. A zero at, or
// one to come, is now; it has to be the word of somebody who is trusted, not of the
// device.
func (s *Service) UseGrantAt(ctx context.Context, use string, text credentials.Secret, seen invitation.Evidence, at time.Time) (_ Grant, err error) {
	defer s.did(ctx, "use_grant_at", "", s.began(), &err)
	return s.useGrant(ctx, use, text, seen, at)
}

func (s *Service) useGrant(ctx context.Context, use string, text credentials.Secret, seen invitation.Evidence, at time.Time) (Grant, error) {
	g, err := s.parseGrant(use, text)
	// Not for longer: a use is kept for two lives, and no grant is used twice.
	if errors.Is(err, ErrGrantExpired) && !at.IsZero() && at.Before(g.ExpiresAt) && s.now().Before(g.ExpiresAt.Add(MaxGrantLife)) {
		err = nil
	}
	if err == nil {
		err = s.employed(ctx, g)
	}
	if err == nil {
		err = s.update(ctx, func(ctx context.Context, u *unit) error { return u.useGrant(ctx, g, seen) })
		if errors.Is(err, ErrExists) { // a second use at the same time
			err = ErrGrantUsed
		}
	}
	return g, s.noteRefusal(ctx, g, use, err)
}

func (u *unit) useGrant(ctx context.Context, g Grant, seen invitation.Evidence) error {
	switch old, err := u.answered(ctx, g.Site, scopeGrant, g.ID); {
	case err != nil:
		return err
	case old != nil:
		return ErrGrantUsed
	}
	if err := u.stands(ctx, g); err != nil {
		return err
	}
	return u.keepGrant(ctx, scopeGrant, g, seen)
}

// grantOf returns the grant that was used under an id. Any other is refused.
func (u *unit) grantOf(ctx context.Context, site, id string) (Grant, error) {
	result, err := u.answered(ctx, site, scopeGrant, id)
	if err == nil && result == nil {
		result, err = u.answered(ctx, site, scopeGrantAgain, id)
	}
	if err != nil {
		return Grant{}, err
	}
	if result == nil {
		return Grant{}, ErrGrantRefused
	}
	var kept usedGrant
	if err := json.Unmarshal(result, &kept); err != nil {
		return Grant{}, fmt.Errorf("enrollment: used grant: %w", err)
	}
	return Grant{ID: id, Site: site, Invitation: kept.Invitation, User: kept.User, Generation: kept.Generation, password: kept.Password}, nil
}

// scopeGrant holds the grants that were used, by id, for longer than one lives;
// scopeGranted the device that each admitted, for longer than that.
const (
	scopeGrant   = "grant"
	scopeGranted = "grant_device"
)

// granted says whether a grant may go on with a device, known or not: it admits
// one device, once. What comes of it later is of that enrollment, or refused.
func (u *unit) granted(ctx context.Context, r *ManagedRequest, known device.Device) (first bool, err error) {
	if r.Grant == "" {
		return false, nil
	}
	name := u.grantName(r)
	result, err := u.answered(ctx, r.Site, scopeGranted, r.Grant, name)
	other := errors.Is(err, ErrKeyReused) // it has another name in the channel
	if other {
		result, err = u.answered(ctx, r.Site, scopeGranted, r.Grant)
	}
	if err != nil || result == nil {
		return result == nil, err
	}
	var kept admission
	if err := json.Unmarshal(result, &kept); err != nil {
		return false, fmt.Errorf("enrollment: device of a grant: %w", err)
	}
	d, err := u.Devices().Get(ctx, r.Site, kept.Device)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && d.Deleted():
		return false, ErrDeviceGone
	case err != nil:
		return false, err
	case known.ID != d.ID && (known.ID != "" || other):
		return false, ErrGrantUsed
	case known.ID != "" && strings.HasPrefix(d.EnrollmentID, r.keptPrefix()):
		return false, nil
	case known.ID != "" && d.Generation == kept.Generation:
		return false, ErrGrantUsed // the grant's device is what it was, and enrolled by another id
	}
	return false, ErrSuperseded
}

// grantTo keeps which device a grant admitted first.
func (u *unit) grantTo(ctx context.Context, r *ManagedRequest, d device.Device) error {
	kept, err := json.Marshal(admission{d.ID, d.Generation})
	if err != nil {
		return err
	}
	return u.Records().Put(ctx, Record{
		Site: r.Site, Scope: scopeGranted, Key: r.Grant, Fingerprint: u.grantName(r),
		Result: kept, At: u.now, ExpiresAt: u.now.Add(2 * MaxGrantLife),
	})
}

// grantName stands for the device's name in the channel.
func (u *unit) grantName(r *ManagedRequest) []byte {
	name := u.ring.Name(credentials.PurposeHardware, []byte(r.Site), []byte(r.Ref.Source), []byte(r.Ref.ID))
	return name[:]
}

// usedGrant is the record of a grant's use.
type usedGrant struct {
	Invitation string `json:"i,omitempty"`
	User       string `json:"u,omitempty"`
	Generation int    `json:"g"`
	Password   int    `json:"p,omitempty"`
}

// parseGrant reads what NewGrant wrote. A grant whose MAC is right is returned
// even if its time is up.
func (s *Service) parseGrant(use string, text credentials.Secret) (Grant, error) {
	if len(text.Reveal()) > maxGrant {
		return Grant{}, ErrGrantRefused
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text.Reveal())
	if err != nil || len(raw) < minGrant {
		return Grant{}, ErrGrantRefused
	}
	body := raw[:len(raw)-grantMAC]
	mac, err := credentials.ParseMAC(raw[len(body):])
	if err != nil {
		return Grant{}, ErrGrantRefused
	}
	// A key that is gone took the grants made with it along.
	if right, err := s.keys().Verify(mac, purposeGrant, []byte(use), body); err != nil || !right {
		return Grant{}, ErrGrantRefused
	}
	g := Grant{
		ID:         idText.EncodeToString(body[grantHead-grantID : grantHead]),
		Generation: int(binary.BigEndian.Uint32(body[1:])),
		ExpiresAt:  time.UnixMilli(int64(binary.BigEndian.Uint64(body[5:]))).UTC(),
	}
	site, rest, ok := cutGrant(body[grantHead:])
	owner, rest, ok2 := cutGrant(rest)
	if !ok || !ok2 || len(rest) > 0 {
		return Grant{}, ErrGrantRefused
	}
	if g.Site, g.Invitation = site, owner; body[0] == grantByLogin {
		g.Invitation, g.User = "", owner
	}
	if !s.now().Before(g.ExpiresAt) {
		return g, ErrGrantExpired
	}
	return g, nil
}

// cutGrant reads one text with its length in front.
func cutGrant(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	return string(b[1 : 1+b[0]]), b[1+b[0]:], true
}

// stands says whether what gave a grant still admits anybody.
func (u *unit) stands(ctx context.Context, g Grant) error {
	if g.Invitation == "" {
		_, _, err := u.still(ctx, g.proof())
		return err
	}
	inv, err := u.Invitations().Get(ctx, g.Site, g.Invitation)
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrInvitationUnknown
	case err != nil:
		return err
	}
	if err := inv.Usable(u.now, false); err != nil {
		return err
	}
	if inv.PINGeneration != g.Generation {
		return ErrGrantRefused
	}
	return nil
}

// employed asks the directory whether the user of a login is still there:
// whoever has left does not come in by it. It is asked outside of units.
func (s *Service) employed(ctx context.Context, g Grant) error {
	if g.User == "" || s.cfg.Directory == nil {
		return nil
	}
	_, err := s.cfg.Directory.Lookup(ctx, g.Site, g.User)
	if errors.Is(err, ErrNotFound) {
		return ErrCredentialRefused
	}
	return err
}

// proof is a grant's login as one that was proved.
func (g Grant) proof() proof {
	return proof{cred: Credential{Site: g.Site, Owner: g.User, Kind: KindLogin, Generation: g.Generation}}
}
