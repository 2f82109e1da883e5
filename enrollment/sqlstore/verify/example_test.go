package verify_test

import (
	"fmt"
	"os"

	"example.com/enrollkit/enrollment/sqlstore/verify"
)

// What a command prints. Check makes the report; refserver/checks has an example
// that does, because it takes a database.
func ExampleReport_Print() {
	report := verify.Report{
		Looked:     []verify.Looked{{Table: "invitations", Rows: 1200}, {Table: "devices", Rows: 900}},
		Violations: []verify.Violation{{Rule: "counts", Says: "the counts per state are those of the list (I17)", Detail: "acme active: told 7, really 6"}},
		Found:      1,
		Skipped:    []verify.Skipped{{Rule: "integrity", Cause: "the extension amcheck is not installed"}},
		Waiting:    2,
	}
	if err := report.Print(os.Stdout); err != nil {
		fmt.Println(err)
	}
	fmt.Println("sound:", report.OK())
	// Output:
	// VIOLATION counts: acme active: told 7, really 6 (the counts per state are those of the list (I17))
	// not looked at: integrity: the extension amcheck is not installed
	// under way: 2 messages, 0 events
	// 34 rules, 1 violations; 1200 invitations, 900 devices
	// sound: false
}

// The list is the documentation of what is looked at.
func ExampleRules() {
	for _, r := range verify.Rules()[:3] {
		fmt.Printf("%s: %s\n", r.Name, r.Says)
	}
	// Output:
	// integrity: the database finds its own structures sound (I20)
	// one active invitation: a user has at most one active invitation (I1)
	// state of an invitation: an invitation has the times and the reason of its state
}
