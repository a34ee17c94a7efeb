package engine

import (
	"context"
	"slices"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/handed"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// run is the one path of a call.
func (eng *Engine) run(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp) (*outcome.Result, error) {
	enough, stop := w.Settings.budget()
	defer stop()
	return eng.runFor(ctx, w, input, follow, enough, false)
}

// runFor is run that waits until enough tells that it is; nil: as long as it
// takes. keyed: the caller may come back with the Result's key.
func (eng *Engine) runFor(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp, enough <-chan time.Time, keyed bool) (*outcome.Result, error) {
	op, repeated, err := eng.ops.open(ctx, w, input, follow)
	if err != nil {
		return nil, err
	}
	if keyed {
		op = eng.ops.keyed(op)
	}
	res, err := op.waitFor(ctx, enough)
	if err != nil {
		return nil, err
	}
	op.addressTo(ctx, res)
	res.Repeated = repeated
	res.ShowAtMost(w.Settings.MaxObservation)
	handOut(ctx, res)
	if follow == nil && res.Input != input && !op.tells(input) {
		res.Note = joinNotes(res.Note, "this call's input was not used, because only one Job of this Assignment may be started here; the earlier one was started with: "+hitl.SafeLine(res.Input, 200))
	}
	return res, nil
}

// addressTo gives the caller of ctx a handle of its own, where the Result has one.
func (op *operation) addressTo(ctx context.Context, res *outcome.Result) {
	if res.Handle != "" {
		res.Handle = op.giveHandle(ctx)
	}
}

// budget returns what tells that a call has waited long enough; nil: it never has.
func (t Settings) budget() (enough <-chan time.Time, stop func()) {
	if t.WaitBudget == 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(t.WaitBudget)
	return timer.C, func() { timer.Stop() }
}

// wait joins the operation, starting or resuming the work on it, until the
// outcome is known, the work fails, the wait budget is used up or the caller's
// context ends.
func (op *operation) wait(ctx context.Context) (*outcome.Result, error) {
	enough, stop := op.work.Settings.budget()
	defer stop()
	return op.waitFor(ctx, enough)
}

// waitFor is wait with a wait budget that is used up when enough tells.
func (op *operation) waitFor(ctx context.Context, enough <-chan time.Time) (*outcome.Result, error) {
	if r := op.known(); r.Result != nil && !op.busy() {
		return op.result(op.latest()), nil // also once the engine is closed
	}
	if !op.eng.life.Enter() {
		return nil, op.errorOf(outcome.ErrClosed)
	}
	c := op.join(ctx)
	op.eng.life.Leave()
	for {
		select {
		case a := <-c.answer:
			return a.res, a.err
		case <-enough:
			enough = nil
			op.tryPost(lifecycle.BudgetOver{Caller: int(c.id)})
		case <-ctx.Done():
			select {
			case a := <-c.answer: // what was ready at the same moment counts
				return a.res, a.err
			default:
			}
			return nil, op.leave(ctx, c)
		}
	}
}

// join adds a caller.
func (op *operation) join(ctx context.Context) *call {
	op.mu.Lock()
	op.lastCall++
	c := &call{id: op.lastCall, ctx: ctx, answer: make(chan answer, 1)}
	op.calls = append(op.calls, c)
	if r := op.run; r != nil && op.state.Live.Running { // else another is about to begin
		r.mu.Lock()
		r.callers++
		r.mu.Unlock()
	}
	e := lifecycle.Called{Caller: int(c.id), Order: op.state.Record.Order, Queued: op.limited()}
	if next := op.extrasLocked().next; next != nil {
		e.Order, e.Reword, op.more.next = next, true, nil
	}
	op.mu.Unlock()
	op.post(e)
	return c
}

// enter notes that a caller counts from now on: what is told to all before is not for
// it.
func (op *operation) enter(id int) {
	op.mu.Lock()
	defer op.mu.Unlock()
	for _, c := range op.calls {
		if int(c.id) == id {
			c.entered = true
		}
	}
}

// leave takes a caller out whose context has ended. Where it was the last one,
// nothing begins from this moment on. The mailbox has that it left before anything
// is cut short for it: what a policy that was cancelled says then counts no more, also
// not for somebody who calls just now.
func (op *operation) leave(ctx context.Context, c *call) error {
	cause := context.Cause(ctx)
	op.mu.Lock()
	i := slices.Index(op.calls, c)
	if i >= 0 {
		op.calls = slices.Delete(op.calls, i, i+1)
	}
	r, s := op.run, op.state
	if i >= 0 && r != nil {
		r.leaves(cause, s.Live.Callers <= 1)
	}
	op.mu.Unlock()
	if i >= 0 {
		op.tryPost(lifecycle.Left{Caller: int(c.id)})
		if r != nil {
			r.leaveIfAlone(cause)
		}
	}
	op.eng.ops.keyed(op) // it may have ended at the same moment, and been dropped
	return op.errorAt(s, cause)
}

// release answers callers: those with the given numbers, or all.
func (op *operation) release(r *run, ids []int, answerOf func() answer) {
	op.mu.Lock()
	var told []*call
	kept := op.calls[:0]
	for _, c := range op.calls {
		if ids == nil && c.entered || slices.Contains(ids, int(c.id)) {
			told = append(told, c)
			continue
		}
		kept = append(kept, c)
	}
	clear(op.calls[len(kept):])
	op.calls = kept
	if r != nil {
		r.mu.Lock()
		r.callers = int32(len(kept))
		r.mu.Unlock()
	}
	over := r != nil && !op.state.Live.Running
	op.mu.Unlock()
	if over && ids == nil {
		op.eng.ops.settled(op, r.detached) // before anybody can come back
	}
	for _, c := range told {
		c.answer <- answerOf() // each gets its own
	}
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
