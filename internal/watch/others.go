package watch

import (
	"maps"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// Others are the watchers of other processes that read Jobs of the same lists. One
// of all is elected to read the lists; see [Watcher.Elect]. It looks after the Jobs
// of the others too, which it knows by [Watcher.Foreign], and tells them what it
// sees; they take that in by [Watcher.Heard] as if their own sweep had shown it.
// What is told may be lost: a Job of which nothing is heard for long is read by its
// age, as it is without lists.
//
// Its methods are called with the watcher's lock held: they must neither block nor
// call the watcher.
type Others interface {
	// Want tells whether the lists are worth their requests, so that the watcher
	// would read them if it was elected. It does not want to until it says so.
	Want(bool)
	// Tell tells the others what the lists show.
	Tell(Hints)
}

// Hints are what the watcher that reads the lists tells the others. They are told in
// order; those who have missed some ask for all by [Watcher.Again].
type Hints struct {
	Whole   bool            `json:"whole,omitempty"`   // what was told before counts until it runs out, and is not renewed
	Looked  map[string]bool `json:"looked,omitempty"`  // Jobs that sweeps look after from now on, for as long as Lasts; false: no longer
	Rows    map[string]Row  `json:"rows,omitempty"`    // what lists show of Jobs, where that is something new
	Missing []string        `json:"missing,omitempty"` // Jobs that lists should show and do not, or not any more
	Swept   bool            `json:"swept,omitempty"`   // a sweep has ended: all Jobs that are looked after are, for as long as Lasts
	Lasts   time.Duration   `json:"lasts,omitempty"`
	Over    bool            `json:"over,omitempty"` // nobody looks after any Job
	Rest    time.Duration   `json:"rest,omitempty"` // for so long the lists are not worth it
}

// A Row is what a list shows of a Job.
type Row struct {
	Status  duvo.Status `json:"s"`
	Updated stamp       `json:"u,omitempty"`

	// Where the row may take the place of a read.
	Completed  bool   `json:"c,omitempty"`
	Assignment string `json:"a,omitempty"`
	Build      string `json:"b,omitempty"`
}

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
	n.foreign, n.untold = true, true
	w.add(n)
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
	if now := w.now(); w.sweeping(now) && now.Sub(w.sweep.toldAll) >= againEvery {
		w.tellAll(now)
	}
}

// elected reports whether the watcher may read the lists.
func (p *planner) elected(now instant) bool {
	return p.sweep.others == nil || now.Before(p.sweep.until)
}

// sweeping reports whether the watcher reads the lists.
func (p *planner) sweeping(now instant) bool { return p.sweep.on && p.elected(now) }

// beginTerm begins to read the lists for all.
func (p *planner) beginTerm(now instant) {
	s := &p.sweep
	s.scan, s.totals, s.missed, s.suspects = activeScan{}, nil, 0, 0
	s.next = now.Add(firstSweep(p.sweepPause(now)))
	if !s.heard.IsZero() && now.Sub(s.heard) < sweepRest {
		s.next = now // in the place of another's
	}
	p.tellAll(now)
}

// tellAll tells which Jobs of others sweeps look after, and lets every row of theirs
// be told that is seen next.
func (p *planner) tellAll(now instant) {
	p.sweep.toldAll = now
	for _, n := range p.byJob {
		if n.foreign {
			n.taken, n.untold = false, true
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
func (s *sweeper) lasts(pause time.Duration) time.Duration { return 2*(pause+s.took) + toldWithin }

// tellRow tells of the row of a Job of another watcher's, unless it was told.
func (p *planner) tellRow(n *Watch, row duvo.Job, list duvo.Status) {
	updated := stampOf(row.UpdatedAt)
	if !n.untold && row.Status == n.status && !(row.Status == duvo.StatusWaiting && updated > n.updated) {
		return
	}
	n.untold, n.status, n.updated = false, row.Status, updated
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
	toldWithin = 5 * time.Second // what is told is heard
	againEvery = time.Second
)
