package credentials

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// OddsUsers is the size of the site for which [Policy.Odds] computes.
const OddsUsers = 10_000

// year is the time for which odds without a bound of their own are given.
const year = 365 * day

// Attack names one way of guessing. Its text does not change.
type Attack string

// The attacks whose odds are computed. In all of them the attacker has any
// number of sources and knows every e-mail address and every user name.
const (
	// AttackPIN tries one PIN until its budget is spent.
	AttackPIN Attack = "pin"

	// AttackPINSite tries any PIN of a site as fast as the site's budget and its
	// slow tries allow, for one PINSiteWindow.
	AttackPINSite Attack = "pin-site"

	// AttackPINSpray spends the budget of every PIN of a site, as if there were no
	// site budget.
	AttackPINSpray Attack = "pin-spray"

	// AttackPasscode tries the passcode of a site from as many sources as fill its
	// lock at once.
	AttackPasscode Attack = "passcode"

	// AttackPasscodeQuiet stays just below the lock for a year and uses the slow
	// tries of every source that has spent its cap.
	AttackPasscodeQuiet Attack = "passcode-quiet"

	// AttackPasscodeHost tries all sites of a host under its global ceiling for a
	// year, whatever their locks do. A passcode opens only a site that has the
	// e-mail address it came with, so that the number of sites does not help; an
	// address of k sites has k times the chance.
	AttackPasscodeHost Attack = "passcode-host"

	// AttackOneTime tries one one-time login until its budget is spent.
	AttackOneTime Attack = "one-time"

	// AttackPassword tries the one-time password of one invitation until the budget
	// of wrong ones is spent.
	AttackPassword Attack = "password"
)

// Odds is what a [Policy] leaves to one [Attack].
type Odds struct {
	Attack Attack

	// Target says in words what is guessed.
	Target string

	// Within is the time the tries are for; zero means for ever.
	Within time.Duration

	// Bits is the base-2 logarithm of how many values the secret can have, all
	// equally likely.
	Bits float64

	// Tries is the most that can be compared; infinite if nothing bounds it.
	Tries float64

	// Chance is the probability that one of them is right.
	Chance float64
}

// Log2 returns the chance as an exponent of two: -22.3 for 2^-22.3.
func (o Odds) Log2() float64 { return math.Log2(o.Chance) }

// String returns one line of the table, without its alignment.
func (o Odds) String() string { return strings.Join(o.cells(), " ") }

// OddsTable is one row per attack; it prints itself with a heading.
type OddsTable []Odds

// Of returns the row of an attack, or the zero Odds if there is none.
func (t OddsTable) Of(a Attack) Odds {
	for _, o := range t {
		if o.Attack == a {
			return o
		}
	}
	return Odds{}
}

// String returns the table as aligned text, one line per row.
func (t OddsTable) String() string {
	rows := [][]string{{"guessing", "within", "space", "tries", "chance", ""}}
	for _, o := range t {
		rows = append(rows, o.cells())
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if i < 2 { // words to the left, numbers to the right
				line += fmt.Sprintf("%-*s  ", widths[i], cell)
				continue
			}
			line += fmt.Sprintf("%*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// Odds returns [Policy.OddsFor] a site of [OddsUsers] users.
func (p Policy) Odds() OddsTable { return p.OddsFor(OddsUsers) }

// OddsFor computes, for a site with that many users, what p leaves to a guesser.
// The tries are upper bounds; p should be valid. They do not rely on the paces
// per source and per address, which only slow an attacker who has many of both.
func (p Policy) OddsFor(users int) OddsTable {
	p = p.WithDefaults()
	users = max(users, 1)
	var (
		pins      = math.Pow10(p.PINDigits)
		budget    = float64(p.PINBudget)
		sprayed   = budget * float64(users)
		passcodes = passcodeSpace()
		logins    = math.Pow(float64(len(crockford)), OneTimePasswordLength)
		perLogin  = float64(p.OneTimeBudget)
	)
	return OddsTable{
		odds(AttackPIN, "one PIN", 0, pins, budget, budget),
		odds(AttackPINSite, fmt.Sprintf("any PIN of %d users", users), p.PINSiteWindow, pins, min(p.sitePINTries(), sprayed), budget),
		odds(AttackPINSpray, "the same without a site budget", 0, pins, sprayed, budget),
		odds(AttackPasscode, "a passcode until it locks", p.PasscodeWindow, passcodes, float64(p.PasscodeLock), 1),
		odds(AttackPasscodeQuiet, "a passcode below its lock", year, passcodes, min(p.quietTries(), p.hostTries()), 1),
		odds(AttackPasscodeHost, "any passcode of a host", year, passcodes, p.hostTries(), 1),
		odds(AttackOneTime, "a one-time login", p.OneTimeTTL, logins, perLogin, perLogin),
		odds(AttackPassword, "an invitation's password", 0, logins, PasswordBudget, PasswordBudget),
	}
}

// sitePINTries bounds the wrong PINs a site takes in one window of its budget.
func (p Policy) sitePINTries() float64 {
	if p.PINSiteBudget == Off {
		return math.Inf(1)
	}
	tries := float64(p.PINSiteBudget)
	if p.PINSiteSlow != Off {
		tries += math.Floor(float64(p.PINSiteWindow) / float64(p.PINSiteSlow))
	}
	return tries
}

// quietTries bounds the wrong passcodes a site takes in a year without locking:
// one try less than the lock in every window, and for each cap's worth of them
// the slow tries of one source until its own window ends.
func (p Policy) quietTries() float64 {
	counted := math.Ceil(float64(year)/float64(p.PasscodeWindow)) * float64(p.PasscodeLock-1)
	if p.PasscodeSourceCap == Off {
		return counted
	}
	slow := math.Ceil(float64(p.PasscodeSourceWindow) / float64(p.PasscodeSlow))
	return counted + math.Floor(counted/float64(p.PasscodeSourceCap))*slow
}

// hostTries bounds the passcodes a host compares in a year.
func (p Policy) hostTries() float64 {
	if p.GlobalPace == Off {
		return math.Inf(1)
	}
	return float64(p.GlobalPace) * year.Seconds()
}

// odds fills a row: tries in all, of which each may go to the same secret.
func odds(a Attack, target string, within time.Duration, space, tries, each float64) Odds {
	// Tries at one secret exclude values; tries at different ones are independent.
	// With a space of 2^71, 1-(1-p)^n would be zero without log1p and expm1.
	chance := 1.0
	if each < space {
		chance = -math.Expm1(tries / each * math.Log1p(-each/space))
	}
	return Odds{Attack: a, Target: target, Within: within, Bits: math.Log2(space), Tries: tries, Chance: chance}
}

// cells returns the row as text.
func (o Odds) cells() []string {
	within := o.Within.String()
	switch {
	case o.Within == 0:
		within = "for ever"
	case o.Within == year:
		within = "a year"
	case o.Within >= 2*day && o.Within%day == 0:
		within = fmt.Sprintf("%d days", o.Within/day)
	case o.Within%time.Hour == 0:
		within = fmt.Sprintf("%d h", o.Within/time.Hour)
	}
	tries := fmt.Sprintf("%.0f", o.Tries)
	switch {
	case math.IsInf(o.Tries, 1):
		tries = "no bound"
	case o.Tries >= 1e6:
		tries = fmt.Sprintf("%.2g", o.Tries)
	}
	return []string{
		o.Target, within, fmt.Sprintf("2^%.1f", o.Bits), tries, fmt.Sprintf("2^%.1f", o.Log2()), fmt.Sprintf("%.1e", o.Chance),
	}
}
