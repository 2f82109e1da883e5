package memstore

import (
	"context"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// key names a row: of what stands in the comment beside its use.
type key struct{ site, id string }

// keys is a set of rows.
type keys map[key]struct{}

// data is all that a store holds. It consists of maps, so that put, drop, link
// and unlink are all there is to undo.
type data struct {
	users   map[key]enrollment.User
	outside map[key]string // by site and EmailKey: the id of the user outside the directory

	invitations map[key]invitation.Invitation
	active      map[key]string  // by site and user: the id of the active invitation
	byEmail     map[string]keys // by EmailKey: the invitations
	byUser      map[key]keys    // by site and user: all invitations
	ofSite      map[string]keys // by site: all invitations

	credentials map[credentialKey]enrollment.Credential
	byIndex     map[indexKey]credentialKey

	counters map[string]counter

	sightings map[key]map[invitation.Evidence]invitation.Sighting // by site and invitation

	devices      map[key]device.Device
	byIdentity   map[hardwareKey]string // the id of the device that is not deleted
	byRef        map[refKey]string      // the same
	byTrace      map[hardwareKey]keys   // tombstones
	byInvitation map[key]keys           // by site and invitation: devices that are not deleted
	byOwner      map[key]keys           // by site and user: the same
	devicesOf    map[string]keys        // by site: the same

	contacts map[key]enrollment.Contact
	byToken  map[credentials.MAC]key

	slots   map[key]enrollment.Slot
	slotsOf map[string]keys
	counts  map[key]int64 // by site and state

	events    map[key]enrollment.Event
	bySeq     map[key]map[int64]string    // by site and subject, and Seq: the event's id
	bySiteSeq map[string]map[int64]string // by site, and SiteSeq: the event's id
	lastSeq   map[string]int64            // by site: the latest SiteSeq
	pending   map[key]int64               // events without SiteSeq, in the order of appending
	appended  int64                       // so many events were ever appended; not undone

	messages map[key]enrollment.Message
	deduped  map[key]string // by site and Dedupe: the message's id
	waiting  keys           // messages that have not ended

	records map[recordKey]enrollment.Record
}

func newData() *data {
	return &data{
		users:        map[key]enrollment.User{},
		outside:      map[key]string{},
		invitations:  map[key]invitation.Invitation{},
		active:       map[key]string{},
		byEmail:      map[string]keys{},
		byUser:       map[key]keys{},
		ofSite:       map[string]keys{},
		credentials:  map[credentialKey]enrollment.Credential{},
		byIndex:      map[indexKey]credentialKey{},
		counters:     map[string]counter{},
		sightings:    map[key]map[invitation.Evidence]invitation.Sighting{},
		devices:      map[key]device.Device{},
		byIdentity:   map[hardwareKey]string{},
		byRef:        map[refKey]string{},
		byTrace:      map[hardwareKey]keys{},
		byInvitation: map[key]keys{},
		byOwner:      map[key]keys{},
		devicesOf:    map[string]keys{},
		contacts:     map[key]enrollment.Contact{},
		byToken:      map[credentials.MAC]key{},
		slots:        map[key]enrollment.Slot{},
		slotsOf:      map[string]keys{},
		counts:       map[key]int64{},
		events:       map[key]enrollment.Event{},
		bySeq:        map[key]map[int64]string{},
		bySiteSeq:    map[string]map[int64]string{},
		lastSeq:      map[string]int64{},
		pending:      map[key]int64{},
		messages:     map[key]enrollment.Message{},
		deduped:      map[key]string{},
		waiting:      keys{},
		records:      map[recordKey]enrollment.Record{},
	}
}

// tx is one unit of work. It changes the store's data at once and remembers how
// to change it back.
type tx struct {
	data     *data
	mayWrite bool
	over     bool
	began    int64 // data.appended when the unit began
	undo     []func()
}

func (t *tx) Users() enrollment.Users             { return users{t} }
func (t *tx) Invitations() enrollment.Invitations { return invitations{t} }
func (t *tx) Credentials() enrollment.Credentials { return credentialRows{t} }
func (t *tx) Counters() enrollment.Counters       { return counters{t} }
func (t *tx) Sightings() enrollment.Sightings     { return sightings{t} }
func (t *tx) Devices() enrollment.Devices         { return devices{t} }
func (t *tx) Contacts() enrollment.Contacts       { return contacts{t} }
func (t *tx) Slots() enrollment.Slots             { return slots{t} }
func (t *tx) Journal() enrollment.Journal         { return journal{t} }
func (t *tx) Outbox() enrollment.Outbox           { return outbox{t} }
func (t *tx) Records() enrollment.Records         { return records{t} }

// reading says whether a call that reads may go on.
func (t *tx) reading(ctx context.Context) error {
	if t.over {
		return errOver
	}
	return cancelled(ctx)
}

// locking says whether a call that locks may go on: in a unit that only reads
// there is nothing to lock for.
func (t *tx) locking(ctx context.Context) error {
	if err := t.reading(ctx); err != nil {
		return err
	}
	if !t.mayWrite {
		return errReadOnly
	}
	return nil
}

// write runs one call that writes: all of it or, with an error, nothing.
func (t *tx) write(ctx context.Context, fn func() error) error {
	if err := t.locking(ctx); err != nil {
		return err
	}
	before := len(t.undo)
	err := fn()
	if err != nil {
		t.undoTo(before)
	}
	return err
}

// undoTo takes back the changes after the first n, latest first.
func (t *tx) undoTo(n int) {
	for i := len(t.undo) - 1; i >= n; i-- {
		t.undo[i]()
	}
	t.undo = t.undo[:n]
}

// put sets an element of one of the data's maps.
func put[M ~map[K]V, K comparable, V any](t *tx, m M, k K, v V) {
	restore(t, m, k)
	m[k] = v
}

// drop deletes an element of one of the data's maps.
func drop[M ~map[K]V, K comparable, V any](t *tx, m M, k K) {
	restore(t, m, k)
	delete(m, k)
}

func restore[M ~map[K]V, K comparable, V any](t *tx, m M, k K) {
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
}

// link adds row k to those found by a.
func link[A comparable](t *tx, index map[A]keys, a A, k key) {
	if index[a] == nil {
		put(t, index, a, keys{})
	}
	put(t, index[a], k, struct{}{})
}

// unlink undoes link, whether or not k is there.
func unlink[A comparable](t *tx, index map[A]keys, a A, k key) {
	if index[a] == nil {
		return
	}
	drop(t, index[a], k)
	if len(index[a]) == 0 {
		drop(t, index, a)
	}
}
