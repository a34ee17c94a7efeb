package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// A run is a stretch of time in which an operation is worked on: what that holds
// outside of the state, and gives back at its end. A process has thousands that
// wait, so one in which nothing is under way holds little.
type run struct {
	op    *operation
	first context.Context // of the first caller; see Context

	mu       sync.Mutex
	left     error          // why nothing may begin; nil: somebody wants the run to go on
	underway []*undertaking // what ends when nobody does; nil: nothing is
	callers  int32
	written  int32 // lines of the audit that are waiting for their record, and written
	detached bool
	over     bool
	phase    outcome.Phase // the last in which the run was wanted
	timer    *time.Timer   // of the next Tick; nil: there was none
	watch    *watch.Watch
	more     *runExtras // nil until there is something
}

// runExtras are what few runs have at a time.
type runExtras struct {
	ticket     *ticket
	asks       map[uint64]*undertaking
	errs       map[lifecycle.Cause]error     // the latest of each kind
	saidBefore map[string]string             // what was said to the Job, by the ID of the request before which it was looked up
	theirs     map[string]hitl.DecisionEntry // decisions of other operations, by request
	replies    map[string]chan fate          // of those who decide from outside
	live       liveMessages
	cause      error // why the last caller left; nil: none has
}

// An undertaking is something that a run has begun. Its context has the values of
// the first caller's, and ends when nobody wants the run to go on any more.
type undertaking struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// liveMessages is what the observer was told of a Job's messages.
type liveMessages struct {
	told    int       // messages
	read    time.Time // updated_at of the Job when they were last read
	reading bool
}

// A fate is what came of a decision from outside, and the state at that moment.
type fate struct {
	fate lifecycle.Fate
	s    *lifecycle.State
	r    *run // nil: none was under way
}

// note remembers an error, for those who are told the cause that it stands for.
func (r *run) note(c lifecycle.Cause, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := r.moreLocked()
	if more.errs == nil {
		more.errs = map[lifecycle.Cause]error{}
	}
	more.errs[c] = err
}

func (r *run) noted(c lifecycle.Cause) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.extrasLocked().errs[c]
}

// undertake begins something, which must be handed to done once it is over. Where
// nobody wants the run to go on, its context has ended.
func (r *run) undertake() *undertaking {
	u := &undertaking{}
	u.ctx, u.cancel = context.WithCancelCause(r.Context())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left != nil {
		u.cancel(r.left)
	}
	r.underway = append(r.underway, u)
	return u
}

// done ends what undertake began.
func (r *run) done(u *undertaking) {
	u.cancel(context.Canceled)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underway = slices.DeleteFunc(r.underway, func(other *undertaking) bool { return other == u })
	if len(r.underway) == 0 {
		r.underway = nil
	}
}

// moreLocked returns the extras, to be filled. Called with mu held.
func (r *run) moreLocked() *runExtras {
	if r.more == nil {
		r.more = &runExtras{}
	}
	return r.more
}

// extrasLocked returns the extras, to be read. Called with mu held.
func (r *run) extrasLocked() runExtras {
	if r.more == nil {
		return runExtras{}
	}
	return *r.more
}

// abandoned returns why nothing may begin; nil: somebody wants the run to go on.
func (r *run) abandoned() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left
}

// Context returns a context with the values of the first caller's. It never ends. It
// implements watch.Sighter.
func (r *run) Context() context.Context { return context.WithoutCancel(r.first) }
