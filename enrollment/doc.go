// Package enrollment is the flows: inviting people, the credentials they enroll
// with, and the life of their devices. It is the only package that knows
// invitations, credentials and devices together.
//
// [Service] has one method for each thing that an administrator, a person, a
// device or a trusted system does. Each does all it promises in one unit of
// work of a [Storage]: the change, its entry in the journal, and the mail it
// causes. [Service.Run] delivers what the units left in the outbox and notices
// what time brings.
//
// # Errors
//
// Verbs answer with the sentinels and types of this package and of the leaves;
// [Code] gives each its stable name. Everything else is the store's or the
// embedder's trouble and means that nothing was done, or that the store's answer
// was lost on the way; the request can be repeated.
//
// # Operations
//
// Config.Observer is told what happens, for metrics, and [WithRequestID] ties the
// lines of the log to a request. Keys are rotated while everything runs:
// [Service.UseKeyring], [Service.Rekey], [Service.RetireKey].
//
// # Concurrency
//
// A Service is safe for concurrent use, and any number of them, in any number
// of processes, may share one store.
package enrollment
