package watch

import (
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// listed is what lists have told of a Job.
type listed struct {
	status   duvo.Status // as last read
	updated  time.Time   // as last read
	created  time.Time   // zero: not known
	added    time.Time   // when the watch began
	lastRead time.Time
	hint     time.Time // updated_at of the row that led to the next read
	refuted  time.Time // updated_at of the last row that a read refuted
	seen     uint32    // the last sweep that showed it
	seenAt   time.Time // when that was
	ended    *duvo.Job // a row that takes the place of the next read; see TrustLists
	hinted   bool      // a row leads to the next read
	refutals uint8     // in a row
	absences uint8     // in a row, each of them refuted by a read
	single   bool      // read by age: lists do not show it, or keep
	keep     bool      // it stays so: it is far older than the others, or it was asked for
}

// covers reports whether sweeps look after a Job. Called with watcher.mu held.
func (w *Watcher) covers(n *Watch) bool { return w.sweep.on && !n.single }

// took notes what a read told. Called with watcher.mu held.
func (n *Watch) took(s Sighting) {
	if s.Err != nil {
		return
	}
	if n.absences > 0 && s.Job.Status == n.status && !n.single {
		n.w.sweep.missed++
	}
	switch {
	case !n.hinted:
	case s.Job.Status == n.status:
		n.refuted, n.refutals = n.hint, min(n.refutals+1, 100)
	default:
		n.refutals = 0
	}
	n.hint, n.hinted = time.Time{}, false
	if n.absences > 0 && s.Job.Status.Terminal() {
		n.absences = 0
	}
	if n.absences > 1 && !n.single {
		n.single = true
	}
	n.status, n.updated, n.lastRead = s.Job.Status, s.Job.UpdatedAt, s.Began
	if !s.Job.CreatedAt.IsZero() {
		n.created = s.Job.CreatedAt
	}
}

// absentFrom looks for Jobs of ours that a page of a list by status should show.
func (p *pass) absentFrom(status duvo.Status, offset int, page duvo.JobPage) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.byAge == nil {
		for _, n := range p.w.byJob {
			if !n.single && !n.created.IsZero() && n.added.Before(p.began) {
				p.byAge = append(p.byAge, n)
			}
		}
		slices.SortFunc(p.byAge, func(a, b *Watch) int { return a.created.Compare(b.created) })
	}
	from, to := 0, len(p.byAge)
	after := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(p.byAge, t, func(n *Watch, t time.Time) int { return n.created.Compare(t) })
		return i
	}
	if rows := page.Jobs; len(rows) > 0 {
		if offset > 0 {
			from = after(rows[0].CreatedAt.Add(1))
		}
		if offset+len(rows) < page.Total {
			to = after(rows[len(rows)-1].CreatedAt)
		}
	} else if page.Total > 0 {
		return
	}
	now := time.Now()
	for i := from; i < to; i++ {
		n := p.byAge[i]
		if n.stopped || n.single || n.status != status || n.seen == p.number || !n.lastRead.Before(p.began) || n.due.Equal(n.byWish) && !n.byWish.IsZero() && !n.byWish.After(now) {
			continue
		}
		n.absences = min(n.absences+1, 100)
		if p.absent++; p.absent <= max(absentFew, p.covered/10) {
			n.byWish = sooner(n.byWish, now)
			n.plan()
		}
	}
}

// rows takes in the rows of a page of the list by this status; empty: of all.
func (p *pass) rows(rows []duvo.Job, list duvo.Status) {
	type changed struct {
		n   *Watch
		row duvo.Job
	}
	var hints []changed
	p.w.mu.Lock()
	for _, row := range rows {
		if n := p.w.byJob[strings.ToLower(row.ID)]; n != nil && p.row(n, row, list) {
			hints = append(hints, changed{n, row})
		}
	}
	p.w.mu.Unlock()
	for _, h := range hints {
		h.n.told(Sighting{Job: h.row, Began: p.began, Hint: true})
	}
}

// row takes in the row of a Job of ours. It returns true if the row tells of
// progress that needs no read. Called with watcher.mu held.
func (p *pass) row(n *Watch, row duvo.Job, list duvo.Status) bool {
	if n.seen != p.number && n.added.Before(p.began) {
		if !n.single {
			p.unseen--
		}
		if n.absences > 0 && !row.Status.Terminal() {
			p.found++
		}
	}
	n.seen, n.seenAt, n.absences = p.number, time.Now(), 0
	if n.single && !n.keep {
		n.single = false // listed after all
		n.plan()
	}
	if n.created.IsZero() {
		n.created = row.CreatedAt
	}
	moved := row.UpdatedAt.After(n.updated) && !n.updated.IsZero()
	switch {
	case row.Status == n.status && !(row.Status == duvo.StatusWaiting && moved):
		return false
	case n.reading, n.refutals > 0 && !row.UpdatedAt.After(n.refuted) && time.Since(n.lastRead) < refutedPause(n.refutals):
		return false
	case OnItsWay(row.Status) && OnItsWay(n.status):
		n.status = row.Status
		return true
	}
	if p.w.trust && list == duvo.StatusCompleted && row.Status == list && !row.CompletedAt.IsZero() && (moved || n.updated.IsZero()) {
		n.ended = &row
	}
	n.hint, n.hinted = row.UpdatedAt, true
	n.byWish = sooner(n.byWish, time.Now())
	n.plan()
	return false
}

// refutedPause is how long after a read a row is believed anew that tells what
// so many reads have refuted.
func refutedPause(refutals uint8) time.Duration {
	return min(refutedFirst<<min(refutals-1, 10), waitingReread)
}

// onItsWay reports statuses between which a Job moves by itself.
func OnItsWay(s duvo.Status) bool { return slices.Contains(activeStatuses, s) }

// unlisted looks after the Jobs that a look through everything, begun at since,
// has not shown. whole tells that it was through the whole list. Called with
// watcher.mu held.
func (w *Watcher) unlisted(p *pass, whole bool, since, now time.Time) {
	var unseen []*Watch
	for _, n := range w.byJob {
		if !n.single && n.added.Before(since) && n.seenAt.Before(since) && n.lastRead.Before(since) {
			unseen = append(unseen, n)
			n.absences = min(n.absences+1, 100)
		}
	}
	few := max(absentFew, p.covered/10)
	if !whole && max(p.absent, len(unseen)) > few {
		// They ended all at once, or the lists are not right. The whole list
		// tells which.
		w.sweep.noFilter, w.sweep.suspects, w.sweep.pagesActive = now.Add(p.pause+p.pause/2), max(p.absent, len(unseen)), 0
		return
	}
	for _, n := range unseen {
		if len(unseen) > few {
			n.single = true // not all at once: by age
		} else if n.due.IsZero() || n.due.After(now) {
			n.byWish = sooner(n.byWish, now)
		}
		n.plan()
	}
}

// spot has those of the n Jobs read that were read least recently, so many that
// each has its turn about every spotEvery: what no row ever tells is seen then, and not
// for all Jobs at once. Called with watcher.mu held.
func (w *Watcher) spot(n int, began, now time.Time) {
	s := &w.sweep
	if s.spotted.Before(began.Add(-time.Hour)) {
		s.spotted = began // there were no sweeps
	}
	s.spots += float64(n) * now.Sub(s.spotted).Seconds() / spotEvery.Seconds()
	for s.spotted = now; s.spots >= 1; s.spots-- {
		var least *Watch
		for _, x := range w.byJob {
			if w.covers(x) && !x.reading && (x.byWish.IsZero() || x.byWish.After(now)) && (least == nil || x.known().Before(least.known())) {
				least = x
			}
		}
		if least == nil {
			return
		}
		least.byWish = now
		least.plan()
	}
}

// known returns when the Job was last known for sure.
func (n *Watch) known() time.Time {
	if n.lastRead.IsZero() {
		return n.added
	}
	return n.lastRead
}

// singleOut leaves Jobs to reads by age that are so much older than the others
// that the pages between cost more than their reads. They are few: what is read
// by age is seen later. Called with watcher.mu held.
func (w *Watcher) singleOut(now time.Time, took time.Duration) {
	s := &w.sweep
	var all []*Watch
	for _, n := range w.byJob {
		if !n.single && !n.created.IsZero() {
			all = append(all, n)
		}
	}
	if s.pagesAll < 3 || len(all) < 2 {
		return
	}
	slices.SortFunc(all, func(a, b *Watch) int { return a.created.Compare(b.created) })
	// Rows come evenly over time, as far as can be told.
	perSecond := float64(s.pagesAll) / max(now.Sub(all[0].created).Seconds(), 1)
	pause := max(took, w.sweepPause(now)).Seconds()
	best, saved, reads := 0, 1.0, 0.0
	for k := range min(len(all)-1, max(3, len(all)/200)) {
		reads += pause / w.pause(now.Sub(all[k].since)).Seconds()
		if gain := perSecond*all[k+1].created.Sub(all[0].created).Seconds() - reads; gain > saved {
			best, saved = k+1, gain
		}
	}
	for _, n := range all[:best] {
		n.single, n.keep = true, true
		n.plan()
	}
}
