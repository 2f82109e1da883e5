package linear

import "slices"

// Model is what a register may do. Make it with [Register], [Budget] or [Once].
type Model struct {
	name  string
	first any // the state of a new register; states are compared with ==
	// prepare adds to the calls of one register what only the whole history
	// tells, and leaves out those that say nothing.
	prepare func(calls []Call) []move
	// step returns the states that a move may lead to; none: it cannot be.
	step func(state any, m move) []any
}

// move is one call with what the rest of the history says of it.
type move struct {
	Call
	orphans []string // ids that were seen and that no answered Send made
	crowd   int      // others that may have held a place of the budget meanwhile
}

func (m move) open() bool { return m.To == 0 }

// lost is the one that an unanswered Send made and nobody ever saw.
const lost = "\x00lost"

// Register is the model of what is active at most once: [Send], [Deactivate],
// [Disable], [Enroll] and [Active]. A new register has none.
func Register() Model {
	return Model{name: "register", first: "", prepare: prepareRegister, step: stepRegister}
}

func prepareRegister(calls []Call) []move {
	var seen, made []string
	for _, c := range calls {
		switch {
		case c.In.Op == Send && c.To != 0:
			made = append(made, c.Out.ID)
		case c.In.Op == Active:
			seen = append(seen, c.Out.ID)
		default:
			seen = append(seen, c.In.ID)
		}
	}
	slices.Sort(seen)
	orphans := slices.DeleteFunc(slices.Compact(seen), func(id string) bool {
		return id == "" || slices.Contains(made, id)
	})
	var moves []move
	for _, c := range calls {
		// What only looks, and was not answered, says nothing.
		if c.To == 0 && (c.In.Op == Enroll || c.In.Op == Active) {
			continue
		}
		moves = append(moves, move{Call: c, orphans: orphans})
	}
	return moves
}

func stepRegister(state any, m move) []any {
	active := state.(string)
	legal := false
	switch m.In.Op {
	case Send:
		if !m.open() {
			return []any{m.Out.ID}
		}
		next := []any{lost}
		for _, id := range m.orphans {
			next = append(next, id)
		}
		return next
	case Disable:
		return []any{""}
	case Deactivate:
		if active == m.In.ID {
			return []any{""}
		}
		legal = true
	case Enroll:
		legal = m.Out.OK == (active == m.In.ID)
	case Active:
		legal = m.Out.ID == active
	}
	if !legal {
		return nil
	}
	return []any{state}
}

// Budget is the model of a secret that survives limit wrong tries: [Try] and
// [Left]. A new register has spent nothing.
//
// A right try holds one place while it is under way and gives it back, so that a
// try beside it may find the budget full though it is not: as many places are
// allowed for as others may have held. One that was cut off may keep its place
// for good.
func Budget(limit int) Model {
	return Model{
		name: "budget", first: 0, prepare: crowded,
		step: func(state any, m move) []any { return stepBudget(limit, state.(int), m) },
	}
}

func stepBudget(limit, spent int, m move) []any {
	full := spent+m.crowd >= limit
	room := spent < limit
	var next []any
	switch {
	case m.In.Op == Left:
		left := max(0, limit-spent)
		if m.Out.N <= left && m.Out.N >= max(0, left-m.crowd) {
			next = append(next, spent)
		}
	case m.In.Op != Try:
	case m.open():
		next = append(next, spent) // refused, or given back
		if room {
			next = append(next, spent+1) // counted, or left counted
		}
	case m.Out.OK:
		if m.In.Right && room && m.Out.Compared != NotCompared {
			next = append(next, spent)
		}
	case m.In.Right:
		if full && m.Out.Compared != WasCompared {
			next = append(next, spent)
		}
	default:
		if room && m.Out.Compared != NotCompared {
			next = append(next, spent+1)
		}
		if full && m.Out.Compared != WasCompared {
			next = append(next, spent)
		}
	}
	return next
}

// Once is the model of what lets one in: [Use]. Whoever was let in may come
// again by the same ID. limit is how many may be on their way at once before
// one is turned away for that: the budget of a one-time login.
func Once(limit int) Model {
	return Model{
		name: "once", first: "", prepare: crowded,
		step: func(state any, m move) []any { return stepOnce(limit, state.(string), m) },
	}
}

func stepOnce(limit int, winner string, m move) []any {
	mine := winner == "" || winner == m.In.ID
	var next []any
	switch {
	case m.In.Op != Use:
	case m.open():
		next = append(next, winner)
		if winner == "" {
			next = append(next, m.In.ID)
		}
	case m.Out.OK:
		if mine {
			next = append(next, m.In.ID)
		}
	case !mine || m.crowd >= limit:
		next = append(next, winner)
	}
	return next
}

// crowded counts for each call the others that may have held a place at the same
// time: right ones that overlap it, and those before it that were cut off.
func crowded(calls []Call) []move {
	moves := make([]move, len(calls))
	for i, c := range calls {
		moves[i] = move{Call: c}
		for k, other := range calls {
			holds := other.In.Right || other.In.Op == Use
			if k == i || !holds || c.To != 0 && other.From > c.To {
				continue
			}
			if other.To == 0 || other.To > c.From {
				moves[i].crowd++
			}
		}
	}
	return moves
}
