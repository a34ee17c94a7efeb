package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/safetext"
)

// A sweeper looks for changes of many Jobs in pages of the list. What a row
// tells is a hint: it leads to a read of the Job, and that read decides. A hint
// that the read refutes is left alone until the row's updated_at moves, or else
// followed less and less often: lists may be ahead of reads. And since a row may
// also never change, each Job is read now and then whatever its row tells.
//
// There are three plans, of which the cheapest is taken:
//
//   - all: the whole list, newest first, down to our oldest Job. What is
//     inserted meanwhile moves rows to later pages, where they are seen again.
//   - active: one list for each status that a Job in flight may have, oldest
//     first, from the last page to the first with one row of overlap, so that
//     what leaves or enters the list meanwhile hides no row. A Job of ours that
//     a page should show and does not has changed, or perhaps not: it is read.
//   - ended: the lists of Jobs that ended, since our oldest one was created. It
//     shows what ended and proves nothing of the others, so the pages of the
//     active plan are looked through beside it, a few each time, all of them
//     every fullEvery.
//
// Beside the last two the Jobs that wait for a person are listed every
// waitingEvery. Lists by status are left alone for a while when they hold rows
// of another status, fail, or miss Jobs that are in it.
type sweeper struct {
	on      bool
	running bool
	cancel  context.CancelFunc // of the running sweep
	next    time.Time
	judged  time.Time     // when on was last decided
	waiting time.Time     // when the waiting Jobs were last listed
	took    time.Duration // by that
	failed  int           // sweeps in a row
	odd     int           // counts sweeps, for lists that are due every second time

	pagesAll, pagesActive, pagesEnded int // as last counted; zero: not known
	counted                           int // Jobs in flight at that time

	scan     scan                // of the active plan, touched by the sweep alone
	totals   map[duvo.Status]int // of the lists by status, touched by the sweep alone
	suspects int                 // Jobs that a list by status missed, until the whole list is seen
	missed   int                 // those of them that a read showed unchanged

	spots   float64   // Jobs that are due to be read whatever their rows tell
	spotted time.Time // when that was last counted

	sought   time.Time // when Jobs that lists did not show were last looked for
	noFilter time.Time // until when lists by status are not trusted
	noSweeps time.Time // until when there are none
	number   uint32    // of the sweep
}

const (
	sweepFrom     = 5                // Jobs in flight, from which on sweeping is considered
	sweepEvery    = 15 * time.Second // with up to manyJobs in flight
	sweepLeast    = sweepEvery / 2   // with many more, or a few young ones
	fewJobs       = 20
	manyJobs      = 1000
	judgeEvery    = 2 * time.Second
	fullEvery     = 10 * time.Minute
	waitingEvery  = 10 * time.Second
	waitingReread = 10 * time.Minute // of a Job that waits for a person
	refutedFirst  = 30 * time.Second // before a row that a read refuted is believed
	spotEvery     = 12 * time.Hour   // for each Job, however its row looks
	distrust      = time.Hour        // of lists by status
	sweepRest     = 10 * time.Minute // without sweeps, when they cost too much or fail for good
	sweepRetry    = time.Minute      // the same, when they fail for now
	PageRows      = 100
	clockSkew     = time.Minute // between rows' times
	sweepFailures = 3           // in a row, after which Jobs are read one by one
	absentFew     = 20          // missing from a sweep at once that are simply read
)

var (
	errFilter  = errors.New("a list by status holds other rows")
	errTooLong = errors.New("the list is longer than it is worth")
	errNoTotal = errors.New("a list by status tells no total")
)

// end stops a running sweep. Called with watcher.mu held.
func (s *sweeper) end() {
	if s.cancel != nil {
		s.cancel()
	}
}

// sweepIfDue decides whether to sweep, begins a sweep that is due, and returns
// when to ask again. Called with watcher.mu held.
func (w *Watcher) sweepIfDue(now time.Time) time.Time {
	s := &w.sweep
	if w.lister == nil || s.running {
		return now.Add(time.Minute) // the end of a sweep kicks
	}
	if len(w.byJob) < sweepFrom && !s.on || now.Before(s.noSweeps) {
		return now.Add(time.Minute)
	}
	if now.Sub(s.judged) >= judgeEvery {
		w.judge(now)
	}
	if !s.on {
		return s.judged.Add(judgeEvery)
	}
	at := s.next
	if w.failing >= outage && at.Before(w.probe) {
		at = w.probe
	}
	if at.After(now) {
		return at
	}
	if w.failing >= outage && w.reading > 0 {
		return now.Add(time.Second) // that one asks
	}
	ctx, cancel := context.WithCancel(duvo.WithoutResend(duvo.WithPriority(context.Background(), duvo.Idle)))
	s.cancel, s.running = cancel, true
	s.number++
	w.life.Again()
	go w.runSweep(ctx, now, w.plan(now))
	return now.Add(time.Minute)
}

// judge decides whether sweeps cost fewer requests than reads by age. Called
// with watcher.mu held.
func (w *Watcher) judge(now time.Time) {
	s := &w.sweep
	s.judged = now
	if !s.on {
		w.anew(now)
	}
	rate, n := w.singlesRate(now)
	was := s.on
	pages, active := s.costs(n, now)
	if active > 0 {
		pages = min(pages, active)
	}
	cost := float64(pages) / w.sweepPause(now).Seconds()
	switch {
	case n < sweepFrom:
		s.on = false
	case was && cost > 1.5*rate:
		w.stopSweeps(now, errTooLong, sweepRest)
		return
	case !was:
		s.on = cost < rate
	}
	if s.on == was {
		return
	}
	if s.on {
		pause := w.sweepPause(now)
		s.next = now.Add(pause/2 + rand.N(pause/2+1))
	}
	w.replan()
}

// anew lets sweeps look for Jobs that lists did not show, every fullEvery: they
// may by now. Called with watcher.mu held.
func (w *Watcher) anew(now time.Time) {
	if now.Sub(w.sweep.sought) < fullEvery {
		return
	}
	w.sweep.sought = now
	for _, n := range w.byJob {
		if n.single && !n.keep {
			n.single = false
			n.plan()
		}
	}
}

// replan puts every watch where it belongs now. Called with watcher.mu held.
func (w *Watcher) replan() {
	for _, n := range w.byJob {
		n.plan()
	}
}

// singlesRate returns how many reads a second the Jobs that sweeps would cover
// need without them, and how many such Jobs there are. Called with watcher.mu
// held.
func (w *Watcher) singlesRate(now time.Time) (rate float64, n int) {
	for _, x := range w.byJob {
		if !x.single {
			rate += 1 / w.pause(now.Sub(x.since)).Seconds()
			n++
		}
	}
	return rate, n
}

// costs estimates the requests of a sweep over n Jobs by the full plans, the
// active one being zero while lists by status are not trusted.
func (s *sweeper) costs(n int, now time.Time) (all, active int) {
	least := (n + PageRows - 1) / PageRows
	scaled := func(known, guess int) int {
		if known == 0 {
			return guess
		}
		if n > s.counted && s.counted > 0 {
			known = known * n / s.counted
		}
		return max(known, least)
	}
	all = scaled(s.pagesAll, least)
	if !now.Before(s.noFilter) {
		active = scaled(s.pagesActive, least+len(activeStatuses)+1)
	}
	return all, active
}

// sweepPause is the time from the beginning of one sweep to that of the next.
// With many Jobs the cost of a page is shared by many, with a few young ones
// there is little of it: then sweeps come sooner. Called with watcher.mu held.
func (w *Watcher) sweepPause(now time.Time) time.Duration {
	n := len(w.byJob)
	switch {
	case w.every > 0:
		return w.every
	case n > manyJobs:
		return max(sweepEvery*manyJobs/time.Duration(n), sweepLeast)
	case n < fewJobs:
		for _, x := range w.byJob {
			if now.Sub(x.since) < 2*time.Minute {
				return sweepLeast
			}
		}
	}
	return sweepEvery
}

type sweepPlan int

const (
	planAll sweepPlan = iota
	planActive
	planEnded
)

// plan chooses how to sweep. Called with watcher.mu held.
func (w *Watcher) plan(now time.Time) sweepPlan {
	s := &w.sweep
	n := len(w.byJob)
	full := planAll
	cost, active := s.costs(n, now)
	if active == 0 {
		return planAll
	}
	if active < cost || s.pagesAll == 0 && n > 10*PageRows {
		full, cost = planActive, active
	}
	ended := s.pagesEnded
	if ended == 0 {
		ended = len(endedStatuses)
	}
	switch {
	case ended < cost && s.pagesActive > 0:
		return planEnded
	case ended < cost:
		return planActive // once, to know what it takes
	}
	return full
}

// activeStatuses are the statuses of Jobs in flight that lists are asked for,
// beside waiting.
var activeStatuses = []duvo.Status{duvo.StatusRunning, duvo.StatusStarting, duvo.StatusPending, duvo.StatusNotStarted}

// endedStatuses are those of Jobs that ended. A stopped one may be told as
// another: a full sweep finds it at the latest.
var endedStatuses = []duvo.Status{duvo.StatusCompleted, duvo.StatusFailed, duvo.StatusInterrupted}

// stopSweeps goes back to reads by age for a while. Called with watcher.mu held.
func (w *Watcher) stopSweeps(now time.Time, why error, rest time.Duration) {
	w.log.Info("duvotool: Jobs are read one by one", "because", safetext.OneLine(why.Error(), 500), "for", rest)
	w.sweep.on, w.sweep.failed = false, 0
	w.sweep.noSweeps = now.Add(rest)
	w.sweep.pagesAll, w.sweep.pagesActive, w.sweep.pagesEnded = 0, 0, 0
	w.sweep.scan, w.sweep.totals, w.sweep.suspects = scan{}, nil, 0
	w.replan()
}
