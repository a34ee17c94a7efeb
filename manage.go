package duvotool

import (
	"context"
	"fmt"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
)

// works tells an engine what a registry offers.
type works struct{ reg *Registry }

func (w works) Offered(id string) bool { return w.reg.latest.Load().Kept(id) != nil }

func (w works) WorkFor(a duvo.Assignment, folder string) (*engine.Work, error) {
	e, err := w.reg.entryFor(a, folder)
	if err != nil {
		return nil, err
	}
	return e.Work, nil
}

// entryFor returns the entry of an Assignment, also where it is no longer offered, or
// not yet: then its policy waits for the names to be checked.
func (r *Registry) entryFor(a duvo.Assignment, folder string) (*catalog.Entry, error) {
	e, listed, err := r.latest.Load().EntryFor(r.cfg.rules, a, folder)
	if err == nil && !listed {
		e.Work.Settings.Policy = r.found.Guard(e.Work.Settings.Policy)
	}
	return e, err
}

// Jobs lists the operations that are under way, and those whose outcome is
// unknown, the oldest first.
func (r *Registry) Jobs() []outcome.JobInfo { return r.ops.Jobs() }

// Resumed lists the operations that were taken up from the journal when the
// registry was made and are still under way.
func (r *Registry) Resumed() []outcome.JobInfo { return r.ops.Resumed() }

// Resume takes up a Job that this registry, or an earlier one with the same
// journal, has started, and waits for its end like the call that started it.
// A Job that neither knows is refused with [outcome.ErrUnknownJob]; so is one that its
// callers had left, under no key or scope of theirs, before this registry was
// made: call with the key of its [outcome.JobError].
func (r *Registry) Resume(ctx context.Context, jobID string) (*outcome.Result, error) {
	return r.ops.Resume(ctx, jobID)
}

// Wait waits until no operation is under way. It returns nil then, or why ctx
// ended. A policy that called it would wait for itself, as would a journal and an
// audit log: there it returns an error at once.
func (r *Registry) Wait(ctx context.Context) error {
	if err := r.eng.Within("Wait", false); err != nil {
		return err
	}
	return r.ops.Wait(ctx)
}

// Stop asks Duvo to stop a Job of this registry, on behalf of by, and waits for
// what comes of it: a Job that completed meanwhile has completed, and one that
// Duvo does not stop goes on, which the error tells. It needs a backend that is
// a [JobStopper].
func (r *Registry) Stop(ctx context.Context, jobID, by string) (*outcome.Result, error) {
	return r.ops.Stop(ctx, jobID, by)
}

// Lookup tells how the operation with a key stands, here or in the journal: its
// Result if it has ended, else a pending one. It only reads: it starts, resumes
// and waits for nothing, and changes nothing of what goes on. The tenant is that
// of the context's [hitl.Caller], since keys of different tenants are different.
//
// What nobody in this process works on is read from the journal, and the state of
// its Job from Duvo, with at most one request. A Result of a Job that has ended
// unseen has no output: its messages are collected when a call with the key takes
// the operation up. Where no Job was started, for a reason that was told to the
// callers, the outcome is [outcome.OutcomeFailed]. A key that stands for nothing is
// [outcome.ErrUnknownKey]. The Result has no Handle.
func (r *Registry) Lookup(ctx context.Context, key string) (*outcome.Result, error) {
	return r.ops.Lookup(ctx, key)
}

// Erase takes away what was said by and to the operation with a key that has ended, here
// and in the journal: its input, what its Job said, what follow-ups said, and the titles,
// reasons, answers and proofs of its requests. What stays is that there was such an
// operation, its Job, its outcome, and who decided what when, so that the key starts
// nothing a second time: [Registry.Lookup] tells the outcome, and a call that comes with
// the key is refused with [outcome.ErrKeyReused], since nobody can tell any more whether
// it is the same. Nobody goes on with such a Job by [Registry.Continue]. The record is
// forgotten when its time is over, counted from now; see [WithRetention].
//
// One that has not ended, or whose outcome is unknown, is refused with
// [outcome.ErrNotEnded], since its texts are still needed. The tenant is that of the
// context's [hitl.Caller]. What is interrupted is done by erasing once more. The audit has
// its own way, audit.File.Erase, and Duvo keeps its Job until somebody deletes it there.
func (r *Registry) Erase(ctx context.Context, key string) error { return r.eng.Erase(ctx, key) }

// Candidates lists the Jobs that an operation whose outcome is unknown may have
// started: those of its Assignment since a while before its start was sent, but for
// those of operations that this registry has in hand. A person can tell which of
// them it is, if any; see [Registry.Reconcile]. It needs a backend that is a
// [JobLister].
func (r *Registry) Candidates(ctx context.Context, unknown outcome.JobInfo) ([]duvo.Job, error) {
	return r.ops.Candidates(ctx, unknown)
}

// Reconcile settles an operation whose outcome is unknown, as a person has found
// it: jobID is the Job that it started, which is then taken up, or empty if it
// has started none, so that its key and its Assignment may be used again. by is
// who says so; the audit records it.
func (r *Registry) Reconcile(ctx context.Context, unknown outcome.JobInfo, jobID, by string) error {
	return r.ops.Reconcile(ctx, unknown, jobID, by)
}

// Continue posts a message to the Job of a Result, which must have completed or
// been interrupted, and waits for its next end; the new Result tells what was
// said since. A Job that waits for a person or runs is sent nothing: a message
// would walk past what it waits for. It needs a backend that is a
// [JobMessenger].
//
// It is an operation like a call: it has an operation key, by the context or
// fresh, the message is posted once, and the policy is asked about what the Job
// wants to know. With [WithOperationScope] the same message after the same Result
// is the same operation. [OncePerScope] does not count it.
//
// What the Job was started with stays [hitl.Request.Input]; the message is in
// [hitl.Request.FollowUp], with those before it. Rules and grants hold for such
// requests only where they say so, see [hitl.Rule.AfterFollowUps]. A tool that takes
// arguments, see [InputOf], takes only such arguments as messages too, checked
// and rendered as those of a call; all else is an [*outcome.InputError]. So is a message
// by which more would be added to the Job than [WithMaxInput] lets a call have.
func (r *Registry) Continue(ctx context.Context, after *outcome.Result, message string) (*outcome.Result, error) {
	if after == nil || after.JobID == "" || after.Assignment.ID == "" {
		return nil, fmt.Errorf("%w: there is no Job to go on with", duvo.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, &outcome.JobError{Phase: outcome.PhaseNew, Key: engine.KeyIn(ctx), JobID: after.JobID, Assignment: after.Assignment.Name, Err: context.Cause(ctx)}
	}
	e, err := r.entryFor(after.Assignment, "")
	if err != nil {
		return nil, err
	}
	if _, ok := r.backend.(JobMessenger); !ok {
		return nil, fmt.Errorf("duvotool: the backend %T cannot post messages", r.backend)
	}
	if after.Outcome != outcome.OutcomeCompleted && after.Outcome != outcome.OutcomeInterrupted {
		return nil, &outcome.InputError{Tool: e.Work.Name, Problem: fmt.Sprintf("Job %s has not ended so that it could go on: its outcome is %s", hitl.SafeLine(after.JobID, 64), after.Outcome)}
	}
	if message, err = e.Input.FollowUp(e.Work, message); err != nil {
		return nil, err
	}
	if err := typed.Check(e.Work, message); err != nil {
		return nil, err
	}
	return r.ops.Continue(ctx, e.Work, after, message)
}
