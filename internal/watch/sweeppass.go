package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
)

// A pass is one sweep under way.
type pass struct {
	w       *Watcher
	ctx     context.Context
	began   time.Time
	number  uint32
	pages   int           // requests so far
	limit   int           // requests; zero: no limit
	pause   time.Duration // between the beginnings of sweeps
	oldest  time.Time
	strict  bool // that is known of all our Jobs
	unseen  int  // Jobs that the sweep covers and has not shown
	covered int
	found   int      // Jobs in flight that a list by status had missed
	absent  int      // Jobs that a page should have shown
	byAge   []*Watch // those that it covers, oldest first; made when it is needed
}

// A scan is the active plan's way through its lists.
type scan struct {
	list   int // which of activeStatuses
	begun  bool
	offset int // of the next page, once begun
	since  time.Time
	credit float64 // pages that are due, beside the ended plan
}

func (w *Watcher) runSweep(ctx context.Context, began time.Time, plan sweepPlan) {
	defer w.life.Leave()
	w.mu.Lock()
	p := &pass{w: w, ctx: ctx, began: began, number: w.sweep.number}
	if plan == planAll { // which may end before it comes to them; others do not
		w.anew(began)
	}
	rate, n := w.singlesRate(began)
	p.oldest, p.strict = w.oldest()
	for _, x := range w.byJob {
		if !x.single && x.added.Before(began) {
			p.covered++
		}
	}
	p.unseen = p.covered
	pause := w.sweepPause(began)
	p.pause = pause
	// So long, and it would cost twice what the reads by age do.
	p.limit = int(2*rate*pause.Seconds()) + 1
	w.mu.Unlock()

	var err error
	switch plan {
	case planAll:
		err = p.all()
	case planActive:
		err = p.active()
	case planEnded:
		err = p.ended()
		ended := p.pages
		if err == nil {
			err = p.aside(pause)
		}
		p.pages = ended
	}
	over := ctx.Err() != nil
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.sweep
	s.cancel()
	s.running, s.cancel = false, nil
	s.odd++
	now := time.Now()
	s.next = began.Add(pause - pause/100 + rand.N(pause/50+1))
	switch {
	case err == nil:
		s.counted, s.failed = n, 0
		switch plan {
		case planAll:
			s.pagesAll, s.missed = p.pages, 0
			w.singleOut(now, now.Sub(began))
			if s.suspects > 0 && p.found > s.suspects/2 {
				w.log.Warn("duvotool: lists of Jobs by status miss some; going without", "for", distrust)
				s.noFilter, s.missed = now.Add(distrust), 0
			}
			s.suspects = 0
			w.unlisted(p, true, began, now)
		case planActive:
			s.pagesActive = p.pages
		case planEnded:
			s.pagesEnded = p.pages
		}
		w.spot(n, began, now)
	case over:
	case errors.Is(err, errTooLong):
		s.counted, s.next = n, now // perhaps another plan is worth it
		switch plan {
		case planAll:
			s.pagesAll = 2 * p.pages
		case planActive:
			s.pagesActive = 2 * p.pages
		case planEnded:
			s.pagesEnded = 2 * p.pages
		}
	case errors.Is(err, errFilter):
		w.log.Warn("duvotool: lists of Jobs by status are not right; going without", "for", distrust)
		s.noFilter, s.next = now.Add(distrust), now
	case duvo.Temporary(err):
		w.log.Warn("duvotool: listing Jobs", "error", safetext.OneLine(err.Error(), 500))
		s.next = now.Add(jitter(max(time.Second, duvo.RetryAfter(err))))
		if s.failed++; s.failed >= sweepFailures {
			w.stopSweeps(now, err, sweepRetry) // reads may well get through
		}
	case plan != planAll || errors.Is(err, errNoTotal):
		w.log.Warn("duvotool: listing Jobs by status; going without", "error", safetext.OneLine(err.Error(), 500), "for", distrust)
		s.noFilter, s.next = now.Add(distrust), now
	default:
		w.stopSweeps(now, err, sweepRest)
	}
	if s.missed > max(absentFew, p.covered/20) && !now.Before(s.noFilter) {
		w.log.Warn("duvotool: lists of Jobs by status miss some; going without", "for", distrust)
		s.noFilter, s.next, s.missed = now.Add(distrust), now, 0
		for _, n := range w.byJob {
			n.single, n.absences = n.keep, 0
			n.plan()
		}
	}
	s.judged = time.Time{}
	w.kick()
}

// oldest returns when the oldest Job that sweeps cover was created, and whether
// that is known of all of them. Called with watcher.mu held.
func (w *Watcher) oldest() (oldest time.Time, known bool) {
	known = true
	for _, n := range w.byJob {
		if n.single {
			continue
		}
		if n.created.IsZero() {
			known = false
			continue
		}
		oldest = sooner(oldest, n.created)
	}
	return oldest, known
}

// page reads one page and takes in its rows.
func (p *pass) page(f duvo.JobFilter) (page duvo.JobPage, err error) {
	if p.limit > 0 && p.pages >= p.limit {
		return page, errTooLong
	}
	if f.Status != "" && f.Status != duvo.StatusWaiting {
		if err := p.waitingIfDue(); err != nil {
			return page, err
		}
	}
	for attempt := 1; ; attempt++ {
		p.pages++
		page, err = p.read(f)
		if err == nil || attempt == 2 || !duvo.Temporary(err) || p.ctx.Err() != nil {
			break
		}
		t := time.NewTimer(jitter(max(time.Second, min(duvo.RetryAfter(err), time.Minute))))
		select {
		case <-t.C:
		case <-p.ctx.Done():
			t.Stop()
		}
	}
	if err != nil {
		return page, err
	}
	if f.Status != "" && slices.ContainsFunc(page.Jobs, func(j duvo.Job) bool { return j.Status != f.Status }) {
		return page, errFilter
	}
	p.rows(page.Jobs, f.Status)
	return page, nil
}

func (p *pass) read(f duvo.JobFilter) (page duvo.JobPage, err error) {
	f.PageSize = PageRows
	err = guard.Run(errPanic, func() (err error) {
		page, err = p.w.lister.JobPage(p.ctx, f)
		return err
	})
	if err == nil && len(page.Jobs) > PageRows {
		err = errors.New("a page has more rows than were asked for")
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.ctx.Err() == nil {
		p.w.outcome(err)
	}
	return page, err
}

// all goes through the whole list, newest first, down to our oldest Job.
func (p *pass) all() error {
	for offset := 0; ; {
		page, err := p.page(duvo.JobFilter{Offset: offset})
		if err != nil {
			return err
		}
		offset += len(page.Jobs)
		if len(page.Jobs) < PageRows || offset == page.Total {
			return nil
		}
		last := page.Jobs[len(page.Jobs)-1].CreatedAt
		if p.strict && !last.IsZero() && last.Before(p.oldest.Add(-clockSkew)) || p.unseen <= 0 {
			return nil
		}
	}
}

// active goes through the lists of Jobs in flight.
func (p *pass) active() error {
	p.w.sweep.scan = scan{}
	if err := p.waitingIfDue(); err != nil {
		return err
	}
	for {
		if done, err := p.step(); done || err != nil {
			return err
		}
	}
}

// aside goes on with the active plan, as far as is due beside another one.
func (p *pass) aside(pause time.Duration) error {
	s := &p.w.sweep
	c := &s.scan
	c.credit += float64(s.pagesActive) * max(time.Since(p.began), pause).Seconds() / fullEvery.Seconds()
	p.limit += p.pages + int(c.credit)
	for ; c.credit >= 1; c.credit-- {
		_, err := p.step()
		if errors.Is(err, errTooLong) {
			return errFilter // the waiting Jobs have no end
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step reads one page of the active plan. It returns true after the last.
func (p *pass) step() (done bool, err error) {
	s := &p.w.sweep
	c := &s.scan
	status := activeStatuses[c.list]
	if c.since.IsZero() {
		c.since = time.Now()
	}
	if !c.begun {
		c.offset = s.totals[status] - PageRows // the last page, unless the list grew
	}
	f := duvo.JobFilter{Status: status, OldestFirst: true, Offset: max(c.offset, 0)}
	page, err := p.page(f)
	if err != nil {
		return false, err
	}
	if page.Total < 0 {
		return false, errNoTotal
	}
	if s.totals == nil {
		s.totals = map[duvo.Status]int{}
	}
	s.totals[status] = page.Total
	if status == duvo.StatusRunning { // Jobs leave the others by themselves
		p.absentFrom(status, f.Offset, page)
	}
	end := f.Offset + len(page.Jobs)
	switch {
	case !c.begun && page.Total > end:
		c.offset = page.Total - PageRows // it grew: from its end, then
	case f.Offset > 0:
		c.offset = min(f.Offset, page.Total) - (PageRows - 1)
	case c.list+1 < len(activeStatuses):
		*c = scan{list: c.list + 1, since: c.since, credit: c.credit}
		return false, nil
	default:
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.w.unlisted(p, false, c.since, time.Now())
		*c = scan{credit: c.credit}
		s.missed = 0
		return true, nil
	}
	c.begun = true
	return false, nil
}

// waitingIfDue lists the Jobs that wait for a person, if that is due; where the
// list is long it must leave time for the others. What enters the list meanwhile
// is found the next time.
func (p *pass) waitingIfDue() error {
	s := &p.w.sweep
	if time.Since(s.waiting) < max(min(waitingEvery, p.pause*9/10), 2*s.took) {
		return nil
	}
	s.waiting = time.Now()
	defer func() { s.took = time.Since(s.waiting) }()
	f := duvo.JobFilter{Status: duvo.StatusWaiting}
	for {
		page, err := p.page(f)
		if err != nil {
			return err
		}
		if len(page.Jobs) < PageRows || f.Offset+len(page.Jobs) == page.Total {
			return nil
		}
		f.Offset += PageRows - 1
	}
}

// ended goes through the lists of Jobs that ended since our oldest was created.
func (p *pass) ended() error {
	for i, status := range endedStatuses {
		if i > 0 && p.w.sweep.odd%2 == 1 {
			continue // few Jobs end so: every second time
		}
		f := duvo.JobFilter{Status: status}
		if p.strict {
			f.Since = p.oldest.Add(-clockSkew)
		}
		for {
			page, err := p.page(f)
			if err != nil {
				return err
			}
			f.Offset += len(page.Jobs)
			if len(page.Jobs) < PageRows || f.Offset == page.Total {
				break
			}
		}
	}
	return p.waitingIfDue()
}
