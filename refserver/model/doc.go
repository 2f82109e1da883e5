// Package model holds the promises of package enrollment a second time, in plain
// maps and without a database, and compares. rapid drives random stories
// (invite, enroll, report, guess, wait, lose the process, turn the keys) through
// a Service on every store in lockstep; after each step the answer must be the
// model's, and everything that the public API shows must be the same on every
// store and the same as in the model.
//
// It has tests only. A story that fails is shrunk and told step by step, with
// names like inv2 and dev1; -rapid.failfile, which the failure names, repeats it.
//
// How long it runs is rapid's to say:
//
//	go test ./model                                      # a few seconds
//	go test ./model -rapid.checks=2000 -rapid.steps=50   # a night's part
package model
