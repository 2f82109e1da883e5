// Package fault does to servers and databases what a year of operation does, in
// minutes, and looks at what is left.
//
// "make fault" has the build tag fault. Its tests are the parent of everything:
// of the servers, of PostgreSQL, of the network between them (package proxy) and
// of the mail server (package sink). Clients work over HTTP and keep a history of
// what they were told: done, refused, or no answer. After every cycle the
// database has to break none of the rules of package verify, to hold what the
// clients were told, exactly, and to agree with the mail that came. What had no
// answer is looked up first and then sent again by its idempotency key or
// enrollment id. In the end everything is drained, and a table of figures is
// printed.
//
//	F1   SIGKILL of a node, and of the reference server, under load
//	F2   SIGKILL at a point: around commits, between a try and its comparison, around a mail's hand-over
//	F3   SIGKILL of PostgreSQL with all its processes
//	F4   the answer to a COMMIT is lost, or the COMMIT
//	F5   a connection that is slow, stands still, is reset
//	F6   three nodes: SIGKILL, SIGSTOP and SIGCONT, and what was leased is taken over
//	F7   deadlocks, serialization failures, terminated sessions
//	F8   SQLite's write lock is held by another process
//	F9   the disk is full
//	F11  the mail server is down, busy, stuck, refuses, or loses its answer
//	F12  clocks jump, by an hour and by a day, and apart
//	F13  SIGTERM, and a rolling restart of two nodes
//	F17  flipped bits
//	I2, I5 races for hardware and for the tries of a PIN
//
// Histories of calls about invitations and PINs, with nodes killed and frozen and
// commits cut, are checked for linearizability (package linear).
//
// Most of it runs on a node of its own, in directory node: the same Service,
// stores and handlers, with points at which it can be told to die
// (ENROLLKIT_FAILPOINT=after-commit:3) and a clock that can be set. It exists
// with the build tag alone, and nothing of it is in the SDK. Built with one of
// the tags mutant_... it has one mistake, and a test sees that each is found.
//
// FAULT_SEED repeats the choices of a run; FAULT_F1 to FAULT_F13, FAULT_I2,
// FAULT_I5 and FAULT_LINEAR say how many cycles there are, FAULT_F4 how many
// cuts, and FAULT_CYCLES how often the reference server is killed. What failed
// keeps its directory.
//
// [Check] needs no clients: the rules of package verify, and those of the
// reference server's own tables. A quick test, without the tag, proves that each
// of these bites; refserver/checks does so for those.
package fault
