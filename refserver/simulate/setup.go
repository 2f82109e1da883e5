package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// inviteBatch is how many people one request invites.
const inviteBatch = 200

// invitee is a person as the server knows them: by the directory's id, or by
// the address.
type invitee struct {
	User  string `json:"user_id,omitempty"`
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
}

// inviteBody is what POST /invitations takes.
type inviteBody struct {
	Users      []invitee `json:"users"`
	Deliver    string    `json:"deliver"`
	IfActive   string    `json:"if_active,omitempty"`
	Mode       string    `json:"mode,omitempty"`
	Ownership  string    `json:"ownership,omitempty"`
	MaxDevices int       `json:"max_devices,omitempty"`
}

// body invites people as i says.
func (i Invite) body(users ...invitee) inviteBody {
	b := inviteBody{Users: users, Deliver: "send", Mode: string(i.Mode), Ownership: string(i.Ownership), MaxDevices: i.MaxDevices}
	if i.Unsent {
		b.Deliver = "none"
	}
	return b
}

type inviteAnswer struct {
	Results []struct {
		Invitation string `json:"invitation_id"`
		Replaced   string `json:"replaced"`
		Error      string `json:"error"`
	} `json:"results"`
}

// setup gives every player an invitation with its credentials. Without them,
// there is nothing to play.
func (s *simulation) setup(ctx context.Context) error {
	const who = "setup"
	waiting := s.players
	if s.o.Existing {
		var err error
		if waiting, err = s.takeExisting(ctx, who); err != nil {
			return err
		}
	}
	if err := s.createUsers(ctx, who, waiting); err != nil {
		return err
	}
	groups := map[Invite][]*player{}
	for _, p := range waiting {
		groups[p.person.Invite] = append(groups[p.person.Invite], p)
	}
	for how, group := range groups {
		for len(group) > 0 {
			n := min(len(group), inviteBatch)
			if err := s.invite(ctx, who, how, group[:n]); err != nil {
				return err
			}
			group = group[n:]
		}
	}
	if err := s.each(s.players, func(p *player) error { return p.learnCodes(ctx, who) }); err != nil {
		return err
	}
	return s.readMail(ctx, who)
}

// createUsers adds people to the directory. A server without such a route
// invites them by their address; the first person finds out.
func (s *simulation) createUsers(ctx context.Context, who string, players []*player) error {
	s.hasUsers.Store(true)
	first := min(1, len(players))
	for _, part := range [][]*player{players[:first], players[first:]} {
		if !s.hasUsers.Load() {
			break
		}
		if err := s.each(part, func(p *player) error { return s.createUser(ctx, who, p) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulation) createUser(ctx context.Context, who string, p *player) error {
	p.invitee = invitee{Email: p.person.Email, Name: p.person.Name}
	var made struct {
		ID string `json:"id"`
	}
	body := map[string]string{"email": p.person.Email, "name": p.person.Name}
	got, err := s.admin.ask(ctx, who, http.MethodPost, "/users", "/users", body, &made, "201", "404", "405", "409")
	switch {
	case err != nil:
		return err
	case got.is(http.StatusNotFound) || got.is(http.StatusMethodNotAllowed):
		s.hasUsers.Store(false)
	case made.ID != "":
		s.tally.count("users created")
		p.invitee = invitee{User: made.ID}
	}
	return nil
}

// invite invites people in one request.
func (s *simulation) invite(ctx context.Context, who string, how Invite, group []*player) error {
	body := how.body()
	for _, p := range group {
		if p.invitee == (invitee{}) {
			p.invitee = invitee{Email: p.person.Email, Name: p.person.Name}
		}
		body.Users = append(body.Users, p.invitee)
	}
	var made inviteAnswer
	if _, err := s.admin.ask(ctx, who, http.MethodPost, "/invitations", "/invitations", body, &made, "201"); err != nil {
		return err
	}
	if len(made.Results) != len(group) {
		return fmt.Errorf("simulate: %d results for %d people who were invited", len(made.Results), len(group))
	}
	for i, p := range group {
		if code := made.Results[i].Error; code != "" {
			s.tally.unexpected(who, "results[].error of POST "+apiPath+"/invitations", "none", code)
			return errStopped
		}
		s.tally.count("people invited")
		p.invited(made.Results[i].Invitation, how)
	}
	return nil
}

// takeExisting gives players the invitations that nobody used so far, and
// returns those for whom there was none.
func (s *simulation) takeExisting(ctx context.Context, who string) (left []*player, err error) {
	var page struct {
		Invitations []invitationState `json:"invitations"`
	}
	path := "/invitations?page_size=500&state=created&state=sent"
	if _, err := s.admin.ask(ctx, who, http.MethodGet, "/invitations", path, nil, &page, "200"); err != nil {
		return nil, err
	}
	for _, p := range s.players {
		taken := -1
		for i, v := range page.Invitations {
			plain := v.Mode == "" && v.Ownership == "" && v.MaxDevices == 0
			if v.Devices == 0 && plain && p.person.Invite == (Invite{Unsent: v.State == "created"}) {
				taken = i
				break
			}
		}
		if taken < 0 {
			left = append(left, p)
			continue
		}
		v := page.Invitations[taken]
		page.Invitations = append(page.Invitations[:taken], page.Invitations[taken+1:]...)
		p.person.Name, p.person.Email = v.User.Name, v.Email
		p.invitee = invitee{User: v.User.ID}
		if strings.HasPrefix(v.User.ID, "usr_") { // a person outside the directory
			p.invitee = invitee{Email: v.Email, Name: v.User.Name}
		}
		p.invited(v.ID, p.person.Invite)
		s.tally.count("invitations found")
	}
	return left, nil
}

// each calls do for every player, a few at a time, and returns the errors.
func (s *simulation) each(players []*player, do func(*player) error) error {
	var group sync.WaitGroup
	errs := make([]error, len(players))
	slots := make(chan struct{}, s.o.Concurrency)
	for i, p := range players {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(p)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
