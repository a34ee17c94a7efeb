package watch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Watch is a watcher's interest in one Job. It runs no goroutine.
type Watch struct {
	w     *Watcher
	jobID string
	to    Sighter

	// All below is guarded by Watcher.mu.
	cancel    context.CancelFunc // of the read that is under way; nil: there is none
	since     instant            // of the last sign of life, from which the age counts
	byAge     instant            // when the next read is due by age; zero: not planned
	asked     instant            // when the next read was asked for; zero: it was not
	due       instant            // the sooner of the two that count
	tried     instant            // when the last read began, whatever came of it
	index     int32              // in the queue; -1: not there
	slowUntil instant            // until when reads come as Duvo advises, however fast they do else
	retries   uint8              // in a row
	urgent    bool               // somebody waits for this read
	reading   bool
	reread    bool // a read was asked for while one was under way
	stopped   bool

	listed
}

// listed is what lists have told of a Job.
type listed struct {
	status        duvo.Status // as last read
	updated       stamp       // as last read
	created       stamp       // zero: not known
	added         instant     // when the watch began
	lastRead      instant
	hint          stamp     // updated_at of the row that led to the next read
	refuted       stamp     // updated_at of the last row that a read refuted
	lastSwept     instant   // when the last sweep was that showed it
	trusted       *duvo.Job // a row that takes the place of the next read; see planner.trustLists
	lastSweep     uint32    // the last sweep that showed it
	hinted        bool      // a row leads to the next read
	refutals      uint8     // in a row
	absences      uint8     // in a row, each of them refuted by a read
	outsideSweeps bool      // read by age: lists do not show it, or pinned
	pinned        bool      // it stays so: it is far older than the others, or it was asked for

	// Where watchers share the lists; see Others.
	foreign     bool        // another watcher reads it: this one only tells of its rows
	unshared    bool        // its next row is told, whatever that is
	taken       bool        // the watcher that reads the lists looks after it, as it has told
	sweptUntil  instant     // and does so for sure until then
	hintStatus  duvo.Status // of the last row that was told, until a read shows it; empty: none
	hintUpdated stamp
}

// A Sighting is what a watcher tells of a Job: one read of it, or, if Hint is
// set, only that a list gave it another status on its way.
type Sighting struct {
	Job   duvo.Job
	Err   error
	Began time.Time // when the read was sent; zero with Hint
	Hint  bool
}

// A Sighter wants a Job to be watched.
type Sighter interface {
	// Sighted is told what is seen of the Job. It must not block for long; what takes
	// time it returns, to be run when the watcher is done with the read.
	Sighted(*Watch, Sighting) (then func())
	// Context returns the context that the Job is read with.
	Context() context.Context
}

func newWatch(w *Watcher, job duvo.Job, to Sighter, now instant) *Watch {
	n := &Watch{w: w, jobID: job.ID, to: to, since: now, index: -1}
	n.listed = listed{status: job.Status, updated: stampOf(job.UpdatedAt), created: stampOf(job.CreatedAt), added: now}
	return n
}

// learn notes what a read that began then told.
func (n *Watch) learn(s Sighting, began instant) {
	if s.Err != nil {
		return
	}
	switch {
	case !n.hinted:
	case s.Job.Status == n.status:
		n.refuted, n.refutals = n.hint, min(n.refutals+1, 100)
	default:
		n.refutals = 0
	}
	n.hint, n.hinted = 0, false
	if n.absences > 0 && s.Job.Status.Terminal() {
		n.absences = 0
	}
	if n.absences > 1 && !n.outsideSweeps {
		n.outsideSweeps = true
	}
	n.status, n.updated, n.lastRead = s.Job.Status, stampOf(s.Job.UpdatedAt), began
	if !s.Job.CreatedAt.IsZero() {
		n.created = stampOf(s.Job.CreatedAt)
	}
}

// known returns when the Job was last known for sure.
func (n *Watch) known() instant {
	if n.lastRead.IsZero() {
		return n.added
	}
	return n.lastRead
}

// key is the Job's ID as planner.byJob has it.
func (n *Watch) key() string { return strings.ToLower(n.jobID) }

// activeStatuses are the statuses of Jobs in flight that lists are asked for,
// beside waiting.
var activeStatuses = []duvo.Status{duvo.StatusRunning, duvo.StatusStarting, duvo.StatusPending, duvo.StatusNotStarted}

// OnItsWay reports statuses between which a Job moves by itself.
func OnItsWay(s duvo.Status) bool { return slices.Contains(activeStatuses, s) }

// early is what was told of a Job before it was watched: it may be recorded, and so
// known to others, a little before.
type early struct {
	until instant // sweeps look after it
	row   *Row    // the latest; nil: none was told
}
