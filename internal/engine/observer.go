package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/outcome"
)

// An eventQueue hands events to the observer, one after the other, and never
// makes the sender wait. Where a status has not been told yet and the next one
// of the same Job comes, the newer takes its place; nothing else is left out.
type eventQueue struct {
	tell func(outcome.Event)
	log  *slog.Logger
	life *lifetime.Lifetime

	mu      sync.Mutex
	waiting []*outcome.Event
	status  map[eventOf]*outcome.Event // the last that waits of an operation, where it is a status
	busy    bool
	idle    chan struct{} // closed while nothing is told; made anew by send
}

// eventOf names an operation.
type eventOf struct{ tenant, key, assignment string }

func newEventQueue(tell func(outcome.Event), log *slog.Logger, life *lifetime.Lifetime) *eventQueue {
	q := &eventQueue{tell: tell, log: log, life: life, status: map[eventOf]*outcome.Event{}, idle: make(chan struct{})}
	close(q.idle)
	return q
}

func (q *eventQueue) send(e outcome.Event) {
	if q.tell == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	of := eventOf{e.Caller.Tenant, e.Key, e.Assignment.ID}
	if e.Kind != outcome.EventStatus {
		delete(q.status, of)
	} else if last := q.status[of]; last != nil {
		*last = e
		return
	} else {
		q.status[of] = &e
	}
	q.waiting = append(q.waiting, &e)
	if !q.busy {
		q.busy = true
		q.idle = make(chan struct{})
		go q.drain()
	}
}

func (q *eventQueue) drain() {
	through := false
	defer func() {
		if !through { // the observer ended this goroutine: another goes on
			go q.drain()
		}
	}()
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.busy = false
			q.waiting = nil
			close(q.idle)
			q.mu.Unlock()
			through = true
			return
		}
		e := q.waiting[0]
		q.waiting = q.waiting[1:]
		if of := (eventOf{e.Caller.Tenant, e.Key, e.Assignment.ID}); q.status[of] == e {
			delete(q.status, of)
		}
		q.mu.Unlock()
		q.tellSafely(*e)
	}
}

func (q *eventQueue) tellSafely(e outcome.Event) {
	guard.Then(errObserver, func() error {
		defer q.life.In(theObserver)()
		q.tell(e)
		return nil
	}, func(err error) {
		if err != nil {
			q.log.Error("duvotool: an event is lost", "event", string(e.Kind), "job", e.JobID, "error", err.Error())
		}
	})
}

// close waits until everything was told. Where ctx ends before, the error and the
// log tell how much was not.
func (q *eventQueue) close(ctx context.Context) error {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	select {
	case <-idle:
		return nil
	default:
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	n := len(q.waiting)
	if q.busy {
		n++ // it is being told
	}
	q.mu.Unlock()
	if n == 0 {
		return nil
	}
	q.log.ErrorContext(ctx, "duvotool: closing: the observer has not been told everything", "events", n)
	return errtext.Errorf("duvotool: closing: %w; the observer has not been told everything: %d events wait or are being told", context.Cause(ctx), n)
}

const theObserver = "the observer"

var errObserver = errors.New("the observer or the callbacks handler panicked")
