// Package sqlstore keeps everything in an SQL database: it is an
// [enrollment.Storage] in plain SQL over the small interface [Querier], without
// a driver of its own.
//
//	db, err := sql.Open("sqlite", "file:enroll.db?...") // see SQLite below
//	store, err := sqlstore.New(sqlstore.SQL(db), sqlstore.SQLite, sqlstore.Options{})
//	err = store.Check(ctx) // or store.Migrate(ctx)
//
// # Tables
//
// The tables carry a prefix and live beside the embedder's. [Store.Migrate]
// makes them; [Migrations] returns the same SQL for the embedder's own tool, so
// that the program itself runs without the right to change tables. [Store.Check]
// refuses a database of another version with a [*VersionError].
//
// Times are microseconds since 1970 in UTC, 0 for a time that has not happened;
// texts compare byte by byte; lists are JSON. A text with a NUL or with invalid
// UTF-8 is refused with [ErrText] wherever it would be written.
//
// # Transactions of the embedder
//
// [InTx] runs units of work inside a transaction that the embedder began and
// will commit; [Conn] hands the embedder's statements the transaction of one of
// our units. Neither needs the other.
//
// # SQLite
//
// One connection writes at a time. Units that wait for it are run on savepoints
// of one BEGIN IMMEDIATE transaction and share its commit (group commit): every
// caller still returns after its own rows are on the disk. Required of each
// connection are
//
//	PRAGMA journal_mode = WAL;   -- readers do not wait for the writer
//	PRAGMA synchronous = FULL;   -- NORMAL may lose acknowledged units with the power
//	PRAGMA foreign_keys = ON;
//	PRAGMA busy_timeout = 5000;  -- for the embedder's own write transactions
//
// and an embedder's transaction that writes has to begin IMMEDIATE. One process
// per file is the supported way to run; refserver/sqlitedb opens a file just so
// and keeps a second process away from it.
//
// The tests of this package that need a driver run in the module refserver
// (refserver/sqlitedb), because the SDK itself requires none.
package sqlstore
