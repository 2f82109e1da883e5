//go:build fault

package fault

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A wrong PIN is counted before it is compared, whatever dies in between: the
// tries that nodes compared, by their own log, are never more than were counted
// nor than the budget has, however many clients guess at once on however many
// nodes.
func TestNoTryIsComparedWithoutBeingCounted(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			o := options{fault: "I5 tries compared, " + kind, kind: kind}
			if kind == onPostgreSQL {
				o.nodes = 2
			}
			w := newWorld(t, o)
			compared, counted, cycle := 0, 0, 0
			for _, point := range []string{"", "after-try:%d", "after-spend:%d", "before-commit:%d"} {
				for range count(t, "FAULT_I5", 2) {
					cycle++
					w.history.cycle = cycle
					armed := ""
					if point != "" {
						armed = "ENROLLKIT_FAILPOINT=" + fmt.Sprintf(point, 1+w.rng.IntN(8))
					}
					n := w.nodes[0]
					for _, o := range w.crew.offices {
						w.newPIN(o)
					}
					n.kill()
					w.launch(n, armed)
					if !w.readyOrDead(n) {
						w.start(n)
					}
					for _, o := range w.crew.offices {
						c, n := w.storm(o)
						compared, counted = compared+c, counted+n
						if !w.nodes[0].alive() {
							w.start(w.nodes[0])
						}
					}
					w.look()
				}
			}
			w.row.note("%d tries compared, %d counted", compared, counted)
			require.NotZero(t, compared)
			w.drain()
		})
	}
}

// newPIN gives an office's shared PIN a new budget.
func (w *world) newPIN(o *office) {
	w.t.Helper()
	boss := &hand{base: w.nodes[0].base(), http: client(), office: o}
	a, err := boss.send(boss.admin("POST", "/invitations/"+o.target+"/new-pin", nil))
	require.NoError(w.t, err)
	require.Equal(w.t, 200, a.status, "%s", a.body)
	boss.http.CloseIdleConnections()
	o.generation, o.base, o.sure, o.maybe = o.generation+1, 0, 0, 0
}

// storm lets all hands guess at one PIN at once, more often than it bears, and
// returns how many tries were compared and how many counted.
func (w *world) storm(o *office) (compared, counted int) {
	w.t.Helper()
	before := w.compared(o.id)
	guess := func() *op { return (&hand{rng: w.crew.hands[0].rng, office: o}).guessShared() }
	ops := make([]*op, 3*pinBudget)
	for i := range ops {
		ops[i] = guess()
	}
	var guessers sync.WaitGroup
	for k := range ops {
		guessers.Go(func() {
			h := &hand{n: 100 + k, base: w.nodes[k%len(w.nodes)].base(), http: client(), office: o, history: w.history}
			h.do(ops[k])
			if h.pending != nil {
				o.mu.Lock()
				o.maybe++
				o.mu.Unlock()
			}
			h.http.CloseIdleConnections()
		})
	}
	guessers.Wait()
	for _, n := range w.nodes {
		if !n.alive() {
			w.place.settled(w.t, n.n)
		}
	}
	store, done := w.place.open(w.t, w.anyAlive())
	defer done()
	s, err := readSnapshot(w.t.Context(), store, false)
	require.NoError(w.t, err)
	compared, counted = w.compared(o.id)-before, s.triesOf(o.id, o.target, o.generation)
	if compared > counted || compared > pinBudget || counted > compared+o.maybe {
		w.history.fault("PIN of %s: %d tries compared, %d counted, %d without an answer, budget %d", o.target, compared, counted, o.maybe, pinBudget)
	}
	return compared, counted
}

// compared is how many wrong PINs of a site were compared so far, by the log of
// the nodes.
func (w *world) compared(site string) int {
	w.t.Helper()
	time.Sleep(20 * time.Millisecond) // for a node that is dying
	text, err := os.ReadFile(w.tries())
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(w.t, err)
	return bytes.Count(text, []byte(strings.Join([]string{"pin", site, "wrong\n"}, " ")))
}

// Where phones with one serial number enroll at the same time, by the
// invitations of several people and on several nodes, one row has the hardware.
func TestOneHardwareIsOneDeviceWhoeverBringsItIn(t *testing.T) {
	w := newWorld(t, options{fault: "I2 races for hardware", kind: onPostgreSQL, nodes: 2})
	o := w.crew.offices[0]
	boss := &hand{base: w.nodes[0].base(), http: client(), office: o}
	var tokens []string
	for k := range 4 {
		a, err := boss.send(boss.admin("POST", "/invitations", object{"users": []object{{"user_id": fmt.Sprintf("racer%d.office-0", k)}}, "deliver": "none"}))
		require.NoError(t, err)
		var invited struct{ Results []result }
		require.NoError(t, a.decode(&invited))
		a, err = boss.send(boss.admin("POST", "/invitations/"+invited.Results[0].Invitation+"/credentials", nil))
		require.NoError(t, err)
		var shown struct{ URL string }
		require.NoError(t, a.decode(&shown))
		tokens = append(tokens, shown.URL[strings.LastIndexByte(shown.URL, '/')+1:])
	}
	for race := range count(t, "FAULT_I2", 15) {
		var racers sync.WaitGroup
		answers := make([]int, len(tokens))
		for k, token := range tokens {
			racers.Go(func() {
				h := &hand{base: w.nodes[k%2].base(), http: client(), office: o}
				c := h.enrollment(object{"type": "token", "token": token}, fmt.Sprintf("race-%d-%d", race, k), fmt.Sprintf("RACESN-%d", race))
				if a, err := h.send(c); err == nil {
					answers[k] = a.status
				}
				h.http.CloseIdleConnections()
			})
		}
		racers.Wait()
		for _, status := range answers {
			require.Equal(t, 201, status)
		}
	}
	s := w.look()
	require.Len(t, s.devices, 4*count(t, "FAULT_I2", 15))
	w.row.done(w, s)
}
