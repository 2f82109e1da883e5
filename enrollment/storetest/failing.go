package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// ErrFailing is what a [Failing] store answers when it fails. Its text looks like
// what a driver says, for tests that none of it gets out.
var ErrFailing = errors.New("storetest: dial tcp 10.1.2.3:5432: password=canary")

// Failing is a store that fails at one of its calls, for tests of what is built
// on a store: whatever call fails, nothing may be half done. Every method of a
// unit is a call, and so are the beginning and the commit of each unit, the
// Spends and the Touches. Its zero value but for Storage never fails and counts;
// it is safe for concurrent use.
//
//	for n := 1; ; n++ {
//		s := &storetest.Failing{Storage: store, At: n}
//		err := useIt(s)
//		if !s.Failed() {
//			break // there are fewer than n calls
//		}
//		...
//	}
type Failing struct {
	enrollment.Storage
	// At is the call that fails: 1 is the first. 0: none.
	At int
	// Down makes every later call fail as well.
	Down bool
	// Late makes the ends of units, Spends and Touches fail after they are done:
	// what was asked is done and the answer lost, which for an Update wraps
	// enrollment.ErrUnsettled as well. Other calls do not fail then.
	Late bool

	mu     sync.Mutex
	calls  int
	failed bool
}

// Failed reports whether the store has failed.
func (f *Failing) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Heal ends the failing.
func (f *Failing) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.At = 0
}

// call counts one call and says whether it fails.
func (f *Failing) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.At > 0 && (f.calls == f.At || f.Down && f.calls > f.At) {
		f.failed = true
		return ErrFailing
	}
	return nil
}

// early is a call that fails before it does anything.
func (f *Failing) early() error {
	if f.Late {
		return nil
	}
	return f.call()
}

// late is a call that fails after it was done.
func (f *Failing) late() error {
	if !f.Late {
		return nil
	}
	return f.call()
}

// Update implements [enrollment.Storage].
func (f *Failing) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if err := f.unit(ctx, f.Storage.Update, fn); err != nil {
		return err
	}
	if err := f.late(); err != nil {
		return fmt.Errorf("%w: %w", enrollment.ErrUnsettled, err)
	}
	return nil
}

// View implements [enrollment.Storage].
func (f *Failing) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if err := f.unit(ctx, f.Storage.View, fn); err != nil {
		return err
	}
	return f.late()
}

func (f *Failing) unit(ctx context.Context, run func(context.Context, func(context.Context, enrollment.Tx) error) error, fn func(context.Context, enrollment.Tx) error) error {
	if err := f.early(); err != nil {
		return err
	}
	return run(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		u := &unitOfFailing{Failing: f}
		if err := fn(ctx, failingTx{tx, u}); err != nil {
			return err
		}
		if u.lost != nil {
			return u.lost
		}
		return f.early() // the commit
	})
}

// Spend implements [enrollment.Storage].
func (f *Failing) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if err := f.early(); err != nil {
		return enrollment.Spent{}, err
	}
	spent, err := f.Storage.Spend(ctx, now, gate, groups...)
	if err == nil {
		err = f.late()
	}
	if err != nil {
		return enrollment.Spent{}, err
	}
	return spent, nil
}

// Touch implements [enrollment.Storage].
func (f *Failing) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	if err := f.early(); err != nil {
		return nil, err
	}
	rows, err := f.Storage.Touch(ctx, touches)
	if err == nil {
		err = f.late()
	}
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// unitOfFailing is one unit: once a call of it has failed, all do, as with a
// database that has aborted the transaction.
type unitOfFailing struct {
	*Failing
	lost error
}

func (u *unitOfFailing) fails() error {
	if u.lost == nil {
		u.lost = u.early()
	}
	return u.lost
}

type failingTx struct {
	enrollment.Tx
	u *unitOfFailing
}

func (t failingTx) Users() enrollment.Users { return failingUsers{t.Tx.Users(), t.u} }
func (t failingTx) Invitations() enrollment.Invitations {
	return failingInvitations{t.Tx.Invitations(), t.u}
}
func (t failingTx) Credentials() enrollment.Credentials {
	return failingCredentials{t.Tx.Credentials(), t.u}
}
func (t failingTx) Counters() enrollment.Counters   { return failingCounters{t.Tx.Counters(), t.u} }
func (t failingTx) Sightings() enrollment.Sightings { return failingSightings{t.Tx.Sightings(), t.u} }
func (t failingTx) Devices() enrollment.Devices     { return failingDevices{t.Tx.Devices(), t.u} }
func (t failingTx) Contacts() enrollment.Contacts   { return failingContacts{t.Tx.Contacts(), t.u} }
func (t failingTx) Slots() enrollment.Slots         { return failingSlots{t.Tx.Slots(), t.u} }
func (t failingTx) Journal() enrollment.Journal     { return failingJournal{t.Tx.Journal(), t.u} }
func (t failingTx) Outbox() enrollment.Outbox       { return failingOutbox{t.Tx.Outbox(), t.u} }
func (t failingTx) Records() enrollment.Records     { return failingRecords{t.Tx.Records(), t.u} }
