package linear

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Op is what a client asked for. Each model says which it knows.
type Op string

// The operations of a [Register].
const (
	Send       Op = "send"       // make a new one active; the answer's ID says which
	Deactivate Op = "deactivate" // end the one named by ID; ending it twice is no error
	Disable    Op = "disable"    // end whichever is active
	Enroll     Op = "enroll"     // use the one named by ID; OK says whether it worked
	Active     Op = "active"     // the answer's ID says which is active, "" that none is
)

// The operations of a [Budget].
const (
	Try  Op = "try"  // Right says whether the secret was; OK whether it was taken
	Left Op = "left" // the answer's N says how many wrong tries are left
)

// Use is the operation of [Once]: ID is the client's enrollment id, and OK says
// whether it was let in.
const Use Op = "use"

// Input is what a client sent.
type Input struct {
	// Register names what the call is about: no two share anything.
	Register string `json:"register"`
	Op       Op     `json:"op"`
	ID       string `json:"id,omitempty"`
	Right    bool   `json:"right,omitempty"`
}

// Output is what a client was answered. The zero value is a refusal.
type Output struct {
	OK bool   `json:"ok,omitempty"`
	ID string `json:"id,omitempty"`
	N  int    `json:"n,omitempty"`
	// Compared says whether a try was compared, where one can see it. From
	// outside one cannot: wrong, burnt and unknown look alike.
	Compared Compared `json:"compared,omitempty"`
}

// Compared is what is known of a try.
type Compared string

// Whether a try was compared.
const (
	NotKnown    Compared = ""
	WasCompared Compared = "yes"
	NotCompared Compared = "no"
)

// Call is one call as its client saw it. From and To are places in the order of
// all beginnings and ends of the history; To is 0 while it is open.
type Call struct {
	Client int    `json:"client"`
	From   int64  `json:"from"`
	To     int64  `json:"to,omitempty"`
	In     Input  `json:"in"`
	Out    Output `json:"out,omitzero"`
}

// History is what all clients did. The zero value is empty and ready; it is safe
// for concurrent use.
type History struct {
	mu    sync.Mutex
	clock int64
	calls []*Call // nil: dropped
}

// Open is a call that has not been answered yet.
type Open struct {
	history *History
	at      int
}

// Begin notes a call before it is sent.
func (h *History) Begin(client int, in Input) Open {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	h.calls = append(h.calls, &Call{Client: client, From: h.clock, In: in})
	return Open{history: h, at: len(h.calls) - 1}
}

// End notes the answer after it has come. Only the first End of a call counts.
func (o Open) End(out Output) {
	o.history.mu.Lock()
	defer o.history.mu.Unlock()
	if call := o.history.calls[o.at]; call != nil && call.To == 0 {
		o.history.clock++
		call.To, call.Out = o.history.clock, out
	}
}

// Drop forgets a call that certainly had no effect.
func (o Open) Drop() {
	o.history.mu.Lock()
	defer o.history.mu.Unlock()
	o.history.calls[o.at] = nil
}

// Calls returns a copy of what has been noted, in the order of the beginnings.
func (h *History) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []Call
	for _, call := range h.calls {
		if call != nil {
			list = append(list, *call)
		}
	}
	return list
}

// WriteTo writes the history as JSON Lines. It holds ids and no secrets, as long
// as its registers and ids are none.
func (h *History) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for _, call := range h.Calls() {
		line, err := json.Marshal(call)
		if err != nil {
			return total, fmt.Errorf("linear: %w", err)
		}
		n, err := w.Write(append(line, '\n'))
		total += int64(n)
		if err != nil {
			return total, fmt.Errorf("linear: %w", err)
		}
	}
	return total, nil
}

// ReadHistory reads what [History.WriteTo] wrote.
func ReadHistory(r io.Reader) (*History, error) {
	h := &History{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var call Call
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			return nil, fmt.Errorf("linear: line %d: %w", len(h.calls)+1, err)
		}
		if call.From <= 0 || call.To != 0 && call.To <= call.From {
			return nil, errors.New("linear: a call that ends before it begins")
		}
		h.calls = append(h.calls, &call)
		h.clock = max(h.clock, call.From, call.To)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	slices.SortFunc(h.calls, func(a, b *Call) int { return int(a.From - b.From) })
	return h, nil
}

// String is the call in one line.
func (c Call) String() string {
	in, out := string(c.In.Op), "refused"
	if c.In.Op == Try {
		in = "try a wrong one"
		if c.In.Right {
			in = "try the right one"
		}
	}
	if c.In.ID != "" {
		in += " " + c.In.ID
	}
	switch {
	case c.To == 0:
		out = "unknown"
	case c.In.Op == Left:
		out = fmt.Sprint(c.Out.N)
	case c.In.Op == Active:
		out = "none"
		if c.Out.ID != "" {
			out = c.Out.ID
		}
	case c.Out.OK:
		out = "ok"
		if c.Out.ID != "" {
			out += " " + c.Out.ID
		}
	}
	switch c.Out.Compared {
	case WasCompared:
		out += ", compared"
	case NotCompared:
		out += ", not compared"
	}
	return fmt.Sprintf("[%d-%d] client %d: %s: %s", c.From, c.To, c.Client, in, out)
}
