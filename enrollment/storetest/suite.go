package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/enrollkit/enrollment"
)

// Rule is one promise of a store.
type Rule struct {
	Name string // "users/lock keeps a row that is there"
	Says string
}

// Rules lists the contract in the order in which Run checks it.
func Rules() []Rule {
	var list []Rule
	for _, g := range groups() {
		for _, r := range g.rules {
			list = append(list, Rule{Name: g.name + "/" + r.name, Says: r.says})
		}
	}
	return list
}

// Run checks every rule. open returns an empty store that shares nothing with
// those it returned before, and cleans up by itself.
func Run(t *testing.T, open func(t *testing.T) enrollment.Storage) {
	t.Helper()
	run(t, open, groups())
}

// RunInTransaction checks the rules that hold for a store inside a transaction
// of its embedder: all but those on guessing and those that need several units
// at a time, which one transaction cannot have.
func RunInTransaction(t *testing.T, open func(t *testing.T) enrollment.Storage) {
	t.Helper()
	run(t, open, slices.DeleteFunc(groups(), func(g group) bool { return g.own }))
}

func run(t *testing.T, open func(t *testing.T) enrollment.Storage, list []group) {
	t.Helper()
	for _, g := range list {
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
			}
		})
	}
}

// group is the rules of one part of the contract.
type group struct {
	name  string
	own   bool // they need transactions of the store's own
	rules []rule
}

type rule struct {
	name, says string
	test       func(t tb, s enrollment.Storage)
}

func groups() []group {
	return []group{
		{name: "unit", rules: unitRules},
		{name: "users", rules: slices.Concat(userRows.rules(), userTrace.rules(), userRules)},
		{name: "invitations", rules: slices.Concat(invitationRows.rules(), invitationTrace.rules(), invitationRules)},
		{name: "credentials", rules: slices.Concat(credentialRows.rules(), credentialTrace.rules(), credentialRules)},
		{name: "sightings", rules: slices.Concat(sightingRows.rules(), sightingTrace.rules(), sightingRules)},
		{name: "devices", rules: slices.Concat(deviceRows.rules(), deviceTrace.rules(), deviceRules)},
		{name: "contacts", rules: slices.Concat(contactRows.rules(), contactTrace.rules(), contactRules)},
		{name: "touch", rules: touchRules},
		{name: "slots", rules: slices.Concat(slotRows.rules(), slotTrace.rules(), slotRules)},
		{name: "journal", rules: slices.Concat(eventRows.rules(), eventTrace.rules(), journalRules)},
		{name: "outbox", rules: slices.Concat(messageRows.rules(), messageTrace.rules(), outboxRules)},
		{name: "records", rules: slices.Concat(recordRows.rules(), recordTrace.rules(), recordRules)},
		{name: "retention", rules: slices.Concat(retentionTrace.rules(), retentionRules)},
		{name: "spend", own: true, rules: slices.Concat(counterTrace.rules(), spendRules)},
		{name: "concurrency", own: true, rules: concurrencyRules},
	}
}

// tb is what a rule needs of a *testing.T, so that the suite itself can be
// tested. Fatalf is for the rule's own goroutine, never for a unit of work,
// which a store may run elsewhere.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// patience is how long one rule may take before its context ends, so that a
// store that hangs breaks the rule and not the whole run.
const patience = time.Minute

func (r rule) check(t tb, s enrollment.Storage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r.test(told{tb: t, says: r.says, ctx: ctx}, s)
}

// told puts the rule's sentence before whatever is wrong.
type told struct {
	tb
	says string
	ctx  context.Context // of one rule: a tb hands out its context
}

func (t told) Context() context.Context { return t.ctx }

func (t told) Errorf(format string, args ...any) {
	t.tb.Helper()
	t.tb.Errorf("%s\n\t%s", t.says, fmt.Sprintf(format, args...))
}

func (t told) Fatalf(format string, args ...any) {
	t.tb.Helper()
	t.tb.Fatalf("%s\n\t%s", t.says, fmt.Sprintf(format, args...))
}
