//go:build fault

package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// F13: two nodes are restarted one after the other, again and again, while
// clients work on them through a balancer that hears of a restart a moment before
// it, and goes to the other node where a connection is refused. No request fails.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	w := newWorld(t, options{fault: "F13 rolling restart", kind: onPostgreSQL, nodes: 2, moody: true})
	front := w.balance()
	for cycle := range count(t, "FAULT_F13", 4) {
		w.round(cycle+1, func() {
			time.Sleep(200 * time.Millisecond)
			for _, n := range w.nodes {
				front.leave(n.base())
				time.Sleep(noticed)
				asked := time.Now()
				require.NoError(t, n.stop(), "a node that is asked to stop answers what it has and stops")
				w.again(n, asked)
				front.leave("")
				time.Sleep(between(w.rng, 50*time.Millisecond, 200*time.Millisecond))
			}
		})
	}
	// One that the kernel had taken in the node's name when it stopped listening:
	// its client had chosen the node before it left, and got no further meanwhile.
	w.row.note("%d of the connections that a node was closing were lost", w.history.count[unknown])
	require.Zero(t, w.history.unavailable, "answers of 503")
	require.LessOrEqual(t, w.history.count[unknown], count(t, "FAULT_F13", 4)*2)
	w.drain()
}

// F13: a node that is asked to stop under load stops without an error and leaves
// nothing half.
func TestANodeThatIsAskedToStopStopsInGoodOrder(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, options{fault: "F13 SIGTERM, " + kind, kind: kind, moody: true})
			n := w.nodes[0]
			for cycle := range count(t, "FAULT_F13", 4) {
				asked := time.Time{}
				w.round(cycle+1, func() {
					time.Sleep(between(w.rng, 50*time.Millisecond, 400*time.Millisecond))
					asked = time.Now()
					require.NoError(t, n.stop())
				})
				w.again(n, asked)
			}
			require.Zero(t, w.history.unavailable, "answers of 503")
			w.drain()
		})
	}
}

// noticed is how long before it stops a node leaves its balancer: what the
// reference server's -linger is for.
const noticed = 200 * time.Millisecond

// leave takes a node out of the balancer, or none.
func (b *balancer) leave(base string) { b.leaving.Store(base) }

// balance puts a balancer before the nodes, and lets every hand make a connection
// for each request.
func (w *world) balance() *balancer {
	front := &balancer{bases: w.bases()}
	front.leave("")
	for _, hand := range w.crew.hands {
		hand.front = front
		hand.http = clientWithoutReuse()
	}
	return front
}
