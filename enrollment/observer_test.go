package enrollment_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/storetest"
)

// recorder is an Observer that keeps what it is told.
type recorder struct {
	mu   sync.Mutex
	list []enrollment.Signal
}

func (r *recorder) observe(_ context.Context, s enrollment.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, s)
}

// take returns the signals of a kind since the last take, and forgets all.
func (r *recorder) take(kind enrollment.SignalKind) (list []enrollment.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.list {
		if s.Kind == kind {
			list = append(list, s)
		}
	}
	r.list = nil
	return list
}

func observed(r *recorder) func(*enrollment.Config) {
	return func(c *enrollment.Config) { c.Observer = r.observe }
}

func TestTheObserverIsToldOfEveryVerbItsOutcomeAndItsTime(t *testing.T) {
	r := &recorder{}
	var w *world
	w = newWorld(t, observed(r), func(c *enrollment.Config) {
		now := c.Now
		c.Now = func() time.Time { w.clock.Advance(time.Millisecond); return now() }
	})
	inv := w.invite("ann")
	verbs := r.take(enrollment.SignalVerb)
	require.Len(t, verbs, 1)
	require.Positive(t, verbs[0].Took)
	verbs[0].Took = 0
	require.Equal(t, enrollment.Signal{Kind: enrollment.SignalVerb, Name: "invite", Outcome: "ok", Site: "acme", N: 1}, verbs[0])

	_, err := w.svc.Invitation(w.ctx, w.by, "inv_none")
	require.ErrorIs(t, err, enrollment.ErrNotFound)
	_, err = w.svc.Peek(w.ctx, "nonsense")
	require.Error(t, err)
	w.sites.fail(errBroken)
	_, err = w.svc.Invitation(w.ctx, w.by, inv)
	require.Error(t, err)
	var said []string
	for _, s := range r.take(enrollment.SignalVerb) {
		said = append(said, s.Name+" "+s.Outcome)
	}
	require.Equal(t, []string{"invitation not_found", "peek invitation_unknown", "invitation unavailable"}, said)
}

func TestTheObserverIsToldOfChangesAlone(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r))
	told := func() (n int64) {
		for _, s := range r.take(enrollment.SignalEvents) {
			require.Equal(t, "acme", s.Site)
			n += s.N
		}
		return n
	}
	e := w.enroll(w.invite("ann"))
	require.Equal(t, int64(len(w.events(e.Device.Invitation))+len(w.events(e.Device.ID))), told())
	first := enrollment.Report{Seq: 1, Facts: complete(), Inventory: []byte(`{"model":"P1"}`)}
	w.report(e, first)
	require.Equal(t, int64(1), told())

	w.report(e, first)
	first.Seq = 2
	w.report(e, first)
	require.NoError(t, w.svc.RecordFetch(w.ctx, w.token(w.invite("bob")).Reveal()))
	told()
	require.NoError(t, w.svc.CheckIn(w.ctx, e.Token, 3))
	_, err := w.svc.Overview(w.ctx, w.by, enrollment.OverviewQuery{})
	require.NoError(t, err)
	require.Zero(t, told())

	for n := 1; ; n++ { // a unit that fails changes nothing
		failing := &storetest.Failing{Storage: w.store, At: n}
		_, err := w.over(failing).Invite(w.ctx, w.by, enrollment.InviteRequest{User: "cyd"})
		if !failing.Failed() {
			require.NoError(t, err)
			require.Positive(t, told())
			break
		}
		require.Error(t, err)
		require.Zero(t, told(), "call %d failed", n)
	}
}

func TestTheObserverCountsEveryTryByWhatBecameOfIt(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r))
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials = credentials.Policy{PINBudget: 3, PINPace: 4, PINAlert: credentials.Off}
	})
	inv := w.invite("ann")
	revealed, err := w.svc.Reveal(w.ctx, w.by, inv)
	require.NoError(t, err)
	right := revealed.PIN.Reveal()
	wrong := wrongPIN(right)
	try := func(email, pin string) {
		w.seq++
		_, _ = w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
			EnrollmentID: fmt.Sprint("try-", w.seq),
			Credential:   enrollment.Presented{Email: email, PIN: credentials.SecretString(pin)},
			Device:       enrollment.Claim{Platform: device.Android},
		})
	}
	for range 3 {
		try("ann@example.com", wrong)
	}
	try("ann@example.com", right) // the budget is spent
	try("ann@example.com", right) // and the address has to wait
	try("nobody@example.com", right)
	counts := map[string]int64{}
	for _, s := range r.take(enrollment.SignalTry) {
		require.Equal(t, "pin", s.Name)
		counts[s.Outcome] += s.N
	}
	require.Equal(t, map[string]int64{
		enrollment.TryWrong: 3, enrollment.TryLocked: 1, enrollment.TryPaced: 1, enrollment.TryUnknown: 1,
	}, counts)

	w.clock.Advance(time.Hour)
	_, err = w.svc.NewPIN(w.ctx, w.by, inv)
	require.NoError(t, err)
	revealed, err = w.svc.Reveal(w.ctx, w.by, inv)
	require.NoError(t, err)
	r.take(enrollment.SignalTry)
	try("ann@example.com", revealed.PIN.Reveal())
	tries := r.take(enrollment.SignalTry)
	require.Len(t, tries, 1)
	require.Equal(t, enrollment.TryRight, tries[0].Outcome)
}

// wrongPIN is a PIN that differs in its last digit.
func wrongPIN(right string) string {
	return right[:len(right)-1] + string('0'+(right[len(right)-1]-'0'+1)%10)
}

func TestTheObserverIsToldOfEveryAttemptAtAMessage(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r))
	w.invite("ann")
	w.mail.failing(func(enrollment.Mail) error { return errBroken })
	outcomes := func() (list []string) {
		w.deliver()
		for _, s := range r.take(enrollment.SignalMessage) {
			require.Equal(t, "acme", s.Site)
			list = append(list, s.Name+" "+s.Outcome)
		}
		return list
	}
	require.Equal(t, []string{"mail.invitation waiting"}, outcomes())
	w.clock.Advance(time.Hour)
	w.mail.failing(nil)
	require.Equal(t, []string{"mail.invitation done"}, outcomes())
	w.mail.failing(func(enrollment.Mail) error { return enrollment.ErrUndeliverable })
	w.invite("bob")
	require.Equal(t, []string{"mail.invitation dead"}, outcomes())
}

func TestTheObserverIsToldWhenAUnitRunsAgain(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r))
	svc := w.over(&rerunning{Storage: w.store, times: 3})
	_, err := svc.Invite(w.ctx, w.by, enrollment.InviteRequest{User: "ann"})
	require.NoError(t, err)
	retries := r.take(enrollment.SignalRetry)
	require.Len(t, retries, 1)
	require.EqualValues(t, 2, retries[0].N)
}

// rerunning runs every unit so many times, as a store does after a deadlock.
type rerunning struct {
	enrollment.Storage
	times int
}

func (s *rerunning) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	again := errors.New("again")
	for range s.times - 1 {
		err := s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			return errors.Join(fn(ctx, tx), again)
		})
		if !errors.Is(err, again) {
			return err
		}
	}
	return s.Storage.Update(ctx, fn)
}

func TestTheObserverIsToldHowTheBacklogsStand(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r), func(c *enrollment.Config) { c.Deliverer = nil })
	w.invite("ann")
	w.invite("bob")
	w.clock.Advance(time.Minute)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	got := map[enrollment.SignalKind]enrollment.Signal{}
	w.cfg.Observer = func(_ context.Context, s enrollment.Signal) {
		if s.Kind == enrollment.SignalOutbox || s.Kind == enrollment.SignalJournal {
			r.mu.Lock()
			got[s.Kind] = s
			r.mu.Unlock()
		}
		if s.Kind == enrollment.SignalJournal {
			cancel()
		}
	}
	require.NoError(t, w.over(w.store).Run(ctx))
	require.Equal(t, enrollment.Signal{Kind: enrollment.SignalOutbox, N: 2, Age: time.Minute}, got[enrollment.SignalOutbox])
	require.Equal(t, enrollment.Signal{Kind: enrollment.SignalJournal}, got[enrollment.SignalJournal], "the sequencer has caught up")
}

func TestTheObserverIsToldOfEachStepOfTheSweeper(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r))
	w.unresponsive("ann")
	changed := map[string]int64{}
	for _, s := range r.take(enrollment.SignalSweep) {
		require.Equal(t, "ok", s.Outcome, s.Name)
		changed[s.Name] += s.N
	}
	require.EqualValues(t, 1, changed["silent"])
	require.Contains(t, changed, "leaving")
	require.Contains(t, changed, "expired")
	require.Contains(t, changed, "prune")
}

func TestNoSignalHoldsAPersonOrASecret(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, observed(r))
	enrolled := w.active("ann")
	revealed, err := w.svc.Reveal(w.ctx, w.by, enrolled.Device.Invitation)
	require.NoError(t, err)
	w.deliver()
	_, err = w.svc.Sweep(w.ctx)
	require.NoError(t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotEmpty(t, r.list)
	told := strings.ToLower(fmt.Sprintf("%+v", r.list))
	for _, canary := range []string{"ann", "canary", "example.com", enrolled.Token.Reveal(), revealed.PIN.Reveal(), "sn0001", enrolled.Device.ID} {
		require.NotContains(t, told, strings.ToLower(canary))
	}
	kinds := []enrollment.SignalKind{}
	for _, s := range r.list {
		kinds = append(kinds, s.Kind)
	}
	slices.Sort(kinds)
	require.Equal(t, []enrollment.SignalKind{enrollment.SignalEvents, enrollment.SignalMessage, enrollment.SignalSweep, enrollment.SignalVerb}, slices.Compact(kinds))
}

// A token that has not the shape of one is refused before anything is read, so
// whatever is allocated there is the observer's.
func TestWatchingAllocatesNothing(t *testing.T) {
	for name, options := range map[string][]func(*enrollment.Config){
		"without an observer": nil,
		"with one":            {func(c *enrollment.Config) { c.Observer = func(context.Context, enrollment.Signal) {} }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options...)
			got := testing.AllocsPerRun(100, func() { _, _ = w.svc.Peek(w.ctx, "nonsense") })
			require.Zero(t, got)
		})
	}
}
