package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// hardwareKey is an identity, or a trace of one, within a site and platform.
type hardwareKey struct {
	site     string
	platform device.Platform
	id       string
}

type refKey struct {
	site string
	ref  device.Ref
}

type devices struct{ *tx }

func (d devices) Create(ctx context.Context, list ...device.Device) error {
	return d.write(ctx, func() error {
		for _, row := range list {
			if _, ok := d.data.devices[key{row.Site, row.ID}]; ok {
				return fmt.Errorf("memstore: device: %w", enrollment.ErrExists)
			}
			if err := d.store(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d devices) Get(ctx context.Context, site, id string) (device.Device, error) {
	if err := d.reading(ctx); err != nil {
		return device.Device{}, err
	}
	row, ok := d.data.devices[key{site, id}]
	if !ok {
		return device.Device{}, fmt.Errorf("memstore: device: %w", enrollment.ErrNotFound)
	}
	return given(row), nil
}

func (d devices) Lock(ctx context.Context, site, id string) (device.Device, error) {
	if err := d.locking(ctx); err != nil {
		return device.Device{}, err
	}
	return d.Get(ctx, site, id)
}

func (d devices) Update(ctx context.Context, list ...device.Device) error {
	return d.write(ctx, func() error {
		for _, row := range list {
			old, ok := d.data.devices[key{row.Site, row.ID}]
			switch {
			case !ok:
				return fmt.Errorf("memstore: device: %w", enrollment.ErrNotFound)
			case old.Version != row.Version:
				return fmt.Errorf("memstore: device: %w", enrollment.ErrStale)
			}
			d.unindex(old)
			row.Version++
			if err := d.store(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d devices) Find(ctx context.Context, q enrollment.DeviceKey) (device.Device, error) {
	if err := d.reading(ctx); err != nil {
		return device.Device{}, err
	}
	byRef, byIdentity, byTrace := q.Ref != (device.Ref{}), q.Identity != "", q.Traces != nil
	var id string
	switch {
	case byRef && !byIdentity && !byTrace:
		id = d.data.byRef[refKey{q.Site, q.Ref}]
	case byIdentity && !byRef && !byTrace:
		id = d.data.byIdentity[hardwareKey{q.Site, q.Platform, q.Identity}]
	case byTrace && !byRef && !byIdentity:
		id = d.tombstone(q)
	default:
		return device.Device{}, errors.New("memstore: a device is found by exactly one of Ref, Identity and Traces")
	}
	return d.Get(ctx, q.Site, id)
}

// tombstone returns the id of the newest tombstone with one of the traces.
func (d devices) tombstone(q enrollment.DeviceKey) string {
	var newest device.Device
	for _, trace := range q.Traces {
		for k := range d.data.byTrace[hardwareKey{q.Site, q.Platform, string(trace)}] {
			row := d.data.devices[k]
			if cmp.Or(row.DeletedAt.Compare(newest.DeletedAt), cmp.Compare(row.ID, newest.ID)) > 0 {
				newest = row
			}
		}
	}
	return newest.ID
}

func (d devices) List(ctx context.Context, q enrollment.DeviceQuery) ([]device.Device, error) {
	if err := d.reading(ctx); err != nil {
		return nil, err
	}
	if q.Site == "" && q.SinceBefore.IsZero() {
		return nil, errors.New("memstore: a list of devices needs a site")
	}
	q.SinceBefore = micros(q.SinceBefore)
	var list []device.Device
	take := func(k key) {
		if row := d.data.devices[k]; wanted(row, q) {
			list = append(list, row)
		}
	}
	switch {
	case q.Site == "":
		for k := range d.data.devices {
			take(k)
		}
	case q.Invitation != "":
		for k := range d.data.byInvitation[key{q.Site, q.Invitation}] {
			take(k)
		}
	case q.User != "":
		for k := range d.data.byOwner[key{q.Site, q.User}] {
			take(k)
		}
	default:
		for k := range d.data.devicesOf[q.Site] {
			take(k)
		}
	}
	slices.SortFunc(list, func(a, b device.Device) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Site, b.Site))
	})
	return given(atMost(list, q.Limit)), nil
}

func wanted(row device.Device, q enrollment.DeviceQuery) bool {
	return !row.Deleted() &&
		(q.Site == "" || row.Site == q.Site) &&
		(q.User == "" || row.User == q.User) &&
		(q.Invitation == "" || row.Invitation == q.Invitation) &&
		(len(q.States) == 0 || slices.Contains(q.States, row.State)) &&
		(q.Conflict == "" || row.Conflict == q.Conflict) &&
		(q.SinceBefore.IsZero() || row.Since.Before(q.SinceBefore)) &&
		(q.After == "" || row.ID > q.After)
}

// store writes a row that is in no index.
func (d devices) store(row device.Device) error {
	row, err := taken(row)
	if err != nil {
		return err
	}
	k := key{row.Site, row.ID}
	put(d.tx, d.data.devices, k, row)
	if row.Deleted() {
		if len(row.Trace) > 0 {
			link(d.tx, d.data.byTrace, hardwareKey{row.Site, row.Platform, string(row.Trace)}, k)
		}
		return nil
	}
	if identity := row.Identity(); identity != "" {
		hardware := hardwareKey{row.Site, row.Platform, identity}
		if _, ok := d.data.byIdentity[hardware]; ok {
			return fmt.Errorf("memstore: device of this identity: %w", enrollment.ErrExists)
		}
		put(d.tx, d.data.byIdentity, hardware, row.ID)
	}
	for _, ref := range row.Refs {
		if id, ok := d.data.byRef[refKey{row.Site, ref}]; ok && id != row.ID {
			return fmt.Errorf("memstore: device of this ref: %w", enrollment.ErrExists)
		}
		put(d.tx, d.data.byRef, refKey{row.Site, ref}, row.ID)
	}
	link(d.tx, d.data.byInvitation, key{row.Site, row.Invitation}, k)
	link(d.tx, d.data.byOwner, key{row.Site, row.User}, k)
	link(d.tx, d.data.devicesOf, row.Site, k)
	return nil
}

func (d devices) unindex(row device.Device) {
	k := key{row.Site, row.ID}
	if row.Deleted() {
		unlink(d.tx, d.data.byTrace, hardwareKey{row.Site, row.Platform, string(row.Trace)}, k)
		return
	}
	if identity := row.Identity(); identity != "" {
		drop(d.tx, d.data.byIdentity, hardwareKey{row.Site, row.Platform, identity})
	}
	for _, ref := range row.Refs {
		drop(d.tx, d.data.byRef, refKey{row.Site, ref})
	}
	unlink(d.tx, d.data.byInvitation, key{row.Site, row.Invitation}, k)
	unlink(d.tx, d.data.byOwner, key{row.Site, row.User}, k)
	unlink(d.tx, d.data.devicesOf, row.Site, k)
}
