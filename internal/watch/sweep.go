package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
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
	possible bool // the backend has lists
	on       bool // they are worth it
	running  bool
	cancel   context.CancelFunc // of the running sweep
	next     instant            // when the next one is due, while on
	decided  instant            // when on was
	failures int                // sweeps in a row
	took     time.Duration      // that the last one took
	number   uint32             // of the sweep

	pages   [planEnded + 1]int // that a sweep by each plan took, as last counted; zero: not known
	counted int                // Jobs in flight at that time

	// Touched by the running sweep alone.
	scan        activeScan
	totals      map[duvo.Status]int // of the lists by status
	waitingAt   instant             // when the waiting Jobs were last listed
	waitingTook time.Duration

	suspects int // Jobs that a list by status missed, until the whole list is seen
	missed   int // those of them that a read showed unchanged

	spotChecks float64 // Jobs that are due to be read whatever their rows tell
	spotted    instant // when those were last counted

	retriedUnlisted instant // when Jobs that lists did not show were last looked for
	distrustedUntil instant // lists by status are left alone
	pausedUntil     instant // and so are all lists

	others    Others  // nil: none share the lists
	until     instant // while there are others: when this watcher may not read the lists any more
	sharedAll instant // when they were last told which Jobs it looks after
	hinted    instant // when a sweep of another's was last told of
}

// An activeScan is how far the active plan is through its lists.
type activeScan struct {
	list   int // which of activeStatuses
	begun  bool
	offset int // of the next page, once begun
	since  instant
	budget float64 // pages that are due, beside the ended plan
}

const (
	sweepFrom     = 5                // Jobs in flight, from which on sweeping is considered
	sweepEvery    = 15 * time.Second // with up to manyJobs in flight
	sweepLeast    = sweepEvery / 2   // with many more, or a few young ones
	fewJobs       = 20
	manyJobs      = 1000
	decideEvery   = 2 * time.Second
	fullEvery     = 10 * time.Minute
	waitingEvery  = 10 * time.Second
	waitingReread = 10 * time.Minute // of a Job that waits for a person
	refutedFirst  = 30 * time.Second // before a row that a read refuted is believed
	spotEvery     = 12 * time.Hour   // for each Job, however its row looks
	distrust      = time.Hour        // of lists by status
	sweepRest     = 10 * time.Minute // without sweeps, when they cost too much or fail for good
	sweepRetry    = time.Minute      // the same, when they fail for now
	clockSkew     = time.Minute      // between rows' times
	sweepFailures = 3                // in a row, after which Jobs are read one by one
	absentFew     = 20               // missing from a sweep at once that are simply read
)

// PageRows is how many rows a page of a list is asked for.
const PageRows = 100

var errTooLong = errors.New("the list is longer than it is worth")

type sweepPlan int

const (
	planAll sweepPlan = iota
	planActive
	planEnded
)

// endedStatuses are those of Jobs that ended. A stopped one may be told as
// another: a sweep of all Jobs, or of the active ones, finds it at the latest.
var endedStatuses = []duvo.Status{duvo.StatusCompleted, duvo.StatusFailed, duvo.StatusInterrupted}

// end stops a running sweep.
func (s *sweeper) end() {
	if s.cancel != nil {
		s.cancel()
	}
}

// costs estimates the requests of a sweep over n Jobs by the full plans, the
// active one being zero while lists by status are not trusted.
func (s *sweeper) costs(n int, now instant) (all, active int) {
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
	all = scaled(s.pages[planAll], least)
	if !now.Before(s.distrustedUntil) {
		active = scaled(s.pages[planActive], least+len(activeStatuses)+1)
	}
	return all, active
}

// choose returns the plan by which to sweep over n Jobs.
func (s *sweeper) choose(n int, now instant) sweepPlan {
	full := planAll
	cost, active := s.costs(n, now)
	if active == 0 {
		return planAll
	}
	if active < cost || s.pages[planAll] == 0 && n > 10*PageRows {
		full, cost = planActive, active
	}
	ended := s.pages[planEnded]
	if ended == 0 {
		ended = len(endedStatuses)
	}
	switch {
	case ended < cost && s.pages[planActive] > 0:
		return planEnded
	case ended < cost:
		return planActive // once, to know what it takes
	}
	return full
}

// firstSweep is how long after it was found to be worth it the first sweep begins.
func firstSweep(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2+1) }

// turn notes whether sweeps are worth it.
func (s *sweeper) turn(on bool) {
	if s.on == on {
		return
	}
	if s.others != nil {
		s.others.Want(on)
	}
	s.on = on
}
