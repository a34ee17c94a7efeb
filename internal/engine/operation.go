package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// An operation is one piece of work under one key: at most one Job, whatever
// number of calls wait for it, and whatever number of times they come back.
//
// It has no goroutine while it only waits. What happens to it (a read, a
// policy's decision, a caller leaving) is put in its mailbox, and a goroutine
// takes the mail out, piece by piece, until there is none left. So everything
// below "owned by the mail" is touched by one goroutine at a time.
type operation struct {
	eng    *Engine
	work   *Work
	key    string
	scope  string // empty: called in none
	input  string // that its Job was started with
	caller hitl.Caller
	after  turnOf // what it follows; never changes; zero: it starts its Job

	mu      sync.Mutex
	mailbox []mail
	run     *run // nil: parked, finished or not begun
	result  *outcome.Result
	ended   int64 // when the last run ended, in Unix nanoseconds
	phase   outcome.Phase
	jobID   string

	message string // of a follow-up, guarded by mu; empty: the operation starts its Job
	added   string // to the Job, by that message and those before it; guarded by mu

	handle  string  // for its own caller; empty: none yet
	fresh   bool    // no caller gave its key; never changes
	unkeyed bool    // and none has been told it, or has called with it, since
	more    *extras // guarded by mu; nil until there is something
	news    news
	ticket  *ticket // its place among those in flight, of the current run

	suspended map[string]hitl.Request // nil until there is one, by request ID: what Registry.Decide may decide
	resumed   bool                    // taken up from the journal when the registry was made
	sorting   bool                    // a goroutine takes the mail out

	job    jobState   // owned by the mail
	record *recordRef // nil: there is no journal
}

// extras are what few operations have.
type extras struct {
	own      string            // the caller's key, where that of its scope won
	others   map[bearer]string // handles for other callers
	recorded map[string]bool   // handles that are in the journal
	safeOf   *run              // that somebody waits for to be durable
	safe     chan struct{}     // closed once it is
}

// moreLocked returns the extras, to be filled. Called with mu held.
func (op *operation) moreLocked() *extras {
	if op.more == nil {
		op.more = &extras{others: map[bearer]string{}, recorded: map[string]bool{}}
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

// A recordRef names the record of an operation in the journal.
type recordRef struct {
	key      string // never changes
	revision uint64 // owned by the mail
}

// A run is a stretch of time in which an operation is worked on: from a call
// until the outcome, an error, or the leaving of the last caller.
type run struct {
	ctx      context.Context // the values of the first caller's, the end of ours
	cancel   context.CancelCauseFunc
	done     chan struct{}   // closed at the end
	durable  bool            // guarded by operation.mu: the next process would take it up
	err      error           // of the run; read it after done
	res      *outcome.Result // what its callers get, nil with an error; read it after done
	told     chan struct{}   // guarded by operation.mu, made anew: closed when interim is there
	interim  *outcome.Result // guarded by operation.mu: what callers get while a request is suspended
	calm     bool            // one of many that were taken up: lists tell what has changed
	detached bool            // guarded by operation.mu: it goes on without callers
	callers  int             // guarded by operation.mu
	leaving  bool            // guarded by operation.mu: nobody may join any more
}

// mail is something that happened to an operation in one of its runs.
type mail struct {
	run *run
	do  func(*operation)
}

// run is the one path of a call.
func (eng *Engine) run(ctx context.Context, w *Work, input string, follow *followUp) (*outcome.Result, error) {
	enough, stop := w.Settings.budget()
	defer stop()
	return eng.runFor(ctx, w, input, follow, enough, false)
}

// runFor is run that waits until enough tells that it is; nil: as long as it
// takes. keyed: the caller may come back with the Result's key.
func (eng *Engine) runFor(ctx context.Context, w *Work, input string, follow *followUp, enough <-chan time.Time, keyed bool) (*outcome.Result, error) {
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
	res = op.resultFor(ctx, res)
	res.Repeated = repeated
	res.ShowAtMost(w.Settings.MaxObservation)
	handOut(ctx, res)
	if follow == nil && res.Input != input {
		res.Note = joinNotes(res.Note, "this call's input was not used, because only one Job of this Assignment may be started here; the earlier one was started with: "+hitl.SafeLine(res.Input, 200))
	}
	return res, nil
}

// resultFor returns a copy for the caller of ctx, with a handle of its own.
func (op *operation) resultFor(ctx context.Context, res *outcome.Result) *outcome.Result {
	res = res.Clone()
	if res.Handle != "" {
		res.Handle = op.giveHandle(ctx)
	}
	return res
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
	for {
		op.mu.Lock()
		if op.result != nil {
			defer op.mu.Unlock()
			return op.result, nil
		}
		if op.run == nil && !op.runLocked(ctx) {
			defer op.mu.Unlock()
			return nil, op.errorLocked(outcome.ErrClosed)
		}
		r := op.run
		joined := !r.leaving
		if joined {
			r.callers++
		}
		told, over := r.told, enough
		if !joined { // it winds down; the next one counts
			told, over = nil, nil
		}
		op.mu.Unlock()

		if over != nil && !op.awaitDurable(ctx, r) {
			over = nil // it has ended, or ctx has: nothing goes on that could be pending
		}
		select {
		case <-r.done:
		case <-told:
			op.mu.Lock()
			interim := r.interim
			r.callers-- // the run is detached: nothing ends with this
			op.mu.Unlock()
			if interim != nil {
				return interim, nil
			}
			continue // decided meanwhile: wait for the Job
		case <-over:
			if res := op.pending(r); res != nil {
				return res, nil
			}
			select {
			case <-r.done: // it ends at the same moment
			case <-ctx.Done():
				return nil, op.leave(ctx, r, false)
			}
		case <-ctx.Done():
			// What was ready at the same moment counts.
			select {
			case <-r.done:
			default:
				return nil, op.leave(ctx, r, joined)
			}
		}
		op.mu.Lock()
		res := op.result
		op.mu.Unlock()
		switch {
		case joined && r.res != nil:
			return r.res, nil
		case res != nil:
			return res, nil
		case joined:
			return nil, outcome.CloneError(r.err)
		}
		// The run that was winding down is over: begin another.
	}
}

// runLocked begins a run for a caller. It returns false if the registry is closed.
// Called with mu held.
func (op *operation) runLocked(ctx context.Context) bool {
	if !op.eng.life.Enter() { // left by finish or fail
		return false
	}
	op.run = newRun(ctx)
	op.postLocked(op.run, (*operation).begin)
	return true
}

// isDurable notes that the operation is taken up also if the process dies now.
func (op *operation) isDurable() {
	op.mu.Lock()
	defer op.mu.Unlock()
	r := op.run
	if r == nil || r.durable {
		return
	}
	r.durable = true
	if more := op.extrasLocked(); more.safe != nil && more.safeOf == r {
		close(more.safe)
	}
}

// awaitDurable waits until the operation is durable. It returns false if the run or
// ctx has ended instead: who is told then that it goes on could lose it.
func (op *operation) awaitDurable(ctx context.Context, r *run) bool {
	op.mu.Lock()
	if r.durable {
		op.mu.Unlock()
		return true
	}
	more := op.moreLocked()
	if more.safeOf != r {
		more.safeOf, more.safe = r, make(chan struct{})
	}
	safe := more.safe
	op.mu.Unlock()
	select {
	case <-safe:
		return true
	case <-r.done:
	case <-ctx.Done():
	}
	return false
}

// newRun makes a run with the values of a context. The end of the context is
// not the run's.
func newRun(ctx context.Context) *run {
	rctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	return &run{ctx: rctx, cancel: cancel, done: make(chan struct{}), told: make(chan struct{})}
}

// leave takes a caller out. The last one parks the operation.
func (op *operation) leave(ctx context.Context, r *run, joined bool) error {
	cause := context.Cause(ctx)
	defer op.eng.ops.keyed(op) // it may have ended at the same moment, and been dropped
	op.mu.Lock()
	defer op.mu.Unlock()
	err := op.errorLocked(cause)
	if !joined {
		return err
	}
	if r.callers--; r.callers == 0 && op.run == r && !r.detached {
		r.leaving = true
		r.cancel(cause)
		op.postLocked(r, (*operation).park)
	}
	return err
}

// interrupt ends the run, if there is one, for all its callers.
func (op *operation) interrupt(cause error) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.run != nil {
		op.run.leaving = true
		op.run.cancel(cause)
		op.postLocked(op.run, (*operation).park)
	}
}

// errorLocked makes the error of a call, which tells its key: whoever has the
// error may call with that from now on. Called with mu held.
func (op *operation) errorLocked(cause error) *outcome.JobError {
	op.unkeyed = false
	return &outcome.JobError{Phase: op.phase, Key: op.key, JobID: op.jobID, Assignment: op.work.Assignment.Name, Err: cause}
}

// post puts something in the mailbox.
func (op *operation) post(r *run, do func(*operation)) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.postLocked(r, do)
}

func (op *operation) postLocked(r *run, do func(*operation)) {
	if op.put(r, do) {
		go op.sort()
	}
}

// deliver is post for those who can wait: unless somebody is at it already, the
// mail is taken out by the caller itself.
func (op *operation) deliver(r *run, do func(*operation)) {
	op.mu.Lock()
	idle := op.put(r, do)
	op.mu.Unlock()
	if idle {
		op.sort()
	}
}

// put adds to the mailbox. It returns true if somebody must begin to sort.
// Called with mu held.
func (op *operation) put(r *run, do func(*operation)) bool {
	if r == nil || op.run != r {
		return false // whatever it was about is over
	}
	op.mailbox = append(op.mailbox, mail{r, do})
	if op.sorting {
		return false
	}
	op.sorting = true
	op.eng.life.Again()
	return true
}

// sort takes the mail out until there is none.
func (op *operation) sort() {
	defer op.eng.life.Leave()
	for {
		op.mu.Lock()
		if len(op.mailbox) == 0 {
			op.sorting = false
			op.mailbox = nil
			op.mu.Unlock()
			return
		}
		m := op.mailbox[0]
		op.mailbox = op.mailbox[1:]
		over := op.run != m.run
		op.mu.Unlock()
		if !over {
			op.perform(m.do)
		}
	}
}

func (op *operation) perform(do func(*operation)) {
	err := guard.Run(errBackendPanic, func() error { do(op); return nil })
	if err != nil {
		op.fail(err)
	}
}

var errBackendPanic = errors.New("duvotool: panic")

// at notes how far the operation has come.
func (op *operation) at(p outcome.Phase, jobID string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.phase, op.jobID = p, jobID
}

// endsCall reports whether an outcome is one of the call alone: the Job waits or
// runs on, and the next call with the key goes on with it.
func endsCall(o outcome.Outcome) bool {
	return o == outcome.OutcomePending || o == outcome.OutcomeExpired
}

// finish ends the run with an outcome.
func (op *operation) finish(res *outcome.Result) {
	if op.run == nil {
		return
	}
	op.job.parked = endsCall(res.Outcome)
	journaled := op.eng.ledger != nil
	var err error
	op.keepBelongings()
	if res.Outcome == outcome.OutcomeUnknown {
		err = op.eng.ops.bar(op, true)
	}
	if err == nil {
		err = op.save(func(e *entry) {
			if !endsCall(res.Outcome) {
				e.Result = res
			}
		})
	}
	switch {
	case errors.Is(err, journal.ErrConflict):
		op.adopt()
		return
	case err != nil:
		// What Duvo holds can be read again, by this process or the next.
		op.eng.log.Error("duvotool: the outcome is not in the journal", "operation", op.key, "job", res.JobID, "error", hitl.SafeLine(err.Error(), 500))
		journaled = false
	}
	_ = op.audit(audit.Outcome, func(r *audit.Record) { r.Outcome, r.Status, r.Error = res.Outcome, res.Status, res.Note })
	op.conclusion(res, journaled)
}

// conclusion ends the run with an outcome that is recorded.
func (op *operation) conclusion(res *outcome.Result, journaled bool) {
	op.job.rest(nil)
	op.mu.Lock()
	op.ended = time.Now().UnixNano()
	op.news = news{}
	if endsCall(res.Outcome) {
		op.news.status, op.news.started, op.news.decisions = res.Status, res.StartedAt, op.job.decisions()
	} else {
		op.result = res
	}
	r := op.run
	r.res = res
	detached := r.detached
	op.run = nil
	op.suspended = nil
	op.mu.Unlock()
	op.tellIn(r.ctx, outcome.Event{Kind: outcome.EventFinished, JobID: res.JobID, Status: res.Status, Result: res.Clone()})
	op.eng.ops.settled(op, res.Outcome, detached, journaled)
	op.over(r)
}

// fail ends the run without one. A later call may take the operation up again.
func (op *operation) fail(cause error) {
	op.mu.Lock()
	err := op.errorLocked(cause)
	op.mu.Unlock()
	op.failAs(err)
}

// failAs is fail with an error that is told as it is.
func (op *operation) failAs(err error) {
	if op.run == nil {
		return
	}
	op.job.rest(err)
	sent := op.record != nil && (op.job.id != "" || op.record.revision > 0)
	// The next process takes up what was in flight when the registry was closed,
	// but starts nothing of which a caller was told that nothing was sent.
	op.mu.Lock()
	detached := op.run.detached
	op.mu.Unlock()
	inFlight := errors.Is(err, outcome.ErrClosed) && (detached || op.job.id != "" || op.job.startState != nil && op.job.doubtful)
	if sent && !inFlight && !op.job.parked {
		op.job.parked = true
		if err := op.save(nil); err != nil && !errors.Is(err, journal.ErrConflict) {
			op.eng.log.Error("duvotool: writing to the journal", "operation", op.key, "job", op.job.id, "error", hitl.SafeLine(err.Error(), 500))
		}
	}
	op.mu.Lock()
	op.ended = time.Now().UnixNano()
	r := op.run
	op.run = nil
	op.news.err, op.news.request = err, nil
	r.err = err
	op.suspended = nil
	op.mu.Unlock()
	op.tellIn(r.ctx, outcome.Event{Kind: outcome.EventParked, JobID: op.job.id, Status: op.job.status, Err: outcome.CloneError(err)})
	op.over(r)
}

func (op *operation) over(r *run) {
	if op.after.jobID != "" {
		op.eng.ops.converse(op, false)
	}
	if t := op.ticket; t != nil {
		op.ticket = nil
		op.eng.queue.leave(t)
	}
	r.cancel(nil)
	close(r.done)
	op.eng.life.Leave()
}

// tell sends an event to the observer.
func (op *operation) tell(e outcome.Event) { op.tellIn(op.run.ctx, e) }

// tellIn is tell where the run, whose context it is, may be over.
func (op *operation) tellIn(ctx context.Context, e outcome.Event) {
	e = e.WithContext(ctx)
	e.At = time.Now()
	e.Key, e.Assignment, e.Caller = op.key, clone.Assignment(op.work.Assignment), op.caller
	if e.Status != "" || e.Kind == outcome.EventStarted || e.Decision != nil {
		op.mu.Lock()
		op.news.status = e.Status
		if e.Kind == outcome.EventStarted {
			op.news.started = e.At
		}
		if e.Decision != nil {
			op.news.decisions = op.job.decisions()
		}
		op.mu.Unlock()
	}
	op.eng.events.send(e)
}
