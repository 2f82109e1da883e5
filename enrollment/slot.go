package enrollment

import (
	"strconv"
	"strings"
	"time"

	"example.com/enrollkit/device"
)

// SlotKind says what a row of the Mobile devices view stands for.
type SlotKind string

const (
	SlotInvitation SlotKind = "invitation" // an active invitation without a live device
	SlotDevice     SlotKind = "device"
)

// Slot is one row of the Mobile devices view, with all that the list shows,
// filters, searches and sorts by.
type Slot struct {
	Site       string
	ID         string // of the invitation or of the device
	Kind       SlotKind
	State      string // invitation.State or device.State
	Invitation string // of a device: by which it came

	User     string
	UserName string
	Email    string

	Platform  device.Platform
	Mode      device.Mode
	Ownership device.Ownership
	Name      string // the device's name, empty while unknown
	Serial    string
	Refs      []device.Ref

	LastConnection  time.Time
	LastObservation time.Time // the newest report, observation or sighting that was taken
	Missing         []device.Fact
	Conflict        bool
	CreatedAt       time.Time
}

// Sort is an order of the Mobile devices view.
type Sort string

const (
	SortLastConnection Sort = "last_connection" // newest first, never connected last
	SortName           Sort = "name"            // the device's name, or the user's while there is none; A to Z, without case
	SortState          Sort = "state"           // by the state's name
)

// SortKey returns what s is sorted by in an order of sort. Keys compare as text;
// rows of equal keys are in the order of their ids. All but SortLastConnection
// ascend, which descends in both.
func (s Slot) SortKey(sort Sort) string {
	switch sort {
	case SortName:
		if s.Name != "" {
			return strings.ToLower(s.Name)
		}
		return strings.ToLower(s.UserName)
	case SortState:
		return s.State
	}
	if s.LastConnection.IsZero() {
		return zeroMicros
	}
	return padMicros(s.LastConnection)
}

// zeroMicros is the sort key of a time that never was.
const zeroMicros = "00000000000000000000"

func padMicros(t time.Time) string {
	n := strconv.FormatInt(t.UnixMicro(), 10)
	return zeroMicros[:len(zeroMicros)-len(n)] + n
}

// Terms returns what a search finds s by: the words of the user's and the
// device's name, the address, the serial number and the ids in other systems,
// all in lower case, each once.
func (s Slot) Terms() []string {
	var terms []string
	seen := map[string]bool{"": true}
	add := func(term string) {
		if term = strings.ToLower(strings.TrimSpace(term)); !seen[term] {
			seen[term] = true
			terms = append(terms, term)
		}
	}
	for _, name := range []string{s.UserName, s.Name} {
		for _, word := range strings.Fields(name) {
			add(word)
		}
	}
	add(s.Email)
	add(s.Serial)
	for _, r := range s.Refs {
		add(r.ID)
	}
	return terms
}

// SlotQuery asks for a page of slots of one site. A zero field does not
// restrict.
type SlotQuery struct {
	Site      string
	State     string
	Platform  device.Platform
	Ownership device.Ownership
	Search    []string // lower case; every one must begin one of the slot's Terms
	Sort      Sort
	After     SlotPosition // rows behind this one
	Limit     int
}

// SlotPosition is where a page ends. The zero value is before the first row.
type SlotPosition struct {
	Key string // SortKey of the last row
	ID  string
}
