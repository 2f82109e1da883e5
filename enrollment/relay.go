package enrollment

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"example.com/enrollkit/invitation"
)

const (
	leaseFor     = 2 * time.Minute // how long a claimed message is nobody else's
	claimBatch   = 50
	atOnce       = 4 // deliveries of one batch: a slow one does not hold up the others
	deliverFor   = time.Minute
	graceToStop  = 5 * time.Second // for what is under way when the context ends
	firstRetry   = 5 * time.Second
	longestRetry = 5 * time.Minute
	idleRetry    = time.Minute // for what this process cannot deliver, and another may
	giveUpAfter  = 7 * 24 * time.Hour
)

// DeliverDue takes one batch of due messages from the outbox and delivers them:
// mail to Config.Deliverer, events to Config.Handlers. It returns how many it
// took, whatever became of each, and an error for what could not be claimed or
// noted. [Service.Run] calls it; tests and cron jobs may.
//
// Every message is delivered at least once, rendered from what is true by then:
// what no longer is, an invitation that was deactivated in the meantime, is not
// delivered at all. What fails is tried again, later each time, for a week. Any
// number of processes may call it at once; when ctx ends, what is under way has
// a few seconds to finish.
//
// Without a Deliverer and Handlers, or with a key ring that cannot open what
// mails carry, it leaves the outbox alone.
func (s *Service) DeliverDue(ctx context.Context) (_ int, err error) {
	defer s.did(ctx, "deliver_due", "", s.began(), &err)
	if (s.cfg.Deliverer == nil && len(s.cfg.Handlers) == 0) || !s.keys().CanSeal() {
		return 0, nil
	}
	var batch []Message
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		var err error
		batch, err = u.Outbox().Claim(ctx, u.now, leaseFor, claimBatch)
		return err
	})
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	work, cancel := withGrace(ctx, graceToStop)
	defer cancel()
	errs := make([]error, len(batch))
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, m := range batch {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = s.deliver(ctx, work, m)
		})
	}
	group.Wait()
	return len(batch), errors.Join(errs...)
}

// fate is what became of one attempt.
type fate struct {
	status MessageStatus
	cause  string        // a code; never the text of an error, which may hold anything
	retry  time.Duration // of a waiting one: when; negative: by the back-off
	then   func(context.Context, *unit) error

	tried bool // there was an attempt
	began time.Time
}

func done() *fate                   { return &fate{status: MessageDone} }
func superseded(cause string) *fate { return &fate{status: MessageSuperseded, cause: cause} }
func dead(cause string) *fate       { return &fate{status: MessageDead, cause: cause} }
func again(cause string) *fate      { return &fate{status: MessageWaiting, cause: cause, retry: -1} }
func idle(cause string) *fate       { return &fate{status: MessageWaiting, cause: cause, retry: idleRetry} }

// deliver makes one attempt and notes what became of it. ctx says whether to
// start at all; work is what is under way may use.
func (s *Service) deliver(ctx, work context.Context, m Message) error {
	var f *fate
	began := s.began()
	if ctx.Err() != nil || s.now().Add(deliverFor).After(m.LeaseUntil) {
		// Not started: whoever has time may have it at once.
		f = &fate{status: MessageWaiting, cause: "not_started"}
	} else {
		f = s.attempt(work, m)
		f.began, f.tried = began, true
	}
	if f.status != MessageDone {
		s.cfg.Logger.WarnContext(ctx, "enrollment: message not delivered",
			"message", m.ID, "kind", m.Kind, "status", f.status, "cause", f.cause, "attempt", m.Attempt)
	}
	return s.finish(work, m, f)
}

// attempt renders and hands over one message, outside of any unit.
func (s *Service) attempt(ctx context.Context, m Message) (f *fate) {
	ctx, cancel := context.WithTimeout(ctx, deliverFor)
	defer cancel()
	defer func() {
		if recover() != nil { // the embedder's code; its text may hold anything
			f = again("panicked")
		}
	}()
	if m.Kind == MessageHandler {
		return s.callHandler(ctx, m)
	}
	if s.cfg.Deliverer == nil {
		return idle("no_deliverer")
	}
	mail, f := s.render(ctx, m)
	if f != nil && mail.ID == "" {
		return f
	}
	switch err := s.cfg.Deliverer.Deliver(ctx, mail); {
	case errors.Is(err, ErrUndeliverable):
		return dead("undeliverable")
	case err != nil:
		return again("deliverer_failed")
	case f != nil:
		return f
	}
	return done()
}

// callHandler tells this process of one event. Another process may have the
// handler that this one lacks.
func (s *Service) callHandler(ctx context.Context, m Message) *fate {
	e, f := s.eventOf(ctx, m)
	if f != nil {
		return f
	}
	handler := s.cfg.Handlers[e.Type]
	if handler == nil {
		return idle("no_handler")
	}
	if err := handler(ctx, e); err != nil {
		return again("handler_failed")
	}
	return done()
}

// eventOf loads the journal's entry of a message.
func (s *Service) eventOf(ctx context.Context, m Message) (e Event, f *fate) {
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		list, err := u.Journal().List(ctx, EventQuery{Site: m.Site, ID: m.Event, Limit: 1})
		if err == nil && len(list) == 0 {
			err = ErrNotFound
		}
		if err == nil {
			e = list[0]
		}
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return e, dead("event_unknown")
	case err != nil:
		return e, again("unavailable")
	}
	return e, nil
}

// finish ends the hold on a message, together with what follows from its fate.
// A message that somebody else has claimed since is theirs: nothing is noted.
func (s *Service) finish(ctx context.Context, m Message, f *fate) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceToStop)
	defer cancel()
	status := f.status
	err := s.update(ctx, func(ctx context.Context, u *unit) error {
		out := Outcome{Status: f.status, At: u.now, Cause: f.cause}
		if f.status == MessageWaiting {
			wait := f.retry
			if wait < 0 {
				wait = s.backOff(m.Attempt)
				if !u.now.Before(m.CreatedAt.Add(giveUpAfter)) {
					out.Status = MessageDead
				}
			}
			out.RetryAt = u.now.Add(wait)
		}
		if m.Kind == MessageInvitation {
			if err := u.noteDelivery(ctx, m, out.Status); err != nil {
				return err
			}
		}
		if f.then != nil {
			if err := f.then(ctx, u); err != nil {
				return err
			}
		}
		status = out.Status
		return u.Outbox().Finish(ctx, m.Site, m.ID, m.Fence, out)
	})
	if f.tried && s.cfg.Observer != nil {
		s.signal(ctx, Signal{
			Kind: SignalMessage, Name: string(m.Kind), Outcome: string(status), Site: m.Site, N: 1, Took: s.cfg.Now().Sub(f.began),
		})
	}
	if errors.Is(err, ErrStale) || errors.Is(err, ErrNotFound) {
		s.cfg.Logger.WarnContext(ctx, "enrollment: message was taken over", "message", m.ID, "kind", m.Kind)
		return nil
	}
	return err
}

// noteDelivery writes the fate of a mail beside the state of its invitation.
func (u *unit) noteDelivery(ctx context.Context, m Message, status MessageStatus) error {
	var d invitation.Delivery
	switch status {
	case MessageDone:
		d = invitation.Accepted
	case MessageDead:
		d = invitation.Failed
	default:
		return nil
	}
	inv, err := u.Invitations().Lock(ctx, m.Site, m.Invitation)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || m.CreatedAt.Before(inv.SentAt) {
		return err // or the fate of an older mail
	}
	return u.delivered(ctx, inv, d)
}

// backOff is how long to wait after the attempt-th failure: from half to all of
// 5 s, doubled each time up to 5 min, so that what failed together does not
// come back together.
func (s *Service) backOff(attempt int) time.Duration {
	wait := firstRetry << min(max(attempt-1, 0), 10)
	wait = min(wait, longestRetry)
	var b [8]byte
	if _, err := io.ReadFull(s.cfg.Rand, b[:]); err != nil {
		return wait
	}
	return wait/2 + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(wait/2+1))
}

// withGrace returns a context that outlives ctx by a while.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-work.Done():
		}
	})
	return work, func() {
		stop()
		cancel()
	}
}
