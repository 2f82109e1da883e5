package credentials_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

// The figures are those of the threat model (guessing odds, recommended policy),
// which rounds to a tenth of a bit.
func TestOddsAreThoseOfTheThreatModel(t *testing.T) {
	const off = credentials.Off
	for _, c := range []struct {
		name   string
		attack credentials.Attack
		p      credentials.Policy
		users  int
		tries  float64
		log2   float64
	}{
		{"8 digits, budget 5", credentials.AttackPIN, credentials.Policy{PINBudget: 5}, 1, 5, -24.3},
		{"8 digits, budget 20", credentials.AttackPIN, credentials.Policy{}, 1, 20, -22.3},
		{"8 digits, budget 100", credentials.AttackPIN, credentials.Policy{PINBudget: 100}, 1, 100, -19.9},
		{"10 digits, budget 20", credentials.AttackPIN, credentials.Policy{PINDigits: 10}, 1, 20, -28.9},
		{"12 digits, budget 10", credentials.AttackPIN, credentials.Policy{PINDigits: 12, PINBudget: 10}, 1, 10, -36.5},
		{"site budget and slow tries", credentials.AttackPINSite, credentials.Policy{}, 10_000, 4620, -14.4},
		{"the same with 10 digits", credentials.AttackPINSite, credentials.Policy{PINDigits: 10}, 10_000, 4620, -21.0},
		{"suspended at the site budget", credentials.AttackPINSite, credentials.Policy{PINSiteSlow: off}, 10_000, 300, -18.3},
		{"a site without a budget is sprayed", credentials.AttackPINSite, credentials.Policy{PINSiteBudget: off}, 100, 2000, -15.6},
		{"a small site has fewer tries than its budget", credentials.AttackPINSite, credentials.Policy{}, 3, 60, math.Log2(60e-8)},
		{"spraying 100 users", credentials.AttackPINSpray, credentials.Policy{}, 100, 2000, -15.6},
		{"spraying 10,000 users", credentials.AttackPINSpray, credentials.Policy{}, 10_000, 2e5, math.Log2(0.002)},
		{"spraying 100,000 users", credentials.AttackPINSpray, credentials.Policy{}, 100_000, 2e6, math.Log2(0.02)},
		{"spraying 10,000 users, budget 100", credentials.AttackPINSpray, credentials.Policy{PINBudget: 100}, 10_000, 1e6, math.Log2(0.01)},
		{"spraying 10,000 users, 10 digits", credentials.AttackPINSpray, credentials.Policy{PINDigits: 10}, 10_000, 2e5, -15.6},
		{"six digits fall at fleet size", credentials.AttackPINSpray, credentials.Policy{PINDigits: 6}, 10_000, 2e5, math.Log2(0.18)},
		{"and at a large one for certain", credentials.AttackPINSpray, credentials.Policy{PINDigits: 6}, 100_000, 2e6, math.Log2(0.86)},
		{"and with a large budget", credentials.AttackPINSpray, credentials.Policy{PINDigits: 6, PINBudget: 100}, 10_000, 1e6, math.Log2(0.63)},
		{"one-time login", credentials.AttackOneTime, credentials.Policy{}, 1, 10, math.Log2(10) - 80},
		{"password of an invitation", credentials.AttackPassword, credentials.Policy{}, 1, 10_000, math.Log2(10_000) - 80},
	} {
		o := c.p.OddsFor(c.users).Of(c.attack)
		require.InEpsilon(t, c.tries, o.Tries, 1e-9, c.name)
		require.InDelta(t, c.log2, o.Log2(), 0.06, c.name)
	}
	site := credentials.Policy{}.Odds().Of(credentials.AttackPINSite)
	require.InEpsilon(t, 4.6e-5, site.Chance, 0.01)
	require.Equal(t, 30*24*time.Hour, site.Within)
	require.LessOrEqual(t, credentials.Policy{}.Odds().Of(credentials.AttackPIN).Log2(), -22.2)
}

// The threat model counts all 62^12 texts; a passcode is one of those with every
// class, which is 0.19 bits less.
func TestPasscodeOddsAreThoseOfTheThreatModelLessTheMissingClasses(t *testing.T) {
	classes := math.Log2(passcodeCount()) - 12*math.Log2(62)
	require.InDelta(t, -0.19, classes, 0.005)
	for _, c := range []struct {
		name   string
		attack credentials.Attack
		p      credentials.Policy
		sites  float64
		log2   float64
	}{
		{"at the lock", credentials.AttackPasscode, credentials.Policy{}, 1, -64.8},
		{"1e5 sites at 100/s without the e-mail binding", credentials.AttackPasscodeHost, credentials.Policy{GlobalPace: 100}, 1e5, -23.3},
		{"1e6 sites at 100/s", credentials.AttackPasscodeHost, credentials.Policy{GlobalPace: 100}, 1e6, -20.0},
		{"1e6 sites at 1,000/s", credentials.AttackPasscodeHost, credentials.Policy{GlobalPace: 1000}, 1e6, -16.6},
		{"with the binding at 50/s", credentials.AttackPasscodeHost, credentials.Policy{}, 1, math.Log2(50*365*86400) - 71.45},
	} {
		o := c.p.Odds().Of(c.attack)
		require.InDelta(t, c.log2, o.Log2()+math.Log2(c.sites)+classes, 0.06, c.name)
	}
}

// A guesser who never locks has the counted tries and what each spent cap leaves
// him; played against the counters, he does not get beyond the bound.
func TestOddsBoundThePatientGuesser(t *testing.T) {
	o := credentials.Policy{}.Odds().Of(credentials.AttackPasscodeQuiet)
	require.Equal(t, 365*99+float64(365*99/10)*1440, o.Tries)
	require.Less(t, o.Log2(), -48.0)

	for _, p := range []credentials.Policy{
		{PasscodeSlow: 10 * time.Minute},
		{PasscodeSlow: time.Hour, PasscodeLock: 20, PasscodeSourceCap: 3},
		{PasscodeSlow: time.Hour, PasscodeSourceWindow: 72 * time.Hour, PasscodeLock: 30},
	} {
		require.NoError(t, p.Validate())
		d := &door{p: p, counters: map[string]credentials.Counter{}}
		lock := p.PasscodeLimit("acme", 1)
		compared, days := 0, 12
		for minute := 0; minute < days*24*60; minute += 5 {
			for source := range 40 { // as much as each gives, before the next
				name := string(rune('a' + source))
				capped, _ := p.PasscodeSourceLimit("acme", name)
				for {
					counts := d.counters[capped.Key].Left(capped, at(float64(minute))) > 0
					if counts && d.counters[lock.Key].Left(lock, at(float64(minute))) == 1 {
						break // would lock
					}
					if !d.try(name, float64(minute)) {
						break
					}
					compared++
				}
			}
		}
		bound := p.Odds().Of(credentials.AttackPasscodeQuiet).Tries * float64(days) / 365
		require.False(t, d.locked(float64(days*24*60)))
		require.LessOrEqual(t, float64(compared), bound)
		require.Greater(t, float64(compared), bound*0.4, "the bound is not an idle one")
	}
}

func TestWhatNothingBoundsIsCertain(t *testing.T) {
	const off = credentials.Off
	o := credentials.Policy{GlobalPace: off}.Odds().Of(credentials.AttackPasscodeHost)
	require.True(t, math.IsInf(o.Tries, 1))
	require.Equal(t, 1.0, o.Chance)
	require.Contains(t, o.String(), "no bound 2^0.0")
	capless := credentials.Policy{PasscodeSourceCap: off}.Odds().Of(credentials.AttackPasscodeQuiet)
	require.Equal(t, 365*99.0, capless.Tries, "without a cap there are no slow tries")
	hasty := credentials.Policy{GlobalPace: 1, PasscodeSlow: time.Second}.Odds()
	require.Equal(t, 365*86400.0, hasty.Of(credentials.AttackPasscodeQuiet).Tries, "one site takes no more than its host")
	require.Zero(t, credentials.Policy{}.Odds().Of("other"))
}

func TestOddsOfEveryAttackMakeOneTable(t *testing.T) {
	for name, p := range map[string]credentials.Policy{
		"default": {},
		"wrong":   {PINDigits: -1, PINBudget: -1, PasscodeLock: -1, PasscodeWindow: 1, PINSiteSlow: -5},
	} {
		for _, users := range []int{-1, 0, 1, math.MaxInt32} {
			table := p.OddsFor(users)
			seen := map[credentials.Attack]bool{}
			for _, o := range table {
				require.False(t, seen[o.Attack], o.Attack)
				seen[o.Attack] = true
				require.Equal(t, o, table.Of(o.Attack))
				if name == "default" {
					require.True(t, o.Chance > 0 && o.Chance <= 1, o)
				}
			}
			require.Len(t, seen, 8)
			lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")
			require.Len(t, lines, 9)
			for _, line := range lines {
				require.Equal(t, strings.TrimRight(line, " "), line)
			}
		}
	}
}
