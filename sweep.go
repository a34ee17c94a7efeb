package duvotool

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A JobLister is a [Backend] that can list Jobs. Where many Jobs are in flight,
// a registry looks through pages of the list instead of reading each Job.
type JobLister interface {
	// JobPage reads one page of the team's Jobs by one request.
	JobPage(context.Context, duvo.JobFilter) (duvo.JobPage, error)
}

var _ JobLister = (*duvo.Client)(nil)

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
	silent  int       // such reads in a row that showed what no row had told
	spotted time.Time // when that was last counted

	sought   time.Time // when Jobs that lists did not show were last looked for
	noFilter time.Time // until when lists by status are not trusted
	noSweeps time.Time // until when there are none
	number   uint32    // of the sweep
}

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
	hinted   bool      // a row leads to the next read
	spot     bool      // the next read is one of those that no row leads to
	refutals uint8     // in a row
	absences uint8     // in a row, each of them refuted by a read
	single   bool      // read by age: lists do not show it, or keep
	keep     bool      // it stays so: it is far older than the others, or it was asked for
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
	pageRows      = 100
	clockSkew     = time.Minute // between rows' times
	sweepFailures = 3           // in a row, after which Jobs are read one by one
	silentMost    = 3           // reads in a row that show what no row had told, after which lists are not believed
	absentFew     = 20          // missing from a sweep at once that are simply read
)

var (
	errFilter  = errors.New("a list by status holds other rows")
	errTooLong = errors.New("the list is longer than it is worth")
	errNoTotal = errors.New("a list by status tells no total")
	errSilent  = errors.New("the lists do not tell of changes")
)

// covers reports whether sweeps look after a Job. Called with watcher.mu held.
func (w *watcher) covers(n *watch) bool { return w.sweep.on && !n.single }

// end stops a running sweep. Called with watcher.mu held.
func (s *sweeper) end() {
	if s.cancel != nil {
		s.cancel()
	}
}

// took notes what a read told. Called with watcher.mu held.
func (n *watch) took(s sighting) {
	if s.err != nil {
		return
	}
	if n.absences > 0 && s.job.Status == n.status && !n.single {
		n.w.sweep.missed++
	}
	switch {
	case !n.hinted:
	case s.job.Status == n.status:
		n.refuted, n.refutals = n.hint, min(n.refutals+1, 100)
	default:
		n.refutals = 0
	}
	if n.spot && s.job.Status != n.status && !n.hinted {
		n.w.sweep.silent++
	} else if n.spot {
		n.w.sweep.silent = 0
	}
	n.hint, n.hinted, n.spot = time.Time{}, false, false
	if n.absences > 0 && s.job.Status.Terminal() {
		n.absences = 0
	}
	if n.absences > 1 && !n.single {
		n.single = true
	}
	n.status, n.updated, n.lastRead = s.job.Status, s.job.UpdatedAt, s.began
	if !s.job.CreatedAt.IsZero() {
		n.created = s.job.CreatedAt
	}
}

// sweepIfDue decides whether to sweep, begins a sweep that is due, and returns
// when to ask again. Called with watcher.mu held.
func (w *watcher) sweepIfDue(now time.Time) time.Time {
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
	w.life.again()
	go w.runSweep(ctx, now, w.plan(now))
	return now.Add(time.Minute)
}

// judge decides whether sweeps cost fewer requests than reads by age. Called
// with watcher.mu held.
func (w *watcher) judge(now time.Time) {
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
func (w *watcher) anew(now time.Time) {
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
func (w *watcher) replan() {
	for _, n := range w.byJob {
		n.plan()
	}
}

// singlesRate returns how many reads a second the Jobs that sweeps would cover
// need without them, and how many such Jobs there are. Called with watcher.mu
// held.
func (w *watcher) singlesRate(now time.Time) (rate float64, n int) {
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
	least := (n + pageRows - 1) / pageRows
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
func (w *watcher) sweepPause(now time.Time) time.Duration {
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
func (w *watcher) plan(now time.Time) sweepPlan {
	s := &w.sweep
	n := len(w.byJob)
	full := planAll
	cost, active := s.costs(n, now)
	if active == 0 {
		return planAll
	}
	if active < cost || s.pagesAll == 0 && n > 10*pageRows {
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

// A pass is one sweep under way.
type pass struct {
	w       *watcher
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
	byAge   []*watch // those that it covers, oldest first; made when it is needed
}

// A scan is the active plan's way through its lists.
type scan struct {
	list   int // which of activeStatuses
	begun  bool
	offset int // of the next page, once begun
	since  time.Time
	credit float64 // pages that are due, beside the ended plan
}

func (w *watcher) runSweep(ctx context.Context, began time.Time, plan sweepPlan) {
	defer w.life.leave()
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
		if w.spot(n, began, now); s.silent >= silentMost {
			s.silent = 0
			w.stopSweeps(now, errSilent, distrust)
		}
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
		w.log.Warn("duvotool: listing Jobs", "error", SafeLine(err.Error(), 500))
		s.next = now.Add(jitter(max(time.Second, duvo.RetryAfter(err))))
		if s.failed++; s.failed >= sweepFailures {
			w.stopSweeps(now, err, sweepRetry) // reads may well get through
		}
	case plan != planAll || errors.Is(err, errNoTotal):
		w.log.Warn("duvotool: listing Jobs by status; going without", "error", SafeLine(err.Error(), 500), "for", distrust)
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

// stopSweeps goes back to reads by age for a while. Called with watcher.mu held.
func (w *watcher) stopSweeps(now time.Time, why error, rest time.Duration) {
	w.log.Info("duvotool: Jobs are read one by one", "because", SafeLine(why.Error(), 500), "for", rest)
	w.sweep.on, w.sweep.failed = false, 0
	w.sweep.noSweeps = now.Add(rest)
	w.sweep.pagesAll, w.sweep.pagesActive, w.sweep.pagesEnded = 0, 0, 0
	w.sweep.scan, w.sweep.totals, w.sweep.suspects = scan{}, nil, 0
	w.replan()
}

// oldest returns when the oldest Job that sweeps cover was created, and whether
// that is known of all of them. Called with watcher.mu held.
func (w *watcher) oldest() (oldest time.Time, known bool) {
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
	p.rows(page.Jobs)
	return page, nil
}

func (p *pass) read(f duvo.JobFilter) (page duvo.JobPage, err error) {
	f.PageSize = pageRows
	func() {
		defer recoverAs(&err, errBackendPanic)
		page, err = p.w.lister.JobPage(p.ctx, f)
	}()
	if err == nil && len(page.Jobs) > pageRows {
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
		if len(page.Jobs) < pageRows || offset == page.Total {
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
		c.offset = s.totals[status] - pageRows // the last page, unless the list grew
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
		c.offset = page.Total - pageRows // it grew: from its end, then
	case f.Offset > 0:
		c.offset = min(f.Offset, page.Total) - (pageRows - 1)
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
		slices.SortFunc(p.byAge, func(a, b *watch) int { return a.created.Compare(b.created) })
	}
	from, to := 0, len(p.byAge)
	after := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(p.byAge, t, func(n *watch, t time.Time) int { return n.created.Compare(t) })
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
		if len(page.Jobs) < pageRows || f.Offset+len(page.Jobs) == page.Total {
			return nil
		}
		f.Offset += pageRows - 1
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
			if len(page.Jobs) < pageRows || f.Offset == page.Total {
				break
			}
		}
	}
	return p.waitingIfDue()
}

// rows takes in the rows of a page.
func (p *pass) rows(rows []duvo.Job) {
	type changed struct {
		n   *watch
		row duvo.Job
	}
	var hints []changed
	p.w.mu.Lock()
	for _, row := range rows {
		if n := p.w.byJob[strings.ToLower(row.ID)]; n != nil && p.row(n, row) {
			hints = append(hints, changed{n, row})
		}
	}
	p.w.mu.Unlock()
	for _, h := range hints {
		h.n.told(sighting{job: h.row, began: p.began, hint: true})
	}
}

// row takes in the row of a Job of ours. It returns true if the row tells of
// progress that needs no read. Called with watcher.mu held.
func (p *pass) row(n *watch, row duvo.Job) bool {
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
	case onItsWay(row.Status) && onItsWay(n.status):
		n.status = row.Status
		return true
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
func onItsWay(s duvo.Status) bool { return slices.Contains(activeStatuses, s) }

// unlisted looks after the Jobs that a look through everything, begun at since,
// has not shown. whole tells that it was through the whole list. Called with
// watcher.mu held.
func (w *watcher) unlisted(p *pass, whole bool, since, now time.Time) {
	var unseen []*watch
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
// each has its turn every spotEvery: what no row ever tells is seen then, and not
// for all Jobs at once. Called with watcher.mu held.
func (w *watcher) spot(n int, began, now time.Time) {
	s := &w.sweep
	if s.spotted.Before(began.Add(-time.Hour)) {
		s.spotted = began // there were no sweeps
	}
	s.spots += float64(n) * now.Sub(s.spotted).Seconds() / spotEvery.Seconds()
	for s.spotted = now; s.spots >= 1; s.spots-- {
		var least *watch
		for _, x := range w.byJob {
			if w.covers(x) && !x.reading && (x.byWish.IsZero() || x.byWish.After(now)) && (least == nil || x.known().Before(least.known())) {
				least = x
			}
		}
		if least == nil {
			return
		}
		least.byWish, least.spot = now, true
		least.plan()
	}
}

// known returns when the Job was last known for sure.
func (n *watch) known() time.Time {
	if n.lastRead.IsZero() {
		return n.added
	}
	return n.lastRead
}

// singleOut leaves Jobs to reads by age that are so much older than the others
// that the pages between cost more than their reads. They are few: what is read
// by age is seen later. Called with watcher.mu held.
func (w *watcher) singleOut(now time.Time, took time.Duration) {
	s := &w.sweep
	var all []*watch
	for _, n := range w.byJob {
		if !n.single && !n.created.IsZero() {
			all = append(all, n)
		}
	}
	if s.pagesAll < 3 || len(all) < 2 {
		return
	}
	slices.SortFunc(all, func(a, b *watch) int { return a.created.Compare(b.created) })
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
