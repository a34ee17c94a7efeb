package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/audit"
)

// A ledger is what was decided, as far as the audit has been read. What the audit has
// got since is read when somebody asks, if it can be sought in, as a file can.
type ledger struct {
	mu        sync.Mutex
	at        audit.Position
	rows      []entered // in the order of the audit; what is in them is never changed
	dropped   int       // rows that were before these
	most      int       // rows that are kept; zero: maxPast
	byRequest map[requestName]int
	byJob     map[string][]int // places, the dropped ones counted
}

// An entered row is one with what a filter goes by besides.
type entered struct {
	*past
	at time.Time
}

// maxPast bounds how many decided requests a history holds. Older ones are looked for
// in the audit, where somebody asks for some of them.
const maxPast = 20_000

// all reads on, and returns the latest rows, and how many there were before them.
// Where the audit does not read to its end, what was read comes with the error.
func (l *ledger) all(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) ([]entered, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	file, err := open(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the audit: %w", err)
	}
	defer func() { _ = file.Close() }()
	seeker, ok := file.(io.ReadSeeker)
	if !ok { // it is read from its beginning each time
		l.reset()
		return l.take(ctx, audit.Read(file))
	}
	rows, dropped, err := l.take(ctx, l.at.ReadOn(seeker))
	if errors.Is(err, audit.ErrMoved) {
		l.reset()
		return l.take(ctx, l.at.ReadOn(seeker))
	}
	return rows, dropped, err
}

// dropsSome reports whether there are rows before those that are kept.
func (l *ledger) dropsSome() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped > 0
}

func (l *ledger) reset() {
	l.at, l.rows, l.dropped = audit.Position{}, nil, 0
	l.byRequest, l.byJob = nil, nil
}

// take enters lines. Called with mu held.
func (l *ledger) take(ctx context.Context, lines func(func(audit.Entry, error) bool)) ([]entered, int, error) {
	for e, err := range lines {
		if err != nil {
			return slices.Clone(l.rows), l.dropped, err
		}
		l.enter(e)
		if ctx.Err() != nil { // the next one goes on here
			return slices.Clone(l.rows), l.dropped, context.Cause(ctx)
		}
	}
	return slices.Clone(l.rows), l.dropped, nil
}

// enter takes a line of the audit.
func (l *ledger) enter(e audit.Entry) {
	change := func(place int, f func(*past)) {
		if i := place - l.dropped; i >= 0 {
			now := *l.rows[i].past
			f(&now)
			l.rows[i].past = &now
		}
	}
	name := requestName{e.JobID, e.RequestID}
	place, known := l.byRequest[name]
	switch {
	case e.Event == audit.Outcome:
		for _, place := range l.byJob[e.JobID] {
			change(place, func(h *past) { h.Outcome = string(e.Outcome) })
		}
	case known && e.Event == audit.Delivered:
		change(place, func(h *past) { h.Delivery = e.Delivery })
	case e.Decides():
		if l.byRequest == nil {
			l.byRequest, l.byJob = map[requestName]int{}, map[string][]int{}
		}
		place := l.dropped + len(l.rows)
		l.rows = append(l.rows, entered{pastOf(e), e.At})
		l.byRequest[name] = place
		l.byJob[e.JobID] = append(l.byJob[e.JobID], place)
		if most := cmp.Or(l.most, maxPast); len(l.rows) > most+most/10 {
			l.drop(len(l.rows) - most)
		}
	}
}

// drop forgets the first n rows.
func (l *ledger) drop(n int) {
	l.dropped += n
	l.rows = slices.Clone(l.rows[n:])
	for name, place := range l.byRequest {
		if place < l.dropped {
			delete(l.byRequest, name)
		}
	}
	for job, places := range l.byJob {
		places = slices.DeleteFunc(places, func(place int) bool { return place < l.dropped })
		if l.byJob[job] = places; len(places) == 0 {
			delete(l.byJob, job)
		}
	}
}

// record is what a filter goes by.
func (e entered) record() audit.Record {
	return audit.Record{Event: audit.Decided, At: e.at, AssignmentID: e.AssignmentID, Assignment: e.Assignment, JobID: e.JobID, RequestID: e.RequestID,
		Kind: e.Kind, Digest: e.Digest, Verdict: e.Verdict, By: e.By, People: e.People}
}
