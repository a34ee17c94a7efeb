package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// Lookup is Registry.Lookup of package duvotool.
func (eng *Engine) Lookup(ctx context.Context, key string) (*outcome.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if eng.life.IsClosed() {
		return nil, outcome.ErrClosed
	}
	op, restored, err := eng.ops.peek(ctx, callerOf(ctx).Tenant, key)
	if err != nil {
		return nil, err
	}
	res, err := op.standing(ctx, restored)
	if err != nil {
		return nil, err
	}
	res = res.Clone()
	res.Handle = ""
	res.Repeated = true
	res.ShowAtMost(op.work.Settings.MaxObservation)
	return res, nil
}

// peek finds an operation by its key without keeping what it reads. What is not
// under way here is read anew, since another process may be at it: that one is
// nobody else's, so all of it may be looked at.
func (o *operations) peek(ctx context.Context, tenant, key string) (op *operation, restored bool, err error) {
	l := o.eng.ledger
	for name, hops := key, 0; hops < 2; hops++ {
		o.mu.Lock()
		op = o.byKey[slotOf(tenant, name)]
		o.mu.Unlock()
		if op != nil && (l == nil || op.underWay()) {
			return op, false, nil
		}
		if l != nil {
			rec, found, err := l.find(ctx, opRecord, tenant, name)
			if err != nil {
				return nil, false, err
			}
			if found {
				op, err = o.eng.restoreAfter(rec, op)
				return op, true, err
			}
		}
		if op != nil {
			return op, false, nil // nothing was recorded of it
		}
		a, found, err := o.aliasOf(ctx, tenant, name)
		if err != nil {
			return nil, false, err
		}
		if !found {
			break
		}
		name = a.Key
	}
	return nil, false, fmt.Errorf("%w: %q", outcome.ErrUnknownKey, hitl.SafeLine(key, 120))
}

// restoreAfter is restore, with the reason for which it ended here before, which no
// record tells.
func (eng *Engine) restoreAfter(rec journal.Record, before *operation) (*operation, error) {
	op, err := eng.restore(rec)
	if err == nil && before != nil {
		before.mu.Lock()
		op.news.err = before.news.err
		before.mu.Unlock()
	}
	return op, err
}

func (op *operation) underWay() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.run != nil
}

// standing tells how the operation stands, without waiting for it.
func (op *operation) standing(ctx context.Context, restored bool) (*outcome.Result, error) {
	op.mu.Lock()
	res, running, jobID, over := op.result, op.run != nil, op.jobID, op.ended != 0
	if res == nil && running {
		res = op.pendingLocked()
	}
	op.mu.Unlock()
	if restored {
		over = op.job.parked
	}
	switch {
	case res != nil:
		return res, nil
	case jobID == "" && over:
		return op.unstarted(), nil
	case jobID == "":
		res = op.parkedResult(outcome.OutcomePending, "")
		res.Note = "nobody in this process works on it, and its Job is not known yet"
		return res, nil
	}
	job, err := op.eng.backend.Job(ctx, jobID)
	if err == nil {
		err = op.another(job, jobID)
	}
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		res = op.parkedResult(outcome.OutcomeGone, "")
	case err != nil:
		return nil, op.errorOf(err)
	case job.Status.Terminal():
		res = op.parkedResult(outcomeOf(job.Status), job.Status)
	default:
		res = op.parkedResult(outcome.OutcomePending, job.Status)
	}
	res.Note = "nobody in this process works on it, and what the Job says is collected when a call takes it up"
	return res, nil
}
