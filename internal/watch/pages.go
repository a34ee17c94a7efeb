package watch

import (
	"errors"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/guard"
)

var (
	errFilter  = errors.New("a list by status holds other rows")
	errNoTotal = errors.New("a list by status tells no total")

	errNotElected = errors.New("another watcher reads the lists")
)

// spent reports whether the sweep has made all the requests that it may.
func (p *pass) spent() bool { return p.limit > 0 && p.requests >= p.limit }

// page reads one page, a second time if need be, and takes in its rows.
func (p *pass) page(f duvo.JobFilter) (page duvo.JobPage, err error) {
	for attempt := 1; ; attempt++ {
		p.requests++
		page, err = p.request(f)
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

// request reads one page.
func (p *pass) request(f duvo.JobFilter) (page duvo.JobPage, err error) {
	f.PageSize = PageRows
	p.lock()
	elected := p.w.elected(p.w.now())
	p.unlock()
	if !elected {
		return page, errNotElected
	}
	err = guard.Run(errPanic, func() (err error) {
		page, err = p.w.lister.JobPage(p.ctx, f)
		return err
	})
	if err == nil && len(page.Jobs) > PageRows {
		err = errors.New("a page has more rows than were asked for")
	}
	p.lock()
	defer p.unlock()
	if p.ctx.Err() == nil {
		p.w.answered(err, false)
	}
	return page, err
}
