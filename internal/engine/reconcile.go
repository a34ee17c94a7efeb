package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// unknown finds an operation with an unknown outcome, and when what made it so was
// first sent.
func (eng *Engine) unknown(ctx context.Context, i outcome.JobInfo) (*operation, time.Time, error) {
	op, err := eng.ops.lookUp(ctx, i.Caller.Tenant, i.Key)
	if err != nil {
		return nil, time.Time{}, err
	}
	if op == nil {
		return nil, time.Time{}, outcome.ErrUnknownJob
	}
	if !op.isUnknown() {
		bad := op.errorOf(errors.New("the outcome is not unknown"))
		bad.Phase = ""
		return nil, time.Time{}, bad
	}
	return op, op.firstSent(), nil
}

// firstSent is when the start, or the message of a follow-up, was sent first.
func (op *operation) firstSent() time.Time {
	r := op.known()
	if r.Order.After != nil {
		return timeOf(r.Message().Attempt.First)
	}
	return timeOf(r.Start.First)
}

// Candidates is Registry.Candidates of package duvotool.
func (eng *Engine) Candidates(ctx context.Context, unknown outcome.JobInfo) ([]duvo.Job, error) {
	op, sent, err := eng.unknown(ctx, unknown)
	if err != nil {
		return nil, err
	}
	return eng.candidates(ctx, op, sent)
}

// candidates lists the Jobs that an operation may have started.
func (eng *Engine) candidates(ctx context.Context, op *operation, sent time.Time) ([]duvo.Job, error) {
	lister, ok := eng.backend.(watch.Lister)
	if !ok {
		return nil, fmt.Errorf("duvotool: the backend %T cannot list Jobs", eng.backend)
	}
	during, end, open := eng.life.During(ctx)
	if !open {
		return nil, outcome.ErrClosed
	}
	defer end()
	out := []duvo.Job{} // [] in JSON, not null
	known := eng.ops.byJob()
	for row, err := range eng.jobsSince(during, lister, op.work.Assignment.ID, sent.Add(-locateSkew)) {
		if err != nil {
			return nil, eng.cutShort(ctx, err) // those first started are the likelier ones, and are not there yet
		}
		if known[strings.ToLower(row.ID)] == nil {
			out = append(out, clone.Job(row))
		}
	}
	slices.Reverse(out) // the oldest first
	return out, nil
}

// Reconcile is Registry.Reconcile of package duvotool.
func (eng *Engine) Reconcile(ctx context.Context, unknown outcome.JobInfo, jobID, by string) error {
	if hitl.PersonKey(by) == "" {
		return errors.New("duvotool: reconciling: it is not said who reconciles")
	}
	op, _, err := eng.unknown(ctx, unknown)
	if err != nil {
		return err
	}
	e := lifecycle.Reconciled{Job: jobID, By: by}
	if jobID != "" {
		job, err := eng.jobToReconcile(ctx, op, jobID)
		if err != nil {
			return err
		}
		e.Job, e.Created, e.Build, e.Status = job.ID, wallOf(job.CreatedAt), job.BuildID, string(job.Status)
	}
	if !eng.life.Enter() {
		return outcome.ErrClosed
	}
	defer eng.life.Leave()
	op.mu.Lock()
	before := op.state
	op.moreLocked().reconciler = WithCallerOf(ctx, op.order.Caller)
	op.mu.Unlock()
	op.post(e)
	return op.reconciled(ctx, before)
}

// jobToReconcile reads the Job that a person has found, and makes it the
// operation's.
func (eng *Engine) jobToReconcile(ctx context.Context, op *operation, jobID string) (duvo.Job, error) {
	job, err := eng.readForSomebody(ctx, jobID)
	if err != nil {
		return job, err
	}
	if err := op.another(job, jobID); err != nil {
		return job, errtext.Errorf("duvotool: reconciling: %w", err)
	}
	if ours := op.continues(); ours != "" && !strings.EqualFold(ours, jobID) {
		return job, fmt.Errorf("duvotool: reconciling: the message was for Job %s", ours)
	}
	if other := eng.ops.byJob()[strings.ToLower(jobID)]; other != nil && other != op {
		return job, fmt.Errorf("duvotool: reconciling: Job %s belongs to another operation", hitl.SafeLine(jobID, 64))
	}
	if op.continues() == "" {
		if err := eng.ops.hold(op, job.ID); err != nil {
			return job, errtext.Errorf("duvotool: reconciling: %w", err)
		}
	}
	return job, nil
}

// readForSomebody reads a Job because somebody asks: Close ends that, and it is not
// done any more once Close has begun.
func (eng *Engine) readForSomebody(ctx context.Context, jobID string) (duvo.Job, error) {
	during, end, open := eng.life.During(ctx)
	if !open {
		return duvo.Job{}, outcome.ErrClosed
	}
	defer end()
	job, err := eng.backend.Job(during, jobID)
	return job, eng.cutShort(ctx, err)
}

// cutShort is the error of what Close may have cut short.
func (eng *Engine) cutShort(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && eng.life.IsClosed() {
		return outcome.ErrClosed
	}
	return err
}

// reconciled waits until what a person has found is recorded, or is known not to
// be. before is what was known before it was told.
func (op *operation) reconciled(ctx context.Context, before *lifecycle.State) error {
	settled := func(s *lifecycle.State) bool {
		return s != before && s.Live.Reconciling == nil && !(s.Live.Running && s.Live.Dirty)
	}
	if err := op.await(ctx, settled); err != nil {
		return err // it is done all the same
	}
	s := op.latest()
	r := &s.Record
	if r.Result != nil && r.Result.Outcome == lifecycle.Unknown {
		op.mu.Lock()
		err := op.extrasLocked().err
		op.mu.Unlock()
		var job *outcome.JobError
		if errors.As(err, &job) {
			err = job.Err
		}
		if err == nil {
			err = op.errorAt(s, errors.New("it was reconciled meanwhile"))
		}
		return err
	}
	op.eng.ops.reconciled(op)
	return nil
}

// reconciled lets the Assignment in again.
func (o *operations) reconciled(op *operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unblock(op)
	if id := strings.ToLower(op.known().Job); id != "" && op.continues() == "" && o.holders[id] == nil {
		o.holdLocked(op, id)
	}
}
