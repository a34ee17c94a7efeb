package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// A run is a stretch of time in which an operation is worked on: what that holds
// outside of the state, and gives back at its end.
type run struct {
	op   *operation
	base context.Context // the values of the first caller's, until the run is over
	end  context.CancelFunc

	mu       sync.Mutex
	ctx      context.Context // with the values of base, while somebody wants the run to go on
	cancel   context.CancelCauseFunc
	callers  int
	detached bool
	timer    *time.Timer // of the next Tick; nil: there was none
	asks     map[uint64]context.CancelCauseFunc
	errs     map[lifecycle.Cause]error // the latest of each kind
	watch    *watch.Watch
	ticket   *ticket
	written  int                           // lines of the audit that are waiting for their record, and written
	heard    map[string]string             // what was said to the Job, by the ID of the request before which it was looked up
	theirs   map[string]hitl.DecisionEntry // decisions of other operations, by request
	replies  map[string]chan fate          // of those who decide from outside
	live     liveMessages
	phase    outcome.Phase // the last in which the run was wanted
}

// beginRunLocked begins a run. Called with mu held.
func (op *operation) beginRunLocked(s *lifecycle.State) *run {
	op.eng.life.Again() // until endRun
	ctx := op.began
	op.began = nil
	if ctx == nil {
		ctx = WithCallerOf(context.Background(), op.caller)
	}
	r := &run{op: op}
	values := context.WithoutCancel(ctx)
	r.base, r.end = context.WithCancel(values)
	r.ctx, r.cancel = context.WithCancelCause(values) // no child of base, which costs memory: endRun ends both
	r.callers = len(op.calls)
	op.run, op.err = r, nil
	return r
}

// follow keeps the context in line with whether somebody wants the run to go on.
// Called with operation.mu held.
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
		r.cancel(outcome.ErrClosed)
	case !wanted:
		r.cancel(context.Canceled)
	case wanted && r.ctx.Err() != nil && r.base.Err() == nil && (r.callers > 0 || r.detached):
		r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(r.base))
	}
}

func (r *run) lastPhase() outcome.Phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.phase
}

// wanted returns the context in which something may begin.
func (r *run) wanted() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ctx
}

// note remembers an error, for those who are told the cause that it stands for.
func (r *run) note(c lifecycle.Cause, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.errs == nil {
		r.errs = map[lifecycle.Cause]error{}
	}
	r.errs[c] = err
}

func (r *run) noted(c lifecycle.Cause) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.errs[c]
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
	r.ticket = t
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
	t := r.ticket
	r.ticket = nil
	r.mu.Unlock()
	if op.after.jobID != "" {
		op.eng.ops.converse(op, false)
	}
	if t != nil {
		op.eng.queue.leave(t)
	}
}

// endRun gives back the rest of what a run holds.
func (op *operation) endRun(r *run) {
	r.mu.Lock()
	timer, w := r.timer, r.watch
	r.timer, r.watch = nil, nil
	r.mu.Unlock()
	if timer != nil && timer.Stop() {
		op.eng.life.Leave()
	}
	if w != nil {
		w.Stop()
	}
	r.cancel(context.Canceled)
	r.end()
	op.mu.Lock()
	op.run = nil
	op.mu.Unlock()
	op.eng.ops.settled(op, r.detached)
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
