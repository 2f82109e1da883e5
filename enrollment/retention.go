package enrollment

import (
	"context"
	"fmt"
	"time"
)

// Forever, in a field of [Retention], keeps what the field is about for good.
const Forever = time.Duration(-1)

const day = 24 * time.Hour

// Retention is for how long a site keeps what nothing depends on any more. Zero
// fields mean the default; [Forever] keeps. The sweeper deletes what is past its
// time, at most an hour late.
//
// The networks that guesses came from have no field of their own: they are
// counted under keyed MACs that are deleted with their windows, which are
// SourceWindow and PasscodeSourceWindow of credentials.Policy. Devices that are
// not deleted, invitations and users stay until [Service.Delete] or
// [Service.EraseUser]. Messages of the outbox stay for [OutboxKept] after they
// ended.
type Retention struct {
	// Journal is for how long an event is kept. Events go in the order of the
	// site's numbers, so what remains is complete from some number on. A silence
	// whose event is gone is not renewed automatically any more. Defaults to
	// DefaultJournalKept; 30 days to 10 years, or Forever.
	Journal time.Duration
	// Observations is for how long the sightings of an invitation are kept after
	// it ended. Defaults to DefaultObservationsKept; 1 day to 10 years, or Forever.
	Observations time.Duration
	// Tombstones is for how long a deleted device is remembered: then its token
	// is answered as one that never was, and its hardware enrolls without a
	// predecessor. Defaults to DefaultTombstonesKept; 30 days to 10 years, or
	// Forever.
	Tombstones time.Duration
	// Requests is for how long a repeated request is recognised by its
	// idempotency key or enrollment id. Defaults to RecordsKept, which is also the
	// least; at most 30 days. An enrollment by address and PIN whose invitation
	// has ended since is recognised for RecordsKept only.
	Requests time.Duration
}

// The defaults of Retention.
const (
	DefaultJournalKept      = 400 * day // a year and a month
	DefaultObservationsKept = 90 * day
	DefaultTombstonesKept   = 400 * day
)

// bounds lists the fields with their defaults and limits.
func (r *Retention) bounds() []retentionField {
	const longest = 3653 * day
	return []retentionField{
		{"Journal", &r.Journal, DefaultJournalKept, 30 * day, longest, true},
		{"Observations", &r.Observations, DefaultObservationsKept, day, longest, true},
		{"Tombstones", &r.Tombstones, DefaultTombstonesKept, 30 * day, longest, true},
		{"Requests", &r.Requests, RecordsKept, RecordsKept, 30 * day, false},
	}
}

type retentionField struct {
	name               string
	value              *time.Duration
	usual, least, most time.Duration
	orForever          bool
}

func (r Retention) withDefaults() Retention {
	for _, f := range r.bounds() {
		if *f.value == 0 {
			*f.value = f.usual
		}
	}
	return r
}

func (r Retention) validate() (errs []error) {
	r = r.withDefaults()
	for _, f := range r.bounds() {
		if forever := *f.value == Forever && f.orForever; !forever && (*f.value < f.least || *f.value > f.most) {
			errs = append(errs, fmt.Errorf("enrollment: policy: Retention.%s is %v, want %v to %v", f.name, *f.value, f.least, f.most))
		}
	}
	return errs
}

// cutoffs are the times before which r keeps nothing at now.
func (r Retention) cutoffs(now time.Time) Cutoffs {
	before := func(kept time.Duration) time.Time {
		if kept == Forever {
			return time.Time{}
		}
		return now.Add(-kept)
	}
	return Cutoffs{Journal: before(r.Journal), Sightings: before(r.Observations), Tombstones: before(r.Tombstones)}
}

// retainEvery is how often one process looks for what is past its retention.
const retainEvery = time.Hour

// retentionDue reports whether this process has not looked for a while, and
// notes that it does now.
func (s *Service) retentionDue() bool {
	now, last := s.now(), s.retained.Load()
	if last != nil && now.Sub(*last) < retainEvery && !now.Before(*last) {
		return false
	}
	return s.retained.CompareAndSwap(last, &now)
}

// retain deletes what is past a site's retention, batch after batch, and returns
// how much that was. What it did not get done is due again with the next sweep.
func (s *Service) retain(ctx context.Context, site Site) (int, error) {
	n, err := s.repeat(ctx, func(ctx context.Context, u *unit) (int, error) {
		return u.Records().PruneSite(ctx, site.ID, site.Policy.Retention.cutoffs(u.now), pruneBatch)
	})
	if err != nil || n >= pruneRounds*pruneBatch {
		s.retained.Store(nil)
	}
	return n, err
}
