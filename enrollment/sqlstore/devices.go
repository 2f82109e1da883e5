package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const (
	deviceColumns = `site, id, user_id, invitation, origin, platform, mode, ownership, state, since, reason, ever_active,
		generation, enrollment_id, enrolled_at, nonce, token_key, hardware, name, manufacturer, model, os_version,
		facts, inventory, observed_at, refs, conflict, previous, trace, created_at, deleted_at, events, version, identity`
	deviceWidth   = 34
	selectDevices = "SELECT " + deviceColumns + " FROM @devices WHERE "
)

// deviceRow is a device with the column that is computed from the others.
type deviceRow struct {
	device.Device
	identity string
}

func newDeviceRow(d device.Device) deviceRow {
	d.Facts = settled(d.Facts)
	return deviceRow{d, d.Identity()}
}

// settled returns facts with times as columns keep them.
func settled(facts device.Facts) device.Facts {
	if facts == nil {
		return nil
	}
	out := make(device.Facts, len(facts))
	for fact, said := range facts {
		inner := make(map[device.Source]device.Assertion, len(said))
		for source, a := range said {
			a.At = a.At.UTC().Truncate(time.Microsecond)
			inner[source] = a
		}
		out[fact] = inner
	}
	return out
}

func deviceFields(r *deviceRow) []any {
	d := &r.Device
	return []any{
		&d.Site, &d.ID, &d.User, &d.Invitation, (*string)(&d.Origin), (*string)(&d.Platform), (*string)(&d.Mode),
		(*string)(&d.Ownership), (*string)(&d.State), stamp{&d.Since}, &d.Reason, flag{&d.EverActive},
		&d.Generation, &d.EnrollmentID, stamp{&d.EnrolledAt}, bin{&d.Nonce}, &d.TokenKey, doc{&d.Hardware}, &d.Name,
		&d.Manufacturer, &d.Model, &d.OSVersion,
		doc{&d.Facts}, bin{(*[]byte)(&d.Inventory)}, stamp{&d.ObservedAt}, doc{&d.Refs}, &d.Conflict, &d.Previous, bin{&d.Trace},
		stamp{&d.CreatedAt}, stamp{&d.DeletedAt}, &d.Events, &d.Version, &r.identity,
	}
}

// refRow makes a device findable by one of its refs.
type refRow struct {
	site   string
	ref    device.Ref
	device string
}

func refFields(r *refRow) []any { return []any{&r.site, &r.ref.Source, &r.ref.ID, &r.device} }

func refRows(d device.Device) []refRow {
	if d.Deleted() {
		return nil
	}
	rows := make([]refRow, len(d.Refs))
	for i, r := range d.Refs {
		rows[i] = refRow{d.Site, r, d.ID}
	}
	return last(rows, func(r *refRow) refRow { return *r })
}

func sameRefs(a, b []refRow) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(r refRow) bool { return !slices.Contains(b, r) })
}

type devices struct{ *unit }

func (t devices) Create(ctx context.Context, list ...device.Device) error {
	rows := make([]deviceRow, len(list))
	var refs []refRow
	for i, d := range list {
		rows[i] = newDeviceRow(d)
		refs = append(refs, refRows(d)...)
	}
	write := func() error {
		if err := add(ctx, t.unit, "@devices ("+deviceColumns+")", deviceFields, rows); err != nil {
			return err
		}
		return t.addRefs(ctx, refs)
	}
	if len(refs) == 0 {
		return write()
	}
	return t.all(ctx, write)
}

func (t devices) addRefs(ctx context.Context, refs []refRow) error {
	n, err := insert(ctx, t.unit, "@device_refs (site, source, ref, device)", refFields, "ON CONFLICT DO NOTHING", refs)
	if err == nil && n < int64(len(refs)) {
		err = enrollment.ErrExists
	}
	return err
}

func (t devices) Get(ctx context.Context, site, id string) (device.Device, error) {
	return t.one(ctx, "site = ? AND id = ?", site, id)
}

func (t devices) Lock(ctx context.Context, site, id string) (device.Device, error) {
	if err := t.may(ctx, true); err != nil {
		return device.Device{}, err
	}
	return t.one(ctx, "site = ? AND id = ?"+t.lock(), site, id)
}

func (t devices) one(ctx context.Context, condition string, args ...any) (device.Device, error) {
	row, err := one(ctx, t.unit, deviceFields, selectDevices+condition, args...)
	return row.Device, err
}

func (t devices) Update(ctx context.Context, list ...device.Device) error {
	return t.all(ctx, func() error {
		for _, d := range list {
			if err := t.update(ctx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t devices) update(ctx context.Context, d device.Device) error {
	row := newDeviceRow(d)
	row.Version++
	values, err := args(nil, deviceFields(&row))
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "UPDATE @devices SET ("+deviceColumns+") = ("+marks(deviceWidth)+
		") WHERE site = ? AND id = ? AND version = ?", append(values, d.Site, d.ID, d.Version)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.missed(ctx, "@devices", d.Site, d.ID)
	}
	// Few devices have refs, and refs hardly ever change.
	refs := refRows(d)
	if len(refs) > 0 {
		known, err := collect(ctx, t.unit, refFields, "SELECT site, source, ref, device FROM @device_refs WHERE site = ? AND device = ?", d.Site, d.ID)
		if err != nil || sameRefs(known, refs) {
			return err
		}
	}
	if err := t.later(ctx, "DELETE FROM @device_refs WHERE site = ? AND device = ?", d.Site, d.ID); err != nil {
		return err
	}
	return t.addRefs(ctx, refs)
}

func (t devices) Find(ctx context.Context, q enrollment.DeviceKey) (device.Device, error) {
	byRef, byIdentity, byTrace := q.Ref != (device.Ref{}), q.Identity != "", q.Traces != nil
	switch {
	case byRef && !byIdentity && !byTrace:
		return t.one(ctx, `deleted_at = 0 AND (site, id) = (?, (
			SELECT device FROM @device_refs WHERE site = ? AND source = ? AND ref = ?))`+t.lock(),
			q.Site, q.Site, q.Ref.Source, q.Ref.ID)
	case byIdentity && !byRef && !byTrace:
		return t.one(ctx, "site = ? AND platform = ? AND identity = ? AND identity <> '' AND deleted_at = 0"+t.lock(),
			q.Site, string(q.Platform), q.Identity)
	case byTrace && !byRef && !byIdentity:
		var traces []any
		for _, trace := range q.Traces {
			if len(trace) > 0 { // no trace is not a trace
				traces = append(traces, trace)
			}
		}
		var w where
		w.and("site = ? AND platform = ? AND trace IS NOT NULL AND deleted_at <> 0", q.Site, string(q.Platform))
		w.in("trace", traces)
		return t.one(ctx, w.text+" ORDER BY deleted_at DESC, id DESC LIMIT 1"+t.lock(), w.args...)
	}
	return device.Device{}, errors.New("sqlstore: a device is found by exactly one of Ref, Identity and Traces")
}

func (t devices) List(ctx context.Context, q enrollment.DeviceQuery) ([]device.Device, error) {
	if q.Site == "" && q.SinceBefore.IsZero() {
		return nil, errors.New("sqlstore: a list of devices needs a site")
	}
	var w where
	w.and("deleted_at = 0")
	switch {
	case q.Site != "" && (q.SinceBefore.IsZero() || len(q.States) == 0):
		w.and("site = ?", q.Site)
	case q.Site != "":
		w.and("site || '' = ?", q.Site) // keeps to the index of the state
	}
	if q.User != "" {
		w.and("user_id = ?", q.User)
	}
	if q.Invitation != "" {
		w.and("invitation = ? AND invitation <> ''", q.Invitation)
	}
	if len(q.States) > 0 {
		w.in("state", anys(q.States))
	}
	if q.Conflict != "" {
		w.and("conflict = ? AND conflict <> ''", q.Conflict)
	}
	if !q.SinceBefore.IsZero() {
		w.and("since < ?", micros(q.SinceBefore))
	}
	if q.After != "" {
		w.and("id > ?", q.After)
	}
	rows, err := collect(ctx, t.unit, deviceFields, selectDevices+w.text+" ORDER BY id, site"+w.limitOrAll(q.Limit), w.args...)
	if err != nil {
		return nil, err
	}
	list := make([]device.Device, len(rows))
	for i, row := range rows {
		list[i] = row.Device
	}
	return list, nil
}
