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

const day = 24 * time.Hour

// ErrInvalidPolicy is what every [PolicyError] unwraps to.
var ErrInvalidPolicy = errors.New("credentials: invalid policy")

// Policy holds the numbers of one site. The zero value is the recommended
// policy: a field left at zero means its default, and [Off] turns off those that
// can be. The defaults come from the threat model's guessing odds: whatever the
// number of sources, a guesser has at most 2^-22 per PIN, for ever. [Policy.Odds]
// computes what any policy leaves to a guesser.
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

	// PasscodeAlert is the number of wrong company passcodes in PasscodeWindow at
	// which administrators are told. Defaults to 10; 1 to PasscodeLock, or Off.
	PasscodeAlert int

	// PasscodeLock is the number of wrong company passcodes in PasscodeWindow that
	// closes self-service until another is generated. Defaults to 100; 10 to 1000.
	// It cannot be turned off.
	PasscodeLock int

	// PasscodeWindow defaults to 24 hours; an hour to 30 days.
	PasscodeWindow time.Duration

	// PasscodeSourceCap is how many wrong company passcodes of one source network
	// count towards PasscodeLock in PasscodeSourceWindow, so that neither an
	// outsider nor a crowded office closes the door; what it tries beyond is
	// compared at the pace of PasscodeSlow and shown. Defaults to a tenth of
	// PasscodeLock, at most 10; 1 to half of PasscodeLock, or Off: every try
	// counts, and one source can lock.
	//
	// Half, because windows are fixed: across the end of its own, a source can
	// put twice its cap less one into one PasscodeWindow that another began. Up to
	// half, locking takes at least two sources whatever they do.
	PasscodeSourceCap int

	// PasscodeSourceWindow defaults to PasscodeWindow; from that to 30 days. A
	// shorter one would let a source count anew before the lock's window ends.
	PasscodeSourceWindow time.Duration

	// PasscodeSlow is the time between two wrong company passcodes of a source
	// that has spent its cap. Defaults to 1 minute; a second to 24 hours.
	PasscodeSlow time.Duration

	// PasscodePace is how many wrong company passcodes one e-mail address, known
	// or not, may cost in PasscodePaceWindow. Defaults to 5; 1 to 1000 or Off.
	PasscodePace int

	// PasscodePaceWindow defaults to 15 minutes; a second to 24 hours.
	PasscodePaceWindow time.Duration

	// GlobalPace is how many self-service tries a host takes per second, over all
	// its sites. Defaults to 50; 1 to 100000 or Off. The host's own policy counts,
	// not that of the site a try belongs to.
	GlobalPace int

	// MailboxCap is how many self-service mails one mailbox gets in MailboxWindow.
	// Defaults to 3; 1 to 100. It cannot be turned off.
	MailboxCap int

	// MailboxWindow defaults to an hour; a minute to 24 hours.
	MailboxWindow time.Duration

	// OneTimeBudget is how many wrong tries one one-time login survives. Defaults
	// to 10; 1 to 100. It cannot be turned off.
	OneTimeBudget int

	// OneTimePace is how many wrong tries one user name, known or not, may cost in
	// OneTimePaceWindow. Defaults to 5; 1 to 1000 or Off.
	OneTimePace int

	// OneTimePaceWindow defaults to 15 minutes; a second to 24 hours.
	OneTimePaceWindow time.Duration

	// OneTimeTTL is how long a one-time login can be used. Defaults to 24 hours,
	// which is also what NIST SP 800-63B allows a code sent by e-mail; a minute to
	// 24 hours.
	OneTimeTTL time.Duration

	// LoginReservation is how long a one-time login stays usable after it was
	// checked, at most so long past its end. Defaults to 10 minutes or OneTimeTTL,
	// if that is less; a second to an hour, at most OneTimeTTL.
	LoginReservation time.Duration
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
	orTime(&p.PINSiteWindow, 30*day)
	orTime(&p.PINSiteSlow, 10*time.Minute)
	orInt(&p.PINAlert, min(5, max(p.PINBudget, 1)))
	orInt(&p.PasscodeLock, 100)
	orInt(&p.PasscodeAlert, min(10, max(p.PasscodeLock, 1)))
	orTime(&p.PasscodeWindow, day)
	orInt(&p.PasscodeSourceCap, min(10, max(p.PasscodeLock/10, 1)))
	orTime(&p.PasscodeSourceWindow, p.PasscodeWindow)
	orTime(&p.PasscodeSlow, time.Minute)
	orInt(&p.PasscodePace, 5)
	orTime(&p.PasscodePaceWindow, 15*time.Minute)
	orInt(&p.GlobalPace, 50)
	orInt(&p.MailboxCap, 3)
	orTime(&p.MailboxWindow, time.Hour)
	orInt(&p.OneTimeBudget, 10)
	orInt(&p.OneTimePace, 5)
	orTime(&p.OneTimePaceWindow, 15*time.Minute)
	orTime(&p.OneTimeTTL, day)
	orTime(&p.LoginReservation, min(10*time.Minute, max(p.OneTimeTTL, time.Second)))
	return p
}

// Validate checks every field against its bounds, defaults applied. It returns
// nil or the [PolicyError] of each wrong field, joined.
func (p Policy) Validate() error {
	p = p.WithDefaults()
	var errs []error
	count := func(field string, value, lo, hi int, canBeOff bool) {
		if (value < lo || value > hi) && !(canBeOff && value == Off) {
			errs = append(errs, &PolicyError{field, int64(value), int64(lo), int64(hi)})
		}
	}
	span := func(field string, value, lo, hi time.Duration, canBeOff bool) {
		if (value < lo || value > hi) && !(canBeOff && value == Off) {
			errs = append(errs, &PolicyError{field, int64(value), int64(lo), int64(hi)})
		}
	}
	count("PINDigits", p.PINDigits, MinPINDigits, MaxPINDigits, false)
	count("PINBudget", p.PINBudget, 1, 100, false)
	count("PINPace", p.PINPace, 1, 1000, true)
	span("PINPaceWindow", p.PINPaceWindow, time.Second, day, false)
	count("SourcePace", p.SourcePace, 1, 100_000, true)
	span("SourceWindow", p.SourceWindow, time.Second, day, false)
	count("PINSiteBudget", p.PINSiteBudget, 1, 1_000_000, true)
	span("PINSiteWindow", p.PINSiteWindow, time.Second, 366*day, false)
	span("PINSiteSlow", p.PINSiteSlow, time.Second, day, true)
	count("PINAlert", p.PINAlert, 1, max(p.PINBudget, 1), true)
	count("PasscodeAlert", p.PasscodeAlert, 1, max(p.PasscodeLock, 1), true)
	count("PasscodeLock", p.PasscodeLock, 10, 1000, false)
	span("PasscodeWindow", p.PasscodeWindow, time.Hour, 30*day, false)
	count("PasscodeSourceCap", p.PasscodeSourceCap, 1, max(p.PasscodeLock/2, 1), true)
	// A window that is itself out of bounds is no bound for another, so that one
	// mistake is reported once.
	span("PasscodeSourceWindow", p.PasscodeSourceWindow, min(p.PasscodeWindow, 30*day), max(p.PasscodeWindow, 30*day), false)
	span("PasscodeSlow", p.PasscodeSlow, time.Second, day, false)
	count("PasscodePace", p.PasscodePace, 1, 1000, true)
	span("PasscodePaceWindow", p.PasscodePaceWindow, time.Second, day, false)
	count("GlobalPace", p.GlobalPace, 1, 100_000, true)
	count("MailboxCap", p.MailboxCap, 1, 100, false)
	span("MailboxWindow", p.MailboxWindow, time.Minute, day, false)
	count("OneTimeBudget", p.OneTimeBudget, 1, 100, false)
	count("OneTimePace", p.OneTimePace, 1, 1000, true)
	span("OneTimePaceWindow", p.OneTimePaceWindow, time.Second, day, false)
	span("OneTimeTTL", p.OneTimeTTL, time.Minute, day, false)
	span("LoginReservation", p.LoginReservation, time.Second, max(min(time.Hour, p.OneTimeTTL), time.Second), false)
	return errors.Join(errs...)
}

// PINBudgetLimit returns the lifetime budget of one PIN: the generation-th PIN of
// an owner, normally an invitation's id. A new generation has a new budget.
func (p Policy) PINBudgetLimit(site, owner string, generation int) Limit {
	p = p.WithDefaults()
	return Limit{Key: limitKey("pin", site, owner, strconv.Itoa(generation)), Max: p.PINBudget}
}

// PasswordBudget is how many wrong tries the one-time passwords of one invitation
// survive, all of one PIN's time together. It is for whoever tries all of them: a
// guesser has 2^-66 of an 80-bit password by it (twice that while two keys are in
// use), and shutting the door of one invitation takes him 10,000 requests, which his
// source's pace slows. A budget as short as a PIN's would have him do so in a minute.
const PasswordBudget = 10_000

// PasswordBudgetLimit returns the budget of an invitation's one-time passwords while
// the generation-th PIN is in use. A new generation has a new budget.
func PasswordBudgetLimit(site, owner string, generation int) Limit {
	return Limit{Key: limitKey("password", site, owner, strconv.Itoa(generation)), Max: PasswordBudget}
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
