//go:build fault

package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/fault/proxy"
	"example.com/enrollkit/refserver/linear"
)

// What 8 clients see on two nodes that are killed and frozen in turn, over
// connections on which commits and their answers are lost, is what one machine
// could have answered that does one thing at a time.
func TestHistoriesWithFaultsAreLinearizable(t *testing.T) {
	for round := range count(t, "FAULT_LINEAR", 1) {
		t.Run(fmt.Sprint(round+1), func(t *testing.T) {
			w := newWorld(t, options{fault: "linearizable with faults", kind: onPostgreSQL, nodes: 2, proxied: true, noMail: true})
			seen := &seen{world: w, tokens: map[string][][2]string{}}
			for k := range 6 {
				user := fmt.Sprintf("pinned%d.office-1", k)
				id := seen.invite(w.bases(), user)
				seen.pins = append(seen.pins, seen.reveal(w.bases(), "office-1", id, user))
			}
			w.place.proxy.CutCommits(10, proxy.LoseReply, proxy.LoseReply, proxy.LoseCommit)
			var clients sync.WaitGroup
			for n := range handCount {
				clients.Go(func() { seen.work(n, 40) })
			}
			over := make(chan struct{})
			go func() {
				clients.Wait()
				close(over)
			}()
			seen.trouble(over)
			w.place.proxy.CutCommits(0)

			journal, err := os.Create(filepath.Join(w.dir, "linear.jsonl"))
			require.NoError(t, err)
			for _, h := range []*linear.History{&seen.invitations, &seen.budgets} {
				_, err = h.WriteTo(journal)
				require.NoError(t, err)
			}
			require.NoError(t, journal.Close())
			registers, err := seen.invitations.Check(linear.Register(), linear.Timeout)
			require.NoError(t, err)
			budgets, err := seen.budgets.Check(linear.Budget(pinBudget), linear.Timeout)
			require.NoError(t, err)
			s := w.look()
			w.row.events += s.journal
			w.row.unknown += registers.Unknown + budgets.Unknown
			w.row.acked += registers.Calls + budgets.Calls - registers.Unknown - budgets.Unknown
			w.row.note("invitations: %v; PIN budgets: %v", registers, budgets)
			t.Log(w.row)
		})
	}
}

// seen is what the clients of one history did.
type seen struct {
	*world
	invitations, budgets linear.History

	mu     sync.Mutex
	tokens map[string][][2]string // of a user: ids of invitations and their tokens
	pins   [][2]string            // addresses and their PINs
	serial int                    // of keys
}

// trouble kills and freezes nodes in turn until all clients are done.
func (s *seen) trouble(over <-chan struct{}) {
	for turn := 0; ; turn++ {
		n := s.nodes[turn%2]
		select {
		case <-over:
			return
		case <-time.After(between(s.rng, 100*time.Millisecond, 500*time.Millisecond)):
		}
		if s.rng.IntN(2) == 0 {
			killed := time.Now()
			n.kill()
			for s.launch(n); !s.readyOrDead(n); s.launch(n) {
				// A commit of its start was cut.
			}
			s.row.recovered(time.Since(killed))
			continue
		}
		require.NoError(s.t, n.pause())
		time.Sleep(between(s.rng, 100*time.Millisecond, 500*time.Millisecond))
		require.NoError(s.t, n.resume())
	}
}

// work is one client.
func (s *seen) work(n, calls int) {
	rng := rand.New(rand.NewPCG(s.seed, uint64(n)+1000))
	for i := range calls {
		user := fmt.Sprintf("register%d.office-0", rng.IntN(8))
		name := fmt.Sprintf("%d-%d", n, i)
		switch at := rng.IntN(10); {
		case at < 3:
			call := s.invitations.Begin(n, linear.Input{Register: user, Op: linear.Send})
			id := s.invite([]string{s.nodes[rng.IntN(2)].base(), s.nodes[0].base(), s.nodes[1].base()}, user)
			call.End(linear.Output{OK: true, ID: id})
			if known := s.reveal(s.bases(), "office-0", id, user); known[1] != "" {
				s.mu.Lock()
				s.tokens[user] = append(s.tokens[user], [2]string{id, known[1]})
				s.mu.Unlock()
			}
		case at < 7:
			s.mu.Lock()
			list := s.tokens[user]
			s.mu.Unlock()
			if len(list) == 0 {
				continue
			}
			one := list[max(0, len(list)-1-rng.IntN(3))]
			if rng.IntN(4) == 0 {
				call := s.invitations.Begin(n, linear.Input{Register: user, Op: linear.Deactivate, ID: one[0]})
				a := s.until(s.bases(), s.admin("office-0", "POST", "/invitations/"+one[0]+"/deactivate", nil))
				if a.status != 200 {
					s.t.Errorf("deactivate: %d %s", a.status, a.body)
				}
				call.End(linear.Output{OK: true})
				continue
			}
			call := s.invitations.Begin(n, linear.Input{Register: user, Op: linear.Enroll, ID: one[0]})
			a := s.until(s.bases(), (&hand{}).enrollment(object{"type": "token", "token": one[1]}, "linear-"+name, "LINEARSN-"+name))
			call.End(linear.Output{OK: a.status < 300})
		default:
			target := s.pins[rng.IntN(len(s.pins))]
			right := rng.IntN(4) == 0
			pin := target[1]
			if !right {
				pin = fmt.Sprintf("%012d", rng.Int64N(1e12)) // longer than any that is right
			}
			call := s.budgets.Begin(n, linear.Input{Register: target[0], Op: linear.Try, Right: right})
			h := &hand{base: s.nodes[rng.IntN(2)].base(), http: client()}
			a, err := h.send(h.enrollment(object{"type": "pin", "email": target[0], "pin": pin}, "try-"+name, "TRYSN-"+name))
			h.http.CloseIdleConnections()
			if err == nil && a.status != 503 {
				call.End(linear.Output{OK: a.status < 300})
			}
		}
	}
}

func (s *seen) admin(site, method, path string, body any) call {
	return (&hand{office: &office{token: "fault-" + site}}).admin(method, path, body)
}

// invite invites a user, again by the same key until there is an answer, and
// returns the invitation.
func (s *seen) invite(bases []string, user string) string {
	_, site, _ := strings.Cut(user, ".")
	c := s.admin(site, "POST", "/invitations", object{"users": []object{{"user_id": user}}, "deliver": "none"})
	s.mu.Lock()
	s.serial++
	c.key = fmt.Sprintf("linear-%d", s.serial)
	s.mu.Unlock()
	a := s.until(bases, c)
	var invited struct{ Results []result }
	if a.status != 201 || a.decode(&invited) != nil {
		s.t.Errorf("invite: %d %s", a.status, a.body)
		return ""
	}
	return invited.Results[0].Invitation
}

// reveal returns a user's address and the PIN of an invitation in office-1, and
// a user and the token elsewhere; no secret where it is over already.
func (s *seen) reveal(bases []string, site, id, user string) [2]string {
	a := s.until(bases, s.admin(site, "POST", "/invitations/"+id+"/credentials", nil))
	var shown struct{ URL, PIN string }
	if a.status != 200 || a.decode(&shown) != nil {
		return [2]string{user + "@fault.example", ""}
	}
	if site == "office-1" {
		return [2]string{user + "@fault.example", shown.PIN}
	}
	return [2]string{user, shown.URL[strings.LastIndexByte(shown.URL, '/')+1:]}
}

// until sends a request that may be repeated to one node after the other until
// there is an answer.
func (s *seen) until(bases []string, c call) *answer {
	h := &hand{http: client()}
	defer h.http.CloseIdleConnections()
	for n, began := 0, time.Now(); time.Since(began) < perCycle; n++ {
		h.base = bases[n%len(bases)]
		if a, err := h.send(c); err == nil && a.status != 503 {
			return a
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Errorf("%s %s: no answer", c.method, c.path)
	return &answer{}
}
