//go:build fault

package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// F13: two nodes are restarted one after the other, again and again, while
// clients work on them through a balancer that goes to the other node where a
// connection is refused. No request fails.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	w := newWorld(t, options{fault: "F13 rolling restart", kind: onPostgreSQL, nodes: 2, moody: true})
	w.balance()
	for cycle := range count(t, "FAULT_F13", 4) {
		w.round(cycle+1, func() {
			time.Sleep(200 * time.Millisecond)
			for _, n := range w.nodes {
				asked := time.Now()
				require.NoError(t, n.stop(), "a node that is asked to stop answers what it has and stops")
				w.again(n, asked)
				time.Sleep(between(w.rng, 50*time.Millisecond, 200*time.Millisecond))
			}
		})
	}
	// One that the kernel had taken in the node's name when it stopped listening.
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

// balance lets every hand go to another node where its own takes no connection,
// and makes a connection for each request.
func (w *world) balance() {
	for _, hand := range w.crew.hands {
		hand.others = w.bases()
		hand.http = clientWithoutReuse()
	}
}
