package memstore

import (
	"cmp"
	"context"
	"slices"

	"example.com/enrollkit/invitation"
)

type sightings struct{ *tx }

func (s sightings) Note(ctx context.Context, list ...invitation.Sighting) error {
	return s.write(ctx, func() error {
		for _, seen := range list {
			seen, err := taken(seen)
			if err != nil {
				return err
			}
			k := key{seen.Site, seen.Invitation}
			if s.data.sightings[k] == nil {
				put(s.tx, s.data.sightings, k, map[invitation.Evidence]invitation.Sighting{})
			}
			if old, ok := s.data.sightings[k][seen.Evidence]; ok {
				seen.Count += old.Count
				if old.First.Before(seen.First) {
					seen.First = old.First
				}
				if old.Last.After(seen.Last) {
					seen.Last = old.Last
				}
			}
			put(s.tx, s.data.sightings[k], seen.Evidence, seen)
		}
		return nil
	})
}

func (s sightings) List(ctx context.Context, site string, invitations ...string) ([]invitation.Sighting, error) {
	if err := s.reading(ctx); err != nil {
		return nil, err
	}
	var list []invitation.Sighting
	for _, id := range slices.Compact(slices.Sorted(slices.Values(invitations))) {
		for _, seen := range s.data.sightings[key{site, id}] {
			list = append(list, seen)
		}
	}
	slices.SortFunc(list, func(a, b invitation.Sighting) int {
		return cmp.Or(cmp.Compare(a.Invitation, b.Invitation), a.First.Compare(b.First), cmp.Compare(a.Evidence, b.Evidence))
	})
	return list, nil
}

func (s sightings) Delete(ctx context.Context, site string, invitations ...string) error {
	return s.write(ctx, func() error {
		for _, id := range invitations {
			drop(s.tx, s.data.sightings, key{site, id})
		}
		return nil
	})
}
