// Package database opens what the reference server runs on, a SQLite file or a
// PostgreSQL database, and runs the server's own statements in it: beside
// enrollkit's tables, in units of work of its store, so that on SQLite they ride
// in group commit instead of fighting for the one writer, and on PostgreSQL run
// again after a deadlock. Statements are written once, with ? for arguments.
//
// On PostgreSQL any number of nodes share one database. What one of them changes
// the others learn by asking; [Signals] only tells them to ask now.
package database
