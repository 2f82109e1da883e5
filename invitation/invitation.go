package invitation

import "time"

// Delivery is what is known of the invitation's latest mail. It stands beside
// the state and never changes it.
type Delivery string

const (
	NotMailed Delivery = ""         // never sent by mail
	Queued    Delivery = "queued"   // in the outbox
	Accepted  Delivery = "accepted" // taken by the mail server
	Failed    Delivery = "failed"   // given up
	Bounced   Delivery = "bounced"  // returned by the recipient's server
)

// Invitation is the offer made to one person. Times are UTC; a zero time means
// that it has not happened. Values are copied, never shared.
type Invitation struct {
	Site string // the tenant
	ID   string // "inv_..."
	User string // the user's id, from the embedder's directory or minted by us

	Email    string // where mail goes, exactly as given; it can be edited
	EmailKey string // the canonical form of Email, by which address + PIN finds it
	Name     string // the person's display name when invited

	State  State
	Reason Reason // why it is deactivated; empty otherwise

	Mode       string    // the recommended mode; empty: whatever the platform recommends
	Ownership  string    // fixed for every device; empty: the user chooses
	ExpiresAt  time.Time // zero: it does not expire
	MaxDevices int       // how many different devices may enroll; 0: any number

	Enrolled int // different devices enrolled by it so far; re-enrollments do not count
	Live     int // of those, how many are neither unenrolled nor deleted

	Delivery   Delivery
	DeliveryAt time.Time

	AcceptedAt        time.Time // the latest accept
	AcceptedOwnership string
	AcceptedPlatform  string

	CreatedAt, SentAt, OpenedAt, EndedAt time.Time

	PINGeneration int   // grows with each new PIN; the first is 1
	Events        int64 // number of journal events of this invitation so far
	Version       int64 // of the stored row; a store compares and adds one
}

// Usable says whether a device may enroll by i at now. It returns nil, or
// [ErrDeactivated], an [*ExpiredError] or [ErrExhausted]. known says that the device
// holds a place of i already: it needs no other, and may come back even when
// the last place is taken.
//
// The expiry is judged here, by the clock, and never by whether a sweeper has
// come by.
func (i Invitation) Usable(now time.Time, known bool) error {
	switch {
	case i.Reason == ByAdmin || i.Reason == Superseded || i.Reason == UserErased:
		return ErrDeactivated
	case i.Reason == Expired || i.Expired(now):
		return &ExpiredError{At: i.ExpiresAt}
	case i.Reason == Exhausted && !known:
		return ErrExhausted
	case i.MaxDevices > 0 && i.Enrolled >= i.MaxDevices && !known:
		return ErrExhausted
	}
	return nil
}

// Expired reports whether its time is up at now.
func (i Invitation) Expired(now time.Time) bool {
	return !i.ExpiresAt.IsZero() && !now.Before(i.ExpiresAt)
}

// Send marks i as mailed at now. An opened invitation stays opened.
func (i Invitation) Send(now time.Time) (Invitation, bool, error) {
	next, changed, err := i.step(StepSend)
	if err != nil {
		return i, false, err
	}
	next.SentAt = now
	next.Delivery, next.DeliveryAt = Queued, now
	return next, changed, nil
}

// Open marks i as acted upon at now.
func (i Invitation) Open(now time.Time) (Invitation, bool, error) {
	next, changed, err := i.step(StepOpen)
	if changed {
		next.OpenedAt = now
	}
	return next, changed, err
}

// Deactivate ends i at now. Deactivating twice keeps the first reason and time,
// but for one that is exhausted: its devices may still come back, and every
// other reason ends that.
func (i Invitation) Deactivate(why Reason, now time.Time) (Invitation, bool) {
	if i.Reason != "" && (i.Reason != Exhausted || why == Exhausted) {
		return i, false
	}
	i.State, i.Reason, i.EndedAt = transitions[i.State][StepDeactivate], why, now
	return i, true
}

// Delivered records what became of the latest mail. Only a mail that was sent
// has a fate, and a bounce is final until the next sending.
func (i Invitation) Delivered(d Delivery, now time.Time) (Invitation, bool) {
	if i.SentAt.IsZero() || i.Delivery == d || i.Delivery == Bounced {
		return i, false
	}
	i.Delivery, i.DeliveryAt = d, now
	return i, true
}

func (i Invitation) step(s Step) (Invitation, bool, error) {
	to, err := Next(i.State, s)
	if err != nil {
		return i, false, err
	}
	changed := to != i.State
	i.State = to
	return i, changed, nil
}
