package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// An operation is one piece of work under one key: at most one Job, whatever
// number of calls wait for it, and whatever number of times they come back.
//
// What it knows is a state of package lifecycle. Everything that happens to it is
// an event in its mailbox; one goroutine at a time takes events out, steps the
// state and carries the effects out. Whatever takes time runs in a goroutine of its
// own and comes back as an event. The state is published after each step; who only
// reads takes the latest one.
type operation struct {
	eng     *Engine
	work    *Work
	order   *lifecycle.Order // of its first call: whose it is and what it is about stays so
	record  string           // the key of its record in the journal; empty: there is no journal
	mailbox mailbox
	hosted  *Hosting // it lives elsewhere; nil: it does not

	mu       sync.Mutex
	state    *lifecycle.State // the latest; nothing behind it ever changes
	run      *run             // what the present run holds; nil: nothing runs
	calls    []*call          // those who wait
	lastCall int32
	fresh    bool    // no caller gave its key; never changed
	resumed  bool    // taken up from the journal when the registry was made
	ended    int64   // when the last run ended, in Unix nanoseconds; zero: none has
	more     *extras // nil until there is something

	tail *task // what whoever takes events out runs afterwards; nil: it has no time; its own
}

// extras are what few operations have.
type extras struct {
	reconciler context.Context      // of the person whose finding the next run is begun for
	next       *lifecycle.Order     // that the next call brings in place of the first; nil: the same
	err        error                // with which the last run ended; nil: with a result, or not at all
	handle     string               // for its own caller, where its order has none
	others     map[bearer]string    // handles for other callers
	recorded   map[string]bool      // handles that are in the journal
	until      []*moment            // that somebody waits for
	replies    map[string]chan fate // of those who decide while nothing runs; the next run has them
	told       *[32]byte            // a digest of what its Job was told, where that is not kept; nil: it is
}

// A moment is one that somebody waits for.
type moment struct {
	come func(*lifecycle.State) bool
	at   chan struct{} // closed when it has come
}

// moreLocked returns the extras, to be filled. Called with mu held.
func (op *operation) moreLocked() *extras {
	if op.more == nil {
		op.more = &extras{}
	}
	return op.more
}

// extrasLocked returns the extras, to be read. Called with mu held.
func (op *operation) extrasLocked() extras {
	if op.more == nil {
		return extras{}
	}
	return *op.more
}

// continues returns the Job that the operation's message is for; empty: it starts its
// own.
func (op *operation) continues() string {
	if op.order.After == nil {
		return ""
	}
	return op.order.After.Job
}

// follows reports whether the operation is a follow-up of the same Job and operation
// as this one; nil: whether it starts its Job.
func (op *operation) follows(f *lifecycle.FollowUp) bool {
	own := op.order.After
	if own == nil || f == nil {
		return own == f
	}
	return strings.EqualFold(own.Job, f.Job) && own.Turn == f.Turn
}

// latest returns what is known of the operation. It must not be changed.
func (op *operation) latest() *lifecycle.State {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.state
}

// known returns what is known for good: what the journal holds, or is to hold.
func (op *operation) known() *lifecycle.Record { return &op.latest().Record }

// busy reports whether somebody works on the operation, or is about to.
func (op *operation) busy() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.busyLocked()
}

func (op *operation) busyLocked() bool {
	return op.state.Live.Running || op.mailbox.waiting() || len(op.calls) > 0
}

// isUnknown reports whether the outcome is unknown and nothing goes on about it.
func (op *operation) isUnknown() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	r := op.state.Record.Result
	return !op.busyLocked() && r != nil && r.Outcome == lifecycle.Unknown
}

// post puts an event into the mailbox. Whoever posts runs on behalf of the engine's
// lifetime.
func (op *operation) post(e lifecycle.Event) {
	if op.hosted != nil {
		op.hosted.Post(e)
		return
	}
	op.mailbox.put(e, func(e lifecycle.Event) { op.eng.dispatch(op, e) })
}

// postThen is post for those who can run a task afterwards.
func (op *operation) postThen(e lifecycle.Event) (next task) {
	if op.hosted != nil {
		op.hosted.Post(e)
		return nil
	}
	op.mailbox.put(e, func(e lifecycle.Event) {
		op.tail = &next
		op.eng.dispatch(op, e)
		op.tail = nil
	})
	return next
}

// tryPost is post for those who run on nobody's behalf. It returns false once
// nothing of the engine runs any more.
func (op *operation) tryPost(e lifecycle.Event) bool {
	if !op.eng.life.EnterLate() {
		return false
	}
	defer op.eng.life.Leave()
	op.post(e)
	return true
}

// await waits until what is known of the operation is so, or the context ends.
func (op *operation) await(ctx context.Context, come func(*lifecycle.State) bool) error {
	m := &moment{come, make(chan struct{})}
	op.mu.Lock()
	if come(op.state) {
		op.mu.Unlock()
		return nil
	}
	more := op.moreLocked()
	more.until = append(more.until, m)
	op.mu.Unlock()
	select {
	case <-m.at:
		return nil
	case <-ctx.Done():
		op.mu.Lock()
		more.until = slices.DeleteFunc(more.until, func(other *moment) bool { return other == m })
		op.mu.Unlock()
		return context.Cause(ctx)
	}
}

// A task is what takes time, and returns what is to be done after it in the same
// goroutine; nil: nothing is.
type task func() task

// do runs what takes time, and posts what it comes to. broken makes an event of a
// panic. It is for what carries out effects: the goroutine that takes the events out runs
// it afterwards, if it has time, for one that has just sent a request is warm.
func (op *operation) do(f func() lifecycle.Event, broken func(error) lifecycle.Event) {
	op.eng.life.Again()
	t := op.task(f, broken)
	if op.tail != nil && *op.tail == nil {
		*op.tail = t
		return
	}
	op.eng.begin(t)
}

// doApart is do for everybody else.
func (op *operation) doApart(f func() lifecycle.Event, broken func(error) lifecycle.Event) {
	op.eng.life.Again()
	op.eng.begin(op.task(f, broken))
}

func (eng *Engine) begin(t task) { eng.pool.Go(t.all) }

// all runs a task and what follows it.
func (t task) all() {
	for t != nil {
		t = t()
	}
}

func (op *operation) task(f func() lifecycle.Event, broken func(error) lifecycle.Event) task {
	return func() (next task) {
		defer op.eng.life.Leave()
		var e lifecycle.Event
		guard.Then(errBackendPanic, func() error { e = f(); return nil }, func(err error) {
			switch {
			case err != nil: // perhaps the goroutine is ending
				if e = broken(err); e != nil {
					op.post(e)
				}
			case e != nil:
				next = op.postThen(e)
			}
		})
		return next
	}
}

var errBackendPanic = errors.New("duvotool: panic")

// errorOf makes the error of a call, which tells its key.
func (op *operation) errorOf(cause error) *outcome.JobError {
	s := op.latest()
	if s.Record.Unkeyed {
		op.tryPost(lifecycle.Named{})
	}
	return op.errorAt(s, cause)
}

func (op *operation) errorAt(s *lifecycle.State, cause error) *outcome.JobError {
	return &outcome.JobError{Phase: phaseOf(s), Key: op.order.Key, JobID: s.Record.Job, Assignment: op.work.Assignment.Name, Err: cause}
}

// phaseOf tells how far an operation has come.
func phaseOf(s *lifecycle.State) outcome.Phase {
	r := &s.Record
	switch r.Stage {
	case lifecycle.New:
		if r.Start.Earlier {
			return outcome.PhaseStarting
		}
		return outcome.PhaseNew
	case lifecycle.Starting, lifecycle.Posting:
		return outcome.PhaseStarting
	case lifecycle.Collecting:
		return outcome.PhaseCollecting
	case lifecycle.Ended:
		if r.Result != nil && r.Result.Outcome == lifecycle.Unknown {
			return outcome.PhaseStarting
		}
		return outcome.PhaseCollecting
	}
	for i := range r.Requests {
		switch p := &r.Requests[i]; p.Stage {
		case lifecycle.Decided, lifecycle.Sending:
			return outcome.PhaseResponding
		case lifecycle.Unasked:
			if a, ok := s.Live.Ask(p.ID); ok && (a.Turn != 0 || a.Suspended) && !p.Gone {
				return outcome.PhaseDeciding
			}
		}
	}
	return outcome.PhaseWatching
}

// name returns what claims and the like call the operation by.
func (op *operation) name() string {
	if op.record != "" {
		return op.record
	}
	return slotOf(op.order.Caller.Tenant, op.order.Key)
}

// saidBy returns what an operation tells its Job: the start's input, or the
// message of a follow-up.
func saidBy(r *lifecycle.Record) string {
	if f := r.Order.After; f != nil {
		return f.Text
	}
	return r.Order.Input
}

// A call is a caller who waits for what an operation comes to.
type call struct {
	ctx     context.Context
	answer  chan answer // has room for one
	id      int32
	entered bool // its event was taken out of the mailbox; guarded by operation.mu
}

type answer struct {
	res *outcome.Result // of its own; nil with an error
	err error
}

// ownHandleLocked returns the handle for the operation's own caller; empty: none was
// made yet. Called with mu held.
func (op *operation) ownHandleLocked() string {
	if op.order.Handle != "" {
		return op.order.Handle
	}
	return op.extrasLocked().handle
}

func (op *operation) slot() slot { return slot{op.order.Caller.Tenant, op.order.Key} }

// Reused is the error of a call whose key stands for another.
func Reused(assignment string) error {
	return fmt.Errorf("%w: it stands for another input or Assignment (%q); other work needs a key of its own", outcome.ErrKeyReused, hitl.SafeLine(assignment, 80))
}
