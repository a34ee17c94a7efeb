// Package watch decides when each Job in flight is read, and reads it. It knows Job
// IDs and statuses, not operations.
//
// From top to bottom: what an operation asks of its watch (schedule.go); a [Watcher]
// does the requests, keeps the timer and the lock; a pass is one sweep through lists of
// Jobs (run.go: its beginning and end, lists.go: which pages, rows.go: which Jobs they
// show, missing.go: what it means that one is not there); sweeping.go says when a sweep
// is due, hintedrow.go what a row leads to; the planner says what is due, by age or by wish;
// sweep.go has the plans of a sweep, and the breaker tells an outage. Each uses what is
// below it.
//
// Watchers of several processes may share the lists: others.go has what the one tells
// that reads them, takehints.go what the others make of it.
package watch
