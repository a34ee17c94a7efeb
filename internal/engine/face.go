package engine

import (
	"context"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// Run is the one path of a call: it joins or begins the operation of a call and
// waits for its outcome, as long as the wait budget of the work allows.
func (eng *Engine) Run(ctx context.Context, w *Work, input string) (*outcome.Result, error) {
	return eng.run(ctx, w, input, nil)
}

// RunUntil is Run that waits until enough tells that it is; nil: as long as it
// takes. Its caller may come back with the key of the Result.
func (eng *Engine) RunUntil(ctx context.Context, w *Work, input string, enough <-chan time.Time) (*outcome.Result, error) {
	return eng.runFor(ctx, w, input, nil, enough, true)
}

// Continue posts a message to the Job of a Result and waits for its next end.
func (eng *Engine) Continue(ctx context.Context, w *Work, after *outcome.Result, message string) (*outcome.Result, error) {
	if after.Input == "" && eng.ops.forgotText(ctx, callerOf(ctx).Tenant, after.Key) {
		return nil, eng.ops.failed(w, after.Key, errForgotten)
	}
	ctx = context.WithValue(ctx, startKey{}, after.Input)
	return eng.run(ctx, w, message, &lifecycle.FollowUp{Job: after.JobID, Turn: after.Key, Text: message, Known: after.FollowUp,
		HasResult: after.Output != "" || len(after.Messages) > 0})
}

// Check tells how the operation with this handle is doing; nil if the caller
// bears no such handle.
func (eng *Engine) Check(ctx context.Context, handle string) (*outcome.Result, error) {
	op, err := eng.ops.byBearer(ctx, handle)
	if err != nil {
		return nil, &outcome.JobError{Phase: outcome.PhaseNew, Err: err}
	}
	if op == nil {
		return nil, nil
	}
	res, err := op.check(ctx)
	if err != nil {
		return nil, err
	}
	op.addressTo(ctx, res)
	res.ShowAtMost(op.work.Settings.MaxObservation)
	handOut(ctx, res)
	return res, nil
}

// After returns what the operation with this handle came to, where its work
// allows follow-ups; nil while it has not ended. known is false if the caller
// bears no such handle.
func (eng *Engine) After(ctx context.Context, handle string) (after *outcome.Result, known bool, err error) {
	op, err := eng.ops.byBearer(ctx, handle)
	if err != nil {
		return nil, false, &outcome.JobError{Phase: outcome.PhaseNew, Err: err}
	}
	if op == nil || !op.work.Settings.FollowUps {
		return nil, false, nil
	}
	if s := op.latest(); s.Record.Result != nil {
		after = op.result(s)
	}
	return after, true, nil
}

// Tell hands an event to the observer.
func (eng *Engine) Tell(e outcome.Event) { eng.events.send(e) }

// Delivered takes in that a webhook told of a Job; token is that of the
// operation's URL, and delivery names what was delivered.
func (eng *Engine) Delivered(token, jobID, delivery string) {
	eng.tokens.note(token, jobID)
	eng.wake(jobID, delivery)
}
