package duvotool

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// EventKind tells what happened to a Job.
type EventKind string

// The kinds of events.
const (
	EventStarted   EventKind = "started"   // the Job exists
	EventStatus    EventKind = "status"    // its status changed; may be left out when they come fast
	EventRequested EventKind = "requested" // it waits for a person; the policy is asked
	EventSuspended EventKind = "suspended" // the policy put the decision off; see Registry.Pending
	EventDecided   EventKind = "decided"   // the policy has decided
	EventDelivered EventKind = "delivered" // what became of the decision
	EventFinished  EventKind = "finished"  // the outcome is known
	EventParked    EventKind = "parked"    // the call ended without an outcome, with Err
)

// An Event is a change of a Job, told to the observer of [WithObserver].
type Event struct {
	Kind       EventKind
	At         time.Time
	Key        string // the operation key
	JobID      string // empty before the Job exists
	Assignment duvo.Assignment
	Caller     Caller
	Status     duvo.Status
	Request    *Request       // of EventRequested and EventSuspended
	Decision   *DecisionEntry // of EventDecided and EventDelivered
	Result     *Result        // of EventFinished
	Err        error          // of EventParked
}

// An eventQueue hands events to the observer, one after the other, and never
// makes the sender wait. Where a status has not been told yet and the next one
// of the same Job comes, the newer takes its place; nothing else is left out.
type eventQueue struct {
	tell func(Event)
	log  *slog.Logger

	mu      sync.Mutex
	waiting []Event
	busy    bool
	idle    chan struct{} // closed while nothing is told; made anew by send
}

func newEventQueue(tell func(Event), log *slog.Logger) *eventQueue {
	q := &eventQueue{tell: tell, log: log, idle: make(chan struct{})}
	close(q.idle)
	return q
}

func (q *eventQueue) send(e Event) {
	if q.tell == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Kind == EventStatus {
		for i := len(q.waiting) - 1; i >= 0; i-- {
			w := &q.waiting[i]
			if w.Key != e.Key || w.Assignment.ID != e.Assignment.ID {
				continue
			}
			if w.Kind == EventStatus {
				*w = e
				return
			}
			break
		}
	}
	q.waiting = append(q.waiting, e)
	if !q.busy {
		q.busy = true
		q.idle = make(chan struct{})
		go q.drain()
	}
}

func (q *eventQueue) drain() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.busy = false
			q.waiting = nil
			close(q.idle)
			q.mu.Unlock()
			return
		}
		e := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		q.tellSafely(e)
	}
}

func (q *eventQueue) tellSafely(e Event) {
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("duvotool: the observer panicked", "event", string(e.Kind), "job", e.JobID, "panic", fmt.Sprint(p))
		}
	}()
	q.tell(e)
}

// close waits until everything was told.
func (q *eventQueue) close(ctx context.Context) error {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("duvotool: closing: %w; the observer has not been told everything", context.Cause(ctx))
	}
}
