package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/outcome"
)

// An eventQueue hands events to the observer, one after the other, and never
// makes the sender wait. Where a status has not been told yet and the next one
// of the same Job comes, the newer takes its place. Where what waits holds more than
// maxWaiting bytes of what Jobs have said, live messages are left out, and what was
// said from Results, until the observer has caught up; nothing else ever is.
type eventQueue struct {
	tell func(outcome.Event)
	log  *slog.Logger
	life *lifetime.Lifetime

	mu      sync.Mutex
	waiting []*untold
	bytes   int64               // that what waits holds
	behind  bool                // something was left out, and the log tells so
	dropped int64               // events that were left out, or something of them
	telling time.Time           // since when the observer is told the present event; zero: it is told none
	status  map[eventOf]*untold // the last that waits of an operation, where it is a status
	busy    bool
	idle    chan struct{} // closed while nothing is told; made anew by send
}

// An untold event waits to be told.
type untold struct {
	outcome.Event
	bytes int64
}

const maxWaiting = 64 << 20 // bytes

// saidIn counts the bytes of what a Job has said in an event, and of its input.
func saidIn(e *outcome.Event) (n int64) {
	if r := e.Result; r != nil {
		n += int64(len(r.Output) + len(r.Data) + len(r.Input) + len(r.FollowUp))
		for _, m := range r.Messages {
			n += m.Size()
		}
	}
	if e.Message != nil {
		n += e.Message.Size()
	}
	return n
}

// fit leaves out what there is no room for; false: the whole event. Called with mu
// held.
func (q *eventQueue) fit(e *untold) bool {
	if e.bytes = saidIn(&e.Event); e.bytes == 0 || q.bytes+e.bytes <= maxWaiting {
		return true
	}
	q.dropped++
	if !q.behind {
		q.behind = true
		q.log.Error("duvotool: the observer is far behind; what Jobs say is left out of events until it has caught up")
	}
	if e.Result == nil {
		return false
	}
	res := *e.Result
	res.Output, res.Data, res.Messages, res.Input, res.FollowUp = "", nil, nil, "", ""
	res.Note = joinNotes(res.Note, "what it was told and said was left out of this event, because the observer is far behind")
	e.Result, e.bytes = &res, 0
	return true
}

// eventOf names an operation.
type eventOf struct{ tenant, key, assignment string }

func newEventQueue(tell func(outcome.Event), log *slog.Logger, life *lifetime.Lifetime) *eventQueue {
	q := &eventQueue{tell: tell, log: log, life: life, status: map[eventOf]*untold{}, idle: make(chan struct{})}
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
	next := &untold{Event: e}
	if !q.fit(next) {
		return
	}
	if e.Kind != outcome.EventStatus {
		delete(q.status, of)
	} else if last := q.status[of]; last != nil {
		last.Event = e
		return
	} else {
		q.status[of] = next
	}
	q.waiting = append(q.waiting, next)
	q.bytes += next.bytes
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
			q.busy, q.behind, q.telling = false, false, time.Time{}
			q.waiting = nil
			close(q.idle)
			q.mu.Unlock()
			through = true
			return
		}
		e := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.bytes -= e.bytes
		if of := (eventOf{e.Caller.Tenant, e.Key, e.Assignment.ID}); q.status[of] == e {
			delete(q.status, of)
		}
		q.telling = time.Now()
		q.mu.Unlock()
		q.tellSafely(e.Event)
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
