// Package verify checks what a [sqlstore.Store] keeps against the rules that hold
// at every moment, whatever was killed: that nothing is there twice or by half,
// that the journal leads to what the rows say, that whatever is sealed opens.
//
//	report, err := verify.Check(ctx, store, verify.Options{Keyring: ring, Now: time.Now()})
//	if err != nil { ... }      // could not be looked at
//	err = report.Print(out)    // one line for each violation, and a last one that sums up
//	if !report.OK() { ... }
//
// Run it after a restore, after an incident, or every night on a copy. It only
// reads, in one transaction that sees one state, so servers may go on working.
// It takes a few seconds for a hundred thousand devices; what it keeps in memory
// does not grow with them.
//
// [Rules] lists what is looked at. Erased people, pruned journals, adopted
// devices, devices in conflict over hardware and keys under rotation are as sound
// as everything else. What a report tells are ids, states and numbers, never a
// secret, a name or an address.
//
// # Exit codes
//
// A command that runs Check ends with 0 if the report is OK, with 1 if the
// database could not be looked at, and with 3 if there are violations; 2 is left
// to wrong usage. Rules that were skipped do not count: the report names them.
//
// # What it cannot see
//
// It knows what is stored, not what clients were told: that nothing acknowledged
// was lost takes the clients' side of the story, which refserver's fault suite
// has. Tables of the embedder are the embedder's to check; [sqlstore.Store.Render]
// helps to write statements that join ours.
package verify
