package credentials

import (
	"errors"
	"fmt"
	"time"
)

// MaxLimitKey is the longest key of a limit in bytes, so that stores can give it
// an indexed column.
const MaxLimitKey = 200

// ErrInvalidLimit says that a [Limit] could not bound anything.
var ErrInvalidLimit = errors.New("credentials: invalid limit")

// Limit says how many tries something may cost: the lifetime budget of a PIN,
// the pace of an address, the lock of a passcode. It is plain data; a [Counter]
// is what has been spent. A limit that is switched off is left out by the
// caller, never expressed as a number; the zero value is invalid and refuses
// every try.
type Limit struct {
	// Key names what is counted: opaque, 1 to MaxLimitKey bytes, without
	// personal data, since it is stored beside the count.
	Key string

	// Max is the number of tries in a window, at least 1.
	Max int

	// Window is how long a window lasts, from its first try. It is a fixed
	// window: a burst across its end can reach twice Max. Zero means for ever,
	// which is the only bound that outlives patience.
	Window time.Duration

	// Slow, if positive, allows one more try per Slow after Max is reached,
	// measured from the last try. Zero refuses until the window ends.
	Slow time.Duration
}

// Validate returns an error wrapping [ErrInvalidLimit] that names what is wrong.
func (l Limit) Validate() error {
	switch {
	case l.Key == "" || len(l.Key) > MaxLimitKey:
		return fmt.Errorf("%w: key of %d bytes, want 1 to %d", ErrInvalidLimit, len(l.Key), MaxLimitKey)
	case l.Max < 1:
		return fmt.Errorf("%w: max is %d, want at least 1", ErrInvalidLimit, l.Max)
	case l.Window < 0 || l.Slow < 0:
		return fmt.Errorf("%w: negative duration", ErrInvalidLimit)
	}
	return nil
}

// Expires returns when a store may forget c: from then on c counts as zero. The
// zero time means never.
func (l Limit) Expires(c Counter) time.Time {
	if l.Window <= 0 {
		return time.Time{}
	}
	return c.Start.Add(l.Window)
}

// Counter is what has been spent of a [Limit]. It is a value: its methods return
// the next one, and the store makes the exchange atomic. The zero value has
// spent nothing.
type Counter struct {
	// Key is that of the limit, empty before the first try.
	Key string

	// N is the number of tries in the current window, beyond Max if slow tries
	// were made.
	N int

	// Start is the time of the window's first try, Last that of its latest.
	Start, Last time.Time
}

// Spend takes one try at now. It returns the counter to store and true, or c as
// it was, false and the time from which a try will be taken again; that time is
// zero when waiting does not help. Commit the counter before comparing anything.
//
// A window that has passed starts anew. A clock that jumps backward gives no
// try back: a now before Start or Last counts as that time, so a try made under
// a fast clock keeps its place until real time has caught up. An invalid limit
// or the counter of another key refuses.
func (c Counter) Spend(l Limit, now time.Time) (next Counter, ok bool, retryAt time.Time) {
	if !c.fits(l) {
		return c, false, time.Time{}
	}
	cur := c.at(l, now)
	if now.Before(cur.Last) {
		now = cur.Last
	}
	switch {
	case cur.N == 0:
		return Counter{Key: l.Key, N: 1, Start: now, Last: now}, true, time.Time{}
	case cur.N < l.Max, l.Slow > 0 && !now.Before(cur.Last.Add(l.Slow)):
		cur.N++
		cur.Last = now
		return cur, true, time.Time{}
	}
	retryAt = l.Expires(cur)
	if slow := cur.Last.Add(l.Slow); l.Slow > 0 && (retryAt.IsZero() || slow.Before(retryAt)) {
		retryAt = slow
	}
	return c, false, retryAt
}

// Refund gives one try back, after the right answer. It never goes below zero
// and leaves the times alone, so a slow limit keeps its pace. A try spent just
// before a window's end and refunded just after it lowers the new window by one:
// only someone who knew the secret can do that.
func (c Counter) Refund() Counter {
	c.N = max(c.N-1, 0)
	return c
}

// Left returns how many tries could be taken at now without waiting.
func (c Counter) Left(l Limit, now time.Time) int {
	if !c.fits(l) {
		return 0
	}
	cur := c.at(l, now)
	switch {
	case cur.N < l.Max:
		return l.Max - cur.N
	case l.Slow > 0 && !now.Before(cur.Last.Add(l.Slow)):
		return 1
	}
	return 0
}

// fits reports whether c can be judged by l.
func (c Counter) fits(l Limit) bool {
	return l.Validate() == nil && (c.Key == "" || c.Key == l.Key)
}

// at returns the counter of the window that contains now.
func (c Counter) at(l Limit, now time.Time) Counter {
	if c.N <= 0 || l.Window > 0 && !now.Before(l.Expires(c)) {
		return Counter{}
	}
	return c
}
