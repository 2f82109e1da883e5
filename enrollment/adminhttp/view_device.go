package adminhttp

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// slotView is one row of the Mobile devices view.
type slotView struct {
	Kind       string `json:"kind"` // invitation or device
	ID         string `json:"id"`
	State      string `json:"state"`
	Invitation string `json:"invitation_id"`

	User      userView  `json:"user"`
	Platform  string    `json:"platform"`
	Mode      string    `json:"mode"`
	Ownership string    `json:"ownership"`
	Name      string    `json:"name"`
	Serial    string    `json:"serial"`
	Refs      []refView `json:"refs"`

	LastConnection  *time.Time `json:"last_connection"`
	LastObservation *time.Time `json:"last_observation"`
	FetchedAt       *time.Time `json:"fetched_at"` // of an invitation: the latest fetch of its page
	Reached         string     `json:"reached"`    // of an invitation: the furthest that was seen
	ReachedAt       *time.Time `json:"reached_at"`
	Hint            string     `json:"hint"` // and what brings it on
	CreatedAt       *time.Time `json:"created_at"`

	Missing  []device.Fact `json:"missing"`
	WaitsFor string        `json:"waits_for"` // user, device, server, admin
	Next     string        `json:"next"`
	Conflict bool          `json:"conflict"`
}

func showSlot(s enrollment.SlotView) slotView {
	return slotView{
		Kind: string(s.Kind), ID: s.ID, State: s.State, Invitation: s.Invitation,
		User:     userView{ID: s.User, Email: s.Email, Name: s.UserName},
		Platform: string(s.Platform), Mode: string(s.Mode), Ownership: string(s.Ownership),
		Name: s.Name, Serial: s.Serial, Refs: each(s.Refs, showRef),
		LastConnection: stamp(s.LastConnection), LastObservation: stamp(s.LastObservation),
		FetchedAt: stamp(s.FetchedAt), CreatedAt: stamp(s.CreatedAt),
		Reached: s.Progress.Reached, ReachedAt: stamp(s.Progress.At), Hint: string(s.Progress.Hint),
		Missing: list(s.Missing), WaitsFor: string(s.Waits), Next: string(s.Next), Conflict: s.Conflict,
	}
}

func showRef(r device.Ref) refView { return refView{Source: r.Source, ID: r.ID} }

// deviceView is one device. What its token is made of stays inside.
type deviceView struct {
	ID         string   `json:"id"`
	User       userView `json:"user"`
	Invitation string   `json:"invitation_id"` // "": self-service or adopted
	Origin     string   `json:"origin"`

	State    string        `json:"state"`
	Since    *time.Time    `json:"since"`
	Reason   string        `json:"reason"`
	WaitsFor string        `json:"waits_for"`
	Next     string        `json:"next"`
	Missing  []device.Fact `json:"missing"`

	Platform     string       `json:"platform"`
	Mode         string       `json:"mode"`
	Ownership    string       `json:"ownership"`
	Name         string       `json:"name"`
	Manufacturer string       `json:"manufacturer"`
	Model        string       `json:"model"`
	OSVersion    string       `json:"os_version"`
	Hardware     hardwareView `json:"hardware"`
	Refs         []refView    `json:"refs"`

	Facts        map[device.Fact]bool `json:"facts"`
	Assertions   []assertionView      `json:"assertions"`
	Requirements []device.Fact        `json:"requirements"`
	Inventory    json.RawMessage      `json:"inventory"`

	Conflict     bool   `json:"conflict"`
	ConflictWith string `json:"conflict_with"` // the device that holds this hardware's identity
	Previous     string `json:"previous"`      // the deleted device of the same hardware

	Generation      int        `json:"generation"`
	EnrolledAt      *time.Time `json:"enrolled_at"`
	LastConnection  *time.Time `json:"last_connection"`
	LastObservation *time.Time `json:"last_observation"`
	CreatedAt       *time.Time `json:"created_at"`
	AsOf            *time.Time `json:"as_of"`
}

// hardwareView is what a device claims of its hardware.
type hardwareView struct {
	UDID    string `json:"udid"`
	ESID    string `json:"esid"`
	HWDevID string `json:"hwdevid"`
	Serial  string `json:"serial"`
	IMEI    string `json:"imei"`
}

// assertionView is what one source last said of one fact.
type assertionView struct {
	Fact   device.Fact   `json:"fact"`
	Source device.Source `json:"source"`
	Value  bool          `json:"value"`
	At     *time.Time    `json:"at"`
}

// explanationView is one device with the story that led to its state.
type explanationView struct {
	deviceView
	Timeline []eventView `json:"timeline"` // oldest first
}

func showExplanation(e enrollment.Explanation) explanationView {
	return explanationView{deviceView: showDevice(e.DeviceDetail), Timeline: each(e.Timeline, showEvent)}
}

func showDevice(d enrollment.DeviceDetail) deviceView {
	h := d.Hardware
	v := deviceView{
		ID:         d.ID,
		User:       userView{ID: d.Device.User, Email: d.User.Email, Name: d.User.Name},
		Invitation: d.Invitation, Origin: string(d.Origin),
		State: string(d.State), Since: stamp(d.Since), Reason: d.Reason,
		WaitsFor: string(d.Waits), Next: string(d.Next), Missing: list(d.Missing),
		Platform: string(d.Platform), Mode: string(d.Mode), Ownership: string(d.Ownership),
		Name: d.Name, Manufacturer: d.Manufacturer, Model: d.Model, OSVersion: d.OSVersion,
		Hardware: hardwareView{UDID: h.UDID, ESID: h.ESID, HWDevID: h.HWDevID, Serial: h.Serial, IMEI: h.IMEI},
		Refs:     each(d.Refs, showRef),
		Facts:    map[device.Fact]bool{}, Assertions: showFacts(d.Facts), Requirements: list(d.Requires),
		Conflict: d.Conflict != "", ConflictWith: d.Conflict, Previous: d.Previous,
		Generation: d.Generation, EnrolledAt: stamp(d.EnrolledAt),
		LastConnection: stamp(d.LastContact), LastObservation: stamp(d.ObservedAt),
		CreatedAt: stamp(d.CreatedAt), AsOf: stamp(d.AsOf),
	}
	for fact := range d.Facts {
		v.Facts[fact] = d.Facts.Holds(fact)
	}
	if json.Valid(d.Inventory) { // what a device sent breaks no answer
		v.Inventory = d.Inventory
	}
	return v
}

// showFacts lists who says what, in one order.
func showFacts(facts device.Facts) []assertionView {
	said := []assertionView{}
	for fact, sources := range facts {
		for source, a := range sources {
			said = append(said, assertionView{fact, source, a.Value, stamp(a.At)})
		}
	}
	slices.SortFunc(said, func(a, b assertionView) int {
		if c := strings.Compare(string(a.Fact), string(b.Fact)); c != 0 {
			return c
		}
		return strings.Compare(string(a.Source), string(b.Source))
	})
	return said
}
