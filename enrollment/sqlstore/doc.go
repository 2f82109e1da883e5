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
// # PostgreSQL
//
// Version 13 or later, through pgx: refserver/pgxq adapts its pool, and
// database/sql with pgx's driver works as well. Each unit runs in a transaction
// of its own at read committed; constraints, row locks and conditional updates
// keep the promises, so that any number of processes may share a database. A
// unit that the database gave up on (40001, 40P01) runs again, at most five
// times; a commit that failed is never repeated, because nobody knows what
// became of it. Touch is one statement that commits by itself, and gathers what
// callers ask for while one is under way.
//
// No state is kept in a session: PgBouncer in transaction mode works, with
// default_query_exec_mode=exec in pgx's DSN. Never use pgx's simple protocol,
// which may run a statement twice when an answer is lost. Server settings that
// lose what was acknowledged are fsync=off, full_page_writes=off and
// synchronous_commit=off; pgxq.Open refuses them.
//
// # Round trips
//
// Where a database is reached over a network, a unit is mostly waiting. A
// [Querier] that is [Pipelined] is given the statements whose answer decides
// nothing (savepoints, search terms, counts, mail) to be sent with the next one.
// Touches of many callers share statements.
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
// (refserver/sqlitedb, refserver/pgxq), because the SDK itself requires none.
package sqlstore
