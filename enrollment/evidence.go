package enrollment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// evidence is what one message of one source says of a device, a report or an
// observation. Empty fields say nothing.
type evidence struct {
	source device.Source
	actor  string
	ref    device.Ref
	at     time.Time

	facts     map[device.Fact]bool
	inventory json.RawMessage // compact
	hardware  device.Hardware

	name, manufacturer, model, osVersion string

	// Set where another platform is said than the row has; the mode goes with it.
	platform device.Platform
	mode     device.Mode
}

// factRefresh is how far the time of an agent's repeated assertion may lag. A
// late observation of another source that falls into it counts as the newer.
const factRefresh = time.Hour

// on returns d with what e says of it, the facts that now hold differently, and
// whether there is anything to store.
func (e evidence) on(d device.Device) (next device.Device, moved map[string]string, changed bool) {
	next, moved = d, map[string]string{}
	facts := e.facts
	if e.outdated(d) {
		facts = nil
	}
	for f, value := range facts {
		old, said := next.Facts[f][e.source]
		at := e.at
		if e.source == device.SourceAgent {
			// What is repeated and contested by nobody needs no write each time:
			// an agent repeats itself for years.
			if said && old.Value == value && len(next.Facts[f]) == 1 && at.Sub(old.At) < factRefresh {
				continue
			}
			// Reports are in the order of their sequence numbers, whatever the
			// clocks of the nodes that took them.
			if said && !at.After(old.At) {
				at = old.At.Add(time.Microsecond)
			}
		}
		asserted, flipped := next.Facts.Assert(e.source, f, value, at)
		now := asserted[f][e.source]
		changed = changed || !said || now.Value != old.Value || !now.At.Equal(old.At)
		next.Facts = asserted
		if flipped {
			moved[string(f)] = strconv.FormatBool(asserted.Holds(f))
		}
	}
	newer := !e.at.Before(d.ObservedAt)
	fill := func(field *string, value string, overwrite bool) {
		if value != "" && value != *field && (overwrite || *field == "") {
			*field, changed = value, true
		}
	}
	fill(&next.Name, e.name, newer)
	fill(&next.Manufacturer, e.manufacturer, newer)
	fill(&next.Model, e.model, newer)
	fill(&next.OSVersion, e.osVersion, newer)
	// Hardware ids never change under a device; they only become known.
	fill(&next.Hardware.UDID, e.hardware.UDID, false)
	fill(&next.Hardware.ESID, e.hardware.ESID, false)
	fill(&next.Hardware.HWDevID, e.hardware.HWDevID, false)
	fill(&next.Hardware.Serial, e.hardware.Serial, false)
	fill(&next.Hardware.IMEI, e.hardware.IMEI, false)
	if e.platform != "" && e.platform != d.Platform {
		next.Platform, next.Mode, changed = e.platform, e.mode, true
		moved["platform"], moved["mode"] = string(e.platform), string(e.mode)
	}
	if e.inventory != nil && !bytes.Equal(e.inventory, d.Inventory) {
		next.Inventory, changed = e.inventory, true
	}
	if e.ref != (device.Ref{}) {
		var added bool
		next, added = next.AddRef(e.ref)
		changed = changed || added
	}
	if changed && e.at.After(next.ObservedAt) {
		next.ObservedAt = e.at
	}
	return next, moved, changed
}

// outdated reports whether e is about an earlier generation of d, whose proofs
// were forgotten when it enrolled again. A first generation has none before it,
// and an agent has the token of its own: what it says is never late, even if the
// clock of the node that took it is behind that of the node that enrolled it.
func (e evidence) outdated(d device.Device) bool {
	return e.source != device.SourceAgent && d.Generation > 1 && e.at.Before(d.EnrolledAt)
}

// learn stores what e changes of a device that the unit has locked: its row,
// the state that follows, one event, its slot. What changes nothing writes
// nothing.
func (u *unit) learn(ctx context.Context, site Site, d device.Device, contact Contact, e evidence) (device.Device, error) {
	e, err := u.without(ctx, d, e)
	if err != nil {
		return d, err
	}
	next, moved, changed := e.on(d)
	next, changed = site.Policy.promoted(next, moved, changed)
	next, conflict, err := u.settle(ctx, d, next)
	if err != nil {
		return d, err
	}
	// A device that is unresponsive comes back by a sign of life that is fresh,
	// which is restore's to judge; evidence may be old.
	if d.State != device.Unresponsive {
		if next, err = next.Judge(site.Policy.Requirements, u.now); err != nil {
			return d, err
		}
	}
	var events []Event
	switch {
	case next.State != d.State:
		changed = true
		events = append(events, stateEvent(d, next, e.actor))
	case len(moved) > 0:
		events = append(events, Event{Type: device.EventFacts, Actor: e.actor})
	}
	if !changed {
		return d, nil
	}
	if len(events) > 0 && len(moved) > 0 {
		events[0].Data = moved
	}
	if conflict {
		events = append(events, Event{Type: device.EventConflict, Actor: ActorSystem, Data: map[string]string{"holder": next.Conflict}})
	}
	for i := range events {
		events[i].Ref = e.ref
	}
	first := next.State == device.Active && !d.EverActive
	if next, err = u.saveDevice(ctx, next, contact, site.Policy.Requirements, events...); err != nil {
		return d, err
	}
	if conflict {
		err := u.enqueue(ctx, Message{Site: d.Site, Kind: MessageAlert, Device: d.ID, User: d.User, Event: events[len(events)-1].ID})
		if err != nil {
			return d, err
		}
	}
	if first && next.Invitation != "" {
		err = u.see(ctx, next.Site, next.Invitation, invitation.ManagementActive)
	}
	return next, err
}

// without leaves out hardware ids that became known if another device of the same
// user has them. Nobody else's are claimed, so there is nothing to decide and nobody
// to alert; the row that has them is what the hardware comes back to.
func (u *unit) without(ctx context.Context, d device.Device, e evidence) (evidence, error) {
	next, _, _ := e.on(d)
	identity := next.Identity()
	if identity == "" || identity == d.Identity() || next.Platform != d.Platform {
		return e, nil
	}
	holder, err := u.Devices().Find(ctx, DeviceKey{Site: d.Site, Platform: d.Platform, Identity: identity})
	if errors.Is(err, ErrNotFound) {
		return e, nil
	}
	if err == nil && holder.ID != d.ID && holder.User == d.User {
		e.hardware = device.Hardware{}
	}
	return e, err
}

// settle keeps an identity from having two holders: where what became known of
// next's hardware names another device, next is in conflict with it and goes
// without, until an administrator decides. Hardware ids are claims.
func (u *unit) settle(ctx context.Context, before, next device.Device) (device.Device, bool, error) {
	identity := next.Identity()
	if identity == "" || identity == before.Identity() && next.Platform == before.Platform {
		return next, false, nil
	}
	holder, err := u.Devices().Find(ctx, DeviceKey{Site: next.Site, Platform: next.Platform, Identity: identity})
	switch {
	case errors.Is(err, ErrNotFound):
		return next, false, nil
	case err != nil:
		return next, false, err
	case holder.ID == next.ID:
		return next, false, nil
	}
	next.Conflict = holder.ID
	return next, true, nil
}

// stateEvent is the one event of a change of state.
func stateEvent(before, after device.Device, actor string) Event {
	e := Event{Actor: actor, Before: string(before.State), After: string(after.State), Reason: after.Reason}
	switch after.State {
	case device.Pending:
		e.Type = device.EventReenrolled
	case device.Active:
		e.Type = device.EventActivated
	case device.Impaired:
		e.Type = device.EventImpaired
	case device.Unresponsive:
		e.Type = device.EventUnresponsive
	case device.Leaving:
		e.Type = device.EventLeaving
	case device.Unenrolled:
		e.Type = device.EventUnenrolled
	}
	if before.State == device.Unresponsive && (after.State == device.Active || after.State == device.Impaired) {
		e.Type = device.EventRestored
	}
	return e
}

// statusOf is the answer to a message of d.
func statusOf(d device.Device, contact Contact, p Policy) Status {
	out := Status{Device: d.ID, State: d.State, Missing: missingOf(d, p.Requirements), Seq: contact.Seq + 1}
	out.Waits, out.Next = p.waiting(d, out.Missing)
	return out
}

// missingOf returns what d still has to prove: nothing once it has left. It is
// never nil.
func missingOf(d device.Device, r device.Requirements) []device.Fact {
	if !d.Live() {
		return []device.Fact{}
	}
	return d.Missing(r)
}

// contactOf returns and locks a device's contact row; a device that never had
// contact has an empty one.
func (u *unit) contactOf(ctx context.Context, site, id string) (Contact, error) {
	c, err := u.Contacts().Get(ctx, site, id)
	if errors.Is(err, ErrNotFound) {
		return Contact{Site: site, Device: id}, nil
	}
	return c, err
}
