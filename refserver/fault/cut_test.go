//go:build fault

package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/fault/proxy"
)

// F4: where the answer to a COMMIT is lost, or the COMMIT itself, nobody knows
// whether it happened. What is sent again by its key or enrollment id happens
// once all the same, and what was acknowledged is there.
func TestALostCommitIsNeitherLostNorDoubled(t *testing.T) {
	w := newWorld(t, options{fault: "F4 COMMIT or its reply lost", kind: onPostgreSQL, proxied: true, nodes: 2, moody: true})
	want := int64(count(t, "FAULT_F4", 200))
	cuts := func() int64 {
		c := w.place.proxy.Counts()
		return c.RepliesLost + c.CommitsLost
	}
	for cycle := 1; cuts() < want; cycle++ {
		w.round(cycle, func() {
			w.place.proxy.CutCommits(4, proxy.LoseReply, proxy.LoseReply, proxy.LoseCommit)
			time.Sleep(between(w.rng, 100*time.Millisecond, 400*time.Millisecond))
			w.place.proxy.CutCommits(0)
		})
		w.elsewhere()
	}
	c := w.place.proxy.Counts()
	w.row.note("%d replies and %d commits lost of %d", c.RepliesLost, c.CommitsLost, c.Commits+c.RepliesLost+c.CommitsLost)
	w.drain()
}

// F5: a database that is slow, stands still or whose connections break.
func TestASlowOrHalfOpenDatabaseLosesNothing(t *testing.T) {
	w := newWorld(t, options{fault: "F5 slow, stalled, reset", kind: onPostgreSQL, proxied: true, moody: true})
	p := w.place.proxy
	for cycle := range count(t, "FAULT_F5", 8) {
		w.round(cycle+1, func() {
			time.Sleep(100 * time.Millisecond)
			began := time.Now()
			switch cycle % 4 {
			case 0:
				p.Latency(between(w.rng, 20*time.Millisecond, 200*time.Millisecond))
				time.Sleep(time.Second)
				p.Latency(0)
			case 1:
				p.Stall(true)
				time.Sleep(between(w.rng, 500*time.Millisecond, 8*time.Second)) // some statements are given up
				p.Stall(false)
			case 2:
				for range 3 {
					p.Reset()
					time.Sleep(between(w.rng, 20*time.Millisecond, 200*time.Millisecond))
				}
			case 3:
				p.Pace(2000)
				time.Sleep(time.Second)
				p.Pace(0)
			}
			w.ready()
			if cycle%4 == 1 {
				w.row.recovered(time.Since(began))
			}
			time.Sleep(100 * time.Millisecond)
		})
	}
	w.drain()
}

// elsewhere gives every hand another node, so that what has no answer is sent
// again to one that knows nothing of it.
func (w *world) elsewhere() {
	w.t.Helper()
	var alive []*node
	for _, n := range w.nodes {
		if n.alive() {
			alive = append(alive, n)
		}
	}
	require.NotEmpty(w.t, alive)
	at := w.rng.IntN(len(alive))
	for _, hand := range w.crew.hands {
		at = (at + 1) % len(alive)
		hand.base = alive[at].base()
	}
}
