package verify

import (
	"fmt"
	"io"
	"strings"
)

// Report is what Check found. The zero Report has looked at nothing.
type Report struct {
	// Looked is how many rows there were, by table, so that an empty database
	// does not pass for a sound one.
	Looked []Looked
	// Violations are what is wrong, in the order of Rules: at most ten of each.
	Violations []Violation
	// Found is how many there are in all.
	Found int
	// Skipped are the rules that could not be looked at.
	Skipped []Skipped
	// Waiting messages are still to be delivered, and Unsequenced events have no
	// place in their site's order yet. Neither is wrong; both are zero once the
	// servers have nothing left to do.
	Waiting, Unsequenced int64
}

// Looked is one table and its rows.
type Looked struct {
	Table string // without prefix: "invitations"
	Rows  int64
}

// Violation is a row, or a group of rows, that breaks a rule.
type Violation struct {
	Rule   string // its name
	Says   string // the rule in one sentence
	Detail string // the rows, by ids, states and numbers; never a secret, a name or an address
}

func (v Violation) String() string { return v.Rule + ": " + v.Detail + " (" + v.Says + ")" }

// Skipped is a rule that was not looked at, and why.
type Skipped struct{ Rule, Cause string }

// OK reports whether nothing was found.
func (r Report) OK() bool { return r.Found == 0 }

// Print writes the report as lines: each violation, each rule that was skipped,
// what is under way, and a last line that sums up. It returns w's error.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	told := 0
	for _, v := range r.Violations {
		told++
		fmt.Fprintf(&b, "VIOLATION %s\n", v)
	}
	if more := r.Found - told; more > 0 {
		fmt.Fprintf(&b, "VIOLATION and %d more of these rules\n", more)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "not looked at: %s: %s\n", s.Rule, s.Cause)
	}
	if r.Waiting > 0 || r.Unsequenced > 0 {
		fmt.Fprintf(&b, "under way: %d messages, %d events\n", r.Waiting, r.Unsequenced)
	}
	rows := make([]string, len(r.Looked))
	for i, l := range r.Looked {
		rows[i] = fmt.Sprintf("%d %s", l.Rows, l.Table)
	}
	fmt.Fprintf(&b, "%d rules, %d violations; %s\n", len(Rules())-len(r.Skipped), r.Found, strings.Join(rows, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}
