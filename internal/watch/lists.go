package watch

import (
	"errors"

	"github.com/duvotool/duvotool/duvo"
)

// all goes through the whole list, newest first, down to our oldest Job.
func (p *pass) all() error {
	for offset := 0; ; {
		if p.spent() {
			return errTooLong
		}
		page, err := p.page(duvo.JobFilter{Offset: offset})
		if err != nil {
			return err
		}
		offset += len(page.Jobs)
		if len(page.Jobs) < PageRows || offset == page.Total {
			return nil
		}
		last := page.Jobs[len(page.Jobs)-1].CreatedAt
		if p.oldestKnown && !last.IsZero() && last.Before(p.oldest.time().Add(-clockSkew)) || p.unseen <= 0 {
			return nil
		}
	}
}

// ended goes through the lists of Jobs that ended since our oldest was created.
func (p *pass) ended() error {
	for i, status := range endedStatuses {
		if i > 0 && p.number%2 == 0 {
			continue // few Jobs end so: every second time
		}
		f := duvo.JobFilter{Status: status}
		if p.oldestKnown {
			f.Since = p.oldest.time().Add(-clockSkew)
		}
		for {
			page, err := p.pageByStatus(f)
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

// active goes through the lists of Jobs in flight.
func (p *pass) active() error {
	p.w.sweep.scan = activeScan{}
	if err := p.waitingIfDue(); err != nil {
		return err
	}
	for {
		if done, err := p.nextActive(); done || err != nil {
			return err
		}
	}
}

// continueActive goes on with the active plan, as far as is due beside the ended
// one.
func (p *pass) continueActive() error {
	s := &p.w.sweep
	c := &s.scan
	c.budget += float64(s.pages[planActive]) * max(p.w.since(p.began), p.pause).Seconds() / fullEvery.Seconds()
	p.limit += p.requests + int(c.budget)
	for ; c.budget >= 1; c.budget-- {
		_, err := p.nextActive()
		if errors.Is(err, errTooLong) {
			return errFilter // the waiting Jobs have no end
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nextActive reads the next page of the active plan. It returns true after the
// last.
func (p *pass) nextActive() (done bool, err error) {
	s := &p.w.sweep
	c := &s.scan
	status := activeStatuses[c.list]
	if c.since.IsZero() {
		c.since = p.w.now()
	}
	if !c.begun {
		c.offset = s.totals[status] - PageRows // the last page, unless the list grew
	}
	f := duvo.JobFilter{Status: status, OldestFirst: true, Offset: max(c.offset, 0)}
	page, err := p.pageByStatus(f)
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
		*c = activeScan{list: c.list + 1, since: c.since, budget: c.budget}
		return false, nil
	default:
		p.lock()
		defer p.unlock()
		p.unlisted(false, c.since, p.w.now())
		*c = activeScan{budget: c.budget}
		s.missed = 0
		return true, nil
	}
	c.begun = true
	return false, nil
}

// pageByStatus reads a page of the list of a status, and before it the Jobs that
// wait for a person, if that is due.
func (p *pass) pageByStatus(f duvo.JobFilter) (duvo.JobPage, error) {
	if p.spent() {
		return duvo.JobPage{}, errTooLong
	}
	if err := p.waitingIfDue(); err != nil {
		return duvo.JobPage{}, err
	}
	return p.page(f)
}

// waitingIfDue lists the Jobs that wait for a person, if that is due; where the
// list is long it must leave time for the others. What enters the list meanwhile
// is found the next time.
func (p *pass) waitingIfDue() error {
	s := &p.w.sweep
	if p.w.since(s.waitingAt) < max(min(waitingEvery, p.pause*9/10), 2*s.waitingTook) {
		return nil
	}
	s.waitingAt = p.w.now()
	defer func() { s.waitingTook = p.w.since(s.waitingAt) }()
	f := duvo.JobFilter{Status: duvo.StatusWaiting}
	for {
		if p.spent() {
			return errTooLong
		}
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
