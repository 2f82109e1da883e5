package storetest_test

import (
	"fmt"

	"example.com/enrollkit/enrollment/storetest"
)

func ExampleRules() {
	for _, r := range storetest.Rules()[:3] {
		fmt.Printf("%s: %s\n", r.Name, r.Says)
	}
	// Output:
	// unit/commit: What a unit wrote is there when Update has returned.
	// unit/read what was written: A unit sees what it wrote itself.
	// unit/survive what is not found: A row that is not there is an answer: the unit goes on and is committed.
}
