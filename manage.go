package duvotool

import (
	"context"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
)

// offers tells an engine what a registry offers.
type offers struct{ reg *Registry }

func (o offers) offered(id string) bool { return o.reg.offered(id) }

func (o offers) workFor(a duvo.Assignment, folder string) (*work, error) {
	t, err := o.reg.toolFor(a, folder)
	if err != nil {
		return nil, err
	}
	return t.work, nil
}

// Jobs lists the operations that are under way, and those whose outcome is
// unknown, the oldest first.
func (r *Registry) Jobs() []outcome.JobInfo { return r.eng.Jobs() }

// Resumed lists the operations that were taken up from the journal when the
// registry was made and are still under way.
func (r *Registry) Resumed() []outcome.JobInfo { return r.eng.Resumed() }

// Resume takes up a Job that this registry, or an earlier one with the same
// journal, has started, and waits for its end like the call that started it.
// A Job that neither knows is refused with [outcome.ErrUnknownJob]; so is one that its
// callers had left, under no key or scope of theirs, before this registry was
// made: call with the key of its [outcome.JobError].
func (r *Registry) Resume(ctx context.Context, jobID string) (*outcome.Result, error) {
	return r.eng.Resume(ctx, jobID)
}

// Wait waits until no operation is under way. It returns nil then, or why ctx
// ended.
func (r *Registry) Wait(ctx context.Context) error { return r.eng.Wait(ctx) }

// Stop asks Duvo to stop a Job of this registry, on behalf of by, and waits for
// what comes of it: a Job that completed meanwhile has completed, and one that
// Duvo does not stop goes on, which the error tells. It needs a backend that is
// a [JobStopper].
func (r *Registry) Stop(ctx context.Context, jobID, by string) (*outcome.Result, error) {
	return r.eng.Stop(ctx, jobID, by)
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
	return r.eng.Lookup(ctx, key)
}

// Candidates lists the Jobs that an operation whose outcome is unknown may have
// started: those of its Assignment since a while before its start was sent, but for
// those of operations that this registry has in hand. A person can tell which of
// them it is, if any; see [Registry.Reconcile]. It needs a backend that is a
// [JobLister].
func (r *Registry) Candidates(ctx context.Context, unknown outcome.JobInfo) ([]duvo.Job, error) {
	return r.eng.Candidates(ctx, unknown)
}

// Reconcile settles an operation whose outcome is unknown, as a person has found
// it: jobID is the Job that it started, which is then taken up, or empty if it
// has started none, so that its key and its Assignment may be used again. by is
// who says so; the audit records it.
func (r *Registry) Reconcile(ctx context.Context, unknown outcome.JobInfo, jobID, by string) error {
	return r.eng.Reconcile(ctx, unknown, jobID, by)
}
