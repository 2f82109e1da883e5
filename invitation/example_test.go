package invitation_test

import (
	"fmt"
	"time"

	"example.com/enrollkit/invitation"
)

// An invitation is a value; each step returns the next one.
func Example() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	inv := invitation.Invitation{ID: "inv_1", State: invitation.Created, CreatedAt: now}

	inv, _, _ = inv.Send(now)
	inv, _, _ = inv.Open(now.Add(time.Hour))
	fmt.Println(inv.State, inv.Usable(now.Add(time.Hour), false))

	inv, _ = inv.Deactivate(invitation.ByAdmin, now.Add(2*time.Hour))
	_, _, err := inv.Send(now.Add(3 * time.Hour))
	fmt.Println(inv.State, inv.Reason, err)
	// Output:
	// opened <nil>
	// deactivated by_admin invitation: cannot send an invitation that is deactivated
}

func ExampleNext() {
	state, err := invitation.Next(invitation.Sent, invitation.StepOpen)
	fmt.Println(state, err)
	// Output: opened <nil>
}

func ExampleDiagram() {
	fmt.Print(invitation.Diagram())
	// Output:
	// stateDiagram-v2
	//     [*] --> created
	//     created --> sent: send
	//     created --> opened: open
	//     created --> deactivated: deactivate
	//     sent --> opened: open
	//     sent --> deactivated: deactivate
	//     opened --> deactivated: deactivate
	//     deactivated --> [*]
}
