package watch

import (
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// catchUp takes in what was told of a Job before it was watched.
func (p *planner) catchUp(n *Watch) {
	e, ok := p.early[n.key()]
	if !ok {
		return
	}
	delete(p.early, n.key())
	n.taken, n.sweptUntil = true, e.until
	if e.row != nil && !n.foreign {
		p.hintedRow(n, e.row.job(n), e.row.Completed)
	}
}

func (r *Row) job(n *Watch) duvo.Job {
	return duvo.Job{ID: n.jobID, Status: r.Status, UpdatedAt: r.Updated.time(), AssignmentID: r.Assignment, BuildID: r.Build}
}

// listedAfterAll takes in that lists show a Job, as it seems.
func (p *planner) listedAfterAll(n *Watch) {
	n.absences, n.outsideSweeps = 0, n.pinned
}

// hintedRow takes in the row of a Job, which is told once. It returns true if the row
// tells of progress that needs no read.
func (p *planner) hintedRow(n *Watch, job duvo.Job, completed bool) (progress bool) {
	p.listedAfterAll(n)
	n.hintStatus, n.hintUpdated = job.Status, stampOf(job.UpdatedAt)
	if !n.reading { // else it is compared with what that read tells
		progress = p.row(n, job, completed && p.trustLists)
		p.recheck(n)
	}
	p.plan(n)
	return progress
}

// recheck has a Job read of which a row was told that no read has shown: a sweep of
// one's own would show the row again and again.
func (p *planner) recheck(n *Watch) {
	moved := n.hintStatus == duvo.StatusWaiting && n.updated != 0 && n.hintUpdated > n.updated
	switch same := n.hintStatus == n.status && !moved; {
	case n.hintStatus == "":
		return
	case same, OnItsWay(n.hintStatus) && OnItsWay(n.status), n.hintUpdated != 0 && n.hintUpdated < n.updated:
		n.hintStatus, n.hintUpdated = "", 0
		return
	}
	pause := instant(0)
	if n.refutals > 0 {
		pause = instant(refutedPause(n.refutals))
	}
	n.hint, n.hinted = n.hintUpdated, true
	n.asked = sooner(n.asked, max(n.known()+pause, 1))
}

// sighted notes what a read told and plans the next one if that was asked for
// meanwhile.
func (p *planner) sighted(n *Watch, s Sighting) {
	n.reading = false
	if n.absences > 0 && !n.outsideSweeps && s.Err == nil && s.Job.Status == n.status {
		p.sweep.missed++
	}
	n.learn(s, p.instantOf(s.Began))
	if s.Err == nil {
		p.recheck(n)
	}
	if n.reread {
		n.reread = false
		n.asked = p.now()
	}
	p.plan(n)
}

// progress is what a row tells of a Job that needs no read.
type progress struct {
	n   *Watch
	row duvo.Job
}

// tellProgress is called without Watcher.mu.
func tellProgress(seen []progress) {
	for _, t := range seen {
		if then := t.n.to.Sighted(t.n, Sighting{Job: t.row, Hint: true}); then != nil {
			then()
		}
	}
}

// row takes in the row of a Job of ours. It returns true if the row tells of
// progress that needs no read.
func (p *planner) row(n *Watch, row duvo.Job, trusted bool) (progress bool) {
	updated := stampOf(row.UpdatedAt)
	moved := n.updated != 0 && updated > n.updated
	switch {
	case row.Status == n.status && !(row.Status == duvo.StatusWaiting && moved):
		return false
	case n.reading, n.refutals > 0 && updated <= n.refuted && p.since(n.lastRead) < refutedPause(n.refutals):
		return false
	case OnItsWay(row.Status) && OnItsWay(n.status):
		n.status = row.Status
		return true
	}
	if trusted && (moved || n.updated == 0) {
		n.trusted = &row
	}
	n.hint, n.hinted = updated, true
	p.readSoon(n, p.now())
	return false
}

// refutedPause is how long after a read a row is believed anew that tells what
// so many reads have refuted.
func refutedPause(refutals uint8) time.Duration {
	return min(refutedFirst<<min(refutals-1, 10), waitingReread)
}
