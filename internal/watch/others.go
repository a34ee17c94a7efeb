package watch

import (
	"maps"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// Add adds what is told after h.
func (h *Hints) Add(later Hints) {
	if later.Whole || later.Over {
		h.Looked = nil
	}
	h.Looked = added(h.Looked, later.Looked)
	h.Rows = added(h.Rows, later.Rows)
	h.Missing = append(h.Missing, later.Missing...)
	h.Whole, h.Swept, h.Over = h.Whole || later.Whole, (h.Swept && !later.Over) || later.Swept, later.Over || h.Over && !later.Whole
	h.Lasts, h.Rest = max(h.Lasts, later.Lasts), max(h.Rest, later.Rest)
}

func added[T any](to, more map[string]T) map[string]T {
	if to == nil {
		return maps.Clone(more)
	}
	maps.Copy(to, more)
	return to
}

// Parts cuts hints into those that take about so many bytes as JSON each.
func (h Hints) Parts(bytes int) (out []Hints) {
	now, room := Hints{Whole: h.Whole, Over: h.Over, Rest: h.Rest, Lasts: h.Lasts}, bytes
	take := func(n int) *Hints {
		if room -= n; room < 0 {
			out = append(out, now)
			now, room = Hints{Lasts: h.Lasts}, bytes-n
		}
		return &now
	}
	const around = 20 // bytes
	for id, looked := range h.Looked {
		take(len(id) + around).Add(Hints{Looked: map[string]bool{id: looked}})
	}
	for id, row := range h.Rows {
		n := len(id) + 6*len(row.Status) + len(row.Assignment) + len(row.Build) + 4*around // JSON spells a byte with up to six
		take(n).Add(Hints{Rows: map[string]Row{id: row}})
	}
	for _, id := range h.Missing {
		take(len(id) + around).Add(Hints{Missing: []string{id}})
	}
	now.Swept = h.Swept
	return append(out, now)
}

// Share lets the watcher share the lists with others. It is called before anything
// is watched.
func (w *Watcher) Share(o Others) { w.sweep.others = o }

// Foreign notes that a Job is read by another watcher, so that sweeps look after it
// too. Where this one reads it, nothing changes.
func (w *Watcher) Foreign(job duvo.Job) {
	w.mu.Lock()
	defer w.unlock()
	if w.byJob[strings.ToLower(job.ID)] != nil {
		return
	}
	now := w.now()
	n := newWatch(w, job, nil, now)
	n.foreign, n.unshared = true, true
	w.add(n)
	w.catchUp(n)
	if w.sweeping(now) {
		w.tellLooked(n)
	}
}

// NotForeign notes that no other watcher reads a Job any more.
func (w *Watcher) NotForeign(jobID string) {
	w.mu.Lock()
	defer w.unlock()
	if n := w.byJob[strings.ToLower(jobID)]; n != nil && n.foreign {
		w.remove(n)
	}
}

// Elect lets the watcher read the lists for so long, counted from now; zero: not any
// more.
func (w *Watcher) Elect(lasts time.Duration) {
	w.mu.Lock()
	defer w.unlock()
	s, now := &w.sweep, w.now()
	was := w.elected(now)
	if s.until = 0; lasts > 0 {
		s.until = now.Add(lasts)
	}
	switch is := lasts > 0; {
	case is && !was && s.on:
		w.beginTerm(now)
	case !is:
		s.end()
	}
	w.replan()
	w.stale = true
}

// Again tells the others everything once more: some of them have missed something.
func (w *Watcher) Again() {
	w.mu.Lock()
	defer w.unlock()
	if now := w.now(); w.sweeping(now) && now.Sub(w.sweep.sharedAll) >= againEvery {
		w.tellAll(now)
	}
}

// tellAll tells which Jobs of others sweeps look after, and lets every row of theirs
// be told that is seen next.
func (p *planner) tellAll(now instant) {
	p.sweep.sharedAll = now
	for _, n := range p.byJob {
		if n.foreign {
			n.taken, n.unshared = false, true
		}
	}
	p.sweep.others.Tell(Hints{Whole: true})
	p.tellCoverage(false)
}

// tellCoverage tells which Jobs of others sweeps look after, where that has changed.
func (p *planner) tellCoverage(swept bool) {
	for _, n := range p.byJob {
		if n.foreign && n.taken == n.outsideSweeps {
			p.tellLooked(n)
		}
	}
	if swept {
		p.sweep.others.Tell(Hints{Swept: true, Lasts: p.sweep.lasts(p.sweepPause(p.now()))})
	}
}

// tellLooked tells whether sweeps look after a Job of another watcher's.
func (p *planner) tellLooked(n *Watch) {
	n.taken = !n.outsideSweeps
	p.sweep.others.Tell(Hints{Looked: map[string]bool{n.jobID: n.taken}, Lasts: p.sweep.lasts(p.sweepPause(p.now()))})
}

// lasts is how long what is told of a sweep is to count: until the one after the next
// should have ended.
func (s *sweeper) lasts(pause time.Duration) time.Duration { return 2*(pause+s.took) + hintWithin }

// tellRow tells of the row of a Job of another watcher's, unless it was told.
func (p *planner) tellRow(n *Watch, row duvo.Job, list duvo.Status) {
	updated := stampOf(row.UpdatedAt)
	if !n.unshared && row.Status == n.status && !(row.Status == duvo.StatusWaiting && updated > n.updated) {
		return
	}
	n.unshared, n.status, n.updated = false, row.Status, updated
	out := Row{Status: row.Status, Updated: updated}
	if len(out.Status) > 40 {
		out.Status = "?" // it is none that is known, and read
	}
	if p.trusts(row, list) && len(row.AssignmentID) <= 64 && len(row.BuildID) <= 64 {
		out.Completed, out.Assignment, out.Build = true, row.AssignmentID, row.BuildID
	}
	p.sweep.others.Tell(Hints{Rows: map[string]Row{n.jobID: out}})
}

const (
	hintWithin = 5 * time.Second // a hint has reached the others
	againEvery = time.Second
)

// beginTerm begins to read the lists for all.
func (p *planner) beginTerm(now instant) {
	s := &p.sweep
	s.scan, s.totals, s.missed, s.suspects = activeScan{}, nil, 0, 0
	s.next = now.Add(firstSweep(p.sweepPause(now)))
	if !s.hinted.IsZero() && now.Sub(s.hinted) < sweepRest {
		s.next = now // in the place of another's
	}
	p.tellAll(now)
}
