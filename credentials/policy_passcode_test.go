package credentials_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestDefaultsFollowTheFieldsTheyDependOn(t *testing.T) {
	for _, c := range []struct {
		p                credentials.Policy
		alert, cap       int
		window           time.Duration
		ttl, reservation time.Duration
	}{
		{credentials.Policy{}, 10, 10, 24 * time.Hour, 24 * time.Hour, 10 * time.Minute},
		{credentials.Policy{PasscodeLock: 10}, 10, 1, 24 * time.Hour, 24 * time.Hour, 10 * time.Minute},
		{credentials.Policy{PasscodeLock: 55}, 10, 5, 24 * time.Hour, 24 * time.Hour, 10 * time.Minute},
		{credentials.Policy{PasscodeLock: 1000}, 10, 10, 24 * time.Hour, 24 * time.Hour, 10 * time.Minute},
		{credentials.Policy{PasscodeWindow: 48 * time.Hour}, 10, 10, 48 * time.Hour, 24 * time.Hour, 10 * time.Minute},
		{credentials.Policy{OneTimeTTL: time.Minute}, 10, 10, 24 * time.Hour, time.Minute, time.Minute},
	} {
		require.NoError(t, c.p.Validate())
		p := c.p.WithDefaults()
		require.Equal(t, c.alert, p.PasscodeAlert)
		require.Equal(t, c.cap, p.PasscodeSourceCap)
		require.Equal(t, c.window, p.PasscodeSourceWindow)
		require.Equal(t, c.ttl, p.OneTimeTTL)
		require.Equal(t, c.reservation, p.LoginReservation)
		require.GreaterOrEqual(t, p.PasscodeLock, 10*p.PasscodeSourceCap, "ten sources lock, fewer do not")
	}
}

func TestAPolicyBuildsTheLimitsOfSelfService(t *testing.T) {
	const hour = time.Hour
	var p credentials.Policy
	on := func(l credentials.Limit, ok bool) credentials.Limit {
		t.Helper()
		require.True(t, ok)
		return l
	}
	for _, c := range []struct{ got, want credentials.Limit }{
		{p.PasscodeLimit("acme", 3), credentials.Limit{Key: "passcode/4:acme/1:3", Max: 100, Window: 24 * hour}},
		{on(p.PasscodeSourceLimit("acme", "mac")), credentials.Limit{Key: "passcode-source/4:acme/3:mac", Max: 10, Window: 24 * hour}},
		{p.PasscodeSlowLimit("acme", "mac"), credentials.Limit{Key: "passcode-slow/4:acme/3:mac", Max: 1, Window: time.Minute}},
		{p.PasscodeExcessLimit("acme", 3), credentials.Limit{Key: "passcode-excess/4:acme/1:3", Max: math.MaxInt32, Window: 24 * hour}},
		{on(p.PasscodePaceLimit("mac")), credentials.Limit{Key: "passcode-pace/3:mac", Max: 5, Window: 15 * time.Minute}},
		{on(p.GlobalLimit("mdm.test")), credentials.Limit{Key: "global/8:mdm.test", Max: 50, Window: time.Second}},
		{p.MailboxLimit("acme", "mac"), credentials.Limit{Key: "mailbox/4:acme/3:mac", Max: 3, Window: hour}},
		{p.OneTimeBudgetLimit("acme", "usr", 2), credentials.Limit{Key: "one-time/4:acme/3:usr/1:2", Max: 10}},
		{on(p.OneTimePaceLimit("mac")), credentials.Limit{Key: "one-time-pace/3:mac", Max: 5, Window: 15 * time.Minute}},
	} {
		require.Equal(t, c.want, c.got)
		require.NoError(t, c.got.Validate())
	}

	const off = credentials.Off
	p = credentials.Policy{PasscodeAlert: off, PasscodeSourceCap: off, PasscodePace: off, GlobalPace: off, OneTimePace: off}
	require.NoError(t, p.Validate())
	for name, limit := range map[string]func() (credentials.Limit, bool){
		"source cap": func() (credentials.Limit, bool) { return p.PasscodeSourceLimit("acme", "mac") },
		"pace":       func() (credentials.Limit, bool) { return p.PasscodePaceLimit("mac") },
		"global":     func() (credentials.Limit, bool) { return p.GlobalLimit("mdm.test") },
		"one-time":   func() (credentials.Limit, bool) { return p.OneTimePaceLimit("mac") },
	} {
		_, ok := limit()
		require.False(t, ok, name)
	}
}

// door counts wrong passcodes as the policy means them to be counted.
type door struct {
	p        credentials.Policy
	counters map[string]credentials.Counter
}

// try spends what one wrong passcode of a source costs and reports whether it was
// compared.
func (d *door) try(source string, minute float64) bool {
	spend := func(l credentials.Limit) bool {
		next, ok, _ := d.counters[l.Key].Spend(l, at(minute))
		d.counters[l.Key] = next
		return ok
	}
	if d.locked(minute) {
		return false
	}
	if capped, on := d.p.PasscodeSourceLimit("acme", source); !on || spend(capped) {
		return spend(d.p.PasscodeLimit("acme", 1))
	}
	return spend(d.p.PasscodeSlowLimit("acme", source)) && spend(d.p.PasscodeExcessLimit("acme", 1))
}

func (d *door) locked(minute float64) bool {
	lock := d.p.PasscodeLimit("acme", 1)
	return d.counters[lock.Key].Left(lock, at(minute)) == 0
}

// T11: one outsider cannot close the door, ten can.
func TestOneSourceCannotLockThePasscodeAndTheConfiguredNumberCan(t *testing.T) {
	d := &door{counters: map[string]credentials.Counter{}}
	compared := 0
	for i := range 10_000 { // ten a minute
		if d.try("one", float64(i)/10) {
			compared++
		}
	}
	require.False(t, d.locked(1000))
	require.Equal(t, 10, d.counters[d.p.PasscodeLimit("acme", 1).Key].N, "what counts")
	excess := d.counters[d.p.PasscodeExcessLimit("acme", 1).Key].N
	require.Equal(t, compared, 10+excess, "what is shown")
	require.InDelta(t, 999, excess, 1, "one a minute")

	for source := range 9 {
		require.False(t, d.locked(1000))
		for range 10 {
			require.True(t, d.try(string(rune('a'+source)), 1000))
		}
	}
	require.True(t, d.locked(1000))
	require.False(t, d.try("fresh", 1000))
}

// Windows are fixed: a source that began before the lock's window counts twice in
// it. Even with the largest cap it stays short of the lock, whatever it does.
func TestOneSourceCannotLockAcrossTheEndOfItsWindow(t *testing.T) {
	for _, lock := range []int{10, 11, 100, 999, 1000} {
		p := credentials.Policy{PasscodeLock: lock, PasscodeSourceCap: lock / 2}
		require.NoError(t, p.Validate())
		d := &door{p: p, counters: map[string]credentials.Counter{}}
		// Somebody's slip, some other day, shifted the lock's window.
		const day = 24 * 60.0
		require.True(t, d.try("slip", -day+1))
		require.True(t, d.try("one", 0))
		for range 2 * lock {
			d.try("one", day-1)
		}
		for range 2 * lock {
			d.try("one", day)
		}
		require.False(t, d.locked(day), "lock %d", lock)
		require.Equal(t, 2*(lock/2)-1, d.counters[p.PasscodeLimit("acme", 1).Key].N, "the documented worst case")
	}
}

// A right try beyond the cap costs no time: only wrong ones are slow.
func TestARightPasscodeKeepsTheSlowSourceOpen(t *testing.T) {
	slow := credentials.Policy{}.PasscodeSlowLimit("acme", "office")
	var c credentials.Counter
	for range 200 {
		next, ok, _ := c.Spend(slow, at(0))
		require.True(t, ok)
		c = next.Refund()
	}
	c, ok, _ := c.Spend(slow, at(0))
	require.True(t, ok, "a wrong one")
	_, ok, retryAt := c.Spend(slow, at(0.5))
	require.False(t, ok)
	require.Equal(t, at(1), retryAt)
}
