package device

import (
	"errors"
	"fmt"
	"strings"
)

// State is where a device stands. The zero value is not a state.
type State string

const (
	// Pending: it has made contact, and requirements are missing ("Pending...").
	Pending State = "pending"
	// Active: everything its mode requires is there ("Active MDM").
	Active State = "active"
	// Impaired: it was active and lost a requirement.
	Impaired State = "impaired"
	// Unresponsive: silent for longer than its site allows.
	Unresponsive State = "unresponsive"
	// Leaving: it was told to go.
	Leaving State = "leaving"
	// Unenrolled: it left, or did not answer when told to leave.
	Unenrolled State = "unenrolled"
)

// Live reports whether a device in this state takes the place of its
// invitation in the Mobile devices view.
func (s State) Live() bool { return s != Unenrolled && s != "" }

// Step is what can happen to a device's state.
type Step string

const (
	StepEnroll   Step = "enroll"   // it enrolls, for the first time or again
	StepComplete Step = "complete" // every requirement is met
	StepLack     Step = "lack"     // a requirement is missing
	StepSilence  Step = "silence"  // it was silent for too long
	StepLeave    Step = "leave"    // it is told to go
	StepGone     Step = "gone"     // it left, or its time to leave is up
)

// The journal's names for what happens to a device. The state's own names are
// the events of entering it.
const (
	EventEnrolled     = "device.enrolled"
	EventAdopted      = "device.adopted"
	EventReenrolled   = "device.reenrolled"
	EventActivated    = "device.activated"
	EventImpaired     = "device.impaired"
	EventUnresponsive = "device.unresponsive"
	EventLeaving      = "device.leaving"
	EventUnenrolled   = "device.unenrolled"
	EventRestored     = "device.restored"
	EventFacts        = "device.facts_changed"
	EventConflict     = "device.conflict"
	EventReleased     = "device.released"
	EventRenewed      = "device.renewed"
	EventDeleted      = "device.deleted"
)

// Activated is the event of entering [Active], the one most handlers wait for.
const Activated = EventActivated

// transitions is the whole machine; everything else in this package reads it.
// A step that leads to the state it starts from is legal and changes nothing.
// Unenrolled is left by enrolling again only, never by a late message.
var transitions = map[State]map[Step]State{
	Pending: {
		StepEnroll: Pending, StepComplete: Active, StepLack: Pending,
		StepSilence: Pending, StepLeave: Leaving, StepGone: Unenrolled,
	},
	Active: {
		StepEnroll: Pending, StepComplete: Active, StepLack: Impaired,
		StepSilence: Unresponsive, StepLeave: Leaving, StepGone: Unenrolled,
	},
	Impaired: {
		StepEnroll: Pending, StepComplete: Active, StepLack: Impaired,
		StepSilence: Unresponsive, StepLeave: Leaving, StepGone: Unenrolled,
	},
	Unresponsive: {
		StepEnroll: Pending, StepComplete: Active, StepLack: Impaired,
		StepSilence: Unresponsive, StepLeave: Leaving, StepGone: Unenrolled,
	},
	Leaving: {
		StepEnroll: Pending, StepComplete: Leaving, StepLack: Leaving,
		StepSilence: Leaving, StepLeave: Leaving, StepGone: Unenrolled,
	},
	Unenrolled: {StepEnroll: Pending, StepGone: Unenrolled},
}

// States lists every state in the order of a life.
func States() []State {
	return []State{Pending, Active, Impaired, Unresponsive, Leaving, Unenrolled}
}

// Steps lists every step.
func Steps() []Step {
	return []Step{StepEnroll, StepComplete, StepLack, StepSilence, StepLeave, StepGone}
}

// Next returns the state that step leads to, or a [*TransitionError].
func Next(from State, step Step) (State, error) {
	if to, ok := transitions[from][step]; ok {
		return to, nil
	}
	return from, &TransitionError{From: from, Step: step}
}

// Diagram returns the machine as a Mermaid state diagram. The one in
// docs/states.md is compared with it by a test.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> pending: enroll\n")
	for _, from := range States() {
		for _, step := range Steps() {
			if to, ok := transitions[from][step]; ok && to != from {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, step)
			}
		}
	}
	return b.String()
}

// ErrIllegalTransition is what every refused step unwraps to.
var ErrIllegalTransition = errors.New("device: illegal transition")

// TransitionError is a step that the state does not allow.
type TransitionError struct {
	From State
	Step Step
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("device: %s does not apply to a device that is %s", e.Step, e.From)
}

// Unwrap returns [ErrIllegalTransition].
func (e *TransitionError) Unwrap() error { return ErrIllegalTransition }
