package fault

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// entry is one request as its client saw it: a line of history.jsonl.
type entry struct {
	Cycle   int     `json:"cycle"`
	Hand    int     `json:"hand"`
	Op      string  `json:"op"`
	About   string  `json:"about"`
	Outcome outcome `json:"outcome"`
	Status  int     `json:"status,omitempty"`
	From    int64   `json:"from"` // microseconds since the start
	To      int64   `json:"to"`
}

// outcome is what a client knows of its request.
type outcome string

const (
	acknowledged outcome = "ok"       // answered as foreseen, and it changed something
	looked       outcome = "looked"   // answered as foreseen, and it changes nothing
	unsent       outcome = "unsent"   // nobody was there to take it
	unknown      outcome = "unknown"  // sent and not answered
	unforeseen   outcome = "unwanted" // answered in another way
)

// history is what all clients did, in the order of the answers.
type history struct {
	mu    sync.Mutex
	start time.Time
	out   io.Writer
	cycle int
	count map[outcome]int
	ops   map[string]int // acknowledged, by name
	found int            // unknown ones that had happened

	unavailable int      // of the unknown ones, those answered 503
	lossy       bool     // a unit that follows an answer may be lost, and nobody is told
	wrong       []string // what no client should ever see, and what is lost or there twice
}

func newHistory(out io.Writer) *history {
	return &history{start: time.Now(), out: out, count: map[outcome]int{}, ops: map[string]int{}}
}

func (h *history) note(hand int, o *op, result outcome, status int, from time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count[result]++
	if result == acknowledged {
		h.ops[o.name]++
	}
	line, err := json.Marshal(entry{
		h.cycle, hand, o.name, o.about, result, status, from.Sub(h.start).Microseconds(), time.Since(h.start).Microseconds(),
	})
	if err == nil {
		_, err = h.out.Write(append(line, '\n'))
	}
	if err != nil {
		h.wrong = append(h.wrong, "history: "+err.Error())
	}
}

// refused counts an answer of 503.
func (h *history) refused() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unavailable++
}

// fault notes what must not be.
func (h *history) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf("cycle %d: ", h.cycle)+fmt.Sprintf(format, args...))
}
