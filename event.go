package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
)

// EventKind tells what happened to a Job.
type EventKind string

// The kinds of events.
const (
	EventQueued    EventKind = "queued"    // the call waits for its turn; see WithJobLimit
	EventStarted   EventKind = "started"   // the Job exists
	EventResumed   EventKind = "resumed"   // it was in the journal, and is taken up
	EventStatus    EventKind = "status"    // its status changed; may be left out when they come fast
	EventRequested EventKind = "requested" // it waits for a person; the policy is asked
	EventSuspended EventKind = "suspended" // the policy put the decision off; see Registry.Pending
	EventDecided   EventKind = "decided"   // the policy has decided
	EventDelivered EventKind = "delivered" // what became of the decision
	EventMessage   EventKind = "message"   // it said something; with WithLiveMessages only
	EventFinished  EventKind = "finished"  // the outcome is known
	EventParked    EventKind = "parked"    // the call ended without an outcome, with Err
	EventRefreshed EventKind = "refreshed" // the Assignments have changed; of no Job
)

// An Event is a change of a Job, or of the Assignments, told to the observer of
// [WithObserver].
type Event struct {
	Kind       EventKind           `json:"kind"`
	At         time.Time           `json:"at"`
	Key        string              `json:"key,omitempty"`    // the operation key
	JobID      string              `json:"job_id,omitempty"` // empty before the Job exists
	Assignment duvo.Assignment     `json:"assignment,omitzero"`
	Caller     hitl.Caller         `json:"caller,omitzero"`
	Status     duvo.Status         `json:"status,omitempty"`
	Before     int                 `json:"before,omitempty"`   // of EventQueued: how many wait before it
	Request    *hitl.Request       `json:"request,omitempty"`  // of EventRequested and EventSuspended
	Decision   *hitl.DecisionEntry `json:"decision,omitempty"` // of EventDecided and EventDelivered
	Message    *duvo.Message       `json:"message,omitempty"`  // of EventMessage; untrusted
	Result     *Result             `json:"result,omitempty"`   // of EventFinished
	Err        error               `json:"-"`                  // of EventParked
	Changes    *Changes            `json:"changes,omitempty"`  // of EventRefreshed

	ctx context.Context // with the values of the call's
}

type plainEvent Event // without the methods

type eventJSON struct {
	plainEvent
	Error string `json:"error,omitempty"`
}

// MarshalJSON writes the event, with the text of Err as "error".
func (e Event) MarshalJSON() ([]byte, error) {
	w := eventJSON{plainEvent: plainEvent(e)}
	if e.Err != nil {
		w.Error = e.Err.Error()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote. Of Err there is the text.
func (e *Event) UnmarshalJSON(text []byte) error {
	var w eventJSON
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*e = Event(w.plainEvent)
	if w.Error != "" {
		e.Err = errors.New(w.Error)
	}
	return nil
}

// String tells the event on one line that is safe to print.
func (e Event) String() string {
	if e.Kind == EventRefreshed {
		return "the Assignments have changed: " + e.Changes.String()
	}
	name := fmt.Sprintf("%q", hitl.SafeLine(e.Assignment.Name, 80))
	if e.JobID != "" {
		name = "Job " + hitl.SafeLine(e.JobID, 64) + " of " + name
	}
	switch e.Kind {
	case EventQueued:
		return fmt.Sprintf("%s waits for its turn behind %s", name, safetext.Count(e.Before, "other", "others"))
	case EventResumed:
		return fmt.Sprintf("%s is taken up again", name)
	case EventStatus:
		return fmt.Sprintf("%s is %s", name, hitl.SafeLine(string(e.Status), 40))
	case EventRequested:
		return fmt.Sprintf("%s asks: %s", name, hitl.SafeLine(e.Request.Title, 200))
	case EventSuspended:
		return fmt.Sprintf("%s waits for a decision that was put off: %s", name, hitl.SafeLine(e.Request.Title, 200))
	case EventDecided:
		return name + ": " + e.Decision.Summary()
	case EventDelivered:
		return fmt.Sprintf("%s: the decision was %s", name, e.Decision.Delivery)
	case EventMessage:
		text := e.Message.Text
		if text == "" && e.Message.ToolCall != nil {
			text = "calls " + e.Message.ToolCall.Name
		}
		return fmt.Sprintf("%s, %s: %s", name, hitl.SafeLine(e.Message.Role, 20), hitl.SafeLine(text, 200))
	case EventFinished:
		return fmt.Sprintf("%s: %s", name, e.Result.Outcome)
	case EventParked:
		return fmt.Sprintf("%s: the call ended without an outcome", name)
	}
	return fmt.Sprintf("%s %s", name, string(e.Kind))
}

// An eventQueue hands events to the observer, one after the other, and never
// makes the sender wait. Where a status has not been told yet and the next one
// of the same Job comes, the newer takes its place; nothing else is left out.
type eventQueue struct {
	tell func(Event)
	log  *slog.Logger

	mu      sync.Mutex
	waiting []*Event
	status  map[eventOf]*Event // the last that waits of an operation, where it is a status
	busy    bool
	idle    chan struct{} // closed while nothing is told; made anew by send
}

// eventOf names an operation.
type eventOf struct{ tenant, key, assignment string }

func newEventQueue(tell func(Event), log *slog.Logger) *eventQueue {
	q := &eventQueue{tell: tell, log: log, status: map[eventOf]*Event{}, idle: make(chan struct{})}
	close(q.idle)
	return q
}

func (q *eventQueue) send(e Event) {
	if q.tell == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	of := eventOf{e.Caller.Tenant, e.Key, e.Assignment.ID}
	if e.Kind != EventStatus {
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

func (q *eventQueue) tellSafely(e Event) {
	guard.Then(errObserver, func() error { q.tell(e); return nil }, func(err error) {
		if err != nil {
			q.log.Error("duvotool: an event is lost", "event", string(e.Kind), "job", e.JobID, "error", err.Error())
		}
	})
}

var errObserver = errors.New("the observer or the callbacks handler panicked")

// close waits until everything was told.
func (q *eventQueue) close(ctx context.Context) error {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return errtext.Errorf("duvotool: closing: %w; the observer has not been told everything", context.Cause(ctx))
	}
}
