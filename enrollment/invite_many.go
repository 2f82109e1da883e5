package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// Invite invites one person. The error is the request's or the person's: what
// InviteMany has in Err is returned here.
func (s *Service) Invite(ctx context.Context, by Actor, r InviteRequest) (_ InviteResult, err error) {
	defer s.did(ctx, "invite", by.Site, s.began(), &err)
	results, err := s.inviteMany(ctx, by, InviteManyRequest{Invites: []InviteRequest{r}})
	if err != nil {
		return InviteResult{}, err
	}
	return results[0], results[0].Err
}

// InviteMany invites people, each with a result of its own: one who cannot be
// invited does not keep the others from it. All that is done is done in one
// unit of work. The error is about the request as a whole; then nobody was
// invited.
func (s *Service) InviteMany(ctx context.Context, by Actor, r InviteManyRequest) (_ []InviteResult, err error) {
	defer s.did(ctx, "invite_many", by.Site, s.began(), &err)
	return s.inviteMany(ctx, by, r)
}

func (s *Service) inviteMany(ctx context.Context, by Actor, r InviteManyRequest) ([]InviteResult, error) {
	if err := s.authorize(ctx, by, PermInvite); err != nil {
		return nil, err
	}
	if err := r.validate(); err != nil {
		return nil, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return nil, err
	}
	planned, err := s.planInvites(ctx, by.Site, r.Invites)
	if err != nil {
		return nil, err
	}
	fingerprint, err := r.fingerprint(s.keys())
	if err != nil {
		return nil, err
	}

	var results []InviteResult
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		scope := "invite/" + by.ID
		if r.Key != "" {
			old, err := u.answered(ctx, by.Site, scope, r.Key, fingerprint)
			if err != nil {
				return err
			}
			if old != nil {
				results, err = repeatInvites(old, planned)
				return err
			}
		}
		// Judged here, so that a repetition gets its first answer however late.
		for _, p := range planned {
			if !p.ExpiresAt.IsZero() && !p.ExpiresAt.After(u.now) {
				return invalid("expires_at", "past")
			}
		}
		var err error
		if results, err = u.invite(ctx, by, site, planned); err != nil {
			return err
		}
		if r.DryRun {
			return errDryRun
		}
		if r.Key == "" {
			return nil
		}
		kept, err := json.Marshal(keepInvites(results))
		if err != nil {
			return err
		}
		return u.Records().Put(ctx, Record{
			Site: by.Site, Scope: scope, Key: r.Key, Fingerprint: fingerprint,
			Result: kept, At: u.now, ExpiresAt: u.now.Add(site.Policy.Retention.Requests),
		})
	})
	if errors.Is(err, errDryRun) {
		for i := range results {
			if !results[i].Kept {
				results[i].Invitation = "" // it does not exist
			}
		}
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// purposeInvite makes the fingerprints of requests.
const purposeInvite = credentials.Purpose("invite")

// errDryRun rolls a unit back whose results are wanted all the same.
var errDryRun = errors.New("enrollment: dry run")

// CountInvites sums up results.
func CountInvites(results []InviteResult) InviteCounts {
	var n InviteCounts
	for _, r := range results {
		switch {
		case r.Err != nil:
			n.Refused++
		case r.Kept:
			n.Kept++
		default:
			n.Created++
			if r.Replaced != "" {
				n.Replaced++
			}
		}
	}
	return n
}

// invite does what was planned, for all at once: our rows of the users are
// locked first, which is what makes one active invitation per user hold.
func (u *unit) invite(ctx context.Context, by Actor, site Site, planned []plannedInvite) ([]InviteResult, error) {
	results := make([]InviteResult, len(planned))
	var users []User
	var at []int // users[k] belongs to planned[at[k]]
	for i, p := range planned {
		results[i] = InviteResult{User: firstOf(p.user.ID, p.User), Email: firstOf(p.email, p.Email), Err: p.err}
		if p.err != nil {
			continue
		}
		user := p.user
		if user.Outside {
			id, err := newID(prefixUser, u.now, u.s.cfg.Rand)
			if err != nil {
				return nil, err
			}
			user.ID = id
			if user, err = u.Users().Outside(ctx, user); err != nil {
				return nil, err
			}
		}
		users = append(users, user)
		at = append(at, i)
	}
	if len(users) == 0 {
		return results, nil
	}
	stored, err := u.Users().Lock(ctx, users...)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(users))
	var renamed []User
	for k, user := range users {
		ids[k] = user.ID
		if user.changes(stored[k]) {
			if err := u.Users().Put(ctx, user); err != nil {
				return nil, err
			}
			renamed = append(renamed, user)
		}
	}
	actives, err := u.Invitations().List(ctx, InvitationQuery{Site: by.Site, Users: ids, Active: true})
	if err != nil {
		return nil, err
	}
	activeOf := map[string]invitation.Invitation{}
	for _, inv := range actives {
		activeOf[inv.User] = inv
	}
	var made newInvites
	for k, user := range users {
		old, has := activeOf[user.ID]
		result, err := u.inviteOne(ctx, &made, by, site, planned[at[k]], user, old, has)
		if err != nil {
			return nil, err
		}
		results[at[k]] = result
	}
	if err := made.write(ctx, u); err != nil {
		return nil, err
	}
	for _, user := range renamed {
		if err := u.relabel(ctx, user); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// inviteOne decides about the old invitation and makes the new one, which is not
// written yet.
func (u *unit) inviteOne(ctx context.Context, made *newInvites, by Actor, site Site, p plannedInvite, user User, old invitation.Invitation, has bool) (InviteResult, error) {
	result := InviteResult{User: user.ID, Email: p.email}
	if has {
		// Whoever accepts or enrolls does not hold the user's row.
		var err error
		if old, err = u.Invitations().Lock(ctx, old.Site, old.ID); err != nil {
			return result, err
		}
		has = old.State.Active()
	}
	if has && old.Expired(u.now) {
		if _, err := u.end(ctx, old, invitation.Expired, ActorSystem); err != nil {
			return result, err
		}
		has = false
	}
	switch {
	case has && p.IfActive == Refuse:
		result.Invitation, result.State, result.Err = old.ID, old.State, ErrActive
		return result, nil
	case has && p.IfActive == Keep:
		if p.Send {
			if old.Email == "" {
				result.Err = ErrNoAddress
				return result, nil
			}
			var err error
			if old, err = u.send(ctx, by, old); err != nil {
				return result, err
			}
		}
		result.Invitation, result.Email, result.State, result.Kept = old.ID, old.Email, old.State, true
		return result, nil
	case has:
		if _, err := u.end(ctx, old, invitation.Superseded, by.ID); err != nil {
			return result, err
		}
		result.Replaced = old.ID
	}
	id, err := newID(prefixInvitation, u.now, u.s.cfg.Rand)
	if err != nil {
		return result, err
	}
	inv := invitation.Invitation{
		Site: by.Site, ID: id, User: user.ID,
		Email: p.email, EmailKey: p.emailKey, Name: user.Name,
		State: invitation.Created, Mode: string(p.Mode), Ownership: string(p.Ownership),
		ExpiresAt: p.ExpiresAt, MaxDevices: p.MaxDevices,
		CreatedAt: u.now, PINGeneration: 1, Version: 1,
	}
	events := []Event{{
		Type: invitation.EventCreated, Actor: by.ID, After: string(invitation.Created), Reason: replacedReason(result),
	}}
	if p.Send {
		if inv, err = u.sent(inv); err != nil {
			return result, err
		}
		events = append(events, sentEvent(by, invitation.Created, inv))
	}
	if err := made.add(u, by, site, inv, user, events); err != nil {
		return result, err
	}
	result.Invitation, result.State = inv.ID, inv.State
	return result, nil
}

func replacedReason(r InviteResult) string {
	if r.Replaced != "" {
		return "replaces"
	}
	return ""
}

// validate checks what does not depend on the person.
func (r InviteManyRequest) validate() error {
	var fields []FieldError
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
	switch {
	case len(r.Invites) == 0:
		add("users", "required")
	case len(r.Invites) > MaxInvites:
		return invalid("users", "too_many")
	}
	if len(r.Key) > maxID {
		add("idempotency_key", "too_long")
	}
	for i, p := range r.Invites {
		field := func(name string) string { return fmt.Sprintf("users[%d].%s", i, name) }
		if p.User == "" && p.Email == "" {
			add(field("user_id"), "required")
		}
		if len(p.User) > maxID {
			add(field("user_id"), "too_long")
		} else if !plainText(p.User) {
			add(field("user_id"), "malformed")
		}
		if !plainText(p.Name) {
			add(field("name"), "malformed")
		}
		if !slices.Contains([]IfActive{"", Replace, Keep, Refuse}, p.IfActive) {
			add("if_active", "unknown")
		}
		if p.Mode != "" && p.Mode.Platform() == "" {
			add("mode", "unknown")
		}
		if p.Ownership != "" && !p.Ownership.Valid() {
			add("ownership", "unknown")
		}
		if p.MaxDevices < 0 || p.MaxDevices > maxDevices {
			add("max_devices", "out_of_range")
		}
	}
	if len(fields) == 0 {
		return nil
	}
	slices.SortFunc(fields, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return &ValidationError{Fields: slices.Compact(fields)}
}

// fingerprint is keyed: the request has names and addresses, which whoever holds
// the rows must not be able to try out.
func (r InviteManyRequest) fingerprint(ring *credentials.Keyring) ([]byte, error) {
	doc, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	name := ring.Name(purposeInvite, doc)
	return name[:], nil
}
