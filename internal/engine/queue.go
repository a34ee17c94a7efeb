package engine

import (
	"sync"
)

// A queue lets operations begin in turn.
type queue struct {
	limit int // zero: none

	mu      sync.Mutex
	taken   int
	byID    map[string]int // taken, by Assignment
	waiting []*ticket      // in order
	closed  bool           // nobody is let in any more
}

// A ticket is an operation's place in a queue.
type ticket struct {
	assignment string
	limit      int // of the Assignment; zero: none
	granted    bool
	begin      func() // called once, if the turn comes later
}

func newQueue(limit int) *queue { return &queue{limit: limit, byID: map[string]int{}} }

// enter takes a place, or lines up for one: then it returns how many are
// before, and begin is called when the turn has come. A Job that exists already
// is let in whatever the limit.
func (q *queue) enter(t *ticket, exists bool) (before int, in bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if exists || !q.closed && q.fits(t) && (len(q.waiting) == 0 || q.overtakes(t)) {
		q.take(t)
		return 0, true
	}
	q.waiting = append(q.waiting, t)
	return len(q.waiting) - 1, false
}

// close lets nobody in any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *queue) fits(t *ticket) bool {
	return (q.limit == 0 || q.taken < q.limit) && (t.limit == 0 || q.byID[t.assignment] < t.limit)
}

// overtakes reports whether all that wait do so for their Assignment's limit.
func (q *queue) overtakes(*ticket) bool {
	for _, w := range q.waiting {
		if q.fits(w) {
			return false
		}
	}
	return true
}

func (q *queue) take(t *ticket) {
	t.granted = true
	q.taken++
	q.byID[t.assignment]++
}

// leave gives a place back, or steps out of the line.
func (q *queue) leave(t *ticket) {
	q.mu.Lock()
	var begin []func()
	if t.granted {
		t.granted = false
		q.taken--
		if q.byID[t.assignment]--; q.byID[t.assignment] == 0 {
			delete(q.byID, t.assignment)
		}
	}
	kept := q.waiting[:0]
	for _, w := range q.waiting {
		switch {
		case w == t:
		case !q.closed && q.fits(w):
			q.take(w)
			begin = append(begin, w.begin)
		default:
			kept = append(kept, w)
		}
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	q.mu.Unlock()
	for _, f := range begin {
		f()
	}
}
