package watch

import (
	"container/heap"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/workers"
)

// A Watcher reads the Jobs in flight of a registry and hands what it read to
// their operations. Nothing else decides when a Job is read.
//
// Each Job is read by its age, as Duvo advises, or when something calls for it:
// a webhook, a response just sent, a time limit. Where many Jobs are in flight
// and the backend can list them, pages of the list take the place of the reads
// by age: see sweeper. Requests go out by priority, so that the key's limit
// leaves room for starts and responses; see duvo.WithPriority.
//
// The planner says what is due, and when; the Watcher keeps one timer for that
// and makes the requests. Whatever number of Jobs there is, it runs one goroutine
// while it sweeps, and up to MaxReads that read, twice as many if somebody waits
// for the reads; none while nothing is read.
type Watcher struct {
	backend Reader
	lister  Lister // nil: the backend has no lists
	life    *lifetime.Lifetime
	pool    *workers.Pool

	Now func() time.Time // the clock by which reads are said to have begun; never changed once a Job is watched

	mu      sync.Mutex
	planner             // guarded by mu, and so is all below
	armed   bool        // timer will call tick
	at      instant     // when it will
	timer   *time.Timer // nil before the first Watch
}

// NewWatcher returns a watcher that reads each Job every so often; zero: by its
// age. With trustLists the row of a completed Job takes the place of its read.
func NewWatcher(b Reader, life *lifetime.Lifetime, pool *workers.Pool, log *slog.Logger, every time.Duration, trustLists bool) *Watcher {
	w := &Watcher{backend: b, life: life, pool: pool, Now: time.Now}
	w.lister, _ = b.(Lister)
	w.planner = planner{clock: newClock(), log: log, every: every, trustLists: trustLists, byJob: map[string]*Watch{}}
	w.sweep.possible = w.lister != nil
	return w
}

// Watch begins to read a Job, of which job is known so far. to is told of
// each read. After each read Schedule, Retry or Now must be called for the next one
// to happen.
func (w *Watcher) Watch(job duvo.Job, to Sighter) *Watch {
	n := newWatch(w, job, to, w.now())
	w.mu.Lock()
	defer w.unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(time.Hour, w.tick)
		w.timer.Stop() // until arm sets it
	}
	w.add(n)
	w.catchUp(n)
	return n
}

// Find returns the watch of a Job, nil if there is none.
func (w *Watcher) Find(jobID string) *Watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.byJob[strings.ToLower(jobID)]; n != nil && !n.foreign {
		return n
	}
	return nil
}

// unlock lets go of mu, once the timer is set for what is due first now.
func (w *Watcher) unlock() {
	if w.stale {
		w.arm()
	}
	w.mu.Unlock()
}

// arm sets the timer for what is due first. Called with mu held.
func (w *Watcher) arm() {
	now := w.now()
	at := w.nextDue(now)
	w.stale = false
	if w.armed && at != w.at {
		if !w.timer.Stop() {
			return // tick waits for mu and looks by itself
		}
		w.armed = false
		w.life.Leave()
	}
	if w.armed || at.IsZero() {
		return
	}
	w.armed, w.at = true, at
	w.life.Again() // left by tick, or by whoever stops the timer
	w.timer.Reset(at.Sub(now))
}

// tick begins what is due: reads, and a sweep.
func (w *Watcher) tick() {
	defer w.life.Leave()
	w.mu.Lock()
	w.armed = false
	now := w.now()
	for n := w.ready(); n != nil && !w.readAt(n).After(now); n = w.ready() {
		heap.Pop(&w.due)
		priority := duvo.Background
		if n.urgent {
			priority = duvo.Normal
		}
		n.byAge, n.asked, n.tried, n.urgent, n.reading = 0, 0, now, false, true
		w.reading++
		w.did.worked = now
		w.life.Again()
		w.pool.Go(func() { w.read(n, priority) })
	}
	if w.sweep.running && !w.elected(now) {
		w.sweep.end()
	}
	if at := w.sweepAt(now); !at.IsZero() && !at.After(now) {
		w.life.Again()
		p := w.beginSweep(now)
		w.pool.Go(func() { w.runSweep(p) })
	}
	w.stale = true
	w.unlock()
}

// beginSweep prepares the sweep that is due now. Called with mu held.
func (w *Watcher) beginSweep(now instant) *pass {
	ctx, cancel := context.WithCancel(duvo.WithoutResend(duvo.WithPriority(context.Background(), duvo.Idle)))
	w.sweep.cancel, w.sweep.running = cancel, true
	w.sweep.number++
	w.did.worked = now
	return newPass(w, ctx, now)
}

// runSweep sweeps once.
func (w *Watcher) runSweep(p *pass) {
	defer w.life.Leave()
	err := p.run()
	w.mu.Lock()
	defer w.unlock()
	p.finish(err, w.now())
	w.stale = true
}

// read reads one Job.
func (w *Watcher) read(n *Watch, priority duvo.Priority) {
	defer w.life.Leave()
	s := Sighting{Began: w.Now()}
	ctx, cancel := context.WithCancel(n.to.Context())
	defer cancel()
	w.mu.Lock()
	row := n.trusted
	n.trusted = nil
	n.cancel = cancel
	if n.stopped {
		cancel()
	}
	w.mu.Unlock()
	if row != nil {
		s.Job = *row
		w.mu.Lock()
		w.did.note(nil, true, w.now())
		w.mu.Unlock()
		w.hasRead(n, s)
		return
	}
	guard.Then(errPanic, func() (err error) {
		s.Job, err = w.backend.Job(duvo.WithoutResend(duvo.WithPriority(ctx, priority)), n.jobID)
		return err
	}, func(err error) {
		s.Err = err
		if ctx.Err() == nil {
			w.mu.Lock()
			w.answered(err, true)
			w.mu.Unlock()
		}
		w.hasRead(n, s)
	})
}

// hasRead takes in that a Job was read, and hands it on.
func (w *Watcher) hasRead(n *Watch, s Sighting) {
	w.mu.Lock()
	w.sighted(n, s)
	n.cancel = nil
	stopped := n.stopped
	w.unlock()
	var then func()
	if !stopped {
		then = n.to.Sighted(n, s)
	}
	w.mu.Lock()
	w.reading--
	w.stale = true
	w.unlock()
	if then != nil {
		then()
	}
}

// Status tells how the watcher is. It looks at no Job, however many there are.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, wall := w.now(), time.Now()
	at := func(i instant) time.Time {
		if i.IsZero() {
			return time.Time{}
		}
		return wall.Add(-now.Sub(i))
	}
	s := Status{Watched: len(w.byJob), Reading: w.reading, LastRead: at(w.did.read), LastListed: at(w.did.listed), LastWorked: at(w.did.worked),
		FailingSince: at(w.did.failing), Sweeping: w.sweep.on, Down: w.service.open()}
	since := w.did.worked
	switch {
	case w.reading > 0 || w.sweep.running:
		s.Behind = now.Sub(since)
	case w.armed && w.at.Before(now):
		s.Behind = min(now.Sub(w.at), now.Sub(since))
	}
	return s
}
