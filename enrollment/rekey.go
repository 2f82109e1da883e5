package enrollment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"example.com/enrollkit/credentials"
)

// rekeyPage is how many rows RetireKey reads at once, and rekeyBatch how many a
// unit of a rotation changes: few, since it holds their locks.
const (
	rekeyPage  = 500
	rekeyBatch = 25
)

// RekeyProgress is how far one pass of [Service.Rekey] has come. It is plain
// data: keep it as JSON to go on after a restart. The zero value begins a pass.
type RekeyProgress struct {
	Done       bool  `json:"done"`       // the pass is complete
	Looked     int64 `json:"looked"`     // rows
	Changed    int64 `json:"changed"`    // of them moved to the current key
	Unreadable int64 `json:"unreadable"` // of them left, because what they hold does not fit its key
	// Keys says what is stored under each key, as far as the pass has come. A row
	// that names several keys counts for each.
	Keys map[uint32]KeyUse `json:"keys"`

	// Where the pass goes on.
	Stage int    `json:"stage"`
	Site  string `json:"site"`
	Owner string `json:"owner"`
}

// KeyUse is what is stored under one key.
//
// The first six need the key and are seen to: Invitations, Passcodes and Devices
// by [Service.Rekey]; Logins and Recent by time, at most two days; Unreadable by
// whoever finds out what happened to them. The last two only lose by it: without
// the key, the link of an ended invitation says "unknown" instead of what became
// of it, the token of a deleted device is refused instead of "gone", and the
// same hardware enrolling again does not know its predecessor.
type KeyUse struct {
	Invitations int64 `json:"invitations"` // active: token, PIN, envelope
	Passcodes   int64 `json:"passcodes"`
	Devices     int64 `json:"devices"` // their tokens
	// Logins are one-time logins that can be used, or whose answer can be asked
	// for again. They are not moved: they are younger than two days.
	Logins int64 `json:"logins"`
	// Recent are invitations that ended less than [RecordsKept] ago: an answer
	// that was lost can still be asked for by their credentials.
	Recent     int64 `json:"recent"`
	Unreadable int64 `json:"unreadable"` // do not open, or do not fit what is beside them

	Ended      int64 `json:"ended"`      // invitations; nothing is left to make another MAC from
	Tombstones int64 `json:"tombstones"` // deleted devices; the same
}

// Needed reports whether something stops working without the key.
func (k KeyUse) Needed() bool {
	return k.Invitations+k.Passcodes+k.Devices+k.Logins+k.Recent+k.Unreadable > 0
}

// Rekey takes one step of a pass over everything that is stored and moves it to
// the ring's current key: it seals anew what is shown again, and makes anew what
// finds and proves. Nobody's credential changes. It looks at no more than limit
// rows (0: 500) and returns where the next step goes on:
//
//	var p enrollment.RekeyProgress
//	for !p.Done {
//		if p, err = svc.Rekey(ctx, p, 0); err != nil {
//			return err // p is as it was: begin again, or go on with it later
//		}
//	}
//
// It works while everything else does. Each row is judged again under its lock,
// so whoever changes it at the same time wins, and any number of processes may
// rekey at once. Only keys with a lower id than the current one are left behind:
// a process whose ring is older undoes nothing. A second pass finds what a
// process that was promoted late has written meanwhile.
//
// A ring without sealing keys answers credentials.ErrNoSealingKey, and a row
// whose key is not in the ring credentials.ErrUnknownKey.
func (s *Service) Rekey(ctx context.Context, p RekeyProgress, limit int) (_ RekeyProgress, err error) {
	defer s.did(ctx, "rekey", "", s.began(), &err)
	if !s.keys().CanSeal() {
		return p, credentials.ErrNoSealingKey
	}
	if limit <= 0 {
		limit = rekeyPage
	}
	return s.rekey(ctx, p, limit, true)
}

// The stages of a pass.
const (
	stageInvitations = iota
	stagePasscodes
	stageLogins
	stageDevices
	stageDone
)

// rekey takes one step; without change, it only looks.
func (s *Service) rekey(ctx context.Context, p RekeyProgress, limit int, change bool) (RekeyProgress, error) {
	if p.Stage < stageInvitations || p.Stage >= stageDone {
		return p, invalid("progress", "out_of_range")
	}
	found, err := s.keyedRows(ctx, p, limit)
	if err == nil && change {
		err = s.rekeyRows(ctx, p.Stage, found)
	}
	if err != nil {
		return p, fmt.Errorf("enrollment: rekey: %w", err)
	}
	p.Keys = maps.Clone(p.Keys) // the caller's stays as it was
	if p.Keys == nil {
		p.Keys = map[uint32]KeyUse{}
	}
	for _, row := range found {
		row.count(&p)
	}
	p.Looked += int64(len(found))
	if len(found) < limit {
		p.Stage, p.Site, p.Owner = p.Stage+1, "", ""
	} else {
		p.Site, p.Owner = found[limit-1].site, found[limit-1].owner
	}
	p.Done = p.Stage == stageDone
	return p, nil
}

// keyedRows looks at the next rows of a stage, without locks.
func (s *Service) keyedRows(ctx context.Context, p RekeyProgress, limit int) (found []keyed, err error) {
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		found = nil
		if p.Stage == stageDevices {
			list, err := u.Contacts().List(ctx, Contact{Site: p.Site, Device: p.Owner}, limit)
			if err != nil {
				return err
			}
			for _, contact := range list {
				row, err := u.keysOfContact(ctx, contact)
				if err != nil {
					return err
				}
				found = append(found, row)
			}
			return nil
		}
		list, err := u.Credentials().List(ctx, kindOf(p.Stage), Credential{Site: p.Site, Owner: p.Owner}, limit)
		if err != nil {
			return err
		}
		for _, cred := range list {
			row, err := u.keysOfCredential(ctx, cred)
			if err != nil {
				return err
			}
			found = append(found, row)
		}
		return nil
	})
	return found, err
}

func kindOf(stage int) CredentialKind {
	switch stage {
	case stageInvitations:
		return KindInvitation
	case stagePasscodes:
		return KindPasscode
	}
	return KindLogin
}

// rekeyRows changes those of found that are on an older key, a few in each unit,
// and notes in found what became of them.
func (s *Service) rekeyRows(ctx context.Context, stage int, found []keyed) error {
	var stale []int
	for i := range found {
		if found[i].stale {
			stale = append(stale, i)
		}
	}
	for batch := range slices.Chunk(stale, rekeyBatch) {
		rows := make([]keyed, len(batch))
		err := s.update(ctx, func(ctx context.Context, u *unit) error {
			for k, i := range batch {
				row, err := u.rekeyRow(ctx, stage, found[i])
				switch {
				case errors.Is(err, ErrNotFound):
					row = keyed{} // gone since it was looked at
				case errors.Is(err, credentials.ErrTampered), errors.Is(err, credentials.ErrMalformed):
					// One row that was damaged must not keep the rest on the old key.
					row = found[i]
					row.unreadable = true
				case err != nil:
					return err
				}
				row.site, row.owner = found[i].site, found[i].owner
				rows[k] = row
			}
			return nil
		})
		if err != nil {
			return err
		}
		for k, i := range batch {
			if found[i] = rows[k]; rows[k].unreadable {
				s.cfg.Logger.ErrorContext(ctx, "enrollment: rekey: a row does not fit its key", "site", rows[k].site, "owner", rows[k].owner)
			}
		}
	}
	return nil
}
