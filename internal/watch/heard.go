package watch

import (
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// Heard takes in what the watcher tells that reads the lists.
func (w *Watcher) Heard(h Hints) {
	var seen []progress
	w.mu.Lock()
	now := w.now()
	if h.Over {
		w.unlooked(now, h)
	}
	if h.Whole || h.Over {
		for _, n := range w.byJob {
			n.taken = false
		}
		clear(w.early)
	}
	for id, looked := range h.Looked {
		if n := w.byJob[strings.ToLower(id)]; n != nil {
			w.looked(n, looked, now, h)
		} else {
			w.lookedEarly(strings.ToLower(id), looked, now, h)
		}
	}
	for id, r := range h.Rows {
		if e, ok := w.early[strings.ToLower(id)]; ok {
			e.row = &r
			w.early[strings.ToLower(id)] = e
		}
		if n := w.byJob[strings.ToLower(id)]; n != nil && !n.foreign {
			job := r.job(n)
			if w.toldRow(n, job, r.Completed) {
				seen = append(seen, progress{n, job})
			}
		}
	}
	for _, id := range h.Missing {
		if n := w.byJob[strings.ToLower(id)]; n != nil && !n.foreign && !n.outsideSweeps {
			n.absences = min(n.absences+1, 100)
			w.readSoon(n, now)
		}
	}
	if h.Swept {
		w.sweep.heard = now
		for _, n := range w.byJob {
			if n.taken {
				n.sweptUntil = now.Add(h.Lasts)
				w.plan(n)
			}
		}
		w.spotCheck(now, now)
	}
	w.stale = true
	w.unlock()
	tellProgress(seen)
}

// looked takes in whether sweeps look after a Job.
func (p *planner) looked(n *Watch, looked bool, now instant, h Hints) {
	n.taken, n.sweptUntil = looked, 0
	if looked {
		n.sweptUntil = now.Add(h.Lasts)
		p.listedAfterAll(n)
	}
	p.plan(n)
}

const earlyMax = 1000 // Jobs; of more, what was told is forgotten, and they are read by age

func (p *planner) lookedEarly(key string, looked bool, now instant, h Hints) {
	delete(p.early, key)
	if !looked {
		return
	}
	if p.early == nil || len(p.early) >= earlyMax {
		p.early = map[string]early{}
	}
	p.early[key] = early{until: now.Add(h.Lasts)}
}

// catchUp takes in what was told of a Job before it was watched.
func (p *planner) catchUp(n *Watch) {
	e, ok := p.early[n.key()]
	if !ok {
		return
	}
	delete(p.early, n.key())
	n.taken, n.sweptUntil = true, e.until
	if e.row != nil && !n.foreign {
		p.toldRow(n, e.row.job(n), e.row.Completed)
	}
}

func (r *Row) job(n *Watch) duvo.Job {
	return duvo.Job{ID: n.jobID, Status: r.Status, UpdatedAt: r.Updated.time(), AssignmentID: r.Assignment, BuildID: r.Build}
}

// listedAfterAll takes in that lists show a Job, as it seems.
func (p *planner) listedAfterAll(n *Watch) {
	n.absences, n.outsideSweeps = 0, n.pinned
}

// unlooked takes in that nobody looks after any Job.
func (p *planner) unlooked(now instant, h Hints) {
	s := &p.sweep
	for _, n := range p.byJob {
		n.sweptUntil = 0
	}
	if h.Rest > 0 {
		s.pausedUntil = max(s.pausedUntil, now.Add(h.Rest))
		p.turn(false)
	}
	p.replan()
}

// toldRow takes in the row of a Job, which is told once. It returns true if the row
// tells of progress that needs no read.
func (p *planner) toldRow(n *Watch, job duvo.Job, completed bool) (progress bool) {
	p.listedAfterAll(n)
	n.toldStatus, n.toldUpdated = job.Status, stampOf(job.UpdatedAt)
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
	moved := n.toldStatus == duvo.StatusWaiting && n.updated != 0 && n.toldUpdated > n.updated
	switch same := n.toldStatus == n.status && !moved; {
	case n.toldStatus == "":
		return
	case same, OnItsWay(n.toldStatus) && OnItsWay(n.status), n.toldUpdated != 0 && n.toldUpdated < n.updated:
		n.toldStatus, n.toldUpdated = "", 0
		return
	}
	pause := instant(0)
	if n.refutals > 0 {
		pause = instant(refutedPause(n.refutals))
	}
	n.hint, n.hinted = n.toldUpdated, true
	n.asked = sooner(n.asked, max(n.known()+pause, 1))
}
