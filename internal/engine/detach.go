package engine

import (
	"context"
	"errors"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/handed"
	"github.com/duvotool/duvotool/outcome"
)

// detach lets the run go on without callers and returns the handle of the
// operation, empty if the run is over or about to be.
func (op *operation) detach(r *run) string {
	o := op.eng.ops
	o.mu.Lock()
	defer o.mu.Unlock()
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.run != r || r.leaving {
		return ""
	}
	r.detached = true
	own := bearer{op.caller.User, op.scope}
	handle := op.handleLocked(own)
	o.find(handle, grant{op, own})
	return handle
}

// budget returns what tells that a call has waited long enough; nil: it never has.
func (t Settings) budget() (enough <-chan time.Time, stop func()) {
	if t.WaitBudget == 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(t.WaitBudget)
	return timer.C, func() { timer.Stop() }
}

// pending takes a caller out whose budget is used up, and returns what it gets:
// what is known without waiting for anything, or nil if the run is over or
// about to be.
func (op *operation) pending(r *run) *outcome.Result {
	handle := op.detach(r)
	op.mu.Lock()
	defer op.mu.Unlock()
	r.callers--
	if handle == "" || op.run != r {
		return nil
	}
	res := op.pendingLocked()
	res.Handle = handle
	return res
}

// pendingLocked tells what is known of an operation that is under way. Called with
// mu held.
func (op *operation) pendingLocked() *outcome.Result {
	res := &outcome.Result{
		Outcome: outcome.OutcomePending, JobID: op.jobID, Assignment: op.work.Assignment, Input: op.input, FollowUp: op.added, Caller: op.caller,
		Key: op.key, Status: op.news.status, StartedAt: op.news.started, EndedAt: time.Now(),
	}
	for _, e := range op.news.decisions {
		res.Decisions = append(res.Decisions, e.Clone())
	}
	switch {
	case op.jobID == "":
		res.Note = "the Job has not been started yet; it will be"
	case op.phase == outcome.PhaseDeciding:
		res.Note = "it waits for a decision"
	}
	return res
}

// news is what can be told of an operation at any time. It is guarded by
// operation.mu.
type news struct {
	status    duvo.Status
	started   time.Time
	decisions []hitl.DecisionEntry
	request   *hitl.Request // that the policy is asked about, a copy of its own; not to be changed
	err       error         // with which the last run ended
}

// handOut tells an adapter the handle of a Job that has not ended, beside the
// observation, which quotes the Job.
func handOut(ctx context.Context, r *outcome.Result) {
	if r.Outcome != outcome.OutcomePending {
		handed.Note(ctx, "")
		return
	}
	handed.Note(ctx, r.Handle)
}

// check waits for an operation as far as the budget goes. It never begins one,
// so that looking is all that it does: of a call that ended with an error it
// tells what there is.
func (op *operation) check(ctx context.Context) (*outcome.Result, error) {
	op.mu.Lock()
	idle, known := op.run == nil && op.result == nil, op.jobID != ""
	op.mu.Unlock()
	if idle && !known {
		return op.unstarted(), nil
	}
	if idle {
		job, err := op.eng.backend.Job(ctx, op.jobID)
		if err == nil {
			err = op.another(job, op.jobID)
		}
		switch {
		case errors.Is(err, duvo.ErrNotFound):
			return op.parkedResult(outcome.OutcomeGone, ""), nil
		case err != nil:
			return nil, op.errorOf(err)
		case job.Status.Terminal():
			return op.parkedResult(outcomeOf(job.Status), job.Status), nil
		}
		return op.parkedResult(outcome.OutcomePending, job.Status), nil
	}
	return op.wait(ctx)
}

// unstarted tells of an operation that nobody works on and that has no Job, for
// all that is known.
func (op *operation) unstarted() *outcome.Result {
	op.mu.Lock()
	defer op.mu.Unlock()
	res := &outcome.Result{Outcome: outcome.OutcomeFailed, Assignment: op.work.Assignment, Input: op.input, Caller: op.caller, Key: op.key}
	switch err := op.news.err; {
	case op.phase == outcome.PhaseStarting:
		res.Outcome, res.Note = outcome.OutcomeUnknown, "its start was sent, and no answer told whether it took effect"
	case err != nil:
		res.Note = "no Job was started: " + hitl.SafeLine(err.Error(), 300)
	default:
		res.Note = "no Job was started: no reason is known"
	}
	return res
}

// parkedResult tells how the Job of an operation stands that nobody works on.
func (op *operation) parkedResult(o outcome.Outcome, status duvo.Status) *outcome.Result {
	op.mu.Lock()
	defer op.mu.Unlock()
	res := &outcome.Result{Outcome: o, JobID: op.jobID, Handle: op.handle, Status: status, Assignment: op.work.Assignment, Input: op.input, FollowUp: op.added,
		Caller: op.caller, Key: op.key, StartedAt: op.news.started, EndedAt: time.Now(),
		Note: "the call that started it has ended before it, so nobody here works on it or collects what it says until somebody calls again with its key"}
	for _, e := range op.news.decisions {
		res.Decisions = append(res.Decisions, e.Clone())
	}
	return res
}
