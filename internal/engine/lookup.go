package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
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
	res.Handle = ""
	res.Repeated = true
	res.ShowAtMost(op.work.Settings.MaxObservation)
	return res, nil
}

// restoreAfter is restore, with the reason for which it ended here before, which no
// record tells.
func (eng *Engine) restoreAfter(rec journal.Record, before *operation) (*operation, error) {
	op, err := eng.restore(rec)
	if err == nil && before != nil {
		before.mu.Lock()
		why := before.extrasLocked().err
		before.mu.Unlock()
		if why != nil {
			op.moreLocked().err = why // nobody else knows it yet
		}
	}
	return op, err
}

// standing tells how the operation stands, without waiting for it.
func (op *operation) standing(ctx context.Context, restored bool) (*outcome.Result, error) {
	s := op.latest()
	r := &s.Record
	op.mu.Lock()
	over := op.ended != 0
	op.mu.Unlock()
	if restored {
		over = r.Parked()
	}
	switch {
	case r.Result != nil && !s.Live.Running:
		return op.result(s), nil
	case op.busy():
		res := op.soFar(s, outcome.OutcomePending)
		op.waitsNote(s, res)
		return res, nil
	case r.Job == "" && over:
		return op.unstarted(s), nil
	case r.Job == "":
		res := op.parked(s, outcome.OutcomePending, "")
		res.Note = "nobody in this process works on it, and its Job is not known yet"
		return res, nil
	}
	res, err := op.looked(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case op.elsewhere(s):
		res.Note = "another replica works on it, and collects what the Job says"
	default:
		res.Note = "nobody in this process works on it, and what the Job says is collected when a call takes it up"
	}
	return res, nil
}

// looked reads the Job of an operation that nobody works on.
func (op *operation) looked(ctx context.Context, s *lifecycle.State) (*outcome.Result, error) {
	job, err := op.eng.readForSomebody(ctx, s.Record.Job)
	if err == nil {
		err = op.another(job, s.Record.Job)
	}
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		res := op.parked(s, outcome.OutcomePending, "")
		res.Note = "Duvo does not find its Job just now, which proves nothing; " + res.Note
		return res, nil
	case err != nil:
		return nil, op.errorOf(err)
	case job.Status.Terminal():
		return op.parked(s, outcomeOf(job.Status), job.Status), nil
	}
	return op.parked(s, outcome.OutcomePending, job.Status), nil
}

// check waits for an operation as far as the budget goes. It never begins one,
// so that looking is all that it does: of a call that ended with an error it
// tells what there is.
func (op *operation) check(ctx context.Context) (*outcome.Result, error) {
	s := op.latest()
	switch idle := !op.busy() && s.Record.Result == nil; {
	case op.elsewhere(s):
		return op.waitForOwner(ctx)
	case idle && s.Record.Job == "":
		return op.unstarted(s), nil
	case idle:
		return op.looked(ctx, s)
	}
	return op.wait(ctx)
}

// elsewhere reports whether another replica works on the operation, or is about to: one
// that dies is followed by the next.
func (op *operation) elsewhere(s *lifecycle.State) bool {
	return op.eng.replicas != nil && !op.eng.cfg.NoResume && s.Record.Result == nil && !s.Record.Parked() && !s.Live.Running
}

// waitForOwner is wait for an operation that another replica works on: it begins
// nothing, and sees what that one records.
func (op *operation) waitForOwner(ctx context.Context) (*outcome.Result, error) {
	open, end, ok := op.eng.life.During(ctx)
	if !ok {
		return nil, op.errorOf(outcome.ErrClosed)
	}
	defer end()
	waiting, budget, began := open, op.work.Settings, time.Now()
	if budget.WaitBudget > 0 {
		short, cancel := context.WithTimeout(open, budget.WaitBudget)
		defer cancel()
		waiting = short
	}
	_ = op.await(waiting, func(s *lifecycle.State) bool { return !op.elsewhere(s) || suspendedOf(s) != "" })
	switch s := op.latest(); {
	case ctx.Err() != nil:
		return nil, op.errorOf(context.Cause(ctx))
	case s.Record.Result != nil && !s.Live.Running:
		return op.result(s), nil
	case open.Err() != nil:
		return nil, op.errorOf(outcome.ErrClosed)
	case s.Live.Running: // it was taken over
		if budget.WaitBudget > 0 {
			budget.WaitBudget = max(budget.WaitBudget-time.Since(began), 1)
		}
		enough, stop := budget.budget()
		defer stop()
		return op.waitFor(ctx, enough)
	case s.Record.Parked() && s.Record.Job == "":
		return op.unstarted(s), nil
	case s.Record.Parked():
		return op.looked(ctx, s)
	default:
		return op.interim(s), nil
	}
}

// peek finds an operation by its key without keeping what it reads. What is not
// under way here is read anew, since another process may be at it: that one is
// nobody else's, so all of it may be looked at.
func (o *operations) peek(ctx context.Context, tenant, key string) (op *operation, restored bool, err error) {
	l := o.eng.ledger
	for name, hops := key, 0; hops < 2; hops++ {
		o.mu.Lock()
		op = o.byKey[slot{tenant, name}]
		o.mu.Unlock()
		if op != nil && (l == nil || op.busy()) {
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

// forgotText reports whether what was said is no longer known of the operation with
// a key.
func (o *operations) forgotText(ctx context.Context, tenant, key string) bool {
	op, _, err := o.peek(ctx, tenant, key)
	return err == nil && op.textless()
}
