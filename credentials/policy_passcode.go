package credentials

import (
	"math"
	"strconv"
	"time"
)

// PasscodeLimit returns the lock of a site's company passcode: once it is full,
// only the next generation opens self-service again. That a lock outlives its
// window is the caller's to keep; a new generation has a new count.
func (p Policy) PasscodeLimit(site string, generation int) Limit {
	p = p.WithDefaults()
	key := limitKey("passcode", site, strconv.Itoa(generation))
	return Limit{Key: key, Max: p.PasscodeLock, Window: p.PasscodeWindow}
}

// PasscodeSourceLimit returns how much one source network counts towards the
// lock of a site, or false when it counts without end. A try that it refuses
// goes to [Policy.PasscodeSlowLimit] instead, not to the lock. sourceKey must not
// be the address itself: use a MAC of [PurposeSource].
func (p Policy) PasscodeSourceLimit(site, sourceKey string) (Limit, bool) {
	p = p.WithDefaults()
	key := limitKey("passcode-source", site, sourceKey)
	return Limit{Key: key, Max: p.PasscodeSourceCap, Window: p.PasscodeSourceWindow}, p.PasscodeSourceCap != Off
}

// PasscodeSlowLimit returns the pace of a source that has spent its cap: one try
// per PasscodeSlow. It is a window rather than a slow limit, so that the refund
// of a right try opens it at once: only wrong ones keep a crowded office waiting.
// sourceKey is as for [Policy.PasscodeSourceLimit].
func (p Policy) PasscodeSlowLimit(site, sourceKey string) Limit {
	p = p.WithDefaults()
	return Limit{Key: limitKey("passcode-slow", site, sourceKey), Max: 1, Window: p.PasscodeSlow}
}

// PasscodeExcessLimit counts the wrong tries that were compared beyond their
// source's cap. It refuses practically nothing and is there to be shown: failed
// attempts are its count and that of [Policy.PasscodeLimit] together.
func (p Policy) PasscodeExcessLimit(site string, generation int) Limit {
	p = p.WithDefaults()
	key := limitKey("passcode-excess", site, strconv.Itoa(generation))
	return Limit{Key: key, Max: math.MaxInt32, Window: p.PasscodeWindow}
}

// PasscodePaceLimit returns the pace of company passcodes with one e-mail
// address, or false when it is off. addressKey must not be the address: use a
// MAC of [PurposeEmail].
func (p Policy) PasscodePaceLimit(addressKey string) (Limit, bool) {
	p = p.WithDefaults()
	key := limitKey("passcode-pace", addressKey)
	return Limit{Key: key, Max: p.PasscodePace, Window: p.PasscodePaceWindow}, p.PasscodePace != Off
}

// GlobalLimit returns the ceiling of a host over all its sites, or false when it
// is off. It bounds a guesser who aims at no site in particular.
func (p Policy) GlobalLimit(host string) (Limit, bool) {
	p = p.WithDefaults()
	return Limit{Key: limitKey("global", host), Max: p.GlobalPace, Window: time.Second}, p.GlobalPace != Off
}

// GlobalSourceLimit returns one source network's share of [Policy.GlobalLimit]:
// a fifth, at least one, so that no single source can use a host's ceiling up.
// sourceKey is as for [Policy.PasscodeSourceLimit].
func (p Policy) GlobalSourceLimit(host, sourceKey string) Limit {
	p = p.WithDefaults()
	return Limit{Key: limitKey("global-source", host, sourceKey), Max: max(1, p.GlobalPace/5), Window: time.Second}
}

// MailboxLimit returns how many self-service mails a site sends to one mailbox.
// addressKey must not be the address: use a MAC of [PurposeEmail].
func (p Policy) MailboxLimit(site, addressKey string) Limit {
	p = p.WithDefaults()
	return Limit{Key: limitKey("mailbox", site, addressKey), Max: p.MailboxCap, Window: p.MailboxWindow}
}

// OneTimeBudgetLimit returns the budget of one one-time login: the generation-th
// of an owner, normally a user's id. It has no window: a login whose budget is
// spent never works again.
func (p Policy) OneTimeBudgetLimit(site, owner string, generation int) Limit {
	p = p.WithDefaults()
	return Limit{Key: limitKey("one-time", site, owner, strconv.Itoa(generation)), Max: p.OneTimeBudget}
}

// OneTimePaceLimit returns the pace of one user name, known or not, or false
// when it is off. usernameKey must not be the name: use a MAC of
// [PurposeUsername].
func (p Policy) OneTimePaceLimit(usernameKey string) (Limit, bool) {
	p = p.WithDefaults()
	key := limitKey("one-time-pace", usernameKey)
	return Limit{Key: key, Max: p.OneTimePace, Window: p.OneTimePaceWindow}, p.OneTimePace != Off
}
