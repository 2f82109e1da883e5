package enrollment

import (
	"context"
	"iter"
)

// OneSite is the Sites of a product that has a single tenant.
type OneSite Site

var _ Sites = OneSite{}

// Site returns the site, or [ErrNotFound] for any other id.
func (o OneSite) Site(_ context.Context, id string) (Site, error) {
	if id != o.ID {
		return Site{}, ErrNotFound
	}
	o.SoleHost = true
	return Site(o), nil
}

// Host returns the site for every host.
func (o OneSite) Host(ctx context.Context, _ string) (Site, error) { return o.Site(ctx, o.ID) }

// All yields the site's id.
func (o OneSite) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield(o.ID, nil) }
}
