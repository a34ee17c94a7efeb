package watch

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/safetext"
)

// run makes the requests.
func (p *pass) run() error {
	switch p.plan {
	case planActive:
		return p.active()
	case planEnded:
		if err := p.ended(); err != nil {
			return err
		}
		requests := p.requests
		defer func() { p.requests = requests }() // what lists of another plan take is not its own
		return p.continueActive()
	}
	return p.all()
}

// finish takes in how the sweep went, and plans the next one. Called with
// Watcher.mu held.
func (p *pass) finish(err error, now instant) {
	s := &p.w.sweep
	stopped := p.ctx.Err() != nil || errors.Is(err, errNotElected)
	s.cancel()
	s.running, s.cancel = false, nil
	s.took = now.Sub(p.began)
	s.next = p.began.Add(p.pause - p.pause/100 + rand.N(p.pause/50+1))
	switch {
	case err == nil:
		p.w.did.listed = now
		p.succeed(now)
	case !stopped:
		p.fail(err, now)
	}
	if s.missed > max(absentFew, p.ours/20) && !now.Before(s.distrustedUntil) {
		p.distrustLists(now, "duvotool: lists of Jobs by status miss some; going without")
		s.next = now
		for _, n := range p.w.byJob {
			n.outsideSweeps, n.absences = n.pinned, 0
			p.w.plan(n)
		}
	}
	s.decided = 0
	if s.others != nil && p.w.sweeping(now) {
		p.w.tellCoverage(err == nil)
	}
}

// succeed takes in that the sweep has shown all that its plan shows.
func (p *pass) succeed(now instant) {
	s := &p.w.sweep
	s.counted, s.failures = p.jobs, 0
	s.pages[p.plan] = p.requests
	if p.plan == planAll {
		s.missed = 0
		p.leaveOutOldest(now)
		if s.suspects > 0 && p.found > s.suspects/2 {
			p.distrustLists(now, "duvotool: lists of Jobs by status miss some; going without")
		}
		s.suspects = 0
		p.unlisted(true, p.began, now)
	}
	p.w.spotCheck(p.began, now)
}

// fail takes in why the sweep did not get to its end.
func (p *pass) fail(err error, now instant) {
	s := &p.w.sweep
	text := safetext.OneLine(err.Error(), 500)
	switch {
	case errors.Is(err, errTooLong):
		s.counted, s.next = p.jobs, now // perhaps another plan is worth it
		s.pages[p.plan] = 2 * p.requests
	case errors.Is(err, errFilter):
		p.distrustLists(now, "duvotool: lists of Jobs by status are not right; going without")
		s.next = now
	case duvo.Temporary(err):
		p.w.log.Warn("duvotool: listing Jobs", "error", text)
		s.next = now.Add(jitter(max(time.Second, duvo.RetryAfter(err))))
		if s.failures++; s.failures >= sweepFailures {
			p.w.pauseSweeps(now, err, sweepRetry) // reads may well get through
		}
	case p.plan != planAll || errors.Is(err, errNoTotal):
		p.distrustLists(now, "duvotool: listing Jobs by status; going without", "error", text)
		s.next = now
	default:
		p.w.pauseSweeps(now, err, sweepRest)
	}
}

// distrustLists leaves lists by status alone for a while.
func (p *pass) distrustLists(now instant, why string, args ...any) {
	p.w.log.Warn(why, append(args, "for", distrust)...)
	p.w.sweep.distrustedUntil, p.w.sweep.missed = now.Add(distrust), 0
}
