// Package linear asks of what clients saw whether one machine that does one
// thing at a time could have answered so. It records calls of clients that work
// at the same time, on one node or on several, with faults or without, and
// checks them with porcupine against three models that fit the promises of
// package enrollment:
//
//   - [Register]: at most one thing is active. The invitation of a user: Send
//     sets it, Deactivate ends it, Enroll works by the active one alone. So does
//     a company passcode, with Generate for Send and a request for Enroll.
//   - [Budget]: so many wrong tries and not one more. A PIN, and the lock of a
//     company passcode.
//   - [Once]: one winner. A one-time login.
//
// # For a suite with faults
//
// A [History] is shared by all clients. Each call is begun before it is sent and
// ended with its answer:
//
//	call := history.Begin(client, linear.Input{Register: "acme/ann", Op: linear.Enroll, ID: invitation})
//	switch answer := enroll(...); {
//	case answer.ok:      call.End(linear.Output{OK: true})
//	case answer.refused: call.End(linear.Output{})
//	case answer.paced:   call.Drop() // it certainly did nothing
//	}
//
// A call that is never ended is unknown: a cut connection, a killed node, a 503
// after the request was sent. It stays open to the end of the history, so the
// check allows it to have happened at any time since, or never. Call Drop only
// for what cannot have happened: a connection that was refused, a 429.
//
// A command that is repeated with its idempotency key or its enrollment id until
// it is answered is one call, from the first attempt to the answer. A try of a
// PIN is not: each attempt costs, so each is a call of its own.
//
//	report, err := history.Check(linear.Register(), linear.Timeout)
//
// Every register must be new when the history begins. A history that porcupine
// cannot decide within the time is an error, as one that is wrong.
// [History.WriteTo] keeps it for later, [ReadHistory] reads it back.
package linear
