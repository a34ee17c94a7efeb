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
	w      *Watcher
	ctx    context.Context
	jobID  string
	notify func(Sighting)

	// All below is guarded by Watcher.mu.
	since   time.Time // of the last sign of life, from which the age counts
	byAge   time.Time // when the next read is due by age; zero: not planned
	asked   time.Time // when the next read was asked for; zero: it was not
	due     time.Time // the sooner of the two that count
	tried   time.Time // when the last read began, whatever came of it
	index   int       // in the queue; -1: not there
	retries uint8     // in a row
	urgent  bool      // somebody waits for this read
	reading bool
	reread  bool // a read was asked for while one was under way
	stopped bool

	listed
}

// listed is what lists have told of a Job.
type listed struct {
	status        duvo.Status // as last read
	updated       time.Time   // as last read
	created       time.Time   // zero: not known
	added         time.Time   // when the watch began
	lastRead      time.Time
	hint          time.Time // updated_at of the row that led to the next read
	refuted       time.Time // updated_at of the last row that a read refuted
	lastSweep     uint32    // the last sweep that showed it
	lastSwept     time.Time // when that was
	trusted       *duvo.Job // a row that takes the place of the next read; see planner.trustLists
	hinted        bool      // a row leads to the next read
	refutals      uint8     // in a row
	absences      uint8     // in a row, each of them refuted by a read
	outsideSweeps bool      // read by age: lists do not show it, or pinned
	pinned        bool      // it stays so: it is far older than the others, or it was asked for
}

// A Sighting is what a watcher tells of a Job: one read of it, or, if Hint is
// set, only that a list gave it another status on its way.
type Sighting struct {
	Job   duvo.Job
	Err   error
	Began time.Time // when the read was sent
	Hint  bool
}

func newWatch(w *Watcher, ctx context.Context, job duvo.Job, notify func(Sighting)) *Watch {
	n := &Watch{w: w, ctx: ctx, jobID: job.ID, notify: notify, since: time.Now(), index: -1}
	n.listed = listed{status: job.Status, updated: job.UpdatedAt, created: job.CreatedAt, added: n.since}
	return n
}

// Schedule plans the next read: when the Job's age calls for it, or a list shows
// a change, and in any case once limit has passed. A limit of zero means none.
// What is planned for earlier stays.
func (n *Watch) Schedule(limit time.Duration) {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.retries = 0
	now := time.Now()
	n.byAge = sooner(n.byAge, now.Add(jitter(n.w.pause(now.Sub(n.since)))))
	if limit > 0 {
		n.asked = sooner(n.asked, now.Add(limit))
	}
	n.w.plan(n)
}

// Retry plans a read soon, and each time later, because what the last one was
// for has failed.
func (n *Watch) Retry() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.asked = sooner(n.asked, time.Now().Add(jitter(min(time.Second<<min(n.retries, 6), time.Minute))))
	n.retries = min(n.retries+1, 100)
	n.w.plan(n)
}

// Now plans a read at once, before the reads that nobody waits for.
func (n *Watch) Now() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.urgent = true
	n.asked = time.Now()
	n.w.plan(n)
}

// Alone lets the Job be read by its age, however many others there are.
func (n *Watch) Alone() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.outsideSweeps, n.pinned = true, true
	n.w.plan(n)
}

// Alive makes the Job young again, and so the next read come soon: something was
// just sent to it. answered tells that what it waited for has been taken.
func (n *Watch) Alive(answered bool) {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.since = time.Now()
	if answered {
		n.status, n.updated = duvo.StatusRunning, time.Time{} // as lists will tell it
	}
	n.byAge = sooner(n.byAge, n.since.Add(jitter(n.w.pause(0))))
	n.w.plan(n)
}

// Stop ends the watch. What a read that has begun finds is told to nobody.
func (n *Watch) Stop() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.w.remove(n)
}

// learn notes what a read told.
func (n *Watch) learn(s Sighting) {
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
	n.hint, n.hinted = time.Time{}, false
	if n.absences > 0 && s.Job.Status.Terminal() {
		n.absences = 0
	}
	if n.absences > 1 && !n.outsideSweeps {
		n.outsideSweeps = true
	}
	n.status, n.updated, n.lastRead = s.Job.Status, s.Job.UpdatedAt, s.Began
	if !s.Job.CreatedAt.IsZero() {
		n.created = s.Job.CreatedAt
	}
}

// known returns when the Job was last known for sure.
func (n *Watch) known() time.Time {
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
