// Package simulate plays a fleet against a running server, through its public
// HTTP surface only: people who open their mail or do not, accept, enroll by
// link, QR code or PIN, mistype, give up half way, drop out and come back, the
// administrators around them, and mail scanners that fetch every link.
//
// # Plan
//
// [NewPlan] writes down beforehand what everybody will do: one of [Stories] for
// each person, as a list of acts with the time between them. A plan depends on
// its seed and on nothing else, so the same seed plays the same stories whatever
// the scheduler does. [Options.Pace] is how many seconds of the people's time
// pass in one of ours.
//
// # Expectations
//
// Each simulated device keeps its own account of what it proved. Every answer of
// the server is compared with it, as is GET /slots at the end. A status, a code
// or a state that was not foreseen is listed in the [Report]; nothing stops at
// the first. What a program on a device cannot prove, such as an MDM profile,
// stays missing, so devices of Apple, and computers with an agent alone, stay
// pending unless something else vouches for them. Computers that sign in in the
// settings of Windows, by the invitation or by a login of self-service, speak its
// own protocol, where the server does.
//
// # Secrets
//
// Links, PINs and tokens stay in memory. Logs and reports name routes by their
// pattern and people by their number.
package simulate
