//go:build fault

package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// F1: a node that is killed at any moment loses nothing that it acknowledged,
// does nothing by half, and does what is repeated once.
func TestAKilledNodeKeepsItsWord(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, options{fault: "F1 SIGKILL of the node, " + kind, kind: kind})
			n := w.nodes[0]
			for cycle := range count(t, "FAULT_F1", 10) {
				killed := time.Time{}
				w.round(cycle+1, func() {
					time.Sleep(between(w.rng, 50*time.Millisecond, 800*time.Millisecond))
					n.kill()
					killed = time.Now()
				})
				w.again(n, killed)
			}
			w.drain()
		})
	}
}

// F3: PostgreSQL itself is killed, with all its processes.
func TestAKilledPostgreSQLKeepsItsWord(t *testing.T) {
	w := newWorld(t, options{fault: "F3 SIGKILL of PostgreSQL", kind: onPostgreSQL, own: true})
	for cycle := range count(t, "FAULT_F3", 6) {
		w.round(cycle+1, func() {
			time.Sleep(between(w.rng, 50*time.Millisecond, 800*time.Millisecond))
			require.NoError(t, w.place.cluster.Kill())
			killed := time.Now()
			require.NoError(t, w.place.cluster.Restart())
			w.ready()
			w.row.recovered(time.Since(killed))
		})
	}
	w.drain()
}
