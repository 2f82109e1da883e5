package device

import (
	"encoding/json"
	"slices"
	"time"
)

// Origin says by what a device came in.
type Origin string

const (
	ByInvitation  Origin = "invitation"
	BySelfService Origin = "self_service"
	ByAdoption    Origin = "adoption" // it was managed before, by another system
)

// Ref is a device's id in another system. It is unique within a site.
type Ref struct {
	Source string `json:"source"`
	ID     string `json:"id"`
}

// Device is one enrolled device. Times are UTC; a zero time means that it has
// not happened. Values are copied; Facts, Inventory and Refs are not changed in
// place.
type Device struct {
	Site       string
	ID         string // "dev_..."
	User       string
	Invitation string // by which it came; empty for self-service and adoption
	Origin     Origin

	Platform  Platform
	Mode      Mode
	Ownership Ownership

	State      State
	Since      time.Time // when it entered State
	Reason     string    // why it is in State, a stable code; empty where the state says all
	EverActive bool      // it has been active in this generation

	Generation   int    // grows with each enrollment of the same hardware; the first is 1
	EnrollmentID string // the client's id of its latest enrollment
	EnrolledAt   time.Time
	Nonce        []byte // from which the device token is derived
	TokenKey     uint32 // and with which key

	Hardware     Hardware
	Name         string
	Manufacturer string
	Model        string
	OSVersion    string

	Facts      Facts
	Inventory  json.RawMessage // as last received; nil: none
	ObservedAt time.Time       // the newest report or observation that was taken

	Refs     []Ref
	Conflict string // the id of the device that holds this hardware's identity
	Previous string // the id of a deleted device of the same hardware
	Trace    []byte // of a tombstone: a keyed MAC of the identity it had

	CreatedAt time.Time
	DeletedAt time.Time // not zero: a tombstone, of which little else is left

	Events  int64 // number of journal events of this device so far
	Version int64 // of the stored row; a store compares and adds one
}

// Deleted reports whether d is a tombstone.
func (d Device) Deleted() bool { return !d.DeletedAt.IsZero() }

// Live reports whether d takes the place of its invitation.
func (d Device) Live() bool { return d.State.Live() && !d.Deleted() }

// Identity is [Hardware.Identity] of d, or "" while another device holds it.
func (d Device) Identity() string {
	if d.Conflict != "" {
		return ""
	}
	return d.Hardware.Identity(d.Manufacturer)
}

// Missing returns the facts that d's mode requires and that do not hold.
func (d Device) Missing(r Requirements) []Fact { return d.Facts.Missing(r.Of(d.Mode)) }

// Enroll starts d's next generation at now: what the old one proved is
// forgotten, and d is pending until it is proved again.
func (d Device) Enroll(now time.Time) Device {
	d.State, d.Since, d.Reason = Pending, now, "" // where StepEnroll leads from every state
	d.Generation++
	d.EnrolledAt = now
	d.EverActive = false
	d.Facts, d.Inventory = nil, nil
	return d
}

// Step moves d's state and notes since when and why. It returns d unchanged
// when the state stays, and a [*TransitionError] when the step does not apply.
func (d Device) Step(s Step, why string, now time.Time) (Device, error) {
	to, err := Next(d.State, s)
	if err != nil || to == d.State {
		return d, err
	}
	d.State, d.Since, d.Reason = to, now, why
	if to == Active {
		d.EverActive = true
	}
	return d, nil
}

// Judge moves d's state to what its facts and requirements say.
func (d Device) Judge(r Requirements, now time.Time) (Device, error) {
	missing := d.Missing(r)
	if len(missing) == 0 {
		return d.Step(StepComplete, "", now)
	}
	return d.Step(StepLack, string(missing[0]), now)
}

// AddRef returns d with r among its refs; a ref of the same source is replaced.
func (d Device) AddRef(r Ref) (Device, bool) {
	if slices.Contains(d.Refs, r) {
		return d, false
	}
	refs := slices.DeleteFunc(slices.Clone(d.Refs), func(old Ref) bool { return old.Source == r.Source })
	d.Refs = append(refs, r)
	return d, true
}

// Tombstone returns what is left of d once it is deleted: enough to answer its
// token and to link the next enrollment of its hardware, and nothing personal.
// trace is a keyed MAC of d's identity, nil if it has none.
func (d Device) Tombstone(trace []byte, now time.Time) Device {
	return Device{
		Trace: trace,
		Site:  d.Site, ID: d.ID, User: d.User, Invitation: d.Invitation, Platform: d.Platform, Mode: d.Mode,
		State: Unenrolled, Since: now, Reason: "deleted",
		Generation: d.Generation, CreatedAt: d.CreatedAt, DeletedAt: now,
		Events: d.Events, Version: d.Version,
	}
}
