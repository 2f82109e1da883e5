package enrollment

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// What a store answers. Errors of a store wrap these, so that errors.Is finds
// them; every other error means that the store did not do what was asked.
var (
	ErrNotFound = errors.New("enrollment: not found")
	ErrExists   = errors.New("enrollment: exists already")
	ErrStale    = errors.New("enrollment: changed in the meantime")

	// ErrUnsettled is a commit that was asked for and not answered: nobody knows
	// whether the unit happened. Only a request that names itself (an idempotency
	// key, an enrollment id) may be repeated after it.
	ErrUnsettled = errors.New("enrollment: commit without an answer")

	// ErrOwnTransaction refuses what must commit before it answers inside a
	// transaction that belongs to the embedder.
	ErrOwnTransaction = errors.New("enrollment: needs a transaction of its own")
)

// Storage keeps everything. Its contract is executable: a store is one when
// storetest.Run passes. All methods are safe for concurrent use. Times are
// kept to the microsecond, in UTC, the rest cut off. Texts are compared byte by
// byte; a text that is not valid UTF-8 or holds a NUL is refused when written
// and is no row's when asked for. A limit of 0 given as an argument of its own
// means none; as a field of a query, all.
type Storage interface {
	// Update runs fn once or more in a read-write unit of work and returns
	// after it is committed. fn uses only tx, waits for nothing else, and has
	// no other effect. An error or panic of fn rolls everything back and is
	// passed on. A store may run several callers' units on savepoints of one
	// transaction (group commit); one caller's cancellation never aborts
	// another's, and what one is answered, an error too, never rests on what
	// another has not committed. A unit inside a unit is refused with an error, and so are
	// Spend and Touch. A unit that is cancelled before its commit leaves
	// nothing and answers the context's error. If the commit was asked for and
	// it is not known what became of it, the answer wraps [ErrUnsettled], and fn
	// is not run again.
	Update(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error

	// View runs fn once or more in a unit that sees one state and changes
	// nothing. A write through its tx is an error, and so is a method whose
	// name is Lock.
	View(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error

	// Spend books one try, in a unit of its own that is committed before it
	// returns. If every limit of gate has room, one try is spent on each;
	// otherwise nothing at all is spent. Then each group is taken by itself:
	// one try is spent on all its limits, or on none if one is full. The
	// arithmetic is [credentials.Counter.Spend]; a limit named twice in one
	// call is spent twice. The counters answered are those after the whole
	// call. Concurrent calls never spend more than a limit
	// allows. Inside an embedder's transaction it returns [ErrOwnTransaction].
	Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (Spent, error)

	// Touch notes signs of life, committed before it returns. The answer has
	// one row for each touch, in order: the contact as it stands afterwards,
	// or the zero Contact where none matches. At and Seq only ever grow. A
	// Gone contact is returned as it is and not changed. Where the device's
	// slot shows a last connection that is [ListRefresh] or more behind, it is
	// brought along.
	Touch(ctx context.Context, touches []Touch) ([]Contact, error)
}

// ListRefresh is how far the list's last connection may lag behind.
const ListRefresh = 5 * time.Minute

// Tx is what one unit of work can reach. It is valid inside the unit only and
// is not safe for concurrent use. A store's Get, Lock and Find return an error
// wrapping [ErrNotFound] when there is no such row; another site's row is no
// such row. Everything that writes takes many rows at once and writes all of
// them or returns an error. What it returns is a copy.
type Tx interface {
	Users() Users
	Invitations() Invitations
	Credentials() Credentials
	Counters() Counters
	Sightings() Sightings
	Devices() Devices
	Contacts() Contacts
	Slots() Slots
	Journal() Journal
	Outbox() Outbox
	Records() Records
}

// Users are our own rows of the people who were invited: the lock that makes
// one active invitation per user hold, and what screens and mail show of them.
type Users interface {
	// Lock writes the users that have no row yet, takes a lock on each row
	// until the unit ends, in the order of site and id whatever order was
	// given, and returns the stored rows in the order given.
	Lock(ctx context.Context, users ...User) ([]User, error)
	// Put replaces rows, or adds them.
	Put(ctx context.Context, users ...User) error
	// Get returns one row.
	Get(ctx context.Context, site, id string) (User, error)
	// Outside returns the user from outside the directory with u's canonical
	// address (EmailKey) in u.Site, or stores u and returns it. Concurrent
	// calls with one address get the same user.
	Outside(ctx context.Context, u User) (User, error)
}

// Invitations are the rows of invitation.Invitation.
type Invitations interface {
	// Create adds invitations. It returns an error wrapping [ErrExists] when an
	// id is taken or a user would have two active invitations.
	Create(ctx context.Context, list ...invitation.Invitation) error
	// Get returns one row.
	Get(ctx context.Context, site, id string) (invitation.Invitation, error)
	// Lock returns one row and keeps others from changing it until the unit
	// ends.
	Lock(ctx context.Context, site, id string) (invitation.Invitation, error)
	// Update replaces each row whose stored Version equals the one given, and
	// adds one to it. It returns an error wrapping [ErrStale] if one does not,
	// and one wrapping [ErrNotFound] if there is no such row.
	Update(ctx context.Context, list ...invitation.Invitation) error
	// ByEmail returns the invitations of every site whose recipient has this
	// canonical address and that are active or ended after a time, oldest first
	// (by CreatedAt, then id).
	ByEmail(ctx context.Context, emailKey string, endedAfter time.Time, limit int) ([]invitation.Invitation, error)
	// List returns the rows that q asks for.
	List(ctx context.Context, q InvitationQuery) ([]invitation.Invitation, error)
}

// InvitationQuery asks for invitations, newest first: by id descending, as ids
// grow with time. A zero field does not restrict.
type InvitationQuery struct {
	Site    string   // required, except with Expired
	Users   []string // of these users only; an empty list that is not nil matches none
	Active  bool     // active ones only
	States  []invitation.State
	Expired time.Time // active ones whose ExpiresAt is not after this, of every site if Site is empty
	After   string    // ids behind this one in the order, so smaller ones
	Limit   int       // at most so many; 0: all
}

// Credential is what proves something without being stored: a row is found by
// Index, proved by Check, and shown again from Sealed. Which of the three a
// kind uses is said at its constant.
type Credential struct {
	Site       string
	Owner      string // the invitation's id, or whatever Kind says
	Kind       CredentialKind
	Generation int
	Index      credentials.MAC // zero: not found by itself
	Check      credentials.MAC // zero: Index is proof enough
	Sealed     []byte          // nil: cannot be shown
	Data       []byte          // JSON of the Service's own, kept as it is; nil: none; never a secret
	CreatedAt  time.Time
	CreatedBy  string
}

// CredentialKind says what a Credential belongs to.
type CredentialKind string

const (
	// KindInvitation: Owner is the invitation; Index is its token, Check its
	// PIN, Sealed is both (zero once the invitation is over). Generation is the PIN's.
	// Data counts the one-time passwords that were used.
	KindInvitation CredentialKind = "invitation"
	// KindPasscode: one row per site, Owner is [PasscodeSubject]; Index makes
	// the company passcode unique, Check proves it, Sealed shows it. All are
	// empty while it is not active.
	KindPasscode CredentialKind = "passcode"
	// KindLogin: Owner is the user; Index is the user name of the latest
	// one-time login, Check its password.
	KindLogin CredentialKind = "login"
	// KindRoom: one row per site that limits its devices; Owner is fixed, and the
	// rest is empty: it is locked while they are counted.
	KindRoom CredentialKind = "room"
	// KindCanary: one row per key of the ring; Site is empty, Owner the key's
	// id in decimal, Check the canary.
	KindCanary CredentialKind = "canary"
)

// CredentialKey names one row.
type CredentialKey struct {
	Site, Owner string
	Kind        CredentialKind
}

// Credentials are keyed by site, owner and kind.
type Credentials interface {
	// Put adds rows or replaces them. It returns an error wrapping [ErrExists]
	// when an Index of the same kind belongs to another row.
	Put(ctx context.Context, list ...Credential) error
	// Get returns one row and, where the unit may write, locks it.
	Get(ctx context.Context, site, owner string, kind CredentialKind) (Credential, error)
	// ByIndex returns the row of that kind whose Index is one of macs, and
	// locks it as Get.
	ByIndex(ctx context.Context, kind CredentialKind, macs []credentials.MAC) (Credential, error)
	// List returns rows of that kind of every site, in the order of site and
	// owner, after the row given (its Site and Owner), at most limit. It is
	// for changing keys and for the canaries.
	List(ctx context.Context, kind CredentialKind, after Credential, limit int) ([]Credential, error)
	// Delete forgets rows. Keys that do not exist are left alone; the Index of
	// a row that is gone is free.
	Delete(ctx context.Context, keys ...CredentialKey) error
}

// Counters are the stored tries of Storage.Spend.
type Counters interface {
	// Get returns the counters of keys in order; one that was never spent is
	// zero but for its Key.
	Get(ctx context.Context, keys ...string) ([]credentials.Counter, error)
	// Refund gives back one try on each key, never below zero. A counter that
	// does not exist is left alone.
	Refund(ctx context.Context, keys ...string) error
	// Delete forgets counters. Keys that do not exist are left alone.
	Delete(ctx context.Context, keys ...string) error
}

// Spent is what became of Storage.Spend.
type Spent struct {
	// Refused says that the gate was full: nothing was spent anywhere.
	Refused bool
	// RetryAt is when the gate has room again; zero: never, or not refused.
	RetryAt time.Time
	// Gate holds the gate's counters as they stand afterwards.
	Gate []credentials.Counter
	// Groups has a row for each group, in order; empty when refused.
	Groups []GroupSpent
}

// GroupSpent is what became of one group.
type GroupSpent struct {
	OK       bool // a try was spent on each of its limits
	Counters []credentials.Counter
}

// Sightings are counted observations of an invitation.
type Sightings interface {
	// Note adds Count of each to what is stored and widens First and Last. A
	// sighting of an invitation that does not exist is stored all the same.
	Note(ctx context.Context, list ...invitation.Sighting) error
	// List returns what was seen of these invitations, by invitation and First.
	List(ctx context.Context, site string, invitations ...string) ([]invitation.Sighting, error)
	// Delete forgets what was seen of these invitations. Where nothing was,
	// nothing happens.
	Delete(ctx context.Context, site string, invitations ...string) error
}

// Devices are the rows of device.Device, tombstones included.
type Devices interface {
	// Create adds devices. It returns an error wrapping [ErrExists] when an id
	// is taken, or when another device that is not deleted has the same site,
	// platform and Identity, or the same site and one of the Refs.
	Create(ctx context.Context, list ...device.Device) error
	// Get returns one row, tombstones included.
	Get(ctx context.Context, site, id string) (device.Device, error)
	// Lock is Get that keeps others from changing the row until the unit ends.
	Lock(ctx context.Context, site, id string) (device.Device, error)
	// Update replaces each row whose stored Version equals the one given, and
	// adds one to it; [ErrStale], [ErrNotFound] and [ErrExists] as above.
	Update(ctx context.Context, list ...device.Device) error
	// Find returns the device that q names, and keeps others from changing it
	// as Lock does when the unit may write.
	Find(ctx context.Context, q DeviceKey) (device.Device, error)
	// List returns the rows that q asks for, ids ascending.
	List(ctx context.Context, q DeviceQuery) ([]device.Device, error)
}

// DeviceKey names one device by something other than its id: exactly one of
// Ref, Identity and Traces is set.
type DeviceKey struct {
	Site     string
	Ref      device.Ref      // not deleted, with this ref
	Platform device.Platform // with Identity and Traces
	Identity string          // not deleted, with this device.Device.Identity
	Traces   [][]byte        // the newest tombstone with one of these
}

// DeviceQuery asks for devices that are not deleted. A zero field does not
// restrict.
type DeviceQuery struct {
	Site        string // required, except with SinceBefore
	User        string
	Invitation  string
	States      []device.State
	Conflict    string    // those in conflict with this device
	SinceBefore time.Time // those in their state since before this; with States only, of every site if Site is empty
	After       string    // ids after this one
	Limit       int       // at most so many; 0: all
}

// Contact is the narrow row that every sign of life writes.
type Contact struct {
	Site   string
	Device string
	Token  credentials.MAC // of the device token; zero: it has none
	Seq    int64           // of the latest report or check-in; 0: none
	At     time.Time       // the latest sign of life, by the server's clock
	Silent bool            // the device is unresponsive: the next sign restores it
	Gone   bool            // the device was deleted
}

// Touch is one sign of life of one device, named by Site and Device or by the
// candidates for its token's MAC.
type Touch struct {
	Site, Device string
	Tokens       []credentials.MAC
	At           time.Time
	Seq          int64 // 0: the message had none
}

// Contacts are the rows behind Storage.Touch.
type Contacts interface {
	// Put adds rows or replaces them. It returns an error wrapping [ErrExists]
	// when a token belongs to another row.
	Put(ctx context.Context, list ...Contact) error
	// Get returns one row and, where the unit may write, locks it.
	Get(ctx context.Context, site, device string) (Contact, error)
	// ByToken returns the row whose Token is one of macs, and locks it as Get.
	ByToken(ctx context.Context, macs []credentials.MAC) (Contact, error)
	// Silent returns the ids of a site's devices whose slot is in one of the
	// states given and whose last sign of life is before t, at most limit. A
	// slot's LastConnection is never ahead of its contact's At, so a store may
	// look at the slots first.
	Silent(ctx context.Context, site string, states []string, t time.Time, limit int) ([]string, error)
	// List returns rows of every site, in the order of site and device, after
	// the row given (its Site and Device), at most limit. It is for changing
	// keys.
	List(ctx context.Context, after Contact, limit int) ([]Contact, error)
}

// Slots are the rows of the Mobile devices view. The store keeps the counts per
// state in step with them.
type Slots interface {
	// Put adds rows or replaces them, by site and id.
	Put(ctx context.Context, list ...Slot) error
	// Delete removes rows; ids that do not exist are left alone.
	Delete(ctx context.Context, site string, ids ...string) error
	// Get returns one row and, where the unit may write, locks it.
	Get(ctx context.Context, site, id string) (Slot, error)
	// Page returns the rows that q asks for, in q's order.
	Page(ctx context.Context, q SlotQuery) ([]Slot, error)
	// Counts returns how many slots of the site are in each state; states
	// without slots may be absent.
	Counts(ctx context.Context, site string) (map[string]int64, error)
	// Fold merges at most limit appended deltas into the counts and returns
	// how many it merged. A store that keeps no deltas returns 0.
	Fold(ctx context.Context, limit int) (int, error)
}

// Journal is the append-only record of what happened.
type Journal interface {
	// Append adds events. It returns an error wrapping [ErrExists] when an id,
	// or a subject's Seq, is taken.
	Append(ctx context.Context, list ...Event) error
	// List returns the events that q asks for.
	List(ctx context.Context, q EventQuery) ([]Event, error)
	// Sequence gives the next site sequences to committed events that have
	// none, oldest first (of one time, a subject's by Seq), at most limit, and
	// returns how many it gave. Two
	// callers never give the same one twice.
	Sequence(ctx context.Context, limit int) (int, error)
	// Backlog tells how many events of all sites have no site sequence yet,
	// and the At of the oldest.
	Backlog(ctx context.Context) (Backlog, error)
}

// EventQuery asks for events of one site: either of a Subject, by Seq, or of
// the whole site, those that have a site sequence, by SiteSeq.
type EventQuery struct {
	Site    string
	ID      string // this one event, sequenced or not
	Subject string // of this aggregate only
	After   int64  // Seq or SiteSeq greater than this
	Limit   int    // at most so many; 0: all
}

// Outbox is what is still to be delivered.
type Outbox interface {
	// Put adds messages. One whose Dedupe key is taken is left out silently.
	Put(ctx context.Context, list ...Message) error
	// Claim leases messages that are due at now to the caller until, but not
	// including, now+lease: each gets LeaseUntil and a greater Fence and counts one more
	// Attempt. No two callers hold one message at one time.
	Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Message, error)
	// Finish ends the caller's hold on a message: it is done for good, or due
	// again at out.RetryAt. It returns an error wrapping [ErrStale] when the
	// message was claimed again since, or is done.
	Finish(ctx context.Context, site, id string, fence int64, out Outcome) error
	// List returns a site's messages, newest first; with subject, only those
	// of that invitation or device. At most limit.
	List(ctx context.Context, site, subject string, limit int) ([]Message, error)
	// Backlog tells how many messages of all sites wait, leased ones and those
	// not due yet included, and the least DueAt of those that are due at now.
	Backlog(ctx context.Context, now time.Time) (Backlog, error)
}

// Backlog is how much is still to be done.
type Backlog struct {
	N      int64
	Oldest time.Time // since when; zero: nothing is late
}

// Records are answers kept so that a repeated request gets the same one.
type Records interface {
	// Put adds a record. It returns an error wrapping [ErrExists] when the key
	// is taken by a record that has not expired at r.At; one that has is
	// replaced.
	Put(ctx context.Context, r Record) error
	// Get returns one record, expired or not.
	Get(ctx context.Context, site, scope, key string) (Record, error)
	// Prune deletes what is past its time at now, at most limit of each:
	// records, counters, and messages that ended before now.Add(-[OutboxKept]).
	Prune(ctx context.Context, now time.Time, limit int) (int, error)
	// PruneSite deletes of one site what is past its retention, at most limit
	// of each, and returns how many rows of [Cutoffs] that were.
	PruneSite(ctx context.Context, site string, c Cutoffs, limit int) (int, error)
}

// Cutoffs say what Records.PruneSite deletes. A zero time deletes nothing.
type Cutoffs struct {
	// Journal: the site's events in the order of their SiteSeq, up to the first
	// that happened at Journal or later. So what remains of a site, and of each
	// subject, is everything from some number on. Events without a SiteSeq
	// stay, and the numbers of those that went are not given again.
	Journal time.Time
	// Sightings: those last seen before it, of invitations that ended before it
	// or do not exist.
	Sightings time.Time
	// Tombstones: devices deleted before it, with their contacts. A device
	// counts as one.
	Tombstones time.Time
}

// OutboxKept is how long an ended message stays to be looked at.
const OutboxKept = 30 * 24 * time.Hour

// Record is one kept answer. Result holds ids, never a secret.
type Record struct {
	Site        string
	Scope       string // who used which verb: keys of different scopes do not meet
	Key         string
	Fingerprint []byte // of the request
	Result      []byte
	At          time.Time
	ExpiresAt   time.Time
}
