// Package invitation is the standing right of one user to enroll devices: its
// states, what may follow what, and the questions asked of it. It knows neither
// credentials nor devices, stores nothing and reads no clock; the time is an
// argument.
//
// An [Invitation] is a value. Its verbs ([Invitation.Send], [Invitation.Open],
// [Invitation.Deactivate]) return a changed copy and say whether anything
// changed. Repeating a state is no error and no change; a refused step is a
// [*TransitionError], which unwraps to [ErrIllegalTransition].
//
// The whole machine is the table in state.go; [Transitions] and [Diagram] read
// it, and so do the tests.
package invitation
