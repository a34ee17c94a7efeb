package watch

import (
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// rows takes in the rows of a page of the list by this status; empty: of all.
func (p *pass) rows(rows []duvo.Job, list duvo.Status) {
	var seen []progress
	p.lock()
	for _, row := range rows {
		if n := p.w.byJob[strings.ToLower(row.ID)]; n != nil && p.row(n, row, list) {
			seen = append(seen, progress{n, row})
		}
	}
	p.unlock()
	tellProgress(seen)
}

// row takes in the row of a Job. It returns true if the row tells of progress that
// needs no read. Called with Watcher.mu held.
func (p *pass) row(n *Watch, row duvo.Job, list duvo.Status) (progress bool) {
	p.mark(n, row)
	if n.foreign {
		p.w.tellRow(n, row, list)
		return false
	}
	return p.w.row(n, row, p.w.trusts(row, list))
}

// mark notes that the sweep has shown a Job. Called with Watcher.mu held.
func (p *pass) mark(n *Watch, row duvo.Job) {
	if n.lastSweep != p.number && n.added.Before(p.began) {
		if !n.outsideSweeps {
			p.unseen--
		}
		if n.absences > 0 && !row.Status.Terminal() {
			p.found++
		}
	}
	if n.absences > 0 {
		n.unshared = true // whose it is learns that lists show it
	}
	n.lastSweep, n.lastSwept, n.absences = p.number, p.w.now(), 0
	if n.outsideSweeps && !n.pinned {
		n.outsideSweeps = false // listed after all
		p.w.plan(n)
	}
	if n.created == 0 {
		n.created = stampOf(row.CreatedAt)
	}
}
