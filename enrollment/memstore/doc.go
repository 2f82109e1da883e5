// Package memstore is an [enrollment.Storage] in memory. It is the model that
// other stores are compared with, and serves tests and demos.
//
// Nothing is durable: what a [Store] holds is gone with the process. Units of
// work, reading ones too, run one after another, so that a Store is always
// exact and never fast.
//
// Where the contract leaves something open, a Store is the strictest reading
// of it: it answers with an error and does not guess. Text that is not UTF-8,
// or holds a NUL byte, is refused, as PostgreSQL cannot keep it.
package memstore
