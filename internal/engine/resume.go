package engine

import (
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// isOpen reports whether a request is not over, as far as is known.
func isOpen(p lifecycle.Request) bool { return !p.Gone && p.Stage != lifecycle.Settled }

// resume begins to work on an operation, without callers.
func (op *operation) resume(unhurried bool) {
	if !op.eng.life.Enter() {
		return
	}
	defer op.eng.life.Leave()
	op.mu.Lock()
	if op.busyLocked() || op.state.Record.Result != nil { // somebody was faster
		op.mu.Unlock()
		return
	}
	op.resumed = true
	s := op.state
	op.mu.Unlock()
	op.tell(nil, outcome.Event{Kind: outcome.EventResumed, JobID: s.Record.Job, Status: statusOf(s)})
	op.post(lifecycle.Resumed{Unhurried: unhurried, Queued: op.limited()})
}
