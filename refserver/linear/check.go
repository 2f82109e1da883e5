package linear

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Timeout is how long a check may take before it has failed.
const Timeout = 10 * time.Second

// What is wrong with a history.
var (
	// ErrNotLinearizable: no machine that does one thing at a time could have
	// answered so.
	ErrNotLinearizable = errors.New("linear: not linearizable")
	// ErrUndecided: the check took too long to say.
	ErrUndecided = errors.New("linear: undecided")
)

// Report counts what was checked.
type Report struct {
	Histories int // one for each register
	Calls     int
	Unknown   int // calls without an answer
	Undecided int // histories
}

// Add sums up reports.
func (r Report) Add(other Report) Report {
	return Report{
		r.Histories + other.Histories, r.Calls + other.Calls,
		r.Unknown + other.Unknown, r.Undecided + other.Undecided,
	}
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d histories of %d calls (%d without an answer) checked, %d undecided",
		r.Histories, r.Calls, r.Unknown, r.Undecided)
}

// Check checks each register of a history by itself, all of them within timeout.
// It returns an error that wraps [ErrNotLinearizable] and tells the calls of the
// registers that are wrong, or one that wraps [ErrUndecided].
func (h *History) Check(m Model, timeout time.Duration) (Report, error) {
	deadline := time.Now().Add(timeout)
	registers := map[string][]Call{}
	var names []string
	for _, c := range h.Calls() {
		if registers[c.In.Register] == nil {
			names = append(names, c.In.Register)
		}
		registers[c.In.Register] = append(registers[c.In.Register], c)
	}
	var report Report
	var errs []error
	for _, name := range names {
		calls := registers[name]
		one := Report{Histories: 1, Calls: len(calls)}
		for _, c := range calls {
			if c.To == 0 {
				one.Unknown++
			}
		}
		err := m.check(name, calls, time.Until(deadline))
		if errors.Is(err, ErrUndecided) {
			one.Undecided++
		}
		if err != nil {
			errs = append(errs, err)
		}
		report = report.Add(one)
	}
	return report, errors.Join(errs...)
}

// check is the check of one register.
func (m Model) check(register string, calls []Call, timeout time.Duration) error {
	if timeout <= 0 { // porcupine takes 0 for no limit
		return fmt.Errorf("%w: %s %s: no time left", ErrUndecided, m.name, register)
	}
	moves := m.prepare(calls)
	var end int64
	for _, c := range calls {
		end = max(end, c.From, c.To)
	}
	ops := make([]porcupine.Operation, len(moves))
	for i, move := range moves {
		ops[i] = porcupine.Operation{ClientId: i, Input: move, Call: move.From, Return: move.To}
		if move.open() {
			end++
			ops[i].Return = end
		}
	}
	model := (&porcupine.NondeterministicModel{
		Init:  func() []any { return []any{m.first} },
		Step:  func(state, input, _ any) []any { return m.step(state, input.(move)) },
		Equal: func(a, b any) bool { return a == b },
	}).ToModel()
	result, info := porcupine.CheckOperationsVerbose(model, ops, timeout)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("%w: %s %s: %d calls", ErrUndecided, m.name, register, len(calls))
	}
	return fmt.Errorf("%w: %s %s:\n%s", ErrNotLinearizable, m.name, register, tell(moves, info))
}

// tellAtMost is how many calls an error tells.
const tellAtMost = 40

// tell writes the calls up to the first that fits nowhere, with a mark at those
// that were not placed by the longest attempt.
func tell(moves []move, info porcupine.LinearizationInfo) string {
	placed := map[int]bool{}
	longest := 0
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, attempt := range partition {
			if len(attempt) <= longest {
				continue
			}
			longest = len(attempt)
			clear(placed)
			for _, op := range attempt {
				placed[op.ClientId] = true
			}
		}
	}
	first := 0
	for first < len(moves) && placed[first] {
		first++
	}
	from, to := max(0, first-tellAtMost/2), min(len(moves), first+tellAtMost/2)
	var b strings.Builder
	for i := from; i < to; i++ {
		mark := "    "
		if !placed[i] {
			mark = "  ? "
		}
		fmt.Fprintf(&b, "%s%s\n", mark, moves[i])
	}
	return b.String()
}
