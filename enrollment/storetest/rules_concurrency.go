package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

var concurrencyRules = []rule{
	{"users are locked", "Who locks a user, looks for an active invitation and creates one, is the only one who does.", func(t tb, s enrollment.Storage) {
		for round := range 5 {
			user := fmt.Sprint("user ", round)
			created := make([]bool, 8)
			allNil(t, together(8, func(i int) error {
				return s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
					created[i] = false
					if _, err := tx.Users().Lock(ctx, userOf("site", user)); err != nil {
						return err
					}
					list, err := tx.Invitations().List(ctx, enrollment.InvitationQuery{Site: "site", Users: []string{user}, Active: true})
					if err != nil || len(list) > 0 {
						return err
					}
					created[i] = true
					return tx.Invitations().Create(ctx, invited("site", fmt.Sprintf("inv_%d_%d", round, i), user))
				})
			}))
			same(t, "the number of invitations created", trues(created), 1)
			list := see(t, s, listInvitations(enrollment.InvitationQuery{Site: "site", Users: []string{user}}))
			same(t, "the number of invitations", len(list), 1)
		}
	}},
	{"locks in any order", "Units that lock the same users in opposite orders all come to an end.", func(t tb, s enrollment.Storage) {
		var users []enrollment.User
		for i := range 6 {
			users = append(users, userOf([]string{"a", "b"}[i%2], fmt.Sprint(i)))
		}
		for range 5 {
			allNil(t, together(8, func(i int) error {
				list := slices.Clone(users)
				if i%2 == 1 {
					slices.Reverse(list)
				}
				return s.Update(t.Context(), dropped(lockUsers(list...)))
			}))
		}
	}},
	{"one user for each address", "Concurrent calls of Outside with one address get the same user.", func(t tb, s enrollment.Storage) {
		got := make([]string, 16)
		allNil(t, together(16, func(i int) error {
			u := userRows.row("site", fmt.Sprint("usr_", i))
			u.EmailKey = "zoe@example.com"
			return s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
				stored, err := tx.Users().Outside(ctx, u)
				got[i] = stored.ID
				return err
			})
		}))
		slices.Sort(got)
		same(t, "the users", slices.Compact(got), got[:1])
		see(t, s, getUser("site", got[0]))
	}},
	{"cancelled alone", "A caller that is cancelled in its unit aborts its own and nobody else's.", func(t tb, s enrollment.Storage) {
		errs := together(16, func(i int) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			return s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				err := tx.Users().Put(ctx, userOf("site", fmt.Sprint(i)))
				if i%2 == 1 {
					cancel()
				}
				return err
			})
		})
		for i, err := range errs {
			if i%2 == 1 {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("a cancelled unit returned %v", err)
				}
				misses(t, s, "what a cancelled unit wrote", getUser("site", fmt.Sprint(i)))
				continue
			}
			if err != nil {
				t.Errorf("a unit that nobody cancelled returned %v", err)
			}
			see(t, s, getUser("site", fmt.Sprint(i)))
		}
	}},
	{"failed alone", "A unit that fails among others rolls back its own writes and nobody else's.", func(t tb, s enrollment.Storage) {
		errs := together(16, func(i int) error {
			return s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
				err := tx.Users().Put(ctx, userOf("site", fmt.Sprint(i)))
				if err == nil && i%2 == 1 {
					err = errBoom
				}
				return err
			})
		})
		for i, err := range errs {
			if i%2 == 1 {
				if !errors.Is(err, errBoom) {
					t.Errorf("a unit that failed returned %v", err)
				}
				misses(t, s, "what a failed unit wrote", getUser("site", fmt.Sprint(i)))
				continue
			}
			if err != nil {
				t.Errorf("a unit that did not fail returned %v", err)
			}
			see(t, s, getUser("site", fmt.Sprint(i)))
		}
	}},
	{"runs leave no trace", "Of a unit that was run more than once, only the last run is committed.", func(t tb, s enrollment.Storage) {
		do(t, s, createInvitations(invited("site", "inv_1", "user")))
		runs := make([]int, 12)
		allNil(t, together(12, func(i int) error {
			return s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
				runs[i]++
				n, err := tx.Invitations().Lock(ctx, "site", "inv_1")
				if err != nil {
					return err
				}
				n.Events++
				e := happened("site", n.ID, n.Events)
				e.ID = fmt.Sprintf("log_%d_%d", i, runs[i])
				return errors.Join(tx.Invitations().Update(ctx, n), tx.Journal().Append(ctx, e))
			})
		}))
		var want, got []string
		for i, n := range runs {
			want = append(want, fmt.Sprintf("log_%d_%d", i, n))
		}
		for i, e := range see(t, s, listEvents(enrollment.EventQuery{Site: "site", Subject: "inv_1"})) {
			got = append(got, e.ID)
			same(t, "the event's number", e.Seq, int64(i+1))
		}
		slices.Sort(want)
		slices.Sort(got)
		same(t, "the events", got, want)
	}},
	{"invitations are locked", "A hundred callers that lock an invitation and count up get a number each, without gap or repetition.", func(t tb, s enrollment.Storage) {
		do(t, s, createInvitations(invited("site", "inv_1", "user")))
		countUp(t, s, 100, func(ctx context.Context, tx enrollment.Tx) (int, error) {
			n, err := tx.Invitations().Lock(ctx, "site", "inv_1")
			if err != nil {
				return 0, err
			}
			n.Enrolled++
			return n.Enrolled, tx.Invitations().Update(ctx, n)
		})
		same(t, "the version", see(t, s, getInvitation("site", "inv_1")).Version, int64(100))
	}},
	{"devices are locked", "Callers that lock a device, by whatever names it, and count up get a number each.", func(t tb, s enrollment.Storage) {
		d := withRefs(enrolled("site", "dev_1"), device.Ref{Source: "mdm", ID: "1"})
		do(t, s, createDevices(d))
		var turn atomic.Int64
		countUp(t, s, 30, func(ctx context.Context, tx enrollment.Tx) (int, error) {
			var err error
			var locked device.Device
			switch turn.Add(1) % 3 {
			case 0:
				locked, err = tx.Devices().Lock(ctx, "site", "dev_1")
			case 1:
				locked, err = tx.Devices().Find(ctx, enrollment.DeviceKey{Site: "site", Ref: d.Refs[0]})
			default:
				locked, err = tx.Devices().Find(ctx, identity(d))
			}
			if err != nil {
				return 0, err
			}
			locked.Events++
			return int(locked.Events), tx.Devices().Update(ctx, locked)
		})
	}},
	{"contacts are locked", "Callers that get a contact, by its device or token, and count up get a number each.", func(t tb, s enrollment.Storage) {
		c := contactOf("site", "one", at(0))
		c.Seq = 0
		do(t, s, putContacts(c))
		var turn atomic.Int64
		countUp(t, s, 30, func(ctx context.Context, tx enrollment.Tx) (int, error) {
			read := getContact("site", "one")
			if turn.Add(1)%2 == 0 {
				read = byToken(c.Token)
			}
			locked, err := read(ctx, tx)
			if err != nil {
				return 0, err
			}
			locked.Seq++
			return int(locked.Seq), tx.Contacts().Put(ctx, locked)
		})
	}},
	{"slots are locked", "Callers that get a slot and count up get a number each.", func(t tb, s enrollment.Storage) {
		do(t, s, putSlots(slotOf("site", "one", "active")))
		countUp(t, s, 30, func(ctx context.Context, tx enrollment.Tx) (int, error) {
			locked, err := tx.Slots().Get(ctx, "site", "one")
			if err != nil {
				return 0, err
			}
			locked.Missing = append(locked.Missing, device.Permissions)
			return len(locked.Missing), tx.Slots().Put(ctx, locked)
		})
	}},
	{"credentials are locked", "Callers that get a credential, by its owner or index, and count up get a number each.", func(t tb, s enrollment.Storage) {
		c := credentialRows.row("site", "one")
		c.Generation = 0
		do(t, s, putCredentials(c))
		var turn atomic.Int64
		countUp(t, s, 30, func(ctx context.Context, tx enrollment.Tx) (int, error) {
			read := getCredential("site", "one", c.Kind)
			if turn.Add(1)%2 == 0 {
				read = byIndex(c.Kind, c.Index)
			}
			locked, err := read(ctx, tx)
			if err != nil {
				return 0, err
			}
			locked.Generation++
			return locked.Generation, tx.Credentials().Put(ctx, locked)
		})
	}},
	{"one winner", "Of many who put a record under one key, one does, and the others are refused with ErrExists.", func(t tb, s enrollment.Storage) {
		winners := 0
		for _, err := range together(16, func(i int) error {
			return s.Update(t.Context(), putRecord(keptUntil("key", at(5))))
		}) {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, enrollment.ErrExists):
				t.Errorf("a loser was refused with %v", err)
			}
		}
		same(t, "the number of winners", winners, 1)
	}},
	{"one active invitation", "Of many who create an invitation of one user without a lock, one does, and the others are refused with ErrExists.", func(t tb, s enrollment.Storage) {
		winners := 0
		for _, err := range together(16, func(i int) error {
			return s.Update(t.Context(), createInvitations(invited("site", fmt.Sprint("inv_", i), "user")))
		}) {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, enrollment.ErrExists):
				t.Errorf("a loser was refused with %v", err)
			}
		}
		same(t, "the number of winners", winners, 1)
	}},
	{"a view sees one state", "A View sees the units committed before it and no half of another.", func(t tb, s enrollment.Storage) {
		pair := func(name string) unit {
			a, b := userOf("site", "a"), userOf("site", "b")
			a.Name, b.Name = name, name
			return all(putUsers(a), putUsers(b))
		}
		do(t, s, pair("first"))
		allNil(t, together(8, func(i int) error {
			for n := range 25 {
				if i == 0 {
					if err := s.Update(t.Context(), pair(fmt.Sprint(n))); err != nil {
						return err
					}
					continue
				}
				var a, b enrollment.User
				err := s.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
					if a, err = tx.Users().Get(ctx, "site", "a"); err != nil {
						return err
					}
					b, err = tx.Users().Get(ctx, "site", "b")
					return err
				})
				if err != nil {
					return err
				}
				if a.Name != b.Name {
					return fmt.Errorf("the pair is %q and %q", a.Name, b.Name)
				}
			}
			return nil
		}))
	}},
	{"counts stay exact", "The counts per state are exact after many callers changed slots, and folded them, at once.", func(t tb, s enrollment.Storage) {
		states := []string{"pending", "active", "impaired"}
		allNil(t, together(9, func(i int) error {
			for n := range 12 {
				fn := putSlots(slotOf("site", fmt.Sprint((i+n)%7), states[(i*n+n)%3]))
				switch {
				case i == 8:
					fn = func(ctx context.Context, tx enrollment.Tx) error { _, err := tx.Slots().Fold(ctx, 10); return err }
				case n%5 == 4:
					fn = deleteSlots("site", fmt.Sprint((i+n)%7))
				}
				if err := s.Update(t.Context(), fn); err != nil {
					return err
				}
			}
			return nil
		}))
		want := map[string]int64{}
		for _, r := range see(t, s, pageSlots(enrollment.SlotQuery{Site: "site", Sort: enrollment.SortState})) {
			want[r.State]++
		}
		same(t, "the counts", see(t, s, countSlots("site")), want)
	}},
	{"touched at once", "Devices touched by many callers, in opposite orders, end at the latest time and number, once each.", func(t tb, s enrollment.Storage) {
		var want []enrollment.Contact
		for i := range 10 {
			c := contactOf("site", fmt.Sprint(i), at(0))
			want = append(want, c)
			do(t, s, putContacts(c), putSlots(slotOf("site", c.Device, "active")))
		}
		allNil(t, together(16, func(i int) error {
			for n := range 4 {
				var list []enrollment.Touch
				for _, c := range want {
					list = append(list, heard(c.Device, at((i*7+n)%60), int64(100+(i*11+n)%64)))
				}
				if i%2 == 1 {
					slices.Reverse(list)
				}
				if _, err := s.Touch(t.Context(), list); err != nil {
					return err
				}
			}
			return nil
		}))
		latest, seq := time.Time{}, 0
		for i := range 16 {
			for n := range 4 {
				seq = max(seq, 100+(i*11+n)%64)
				if when := at((i*7 + n) % 60); when.After(latest) {
					latest = when
				}
			}
		}
		for _, c := range want {
			c.At, c.Seq = latest, int64(seq)
			same(t, "the contact", see(t, s, getContact("site", c.Device)), c)
			if shown := see(t, s, getSlot("site", c.Device)).LastConnection; latest.Sub(shown) >= enrollment.ListRefresh {
				t.Errorf("the slot shows %v, ListRefresh or more behind %v", shown, latest)
			}
		}
	}},
	{"messages are claimed once", "Of many callers that claim at once, one gets each message.", func(t tb, s enrollment.Storage) {
		const n = 60
		var want []string
		for i := range n {
			m := queued("site", fmt.Sprintf("evt_%02d", i), at(0))
			want = append(want, m.ID)
			do(t, s, putMessages(m))
		}
		got := make([][]string, 8)
		allNil(t, together(8, func(i int) error {
			for idle := 0; idle < 3; { // others may hold what is left for a moment
				var list []enrollment.Message
				err := s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
					list, err = tx.Outbox().Claim(ctx, at(1), time.Hour, 3)
					return err
				})
				if err != nil {
					return err
				}
				if len(list) == 0 {
					idle++
				}
				got[i] = append(got[i], ids(list, messageID)...)
			}
			return nil
		}))
		// What nobody got in the crowd is still there for the next.
		rest := ids(take(t, s, claim(at(1), time.Hour, n)), messageID)
		once := slices.Concat(append(got, rest)...)
		slices.Sort(once)
		same(t, "the claimed messages", once, want)
	}},
	{"numbers without gaps", "With many callers appending and sequencing, each site's numbers are 1, 2, 3 and so on, once each.", func(t tb, s enrollment.Storage) {
		allNil(t, together(12, func(i int) error {
			for n := range int64(8) {
				fn := appendEvents(happened("a", fmt.Sprint(i), n+1), happened("b", fmt.Sprint(i), n+1))
				if i%3 == 2 {
					fn = dropped(sequence(5))
				}
				if err := s.Update(t.Context(), fn); err != nil {
					return err
				}
			}
			return nil
		}))
		sequenceAll(t, s)
		for _, site := range []string{"a", "b"} {
			got := ofSite(t, s, site)
			slices.Sort(got)
			same(t, "the number of events", len(got), 64)
			same(t, "the events", got, slices.Compact(slices.Clone(got)))
		}
	}},
	{"no event is skipped", "A reader that goes on after the last number it saw meets every event, whenever it was committed.", func(t tb, s enrollment.Storage) {
		const writers, each = 6, 10
		allNil(t, together(writers+2, func(i int) error {
			switch i {
			case writers: // the sequencer
				for given := 0; given < writers*each; {
					var n int
					err := s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
						n, err = tx.Journal().Sequence(ctx, 7)
						return err
					})
					if err != nil {
						return err
					}
					given += n
				}
			case writers + 1: // the reader
				for last := int64(0); last < writers*each; {
					var list []enrollment.Event
					err := s.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
						list, err = tx.Journal().List(ctx, enrollment.EventQuery{Site: "site", After: last})
						return err
					})
					if err != nil {
						return err
					}
					for _, e := range list {
						if e.SiteSeq != last+1 {
							return fmt.Errorf("after number %d came %d", last, e.SiteSeq)
						}
						last = e.SiteSeq
					}
				}
			default:
				for n := range int64(each) {
					if err := s.Update(t.Context(), appendEvents(happened("site", fmt.Sprint(i), n+1))); err != nil {
						return err
					}
				}
			}
			return nil
		}))
	}},
	{"sightings add up", "Sightings noted at once by many callers are all counted.", func(t tb, s enrollment.Storage) {
		allNil(t, together(16, func(i int) error {
			return s.Update(t.Context(), noteSightings(seen("site", "one", invitation.Fetched, 1, at(i), at(i))))
		}))
		same(t, "the sightings", see(t, s, listSightings("site", "one")), []invitation.Sighting{seen("site", "one", invitation.Fetched, 16, at(0), at(15))})
	}},
}

// countUp has n callers take a number each: from 1 to n, once each.
func countUp(t tb, s enrollment.Storage, n int, next reading[int]) {
	t.Helper()
	got, want := make([]int, n), make([]int, n)
	allNil(t, together(n, func(i int) error {
		want[i] = i + 1
		return s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
			got[i], err = next(ctx, tx)
			return err
		})
	}))
	slices.Sort(got)
	same(t, "the numbers", got, want)
}
