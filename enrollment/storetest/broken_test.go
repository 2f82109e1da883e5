package storetest_test

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

type unit = func(ctx context.Context, tx enrollment.Tx) error

type spendCall struct {
	now    time.Time
	gate   []credentials.Limit
	groups [][]credentials.Limit
}

// broken is a store that does otherwise where it has a function.
type broken struct {
	enrollment.Storage
	update func(ctx context.Context, s enrollment.Storage, fn unit) error
	view   func(ctx context.Context, s enrollment.Storage, fn unit) error
	spend  func(ctx context.Context, s enrollment.Storage, c spendCall) (enrollment.Spent, error)
	touch  func(ctx context.Context, s enrollment.Storage, list []enrollment.Touch) ([]enrollment.Contact, error)
	tx     func(tx enrollment.Tx) brokenTx
}

func (b *broken) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if b.update != nil {
		return b.update(ctx, b.Storage, b.inner(fn))
	}
	return b.Storage.Update(ctx, b.inner(fn))
}

func (b *broken) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if b.view != nil {
		return b.view(ctx, b.Storage, b.inner(fn))
	}
	return b.Storage.View(ctx, b.inner(fn))
}

func (b *broken) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if b.spend != nil {
		return b.spend(ctx, b.Storage, spendCall{now, gate, groups})
	}
	return b.Storage.Spend(ctx, now, gate, groups...)
}

func (b *broken) Touch(ctx context.Context, list []enrollment.Touch) ([]enrollment.Contact, error) {
	if b.touch != nil {
		return b.touch(ctx, b.Storage, list)
	}
	return b.Storage.Touch(ctx, list)
}

func (b *broken) inner(fn unit) unit {
	if b.tx == nil {
		return fn
	}
	return func(ctx context.Context, tx enrollment.Tx) error {
		broken := b.tx(tx)
		broken.Tx = tx
		return fn(ctx, broken)
	}
}

// brokenTx is a Tx that does otherwise where it has a group.
type brokenTx struct {
	enrollment.Tx
	users       enrollment.Users
	invitations enrollment.Invitations
	credentials enrollment.Credentials
	counters    enrollment.Counters
	sightings   enrollment.Sightings
	devices     enrollment.Devices
	contacts    enrollment.Contacts
	slots       enrollment.Slots
	journal     enrollment.Journal
	outbox      enrollment.Outbox
	records     enrollment.Records
}

func (b brokenTx) Users() enrollment.Users             { return or(b.users, b.Tx.Users) }
func (b brokenTx) Invitations() enrollment.Invitations { return or(b.invitations, b.Tx.Invitations) }
func (b brokenTx) Credentials() enrollment.Credentials { return or(b.credentials, b.Tx.Credentials) }
func (b brokenTx) Counters() enrollment.Counters       { return or(b.counters, b.Tx.Counters) }
func (b brokenTx) Sightings() enrollment.Sightings     { return or(b.sightings, b.Tx.Sightings) }
func (b brokenTx) Devices() enrollment.Devices         { return or(b.devices, b.Tx.Devices) }
func (b brokenTx) Contacts() enrollment.Contacts       { return or(b.contacts, b.Tx.Contacts) }
func (b brokenTx) Slots() enrollment.Slots             { return or(b.slots, b.Tx.Slots) }
func (b brokenTx) Journal() enrollment.Journal         { return or(b.journal, b.Tx.Journal) }
func (b brokenTx) Outbox() enrollment.Outbox           { return or(b.outbox, b.Tx.Outbox) }
func (b brokenTx) Records() enrollment.Records         { return or(b.records, b.Tx.Records) }

func or[T comparable](broken T, whole func() T) T {
	var none T
	if broken != none {
		return broken
	}
	return whole()
}
