package watch

import (
	"cmp"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// absentFrom looks for Jobs of ours that a page of a list by status should show.
func (p *pass) absentFrom(status duvo.Status, offset int, page duvo.JobPage) {
	p.lock()
	defer p.unlock()
	now := p.w.now()
	for _, n := range p.between(offset, page) {
		asked := n.due == n.asked && !n.asked.IsZero() && !n.asked.After(now)
		if asked || n.stopped || n.outsideSweeps || n.status != status || n.lastSweep == p.number || !n.lastRead.Before(p.began) {
			continue
		}
		n.absences = min(n.absences+1, 100)
		if p.absent++; p.absent <= p.few() {
			p.w.readSoon(n, now)
		}
	}
}

// between returns the Jobs of ours whose creation is between those of the page's
// rows. Called with Watcher.mu held.
func (p *pass) between(offset int, page duvo.JobPage) []*Watch {
	if p.byCreation == nil {
		for _, n := range p.w.byJob {
			if !n.outsideSweeps && n.created != 0 && n.added.Before(p.began) {
				p.byCreation = append(p.byCreation, n)
			}
		}
		slices.SortFunc(p.byCreation, func(a, b *Watch) int { return cmp.Compare(a.created, b.created) })
	}
	rows := page.Jobs
	if len(rows) == 0 {
		if page.Total > 0 {
			return nil
		}
		return p.byCreation
	}
	from, to := 0, len(p.byCreation)
	since := func(t stamp) int {
		i, _ := slices.BinarySearchFunc(p.byCreation, t, func(n *Watch, t stamp) int { return cmp.Compare(n.created, t) })
		return i
	}
	if offset > 0 {
		from = since(stampOf(rows[0].CreatedAt) + 1)
	}
	if offset+len(rows) < page.Total {
		to = since(stampOf(rows[len(rows)-1].CreatedAt))
	}
	return p.byCreation[from:max(from, to)]
}

// few is how many missing Jobs are simply read.
func (p *pass) few() int { return max(absentFew, p.covered/10) }

// unlisted looks after the Jobs that a look through everything, begun at since,
// has not shown. whole tells that it was through the whole list. Called with
// Watcher.mu held.
func (p *pass) unlisted(whole bool, since, now instant) {
	var unseen []*Watch
	for _, n := range p.w.byJob {
		if !n.outsideSweeps && n.added.Before(since) && n.lastSwept.Before(since) && n.lastRead.Before(since) {
			unseen = append(unseen, n)
			n.absences = min(n.absences+1, 100)
		}
	}
	s := &p.w.sweep
	if missing := max(p.absent, len(unseen)); !whole && missing > p.few() {
		// They ended all at once, or the lists are not right. The whole list
		// tells which.
		s.distrustedUntil, s.suspects, s.pages[planActive] = now.Add(p.pause+p.pause/2), missing, 0
		return
	}
	for _, n := range unseen {
		if len(unseen) > p.few() {
			n.outsideSweeps = true // not all at once: by age
			p.w.plan(n)
		} else if n.due.IsZero() || n.due.After(now) {
			p.w.readSoon(n, now)
		}
	}
}

// spotCheck has those Jobs read that were read least recently, so many that each
// has its turn about every spotEvery: what no row ever tells is seen then, and
// not for all Jobs at once. None waits longer than that. It is called after each sweep
// that began then, also of another watcher, which leaves this to whose Jobs they are.
func (p *planner) spotCheck(began, now instant) {
	s := &p.sweep
	if s.spotted.Before(began.Add(-time.Hour)) {
		s.spotted = began // there were no sweeps
	}
	free := func(n *Watch) bool {
		return p.covers(n, now) && !n.reading && (n.asked.IsZero() || n.asked.After(now))
	}
	jobs := 0
	for _, n := range p.byJob {
		if !n.foreign && !n.outsideSweeps {
			jobs++
		}
		if now.Sub(n.known()) >= spotEvery && free(n) { // as others ended, turns came later and later
			n.asked = now
			p.plan(n)
		}
	}
	s.spotChecks += float64(jobs) * now.Sub(s.spotted).Seconds() / spotEvery.Seconds()
	for s.spotted = now; s.spotChecks >= 1; s.spotChecks-- {
		var least *Watch
		for _, n := range p.byJob {
			if free(n) && (least == nil || n.known().Before(least.known())) {
				least = n
			}
		}
		if least == nil {
			return
		}
		least.asked = now
		p.plan(least)
	}
}

// leaveOutOldest leaves Jobs to reads by age that are so much older than the
// others that the pages between cost more than their reads. They are few: what is
// read by age is seen later. Called with Watcher.mu held.
func (p *pass) leaveOutOldest(now instant) {
	s := &p.w.sweep
	var all []*Watch
	for _, n := range p.w.byJob {
		if !n.outsideSweeps && n.created != 0 {
			all = append(all, n)
		}
	}
	if s.pages[planAll] < 3 || len(all) < 2 {
		return
	}
	slices.SortFunc(all, func(a, b *Watch) int { return cmp.Compare(a.created, b.created) })
	// Rows come evenly over time, as far as can be told.
	perSecond := float64(s.pages[planAll]) / max(time.Since(all[0].created.time()).Seconds(), 1)
	pause := max(now.Sub(p.began), p.w.sweepPause(now)).Seconds()
	best, saved, reads := 0, 1.0, 0.0
	for k := range min(len(all)-1, max(3, len(all)/200)) {
		reads += pause / p.w.pause(now.Sub(all[k].since)).Seconds()
		if gain := perSecond*all[k+1].created.time().Sub(all[0].created.time()).Seconds() - reads; gain > saved {
			best, saved = k+1, gain
		}
	}
	for _, n := range all[:best] {
		n.outsideSweeps, n.pinned = true, true
		p.w.plan(n)
	}
}
