package linear_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/linear"
)

// Each line is a store that breaks one promise, and the work that shows it.
func TestWhatIsCaught(t *testing.T) {
	invitations := func(w *world) linear.Model {
		known := &shelf{}
		w.work(100, func(c *client, i int) { c.invitationCall(known, fmt.Sprintf("user-%d", c.rand.IntN(4)), i) })
		return linear.Register()
	}
	passcodes := func(w *world) linear.Model {
		known := &shelf{}
		w.work(100, func(c *client, i int) { c.passcodeCall(known, fmt.Sprintf("site-%d", c.rand.IntN(2)), i) })
		return linear.Register()
	}
	pins := func(w *world) linear.Model {
		targets := w.pins(16)
		w.work(60, func(c *client, i int) { c.pinCall(targets[c.rand.IntN(len(targets))], i) })
		return linear.Budget(pinBudget)
	}
	together := func(w *world) linear.Model { // all clients at one PIN, each once
		for _, target := range w.pins(4) {
			w.work(1, func(c *client, _ int) { c.try(target, false, target.id) })
		}
		return linear.Budget(pinBudget)
	}
	logins := func(w *world) linear.Model {
		w.useAll(w.logins(5))
		return linear.Once(loginBudget)
	}
	for _, c := range []struct {
		name  string
		store enrollment.Storage
		work  func(*world) linear.Model
	}{
		{"a store that lets a second active invitation through is caught", &twoActive{Storage: memstore.New()}, invitations},
		{"a store that shows what was is caught", &stale{Storage: memstore.New()}, invitations},
		{"a store that forgets what it acknowledged is caught by invitations", &forgetful{Storage: memstore.New()}, invitations},
		{"a store that forgets what it acknowledged is caught by passcodes", &forgetful{Storage: memstore.New()}, passcodes},
		{"a store that loses a try is caught", &losesTries{Storage: memstore.New()}, pins},
		{"a store that selects and then updates is caught", &selectThenUpdate{Storage: memstore.New()}, together},
		{"a store that counts a try twice is caught", countsTwice{memstore.New()}, pins},
		{"a store that lets two in by one login is caught", rewrites{Storage: memstore.New(), credentials: func(c enrollment.Credentials) enrollment.Credentials { return reusable{c} }}, logins},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := worldWith(t, 1000, c.store, c.store)
			w.broken = true
			_, err := w.history.Check(c.work(w), linear.Timeout)
			require.ErrorIs(t, err, linear.ErrNotLinearizable)
			require.NotErrorIs(t, err, linear.ErrUndecided)
		})
	}
}

// rewrites is a store some of whose repositories are broken.
type rewrites struct {
	enrollment.Storage
	invitations func(enrollment.Invitations) enrollment.Invitations
	credentials func(enrollment.Credentials) enrollment.Credentials
}

type rewritten struct {
	enrollment.Tx
	by rewrites
}

func (s rewrites) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, rewritten{tx, s}) })
}

func (s rewrites) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return s.Storage.View(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, rewritten{tx, s}) })
}

func (t rewritten) Invitations() enrollment.Invitations {
	if t.by.invitations == nil {
		return t.Tx.Invitations()
	}
	return t.by.invitations(t.Tx.Invitations())
}

func (t rewritten) Credentials() enrollment.Credentials {
	if t.by.credentials == nil {
		return t.Tx.Credentials()
	}
	return t.by.credentials(t.Tx.Credentials())
}

// twoActive goes on showing a replaced invitation as opened, as a store does
// that has neither the lock nor the index.
type twoActive struct {
	enrollment.Storage
	undead sync.Map
}

func (s *twoActive) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return rewrites{Storage: s.Storage, invitations: s.invitations}.Update(ctx, fn)
}

func (s *twoActive) invitations(real enrollment.Invitations) enrollment.Invitations {
	return undying{real, &s.undead}
}

type undying struct {
	enrollment.Invitations
	undead *sync.Map
}

func (n undying) Lock(ctx context.Context, site, id string) (invitation.Invitation, error) {
	inv, err := n.Invitations.Lock(ctx, site, id)
	if _, undead := n.undead.Load(id); undead {
		inv.State, inv.Reason, inv.EndedAt = invitation.Opened, "", time.Time{}
	}
	return inv, err
}

func (n undying) Update(ctx context.Context, list ...invitation.Invitation) error {
	kept := make([]invitation.Invitation, len(list))
	for i, inv := range list {
		if inv.Reason == invitation.Superseded {
			n.undead.Store(inv.ID, true)
		}
		if _, undead := n.undead.Load(inv.ID); undead && inv.State.Active() {
			inv.State, inv.Reason = invitation.Deactivated, invitation.Superseded
		}
		kept[i] = inv
	}
	return n.Invitations.Update(ctx, kept...)
}

// stale answers every list of invitations with what it was the time before.
type stale struct {
	enrollment.Storage
	mu   sync.Mutex
	last map[string][]invitation.Invitation
}

func (s *stale) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return rewrites{Storage: s.Storage, invitations: func(real enrollment.Invitations) enrollment.Invitations {
		return replica{real, s}
	}}.View(ctx, fn)
}

type replica struct {
	enrollment.Invitations
	of *stale
}

func (r replica) List(ctx context.Context, q enrollment.InvitationQuery) ([]invitation.Invitation, error) {
	list, err := r.Invitations.List(ctx, q)
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if r.of.last == nil {
		r.of.last = map[string][]invitation.Invitation{}
	}
	key := fmt.Sprint(q)
	old := r.of.last[key]
	r.of.last[key] = list
	return old, err
}

// forgetful acknowledges every fifth unit and rolls it back.
type forgetful struct {
	enrollment.Storage
	units atomic.Int64
}

func (s *forgetful) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	if s.units.Add(1)%5 != 0 {
		return s.Storage.Update(ctx, fn)
	}
	forget := errors.New("forgotten")
	err := s.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return forget
	})
	if errors.Is(err, forget) {
		return nil
	}
	return err
}

// judge says what a Spend of these groups would answer, and spends nothing. The
// gate is not looked at: here it is always empty.
func judge(ctx context.Context, s enrollment.Storage, now time.Time, groups [][]credentials.Limit) (enrollment.Spent, error) {
	var out enrollment.Spent
	err := s.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		out = enrollment.Spent{Groups: make([]enrollment.GroupSpent, len(groups))}
		for i, group := range groups {
			out.Groups[i].OK = true
			for _, limit := range group {
				counters, err := tx.Counters().Get(ctx, limit.Key)
				if err != nil {
					return err
				}
				next, ok, _ := counters[0].Spend(limit, now)
				out.Groups[i].OK = out.Groups[i].OK && ok
				out.Groups[i].Counters = append(out.Groups[i].Counters, next)
			}
		}
		return nil
	})
	return out, err
}

// losesTries does not keep every third Spend.
type losesTries struct {
	enrollment.Storage
	spends atomic.Int64
}

func (s *losesTries) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if s.spends.Add(1)%3 != 0 {
		return s.Storage.Spend(ctx, now, gate, groups...)
	}
	return judge(ctx, s.Storage, now, groups)
}

// selectThenUpdate looks whether there is room, and counts when every client has
// looked.
type selectThenUpdate struct {
	enrollment.Storage
	mu      sync.Mutex
	looked  int
	counted chan struct{} // closed when all have looked
}

func (s *selectThenUpdate) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if len(groups) == 0 || !strings.HasPrefix(groups[0][0].Key, "pin/") {
		return s.Storage.Spend(ctx, now, gate, groups...)
	}
	seen, err := judge(ctx, s.Storage, now, groups)
	if err != nil {
		return seen, err
	}
	s.mu.Lock()
	if s.looked++; s.looked%clients == 1 {
		s.counted = make(chan struct{})
	}
	counted := s.counted
	if s.looked%clients == 0 {
		close(counted)
	}
	s.mu.Unlock()
	<-counted
	for i, group := range groups {
		if !seen.Groups[i].OK {
			continue
		}
		endless := make([]credentials.Limit, len(group))
		for k, limit := range group {
			limit.Max = math.MaxInt32
			endless[k] = limit
		}
		if _, err := s.Storage.Spend(ctx, now, nil, endless); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// countsTwice repeats a commit whose answer was slow to come.
type countsTwice struct{ enrollment.Storage }

func (s countsTwice) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	if _, err := s.Storage.Spend(ctx, now, gate, groups...); err != nil {
		return enrollment.Spent{}, err
	}
	return s.Storage.Spend(ctx, now, gate, groups...)
}

// reusable does not keep that a login was used.
type reusable struct{ enrollment.Credentials }

func (r reusable) Put(ctx context.Context, list ...enrollment.Credential) error {
	for _, cred := range list {
		if cred.Kind == enrollment.KindLogin {
			data := map[string]any{}
			if err := json.Unmarshal(cred.Data, &data); err != nil {
				return err
			}
			delete(data, "used_at")
			var err error
			if cred.Data, err = json.Marshal(data); err != nil {
				return err
			}
		}
		if err := r.Credentials.Put(ctx, cred); err != nil {
			return err
		}
	}
	return nil
}
