package duvotool

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A watcher reads Jobs in flight and hands what it read to their operations.
// Nothing else in this package decides when a Job is read.
type watcher struct {
	backend Backend
	life    *lifetime
	every   time.Duration // zero: by age

	mu    sync.Mutex
	byJob map[string]*watch // those that are not stopped, by Job ID in lower case
}

func newWatcher(b Backend, life *lifetime, every time.Duration) *watcher {
	return &watcher{backend: b, life: life, every: every, byJob: map[string]*watch{}}
}

// A sighting is one read of a Job.
type sighting struct {
	job   duvo.Job
	err   error
	began time.Time // when the read was sent
}

// A watch is a watcher's interest in one Job. It runs no goroutine while
// nothing is read.
type watch struct {
	w     *watcher
	ctx   context.Context
	jobID string
	told  func(sighting)

	mu      sync.Mutex
	since   time.Time // of the last sign of life, from which the age counts
	failed  int       // reads in a row
	timer   *time.Timer
	at      time.Time // when timer fires
	reading bool
	again   bool // a read was asked for while one was under way
	stopped bool
}

// watch begins to read a Job. told is called with each read, from a goroutine
// of its own, and must not block. After each, schedule must be called for the
// next one to happen. The context ends the reads.
func (w *watcher) watch(ctx context.Context, jobID string, told func(sighting)) *watch {
	n := &watch{w: w, ctx: ctx, jobID: jobID, told: told, since: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.byJob[strings.ToLower(jobID)] = n
	return n
}

// find returns the watch of a Job, nil if there is none.
func (w *watcher) find(jobID string) *watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byJob[strings.ToLower(jobID)]
}

// schedule plans the next read: after the pause that the Job's age calls for,
// or sooner if at most limit is left. A limit of zero means none. A read that
// is planned for earlier stays.
func (w *watch) schedule(limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.w.pause(time.Since(w.since), w.failed)
	if limit > 0 && limit < d {
		d = limit
	}
	w.plan(d)
}

// now plans a read at once.
func (w *watch) now() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan(0)
}

// alive makes the Job young again: something was just sent to it.
func (w *watch) alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Now()
}

// plan is called with mu held.
func (w *watch) plan(d time.Duration) {
	if w.stopped {
		return
	}
	at := time.Now().Add(d)
	if w.timer != nil {
		if !at.Before(w.at) || !w.timer.Stop() {
			return // planned already, and as soon; or about to read
		}
		w.w.life.leave()
	}
	w.at = at
	w.w.life.again() // ended by read, or by whoever stops the timer
	w.timer = time.AfterFunc(d, w.read)
}

func (w *watch) read() {
	defer w.w.life.leave()
	w.mu.Lock()
	w.timer = nil
	if w.stopped || w.reading {
		w.again = w.reading
		w.mu.Unlock()
		return
	}
	w.reading = true
	w.mu.Unlock()

	s := sighting{began: time.Now()}
	func() {
		defer recoverAs(&s.err, errBackendPanic)
		s.job, s.err = w.w.backend.Job(w.ctx, w.jobID)
	}()

	w.mu.Lock()
	w.reading = false
	if s.err != nil {
		w.failed++
	} else {
		w.failed = 0
	}
	if w.again {
		w.again = false
		w.plan(0)
	}
	stopped := w.stopped
	w.mu.Unlock()
	if !stopped {
		w.told(s)
	}
}

// stop ends the watch. A read that has begun is told to nobody.
func (w *watch) stop() {
	w.w.mu.Lock()
	if id := strings.ToLower(w.jobID); w.w.byJob[id] == w {
		delete(w.w.byJob, id)
	}
	w.w.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil && w.timer.Stop() {
		w.w.life.leave()
	}
	w.timer = nil
}

// pause returns how long to wait before a Job of this age is read again, by
// the guidance that Duvo publishes: 5 to 10 s for Jobs under 2 minutes, 30 s
// to 15 minutes, 60 to 120 s beyond. After failed reads it grows.
func (w *watcher) pause(age time.Duration, failed int) time.Duration {
	d := w.every
	if d == 0 {
		switch {
		case age < 2*time.Minute:
			d = 5 * time.Second
		case age < 15*time.Minute:
			d = 30 * time.Second
		default:
			d = 90 * time.Second
		}
	}
	if failed > 0 {
		d = max(d, min(time.Second<<min(failed, 6), time.Minute))
	}
	return d - d/10 + rand.N(d/5+1)
}
