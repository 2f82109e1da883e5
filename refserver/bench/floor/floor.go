// Package floor is what a careful programmer would write by hand for the same
// duties on the same tables: one transaction with the fewest statements, through
// the same driver. Benchmarks are held against it.
//
// Left out is everything that a product does around that: permissions, policies,
// validation, the choice between credentials, invitations that are superseded,
// kept or expired, conflicts of hardware, re-enrollment, devices that left or
// were silent, handlers of events, keys that change, and reading what is read
// only for one of those. Secrets arrive as their MACs, made beforehand. Rows are
// as wide as the store's, so that both write as much.
package floor

import (
	"context"
	"errors"
)

// ErrTaken says that something is there already that the floor does not handle.
var ErrTaken = errors.New("floor: there already")

// Program is the five duties. It is safe for concurrent use.
type Program interface {
	// String names the program in a table.
	String() string
	// Invite makes an invitation with its credential, its row in the list, two
	// journal entries and its mail.
	Invite(ctx context.Context, r Invite) error
	// InviteMany makes many in one transaction, row by row.
	InviteMany(ctx context.Context, list []Invite) error
	// Enroll takes in a new device by the MAC of an invitation's token.
	Enroll(ctx context.Context, r Enroll) error
	// Report takes the report that makes a device active.
	Report(ctx context.Context, r Report) error
	// CheckIn notes one sign of life.
	CheckIn(ctx context.Context, token []byte, at, seq int64) error
	// Page reads one page of the list, the latest first, with the counts per
	// state, and returns how many rows it has.
	Page(ctx context.Context, site string, limit int) (int, error)
}

// Invite is an invitation to be made. Times are microseconds.
type Invite struct {
	Site, User, Name, Email        string
	Invitation, Event1, Event2, ID string
	By                             string
	Token, PIN, Sealed             []byte
	At                             int64
}

// Enroll is a device to be taken in.
type Enroll struct {
	Site           string
	Token          []byte // of the invitation
	Device         string
	Platform, Mode string
	Serial, Maker  string
	Hardware       string // JSON
	Identity       string
	Trace          []byte
	EnrollmentID   string
	Nonce, Contact []byte
	Event1, Event2 string
	Result         []byte
	At, Expires    int64
}

// Report is a device's report.
type Report struct {
	Token   []byte
	Seq, At int64
	Facts   string // JSON, complete
	Event   string
}

// session is a database in the words of one driver.
type session interface {
	begin(ctx context.Context) (tx, error)
	// exec runs one statement by itself.
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// page reads two lists and returns the length of the first.
	page(ctx context.Context, first string, args []any, second string, more []any) (int, error)
}

// tx is a transaction. Statements have each argument once, in order.
type tx interface {
	exec(ctx context.Context, sql string, args ...any) error
	// row reads one row; found says whether there is one.
	row(ctx context.Context, sql string, args []any, dest ...any) (found bool, err error)
	commit(ctx context.Context) error
	rollback(ctx context.Context)
}

// program is the duties in the words of no driver.
type program struct {
	name string
	session
	lock string // what follows a SELECT that locks
}

func (p *program) String() string { return p.name }

// within runs fn in a transaction.
func (p *program) within(ctx context.Context, fn func(tx) error) error {
	t, err := p.begin(ctx)
	if err != nil {
		return err
	}
	if err := fn(t); err != nil {
		t.rollback(ctx)
		return err
	}
	return t.commit(ctx)
}

// steps runs statements one after another.
func steps(ctx context.Context, t tx, list ...step) error {
	for _, s := range list {
		if err := t.exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}

type step struct {
	sql  string
	args []any
}
