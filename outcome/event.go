package outcome

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
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
// duvotool.WithObserver.
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

// String tells the event on one line that is safe to print. Of EventParked it has the
// cause, in the program's words: it is not for a model.
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
		return name + ": the call ended without an outcome" + e.why()
	}
	return fmt.Sprintf("%s %s", name, string(e.Kind))
}

// why tells the cause of Err, and how far the call had come. What else a [JobError]
// holds the line has already.
func (e Event) why() string {
	if e.Err == nil {
		return ""
	}
	cause, at := e.Err, ""
	var failed *JobError
	if errors.As(e.Err, &failed) && failed.Err != nil {
		cause, at = failed.Err, string(failed.Phase)
	}
	if at == "" {
		return ": " + hitl.SafeLine(cause.Error(), 300)
	}
	return ", " + at + ": " + hitl.SafeLine(cause.Error(), 300)
}

// Context returns a context with the values of the context that the call was
// made with. It does not end with that one.
func (e Event) Context() context.Context {
	if e.ctx == nil {
		return context.Background()
	}
	return context.WithoutCancel(e.ctx)
}

// String tells the changes on one line that is safe to print.
func (c Changes) String() string {
	if c.Empty() {
		return "no changes"
	}
	s := fmt.Sprintf("%d added, %d removed, %d changed, %s", len(c.Added), len(c.Removed), len(c.Changed),
		safetext.Count(len(c.Collided), "name collides", "names collide"))
	if n := len(c.Unmatched); n > 0 {
		s += ", " + safetext.Count(n, "name matches nothing", "names match nothing")
	}
	return s
}

// Changes is what a duvotool.Registry.Refresh found, among the kept Assignments.
type Changes struct {
	Added    []duvo.Assignment `json:"added,omitempty"`
	Removed  []duvo.Assignment `json:"removed,omitempty"`
	Changed  []Change          `json:"changed,omitempty"`
	Collided []string          `json:"collided,omitempty"` // tool names that carry a suffix since this refresh, because others are alike, stood for another Assignment before, or are reserved
	Held     []duvo.Assignment `json:"held,omitempty"`     // all that WithAcceptance holds back now

	// Unmatched tells, a line each, what options and policies name and nothing has
	// any more since this refresh: a guard for an Assignment that was removed, say.
	Unmatched []string `json:"unmatched,omitempty"`
}

// A Change is an Assignment that reads differently now.
type Change struct {
	Before     duvo.Assignment `json:"before,omitzero"`
	After      duvo.Assignment `json:"after,omitzero"`
	NameBefore string          `json:"name_before"` // of the tool
	NameAfter  string          `json:"name_after"`
}

// Empty reports whether nothing changed in what is offered.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Collided)+len(c.Unmatched) == 0
}

// Clone returns a copy that shares no memory.
func (c Changes) Clone() Changes {
	changed := slices.Clone(c.Changed)
	for i, x := range changed {
		changed[i] = x.Clone()
	}
	return Changes{clone.Assignments(c.Added), clone.Assignments(c.Removed), changed, slices.Clone(c.Collided), clone.Assignments(c.Held), slices.Clone(c.Unmatched)}
}

// Clone returns a copy that shares no memory.
func (c Change) Clone() Change {
	c.Before, c.After = clone.Assignment(c.Before), clone.Assignment(c.After)
	return c
}

// WithContext returns the event with the context whose values [Event.Context]
// has.
func (e Event) WithContext(ctx context.Context) Event {
	e.ctx = ctx
	return e
}
