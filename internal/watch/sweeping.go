package watch

import (
	"time"

	"github.com/duvotool/duvotool/internal/safetext"
)

// sweepAt decides whether to sweep, and returns when the next sweep is due, or
// when to ask again; zero if there is nothing to watch. A time that is past means
// that the sweep is to begin.
func (p *planner) sweepAt(now instant) instant {
	s := &p.sweep
	later := now.Add(time.Minute)
	switch {
	case p.ours == 0:
		return 0
	case s.running && s.others != nil && now.Before(s.until):
		return s.until
	case !s.possible, s.running: // the end of a sweep asks again
		return later
	case len(p.byJob) < sweepFrom && !s.on, now.Before(s.pausedUntil):
		return later
	}
	if now.Sub(s.decided) >= decideEvery {
		p.decideToSweep(now)
	}
	if !p.sweeping(now) {
		return s.decided.Add(decideEvery)
	}
	at := s.next
	if p.service.open() && at.Before(p.service.probe) {
		at = p.service.probe
	}
	if !at.After(now) && p.service.open() && p.reading > 0 {
		return now.Add(time.Second) // that read asks whether the service is back
	}
	return at
}

// decideToSweep decides whether sweeps cost fewer requests than reads by age.
func (p *planner) decideToSweep(now instant) {
	s := &p.sweep
	s.decided = now
	if !p.sweeping(now) {
		p.retryUnlisted(now)
	}
	rate, n := p.ratePerSecond(now)
	was := s.on
	pages, active := s.costs(n, now)
	if active > 0 {
		pages = min(pages, active)
	}
	cost := float64(pages) / p.sweepPause(now).Seconds()
	on := was
	switch {
	case n < sweepFrom:
		on = false
	case was && cost > 1.5*rate:
		p.pauseSweeps(now, errTooLong, sweepRest)
		return
	case !was:
		on = cost < rate
	}
	if on == was {
		return
	}
	if was {
		p.tellOver(now, 0)
	}
	p.sweep.turn(on)
	switch {
	case !on:
	case s.others == nil:
		s.next = now.Add(firstSweep(p.sweepPause(now)))
	case p.elected(now):
		p.beginTerm(now)
	}
	p.replan()
}

// tellOver tells the others that this watcher looks after no Job any more, and that
// the lists are not worth it for so long.
func (p *planner) tellOver(now instant, rest time.Duration) {
	if p.sweep.others != nil && p.sweeping(now) {
		p.sweep.others.Tell(Hints{Over: true, Rest: rest})
	}
}

// retryUnlisted lets sweeps look for Jobs that lists did not show, every
// fullEvery: they may by now.
func (p *planner) retryUnlisted(now instant) {
	if now.Sub(p.sweep.retriedUnlisted) < fullEvery {
		return
	}
	p.sweep.retriedUnlisted = now
	for _, n := range p.byJob {
		if n.outsideSweeps && !n.pinned {
			n.outsideSweeps = false
			p.plan(n)
		}
	}
}

// pauseSweeps goes back to reads by age for a while.
func (p *planner) pauseSweeps(now instant, why error, rest time.Duration) {
	p.log.Debug("duvotool: Jobs are read one by one", "reason", safetext.OneLine(why.Error(), 500), "for", rest)
	s := &p.sweep
	p.tellOver(now, rest)
	p.sweep.turn(false)
	s.failures = 0
	s.pausedUntil = now.Add(rest)
	s.pages = [len(s.pages)]int{}
	s.scan, s.totals, s.suspects = activeScan{}, nil, 0
	p.replan()
}

// nextDue returns when a read or a sweep is due next, zero if nothing is.
func (p *planner) nextDue(now instant) instant {
	at := p.sweepAt(now)
	if n := p.ready(); n != nil {
		at = sooner(at, p.readAt(n))
	}
	return at
}
