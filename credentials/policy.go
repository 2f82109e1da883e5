package credentials

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Off turns a pace of a [Policy] off. Zero cannot say that: it means the default.
const Off = -1

// ErrInvalidPolicy is what every [PolicyError] unwraps to.
var ErrInvalidPolicy = errors.New("credentials: invalid policy")

// Policy holds the numbers of one site. The zero value is the recommended
// policy: a field left at zero means its default, and [Off] turns off those that
// can be. The defaults come from the threat model's guessing odds: whatever the
// number of sources, a guesser has at most 2^-22 per PIN, for ever.
type Policy struct {
	// PINDigits is the length of new PINs. Defaults to DefaultPINDigits; 8 to 12.
	PINDigits int

	// PINBudget is how many wrong tries one PIN survives in its whole life. Then
	// the PIN is burnt; link and QR code go on. Defaults to 20; 1 to 100, the
	// maximum of NIST SP 800-63B. It cannot be turned off: only a lifetime budget
	// bounds a guesser who has time.
	PINBudget int

	// PINPace is how many wrong tries one e-mail address, known or not, may cost
	// in PINPaceWindow. Defaults to 5; 1 to 1000 or Off.
	PINPace int

	// PINPaceWindow defaults to 15 minutes; a second to 24 hours.
	PINPaceWindow time.Duration

	// SourcePace is how many failures one source network may cause in
	// SourceWindow. Defaults to 10; 1 to 100000 or Off.
	SourcePace int

	// SourceWindow defaults to 15 minutes; a second to 24 hours.
	SourceWindow time.Duration

	// PINSiteBudget is how many wrong PINs a whole site takes in PINSiteWindow
	// before it slows down, against one PIN sprayed over many users. Defaults to
	// 300; 1 to 1000000 or Off.
	PINSiteBudget int

	// PINSiteWindow defaults to 30 days; a second to 366 days.
	PINSiteWindow time.Duration

	// PINSiteSlow is the time between two tries once PINSiteBudget is spent.
	// Defaults to 10 minutes; a second to 24 hours, or Off: no further try until
	// the window ends.
	PINSiteSlow time.Duration

	// PINAlert is the number of wrong tries on one PIN at which administrators
	// are told. Defaults to 5; 1 to PINBudget, or Off.
	PINAlert int
}

// PolicyError says which field of a [Policy] is out of bounds. It unwraps to
// [ErrInvalidPolicy]. Durations are given in nanoseconds.
type PolicyError struct {
	Field           string // the name of the field, "PINDigits"
	Value, Min, Max int64
}

// Error names the field, its value and its bounds.
func (e *PolicyError) Error() string {
	return fmt.Sprintf("credentials: policy: %s is %d, want %d to %d", e.Field, e.Value, e.Min, e.Max)
}

// Unwrap returns [ErrInvalidPolicy].
func (e *PolicyError) Unwrap() error { return ErrInvalidPolicy }

// WithDefaults returns p with every zero field replaced by its default. It does
// not correct fields that are out of bounds.
func (p Policy) WithDefaults() Policy {
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&p.PINDigits, DefaultPINDigits)
	orInt(&p.PINBudget, 20)
	orInt(&p.PINPace, 5)
	orTime(&p.PINPaceWindow, 15*time.Minute)
	orInt(&p.SourcePace, 10)
	orTime(&p.SourceWindow, 15*time.Minute)
	orInt(&p.PINSiteBudget, 300)
	orTime(&p.PINSiteWindow, 30*24*time.Hour)
	orTime(&p.PINSiteSlow, 10*time.Minute)
	orInt(&p.PINAlert, min(5, max(p.PINBudget, 1)))
	return p
}

// Validate checks every field against its bounds, defaults applied. It returns
// nil or the [PolicyError] of each wrong field, joined.
func (p Policy) Validate() error {
	p = p.WithDefaults()
	const day = 24 * time.Hour
	var errs []error
	check := func(field string, value, lo, hi int64, canBeOff bool) {
		if (value < lo || value > hi) && !(canBeOff && value == Off) {
			errs = append(errs, &PolicyError{field, value, lo, hi})
		}
	}
	check("PINDigits", int64(p.PINDigits), MinPINDigits, MaxPINDigits, false)
	check("PINBudget", int64(p.PINBudget), 1, 100, false)
	check("PINPace", int64(p.PINPace), 1, 1000, true)
	check("PINPaceWindow", int64(p.PINPaceWindow), int64(time.Second), int64(day), false)
	check("SourcePace", int64(p.SourcePace), 1, 100_000, true)
	check("SourceWindow", int64(p.SourceWindow), int64(time.Second), int64(day), false)
	check("PINSiteBudget", int64(p.PINSiteBudget), 1, 1_000_000, true)
	check("PINSiteWindow", int64(p.PINSiteWindow), int64(time.Second), int64(366*day), false)
	check("PINSiteSlow", int64(p.PINSiteSlow), int64(time.Second), int64(day), true)
	check("PINAlert", int64(p.PINAlert), 1, int64(max(p.PINBudget, 1)), true)
	return errors.Join(errs...)
}

// PINBudgetLimit returns the lifetime budget of one PIN: the generation-th PIN of
// an owner, normally an invitation's id. A new generation has a new budget.
func (p Policy) PINBudgetLimit(site, owner string, generation int) Limit {
	p = p.WithDefaults()
	return Limit{Key: limitKey("pin", site, owner, strconv.Itoa(generation)), Max: p.PINBudget}
}

// PINPaceLimit returns the pace of one e-mail address, or false when it is off.
// addressKey stands for the canonical address and must not be the address: use a
// MAC of [PurposeEmail].
func (p Policy) PINPaceLimit(addressKey string) (Limit, bool) {
	p = p.WithDefaults()
	return Limit{Key: limitKey("pin-pace", addressKey), Max: p.PINPace, Window: p.PINPaceWindow}, p.PINPace != Off
}

// SourceLimit returns the pace of one source network (an IPv4 address, an IPv6
// /64), or false when it is off. sourceKey must not be the address itself: use a
// MAC of [PurposeSource].
func (p Policy) SourceLimit(sourceKey string) (Limit, bool) {
	p = p.WithDefaults()
	return Limit{Key: limitKey("source", sourceKey), Max: p.SourcePace, Window: p.SourceWindow}, p.SourcePace != Off
}

// PINSiteLimit returns the budget of a whole site, or false when it is off.
func (p Policy) PINSiteLimit(site string) (Limit, bool) {
	p = p.WithDefaults()
	l := Limit{Key: limitKey("pin-site", site), Max: p.PINSiteBudget, Window: p.PINSiteWindow, Slow: p.PINSiteSlow}
	if l.Slow == Off {
		l.Slow = 0
	}
	return l, p.PINSiteBudget != Off
}

// limitKey returns a key that no other kind or parts have. Each part carries its
// length, because ids are opaque and may contain any separator. A key that would
// be too long is hashed; the sign after the kind keeps both forms apart.
func limitKey(kind string, parts ...string) string {
	key := append(make([]byte, 0, MaxLimitKey), kind...)
	for _, part := range parts {
		key = append(key, '/')
		key = strconv.AppendInt(key, int64(len(part)), 10)
		key = append(key, ':')
		key = append(key, part...)
	}
	if len(key) > MaxLimitKey {
		sum := sha256.Sum256(key)
		return kind + "#" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return string(key)
}
