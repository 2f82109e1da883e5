// Package enrollkit is the front page of a toolkit for device enrollment: for
// inviting people to enroll their devices, for the credentials they enroll
// with, and for the life of a device from first contact to leaving. It is made
// to be embedded in a product that manages devices, beside that product's own
// users, tenants, mail and console. This package holds no code.
//
// The Example of this package goes from an invitation to an active device in
// twenty lines.
//
// # The map
//
// The packages that hold the rules are pure. They import neither each other nor
// anything below, do no input or output, and take time and randomness as
// arguments:
//
//   - invitation: the offer made to one person, and its states
//   - credentials: what a person scans, types or follows (the deployment URL,
//     the QR code, the PIN, the company passcode), how secrets are sealed and
//     checked, and how many guesses anyone has
//   - device: the life of one device, judged from facts
//
// Package enrollment joins them. Its Service has one method for each thing that
// an administrator, a person or a device does, and carries it out in one unit
// of work on a Storage. Around it:
//
//   - enrollment/memstore: Storage in memory
//   - enrollment/sqlstore: Storage in SQL, on SQLite; it brings no driver
//   - enrollment/storetest: the contract of Storage as tests, for your own store
//   - enrollment/mailer: turns what is to be delivered into mail, and hands it
//     to a sender of yours
//   - enrollment/enrollhttp: the pages that people meet and the API that agents
//     call, as an http.Handler
//   - enrollment/adminhttp: the administrators' JSON API, as an http.Handler
//   - enrollment/apple: enrollment profiles for iPhone, iPad and Mac, and what
//     these devices say to an MDM server
//   - enrollment/android: Android devices, by an agent of one's own or another
//     system's
//   - enrollment/windows: Windows 10 and 11, which enroll by their own settings
//
// The directory examples holds one story for each way to embed the toolkit.
// The directory refserver is a module of its own, with a server that wires
// everything for demonstrations: run it with "make run", read it, copy from it.
// It is never imported.
//
// # Guarantees
//
//   - What is acknowledged is committed. The change, its entry in the journal
//     and the mail it causes are stored in one unit of work, or not at all.
//   - A person has at most one active invitation, whoever asks at the same time.
//   - Opening a link changes nothing. Only an explicit act of a person does, so
//     a mail scanner that follows every link enrolls nobody.
//   - A guess is counted before it is compared, and the number of wrong guesses
//     at a PIN has a limit for as long as that PIN lives. Locked, wrong and
//     unknown look the same from outside.
//   - A copy of the database without its keys gives no credential, and does not
//     confirm a guess at one. A secret cannot be printed, logged or marshalled
//     by accident.
//   - A company passcode locks at exactly its level, and no single source can
//     lock it. A one-time login lets one device in.
//   - A device that repeats itself, or speaks out of order, changes nothing.
//   - Deactivating an invitation leaves the devices enrolled with it alone.
//   - The identifiers of your tenants and users stay yours: opaque strings of up
//     to 128 bytes.
//
// # Stability
//
// The version is 0: names may still change, and CHANGELOG.md says how. Changes
// to what a Storage has to do stand there under a heading of their own. The
// reasons behind the design are in docs/adr.
package enrollkit
