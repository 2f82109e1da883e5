package enrollment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"example.com/enrollkit/credentials"
)

// maxKeys is more keys than any ring has seen.
const maxKeys = 1000

// retired marks the canary of a key that nothing needs any more.
var retired = []byte(`{"retired":true}`)

// scopeCanary holds whose canary was left, for good.
const scopeCanary = "canary"

// keys is the ring of this moment.
func (s *Service) keys() *credentials.Keyring { return s.ring.Load() }

// Check compares the key ring with the canaries in the store, and leaves one of
// the current key if there is none: from then on every process needs that key,
// while one that was only added may still be unknown to some. A wrong or incomplete ring would turn every right
// PIN into a wrong one, so call it before serving and do not serve on an error.
// The error wraps credentials.ErrWrongKey or credentials.ErrUnknownKey. A key
// that was retired ([Service.RetireKey]) is not missed.
func (s *Service) Check(ctx context.Context) (err error) {
	defer s.did(ctx, "check", "", s.began(), &err)
	return s.checkRing(ctx, s.keys())
}

// UseKeyring changes the ring under a running Service, and under those that came
// from it by [Service.With]: calls that began before end with the ring they have.
// The new ring is checked first, as [Service.Check] does; on an error the old one
// stays. So a rotation restarts nothing: add a key to the ring of every process,
// promote it in every process, then [Service.Rekey] in one.
func (s *Service) UseKeyring(ctx context.Context, ring *credentials.Keyring) (err error) {
	defer s.did(ctx, "use_keyring", "", s.began(), &err)
	if ring == nil {
		return errors.New("enrollment: no key ring")
	}
	if err := s.checkRing(ctx, ring); err != nil {
		return err
	}
	s.ring.Store(ring)
	return nil
}

func (s *Service) checkRing(ctx context.Context, ring *credentials.Keyring) error {
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		stored, err := u.Credentials().List(ctx, KindCanary, Credential{}, maxKeys)
		if err != nil {
			return err
		}
		known := map[uint32]bool{}
		for _, c := range stored {
			err := ring.CheckCanary(c.Check)
			if err != nil && (!errors.Is(err, credentials.ErrUnknownKey) || !bytes.Equal(c.Data, retired)) {
				return fmt.Errorf("enrollment: key ring, key %s: %w", c.Owner, err)
			}
			known[c.Check.KeyID] = true
		}
		for _, mac := range ring.Canaries() {
			if known[mac.KeyID] || mac.KeyID != ring.Current() {
				continue
			}
			// Of two who come first the second is told that it exists, and runs again
			// to be compared: a credential would be replaced.
			err := u.Records().Put(ctx, Record{
				Scope: scopeCanary, Key: canaryOwner(mac.KeyID), Result: []byte("{}"), At: u.now,
			})
			if err != nil {
				return err
			}
			err = u.Credentials().Put(ctx, Credential{
				Owner: canaryOwner(mac.KeyID), Kind: KindCanary, Check: mac, CreatedAt: u.now,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// missed is asked before something is called unknown because no MAC of it was
// found. A ring that lacks a key in use finds nothing of that key: then it is
// this process's trouble, and a device that is told so comes back instead of
// throwing its token away. Otherwise it returns unknown.
func (u *unit) missed(ctx context.Context, unknown error) error {
	stored, err := u.Credentials().List(ctx, KindCanary, Credential{}, maxKeys)
	if err != nil {
		return err
	}
	for _, c := range stored {
		if !slices.Contains(u.ring.IDs(), c.Check.KeyID) && !bytes.Equal(c.Data, retired) {
			return fmt.Errorf("enrollment: key %s: %w", c.Owner, credentials.ErrUnknownKey)
		}
	}
	return unknown
}

func canaryOwner(key uint32) string { return strconv.FormatUint(uint64(key), 10) }

// KeyInUseError refuses to retire a key that something needs.
type KeyInUseError struct {
	Key uint32
	Use KeyUse
}

func (e *KeyInUseError) Error() string {
	return fmt.Sprintf("enrollment: key %d is still needed: %d invitations, %d passcodes, %d logins, %d devices, %d recently ended, %d unreadable",
		e.Key, e.Use.Invitations, e.Use.Passcodes, e.Use.Logins, e.Use.Devices, e.Use.Recent, e.Use.Unreadable)
}

// RetireKey notes that a key may go: from then on [Service.Check] takes rings
// without it. It goes through everything that is stored, and answers a
// [*KeyInUseError] while something needs the key; [Service.Rekey] changes that.
// Call it when no process has the key as its current one any more, then take the
// key out of every ring ([credentials.Keyring.Without]). The ring's own current
// key answers credentials.ErrInvalidKeyring, one that the ring does not have and
// that never was current credentials.ErrUnknownKey. Retiring twice is no error.
//
// What an embedder seals with the ring itself is not looked at. What ends with
// the key is in the comment of [KeyUse].
func (s *Service) RetireKey(ctx context.Context, key uint32) (err error) {
	defer s.did(ctx, "retire_key", "", s.began(), &err)
	if key == s.keys().Current() {
		return fmt.Errorf("enrollment: key %d is current: %w", key, credentials.ErrInvalidKeyring)
	}
	uses, err := s.keyUses(ctx)
	if err != nil {
		return err
	}
	if use := uses[key]; use.Needed() {
		return &KeyInUseError{Key: key, Use: use}
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		canary, err := u.Credentials().Get(ctx, "", canaryOwner(key), KindCanary)
		if errors.Is(err, ErrNotFound) && slices.Contains(u.ring.IDs(), key) {
			return nil // it never was current
		}
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("enrollment: key %d: %w", key, credentials.ErrUnknownKey)
		}
		if err != nil || bytes.Equal(canary.Data, retired) {
			return err
		}
		canary.Data = retired
		return u.Credentials().Put(ctx, canary)
	})
}

// KeyUses goes through everything that is stored, changes nothing, and returns
// what is stored under each key. See [KeyUse] for what it means.
func (s *Service) KeyUses(ctx context.Context) (_ map[uint32]KeyUse, err error) {
	defer s.did(ctx, "key_uses", "", s.began(), &err)
	return s.keyUses(ctx)
}

func (s *Service) keyUses(ctx context.Context) (map[uint32]KeyUse, error) {
	var p RekeyProgress
	for !p.Done {
		var err error
		if p, err = s.rekey(ctx, p, rekeyPage, false); err != nil {
			return nil, err
		}
	}
	return p.Keys, nil
}
