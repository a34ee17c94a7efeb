package watch

import (
	"context"
	"time"
)

// A pass is one sweep under way. Its methods run in one goroutine, without
// Watcher.mu unless they say so.
type pass struct {
	w           *Watcher
	ctx         context.Context
	plan        sweepPlan
	began       instant
	number      uint32
	pause       time.Duration // between the beginnings of sweeps
	jobs        int           // in flight, and not outside sweeps
	covered     int           // those of them that were there before it began
	ours        int           // those of them that this watcher reads
	oldest      stamp         // when the oldest of the jobs was created
	oldestKnown bool          // that is known of all of them

	requests int // so far
	limit    int // of requests; zero: none

	// Guarded by Watcher.mu.
	unseen     int      // Jobs that the sweep covers and has not shown
	found      int      // Jobs in flight that a list by status had missed
	absent     int      // Jobs that a page should have shown
	byCreation []*Watch // those that it covers, oldest first; made when it is needed
}

// newPass prepares a sweep by the plan that is cheapest now. Called with
// Watcher.mu held.
func newPass(w *Watcher, ctx context.Context, now instant) *pass {
	p := &pass{w: w, ctx: ctx, plan: w.sweep.choose(len(w.byJob), now), began: now, number: w.sweep.number}
	if p.plan == planAll { // which may end before it comes to them; others do not
		w.retryUnlisted(now)
	}
	rate, jobs := w.ratePerSecond(now)
	p.jobs, p.pause, p.oldestKnown = jobs, w.sweepPause(now), true
	for _, n := range w.byJob {
		if n.outsideSweeps {
			continue
		}
		if n.added.Before(now) {
			p.covered++
			if !n.foreign {
				p.ours++
			}
		}
		if n.created == 0 {
			p.oldestKnown = false
		} else {
			p.oldest = sooner(p.oldest, n.created)
		}
	}
	p.unseen = p.covered
	// So long, and it would cost twice what the reads by age do.
	p.limit = int(2*rate*p.pause.Seconds()) + 1
	return p
}

func (p *pass) lock()   { p.w.mu.Lock() }
func (p *pass) unlock() { p.w.unlock() }
