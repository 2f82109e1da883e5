//go:build fault

package fault

import (
	"testing"
	"time"
)

// F12: clocks of two nodes that jump by an hour, forth and back and apart, lose
// nothing, and give no guess back.
func TestClocksThatJumpByAnHourChangeNothing(t *testing.T) {
	w := newWorld(t, options{fault: "F12 clocks jump an hour", kind: onPostgreSQL, nodes: 2, moody: true, jumpy: true})
	for cycle := range count(t, "FAULT_F12", 6) {
		w.round(cycle+1, func() {
			for range 4 {
				for _, n := range w.nodes {
					w.setClock(n, time.Duration(w.rng.IntN(3)-1)*time.Hour)
				}
				time.Sleep(between(w.rng, 50*time.Millisecond, 200*time.Millisecond))
			}
		})
		w.elsewhere()
	}
	w.drain()
}

// F12: by a day, which is longer than answers are kept and devices may be silent,
// so that only the rules of the database are looked at. No budget grows.
func TestClocksThatJumpByADayBreakNoRule(t *testing.T) {
	w := newWorld(t, options{fault: "F12 clocks jump a day", kind: onPostgreSQL, nodes: 2, moody: true, jumpy: true})
	w.strangers = true
	for _, hand := range w.crew.hands {
		hand.stranger = true
	}
	for cycle := range count(t, "FAULT_F12", 6) {
		w.round(cycle+1, func() {
			for range 4 {
				for _, n := range w.nodes {
					w.setClock(n, time.Duration(w.rng.IntN(3)-1)*24*time.Hour)
				}
				time.Sleep(between(w.rng, 50*time.Millisecond, 200*time.Millisecond))
			}
		})
		for _, hand := range w.crew.hands {
			hand.pending = nil
		}
	}
	for _, n := range w.nodes {
		w.setClock(n, 0)
	}
	w.drain()
}
