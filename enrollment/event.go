package enrollment

import (
	"time"

	"example.com/enrollkit/device"
)

// Event is one entry of the journal: something that happened, written in the
// unit in which it happened and never changed. It holds ids, never names,
// addresses, hardware ids or secrets.
type Event struct {
	Site    string
	ID      string    // "log_..."
	Subject string    // the id of the invitation or device it happened to
	Seq     int64     // 1, 2, 3 ... within the subject
	SiteSeq int64     // 1, 2, 3 ... within the site, given after the commit; 0: not yet
	Type    EventType // invitation.EventSent, device.EventActivated ...
	At      time.Time
	Actor   string // the administrator's id, "user", "device", "system", or "source:" and a trusted source

	Before, After string // the state, where it changed
	Reason        string // a stable code
	Ref           device.Ref
	User          string
	Invitation    string
	Device        string
	Data          map[string]string // further ids, numbers and codes
}

// EventType is one of the Event constants of packages invitation and device.
type EventType string

// Who did it, where it was no administrator.
const (
	ActorUser   = "user"
	ActorDevice = "device"
	ActorSystem = "system"
	actorSource = "source:"
)
