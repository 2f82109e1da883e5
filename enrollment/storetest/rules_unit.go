package storetest

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

var unitRules = []rule{
	{"commit", "What a unit wrote is there when Update has returned.", func(t tb, s enrollment.Storage) {
		do(t, s, putUsers(userOf("site", "one")))
		see(t, s, getUser("site", "one"))
	}},
	{"read what was written", "A unit sees what it wrote itself.", func(t tb, s enrollment.Storage) {
		got := take(t, s, func(ctx context.Context, tx enrollment.Tx) (enrollment.User, error) {
			if err := tx.Users().Put(ctx, userOf("site", "one")); err != nil {
				return enrollment.User{}, err
			}
			return tx.Users().Get(ctx, "site", "one")
		})
		same(t, "the user", got, userOf("site", "one"))
	}},
	{"survive what is not found", "A row that is not there is an answer: the unit goes on and is committed.", func(t tb, s enrollment.Storage) {
		do(t, s, func(ctx context.Context, tx enrollment.Tx) error {
			if _, err := tx.Invitations().Lock(ctx, "site", "none"); !errors.Is(err, enrollment.ErrNotFound) {
				return err
			}
			if _, err := tx.Devices().Find(ctx, enrollment.DeviceKey{Site: "site", Platform: "ios", Identity: "udid:1"}); !errors.Is(err, enrollment.ErrNotFound) {
				return err
			}
			return tx.Users().Put(ctx, userOf("site", "one"))
		})
		see(t, s, getUser("site", "one"))
	}},
	{"pass errors on", "The error of fn is returned, by Update and by View.", func(t tb, s enrollment.Storage) {
		boom := func(context.Context, enrollment.Tx) error { return errBoom }
		if err := s.Update(t.Context(), boom); !errors.Is(err, errBoom) {
			t.Errorf("Update returned %v", err)
		}
		if err := s.View(t.Context(), boom); !errors.Is(err, errBoom) {
			t.Errorf("View returned %v", err)
		}
		do(t, s, putUsers(userOf("site", "one"))) // and nothing is held
	}},
	{"pass panics on", "A panic in a View reaches its caller, and the store goes on.", func(t tb, s enrollment.Storage) {
		func() {
			defer func() {
				if got := recover(); got != any(errBoom) {
					t.Errorf("View panicked with %v, want the panic of fn", got)
				}
			}()
			_ = s.View(t.Context(), func(context.Context, enrollment.Tx) error { panic(errBoom) })
		}()
		do(t, s, putUsers(userOf("site", "one")))
	}},
	{"do not start when cancelled", "With a context that is done, nothing is begun and the context's error is returned.", func(t tb, s enrollment.Storage) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ran := false
		fn := func(context.Context, enrollment.Tx) error { ran = true; return nil }
		for name, err := range map[string]error{"Update": s.Update(ctx, fn), "View": s.View(ctx, fn)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s returned %v, want %v", name, err, context.Canceled)
			}
		}
		if ran {
			t.Errorf("fn ran")
		}
	}},
	{"respect deadlines", "A context whose time is up is treated as one that was cancelled.", func(t tb, s enrollment.Storage) {
		ctx, cancel := context.WithDeadline(t.Context(), at(0)) // long ago
		defer cancel()
		if err := s.Update(ctx, putUsers(userOf("site", "one"))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update returned %v, want %v", err, context.DeadlineExceeded)
		}
		misses(t, s, "the user", getUser("site", "one"))
	}},
	{"pass the context down", "A unit is given a context with the values of its caller's.", func(t tb, s enrollment.Storage) {
		type key struct{}
		var got, seen any
		err := errors.Join(
			s.Update(context.WithValue(t.Context(), key{}, 1), func(ctx context.Context, _ enrollment.Tx) error { got = ctx.Value(key{}); return nil }),
			s.View(context.WithValue(t.Context(), key{}, 2), func(ctx context.Context, _ enrollment.Tx) error { seen = ctx.Value(key{}); return nil }),
		)
		if err != nil || got != any(1) || seen != any(2) {
			t.Errorf("fn got the values %v and %v, and error %v", got, seen, err)
		}
	}},
	{"view without writing", "A write, or a lock, through the tx of a View is an error and changes nothing.", viewRefusesWrites},
	{"refuse a unit inside a unit", "A unit begun with the context of another is refused at once, and the other goes on.", func(t tb, s enrollment.Storage) {
		nothing := func(context.Context, enrollment.Tx) error { return nil }
		inner := []struct {
			name string
			run  func(context.Context) error
		}{
			{"Update", func(ctx context.Context) error { return s.Update(ctx, nothing) }},
			{"View", func(ctx context.Context) error { return s.View(ctx, nothing) }},
			{"Spend", func(ctx context.Context) error {
				_, err := s.Spend(ctx, at(0), []credentials.Limit{{Key: "key", Max: 1}})
				return err
			}},
			{"Touch", func(ctx context.Context) error {
				_, err := s.Touch(ctx, []enrollment.Touch{{Site: "site", Device: "one", At: at(0)}})
				return err
			}},
		}
		for _, outer := range []struct {
			name string
			run  func(context.Context, func(context.Context, enrollment.Tx) error) error
		}{{"Update", s.Update}, {"View", s.View}} {
			for _, in := range inner {
				// A store that waits for itself would wait for ever.
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				var refused, ended error
				err := outer.run(ctx, func(ctx context.Context, _ enrollment.Tx) error {
					refused = in.run(ctx)
					ended = ctx.Err()
					return nil
				})
				cancel()
				switch {
				case refused == nil:
					t.Fatalf("%s inside %s was not refused", in.name, outer.name)
				case ended != nil:
					t.Fatalf("%s inside %s waited until its context ended", in.name, outer.name)
				case err != nil:
					t.Fatalf("%s inside %s: the outer unit failed: %v", in.name, outer.name, err)
				}
			}
		}
	}},
}

// writes has every method that writes or locks, each in a form that works in a
// store that was seeded.
var writes = []struct {
	name  string
	write unit
}{
	{"Users.Lock", dropped(lockUsers(userOf("site", "one")))},
	{"Users.Put", putUsers(userOf("site", "two"))},
	{"Users.Outside", dropped(outside(userRows.row("site", "three")))},
	{"Invitations.Create", createInvitations(invited("site", "inv_2", "two"))},
	{"Invitations.Lock", dropped(func(ctx context.Context, tx enrollment.Tx) (any, error) {
		return tx.Invitations().Lock(ctx, "site", "inv_1")
	})},
	{"Invitations.Update", updateInvitations(ended(invited("site", "inv_1", "one")))},
	{"Credentials.Put", putCredentials(credentialRows.row("site", "two"))},
	{"Counters.Refund", func(ctx context.Context, tx enrollment.Tx) error { return tx.Counters().Refund(ctx, "key") }},
	{"Counters.Delete", func(ctx context.Context, tx enrollment.Tx) error { return tx.Counters().Delete(ctx, "key") }},
	{"Sightings.Note", noteSightings(sightingRows.row("site", "one"))},
	{"Devices.Create", createDevices(enrolled("site", "dev_2"))},
	{"Devices.Lock", dropped(func(ctx context.Context, tx enrollment.Tx) (any, error) {
		return tx.Devices().Lock(ctx, "site", "dev_1")
	})},
	{"Devices.Update", updateDevices(enrolled("site", "dev_1").Tombstone(nil, at(1)))},
	{"Contacts.Put", putContacts(contactRows.row("site", "two"))},
	{"Slots.Put", putSlots(slotOf("site", "two", "active"))},
	{"Slots.Delete", deleteSlots("site", "one")},
	{"Slots.Fold", func(ctx context.Context, tx enrollment.Tx) error { _, err := tx.Slots().Fold(ctx, 10); return err }},
	{"Journal.Append", appendEvents(happened("site", "one", 2))},
	{"Journal.Sequence", dropped(sequence(10))},
	{"Outbox.Put", putMessages(queued("site", "two", at(0)))},
	{"Outbox.Claim", dropped(claim(at(1), time.Minute, 10))},
	{"Outbox.Finish", finish(queued("site", "one", at(0)), enrollment.Outcome{Status: enrollment.MessageDone, At: at(1)})},
	{"Records.Put", putRecord(recordRows.row("site", "two"))},
	{"Records.Prune", dropped(prune(at(60), 10))},
}

// everything reads a little of every group.
func everything(ctx context.Context, tx enrollment.Tx) (any, error) {
	var list []any
	for _, tr := range []trace{
		userTrace, invitationTrace, credentialTrace, sightingTrace, deviceTrace, contactTrace, slotTrace, eventTrace,
		messageTrace, recordTrace,
	} {
		got, err := tr.read(ctx, tx)
		if err != nil {
			return nil, err
		}
		list = append(list, got)
	}
	return list, nil
}

func dropped[T any](fn reading[T]) unit {
	return func(ctx context.Context, tx enrollment.Tx) error {
		_, err := fn(ctx, tx)
		return err
	}
}

func viewRefusesWrites(t tb, s enrollment.Storage) {
	do(t, s, putUsers(userOf("site", "one")), createInvitations(invited("site", "inv_1", "one")),
		createDevices(enrolled("site", "dev_1")), putSlots(slotOf("site", "one", "active")),
		appendEvents(happened("site", "one", 1)), putMessages(queued("site", "one", at(0))), putRecord(recordRows.row("site", "one")))
	before := see(t, s, everything)
	for _, w := range writes {
		var refused error
		_ = s.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
			refused = w.write(ctx, tx)
			return nil
		})
		if refused == nil {
			t.Errorf("%s worked in a View", w.name)
		}
	}
	same(t, "after the writes in Views, the store", see(t, s, everything), before)
	for _, w := range writes { // so the View was the only thing wrong with them
		err := s.Update(t.Context(), all(w.write, func(context.Context, enrollment.Tx) error { return errBoom }))
		if !errors.Is(err, errBoom) {
			t.Errorf("%s failed in an Update: %v", w.name, err)
		}
	}
}
