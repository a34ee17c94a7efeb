package engine

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// behindLocked returns the context of whoever has brought about an event. Called with
// mu held.
func (op *operation) behindLocked(e lifecycle.Event) context.Context {
	switch e := e.(type) {
	case lifecycle.Called:
		for _, c := range op.calls {
			if int(c.id) == e.Caller {
				return c.ctx
			}
		}
	case lifecycle.Reconciled:
		if ctx := op.extrasLocked().reconciler; ctx != nil {
			op.more.reconciler = nil
			return ctx
		}
	}
	return WithCallerOf(context.Background(), op.order.Caller)
}

// beginRunLocked begins a run, with the values of a context. Called with mu held.
func (op *operation) beginRunLocked(ctx context.Context) *run {
	op.eng.life.Again() // until endRun
	op.eng.pool.Hold()
	r := &run{op: op, first: ctx, callers: int32(len(op.calls))}
	op.run = r
	if op.more != nil {
		op.more.err = nil
		if op.more.replies != nil {
			r.moreLocked().replies, op.more.replies = op.more.replies, nil
		}
	}
	return r
}

// leaveLocked lets nothing begin any more, and ends what is under way. Called with mu
// held.
func (r *run) leaveLocked(cause error) {
	if r.left != nil {
		return
	}
	r.left = cause
	for _, u := range r.underway {
		u.cancel(cause)
	}
}

// leaves notes that a caller leaves, and why. alone says that no other is taken in: the run
// ends then, though somebody may have come just now.
func (r *run) leaves(cause error, alone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.callers--; !r.detached && (r.callers == 0 || alone) {
		r.moreLocked().cause = cause
	}
}

// leaveIfAlone lets nothing begin any more where the last caller has left.
func (r *run) leaveIfAlone(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.callers == 0 && !r.detached {
		r.leaveLocked(cause)
	}
}

// leftByLocked returns why the last caller left. Called with mu held.
func (r *run) leftByLocked() error {
	return cmp.Or(r.extrasLocked().cause, context.Canceled)
}

// isOver reports whether the run has ended.
func (r *run) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// follow notes whether somebody wants the run to go on. Called with operation.mu
// held.
func (r *run) follow(s *lifecycle.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detached = r.detached || s.Live.Detached
	wanted := s.Wanted()
	if wanted {
		r.phase = phaseOf(s)
	}
	switch {
	case !wanted && s.Live.Closed:
		r.leaveLocked(outcome.ErrClosed)
	case !wanted:
		r.leaveLocked(r.leftByLocked())
	case !r.over && (r.callers > 0 || r.detached):
		r.left = nil
	}
}

func (r *run) lastPhase() outcome.Phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.phase
}

// limited reports whether Jobs in flight are counted for the operation.
func (op *operation) limited() bool { return op.eng.queue.limit > 0 || op.work.Settings.Limit > 0 }

// lineUp takes a place among the Jobs in flight, or waits for one.
func (op *operation) lineUp(r *run) {
	if !op.limited() {
		return
	}
	t := &ticket{assignment: strings.ToLower(op.work.Assignment.ID), limit: op.work.Settings.Limit}
	t.begin = func() {
		op.eng.life.Again()
		go func() {
			defer op.eng.life.Leave()
			op.post(lifecycle.Admitted{})
		}()
	}
	r.mu.Lock()
	r.moreLocked().ticket = t
	r.mu.Unlock()
	s := op.latest()
	before, in := op.eng.queue.enter(t, s.Record.Job != "" || s.Record.Start.Earlier)
	if in {
		op.post(lifecycle.Admitted{})
		return
	}
	op.tell(r, outcome.Event{Kind: outcome.EventQueued, Before: before})
}

// giveBack gives back what others wait for of what a run holds.
func (op *operation) giveBack(r *run) {
	op.mu.Lock()
	op.ended = time.Now().UnixNano()
	op.mu.Unlock()
	r.mu.Lock()
	t := r.extrasLocked().ticket
	if t != nil {
		r.more.ticket = nil
	}
	r.mu.Unlock()
	if op.continues() != "" {
		op.eng.ops.markTurn(op, false)
	}
	if t != nil {
		op.eng.queue.leave(t)
	}
}

// endRun gives back the rest of what a run holds.
func (op *operation) endRun(r *run) {
	r.mu.Lock()
	timer, w := r.timer, r.watch
	r.timer, r.watch, r.over = nil, nil, true
	r.leaveLocked(context.Canceled)
	for _, told := range r.extrasLocked().replies {
		close(told)
	}
	clear(r.extrasLocked().replies)
	r.mu.Unlock()
	if timer != nil && timer.Stop() {
		op.eng.life.Leave()
	}
	if w != nil {
		w.Stop()
	}
	op.mu.Lock()
	op.run = nil
	op.mu.Unlock()
	op.eng.ops.settled(op, r.detached)
	op.eng.pool.Release()
	op.eng.life.Leave()
}

// wake sees to it that a Tick comes.
func (op *operation) wake(r *run, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil && r.timer.Stop() {
		op.eng.life.Leave()
	}
	r.timer = nil
	if at == 0 {
		return
	}
	op.eng.life.Again() // until it fires or is stopped
	r.timer = time.AfterFunc(max(time.Until(op.eng.timeAt(at)), 0), func() {
		defer op.eng.life.Leave()
		op.post(lifecycle.Tick{})
	})
}

// watching returns the watch of the Job; nil where it is not read.
func (r *run) watching() *watch.Watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watch
}
