package credentials_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestALimitIsSpentTryByTry(t *testing.T) {
	const window, slow = 15 * time.Minute, 10 * time.Minute
	forever := credentials.Limit{Key: "k", Max: 2}
	paced := credentials.Limit{Key: "k", Max: 2, Window: window}
	slowly := credentials.Limit{Key: "k", Max: 2, Slow: slow}
	both := credentials.Limit{Key: "k", Max: 2, Window: 60 * time.Minute, Slow: slow}
	long := credentials.Limit{Key: "k", Max: 1, Window: 5 * time.Minute, Slow: slow}

	type try struct {
		at    float64 // minutes
		ok    bool
		retry float64 // minutes, -1 for never or not needed
		left  int     // after the try
	}
	for _, c := range []struct {
		name  string
		limit credentials.Limit
		tries []try
	}{
		{"a lifetime budget never comes back", forever, []try{
			{0, true, -1, 1}, {1, true, -1, 0}, {2, false, -1, 0}, {1e6, false, -1, 0},
		}},
		{"a window starts at the first try and starts anew when it has passed", paced, []try{
			{0, true, -1, 1}, {14, true, -1, 0}, {14, false, 15, 0}, {14.99, false, 15, 0}, {15, true, -1, 1}, {29, true, -1, 0}, {29.99, false, 30, 0},
		}},
		{"a clock that jumps back gives no try back", paced, []try{
			{0, true, -1, 1}, {5, true, -1, 0}, {-1000, false, 15, 0}, {-1e6, false, 15, 0}, {15, true, -1, 1},
		}},
		{"a first try under a fast clock holds its place until time catches up", paced, []try{
			{100, true, -1, 1}, {0, true, -1, 0}, {1, false, 115, 0}, {114, false, 115, 0}, {115, true, -1, 1},
		}},
		{"a slow limit takes one more per interval since the last", slowly, []try{
			{0, true, -1, 1}, {1, true, -1, 0}, {2, false, 11, 0}, {11, true, -1, 0}, {20, false, 21, 0}, {500, true, -1, 0}, {501, false, 510, 0},
		}},
		{"refusals do not push a slow try away", slowly, []try{
			{0, true, -1, 1}, {0, true, -1, 0}, {9, false, 10, 0}, {9.9, false, 10, 0}, {10, true, -1, 0},
		}},
		{"a clock that jumps back gives no slow try", slowly, []try{
			{0, true, -1, 1}, {0, true, -1, 0}, {10, true, -1, 0}, {-500, false, 20, 0}, {20, true, -1, 0},
		}},
		{"a slow limit is new again after its window", both, []try{
			{0, true, -1, 1}, {0, true, -1, 0}, {55, true, -1, 0}, {56, false, 60, 0}, {60, true, -1, 1},
		}},
		{"a window shorter than the interval ends the wait", long, []try{
			{0, true, -1, 0}, {1, false, 5, 0}, {5, true, -1, 0},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var counter credentials.Counter
			for i, try := range c.tries {
				next, ok, retryAt := counter.Spend(c.limit, at(try.at))
				require.Equal(t, try.ok, ok, "try %d", i)
				if try.retry < 0 {
					require.Zero(t, retryAt, "try %d", i)
				} else {
					require.Equal(t, at(try.retry), retryAt, "try %d", i)
				}
				if !ok {
					require.Equal(t, counter, next, "a refusal changes nothing")
				}
				counter = next
				require.Equal(t, try.left, counter.Left(c.limit, at(try.at)), "try %d", i)
			}
		})
	}
}

// Whatever the clock does, a lifetime budget is a count.
func TestABudgetIsExactUnderAnyClock(t *testing.T) {
	limit := credentials.Limit{Key: "k", Max: 20}
	var c credentials.Counter
	evaluated := 0
	for i := range 1000 {
		next, ok, retryAt := c.Spend(limit, at(float64((i*7919)%2003-1000)*1e4))
		require.Zero(t, retryAt)
		if ok {
			evaluated++
		}
		c = next
	}
	require.Equal(t, 20, evaluated)
	require.Equal(t, 20, c.N)
}

func TestARefundGivesOneTryBackAndNeverMore(t *testing.T) {
	limit := credentials.Limit{Key: "k", Max: 2}
	require.Equal(t, credentials.Counter{}, credentials.Counter{}.Refund())
	var c credentials.Counter
	for range 10 { // the right answer costs nothing
		next, ok, _ := c.Spend(limit, at(0))
		require.True(t, ok)
		c = next.Refund().Refund()
		require.Zero(t, c.N)
	}
	c, _, _ = c.Spend(limit, at(0))
	c, _, _ = c.Spend(limit, at(0))
	require.Equal(t, 0, c.Left(limit, at(0)))
	require.Equal(t, 1, c.Refund().Left(limit, at(0)))
}

func TestARefundedSlowTryKeepsThePace(t *testing.T) {
	limit := credentials.Limit{Key: "k", Max: 1, Slow: 10 * time.Minute}
	c, _, _ := credentials.Counter{}.Spend(limit, at(0))
	c, ok, _ := c.Spend(limit, at(10))
	require.True(t, ok)
	_, ok, retryAt := c.Refund().Spend(limit, at(11))
	require.False(t, ok)
	require.Equal(t, at(20), retryAt)
}

func TestALimitThatBoundsNothingRefusesEveryTry(t *testing.T) {
	for name, l := range map[string]credentials.Limit{
		"zero":            {},
		"no key":          {Max: 1},
		"long key":        {Key: strings.Repeat("k", 201), Max: 1},
		"no max":          {Key: "k"},
		"negative max":    {Key: "k", Max: -1},
		"negative window": {Key: "k", Max: 1, Window: -1},
		"negative slow":   {Key: "k", Max: 1, Slow: -1},
	} {
		require.ErrorIs(t, l.Validate(), credentials.ErrInvalidLimit, name)
		_, ok, retryAt := credentials.Counter{}.Spend(l, at(0))
		require.False(t, ok, name)
		require.Zero(t, retryAt, name)
		require.Zero(t, credentials.Counter{}.Left(l, at(0)), name)
	}
	require.NoError(t, credentials.Limit{Key: strings.Repeat("k", 200), Max: 1}.Validate())

	other := credentials.Counter{Key: "other"}
	_, ok, _ := other.Spend(credentials.Limit{Key: "k", Max: 1}, at(0))
	require.False(t, ok, "the counter of another key")
}

func TestAStoreMayForgetACounterWhenItsWindowHasPassed(t *testing.T) {
	paced := credentials.Limit{Key: "k", Max: 1, Window: 15 * time.Minute}
	c, _, _ := credentials.Counter{}.Spend(paced, at(0))
	require.Equal(t, at(15), paced.Expires(c))
	require.Equal(t, 1, c.Left(paced, paced.Expires(c)), "as new from then on")
	require.Equal(t, 0, c.Left(paced, paced.Expires(c).Add(-1)))
	require.Zero(t, credentials.Limit{Key: "k", Max: 1}.Expires(c), "a lifetime budget: never")
}
