package model

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/invitation"
)

// Each line is a store that breaks one promise. Some story must tell.
func TestWhatIsCaught(t *testing.T) {
	for _, c := range []struct {
		name string
		by   breaks
	}{
		{"a store that loses a try is caught", breaks{spend: losesTries()}},
		{"a store that forgets answers is caught", breaks{records: func(r enrollment.Records) enrollment.Records { return noRecords{r} }}},
		{"a store that does not know hardware again is caught", breaks{devices: func(d enrollment.Devices) enrollment.Devices { return noIdentity{d} }}},
		{"a store that loses what replaces an invitation is caught", breaks{invitations: func(n enrollment.Invitations) enrollment.Invitations { return notActive{n} }}},
		{"a store that keeps rows in the list is caught", breaks{slots: func(s enrollment.Slots) enrollment.Slots { return keepsSlots{s} }}},
		{"a store that loses an event is caught", breaks{journal: func(j enrollment.Journal) enrollment.Journal { return losesEvents{j} }}},
		{"a store that mails twice is caught", breaks{outbox: func(o enrollment.Outbox) enrollment.Outbox { return mailsTwice{o} }}},
		{"a store that counts a sighting twice is caught", breaks{sightings: func(s enrollment.Sightings) enrollment.Sightings { return countsTwice{s} }}},
		{"a store that lets a sequence fall back is caught", breaks{contacts: func(c enrollment.Contacts) enrollment.Contacts { return fallsBack{c} }}},
		{"a store that leaves the list behind is caught", breaks{touch: func(ctx context.Context, s enrollment.Storage, list []enrollment.Touch) ([]enrollment.Contact, error) {
			for i := range list {
				list[i].At = list[i].At.Add(-time.Hour)
			}
			return s.Touch(ctx, list)
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			why := caught(t, func() map[string]opener { return map[string]opener{"broken": &inBroken{by: c.by}} })
			t.Log(why)
		})
	}
	t.Run("a store that shows what no other does is caught", func(t *testing.T) {
		// The model knows nothing of names: only the other store does.
		shouts := breaks{slots: func(s enrollment.Slots) enrollment.Slots { return shouting{s} }}
		why := caught(t, func() map[string]opener {
			return map[string]opener{"memory": &inMemory{}, "shouting": &inBroken{by: shouts}}
		})
		require.Contains(t, why, "what is shown of shouting and memory differ")
	})
}

// caught runs stories until one fails, and returns what it says.
func caught(t *testing.T, stores func() map[string]opener) string {
	t.Helper()
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "0s", "rapid.checks": "500"} {
		was := flag.Lookup(name).Value.String()
		checksGiven() // before the flag is set here
		require.NoError(t, flag.Set(name, value))
		defer func() { require.NoError(t, flag.Set(name, was)) }()
	}
	heard := &hearing{}
	done := make(chan struct{})
	go func() { // so that FailNow ends nothing but this
		defer close(done)
		rapid.Check(heard, func(rt *rapid.T) { rt.Repeat(begin(rt, stores()).actions()) })
	}()
	<-done
	require.True(t, heard.failed, "no story tells that the store is broken")
	return heard.text.String()
}

// hearing is a test that is wanted to fail.
type hearing struct {
	failed bool
	text   strings.Builder
}

func (*hearing) Helper()                     {}
func (*hearing) Name() string                { return "hearing" }
func (h *hearing) Logf(string, ...any)       {}
func (h *hearing) Log(...any)                {}
func (h *hearing) Skipf(string, ...any)      { runtime.Goexit() }
func (h *hearing) Skip(...any)               { runtime.Goexit() }
func (h *hearing) SkipNow()                  { runtime.Goexit() }
func (h *hearing) Errorf(f string, a ...any) { h.failed = true; fmt.Fprintf(&h.text, f, a...) }
func (h *hearing) Error(a ...any)            { h.failed = true; fmt.Fprint(&h.text, a...) }
func (h *hearing) Fatalf(f string, a ...any) { h.Errorf(f, a...); runtime.Goexit() }
func (h *hearing) Fatal(a ...any)            { h.Error(a...); runtime.Goexit() }
func (h *hearing) FailNow()                  { h.failed = true; runtime.Goexit() }
func (h *hearing) Fail()                     { h.failed = true }
func (h *hearing) Failed() bool              { return h.failed }

// breaks is what a broken store does in another way; nil: as it should.
type breaks struct {
	spend       func(context.Context, enrollment.Storage, time.Time, []credentials.Limit, [][]credentials.Limit) (enrollment.Spent, error)
	touch       func(context.Context, enrollment.Storage, []enrollment.Touch) ([]enrollment.Contact, error)
	invitations func(enrollment.Invitations) enrollment.Invitations
	devices     func(enrollment.Devices) enrollment.Devices
	contacts    func(enrollment.Contacts) enrollment.Contacts
	sightings   func(enrollment.Sightings) enrollment.Sightings
	slots       func(enrollment.Slots) enrollment.Slots
	journal     func(enrollment.Journal) enrollment.Journal
	outbox      func(enrollment.Outbox) enrollment.Outbox
	records     func(enrollment.Records) enrollment.Records
}

// inBroken is a broken store in memory.
type inBroken struct {
	by    breaks
	store *memstore.Store
}

func (b *inBroken) open(again bool) (enrollment.Storage, error) {
	if !again {
		b.store = memstore.New()
	}
	return brokenStore{b.store, b.by}, nil
}

func (*inBroken) close() error { return nil }

type brokenStore struct {
	enrollment.Storage
	by breaks
}

func (s brokenStore) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, brokenTx{tx, s.by}) })
}

func (s brokenStore) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.View(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, brokenTx{tx, s.by}) })
}

func (s brokenStore) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if s.by.spend == nil {
		return s.Storage.Spend(ctx, now, gate, groups...)
	}
	return s.by.spend(ctx, s.Storage, now, gate, groups)
}

func (s brokenStore) Touch(ctx context.Context, list []enrollment.Touch) ([]enrollment.Contact, error) {
	if s.by.touch == nil {
		return s.Storage.Touch(ctx, list)
	}
	return s.by.touch(ctx, s.Storage, list)
}

type brokenTx struct {
	enrollment.Tx
	by breaks
}

// or returns real, or what breaks it.
func or[R any](real R, broken func(R) R) R {
	if broken == nil {
		return real
	}
	return broken(real)
}

func (t brokenTx) Invitations() enrollment.Invitations {
	return or(t.Tx.Invitations(), t.by.invitations)
}
func (t brokenTx) Devices() enrollment.Devices     { return or(t.Tx.Devices(), t.by.devices) }
func (t brokenTx) Contacts() enrollment.Contacts   { return or(t.Tx.Contacts(), t.by.contacts) }
func (t brokenTx) Sightings() enrollment.Sightings { return or(t.Tx.Sightings(), t.by.sightings) }
func (t brokenTx) Slots() enrollment.Slots         { return or(t.Tx.Slots(), t.by.slots) }
func (t brokenTx) Journal() enrollment.Journal     { return or(t.Tx.Journal(), t.by.journal) }
func (t brokenTx) Outbox() enrollment.Outbox       { return or(t.Tx.Outbox(), t.by.outbox) }
func (t brokenTx) Records() enrollment.Records     { return or(t.Tx.Records(), t.by.records) }

// losesTries gives every third try back at once.
func losesTries() func(context.Context, enrollment.Storage, time.Time, []credentials.Limit, [][]credentials.Limit) (enrollment.Spent, error) {
	var spends atomic.Int64
	return func(ctx context.Context, s enrollment.Storage, now time.Time, gate []credentials.Limit, groups [][]credentials.Limit) (enrollment.Spent, error) {
		spent, err := s.Spend(ctx, now, gate, groups...)
		if err != nil || spent.Refused || spends.Add(1)%3 != 0 {
			return spent, err
		}
		var keys []string
		for i, group := range groups {
			for _, limit := range group {
				if spent.Groups[i].OK {
					keys = append(keys, limit.Key)
				}
			}
		}
		return spent, s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return tx.Counters().Refund(ctx, keys...) })
	}
}

type noRecords struct{ enrollment.Records }

func (noRecords) Get(context.Context, string, string, string) (enrollment.Record, error) {
	return enrollment.Record{}, enrollment.ErrNotFound
}

type noIdentity struct{ enrollment.Devices }

func (d noIdentity) Find(ctx context.Context, q enrollment.DeviceKey) (device.Device, error) {
	if q.Identity != "" {
		return device.Device{}, enrollment.ErrNotFound
	}
	return d.Devices.Find(ctx, q)
}

type notActive struct{ enrollment.Invitations }

func (n notActive) Update(ctx context.Context, list ...invitation.Invitation) error {
	for i := range list {
		if list[i].Reason == invitation.Superseded {
			list[i].Reason = invitation.ByAdmin
		}
	}
	return n.Invitations.Update(ctx, list...)
}

type keepsSlots struct{ enrollment.Slots }

func (keepsSlots) Delete(context.Context, string, ...string) error { return nil }

type losesEvents struct{ enrollment.Journal }

func (j losesEvents) Append(ctx context.Context, list ...enrollment.Event) error {
	if list[0].Seq == 3 {
		return nil
	}
	return j.Journal.Append(ctx, list...)
}

type mailsTwice struct{ enrollment.Outbox }

func (o mailsTwice) Put(ctx context.Context, list ...enrollment.Message) error {
	for _, m := range list {
		again := m
		again.ID, again.Dedupe = m.ID+"x", m.Dedupe+"x"
		if err := o.Outbox.Put(ctx, m, again); err != nil {
			return err
		}
	}
	return nil
}

type countsTwice struct{ enrollment.Sightings }

func (s countsTwice) Note(ctx context.Context, list ...invitation.Sighting) error {
	return s.Sightings.Note(ctx, append(list, list...)...)
}

type fallsBack struct{ enrollment.Contacts }

func (c fallsBack) Put(ctx context.Context, list ...enrollment.Contact) error {
	for i := range list {
		list[i].Seq = min(list[i].Seq, 1)
	}
	return c.Contacts.Put(ctx, list...)
}

type shouting struct{ enrollment.Slots }

func (s shouting) Page(ctx context.Context, q enrollment.SlotQuery) ([]enrollment.Slot, error) {
	rows, err := s.Slots.Page(ctx, q)
	for i := range rows {
		rows[i].UserName += "!"
	}
	return rows, err
}
