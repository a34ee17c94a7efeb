package watch

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
)

// A watcher reads the Jobs in flight of a registry and hands what it read to
// their operations. Nothing else in this package decides when a Job is read.
//
// Each Job is read by its age, as Duvo advises, or when something calls for it:
// a webhook, a response just sent, a time limit. Where many Jobs are in flight
// and the backend can list them, pages of the list take the place of the reads
// by age: see sweep.go. Requests go out by priority, so that the key's limit
// leaves room for starts and responses; see duvo.WithPriority.
//
// Whatever number of Jobs there is, it runs one goroutine while it sweeps, and up
// to maxReads that read, twice as many if somebody waits for the reads; none
// while nothing is read.
type Watcher struct {
	backend Reader
	lister  Lister // nil: the backend has no lists
	life    *lifetime.Lifetime
	log     *slog.Logger
	every   time.Duration // zero: by age
	trust   bool          // see TrustLists

	mu      sync.Mutex
	byJob   map[string]*Watch // those that are not stopped, by Job ID in lower case
	due     dueHeap
	reading int
	kicking bool
	armed   bool        // timer will call tick
	at      time.Time   // when it will
	timer   *time.Timer // nil at first

	failing int       // temporary failures in a row, of all requests
	down    bool      // reads are among them
	probe   time.Time // while failing: when the next request may go out

	sweep sweeper
}

// maxReads bounds the reads that are under way at once.
const MaxReads = 16

// outage is how many failures in a row mean that the service is down: from then
// on one request at a time asks whether it is back.
const outage = 5

func NewWatcher(b Reader, life *lifetime.Lifetime, log *slog.Logger, every time.Duration, trust bool) *Watcher {
	w := &Watcher{backend: b, life: life, log: log, every: every, trust: trust, byJob: map[string]*Watch{}}
	w.lister, _ = b.(Lister)
	return w
}

// A sighting is what a watcher tells of a Job: one read of it, or, if hint is
// set, only that a list gave it another status on its way.
type Sighting struct {
	Job   duvo.Job
	Err   error
	Began time.Time // when the read was sent
	Hint  bool
}

// A watch is a watcher's interest in one Job. It runs no goroutine.
type Watch struct {
	w     *Watcher
	ctx   context.Context
	jobID string
	told  func(Sighting)

	// All below is guarded by watcher.mu.
	since    time.Time // of the last sign of life, from which the age counts
	byAge    time.Time // when the next read is due by age; zero: not planned
	byWish   time.Time // when the next read was asked for; zero: it was not
	due      time.Time // the sooner of the two that count
	index    int       // in the heap; -1: not there
	retries  uint8     // in a row
	pressing bool      // somebody waits for this read
	reading  bool
	again    bool // a read was asked for while one was under way
	stopped  bool

	listed
}

// watch begins to read a Job, of which job is known so far. told is called with
// each read and must not block for long. After each read schedule, retry or now
// must be called for the next one to happen. The context ends the reads.
func (w *Watcher) Watch(ctx context.Context, job duvo.Job, told func(Sighting)) *Watch {
	n := &Watch{w: w, ctx: ctx, jobID: job.ID, told: told, since: time.Now(), index: -1}
	n.listed = listed{status: job.Status, updated: job.UpdatedAt, created: job.CreatedAt, added: n.since}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := strings.ToLower(job.ID)
	if twin := w.byJob[id]; twin != nil { // of a backend whose Jobs share an ID
		twin.single, twin.keep = true, true
		twin.plan()
	}
	w.byJob[id] = n
	w.kick()
	return n
}

// find returns the watch of a Job, nil if there is none.
func (w *Watcher) Find(jobID string) *Watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byJob[strings.ToLower(jobID)]
}

// schedule plans the next read: when the Job's age calls for it, or a list shows
// a change, and in any case once limit has passed. A limit of zero means none.
// What is planned for earlier stays.
func (n *Watch) Schedule(limit time.Duration) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.retries = 0
	now := time.Now()
	n.byAge = sooner(n.byAge, now.Add(jitter(n.w.pause(now.Sub(n.since)))))
	if limit > 0 {
		n.byWish = sooner(n.byWish, now.Add(limit))
	}
	n.plan()
}

// retry plans a read soon, and each time later, because what the last one was
// for has failed.
func (n *Watch) Retry() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.byWish = sooner(n.byWish, time.Now().Add(jitter(min(time.Second<<min(n.retries, 6), time.Minute))))
	n.retries = min(n.retries+1, 100)
	n.plan()
}

// now plans a read at once, before the reads that nobody waits for.
func (n *Watch) Now() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.pressing = true
	n.byWish = time.Now()
	n.plan()
}

// alone lets the Job be read by its age, however many others there are.
func (n *Watch) Alone() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.single, n.keep = true, true
	n.plan()
}

// alive makes the Job young again: something was just sent to it. answered tells
// that what it waited for has been taken.
func (n *Watch) Alive(answered bool) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.since = time.Now()
	if answered {
		n.status, n.updated = duvo.StatusRunning, time.Time{} // as lists will tell it
		n.plan()
	}
}

// stop ends the watch. A read that has begun is told to nobody.
func (n *Watch) Stop() {
	w := n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := strings.ToLower(n.jobID); w.byJob[id] == n {
		delete(w.byJob, id)
	}
	n.stopped = true
	n.plan()
	if len(w.byJob) == 0 {
		w.sweep.end()
	}
	w.kick()
}

// plan puts the watch where it belongs in the heap. Called with mu held.
func (n *Watch) plan() {
	w := n.w
	if n.reading && !n.byWish.IsZero() && !n.byWish.After(time.Now()) {
		n.again = true
	}
	n.due = n.byWish
	if w.covers(n) {
		if n.status == duvo.StatusWaiting {
			// Another request in its place looks the same in a list.
			n.due = sooner(n.due, n.lastRead.Add(waitingReread))
		}
	} else {
		n.due = sooner(n.due, n.byAge)
	}
	switch gone := n.stopped || n.reading || n.due.IsZero(); {
	case gone && n.index >= 0:
		heap.Remove(&w.due, n.index)
	case gone:
	case n.index >= 0:
		heap.Fix(&w.due, n.index)
	default:
		heap.Push(&w.due, n)
	}
	if n.index == 0 {
		w.kick()
	}
}

// kick sees to it that the timer fires when something is due. Called with mu
// held.
func (w *Watcher) kick() {
	if w.kicking {
		return // what comes of it is looked at below
	}
	w.kicking = true
	var at time.Time
	if len(w.byJob) > 0 {
		at = w.sweepIfDue(time.Now())
	}
	if n := w.ready(); n != nil {
		at = sooner(at, w.when(n))
	}
	w.kicking = false
	if w.armed && !at.Equal(w.at) {
		if !w.timer.Stop() {
			return // it is about to look by itself
		}
		w.armed = false
		w.life.Leave()
	}
	if w.armed || at.IsZero() {
		return
	}
	w.armed, w.at = true, at
	w.life.Again() // left by tick, or by whoever stops the timer
	if d := time.Until(at); w.timer == nil {
		w.timer = time.AfterFunc(d, w.tick)
	} else {
		w.timer.Reset(d)
	}
}

// ready returns the watch whose read comes next, nil if none may be sent out
// now: the end of another one kicks. Called with mu held.
func (w *Watcher) ready() *Watch {
	limit := MaxReads
	if w.failing >= outage {
		limit = 1
	}
	if len(w.due) == 0 || w.reading >= limit && !(w.due[0].pressing && w.reading < 2*limit) {
		return nil
	}
	return w.due[0]
}

// when returns when the next read may be sent out. Called with mu held.
func (w *Watcher) when(n *Watch) time.Time {
	if w.failing >= outage && n.due.Before(w.probe) {
		return w.probe
	}
	return n.due
}

// tick sends out what is due, the last read from its own goroutine.
func (w *Watcher) tick() {
	defer w.life.Leave()
	w.mu.Lock()
	w.armed = false
	now := time.Now()
	var own *Watch
	var class duvo.Priority
	for n := w.ready(); n != nil && !w.when(n).After(now); n = w.ready() {
		if own != nil {
			go w.read(own, class)
		}
		heap.Pop(&w.due)
		own, class = n, duvo.Background
		if n.pressing {
			class = duvo.Normal
		}
		n.byAge, n.byWish, n.pressing, n.reading = time.Time{}, time.Time{}, false, true
		w.reading++
		w.life.Again()
	}
	w.kick()
	w.mu.Unlock()
	if own != nil {
		w.read(own, class)
	}
}

// read reads one Job.
func (w *Watcher) read(n *Watch, class duvo.Priority) {
	defer w.life.Leave()
	s := Sighting{Began: time.Now()}
	w.mu.Lock()
	row := n.ended
	n.ended = nil
	w.mu.Unlock()
	if row != nil {
		s.Job = *row
	} else {
		s.Err = guard.Run(errPanic, func() (err error) {
			s.Job, err = w.backend.Job(duvo.WithoutResend(duvo.WithPriority(n.ctx, class)), n.jobID)
			return err
		})
	}
	w.mu.Lock()
	if row == nil && n.ctx.Err() == nil {
		w.outcome(s.Err)
		w.down = w.failing > 0
	}
	n.reading = false
	n.took(s)
	if n.again {
		n.again = false
		n.byWish = time.Now()
	}
	n.plan()
	stopped := n.stopped
	w.mu.Unlock()
	if !stopped {
		n.told(s)
	}
	w.mu.Lock()
	w.reading--
	w.kick()
	w.mu.Unlock()
}

// outcome notes whether the service answers. Called with mu held.
func (w *Watcher) outcome(err error) {
	if err == nil || !duvo.Temporary(err) {
		if w.down && w.failing >= outage {
			w.sweep.noSweeps = time.Time{} // it was not for the lists
		}
		w.failing, w.down = 0, false
		return
	}
	w.failing++
	pause := min(time.Second<<min(max(w.failing-outage, 0), 5), 30*time.Second)
	w.probe = time.Now().Add(jitter(max(pause, min(duvo.RetryAfter(err), time.Minute))))
}

// pause returns how long to wait before a Job of this age is read again, by
// the guidance that Duvo publishes: 5 to 10 s for Jobs under 2 minutes, 30 s
// to 15 minutes, 60 to 120 s beyond.
func (w *Watcher) pause(age time.Duration) time.Duration {
	switch {
	case w.every > 0:
		return w.every
	case age < 2*time.Minute:
		return 5 * time.Second
	case age < 15*time.Minute:
		return 30 * time.Second
	}
	return 90 * time.Second
}

// jitter spreads a pause by a tenth either way.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// sooner returns the earlier of two times of which either may be zero: never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A dueHeap holds the watches that wait for a read: first what is pressing, then
// the one that is due first.
type dueHeap []*Watch

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if h[i].pressing != h[j].pressing {
		return h[i].pressing
	}
	return h[i].due.Before(h[j].due)
}
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	n := x.(*Watch)
	n.index = len(*h)
	*h = append(*h, n)
}

func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	n := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	n.index = -1
	return n
}

var errPanic = errors.New("duvotool: panic")

// A Reader reads one Job.
type Reader interface {
	Job(ctx context.Context, id string) (duvo.Job, error)
}

// A Lister reads pages of the list of Jobs. A [Reader] may be one.
type Lister interface {
	JobPage(context.Context, duvo.JobFilter) (duvo.JobPage, error)
}
