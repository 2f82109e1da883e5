package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// Options say what Check has to go by.
type Options struct {
	// Keyring opens what is sealed and proves what is stored as a MAC. Without
	// it, or without its sealing keys, the rules that need them are skipped, and
	// the report says so.
	Keyring *credentials.Keyring
	// Now is the time by the servers' clocks. If it is zero, the rules that ask
	// how long ago something happened are skipped, and the report says so.
	Now time.Time
	// Skew is how far the clocks of the servers may have been apart, or have
	// jumped. Defaults to DefaultSkew.
	Skew time.Duration
}

// DefaultSkew is what Options.Skew defaults to.
const DefaultSkew = 5 * time.Minute

// Check looks for everything in a store's tables that breaks one of [Rules]. It
// reads all of one state of the database, row by row, in bounded memory and
// without writing, so servers may go on working; what they change meanwhile is
// not looked at. A transaction stays open as long as it takes.
//
// An error says that the database could not be looked at, or not to the end: it
// wraps a [*sqlstore.VersionError] where the tables are not those of this
// program. The report then holds what was found until then.
func Check(ctx context.Context, store *sqlstore.Store, o Options) (Report, error) {
	if o.Skew == 0 {
		o.Skew = DefaultSkew
	}
	c := &checker{store: store, o: o, said: map[string]int{}}
	if err := store.Check(ctx); err != nil {
		return c.report, fmt.Errorf("verify: %w", err)
	}
	sound, err := store.Soundness(ctx)
	if err != nil {
		return c.report, fmt.Errorf("verify: %w", err)
	}
	for _, wrong := range sound.Wrong {
		c.say(integrity, "%s", wrong)
	}
	c.skip(integrity, sound.Unasked)
	if len(sound.Wrong) > 0 {
		return c.report, nil // what cannot be read right cannot be judged
	}
	err = store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		var ok bool
		if c.q, ok = sqlstore.Conn(tx); !ok {
			return errors.New("no connection")
		}
		for _, part := range parts {
			if err := part(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortStableFunc(c.report.Violations, func(a, b Violation) int { return cmp.Compare(place(a.Rule), place(b.Rule)) })
	if err != nil {
		return c.report, fmt.Errorf("verify: %w", err)
	}
	return c.report, nil
}

// parts are run in this order, each for one rule or for the rules that are
// judged by the same rows.
var parts = []func(context.Context, *checker) error{
	count, invitations, devices, deviceRefs, slots, slotRows, journal, journalRows,
	answered, keptEnrollments, keptInvites, invitationSecrets, passcodes, logins, canaries, outbox, counters, references, erased,
}

// checker is one run.
type checker struct {
	store  *sqlstore.Store
	q      sqlstore.Querier
	o      Options
	report Report
	said   map[string]int // violations by rule
}

// atMost bounds the violations that are told of one rule; the rest is counted.
const atMost = 10

// say notes a violation.
func (c *checker) say(rule, format string, args ...any) {
	c.said[rule]++
	c.report.Found++
	if n := c.said[rule]; n <= atMost {
		c.report.Violations = append(c.report.Violations, Violation{rule, rules[place(rule)].Says, fmt.Sprintf(format, args...)})
	}
}

// skip notes that a rule was not looked at; no cause is no skip.
func (c *checker) skip(rule, cause string) {
	if cause != "" {
		c.report.Skipped = append(c.report.Skipped, Skipped{rule, cause})
	}
}

// query runs a statement and calls scan for each row, before the next is read.
func (c *checker) query(ctx context.Context, text string, args []any, scan func(sqlstore.Rows) error) error {
	rows, err := c.q.Query(ctx, c.store.Render(text), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// each runs a statement of one column of text, of which every row is a violation.
func (c *checker) each(ctx context.Context, rule, text string, args ...any) error {
	err := c.query(ctx, text, args, func(r sqlstore.Rows) error {
		var detail string
		if err := r.Scan(&detail); err != nil {
			return err
		}
		c.say(rule, "%s", detail)
		return nil
	})
	if err != nil {
		return fmt.Errorf("rule %s: %w", rule, err)
	}
	return nil
}

// ago returns the time so long before Now, later by the skew of the clocks, as
// it is stored: what is at or after it happened less than d ago by every clock.
func (c *checker) ago(d time.Duration) int64 { return c.o.Now.Add(c.o.Skew - d).UnixMicro() }

// byTime reports whether a rule that goes by time can be looked at.
func (c *checker) byTime(rule string) bool {
	if c.o.Now.IsZero() {
		c.skip(rule, "the time is not known")
	}
	return !c.o.Now.IsZero()
}

// byKey reports whether a rule that needs keys can be looked at, and with seals
// those that show again.
func (c *checker) byKey(rule string, seals bool) bool {
	switch {
	case c.o.Keyring == nil:
		c.skip(rule, "there is no key ring")
	case seals && !c.o.Keyring.CanSeal():
		c.skip(rule, "the key ring has no sealing keys")
	default:
		return true
	}
	return false
}
