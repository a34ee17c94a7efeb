package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/handed"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// handlePattern is the form of a handle.
var handlePattern = regexp.MustCompile(`job-[a-z2-7]{26}`)

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
func (t settings) budget() (enough <-chan time.Time, stop func()) {
	if t.waitBudget == 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(t.waitBudget)
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
		Outcome: outcome.OutcomePending, JobID: op.jobID, Assignment: op.work.assignment, Input: op.input, FollowUp: op.added, Caller: op.caller,
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
	request   *hitl.Request // that the policy is asked about; not to be changed
	err       error         // with which the last run ended
}

// CheckTool returns the tool check_job, which tells the model how a Job is
// doing whose call returned before its end; see [WithWaitBudget]. It is among
// [Registry.Tools] if any tool has a wait budget.
//
// It only reads. Handles are random, and each is good for the tenant, user and
// operation scope that it was given to alone; Job IDs are not known. So a model
// can neither look at the Jobs of another conversation nor be talked into it.
// With a journal a handle is good for as long as its operation is remembered.
func (r *Registry) CheckTool() tools.Tool { return &checkTool{r} }

type checkTool struct{ reg *Registry }

func (c *checkTool) Name() string { return outcome.CheckTool }

func (c *checkTool) Description() string {
	return "Tells how a Job is doing that had not ended when its tool returned. The input is the handle that the tool gave, such as job-abcdefghijklmnopqrstuvwxyz. It waits a while for the Job to end. It starts nothing."
}

// Schema is the JSON Schema of the arguments, for agents that show it.
func (c *checkTool) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"handle":{"type":"string","description":"The handle that the tool gave"}},"required":["handle"],"additionalProperties":false}`)
}

// CallArguments is Call with the arguments of Schema.
func (c *checkTool) CallArguments(ctx context.Context, args json.RawMessage) (string, error) {
	return c.Call(ctx, string(args)) // which finds the handle wherever it stands
}

func (c *checkTool) Call(ctx context.Context, input string) (string, error) {
	end := c.reg.callbackStart(ctx, input)
	out, err := c.call(ctx, input)
	end(out, err)
	return out, err
}

func (c *checkTool) call(ctx context.Context, input string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Err: context.Cause(ctx)}
	}
	if c.reg.eng.life.IsClosed() {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Err: outcome.ErrClosed}
	}
	handle := handlePattern.FindString(strings.ToLower(react.Input(input)))
	if handle == "" {
		return "The input holds no handle. Give the handle that the tool gave, such as job-abcdefghijklmnopqrstuvwxyz.", nil
	}
	op, err := c.reg.eng.ops.byBearer(ctx, handle)
	if err != nil {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Err: err}
	}
	if op == nil {
		return fmt.Sprintf("There is no Job with the handle %s in this conversation.", handle), nil
	}
	res, err := op.check(ctx)
	if err != nil {
		return "", err
	}
	res = op.resultFor(ctx, res)
	res.ShowAtMost(op.work.cfg.maxObservation)
	handOut(ctx, res)
	return res.Observation(), nil
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
	res := &outcome.Result{Outcome: outcome.OutcomeFailed, Assignment: op.work.assignment, Input: op.input, Caller: op.caller, Key: op.key}
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
	return &outcome.Result{Outcome: o, JobID: op.jobID, Handle: op.handle, Status: status, Assignment: op.work.assignment, Input: op.input, FollowUp: op.added,
		Caller: op.caller, Key: op.key, StartedAt: op.news.started, EndedAt: time.Now(),
		Note: "the call that started it has ended with an error, so nobody here works on it or collects what it says"}
}
