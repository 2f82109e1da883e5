package enrollment

import (
	"net/netip"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// EnrollRequest is a device's request to be enrolled.
type EnrollRequest struct {
	// EnrollmentID is chosen by the client, at random, once per enrollment: a
	// repetition with it gets the same answer for Retention.Requests. 1 to 128 bytes.
	EnrollmentID string
	Credential   Presented
	Ownership    device.Ownership // empty: as accepted, or as the mode implies
	Mode         device.Mode      // empty: as invited, or the platform's default
	Device       Claim

	// Source is where the request came from, for the pace of guesses. The zero
	// Addr shares one pace with all others that have none.
	Source netip.Addr
	// Host, if set, restricts address + PIN to sites whose PublicURL has it.
	Host string
}

// Presented is the credential of a request: a Token, or Email and PIN, or
// Username and Password.
type Presented struct {
	Token    credentials.Secret
	Email    string
	PIN      credentials.Secret // as typed; spaces and dashes are fine
	Username string
	Password credentials.Secret // of a one-time login, as typed
}

// Claim is what a device says of itself.
type Claim struct {
	Platform     device.Platform
	Hardware     device.Hardware
	Name         string
	Manufacturer string
	Model        string
	OSVersion    string
}

// Enrolled is the answer to a request.
type Enrolled struct {
	Device     device.Device
	Token      credentials.Secret // the device token
	Missing    []device.Fact
	Waits      device.Party
	Next       device.Action
	Replayed   bool  // the request had been answered before
	Reenrolled bool  // the hardware was known
	Seq        int64 // the sequence number expected next
}

// Report is what an agent says of its device.
type Report struct {
	Seq                                  int64 // 1 or more, growing
	Facts                                map[device.Fact]bool
	Inventory                            []byte // a JSON object, at most MaxInventory bytes; nil: none
	Name, Manufacturer, Model, OSVersion string
}

// MaxInventory is the greatest size of an inventory in bytes.
const MaxInventory = 32 << 10

// Status is how a device stands after a message of it.
type Status struct {
	Device  string
	State   device.State
	Missing []device.Fact
	Waits   device.Party
	Next    device.Action
	Seq     int64 // the sequence number expected next
}

// DeviceDetail is one device as of now.
type DeviceDetail struct {
	device.Device
	User        User
	LastContact time.Time
	Requires    []device.Fact
	Missing     []device.Fact
	Waits       device.Party
	Next        device.Action
	AsOf        time.Time
}

// Explanation says why a device is in its state.
type Explanation struct {
	DeviceDetail
	Timeline []Event // oldest first
}

// RenewResult is what became of one renewal.
type RenewResult struct {
	Device string
	// WithoutCodes says that there is no active invitation, so that the mail
	// carries no credentials.
	WithoutCodes bool
	Err          error
}

// OverviewQuery asks for a page of the Mobile devices view.
type OverviewQuery struct {
	State     string
	Platform  device.Platform
	Ownership device.Ownership
	Search    string // words, each the beginning of a name's word, an address, a serial number or an id
	Sort      Sort   // empty: SortLastConnection
	PageSize  int
	PageToken string
}

// OverviewPage is one page of the Mobile devices view.
type OverviewPage struct {
	Slots         []SlotView
	Counts        map[string]int64 // per state, over the whole site
	NextPageToken string
	AsOf          time.Time
}

// SlotView is a row with what is computed when it is read.
type SlotView struct {
	Slot
	FetchedAt time.Time // of an invitation: the latest fetch of its page
	Progress  Progress  // of an invitation: how far somebody came by it
	Waits     device.Party
	Next      device.Action
}

// EventsPage is a stretch of the journal.
type EventsPage struct {
	Events []Event
	After  int64 // the cursor behind the last event
}
