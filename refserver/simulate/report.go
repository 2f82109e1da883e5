package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report is what a run came to.
type Report struct {
	Seed     uint64
	People   int
	Devices  int
	Requests int
	Took     time.Duration

	// Stories counts the people by story, Events what happened, by its name.
	Stories, Events map[string]int
	// States counts the devices by the state that the simulator expects; those
	// that never enrolled are "none", those that were deleted "deleted".
	States map[string]int

	// Verified is how many rows of GET /slots were compared at the end.
	Verified int
	// Interrupted: the context ended first, and nothing was verified.
	Interrupted bool
	// Unexpected is everything that was not foreseen.
	Unexpected []Unexpected
}

// Unexpected is something that was not foreseen, and how often. It names no
// secret and nobody.
type Unexpected struct {
	Where string // the story and the verb
	What  string // the route, or what was compared
	Want  string
	Got   string
	Count int
}

func (u Unexpected) String() string {
	return fmt.Sprintf("%s: %s: got %s, want %s (%d×)", u.Where, u.What, u.Got, u.Want, u.Count)
}

// OK reports whether everything was as foreseen.
func (r Report) OK() bool { return len(r.Unexpected) == 0 }

// String is the report as a table.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Simulated %d people with %d devices, seed %d: %d requests in %v.\n",
		r.People, r.Devices, r.Seed, r.Requests, r.Took.Round(100*time.Millisecond))
	for _, part := range []struct {
		title string
		rows  map[string]int
	}{{"Stories", r.Stories}, {"What happened", r.Events}, {"Devices", r.States}} {
		fmt.Fprintf(&b, "\n%s\n", part.title)
		for _, key := range slices.Sorted(maps.Keys(part.rows)) {
			fmt.Fprintf(&b, "  %-36s %6d\n", key, part.rows[key])
		}
	}
	switch {
	case r.Interrupted:
		fmt.Fprintf(&b, "\nInterrupted: the Mobile devices view was not compared.\n")
	default:
		fmt.Fprintf(&b, "\nCompared with %d rows of the Mobile devices view.\n", r.Verified)
	}
	if r.OK() {
		b.WriteString("Nothing unexpected.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "\nUNEXPECTED: %d kinds\n", len(r.Unexpected))
	for _, u := range r.Unexpected {
		fmt.Fprintf(&b, "  %s\n", u)
	}
	return b.String()
}

// tally collects a report from many goroutines.
type tally struct {
	mu         sync.Mutex
	requests   int
	events     map[string]int
	surprises  map[Unexpected]int
	onSurprise func(Unexpected) // called once for each kind
}

func newTally(onSurprise func(Unexpected)) *tally {
	return &tally{events: map[string]int{}, surprises: map[Unexpected]int{}, onSurprise: onSurprise}
}

func (t *tally) request() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
}

func (t *tally) count(event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events[event]++
}

func (t *tally) unexpected(where, what, want, got string) {
	u := Unexpected{Where: where, What: what, Want: want, Got: got}
	t.mu.Lock()
	t.surprises[u]++
	first := t.surprises[u] == 1
	t.mu.Unlock()
	if first {
		t.onSurprise(u)
	}
}

// fill writes what was collected into r.
func (t *tally) fill(r *Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Requests, r.Events = t.requests, maps.Clone(t.events)
	r.Unexpected = nil
	for u, n := range t.surprises {
		u.Count = n
		r.Unexpected = append(r.Unexpected, u)
	}
	slices.SortFunc(r.Unexpected, func(a, b Unexpected) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.What, b.What), cmp.Compare(a.Got, b.Got))
	})
}
