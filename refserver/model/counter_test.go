package model

import "time"

// counter is a number of tries within a window that begins with the first.
type counter struct {
	n     int
	start time.Time
}

// in returns what counts at now; without a window, everything does.
func (c counter) in(window time.Duration, now time.Time) counter {
	if c.n <= 0 || window > 0 && !now.Before(c.start.Add(window)) {
		return counter{}
	}
	return c
}

func (c counter) room(limit int, window time.Duration, now time.Time) bool {
	return c.in(window, now).n < limit
}

func (c *counter) spend(window time.Duration, now time.Time) {
	if *c = c.in(window, now); c.n == 0 {
		c.start = now
	}
	c.n++
}

func (c *counter) refund() { c.n = max(0, c.n-1) }

// counters are told apart by a name; one that is not there is zero.
type counters map[string]*counter

func (cs counters) of(name string) *counter {
	if cs[name] == nil {
		cs[name] = &counter{}
	}
	return cs[name]
}
