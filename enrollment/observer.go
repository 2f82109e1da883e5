package enrollment

import (
	"context"
	"time"
)

// Observer is told, after the fact, what a Service did: for metrics. It is
// called from many goroutines at once and in the middle of requests, so it must
// be quick, wait for nothing and not panic. Nothing depends on it, and what
// happened is not undone by what it does; without one, nothing is spent on it.
type Observer func(ctx context.Context, s Signal)

// Signal is one thing that a Service did, or how something stands. It holds no
// personal data and no secret. Kind, Name and Outcome are from short fixed
// lists and may be labels of a metric; Site is as unbounded as the tenants are,
// so drop it where labels have to be few.
type Signal struct {
	Kind    SignalKind
	Name    string // what it was, see Kind
	Outcome string // what became of it, see Kind
	Site    string // where it is known; else empty
	N       int64  // see Kind
	// Took is how long it took by Config.Now, of a verb or a message.
	Took time.Duration
	// Age is how long the oldest has been waiting, of a backlog.
	Age time.Duration
}

// SignalKind says what a [Signal] is about.
type SignalKind string

const (
	// SignalVerb: a verb of the Service returned. Name is the verb ("enroll",
	// "invite_many"), Outcome is "ok" or the error's [Code], N is 1.
	SignalVerb SignalKind = "verb"
	// SignalRetry: one unit of work was run N times more than once.
	SignalRetry SignalKind = "retry"
	// SignalEvents: a unit of work that is committed wrote N events to the journal,
	// which is every change of an invitation, a device, a login or a passcode. Site
	// is that of the first. Over a transaction of the embedder's own it comes
	// before that one is committed.
	SignalEvents SignalKind = "events"
	// SignalTry: somebody presented a guessable credential. Name is "pin",
	// "passcode" or "one_time", Outcome one of the Try constants, N the number of
	// credentials it was held against.
	SignalTry SignalKind = "try"
	// SignalMessage: one attempt at a message of the outbox ended. Name is its
	// [MessageKind], Outcome its [MessageStatus]: "waiting" is a failure that is
	// tried again, "dead" one that is not.
	SignalMessage SignalKind = "message"
	// SignalOutbox: how the outbox stands, told by Run with each sweep. N
	// messages wait; Age is how long the oldest of them has been due.
	SignalOutbox SignalKind = "outbox"
	// SignalJournal: how the sequencer stands, told by Run with each sweep. N
	// events have no place in their site's order yet; Age is that of the oldest.
	SignalJournal SignalKind = "journal"
	// SignalSweep: a step of the sweeper ended. Name is the step ("silent",
	// "leaving", "expired", "prune" ...), Outcome as of a verb, N how many rows it
	// changed.
	SignalSweep SignalKind = "sweep"
)

// What becomes of a try at a guessable credential.
const (
	TryRight   = "right"   // compared and right
	TryWrong   = "wrong"   // compared and wrong: spent from its budget
	TryLocked  = "locked"  // not compared: the budget is used up
	TryPaced   = "paced"   // not compared: too soon
	TryUnknown = "unknown" // there was nothing to compare with
)

// signal gives the observer one signal.
func (s *Service) signal(ctx context.Context, what Signal) {
	if s.cfg.Observer != nil {
		s.cfg.Observer(ctx, what)
	}
}

// began is when something began whose duration is to be told; the zero time if
// nobody listens.
func (s *Service) began() time.Time {
	if s.cfg.Observer == nil {
		return time.Time{}
	}
	return s.cfg.Now()
}

// did tells of a verb that returns now, for a defer at its beginning.
func (s *Service) did(ctx context.Context, verb, site string, began time.Time, err *error) {
	if s.cfg.Observer == nil {
		return
	}
	s.cfg.Observer(ctx, Signal{
		Kind: SignalVerb, Name: verb, Outcome: outcomeOf(*err), Site: site, N: 1, Took: s.cfg.Now().Sub(began),
	})
}

// outcomeOf is the code of an error, "ok" for none.
func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	return Code(err)
}

// tried tells of n tries at one kind of credential; none is not worth a signal.
func (s *Service) tried(ctx context.Context, name, outcome, site string, n int) {
	if n > 0 && s.cfg.Observer != nil {
		s.cfg.Observer(ctx, Signal{Kind: SignalTry, Name: name, Outcome: outcome, Site: site, N: int64(n)})
	}
}

func rightOrWrong(right bool) string {
	if right {
		return TryRight
	}
	return TryWrong
}

// tellBacklogs tells how the outbox and the journal stand. Nothing is read when
// nobody listens.
func (s *Service) tellBacklogs(ctx context.Context) {
	if s.cfg.Observer == nil {
		return
	}
	var now time.Time
	var mails, events Backlog
	err := s.view(ctx, func(ctx context.Context, u *unit) (err error) {
		now = u.now
		if mails, err = u.Outbox().Backlog(ctx, u.now); err == nil {
			events, err = u.Journal().Backlog(ctx)
		}
		return err
	})
	if err != nil {
		s.failed(ctx, "backlog", err)
		return
	}
	s.signal(ctx, Signal{Kind: SignalOutbox, N: mails.N, Age: mails.age(now)})
	s.signal(ctx, Signal{Kind: SignalJournal, N: events.N, Age: events.age(now)})
}

// age is how long the oldest has been waiting.
func (b Backlog) age(now time.Time) time.Duration {
	if b.Oldest.IsZero() {
		return 0
	}
	return max(now.Sub(b.Oldest), 0)
}
