package credentials_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestTheZeroPolicyIsTheRecommendedOne(t *testing.T) {
	var p credentials.Policy
	require.NoError(t, p.Validate())
	require.Equal(t, credentials.Policy{
		PINDigits: 8, PINBudget: 20,
		PINPace: 5, PINPaceWindow: 15 * time.Minute,
		SourcePace: 10, SourceWindow: 15 * time.Minute,
		PINSiteBudget: 300, PINSiteWindow: 720 * time.Hour, PINSiteSlow: 10 * time.Minute,
		PINAlert:      5,
		PasscodeAlert: 10, PasscodeLock: 100, PasscodeWindow: 24 * time.Hour,
		PasscodeSourceCap: 10, PasscodeSourceWindow: 24 * time.Hour, PasscodeSlow: time.Minute,
		PasscodePace: 5, PasscodePaceWindow: 15 * time.Minute,
		GlobalPace: 50, MailboxCap: 3, MailboxWindow: time.Hour,
		OneTimeBudget: 10, OneTimePace: 5, OneTimePaceWindow: 15 * time.Minute,
		OneTimeTTL: 24 * time.Hour, LoginReservation: 10 * time.Minute,
	}, p.WithDefaults())
	require.Equal(t, p.WithDefaults(), p.WithDefaults().WithDefaults())
	require.LessOrEqual(t, math.Log2(float64(p.WithDefaults().PINBudget)/1e8), -22.0, "threat model: 2^-22 per PIN")
	require.NoError(t, credentials.Policy{PINBudget: 3}.Validate(), "the alert follows a smaller budget")
}

func TestAPolicyOutOfBoundsNamesItsField(t *testing.T) {
	const off, day = credentials.Off, 24 * time.Hour
	for _, c := range []struct {
		field string
		p     credentials.Policy
	}{
		{"PINDigits", credentials.Policy{PINDigits: 7}},
		{"PINDigits", credentials.Policy{PINDigits: 13}},
		{"PINDigits", credentials.Policy{PINDigits: off}},
		{"PINBudget", credentials.Policy{PINBudget: 101}},
		{"PINBudget", credentials.Policy{PINBudget: off}},
		{"PINPace", credentials.Policy{PINPace: -2}},
		{"PINPaceWindow", credentials.Policy{PINPaceWindow: off}},
		{"PINPaceWindow", credentials.Policy{PINPaceWindow: 25 * time.Hour}},
		{"SourcePace", credentials.Policy{SourcePace: 1e6}},
		{"SourceWindow", credentials.Policy{SourceWindow: time.Millisecond}},
		{"PINSiteBudget", credentials.Policy{PINSiteBudget: 1e7}},
		{"PINSiteWindow", credentials.Policy{PINSiteWindow: off}},
		{"PINSiteSlow", credentials.Policy{PINSiteSlow: -2}},
		{"PINAlert", credentials.Policy{PINAlert: 21}},
		{"PasscodeAlert", credentials.Policy{PasscodeAlert: 101}},
		{"PasscodeAlert", credentials.Policy{PasscodeLock: 20, PasscodeAlert: 21}},
		{"PasscodeLock", credentials.Policy{PasscodeLock: 9}},
		{"PasscodeLock", credentials.Policy{PasscodeLock: 1001}},
		{"PasscodeLock", credentials.Policy{PasscodeLock: off}},
		{"PasscodeWindow", credentials.Policy{PasscodeWindow: 59 * time.Minute}},
		{"PasscodeWindow", credentials.Policy{PasscodeWindow: 31 * day}},
		{"PasscodeWindow", credentials.Policy{PasscodeWindow: off}},
		{"PasscodeSourceCap", credentials.Policy{PasscodeSourceCap: 51}},
		{"PasscodeSourceCap", credentials.Policy{PasscodeLock: 10, PasscodeSourceCap: 6}},
		{"PasscodeSourceCap", credentials.Policy{PasscodeSourceCap: -2}},
		{"PasscodeSourceWindow", credentials.Policy{PasscodeSourceWindow: time.Hour}},
		{"PasscodeSourceWindow", credentials.Policy{PasscodeWindow: 2 * day, PasscodeSourceWindow: day}},
		{"PasscodeSourceWindow", credentials.Policy{PasscodeSourceWindow: 31 * day}},
		{"PasscodeSourceWindow", credentials.Policy{PasscodeSourceWindow: off}},
		{"PasscodeSlow", credentials.Policy{PasscodeSlow: off}},
		{"PasscodeSlow", credentials.Policy{PasscodeSlow: 25 * time.Hour}},
		{"PasscodePace", credentials.Policy{PasscodePace: 1001}},
		{"PasscodePaceWindow", credentials.Policy{PasscodePaceWindow: off}},
		{"GlobalPace", credentials.Policy{GlobalPace: 100_001}},
		{"MailboxCap", credentials.Policy{MailboxCap: off}},
		{"MailboxCap", credentials.Policy{MailboxCap: 101}},
		{"MailboxWindow", credentials.Policy{MailboxWindow: time.Second}},
		{"OneTimeBudget", credentials.Policy{OneTimeBudget: off}},
		{"OneTimeBudget", credentials.Policy{OneTimeBudget: 101}},
		{"OneTimePace", credentials.Policy{OneTimePace: -2}},
		{"OneTimePaceWindow", credentials.Policy{OneTimePaceWindow: 25 * time.Hour}},
		{"OneTimeTTL", credentials.Policy{OneTimeTTL: 25 * time.Hour}},
		{"OneTimeTTL", credentials.Policy{OneTimeTTL: time.Second}},
		{"LoginReservation", credentials.Policy{LoginReservation: 2 * time.Hour}},
		{"LoginReservation", credentials.Policy{OneTimeTTL: 5 * time.Minute, LoginReservation: 6 * time.Minute}},
	} {
		err := c.p.Validate()
		require.ErrorIs(t, err, credentials.ErrInvalidPolicy, "%s %+v", c.field, c.p)
		policyErr, ok := errors.AsType[*credentials.PolicyError](err)
		require.True(t, ok)
		require.Equal(t, c.field, policyErr.Field)
		require.Equal(t, 1, strings.Count(err.Error(), "credentials: policy:"), "one mistake, one error: %v", err)
	}
	err := credentials.Policy{PINDigits: 4, PINBudget: 1000}.Validate()
	require.ErrorContains(t, err, "PINDigits is 4, want 8 to 12")
	require.ErrorContains(t, err, "PINBudget is 1000, want 1 to 100", "every wrong field")
}

func TestAPaceTurnedOffHasNoLimit(t *testing.T) {
	const off = credentials.Off
	p := credentials.Policy{PINPace: off, SourcePace: off, PINSiteBudget: off, PINSiteSlow: off, PINAlert: off}
	require.NoError(t, p.Validate())
	_, ok := p.PINPaceLimit("a")
	require.False(t, ok)
	_, ok = p.SourceLimit("a")
	require.False(t, ok)
	_, ok = p.PINSiteLimit("a")
	require.False(t, ok)
	l, ok := credentials.Policy{PINSiteSlow: off}.PINSiteLimit("a")
	require.True(t, ok)
	require.Zero(t, l.Slow, "suspended until the window ends")
	require.NoError(t, l.Validate())
}

func TestAPolicyBuildsItsLimits(t *testing.T) {
	var p credentials.Policy
	pace, ok := p.PINPaceLimit("mac")
	require.True(t, ok)
	source, ok := p.SourceLimit("mac")
	require.True(t, ok)
	site, ok := p.PINSiteLimit("acme")
	require.True(t, ok)
	for _, c := range []struct{ got, want credentials.Limit }{
		{p.PINBudgetLimit("acme", "inv_1", 2), credentials.Limit{Key: "pin/4:acme/5:inv_1/1:2", Max: 20}},
		{credentials.PasswordBudgetLimit("acme", "inv_1", 2), credentials.Limit{Key: "password/4:acme/5:inv_1/1:2", Max: 10_000}},
		{pace, credentials.Limit{Key: "pin-pace/3:mac", Max: 5, Window: 15 * time.Minute}},
		{source, credentials.Limit{Key: "source/3:mac", Max: 10, Window: 15 * time.Minute}},
		{site, credentials.Limit{Key: "pin-site/4:acme", Max: 300, Window: 720 * time.Hour, Slow: 10 * time.Minute}},
	} {
		require.Equal(t, c.want, c.got)
		require.NoError(t, c.got.Validate())
	}
	_, ok, _ = credentials.Counter{}.Spend(credentials.Policy{PINBudget: -5}.PINBudgetLimit("a", "b", 1), at(0))
	require.False(t, ok, "an invalid policy refuses")
}

func TestLimitKeysNeverMeet(t *testing.T) {
	var p credentials.Policy
	parts := []string{"", "a", "/", "1:a", "a/1:a", "a/1:a/1:1", ":", "#", "0:", strings.Repeat("x", 128), strings.Repeat("x", 127) + "/", strings.Repeat("é", 64), strings.Repeat("y", 300)}
	seen := map[string]string{}
	note := func(l credentials.Limit, what string) {
		require.NoError(t, l.Validate())
		require.Empty(t, seen[l.Key], "%s and %s", what, seen[l.Key])
		seen[l.Key] = what
	}
	for _, a := range parts {
		for _, b := range parts {
			for _, g := range []int{0, 1, 11, -1} {
				note(p.PINBudgetLimit(a, b, g), fmt.Sprintf("pin %q %q %d", a, b, g))
				note(p.OneTimeBudgetLimit(a, b, g), fmt.Sprintf("one-time %q %q %d", a, b, g))
				note(credentials.PasswordBudgetLimit(a, b, g), fmt.Sprintf("password %q %q %d", a, b, g))
			}
			source, _ := p.PasscodeSourceLimit(a, b)
			note(source, fmt.Sprintf("passcode-source %q %q", a, b))
			note(p.PasscodeSlowLimit(a, b), fmt.Sprintf("passcode-slow %q %q", a, b))
			note(p.MailboxLimit(a, b), fmt.Sprintf("mailbox %q %q", a, b))
		}
		for _, g := range []int{0, 1, 11, -1} {
			note(p.PasscodeLimit(a, g), fmt.Sprintf("passcode %q %d", a, g))
			note(p.PasscodeExcessLimit(a, g), fmt.Sprintf("passcode-excess %q %d", a, g))
		}
		l, _ := p.PINPaceLimit(a)
		note(l, "pace "+a)
		l, _ = p.SourceLimit(a)
		note(l, "source "+a)
		l, _ = p.PINSiteLimit(a)
		note(l, "site "+a)
		l, _ = p.PasscodePaceLimit(a)
		note(l, "passcode-pace "+a)
		l, _ = p.GlobalLimit(a)
		note(l, "global "+a)
		l, _ = p.OneTimePaceLimit(a)
		note(l, "one-time-pace "+a)
	}
}
