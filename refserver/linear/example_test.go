package linear_test

import (
	"errors"
	"fmt"

	"example.com/enrollkit/refserver/linear"
)

// Two administrators and a phone work at the same time. Whether the phone came
// before the invitation ended nobody can say, and nobody has to: there is an
// order in which all of them are right.
func ExampleHistory_Check() {
	var history linear.History
	ann := func(op linear.Op, id string) linear.Input {
		return linear.Input{Register: "acme/ann", Op: op, ID: id}
	}
	history.Begin(0, ann(linear.Send, "")).End(linear.Output{OK: true, ID: "inv_1"})

	phone := history.Begin(1, ann(linear.Enroll, "inv_1"))
	admin := history.Begin(0, ann(linear.Deactivate, "inv_1"))
	admin.End(linear.Output{OK: true})
	phone.End(linear.Output{OK: true})
	fmt.Println(history.Check(linear.Register(), linear.Timeout))

	// A phone that comes later is another matter.
	history.Begin(1, ann(linear.Enroll, "inv_1")).End(linear.Output{OK: true})
	_, err := history.Check(linear.Register(), linear.Timeout)
	fmt.Println(errors.Is(err, linear.ErrNotLinearizable))
	// Output:
	// 1 histories of 3 calls (0 without an answer) checked, 0 undecided <nil>
	// true
}

// A PIN that survives two wrong tries. The third call was cut off: it may have
// counted, so what is left is one or none.
func ExampleBudget() {
	for _, left := range []int{2, 1, 0} {
		var history linear.History
		pin := linear.Input{Register: "inv_1", Op: linear.Try}
		history.Begin(0, pin).End(linear.Output{})
		history.Begin(1, pin) // no answer
		history.Begin(0, linear.Input{Register: "inv_1", Op: linear.Left}).End(linear.Output{N: left})
		_, err := history.Check(linear.Budget(2), linear.Timeout)
		fmt.Println(left, err == nil)
	}
	// Output:
	// 2 false
	// 1 true
	// 0 true
}

// A one-time login lets one in, who may ask again for a lost answer.
func ExampleOnce() {
	var history linear.History
	use := func(id string) linear.Input { return linear.Input{Register: "ann", Op: linear.Use, ID: id} }
	history.Begin(0, use("phone")) // no answer
	history.Begin(1, use("tablet")).End(linear.Output{})
	history.Begin(0, use("phone")).End(linear.Output{OK: true})
	report, err := history.Check(linear.Once(10), linear.Timeout)
	fmt.Println(report, err)
	// Output: 1 histories of 3 calls (1 without an answer) checked, 0 undecided <nil>
}
