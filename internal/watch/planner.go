package watch

import (
	"container/heap"
	"log/slog"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A planner knows the Jobs that are watched and says when each is read next, and
// when the lists are. It makes no request, sets no timer and starts no goroutine.
// All of its methods are called with Watcher.mu held.
type planner struct {
	clock
	log        *slog.Logger
	every      time.Duration // between two reads of a Job; zero: by age
	trustLists bool

	byJob   map[string]*Watch // those that are not stopped, by Watch.key
	ours    int               // those that are not foreign
	early   map[string]early  // what was told of Jobs that are not watched yet, by the same
	due     readQueue
	reading int  // reads under way
	stale   bool // what is due first has changed since the timer was set

	service breaker
	sweep   sweeper
	did     deeds
}

// MaxReads bounds the reads that are under way at once.
const MaxReads = 16

// add begins to plan the reads of a Job.
func (p *planner) add(n *Watch) {
	switch twin := p.byJob[n.key()]; {
	case twin == nil:
	case twin.foreign: // who looks after it goes on to do so
		twin.stopped, n.taken, n.sweptUntil = true, twin.taken, twin.sweptUntil
	default: // of a backend whose Jobs share an ID
		twin.outsideSweeps, twin.pinned = true, true
		p.plan(twin)
	}
	p.byJob[n.key()] = n
	if !n.foreign {
		p.ours++
	}
	p.stale = true
}

// remove ends that.
func (p *planner) remove(n *Watch) {
	if p.byJob[n.key()] == n {
		delete(p.byJob, n.key())
	}
	if !n.foreign && !n.stopped {
		p.ours--
	}
	n.stopped = true
	p.plan(n)
	if p.ours == 0 { // whoever has Jobs of its own reads the lists
		p.sweep.end()
		if p.sweep.others != nil {
			p.sweep.turn(false)
		}
	}
	p.stale = true
}

// plan puts a watch where it belongs in the queue.
func (p *planner) plan(n *Watch) {
	if n.reading && !n.asked.IsZero() && !n.asked.After(p.now()) {
		n.reread = true
	}
	n.due = n.asked
	if until := p.coveredUntil(n); until.After(p.now()) {
		if n.byAge != 0 && until != forever {
			n.due = sooner(n.due, max(n.byAge, until))
		}
		if n.status == duvo.StatusWaiting {
			// Another request in its place looks the same in a list.
			n.due = sooner(n.due, n.tried.Add(waitingReread))
		}
	} else {
		n.due = sooner(n.due, n.byAge)
	}
	switch gone := n.stopped || n.reading || n.foreign || n.due.IsZero(); {
	case gone && n.index >= 0:
		heap.Remove(&p.due, int(n.index))
	case gone:
	case n.index >= 0:
		heap.Fix(&p.due, int(n.index))
	default:
		heap.Push(&p.due, n)
	}
	if n.index == 0 {
		p.stale = true
	}
}

// replan puts every watch where it belongs now.
func (p *planner) replan() {
	for _, n := range p.byJob {
		p.plan(n)
	}
}

// covers reports whether sweeps look after a Job of ours.
func (p *planner) covers(n *Watch, now instant) bool {
	return !n.foreign && p.coveredUntil(n).After(now)
}

// coveredUntil returns until when sweeps look after a Job, ours or those of the
// watcher that is elected.
func (p *planner) coveredUntil(n *Watch) instant {
	switch s := &p.sweep; {
	case n.outsideSweeps:
		return 0
	case s.on && s.others == nil:
		return forever
	case s.on:
		return max(n.sweptUntil, s.until)
	}
	return n.sweptUntil
}

// readSoon has a Job read, by this watcher or whoever else reads it.
func (p *planner) readSoon(n *Watch, now instant) {
	if n.foreign {
		n.lastRead = now
		if n.absences > 2 {
			n.outsideSweeps = true // as it is for whose it is by now
		}
		p.sweep.others.Tell(Hints{Missing: []string{n.jobID}})
		return
	}
	n.asked = sooner(n.asked, now)
	p.plan(n)
}

// ready returns the watch whose read comes next, nil if none may be sent out
// now: the end of another one looks again.
func (p *planner) ready() *Watch {
	limit := MaxReads
	if p.service.open() {
		limit = 1
	}
	if len(p.due) == 0 || p.reading >= limit && !(p.due[0].urgent && p.reading < 2*limit) {
		return nil
	}
	return p.due[0]
}

// readAt returns when the read of the watch that is ready may be sent out.
func (p *planner) readAt(n *Watch) instant {
	if p.service.open() && n.due.Before(p.service.probe) {
		return p.service.probe
	}
	return n.due
}

// answered notes whether the service answers a read, or a request for a page.
func (p *planner) answered(err error, read bool) {
	p.did.note(err, read, p.now())
	if p.service.note(err, read, p.now()) {
		p.sweep.pausedUntil = 0 // it was not for the lists
	}
}

// pause returns how long to wait before a Job of this age is read again.
func (p *planner) pause(age time.Duration) time.Duration {
	if p.every > 0 {
		return p.every
	}
	return advised(age)
}

// advised is pause by the guidance that Duvo publishes: 5 to 10 s for Jobs under 2
// minutes, 30 s to 15 minutes, 60 to 120 s beyond.
func advised(age time.Duration) time.Duration {
	switch {
	case age < 2*time.Minute:
		return 5 * time.Second
	case age < 15*time.Minute:
		return 30 * time.Second
	}
	return 90 * time.Second
}

// elected reports whether the watcher may read the lists.
func (p *planner) elected(now instant) bool {
	return p.sweep.others == nil || now.Before(p.sweep.until)
}

// sweeping reports whether the watcher reads the lists.
func (p *planner) sweeping(now instant) bool { return p.sweep.on && p.elected(now) }

// trusts reports whether a row may take the place of a read.
func (p *planner) trusts(row duvo.Job, list duvo.Status) bool {
	return p.trustLists && list == duvo.StatusCompleted && row.Status == list && !row.CompletedAt.IsZero()
}

// ratePerSecond returns how many reads a second the Jobs that sweeps would cover
// need without them, and how many such Jobs there are.
func (p *planner) ratePerSecond(now instant) (rate float64, jobs int) {
	for _, n := range p.byJob {
		if !n.outsideSweeps {
			rate += 1 / p.pause(now.Sub(n.since)).Seconds()
			jobs++
		}
	}
	return rate, jobs
}

// sweepPause is the time from the beginning of one sweep to that of the next.
// With many Jobs the cost of a page is shared by many, with a few young ones
// there is little of it: then sweeps come sooner.
func (p *planner) sweepPause(now instant) time.Duration {
	jobs := len(p.byJob)
	switch {
	case p.every > 0:
		return p.every
	case jobs > manyJobs:
		return max(sweepEvery*manyJobs/time.Duration(jobs), sweepLeast)
	case jobs < fewJobs:
		for _, n := range p.byJob {
			if now.Sub(n.since) < 2*time.Minute {
				return sweepLeast
			}
		}
	}
	return sweepEvery
}
