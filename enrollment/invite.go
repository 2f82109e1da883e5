package enrollment

import (
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// IfActive says what becomes of the active invitation of a user who is invited
// again.
type IfActive string

const (
	Replace IfActive = "replace" // deactivate it as superseded; the default
	Keep    IfActive = "keep"    // leave it, and mail it again if mail was asked for
	Refuse  IfActive = "refuse"  // answer ErrActive for this user
)

// InviteRequest invites one person, in a unit of its own: a user of the directory by User, or anybody
// by Email.
type InviteRequest struct {
	User  string // the directory's id; empty for a person outside it
	Email string // where to send; empty: the directory's address
	Name  string // of a person outside the directory

	Send     bool // mail it; otherwise it is only created
	IfActive IfActive

	Mode       device.Mode      // recommended; empty: the platform's default
	Ownership  device.Ownership // fixed; empty: the user chooses
	ExpiresAt  time.Time        // zero: never
	MaxDevices int              // 0: any number; at most a million
}

// maxDevices is the greatest device limit of an invitation.
const maxDevices = 1_000_000

// InviteManyRequest invites many people in one unit of work.
type InviteManyRequest struct {
	Invites []InviteRequest // at most MaxInvites
	// DryRun does everything but keep it: the results are those that the same
	// request would have had.
	DryRun bool
	// Key makes the request repeatable: within Retention.Requests the same key of
	// the same actor gets the same results and does nothing again. Empty: no
	// such promise. At most 128 bytes.
	Key string
}

// MaxInvites is how many people one request may invite.
const MaxInvites = 1000

// RecordsKept is how long a repeated request is recognised at least; a site may
// say longer by Retention.Requests.
const RecordsKept = 24 * time.Hour

// InviteResult is what became of one InviteRequest.
type InviteResult struct {
	User       string
	Email      string
	Invitation string // its id; empty with Err
	State      invitation.State
	Replaced   string // the invitation that this one superseded
	Kept       bool   // Invitation was there before
	Err        error  // why this person was not invited; Code gives its name
}

// InviteCounts sums up results.
type InviteCounts struct {
	Created, Replaced, Kept, Refused int
}

// Revealed is what an administrator is shown of an invitation. Any part but URL
// may be zero.
type Revealed struct {
	Codes
	PINTriesLeft int
}

// InvitationDetail is one invitation with what stands beside it.
type InvitationDetail struct {
	invitation.Invitation
	User         User
	PINTriesLeft int // 0: burnt
	Sightings    []invitation.Sighting
	Progress     Progress
	AsOf         time.Time
}

// InvitationsQuery asks for a page of the Invitations view, newest first.
type InvitationsQuery struct {
	States    []invitation.State
	User      string
	PageSize  int // 1 to MaxPageSize; 0: DefaultPageSize
	PageToken string
}

// Sizes of pages.
const (
	DefaultPageSize = 50
	MaxPageSize     = 500
)

// InvitationsPage is one page of invitations.
type InvitationsPage struct {
	Invitations   []InvitationDetail
	NextPageToken string // empty: this is the last
}
