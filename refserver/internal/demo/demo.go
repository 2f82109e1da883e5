// Package demo fills the demo site: users of a small company, and invitations to
// some of them, through the same doors that everybody uses.
package demo

import (
	"context"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
)

// people are the users of the demo site; those with a mark are invited: by mail
// (m), or only on paper (p).
var people = []struct{ name, invited string }{
	{"Alice Novak", "m"}, {"Ben Carter", "m"}, {"Chiara Rossi", "m"}, {"David Okafor", "m"}, {"Eva Lindqvist", "m"},
	{"Farid Haddad", "m"}, {"Grace Kim", "m"}, {"Hugo Martin", "m"}, {"Irena Dvorak", "m"}, {"Jonas Weber", "m"},
	{"Karin Berg", "p"}, {"Liam Murphy", "p"}, {"Maria Santos", ""}, {"Nadia Petrova", ""}, {"Oskar Nilsson", ""},
	{"Priya Nair", ""}, {"Quentin Dubois", ""}, {"Rosa Alvarez", ""}, {"Samuel Adeyemi", ""}, {"Tereza Horakova", ""},
}

// unresponsiveAfter is short, so that one sees it.
const unresponsiveAfter = 20 // seconds

// Somebody is a user of the demo site who has no invitation: whom to try
// self-service with.
const Somebody = "maria.santos@demo.example"

// Seed fills the administrator's site unless it has users already, and returns
// its company passcode, which is made if there never was one; zero if it is not
// in use. Of several nodes only one may do that: the others look alone.
func Seed(ctx context.Context, svc *enrollment.Service, a *accounts.Accounts, by accounts.Principal, look bool) (credentials.Secret, error) {
	if look {
		return passcode(ctx, svc, by.Actor(), look)
	}
	page, err := a.Users(ctx, by.Site, "", "", 1)
	if err != nil {
		return credentials.Secret{}, err
	}
	if len(page.Users) == 0 {
		if err := fill(ctx, svc, a, by); err != nil {
			return credentials.Secret{}, err
		}
	}
	return passcode(ctx, svc, by.Actor(), look)
}

func passcode(ctx context.Context, svc *enrollment.Service, by enrollment.Actor, look bool) (credentials.Secret, error) {
	detail, err := svc.Passcode(ctx, by)
	switch {
	case err != nil:
		return credentials.Secret{}, err
	case detail.Status == enrollment.PasscodeActive:
		return svc.RevealPasscode(ctx, by)
	case look, detail.Status != enrollment.PasscodeNone: // as somebody left it
		return credentials.Secret{}, nil
	}
	made, _, err := svc.GeneratePasscode(ctx, by)
	return made, err
}

// fill makes settings, users and invitations.
func fill(ctx context.Context, svc *enrollment.Service, a *accounts.Accounts, by accounts.Principal) error {
	if err := settings(ctx, a, by.Site); err != nil {
		return err
	}
	var invites []enrollment.InviteRequest
	for _, p := range people {
		email := strings.ToLower(strings.ReplaceAll(p.name, " ", ".")) + "@demo.example"
		user, err := a.CreateUser(ctx, by.Site, accounts.UserChange{Name: &p.name, Email: &email}, "")
		if err != nil {
			return err
		}
		if p.invited != "" {
			invites = append(invites, enrollment.InviteRequest{User: user.ID, Send: p.invited == "m"})
		}
	}
	results, err := svc.InviteMany(ctx, by.Actor(), enrollment.InviteManyRequest{Invites: invites})
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func settings(ctx context.Context, a *accounts.Accounts, site string) error {
	s, err := a.Settings(site)
	if err != nil {
		return err
	}
	after := unresponsiveAfter
	s.Policy.UnresponsiveAfterSeconds = &after
	s.Support = "it@demo.example"
	s.Agents = map[string]accounts.Agent{
		// A package that nobody has, and the SHA-256 of "abc": the code of a new
		// device is right in form and leads nowhere.
		"android": {
			Name: "Demo Agent", Package: "example.demo.agent", Component: "example.demo.agent/.AdminReceiver",
			DownloadURL: "https://example.com/agent.apk", Certificate: "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", Identifier: "afw#demo",
		},
		"ios": {Name: "Demo Agent", Package: "example.demo.agent", StoreURL: "https://apps.apple.com/app/id000000000"},
	}
	return a.PutSettings(ctx, site, s)
}
