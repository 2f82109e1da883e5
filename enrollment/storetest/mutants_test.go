package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/storetest"
	"example.com/enrollkit/invitation"
)

// Each mutant is a store that breaks one promise, and the rule that must say so.
var mutants = []struct {
	name, rule string
	store      func() broken
}{
	// Units of work.
	{"commits on an error", "users/roll back on an error", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		var failed error
		err := s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { failed = fn(ctx, tx); return nil })
		return errors.Join(failed, err)
	})},
	{"commits on a panic", "invitations/roll back on a panic", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		var panicked any
		err := s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			defer func() { panicked = recover() }()
			return fn(ctx, tx)
		})
		if panicked != nil {
			panic(panicked)
		}
		return err
	})},
	{"turns a panic into an error", "slots/roll back on a panic", updating(func(ctx context.Context, s enrollment.Storage, fn unit) (err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("panic")
			}
		}()
		return s.Update(ctx, fn)
	})},
	{"commits when cancelled", "devices/roll back on a cancelled context", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return s.Update(context.WithoutCancel(ctx), fn)
	})},
	{"starts when cancelled", "unit/do not start when cancelled", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		return errors.Join(s.Update(context.WithoutCancel(ctx), fn), ctx.Err())
	})},
	{"hides the error", "unit/pass errors on", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		if err := s.Update(ctx, fn); err != nil {
			return errors.New(err.Error())
		}
		return nil
	})},
	{"commits every run", "concurrency/runs leave no trace", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		return errors.Join(s.Update(ctx, fn), s.Update(ctx, fn))
	})},
	{"loses the roll-back of the journal", "journal/roll back on an error", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		kept := &keepingJournal{}
		err := s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			kept.Journal, kept.list = tx.Journal(), nil
			return fn(ctx, brokenTx{Tx: tx, journal: kept})
		})
		if err != nil {
			err = errors.Join(err, s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return tx.Journal().Append(ctx, kept.list...) }))
		}
		return err
	})},
	{"forgets the caller's context", "unit/pass the context down", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		return s.Update(ctx, func(_ context.Context, tx enrollment.Tx) error { return fn(context.Background(), tx) })
	})},
	{"joins nested units", "unit/refuse a unit inside a unit", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		if outer, ok := ctx.Value(joined{}).(enrollment.Tx); ok {
			return fn(ctx, outer)
		}
		return s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			return fn(context.WithValue(ctx, joined{}, tx), tx)
		})
	})},
	{"waits for itself", "unit/refuse a unit inside a unit", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		if ctx.Value(joined{}) != nil {
			<-ctx.Done()
			return ctx.Err()
		}
		return s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(context.WithValue(ctx, joined{}, tx), tx) })
	})},
	{"writes in views", "unit/view without writing", func() broken {
		return broken{view: func(ctx context.Context, s enrollment.Storage, fn unit) error { return s.Update(ctx, fn) }}
	}},
	{"commits half a call", "users/write all or nothing", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{users: oneByOne{tx.Users()}} })},
	{"cancels its neighbours", "concurrency/cancelled alone", func() broken {
		var once sync.Once
		ended := make(chan struct{})
		return broken{update: func(ctx context.Context, s enrollment.Storage, fn unit) error {
			err := s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				err := fn(ctx, tx)
				if ctx.Err() != nil {
					once.Do(func() { close(ended) })
				}
				return err
			})
			select {
			case <-ended:
				return context.Canceled
			default:
				return err
			}
		}}
	}},

	// Values.
	{"shares memory", "devices/share no memory", func() broken {
		shared := map[string]device.Device{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{devices: sharing{tx.Devices(), shared}} }}
	}},
	{"keeps seconds", "invitations/keep every field", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: seconds{tx.Invitations()}} })},
	{"keeps nanoseconds", "records/keep microseconds in UTC", func() broken {
		exact := map[string]enrollment.Record{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{records: nanoseconds{tx.Records(), exact}} }}
	}},
	{"answers in local time", "contacts/keep microseconds in UTC", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{contacts: localTime{tx.Contacts()}} })},
	{"ignores case", "users/tell rows apart", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{users: caseless{tx.Users()}} })},
	{"cuts text at NUL", "users/refuse malformed text", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{users: cutting{tx.Users()}} })},
	{"drops four-byte runes", "slots/keep every field", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{slots: threeBytes{tx.Slots()}} })},

	// Users.
	{"lock replaces", "users/lock keeps a row that is there", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{users: replacing{tx.Users()}} })},
	{"lock answers in its own order", "users/lock answers in the order given", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{users: sorting{tx.Users()}} })},
	{"outside answers what it was given", "users/outside stores once", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{users: echoing{tx.Users()}} })},

	// Invitations.
	{"checks no version", "invitations/refuse stale updates", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: unversioned{tx.Invitations()}} })},
	{"updates neighbours", "invitations/leave neighbours alone", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: spilling{tx.Invitations()}} })},
	{"shows another site's row", "invitations/tell rows apart", func() broken {
		sites := map[string]string{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: siteless{tx.Invitations(), sites}} }}
	}},
	{"allows a second active invitation", "invitations/one active for each user", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: crowded{tx.Invitations()}} })},
	{"finds deactivated ones by e-mail", "invitations/by email across sites", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: undead{tx.Invitations()}} })},
	{"lists in the wrong order", "invitations/list by query", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: reversed{tx.Invitations()}} })},
	{"pages by number", "invitations/pages are stable", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{invitations: startingOver{tx.Invitations()}} })},
	{"locks nothing", "concurrency/invitations are locked", updating(func(ctx context.Context, s enrollment.Storage, fn unit) error {
		var late *lateInvitations
		err := s.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			late = &lateInvitations{Invitations: tx.Invitations()}
			return fn(ctx, brokenTx{Tx: tx, invitations: late})
		})
		if err != nil {
			return err
		}
		runtime.Gosched()
		return s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			return errors.Join(tx.Invitations().Create(ctx, late.created...), unversioned{tx.Invitations()}.Update(ctx, late.updated...))
		})
	})},

	// Credentials and sightings.
	{"index is not unique", "credentials/index is unique in a kind", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{credentials: unindexed{tx.Credentials()}} })},
	{"tries one candidate", "credentials/found by any candidate", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{credentials: firstOnly{tx.Credentials()}} })},
	{"takes empty for nothing", "credentials/tell nothing from empty", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{credentials: emptyIsNil{tx.Credentials()}} })},
	{"deletes every kind", "credentials/delete", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{credentials: deletingAll{tx.Credentials()}} })},
	{"a deleted row keeps its index", "credentials/delete", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{credentials: blanking{tx.Credentials()}} })},
	{"forgets what another site saw", "sightings/delete", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{sightings: farReaching{tx.Sightings()}} })},
	{"counts calls", "sightings/add up", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{sightings: countingCalls{tx.Sightings()}} })},

	// Devices.
	{"creates twice", "devices/refuse what exists", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{devices: upserting{tx.Devices()}} })},
	{"updates nothing", "devices/refuse updates of nothing", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{devices: lenient{tx.Devices()}} })},
	{"a tombstone keeps its identity", "devices/a tombstone frees its identity", func() broken {
		taken := map[string]string{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{devices: haunted{tx.Devices(), taken}} }}
	}},
	{"finds an old tombstone", "devices/found by trace", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{devices: firstTrace{tx.Devices()}} })},
	{"lists the deleted", "devices/list by query", func() broken {
		gone := map[string]device.Device{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{devices: listing{tx.Devices(), gone}} }}
	}},

	// Contacts.
	{"touch goes backward", "touch/only ever grow", touching(func(t enrollment.Touch, c *enrollment.Contact) { c.At = t.At })},
	{"touch changes the gone", "touch/leave the gone alone", touching(func(t enrollment.Touch, c *enrollment.Contact) { c.At, c.Seq = t.At, t.Seq })},
	{"touch clears Silent", "touch/keep the rest", touching(func(_ enrollment.Touch, c *enrollment.Contact) { c.Silent = false })},
	{"touch answers what it found only", "touch/answer in order", func() broken {
		return broken{touch: func(ctx context.Context, s enrollment.Storage, list []enrollment.Touch) ([]enrollment.Contact, error) {
			got, err := s.Touch(ctx, list)
			return slices.DeleteFunc(got, func(c enrollment.Contact) bool { return c.Device == "" }), err
		}}
	}},
	{"touch always refreshes the slot", "touch/bring the list along", func() broken {
		return broken{touch: func(ctx context.Context, s enrollment.Storage, list []enrollment.Touch) ([]enrollment.Contact, error) {
			got, err := s.Touch(ctx, list)
			return got, errors.Join(err, s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				for _, c := range got {
					if slot, err := tx.Slots().Get(ctx, c.Site, c.Device); err == nil {
						slot.LastConnection = c.At
						if err := tx.Slots().Put(ctx, slot); err != nil {
							return err
						}
					}
				}
				return nil
			}))
		}}
	}},
	{"lists without the gone", "contacts/list in order", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{contacts: forgetful{tx.Contacts()}} })},
	{"silent a moment too early", "contacts/silent devices", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{contacts: hasty{tx.Contacts()}} })},

	// Slots.
	{"delete leaves the counts", "slots/count exactly", func() broken {
		extra := map[string]int64{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{slots: miscounting{tx.Slots(), extra}} }}
	}},
	{"a page skips ties", "slots/meet every row once", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{slots: skippingTies{tx.Slots()}} })},
	{"a page is not filtered", "slots/page in every order", paging(func(q *enrollment.SlotQuery) { q.Ownership = "" })},
	{"a search takes % for anything", "slots/page in every order", paging(func(q *enrollment.SlotQuery) {
		q.Search = slices.DeleteFunc(slices.Clone(q.Search), func(s string) bool { return s == "%" })
	})},
	{"delete reaches other sites", "slots/delete", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{slots: sweeping{tx.Slots()}} })},

	// Journal and outbox.
	{"numbers a subject twice", "journal/number within a subject", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{journal: renumbering{tx.Journal()}} })},
	{"leaves gaps in a site", "journal/sequence within a site", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{journal: gappy{tx.Journal()}} })},
	{"sequences without limit", "journal/sequence in steps", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{journal: unlimited{tx.Journal()}} })},
	{"numbers nothing late", "journal/tell the backlog", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{journal: punctual{tx.Journal()}} })},
	{"calls early what is late", "outbox/tell the backlog", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{outbox: early{tx.Outbox()}} })},
	{"claim ignores leases", "outbox/claim exclusively", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{outbox: grabbing{tx.Outbox()}} })},
	{"finish ignores fences", "outbox/finish by the holder", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{outbox: unfenced{tx.Outbox()}} })},
	{"retries at once", "outbox/finish to try again", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{outbox: impatient{tx.Outbox()}} })},
	{"delivers twice", "outbox/one message for each key", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{outbox: repeating{tx.Outbox()}} })},
	{"finishes in any site", "outbox/finish nothing", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{outbox: trespassing{tx.Outbox()}} })},

	// Records.
	{"keeps an expired key taken", "records/a key is taken until it expires", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{records: hoarding{tx.Records()}} })},
	{"prunes without limit", "records/prune records", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{records: pruningAll{tx.Records()}} })},
	{"prunes messages too early", "records/prune messages", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{records: pruningEarly{tx.Records()}} })},

	// Retention.
	{"prunes the journal without limit", "retention/prune the journal from its beginning", pruningSite(func(c *enrollment.Cutoffs, limit *int) { *limit = 1000 })},
	{"prunes the journal a moment too early", "retention/prune the journal from its beginning", pruningSite(func(c *enrollment.Cutoffs, _ *int) { c.Journal = c.Journal.Add(time.Microsecond) })},
	{"prunes what waits for its number", "retention/prune no event that waits for its number", tx(func(tx enrollment.Tx) brokenTx {
		return brokenTx{records: numberingFirst{tx.Records(), tx.Journal()}}
	})},
	{"prunes sightings of what is not over", "retention/prune sightings of what is over", tx(func(tx enrollment.Tx) brokenTx {
		return brokenTx{records: blind{tx.Records(), tx.Sightings()}}
	})},
	{"prunes tombstones and not their contacts", "retention/prune tombstones", tx(func(tx enrollment.Tx) brokenTx {
		return brokenTx{records: leavingContacts{tx.Records(), tx.Contacts()}}
	})},
	{"takes no cutoff for all", "retention/prune nothing without a cutoff", pruningSite(func(c *enrollment.Cutoffs, _ *int) {
		if c.Tombstones.IsZero() {
			c.Tombstones = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	})},

	// Guessing.
	{"reads, then writes", "spend/exact at a gate", func() broken {
		var mu sync.Mutex
		spent := map[string]credentials.Counter{}
		return broken{spend: func(ctx context.Context, s enrollment.Storage, c spendCall) (enrollment.Spent, error) {
			answer := enrollment.Spent{}
			for i, list := range append([][]credentials.Limit{c.gate}, c.groups...) {
				ok := true
				for _, l := range list {
					mu.Lock()
					old := spent[l.Key]
					mu.Unlock()
					for range 10 {
						runtime.Gosched()
					}
					next, room, _ := old.Spend(l, c.now)
					mu.Lock()
					spent[l.Key] = next
					mu.Unlock()
					ok = ok && room
				}
				if i == 0 && !ok {
					return enrollment.Spent{Refused: true}, nil
				}
				if i > 0 {
					answer.Groups = append(answer.Groups, enrollment.GroupSpent{OK: ok})
				}
			}
			return answer, nil
		}}
	}},
	{"spends at a full gate", "spend/a full gate", spending(func(ctx context.Context, s enrollment.Storage, c spendCall, got enrollment.Spent) enrollment.Spent {
		if got.Refused {
			for _, l := range c.gate {
				_, _ = s.Spend(ctx, c.now, []credentials.Limit{l})
			}
		}
		return got
	})},
	{"ties groups together", "spend/groups by themselves", spending(func(_ context.Context, _ enrollment.Storage, _ spendCall, got enrollment.Spent) enrollment.Spent {
		all := !slices.ContainsFunc(got.Groups, func(g enrollment.GroupSpent) bool { return !g.OK })
		for i := range got.Groups {
			got.Groups[i].OK = all
		}
		return got
	})},
	{"retries at the first window", "spend/retry when all have room", spending(func(_ context.Context, _ enrollment.Storage, c spendCall, got enrollment.Spent) enrollment.Spent {
		if got.Refused && c.gate[0].Window > 0 {
			got.RetryAt = c.now.Add(c.gate[0].Window)
		}
		return got
	})},
	{"refunds below zero", "spend/refund", func() broken {
		debt := map[string]int{}
		return broken{tx: func(tx enrollment.Tx) brokenTx { return brokenTx{counters: indebted{tx.Counters(), debt}} }}
	}},
	{"forgets nothing", "spend/forget", tx(func(tx enrollment.Tx) brokenTx { return brokenTx{counters: unforgetting{tx.Counters()}} })},
}

func TestEveryMutantIsCaught(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			whole := storetest.Broken(t.Context(), m.rule, memstore.New())
			if len(whole) > 0 {
				t.Fatalf("%q fails on a store that keeps all promises: %q", m.rule, whole)
			}
			s := m.store()
			s.Storage = memstore.New()
			said := storetest.Broken(t.Context(), m.rule, &s)
			if len(said) == 0 {
				t.Fatalf("%q passes, or is no rule", m.rule)
			}
			t.Log(said[0])
		})
	}
}

func updating(update func(ctx context.Context, s enrollment.Storage, fn unit) error) func() broken {
	return func() broken { return broken{update: update} }
}

func tx(tx func(enrollment.Tx) brokenTx) func() broken {
	return func() broken { return broken{tx: tx} }
}

// touching changes every contact that was touched.
func touching(change func(t enrollment.Touch, c *enrollment.Contact)) func() broken {
	return func() broken {
		return broken{touch: func(ctx context.Context, s enrollment.Storage, list []enrollment.Touch) ([]enrollment.Contact, error) {
			got, err := s.Touch(ctx, list)
			for i := range got {
				if got[i].Device != "" {
					change(list[i], &got[i])
					err = errors.Join(err, s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return tx.Contacts().Put(ctx, got[i]) }))
				}
			}
			return got, err
		}}
	}
}

func spending(after func(ctx context.Context, s enrollment.Storage, c spendCall, got enrollment.Spent) enrollment.Spent) func() broken {
	return func() broken {
		return broken{spend: func(ctx context.Context, s enrollment.Storage, c spendCall) (enrollment.Spent, error) {
			got, err := s.Spend(ctx, c.now, c.gate, c.groups...)
			return after(ctx, s, c, got), err
		}}
	}
}

func paging(change func(q *enrollment.SlotQuery)) func() broken {
	return tx(func(tx enrollment.Tx) brokenTx { return brokenTx{slots: otherPage{tx.Slots(), change}} })
}

type joined struct{}

type keepingJournal struct {
	enrollment.Journal
	list []enrollment.Event
}

func (j *keepingJournal) Append(ctx context.Context, list ...enrollment.Event) error {
	j.list = append(j.list, list...)
	return j.Journal.Append(ctx, list...)
}

type oneByOne struct{ enrollment.Users }

func (u oneByOne) Put(ctx context.Context, list ...enrollment.User) error {
	for _, row := range list {
		if err := u.Users.Put(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

type sharing struct {
	enrollment.Devices
	shared map[string]device.Device
}

func (d sharing) Create(ctx context.Context, list ...device.Device) error {
	for _, row := range list {
		d.shared[row.ID] = row
	}
	return d.Devices.Create(ctx, list...)
}

func (d sharing) Get(ctx context.Context, site, id string) (device.Device, error) {
	if row, ok := d.shared[id]; ok {
		return row, nil
	}
	return d.Devices.Get(ctx, site, id)
}

type seconds struct{ enrollment.Invitations }

func (n seconds) Create(ctx context.Context, list ...invitation.Invitation) error {
	for i := range list {
		list[i].SentAt = list[i].SentAt.Truncate(time.Second)
	}
	return n.Invitations.Create(ctx, list...)
}

type nanoseconds struct {
	enrollment.Records
	exact map[string]enrollment.Record
}

func (r nanoseconds) Put(ctx context.Context, row enrollment.Record) error {
	r.exact[row.Key] = row
	return r.Records.Put(ctx, row)
}

func (r nanoseconds) Get(ctx context.Context, site, scope, key string) (enrollment.Record, error) {
	row, err := r.Records.Get(ctx, site, scope, key)
	row.At = r.exact[key].At.UTC()
	return row, err
}

type localTime struct{ enrollment.Contacts }

func (c localTime) Get(ctx context.Context, site, id string) (enrollment.Contact, error) {
	row, err := c.Contacts.Get(ctx, site, id)
	row.At = row.At.In(time.FixedZone("here", 3600))
	return row, err
}

// forgetful leaves deleted devices out of the list.
type forgetful struct{ enrollment.Contacts }

func (c forgetful) List(ctx context.Context, after enrollment.Contact, limit int) ([]enrollment.Contact, error) {
	list, err := c.Contacts.List(ctx, after, limit)
	return slices.DeleteFunc(list, func(c enrollment.Contact) bool { return c.Gone }), err
}

// punctual never says since when.
type punctual struct{ enrollment.Journal }

func (j punctual) Backlog(ctx context.Context) (enrollment.Backlog, error) {
	b, err := j.Journal.Backlog(ctx)
	return enrollment.Backlog{N: b.N}, err
}

// early takes what is due later for due now.
type early struct{ enrollment.Outbox }

func (o early) Backlog(ctx context.Context, now time.Time) (enrollment.Backlog, error) {
	return o.Outbox.Backlog(ctx, now.Add(time.Hour))
}

type caseless struct{ enrollment.Users }

func (u caseless) Get(ctx context.Context, site, id string) (enrollment.User, error) {
	return u.Users.Get(ctx, strings.ToLower(site), strings.ToLower(id))
}

type cutting struct{ enrollment.Users }

func (u cutting) Put(ctx context.Context, list ...enrollment.User) error {
	for i := range list {
		list[i].Name, _, _ = strings.Cut(list[i].Name, "\x00")
	}
	return u.Users.Put(ctx, list...)
}

type threeBytes struct{ enrollment.Slots }

func (s threeBytes) Put(ctx context.Context, list ...enrollment.Slot) error {
	for i := range list {
		list[i].UserName = strings.ReplaceAll(list[i].UserName, "🦊", "?")
	}
	return s.Slots.Put(ctx, list...)
}

type replacing struct{ enrollment.Users }

func (u replacing) Lock(ctx context.Context, list ...enrollment.User) ([]enrollment.User, error) {
	return list, u.Users.Put(ctx, list...)
}

type sorting struct{ enrollment.Users }

func (u sorting) Lock(ctx context.Context, list ...enrollment.User) ([]enrollment.User, error) {
	got, err := u.Users.Lock(ctx, list...)
	slices.SortFunc(got, func(a, b enrollment.User) int { return cmp.Compare(a.Site+a.ID, b.Site+b.ID) })
	return got, err
}

type echoing struct{ enrollment.Users }

func (u echoing) Outside(ctx context.Context, row enrollment.User) (enrollment.User, error) {
	_, err := u.Users.Outside(ctx, row)
	return row, err
}

type unversioned struct{ enrollment.Invitations }

func (n unversioned) Update(ctx context.Context, list ...invitation.Invitation) error {
	for _, row := range list {
		old, err := n.Get(ctx, row.Site, row.ID)
		if err != nil {
			return err
		}
		row.Version = old.Version
		if err := n.Invitations.Update(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

type spilling struct{ enrollment.Invitations }

func (n spilling) Update(ctx context.Context, list ...invitation.Invitation) error {
	others, err := n.List(ctx, enrollment.InvitationQuery{Site: list[0].Site})
	if err != nil {
		return err
	}
	for _, row := range others {
		if row.ID != list[0].ID {
			row.Email = list[0].Email
			if err := n.Invitations.Update(ctx, row); err != nil {
				return err
			}
		}
	}
	return n.Invitations.Update(ctx, list...)
}

type siteless struct {
	enrollment.Invitations
	sites map[string]string
}

func (n siteless) Create(ctx context.Context, list ...invitation.Invitation) error {
	for _, row := range list {
		n.sites[row.ID] = row.Site
	}
	return n.Invitations.Create(ctx, list...)
}

func (n siteless) Get(ctx context.Context, _, id string) (invitation.Invitation, error) {
	return n.Invitations.Get(ctx, n.sites[id], id)
}

type crowded struct{ enrollment.Invitations }

func (n crowded) Create(ctx context.Context, list ...invitation.Invitation) error {
	err := n.Invitations.Create(ctx, list...)
	if errors.Is(err, enrollment.ErrExists) {
		list[0].State = invitation.Deactivated // it does not come up again in this rule
		err = n.Invitations.Create(ctx, list[0])
	}
	return err
}

type undead struct{ enrollment.Invitations }

func (n undead) ByEmail(ctx context.Context, emailKey string, endedAfter time.Time, limit int) ([]invitation.Invitation, error) {
	list, err := n.List(ctx, enrollment.InvitationQuery{Site: "a", States: []invitation.State{invitation.Deactivated}})
	if err != nil {
		return nil, err
	}
	active, err := n.Invitations.ByEmail(ctx, emailKey, endedAfter, limit)
	return append(list, active...), err
}

type reversed struct{ enrollment.Invitations }

func (n reversed) List(ctx context.Context, q enrollment.InvitationQuery) ([]invitation.Invitation, error) {
	list, err := n.Invitations.List(ctx, q)
	slices.Reverse(list)
	return list, err
}

type startingOver struct{ enrollment.Invitations }

func (n startingOver) List(ctx context.Context, q enrollment.InvitationQuery) ([]invitation.Invitation, error) {
	q.After = ""
	return n.Invitations.List(ctx, q)
}

type lateInvitations struct {
	enrollment.Invitations
	created, updated []invitation.Invitation
}

func (n *lateInvitations) Lock(ctx context.Context, site, id string) (invitation.Invitation, error) {
	return n.Get(ctx, site, id)
}

func (n *lateInvitations) Create(_ context.Context, list ...invitation.Invitation) error {
	n.created = append(n.created, list...)
	return nil
}

func (n *lateInvitations) Update(_ context.Context, list ...invitation.Invitation) error {
	n.updated = append(n.updated, list...)
	return nil
}

type unindexed struct{ enrollment.Credentials }

func (c unindexed) Put(ctx context.Context, list ...enrollment.Credential) error {
	for _, row := range list {
		err := c.Credentials.Put(ctx, row)
		if errors.Is(err, enrollment.ErrExists) {
			row.Index = credentials.MAC{}
			err = c.Credentials.Put(ctx, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type firstOnly struct{ enrollment.Credentials }

func (c firstOnly) ByIndex(ctx context.Context, kind enrollment.CredentialKind, macs []credentials.MAC) (enrollment.Credential, error) {
	return c.Credentials.ByIndex(ctx, kind, macs[:min(1, len(macs))])
}

type emptyIsNil struct{ enrollment.Credentials }

func (c emptyIsNil) Get(ctx context.Context, site, owner string, kind enrollment.CredentialKind) (enrollment.Credential, error) {
	row, err := c.Credentials.Get(ctx, site, owner, kind)
	if len(row.Sealed) == 0 {
		row.Sealed = nil
	}
	return row, err
}

type deletingAll struct{ enrollment.Credentials }

func (c deletingAll) Delete(ctx context.Context, keys ...enrollment.CredentialKey) error {
	for _, k := range keys {
		k.Kind = enrollment.KindInvitation
		if err := c.Credentials.Delete(ctx, k); err != nil {
			return err
		}
	}
	return c.Credentials.Delete(ctx, keys...)
}

type blanking struct{ enrollment.Credentials }

func (c blanking) Delete(ctx context.Context, keys ...enrollment.CredentialKey) error {
	for _, k := range keys {
		old, err := c.Get(ctx, k.Site, k.Owner, k.Kind)
		if err == nil {
			err = c.Put(ctx, enrollment.Credential{Site: k.Site, Owner: k.Owner, Kind: k.Kind, Index: old.Index})
		}
		if err != nil && !errors.Is(err, enrollment.ErrNotFound) {
			return err
		}
	}
	return nil
}

type farReaching struct{ enrollment.Sightings }

func (s farReaching) Delete(ctx context.Context, site string, invitations ...string) error {
	return errors.Join(s.Sightings.Delete(ctx, site, invitations...), s.Sightings.Delete(ctx, "other", invitations...))
}

type otherCutoffs struct {
	enrollment.Records
	change func(*enrollment.Cutoffs, *int)
}

func (r otherCutoffs) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	r.change(&c, &limit)
	return r.Records.PruneSite(ctx, site, c, limit)
}

func pruningSite(change func(*enrollment.Cutoffs, *int)) func() broken {
	return tx(func(tx enrollment.Tx) brokenTx { return brokenTx{records: otherCutoffs{tx.Records(), change}} })
}

type numberingFirst struct {
	enrollment.Records
	journal enrollment.Journal
}

func (r numberingFirst) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	if _, err := r.journal.Sequence(ctx, 1000); err != nil {
		return 0, err
	}
	return r.Records.PruneSite(ctx, site, c, limit)
}

type blind struct {
	enrollment.Records
	sightings enrollment.Sightings
}

func (r blind) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	n, err := r.Records.PruneSite(ctx, site, c, limit)
	return n, errors.Join(err, r.sightings.Delete(ctx, site, "active"))
}

type leavingContacts struct {
	enrollment.Records
	contacts enrollment.Contacts
}

func (r leavingContacts) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (int, error) {
	kept, err := r.contacts.Get(ctx, site, "dev_1")
	n, failed := r.Records.PruneSite(ctx, site, c, limit)
	if err == nil {
		failed = errors.Join(failed, r.contacts.Put(ctx, kept))
	}
	return n, failed
}

type countingCalls struct{ enrollment.Sightings }

func (s countingCalls) Note(ctx context.Context, list ...invitation.Sighting) error {
	for i := range list {
		list[i].Count = 1
	}
	return s.Sightings.Note(ctx, list...)
}

type upserting struct{ enrollment.Devices }

func (d upserting) Create(ctx context.Context, list ...device.Device) error {
	for _, row := range list {
		if old, err := d.Get(ctx, row.Site, row.ID); err == nil {
			row.Version = old.Version
			if err := d.Update(ctx, row); err != nil {
				return err
			}
		} else if err := d.Devices.Create(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

type lenient struct{ enrollment.Devices }

func (d lenient) Update(ctx context.Context, list ...device.Device) error {
	if err := d.Devices.Update(ctx, list...); !errors.Is(err, enrollment.ErrNotFound) {
		return err
	}
	return nil
}

type haunted struct {
	enrollment.Devices
	taken map[string]string
}

func (d haunted) Create(ctx context.Context, list ...device.Device) error {
	for _, row := range list {
		if id, ok := d.taken[row.Identity()]; ok && id != row.ID {
			return enrollment.ErrExists
		}
		d.taken[row.Identity()] = row.ID
	}
	return d.Devices.Create(ctx, list...)
}

type firstTrace struct{ enrollment.Devices }

func (d firstTrace) Find(ctx context.Context, q enrollment.DeviceKey) (device.Device, error) {
	for _, trace := range q.Traces {
		one := q
		one.Traces = [][]byte{trace}
		if row, err := d.Devices.Find(ctx, one); err == nil {
			return row, nil
		}
	}
	return d.Devices.Find(ctx, q)
}

type listing struct {
	enrollment.Devices
	gone map[string]device.Device
}

func (d listing) Create(ctx context.Context, list ...device.Device) error {
	for _, row := range list {
		if row.Deleted() {
			d.gone[row.Site] = row
		}
	}
	return d.Devices.Create(ctx, list...)
}

func (d listing) List(ctx context.Context, q enrollment.DeviceQuery) ([]device.Device, error) {
	list, err := d.Devices.List(ctx, q)
	if row, ok := d.gone[q.Site]; ok && q.User == row.User {
		list = append(list, row)
	}
	return list, err
}

type hasty struct{ enrollment.Contacts }

func (c hasty) Silent(ctx context.Context, site string, states []string, t time.Time, limit int) ([]string, error) {
	return c.Contacts.Silent(ctx, site, states, t.Add(time.Microsecond), limit)
}

type miscounting struct {
	enrollment.Slots
	extra map[string]int64
}

func (s miscounting) Delete(ctx context.Context, site string, ids ...string) error {
	for _, id := range ids {
		if row, err := s.Get(ctx, site, id); err == nil {
			s.extra[row.State]++
		}
	}
	return s.Slots.Delete(ctx, site, ids...)
}

func (s miscounting) Counts(ctx context.Context, site string) (map[string]int64, error) {
	counts, err := s.Slots.Counts(ctx, site)
	for state, n := range s.extra {
		counts[state] += n
	}
	return counts, err
}

type skippingTies struct{ enrollment.Slots }

func (s skippingTies) Page(ctx context.Context, q enrollment.SlotQuery) ([]enrollment.Slot, error) {
	rows, err := s.Slots.Page(ctx, q)
	return slices.DeleteFunc(rows, func(r enrollment.Slot) bool { return q.After.ID != "" && r.SortKey(q.Sort) == q.After.Key }), err
}

type otherPage struct {
	enrollment.Slots
	change func(*enrollment.SlotQuery)
}

func (s otherPage) Page(ctx context.Context, q enrollment.SlotQuery) ([]enrollment.Slot, error) {
	s.change(&q)
	return s.Slots.Page(ctx, q)
}

type sweeping struct{ enrollment.Slots }

func (s sweeping) Delete(ctx context.Context, site string, ids ...string) error {
	return errors.Join(s.Slots.Delete(ctx, site, ids...), s.Slots.Delete(ctx, "other", ids...))
}

type renumbering struct{ enrollment.Journal }

func (j renumbering) Append(ctx context.Context, list ...enrollment.Event) error {
	for _, e := range list {
		err := j.Journal.Append(ctx, e)
		if errors.Is(err, enrollment.ErrExists) {
			e.Seq += 1000
			err = j.Journal.Append(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type gappy struct{ enrollment.Journal }

func (j gappy) List(ctx context.Context, q enrollment.EventQuery) ([]enrollment.Event, error) {
	list, err := j.Journal.List(ctx, q)
	for i := range list {
		list[i].SiteSeq *= 2
	}
	return list, err
}

type unlimited struct{ enrollment.Journal }

func (j unlimited) Sequence(ctx context.Context, _ int) (int, error) {
	return j.Journal.Sequence(ctx, 1000)
}

type grabbing struct{ enrollment.Outbox }

func (o grabbing) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]enrollment.Message, error) {
	return o.Outbox.Claim(ctx, now.Add(time.Hour), lease, limit)
}

type unfenced struct{ enrollment.Outbox }

func (o unfenced) Finish(ctx context.Context, site, id string, _ int64, out enrollment.Outcome) error {
	list, err := o.List(ctx, site, "", 1000)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.ID == id {
			return o.Outbox.Finish(ctx, site, id, m.Fence, out)
		}
	}
	return enrollment.ErrNotFound
}

type impatient struct{ enrollment.Outbox }

func (o impatient) Finish(ctx context.Context, site, id string, fence int64, out enrollment.Outcome) error {
	out.RetryAt = out.At
	return o.Outbox.Finish(ctx, site, id, fence, out)
}

type repeating struct{ enrollment.Outbox }

func (o repeating) Put(ctx context.Context, list ...enrollment.Message) error {
	for i := range list {
		list[i].Dedupe += list[i].ID
	}
	return o.Outbox.Put(ctx, list...)
}

type trespassing struct{ enrollment.Outbox }

func (o trespassing) Finish(ctx context.Context, _, id string, fence int64, out enrollment.Outcome) error {
	return o.Outbox.Finish(ctx, "site", id, fence, out)
}

type hoarding struct{ enrollment.Records }

func (r hoarding) Put(ctx context.Context, row enrollment.Record) error {
	if _, err := r.Get(ctx, row.Site, row.Scope, row.Key); err == nil {
		return enrollment.ErrExists
	}
	return r.Records.Put(ctx, row)
}

type pruningAll struct{ enrollment.Records }

func (r pruningAll) Prune(ctx context.Context, now time.Time, _ int) (int, error) {
	return r.Records.Prune(ctx, now, 1000)
}

type pruningEarly struct{ enrollment.Records }

func (r pruningEarly) Prune(ctx context.Context, now time.Time, limit int) (int, error) {
	return r.Records.Prune(ctx, now.Add(time.Microsecond), limit)
}

type indebted struct {
	enrollment.Counters
	debt map[string]int
}

func (c indebted) Refund(ctx context.Context, keys ...string) error {
	list, err := c.Counters.Get(ctx, keys...)
	for _, counter := range list {
		if counter.N == 0 {
			c.debt[counter.Key]++
		}
	}
	return errors.Join(err, c.Counters.Refund(ctx, keys...))
}

func (c indebted) Get(ctx context.Context, keys ...string) ([]credentials.Counter, error) {
	list, err := c.Counters.Get(ctx, keys...)
	for i := range list {
		list[i].N -= c.debt[list[i].Key]
	}
	return list, err
}

type unforgetting struct{ enrollment.Counters }

func (c unforgetting) Delete(context.Context, ...string) error { return nil }
