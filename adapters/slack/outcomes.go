package slack

import (
	"sync"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// maxOutcomes bounds what is kept of decisions and of outcomes. What counts is asked of
// the registries; this is what makes it soon.
const maxOutcomes = 4096

// outcomes are what was decided and how operations have ended, as it was told.
type outcomes struct {
	mu       sync.Mutex
	decided  map[string]string // by the ID of a post
	order    []string
	outcomes map[operation]*outcome.Result
	finished []operation
}

// An operation is named by its key, within its tenant.
type operation struct{ tenant, key string }

func newOutcomes() *outcomes {
	return &outcomes{decided: map[string]string{}, outcomes: map[operation]*outcome.Result{}}
}

func (n *outcomes) take(e outcome.Event) {
	switch {
	case e.Kind == outcome.EventDecided && e.Decision != nil && e.Decision.Verdict != hitl.Suspended && e.Decision.Verdict != hitl.Passed:
		n.decide(idFor(e.JobID, e.Decision.RequestID, e.Decision.Digest), endingOf(*e.Decision))
	case e.Kind == outcome.EventFinished && e.Result != nil:
		n.finish(operation{e.Caller.Tenant, e.Key}, e.Result)
	}
}

func (n *outcomes) decide(id, ending string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, there := n.decided[id]; !there {
		n.order = append(n.order, id)
	}
	n.decided[id] = ending
	if len(n.order) > maxOutcomes {
		delete(n.decided, n.order[0])
		n.order = n.order[1:]
	}
}

func (n *outcomes) finish(op operation, r *outcome.Result) {
	kept := &outcome.Result{Outcome: r.Outcome, Note: r.Note, Output: hitl.SafeText(r.Output, maxOutput)} // a Result may be large
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, there := n.outcomes[op]; !there {
		n.finished = append(n.finished, op)
	}
	n.outcomes[op] = kept
	if len(n.finished) > maxOutcomes {
		delete(n.outcomes, n.finished[0])
		n.finished = n.finished[1:]
	}
}

func (n *outcomes) decidedAs(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.decided[id]
}

func (n *outcomes) endedAs(op operation) *outcome.Result {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.outcomes[op]
}

// endingOf tells who has decided what, on one line; a reason with it.
func endingOf(e hitl.DecisionEntry) string {
	text := capital(e.Summary())
	if e.Verdict == hitl.Left {
		text = words["left"] + hitl.Decider(e.By)
	}
	if e.Reason != "" {
		text += ": " + hitl.SafeLine(e.Reason, 500)
	}
	return text
}
