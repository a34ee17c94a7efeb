// Package journal is what outlives a process: a [Journal] keeps the record of each
// operation, so that the next process goes on with it, and one with [Leases] is shared by
// replicas. [NewMemory] and [NewShared] last as long as their process; adapters/bolt keeps
// one on disk, and adapters/postgres in a database.
package journal
