package storetest

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// The groups about devices and what happens to them: each counts its calls.
type failingDevices struct {
	enrollment.Devices
	*unitOfFailing
}

func (f failingDevices) Create(ctx context.Context, list ...device.Device) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Devices.Create(ctx, list...)
}

func (f failingDevices) Get(ctx context.Context, site string, id string) (out device.Device, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Devices.Get(ctx, site, id)
}

func (f failingDevices) Lock(ctx context.Context, site string, id string) (out device.Device, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Devices.Lock(ctx, site, id)
}

func (f failingDevices) Update(ctx context.Context, list ...device.Device) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Devices.Update(ctx, list...)
}

func (f failingDevices) Find(ctx context.Context, q enrollment.DeviceKey) (out device.Device, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Devices.Find(ctx, q)
}

func (f failingDevices) List(ctx context.Context, q enrollment.DeviceQuery) (out []device.Device, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Devices.List(ctx, q)
}

type failingContacts struct {
	enrollment.Contacts
	*unitOfFailing
}

func (f failingContacts) Put(ctx context.Context, list ...enrollment.Contact) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Contacts.Put(ctx, list...)
}

func (f failingContacts) Get(ctx context.Context, site string, device string) (out enrollment.Contact, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Contacts.Get(ctx, site, device)
}

func (f failingContacts) ByToken(ctx context.Context, macs []credentials.MAC) (out enrollment.Contact, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Contacts.ByToken(ctx, macs)
}

func (f failingContacts) Silent(ctx context.Context, site string, states []string, t time.Time, limit int) (out []string, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Contacts.Silent(ctx, site, states, t, limit)
}

func (f failingContacts) List(ctx context.Context, after enrollment.Contact, limit int) (out []enrollment.Contact, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Contacts.List(ctx, after, limit)
}

type failingSlots struct {
	enrollment.Slots
	*unitOfFailing
}

func (f failingSlots) Put(ctx context.Context, list ...enrollment.Slot) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Slots.Put(ctx, list...)
}

func (f failingSlots) Delete(ctx context.Context, site string, ids ...string) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Slots.Delete(ctx, site, ids...)
}

func (f failingSlots) Get(ctx context.Context, site string, id string) (out enrollment.Slot, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Slots.Get(ctx, site, id)
}

func (f failingSlots) Page(ctx context.Context, q enrollment.SlotQuery) (out []enrollment.Slot, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Slots.Page(ctx, q)
}

func (f failingSlots) Counts(ctx context.Context, site string) (out map[string]int64, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Slots.Counts(ctx, site)
}

func (f failingSlots) Fold(ctx context.Context, limit int) (out int, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Slots.Fold(ctx, limit)
}

type failingJournal struct {
	enrollment.Journal
	*unitOfFailing
}

func (f failingJournal) Append(ctx context.Context, list ...enrollment.Event) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Journal.Append(ctx, list...)
}

func (f failingJournal) List(ctx context.Context, q enrollment.EventQuery) (out []enrollment.Event, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Journal.List(ctx, q)
}

func (f failingJournal) Sequence(ctx context.Context, limit int) (out int, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Journal.Sequence(ctx, limit)
}

func (f failingJournal) Backlog(ctx context.Context) (out enrollment.Backlog, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Journal.Backlog(ctx)
}

type failingOutbox struct {
	enrollment.Outbox
	*unitOfFailing
}

func (f failingOutbox) Put(ctx context.Context, list ...enrollment.Message) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Outbox.Put(ctx, list...)
}

func (f failingOutbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) (out []enrollment.Message, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Outbox.Claim(ctx, now, lease, limit)
}

func (f failingOutbox) Finish(ctx context.Context, site string, id string, fence int64, out enrollment.Outcome) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Outbox.Finish(ctx, site, id, fence, out)
}

func (f failingOutbox) List(ctx context.Context, site string, subject string, limit int) (out []enrollment.Message, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Outbox.List(ctx, site, subject, limit)
}

func (f failingOutbox) Backlog(ctx context.Context, now time.Time) (out enrollment.Backlog, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Outbox.Backlog(ctx, now)
}

type failingRecords struct {
	enrollment.Records
	*unitOfFailing
}

func (f failingRecords) Put(ctx context.Context, r enrollment.Record) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Records.Put(ctx, r)
}

func (f failingRecords) Get(ctx context.Context, site string, scope string, key string) (out enrollment.Record, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Records.Get(ctx, site, scope, key)
}

func (f failingRecords) Prune(ctx context.Context, now time.Time, limit int) (out int, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Records.Prune(ctx, now, limit)
}

func (f failingRecords) PruneSite(ctx context.Context, site string, c enrollment.Cutoffs, limit int) (out int, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Records.PruneSite(ctx, site, c, limit)
}
