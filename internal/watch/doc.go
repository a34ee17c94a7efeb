// Package watch decides when each Job in flight is read, and reads it. It knows Job
// IDs and statuses, not operations.
//
// From top to bottom: a [Watcher] does the requests, keeps the timer and the lock;
// a pass is one sweep through lists of Jobs (run.go: its beginning and end,
// lists.go: which pages, rows.go: what a row tells, missing.go: what it means that
// there is none); the planner says what is due, by age, by wish (watch.go) or by
// a sweep (sweep.go); the breaker tells an outage. Each uses what is below it.
//
// Watchers of several processes may share the lists: others.go has what the one tells
// that reads them, heard.go what the others make of it.
package watch
