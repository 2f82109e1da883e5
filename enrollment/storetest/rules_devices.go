package storetest

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

var deviceTrace = trace{
	seed: createDevices(withRefs(enrolled("site", "dev_1"), device.Ref{Source: "mdm", ID: "1"})),
	write: all(
		updateDevices(enrolled("site", "dev_1").Tombstone([]byte("trace"), at(1))),
		createDevices(twin(withRefs(enrolled("site", "dev_1"), device.Ref{Source: "mdm", ID: "1"}), "dev_2"), enrolled("site", "dev_3")),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		deleted, err := optional(tx.Devices().Get(ctx, "site", "dev_1"))
		if err != nil {
			return nil, err
		}
		list, err := tx.Devices().List(ctx, enrollment.DeviceQuery{Site: "site"})
		return append(list, deleted), err
	},
}

func withRefs(d device.Device, refs ...device.Ref) device.Device {
	d.Refs = refs
	return d
}

// twin is the same hardware under another id.
func twin(d device.Device, id string) device.Device {
	d.ID, d.Version = id, 0
	return d
}

func identity(d device.Device) enrollment.DeviceKey {
	return enrollment.DeviceKey{Site: d.Site, Platform: d.Platform, Identity: d.Identity()}
}

func traced(site string, p device.Platform, traces ...string) enrollment.DeviceKey {
	q := enrollment.DeviceKey{Site: site, Platform: p}
	for _, trace := range traces {
		q.Traces = append(q.Traces, []byte(trace))
	}
	return q
}

var deviceRules = []rule{
	{"lock returns the row", "Lock returns the stored row, and ErrNotFound where there is none or it is another site's.", func(t tb, s enrollment.Storage) {
		lock := func(site, id string) reading[device.Device] {
			return func(ctx context.Context, tx enrollment.Tx) (device.Device, error) {
				return tx.Devices().Lock(ctx, site, id)
			}
		}
		do(t, s, createDevices(deviceRows.row("site", "one")))
		same(t, "the device", take(t, s, lock("site", "one")), deviceRows.row("site", "one"))
		fails(t, s, enrollment.ErrNotFound, dropped(lock("other", "one")))
		fails(t, s, enrollment.ErrNotFound, dropped(lock("site", "two")))
	}},
	{"keep tombstones", "Get and Lock return tombstones, with all that is left of them.", func(t tb, s enrollment.Storage) {
		d := deviceRows.row("site", "one")
		do(t, s, createDevices(d))
		stone := d.Tombstone([]byte("\x00trace\xff"), at(9))
		do(t, s, updateDevices(stone))
		same(t, "the tombstone", see(t, s, getDevice("site", "one")), deviceRows.stored(stone))
	}},
	{"one device for each identity", "Of the devices of a site and platform that are not deleted, one has an identity: another is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		one := enrolled("site", "dev_1")
		one.State = device.Unenrolled // not live, but not deleted either
		do(t, s, createDevices(one))
		fails(t, s, enrollment.ErrExists, createDevices(enrolled("site", "dev_2"), twin(one, "dev_3")))
		misses(t, s, "the refused device", getDevice("site", "dev_3"))
		misses(t, s, "the device beside it", getDevice("site", "dev_2"))
		fails(t, s, enrollment.ErrExists, createDevices(twin(enrolled("site", "dev_4"), "dev_5"), twin(enrolled("site", "dev_4"), "dev_6")))

		elsewhere, windows, conflict := twin(one, "dev_7"), twin(one, "dev_8"), twin(one, "dev_9")
		elsewhere.Site, windows.Platform, conflict.Conflict = "other", device.Windows, "dev_1"
		do(t, s, createDevices(elsewhere, windows, conflict))
	}},
	{"any number without identity", "Devices without an identity do not stand in each other's way.", func(t tb, s enrollment.Storage) {
		one := enrolled("site", "dev_1")
		one.Hardware = device.Hardware{}
		do(t, s, createDevices(one, twin(one, "dev_2")))
		see(t, s, getDevice("site", "dev_2"))
	}},
	{"update keeps identities apart", "An update that takes the identity or a ref of another device is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		one, two := withRefs(enrolled("site", "dev_1"), device.Ref{Source: "mdm", ID: "1"}), enrolled("site", "dev_2")
		do(t, s, createDevices(one, two))
		fails(t, s, enrollment.ErrExists, updateDevices(twin(withRefs(one), "dev_2")))
		fails(t, s, enrollment.ErrExists, updateDevices(withRefs(two, one.Refs...)))
		same(t, "the second device", see(t, s, getDevice("site", "dev_2")), two)
	}},
	{"a tombstone frees its identity", "A deleted device gives its identity and its refs to the next.", func(t tb, s enrollment.Storage) {
		one := withRefs(enrolled("site", "dev_1"), device.Ref{Source: "mdm", ID: "1"})
		do(t, s, createDevices(one))
		do(t, s, updateDevices(one.Tombstone(nil, at(1))), createDevices(twin(one, "dev_2")))
		same(t, "by identity", see(t, s, findDevice(identity(one))).ID, "dev_2")
		same(t, "by ref", see(t, s, findDevice(enrollment.DeviceKey{Site: "site", Ref: one.Refs[0]})).ID, "dev_2")
	}},
	{"a deleted row holds nothing", "A deleted device holds no identity and no ref, even where its row still has them.", func(t tb, s enrollment.Storage) {
		one := withRefs(enrolled("site", "dev_1"), device.Ref{Source: "mdm", ID: "1"})
		gone := one
		gone.DeletedAt = at(1)
		do(t, s, createDevices(gone))
		misses(t, s, "by identity", findDevice(identity(one)))
		misses(t, s, "by ref", findDevice(enrollment.DeviceKey{Site: "site", Ref: one.Refs[0]}))
		do(t, s, createDevices(twin(one, "dev_2")))
	}},
	{"identity follows changes", "A device is found by its present identity only, and the old one is free.", func(t tb, s enrollment.Storage) {
		old := enrolled("site", "dev_1")
		do(t, s, createDevices(old))
		moved := old
		moved.Hardware.UDID = "another"
		do(t, s, updateDevices(moved))
		misses(t, s, "by the old identity", findDevice(identity(old)))
		same(t, "by the new identity", see(t, s, findDevice(identity(moved))).ID, "dev_1")
		do(t, s, createDevices(twin(old, "dev_2")))
	}},
	{"refs are unique in a site", "A ref belongs to one device of a site that is not deleted: another is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		ref := device.Ref{Source: "mdm", ID: "Ref 1"}
		do(t, s, createDevices(withRefs(enrolled("site", "dev_1"), device.Ref{Source: "x", ID: "0"}, ref)))
		fails(t, s, enrollment.ErrExists, createDevices(withRefs(enrolled("site", "dev_2"), ref)))
		misses(t, s, "the refused device", getDevice("site", "dev_2"))
		do(t, s, createDevices(
			withRefs(enrolled("other", "dev_3"), ref),
			withRefs(enrolled("site", "dev_4"), device.Ref{Source: "mdm", ID: "ref 1"}),
			withRefs(enrolled("site", "dev_5"), device.Ref{Source: "MDM", ID: "Ref 1"})))
	}},
	{"found by ref", "Find returns the device of the site with this ref, of several that it has, and no longer when it lost it.", func(t tb, s enrollment.Storage) {
		a, b := device.Ref{Source: "mdm", ID: "1"}, device.Ref{Source: "amapi", ID: "1"}
		one := withRefs(enrolled("site", "dev_1"), a, b)
		do(t, s, createDevices(one, withRefs(enrolled("other", "dev_2"), b)))
		for _, ref := range one.Refs {
			same(t, "by ref", see(t, s, findDevice(enrollment.DeviceKey{Site: "site", Ref: ref})), one)
		}
		misses(t, s, "by another source", findDevice(enrollment.DeviceKey{Site: "site", Ref: device.Ref{Source: "x", ID: "1"}}))
		misses(t, s, "in a site without it", findDevice(enrollment.DeviceKey{Site: "third", Ref: a}))
		do(t, s, updateDevices(withRefs(one, b)))
		misses(t, s, "by a ref it lost", findDevice(enrollment.DeviceKey{Site: "site", Ref: a}))
		do(t, s, createDevices(withRefs(enrolled("site", "dev_3"), a)))
	}},
	{"found by identity", "Find returns the device of the site and platform with this identity, unless it is in conflict.", func(t tb, s enrollment.Storage) {
		one := enrolled("site", "dev_1")
		conflict := twin(one, "dev_0")
		conflict.Conflict = "dev_1"
		do(t, s, createDevices(one, conflict))
		same(t, "by identity", see(t, s, findDevice(identity(one))), one)
		for _, q := range []enrollment.DeviceKey{
			{Site: "other", Platform: one.Platform, Identity: one.Identity()},
			{Site: "site", Platform: device.IOS, Identity: one.Identity()},
			{Site: "site", Platform: one.Platform, Identity: "udid:none"},
		} {
			misses(t, s, fmt.Sprint(q), findDevice(q))
		}
	}},
	{"found by trace", "Find returns the newest tombstone of the site and platform with one of these traces.", func(t tb, s enrollment.Storage) {
		for i, trace := range []string{"a", "b", "a", "c", ""} {
			d := enrolled("site", fmt.Sprint("dev_", i))
			do(t, s, createDevices(d))
			// The newest is in the middle, and ids say nothing about it.
			do(t, s, updateDevices(d.Tombstone([]byte(trace), at([]int{5, 6, 3, 1, 9}[i]))))
		}
		live := enrolled("site", "dev_9")
		live.Trace = []byte("live")
		do(t, s, createDevices(live))
		for _, c := range []struct {
			traces []string
			want   string
		}{
			{[]string{"a"}, "dev_0"}, {[]string{"a", "b"}, "dev_1"}, {[]string{"c", "none", "a"}, "dev_0"}, {[]string{"c"}, "dev_3"},
		} {
			same(t, fmt.Sprint("by ", c.traces), see(t, s, findDevice(traced("site", device.Android, c.traces...))).ID, c.want)
		}
		for what, q := range map[string]enrollment.DeviceKey{
			"by an unknown trace":               traced("site", device.Android, "none"),
			"by the trace of a device not gone": traced("site", device.Android, "live"),
			"in another site":                   traced("other", device.Android, "a"),
			"on another platform":               traced("site", device.IOS, "a"),
			"by no trace":                       traced("site", device.Android, ""),
		} {
			misses(t, s, what, findDevice(q))
		}
	}},
	{"list by query", "List returns what every field of its query asks for, without the deleted, ids ascending.", func(t tb, s enrollment.Storage) {
		add := func(site, id string, edit func(*device.Device)) {
			d := enrolled(site, id)
			edit(&d)
			do(t, s, createDevices(d))
		}
		add("site", "dev_3", func(d *device.Device) { d.User, d.Invitation, d.State = "zoe", "inv_1", device.Active })
		add("site", "dev_1", func(d *device.Device) { d.User, d.Invitation = "zoe", "inv_2" })
		add("site", "dev_4", func(d *device.Device) { d.Invitation, d.State, d.Since = "inv_1", device.Active, at(5) })
		add("site", "dev_2", func(d *device.Device) { d.Conflict, d.Since = "dev_1", at(4) })
		add("site", "dev_5", func(d *device.Device) { d.User, d.Invitation, d.DeletedAt = "zoe", "inv_1", at(9) })
		add("other", "dev_6", func(d *device.Device) { d.User, d.Invitation = "zoe", "inv_1" })
		add("site", "DEV_7", func(d *device.Device) { d.User, d.Invitation = "Zoe", "INV_1" })
		pending, active := device.Pending, device.Active
		for _, c := range []struct {
			what string
			q    enrollment.DeviceQuery
			want []string
		}{
			{"all", enrollment.DeviceQuery{Site: "site"}, []string{"DEV_7", "dev_1", "dev_2", "dev_3", "dev_4"}},
			{"of a user", enrollment.DeviceQuery{Site: "site", User: "zoe"}, []string{"dev_1", "dev_3"}},
			{"of an invitation", enrollment.DeviceQuery{Site: "site", Invitation: "inv_1"}, []string{"dev_3", "dev_4"}},
			{"of both", enrollment.DeviceQuery{Site: "site", User: "zoe", Invitation: "inv_1"}, []string{"dev_3"}},
			{"of a state", enrollment.DeviceQuery{Site: "site", States: []device.State{active}}, []string{"dev_3", "dev_4"}},
			{"of states", enrollment.DeviceQuery{Site: "site", States: []device.State{active, pending}, User: "zoe"}, []string{"dev_1", "dev_3"}},
			{"in conflict", enrollment.DeviceQuery{Site: "site", Conflict: "dev_1"}, []string{"dev_2"}},
			{"since before", enrollment.DeviceQuery{Site: "site", States: []device.State{active}, SinceBefore: at(5)}, []string{"dev_3"}},
			{"since before a little later", enrollment.DeviceQuery{Site: "site", States: []device.State{active}, SinceBefore: at(5).Add(time.Microsecond)}, []string{"dev_3", "dev_4"}},
			{"since before, anywhere", enrollment.DeviceQuery{States: []device.State{pending}, SinceBefore: at(4)}, []string{"DEV_7", "dev_1", "dev_6"}},
			{"since before, anywhere, limited", enrollment.DeviceQuery{States: []device.State{pending, active}, SinceBefore: at(9), After: "dev_1", Limit: 3}, []string{"dev_2", "dev_3", "dev_4"}},
			{"after an id", enrollment.DeviceQuery{Site: "site", After: "dev_2"}, []string{"dev_3", "dev_4"}},
			{"limited", enrollment.DeviceQuery{Site: "site", Limit: 2}, []string{"DEV_7", "dev_1"}},
			{"of a site without any", enrollment.DeviceQuery{Site: "SITE"}, nil},
		} {
			same(t, c.what, ids(see(t, s, listDevices(c.q)), deviceID), c.want)
		}
		full := deviceRows.row("full", "one")
		do(t, s, createDevices(full))
		same(t, "the listed row", see(t, s, listDevices(enrollment.DeviceQuery{Site: "full"})), []device.Device{full})
	}},
}
