// Ownusers: the users stay in the embedder's own table. enrollkit asks for them
// by their own ids, keeps what it needs to show, and never writes to them.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

// employee is a row of the table that was there before.
type employee struct {
	number, name, mail string
}

// staff makes that table an enrollment.Directory.
type staff []employee

// Lookup finds a user by the embedder's own id.
func (s staff) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	for _, e := range s {
		if e.number == id {
			return e.user(site), nil
		}
	}
	return enrollment.User{}, enrollment.ErrNotFound
}

// ByEmail finds the users with a canonical address.
func (s staff) ByEmail(_ context.Context, email string) ([]enrollment.User, error) {
	var found []enrollment.User
	for _, e := range s {
		if strings.EqualFold(e.mail, email) {
			found = append(found, e.user("acme"))
		}
	}
	return found, nil
}

func (e employee) user(site string) enrollment.User {
	return enrollment.User{Site: site, ID: e.number, Name: e.name, Email: e.mail}
}

func main() {
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	svc := must(enrollment.New(memstore.New(), enrollment.Config{
		Keyring:   must(credentials.NewKeyring(must(credentials.NewKey(1, rand.Reader)))),
		Sites:     enrollment.OneSite{ID: "acme", PublicURL: must(url.Parse("https://mdm.example.com"))},
		Directory: staff{{"e-17", "Anna Nováková", "anna@example.com"}, {"e-18", "Petr Malý", "petr@example.com"}},
	}))

	results := must(svc.InviteMany(ctx, by, enrollment.InviteManyRequest{Invites: []enrollment.InviteRequest{
		{User: "e-17"},
		{User: "e-18", Email: "petr.private@example.net"}, // on this invitation only
		{User: "e-99"},
	}}))
	for _, r := range results {
		fmt.Printf("%s %q %s\n", r.User, r.Email, firstOf(enrollment.Code(r.Err), string(r.State)))
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
