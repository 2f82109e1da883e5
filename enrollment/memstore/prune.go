package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
)

// PruneSite implements [enrollment.Records].
func (r records) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	total := 0
	err := r.write(ctx, func() error {
		total = r.pruneJournal(site, micros(c.Journal), limit) +
			r.pruneSightings(site, micros(c.Sightings), limit) +
			r.pruneTombstones(site, micros(c.Tombstones), limit)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

func (r records) pruneJournal(site string, before time.Time, limit int) int {
	numbered := r.data.bySiteSeq[site]
	var seqs []int64
	for n := range numbered {
		seqs = append(seqs, n)
	}
	slices.Sort(seqs)
	count := 0
	for _, n := range first(seqs, limit) {
		k := key{site, numbered[n]}
		e := r.data.events[k]
		if !e.At.Before(before) {
			break
		}
		drop(r.tx, r.data.bySeq[key{site, e.Subject}], e.Seq)
		drop(r.tx, numbered, n)
		drop(r.tx, r.data.events, k)
		count++
	}
	return count
}

func (r records) pruneSightings(site string, before time.Time, limit int) int {
	count := 0
	for k, seen := range r.data.sightings {
		inv, known := r.data.invitations[k]
		if k.site != site || known && (inv.State.Active() || !inv.EndedAt.Before(before)) {
			continue
		}
		for evidence, s := range seen {
			if count < limit && s.Last.Before(before) {
				drop(r.tx, seen, evidence)
				count++
			}
		}
	}
	return count
}

func (r records) pruneTombstones(site string, before time.Time, limit int) int {
	var gone []key
	for k, row := range r.data.devices {
		if k.site == site && row.Deleted() && row.DeletedAt.Before(before) {
			gone = append(gone, k)
		}
	}
	slices.SortFunc(gone, func(a, b key) int { return cmp.Compare(a.id, b.id) })
	gone = first(gone, limit)
	for _, k := range gone {
		devices(r).unindex(r.data.devices[k])
		drop(r.tx, r.data.devices, k)
		if c, ok := r.data.contacts[k]; ok {
			drop(r.tx, r.data.byToken, c.Token)
			drop(r.tx, r.data.contacts, k)
		}
	}
	return len(gone)
}
