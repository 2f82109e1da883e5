package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"example.com/enrollkit/credentials"
)

// PasscodeStatus says whether a site's self-service door is open.
type PasscodeStatus string

const (
	PasscodeNone     PasscodeStatus = "none"     // never generated
	PasscodeActive   PasscodeStatus = "active"   // the door is open
	PasscodeLocked   PasscodeStatus = "locked"   // too many wrong tries; only a new one opens again
	PasscodeDisabled PasscodeStatus = "disabled" // by an administrator; so is self-service
)

// The journal's names for what happens to a company passcode. Their Subject is
// [PasscodeSubject].
const (
	EventPasscodeGenerated = "passcode.generated"
	EventPasscodeRevealed  = "passcode.revealed"
	EventPasscodeDisabled  = "passcode.disabled"
	EventPasscodeAlert     = "passcode.alert"
	EventPasscodeLocked    = "passcode.locked"
)

// PasscodeSubject is the subject of a site's passcode events.
const PasscodeSubject = "passcode"

// PasscodeDetail is what administrators see of a company passcode without being
// shown it.
type PasscodeDetail struct {
	Status           PasscodeStatus
	Generation       int
	GeneratedAt      time.Time
	GeneratedBy      string // the administrator's id
	GeneratedByEmail string // and address, if Config.Administrators knows it
	FailedAttempts   int    // wrong tries on this passcode that were compared
	AlertLevel       int    // at which administrators are told; credentials.Off: never
	LockLevel        int    // at which it locks
	AsOf             time.Time
}

// passcodeData is what a passcode's row keeps beside its credential.
type passcodeData struct {
	Status    PasscodeStatus `json:"status"`
	Tries     int            `json:"tries,omitempty"` // when it was locked
	AlertedAt time.Time      `json:"alerted_at,omitzero"`
	// DisabledAt is when self-service was last turned off: logins from before
	// stay dead when it is turned on again.
	DisabledAt time.Time `json:"disabled_at,omitzero"`
	Events     int64     `json:"events"`
}

// Passcode tells how the company passcode stands, without showing it.
func (s *Service) Passcode(ctx context.Context, by Actor) (_ PasscodeDetail, err error) {
	defer s.did(ctx, "passcode", by.Site, s.began(), &err)
	return s.withPasscode(ctx, by, PermRead, nil)
}

// GeneratePasscode makes a new company passcode, the first or in place of the
// old one, which stops working at once, and returns it. It opens self-service,
// also after a lock, and starts the count of failed attempts anew. One-time
// logins that were mailed stay good.
func (s *Service) GeneratePasscode(ctx context.Context, by Actor) (_ credentials.Secret, _ PasscodeDetail, err error) {
	defer s.did(ctx, "generate_passcode", by.Site, s.began(), &err)
	var made credentials.Secret
	detail, err := s.withPasscode(ctx, by, PermPasscode, func(ctx context.Context, u *unit, site Site, cred *Credential, data *passcodeData) error {
		if cred.Generation > 0 {
			if err := u.Counters().Delete(ctx, passcodeKeys(site, cred.Generation)...); err != nil {
				return err
			}
		}
		var err error
		if made, err = credentials.NewPasscode(s.cfg.Rand); err != nil {
			return err
		}
		before := data.Status
		cred.Generation++
		cred.CreatedAt, cred.CreatedBy = u.now, by.ID
		if err := u.sealPasscode(cred, made); err != nil {
			return err
		}
		*data = passcodeData{Status: PasscodeActive, DisabledAt: data.DisabledAt, Events: data.Events}
		return u.savePasscode(ctx, *cred, data, Event{
			Type: EventPasscodeGenerated, Actor: by.ID, Before: string(before), After: string(data.Status),
		})
	})
	if err != nil {
		return credentials.Secret{}, PasscodeDetail{}, err
	}
	return made, detail, nil
}

// DisablePasscode disables the company passcode and with it self-service:
// one-time logins that were mailed stop working too. Disabling twice, or what
// never was, is no error.
func (s *Service) DisablePasscode(ctx context.Context, by Actor) (_ PasscodeDetail, err error) {
	defer s.did(ctx, "disable_passcode", by.Site, s.began(), &err)
	return s.withPasscode(ctx, by, PermPasscode, func(ctx context.Context, u *unit, _ Site, cred *Credential, data *passcodeData) error {
		if cred.Generation == 0 || data.Status == PasscodeDisabled {
			return nil
		}
		before := data.Status
		cred.Index, cred.Check, cred.Sealed = credentials.MAC{}, credentials.MAC{}, nil
		data.Status, data.DisabledAt = PasscodeDisabled, u.now
		return u.savePasscode(ctx, *cred, data, Event{
			Type: EventPasscodeDisabled, Actor: by.ID, Before: string(before), After: string(data.Status),
		})
	})
}

// RevealPasscode shows an active company passcode. The journal has it before
// anybody sees it. It answers [ErrNotFound] when there is none to show.
func (s *Service) RevealPasscode(ctx context.Context, by Actor) (_ credentials.Secret, err error) {
	defer s.did(ctx, "reveal_passcode", by.Site, s.began(), &err)
	var shown Credential
	_, err = s.withPasscode(context.WithoutCancel(ctx), by, PermPasscode, func(ctx context.Context, u *unit, _ Site, cred *Credential, data *passcodeData) error {
		if data.Status != PasscodeActive {
			return fmt.Errorf("enrollment: no active passcode: %w", ErrNotFound)
		}
		shown = *cred
		return u.savePasscode(ctx, *cred, data, Event{Type: EventPasscodeRevealed, Actor: by.ID})
	})
	if err != nil {
		return credentials.Secret{}, err
	}
	return s.keys().Open(sealedAt(shown), shown.Sealed)
}

// withPasscode runs one administrator's change of the passcode and describes how
// it stands afterwards; without a change it only looks.
func (s *Service) withPasscode(ctx context.Context, by Actor, p Permission,
	change func(context.Context, *unit, Site, *Credential, *passcodeData) error) (PasscodeDetail, error) {
	if err := s.authorize(ctx, by, p); err != nil {
		return PasscodeDetail{}, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return PasscodeDetail{}, err
	}
	var detail PasscodeDetail
	run := func(ctx context.Context, u *unit) error {
		cred, data, err := u.passcode(ctx, by.Site)
		if err != nil {
			return err
		}
		if change != nil {
			if err := change(ctx, u, site, &cred, &data); err != nil {
				return err
			}
		}
		detail, err = u.describePasscode(ctx, site, cred, data)
		return err
	}
	if change == nil {
		err = s.view(ctx, run)
	} else {
		err = s.update(ctx, run)
	}
	if err != nil {
		return PasscodeDetail{}, err
	}
	detail.GeneratedByEmail = s.addressOf(ctx, by.Site, detail.GeneratedBy)
	return detail, nil
}

// addressOf returns an administrator's address; "" if it is not known, which is
// no reason to fail.
func (s *Service) addressOf(ctx context.Context, site, admin string) string {
	if s.cfg.Administrators == nil || admin == "" {
		return ""
	}
	admins, err := s.cfg.Administrators.Administrators(ctx, site)
	if err != nil {
		return ""
	}
	for _, a := range admins {
		if a.ID == admin {
			return a.Email
		}
	}
	return ""
}

// passcode returns a site's passcode row, locked where the unit may write; a
// site without one has a row that is not stored yet.
func (u *unit) passcode(ctx context.Context, site string) (Credential, passcodeData, error) {
	cred, err := u.Credentials().Get(ctx, site, PasscodeSubject, KindPasscode)
	if errors.Is(err, ErrNotFound) {
		return Credential{Site: site, Owner: PasscodeSubject, Kind: KindPasscode}, passcodeData{Status: PasscodeNone}, nil
	}
	if err != nil {
		return cred, passcodeData{}, err
	}
	var data passcodeData
	if err := json.Unmarshal(cred.Data, &data); err != nil {
		return cred, data, fmt.Errorf("enrollment: passcode: %w", err)
	}
	return cred, data, nil
}

// savePasscode stores the row with the event of the change.
func (u *unit) savePasscode(ctx context.Context, cred Credential, data *passcodeData, event Event) error {
	events, err := u.entries(cred.Site, PasscodeSubject, &data.Events, []Event{event}, func(*Event) {})
	if err != nil {
		return err
	}
	if cred.Data, err = json.Marshal(data); err != nil {
		return err
	}
	if err := u.Credentials().Put(ctx, cred); err != nil {
		return err
	}
	if err := u.record(ctx, events); err != nil {
		return err
	}
	if event.Type != EventPasscodeAlert && event.Type != EventPasscodeLocked {
		return nil
	}
	return u.enqueue(ctx, Message{Site: cred.Site, Kind: MessageAlert, Event: events[0].ID})
}

func (u *unit) describePasscode(ctx context.Context, site Site, cred Credential, data passcodeData) (PasscodeDetail, error) {
	p := site.Policy.Credentials
	detail := PasscodeDetail{
		Status: data.Status, Generation: cred.Generation, GeneratedAt: cred.CreatedAt, GeneratedBy: cred.CreatedBy,
		AlertLevel: p.PasscodeAlert, LockLevel: p.PasscodeLock, AsOf: u.now,
	}
	if cred.Generation == 0 {
		return detail, nil
	}
	lock, excess := p.PasscodeLimit(site.ID, cred.Generation), p.PasscodeExcessLimit(site.ID, cred.Generation)
	counted := wrongLimit(lock.Key, lock.Window) // without the right ones that are under way
	counters, err := u.Counters().Get(ctx, counted.Key, excess.Key)
	if err != nil {
		return detail, err
	}
	tries := counted.Max - counters[0].Left(counted, u.now)
	if data.Status == PasscodeLocked {
		tries = data.Tries // the window passes, the lock stays
	}
	detail.FailedAttempts = tries + excess.Max - counters[1].Left(excess, u.now)
	return detail, nil
}

// sealPasscode fills in what finds, proves and shows a passcode.
func (u *unit) sealPasscode(cred *Credential, made credentials.Secret) (err error) {
	cred.Index = u.ring.MACSecret(credentials.PurposePasscode, made)
	cred.Check = u.ring.MACSecret(credentials.PurposePasscode, made, passcodeContext(*cred)...)
	cred.Sealed, err = u.ring.Seal(u.s.cfg.Rand, sealedAt(*cred), made)
	return err
}

// passcodeContext binds the MAC that proves a passcode to its row; the one that
// makes it unique among all sites cannot be bound.
func passcodeContext(c Credential) []string { return []string{c.Site, strconv.Itoa(c.Generation)} }

// passcodeKeys are the counters of one generation. They do not depend on the
// policy.
func passcodeKeys(site Site, generation int) []string {
	var p credentials.Policy
	lock := p.PasscodeLimit(site.ID, generation).Key
	return []string{lock, p.PasscodeExcessLimit(site.ID, generation).Key, wrongLimit(lock, 0).Key}
}
