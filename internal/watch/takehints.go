package watch

import (
	"strings"
)

// TakeHints takes in what the watcher tells that reads the lists.
func (w *Watcher) TakeHints(h Hints) {
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
			if w.hintedRow(n, job, r.Completed) {
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
		w.sweep.hinted = now
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

// unlooked takes in that nobody looks after any Job.
func (p *planner) unlooked(now instant, h Hints) {
	s := &p.sweep
	for _, n := range p.byJob {
		n.sweptUntil = 0
	}
	if h.Rest > 0 {
		s.pausedUntil = max(s.pausedUntil, now.Add(h.Rest))
		p.sweep.turn(false)
	}
	p.replan()
}
