package slack

import (
	"sync"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/bounded"
	"github.com/duvotool/duvotool/outcome"
)

// maxOutcomes bounds what is kept of decisions and of outcomes. What counts is asked of
// the registries; this is what makes it soon.
const maxOutcomes = 4096

// outcomes are what was decided and how operations have ended, as it was told.
type outcomes struct {
	mu       sync.Mutex
	decided  bounded.Map[string, string] // by the ID of a post
	finished bounded.Map[operation, *outcome.Result]
}

// An operation is named by its key, within its tenant.
type operation struct{ tenant, key string }

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
	n.decided.Set(id, ending, maxOutcomes)
}

func (n *outcomes) finish(op operation, r *outcome.Result) {
	kept := &outcome.Result{Outcome: r.Outcome, Note: r.Note, Output: hitl.SafeText(r.Output, maxOutput)} // a Result may be large
	n.mu.Lock()
	defer n.mu.Unlock()
	n.finished.Set(op, kept, maxOutcomes)
}

func (n *outcomes) decidedAs(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	ending, _ := n.decided.Get(id)
	return ending
}

func (n *outcomes) endedAs(op operation) *outcome.Result {
	n.mu.Lock()
	defer n.mu.Unlock()
	res, _ := n.finished.Get(op)
	return res
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
