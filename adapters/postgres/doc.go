// Package postgres keeps a registry's journal in a Postgres database: several replicas
// of a program share it, and take over from one another.
//
//	journal, err := postgres.Open(ctx, "postgres://app@db.example.com/app?sslmode=verify-full&pool_max_conns=16")
//	if err != nil { ... }
//	defer journal.Close() // after the registry
//	reg, err := duvotool.Discover(ctx, client, duvotool.WithJournal(journal))
//
// It needs Postgres 13 or newer. TLS, service and password files, several hosts
// (target_session_attrs=read-write) and the environment are as pgx has them. [New] takes
// a pool that there is already.
//
// # What it promises
//
// A Put that returned nil is committed. It is one statement: an update of the row with
// this key, this revision and, where the record has a term, this lease's term. So of two
// that replace one revision one wins, and who was replaced as owner stores nothing,
// whatever it still believes: a Put that is under way when another replica takes the key
// is stored before, or not at all.
//
// [Open] refuses a server that says that something is stored before it is on disk, with
// fsync or synchronous_commit off ([ErrNotDurable]). Where a standby may take the server's
// place, let commits wait for it (synchronous_standby_names): what only the old server
// had is lost, and what was lost may be done twice.
//
// Leases are measured by the server's clock. It must not jump: a clock that is set
// forward lets them run out, and their owners are told so at their next renewal.
//
// No call holds a lock while it waits for its program: each is a statement of its own,
// whose answer fits into the connection's buffers, so that a replica that stops in the
// middle stops nobody else. [Migrate] alone takes a transaction. Nothing is kept in the
// session.
//
// # Failures
//
// What may pass by itself matches [journal.ErrUnavailable]: the server cannot be reached,
// restarts, has too many connections or no room, takes no writes, or gives no answer for
// 30 s ([WithTimeout]). The next call connects anew. Missing permissions or tables, and
// what else a person must mend, do not match it. Errors of the server are
// [pgconn.PgError]s. None holds the connection string or a password, and the reason why a
// connection string cannot be parsed is not told for that reason.
//
// # PgBouncer
//
// In transaction mode, statements that are prepared by name are not there on the next
// connection. That there is a pooler is noticed when the journal is opened, and
// statements then go without names, as with default_query_exec_mode=cache_describe.
// Notifications do not come through it: give [Journal.Listen] a connection string of the
// server's own ([WithListen]); without one it says so and returns. Then the other
// replicas' texts are missed, which costs time, not safety.
//
// # Tables
//
// There are three tables and a sequence; with another prefix or schema ([WithPrefix],
// [WithSchema]) they are other ones, and another journal.
//
//	duvotool_records   a row for each key that has a record or an owner: key, revision (0:
//	                   no record), done, at_seconds and at_nanos (its time, to the
//	                   nanosecond), stage, since_seconds and since_nanos, put_term, data;
//	                   for indexes recorded (the revision is not 0), done_seconds and
//	                   done_nanos (the time, once done); and the lease: owner (empty:
//	                   nobody), term, owned_at
//	duvotool_owners    the replicas: name, until, lapsed (of the last renewal)
//	duvotool_version   one row: the version of these tables
//	duvotool_terms     where terms come from, so that none is given twice
//
// What is in data is the registry's; what it is encrypted with, see
// duvotool.WithJournalKey. The stage, and since when a Job waits for a person, are told
// without it:
//
//	SELECT stage, count(*), to_timestamp(min(since_seconds)) FROM duvotool_records
//	WHERE NOT done AND recorded GROUP BY stage
//
// A migration brings older tables to this release's version, in one transaction, while
// others that want the same wait. Newer ones are refused ([ErrNewer]): go back to the
// release that made them. Migrations keep what a release before needs, so that its
// programs work on until they are replaced, unless the CHANGELOG says otherwise.
//
// Programs need no right to make tables. Have a role with CREATE on the schema run
// [Migrate], open the journal [WithoutMigrations], and grant their role:
//
//	GRANT SELECT, INSERT, UPDATE, DELETE ON duvotool_records, duvotool_owners TO app;
//	GRANT SELECT, UPDATE ON duvotool_version TO app;
//	GRANT USAGE ON SEQUENCE duvotool_terms TO app;
//
// # Costs
//
// One statement each: Put, Get, Renew whatever is owned, Own of a key that is free,
// Release, Tell. TakeOver takes 500 operations a statement, and one statement where there
// is nothing to take; Unfinished reads 256 records, Heads 1000, and Forget deletes 500, in one. None
// reads the whole table. [Journal.Listen] has a connection of its own, and asks whether
// it is there after 30 s of silence.
//
// A Put writes the row anew, and touches no index unless the stage changes or the record
// is done. It takes some 1.3 times as long as a bare upsert of the same bytes where it waits
// for the disk, and about twice as long where it does not (BenchmarkPut). Finished records stay until Forget; autovacuum then gives their room to
// others.
package postgres
