package enrollment

import (
	"context"
	"fmt"
	"slices"

	"example.com/enrollkit/credentials"
)

// plannedInvite is one request with the person found, before the unit.
type plannedInvite struct {
	InviteRequest
	user     User
	email    string // where to send
	emailKey string
	err      error
}

// planInvites asks the directory, outside of any unit.
func (s *Service) planInvites(ctx context.Context, site string, list []InviteRequest) ([]plannedInvite, error) {
	planned := make([]plannedInvite, len(list))
	seen := map[string]bool{}
	for i, r := range list {
		p := plannedInvite{InviteRequest: r}
		p.user, p.err = s.person(ctx, site, r)
		if p.err != nil && Code(p.err) == "unavailable" {
			return nil, p.err // the directory's trouble, not this person's
		}
		if p.err == nil {
			p.email = trimAddress(firstOf(r.Email, p.user.Email))
			switch key, err := credentials.CanonicalEmail(p.email); {
			case err == nil:
				p.emailKey = key
			case p.email != "":
				p.err = invalid("email", "malformed")
			case r.Send:
				p.err = ErrNoAddress
			}
		}
		if p.err == nil {
			// A person outside the directory is told by the address.
			who := "id/" + p.user.ID
			if p.user.Outside {
				who = "address/" + p.emailKey
			}
			if seen[who] {
				p.err = invalid("user", "repeated")
			}
			seen[who] = true
		}
		planned[i] = p
	}
	return planned, nil
}

// person finds who is invited: a user of the directory, or somebody outside it.
func (s *Service) person(ctx context.Context, site string, r InviteRequest) (User, error) {
	if r.User == "" {
		email := trimAddress(r.Email)
		key, err := credentials.CanonicalEmail(email)
		if err != nil {
			return User{}, invalid("email", "malformed")
		}
		if user, err := s.byAddress(ctx, site, key); err != nil || user.ID != "" {
			return user, err
		}
		return User{Site: site, Name: r.Name, Email: email, EmailKey: key, Outside: true}, nil
	}
	if s.cfg.Directory == nil {
		return User{}, fmt.Errorf("enrollment: no directory in the config: %w", ErrNotFound)
	}
	user, err := s.cfg.Directory.Lookup(ctx, site, r.User)
	if err != nil {
		return User{}, err
	}
	// What the directory answers counts only for the one it was asked about.
	user.Site, user.ID = site, r.User
	return ofDirectory(user), nil
}

// byAddress returns the one user of the directory who has this address in a
// site, or nobody: a person of the directory is not invited a second time as
// somebody from outside it.
func (s *Service) byAddress(ctx context.Context, site, key string) (User, error) {
	if s.cfg.Directory == nil {
		return User{}, nil
	}
	users, err := s.cfg.Directory.ByEmail(ctx, key)
	if err != nil {
		return User{}, err
	}
	users = slices.DeleteFunc(slices.Clone(users), func(u User) bool { return u.Site != site || u.ID == "" })
	if len(users) != 1 {
		return User{}, nil
	}
	return ofDirectory(users[0]), nil
}

// ofDirectory is a user as we keep one.
func ofDirectory(user User) User {
	user.Email, user.EmailKey, user.Outside = trimAddress(user.Email), "", false
	if key, err := credentials.CanonicalEmail(user.Email); err == nil {
		user.EmailKey = key
	}
	return user
}
