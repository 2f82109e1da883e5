//go:build fault

package fault

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// failpoints are the places at which a node can be told to die, and how often it
// may come there before it does.
var failpoints = []struct {
	name string
	most int
}{
	{"before-begin", 30}, {"after-begin", 30}, {"statement", 200}, {"before-commit", 30}, {"after-commit", 30},
	{"after-spend", 4}, {"after-try", 4}, {"before-send", 4}, {"after-send", 4},
}

// F2: a node that dies around a commit, between a try and its comparison, or
// around the hand-over of a mail keeps its word as well.
func TestANodeThatDiesAtACommitKeepsItsWord(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, options{fault: "F2 SIGKILL at a point, " + kind, kind: kind})
			n := w.nodes[0]
			n.kill()
			w.fragile = true
			cycle, missed := 0, []string{}
			for range count(t, "FAULT_F2", 2) {
				for _, point := range failpoints {
					cycle++
					armed := fmt.Sprintf("ENROLLKIT_FAILPOINT=%s:%d", point.name, 1+w.rng.IntN(point.most))
					if w.burnt() {
						w.start(n)
						w.newPINs()
						n.kill()
					}
					w.launch(n, armed)
					if !w.readyOrDead(n) {
						w.start(n) // it died while it started
					}
					w.round(cycle, func() {
						select {
						case <-n.ended:
						case <-time.After(2 * time.Second):
							missed = append(missed, point.name) // nobody came there so often
						}
						n.kill()
					})
				}
			}
			w.fragile = false
			w.start(n)
			w.row.note("%d of them came to their point", cycle-len(missed))
			if len(missed) > 0 {
				t.Logf("not reached in time: %s", strings.Join(missed, ", "))
			}
			if len(missed) > cycle/2 {
				t.Errorf("%d of %d points were not reached", len(missed), cycle)
			}
			w.drain()
		})
	}
}
