package invitation

import (
	"errors"
	"fmt"
	"strings"
)

// State is where an invitation stands. The zero value is not a state.
type State string

const (
	// Created: it exists and can be used, but was not mailed.
	Created State = "created"
	// Sent: a mail with the invitation was queued for its recipient.
	Sent State = "sent"
	// Opened: a person acted on it, or a device enrolled by it.
	Opened State = "opened"
	// Deactivated is the end: nothing enrolls by it any more.
	Deactivated State = "deactivated"
)

// Active reports whether devices may enroll in this state.
func (s State) Active() bool { return s == Created || s == Sent || s == Opened }

// Step is what can happen to an invitation's state.
type Step string

const (
	StepSend       Step = "send"       // the mail is queued
	StepOpen       Step = "open"       // a person accepted, or a device enrolled
	StepDeactivate Step = "deactivate" // by an administrator, by its successor, or by a limit
)

// Reason says why an invitation was deactivated. It is empty while active.
type Reason string

const (
	ByAdmin    Reason = "by_admin"    // an administrator deactivated it
	Superseded Reason = "superseded"  // the user was invited again
	Expired    Reason = "expired"     // its time was up
	Exhausted  Reason = "exhausted"   // its last allowed device enrolled
	UserErased Reason = "user_erased" // what was known of the person was erased
)

// The journal's names for what happens to an invitation.
const (
	EventCreated       = "invitation.created"
	EventSent          = "invitation.sent"
	EventOpened        = "invitation.opened"
	EventAccepted      = "invitation.accepted"
	EventEmailChanged  = "invitation.email_changed"
	EventDelivery      = "invitation.delivery"
	EventRevealed      = "invitation.credentials_revealed"
	EventNewPIN        = "invitation.pin_replaced"
	EventPINAlert      = "invitation.pin_alert"
	EventPINBurnt      = "invitation.pin_burnt"
	EventPasswordBurnt = "invitation.password_burnt"
	EventDeactivated   = "invitation.deactivated"
)

// transitions is the whole machine; everything else in this package reads it.
// A step that leads to the state it starts from is legal and changes nothing.
var transitions = map[State]map[Step]State{
	Created:     {StepSend: Sent, StepOpen: Opened, StepDeactivate: Deactivated},
	Sent:        {StepSend: Sent, StepOpen: Opened, StepDeactivate: Deactivated},
	Opened:      {StepSend: Opened, StepOpen: Opened, StepDeactivate: Deactivated},
	Deactivated: {StepDeactivate: Deactivated},
}

// States lists every state in the order of a life.
func States() []State { return []State{Created, Sent, Opened, Deactivated} }

// Steps lists every step.
func Steps() []Step { return []Step{StepSend, StepOpen, StepDeactivate} }

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
	b.WriteString("stateDiagram-v2\n    [*] --> created\n")
	for _, from := range States() {
		for _, step := range Steps() {
			if to, ok := transitions[from][step]; ok && to != from {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, step)
			}
		}
	}
	b.WriteString("    deactivated --> [*]\n")
	return b.String()
}

// ErrIllegalTransition is what every refused step unwraps to.
var ErrIllegalTransition = errors.New("invitation: illegal transition")

// TransitionError is a step that the state does not allow.
type TransitionError struct {
	From State
	Step Step
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("invitation: cannot %s an invitation that is %s", e.Step, e.From)
}

// Unwrap returns [ErrIllegalTransition].
func (e *TransitionError) Unwrap() error { return ErrIllegalTransition }
