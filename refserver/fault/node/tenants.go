//go:build fault

package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
)

// tenants are the sites office-0 to office-3 and whoever is asked for: user
// "ann.office-1" has the address ann.office-1@fault.example. The administrator
// of a site has the token "fault-" and its id.
type tenants struct{ public *url.URL }

const siteCount = 4

func (t tenants) Site(_ context.Context, id string) (enrollment.Site, error) {
	for n := range siteCount {
		if id == fmt.Sprintf("office-%d", n) {
			return t.site(id), nil
		}
	}
	return enrollment.Site{}, enrollment.ErrNotFound
}

func (t tenants) site(id string) enrollment.Site {
	return enrollment.Site{ID: id, Name: id, PublicURL: t.public, Policy: enrollment.Policy{Credentials: credentials.Policy{
		PINBudget: 12, PINAlert: 3, PINPace: credentials.Off, SourcePace: credentials.Off, PINSiteBudget: credentials.Off,
	}}}
}

func (t tenants) Host(context.Context, string) (enrollment.Site, error) { return t.site("host"), nil }

func (t tenants) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for n := range siteCount {
			if !yield(fmt.Sprintf("office-%d", n), nil) {
				return
			}
		}
	}
}

func (t tenants) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	name, at, ok := strings.Cut(id, ".")
	if !ok || at != site {
		return enrollment.User{}, enrollment.ErrNotFound
	}
	return enrollment.User{Site: site, ID: id, Name: "Person " + name, Email: id + "@fault.example"}, nil
}

func (t tenants) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	id, ours := strings.CutSuffix(email, "@fault.example")
	_, site, _ := strings.Cut(id, ".")
	if !ours || site == "" {
		return nil, nil
	}
	user, err := t.Lookup(ctx, site, id)
	if err != nil {
		return nil, err
	}
	return []enrollment.User{user}, nil
}

func (t tenants) Administrators(_ context.Context, site string) ([]enrollment.Administrator, error) {
	return []enrollment.Administrator{{ID: "boss", Name: "Boss", Email: "boss." + site + "@fault.example"}}, nil
}

// actor is the administrator of the site that a token names.
func (t tenants) actor(r *http.Request) (enrollment.Actor, error) {
	site, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer fault-")
	if !ok {
		return enrollment.Actor{}, adminhttp.ErrUnauthenticated
	}
	return enrollment.Actor{Site: site, ID: "boss", Name: "Boss"}, nil
}
