package duvotool

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/runscope"
)

// operations holds the operations of a registry by key. There is one Job per
// operation, however many calls share it.
type operations struct {
	retention time.Duration

	mu       sync.Mutex
	byKey    map[string]*operation // by tenant and key
	byHandle map[string]*operation // those that check_job knows; nil until there is one
	unknown  map[string]*operation // those with an unknown outcome, by tenant, scope and Assignment
	swept    time.Time
}

func newOperations(retention time.Duration) *operations {
	return &operations{retention: retention, byKey: map[string]*operation{}, unknown: map[string]*operation{}}
}

// An operation is one piece of work under one key: at most one Job, whatever
// number of calls wait for it, and whatever number of times they come back.
//
// It has no goroutine while it only waits. What happens to it (a read, a
// policy's decision, a caller leaving) is put in its mailbox, and a goroutine
// takes the mail out, piece by piece, until there is none left. So everything
// below "owned by the mail" is touched by one goroutine at a time.
type operation struct {
	reg    *Registry
	tool   *Tool
	key    string
	scope  string // empty: called in none
	input  string
	caller Caller

	mu      sync.Mutex
	mailbox []mail
	sorting bool // a goroutine takes the mail out
	run     *run // nil: parked, finished or not begun
	result  *Result
	ended   time.Time // when the last run ended
	phase   Phase
	jobID   string

	handle string // empty: none was given out
	news   news
	ticket *ticket // its place among those in flight, of the current run

	suspended map[string]Request // nil until there is one, by request ID: what Registry.Decide may decide

	job jobState // owned by the mail
}

// A run is a stretch of time in which an operation is worked on: from a call
// until the outcome, an error, or the leaving of the last caller.
type run struct {
	ctx      context.Context // the values of the first caller's, the end of ours
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed at the end
	err      error         // of the run; read it after done
	told     chan struct{} // guarded by operation.mu, made anew: closed when interim is there
	interim  *Result       // guarded by operation.mu: what callers get while a request is suspended
	detached bool          // guarded by operation.mu: it goes on without callers
	callers  int           // guarded by operation.mu
	leaving  bool          // guarded by operation.mu: nobody may join any more
}

// mail is something that happened to an operation in one of its runs.
type mail struct {
	run *run
	do  func(*operation)
}

// open finds or makes the operation of a call. repeated tells that it was
// there before.
func (o *operations) open(ctx context.Context, t *Tool, input string) (op *operation, repeated bool, err error) {
	key, exact, err := keyFor(ctx, t, input)
	if err != nil {
		return nil, false, err
	}
	caller := callerOf(ctx)
	scope, _ := ctx.Value(scopeKey{}).(string)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sweep()
	slot := caller.Tenant + "\x00" + key
	if op := o.byKey[slot]; op != nil {
		if exact && (op.tool.assignment.ID != t.assignment.ID || op.input != input) {
			return nil, false, &JobError{Phase: PhaseNew, Key: key, Assignment: t.assignment.Name,
				Err: fmt.Errorf("%w: it stands for another input or Assignment (%q)", ErrKeyReused, SafeLine(op.tool.assignment.Name, 80))}
		}
		return op, true, nil
	}
	if op := o.unknown[unknownSlot(caller, scope, t)]; op != nil && scope != "" {
		return op, true, nil
	}
	if !t.reg.offered(t.assignment.ID) {
		return nil, false, &InputError{Tool: t.name, Problem: "this Assignment is no longer offered; use another tool", Gone: true}
	}
	op = &operation{reg: t.reg, tool: t, key: key, scope: scope, input: input, caller: caller, phase: PhaseNew}
	op.job.init(op)
	o.byKey[slot] = op
	return op, false, nil
}

func unknownSlot(c Caller, scope string, t *Tool) string {
	return c.Tenant + "\x00" + scope + "\x00" + t.assignment.ID
}

// settled notes that an operation has an outcome. One that no key of a
// caller's stands for is dropped; one that is unknown bars its Assignment from
// the rest of its scope.
func (o *operations) settled(op *operation, outcome Outcome, detached bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if outcome == OutcomeUnknown && op.scope != "" {
		o.unknown[unknownSlot(op.caller, op.scope, op.tool)] = op
	}
	if strings.HasPrefix(op.key, freshPrefix) && !detached {
		delete(o.byKey, op.caller.Tenant+"\x00"+op.key)
	}
}

// sweep forgets the operations that ended long ago. Called with mu held.
func (o *operations) sweep() {
	if time.Since(o.swept) < o.retention/10 {
		return
	}
	o.swept = time.Now()
	for slot, op := range o.byKey {
		op.mu.Lock()
		done := op.result != nil && op.result.Outcome != OutcomeUnknown
		left := op.run == nil && op.result == nil && strings.HasPrefix(op.key, freshPrefix)
		old := (done || left) && time.Since(op.ended) > o.retention
		op.mu.Unlock()
		if old {
			delete(o.byKey, slot)
			delete(o.byHandle, op.handle)
		}
	}
}

func (o *operations) each(f func(*operation)) {
	o.mu.Lock()
	all := make([]*operation, 0, len(o.byKey))
	for _, op := range o.byKey {
		all = append(all, op)
	}
	o.mu.Unlock()
	for _, op := range all {
		f(op)
	}
}

const (
	freshPrefix = "once-"  // keys that no context asked for
	scopePrefix = "scope-" // keys made of a scope and a call
	maxKey      = 1024     // bytes of a caller's key or scope
)

// keyFor makes the operation key of a call. exact tells that the key must
// stand for this very input.
func keyFor(ctx context.Context, t *Tool, input string) (key string, exact bool, err error) {
	refuse := func(err error) (string, bool, error) {
		return "", false, &JobError{Phase: PhaseNew, Assignment: t.assignment.Name, Err: err}
	}
	if v := ctx.Value(opKey{}); v != nil {
		key := v.(string)
		if key == "" || len(key) > maxKey {
			return refuse(fmt.Errorf("%w: the operation key has %d bytes; 1 to %d are allowed", duvo.ErrInvalid, len(key), maxKey))
		}
		return key, true, nil
	}
	if v := ctx.Value(scopeKey{}); v != nil {
		scope := v.(string)
		if scope == "" || len(scope) > maxKey {
			return refuse(fmt.Errorf("%w: the operation scope has %d bytes; 1 to %d are allowed", duvo.ErrInvalid, len(scope), maxKey))
		}
		if t.cfg.oncePerScope {
			return scopePrefix + hash("once", scope, t.assignment.ID), false, nil
		}
		return scopePrefix + hash("call", scope, t.assignment.ID, input), true, nil
	}
	if t.cfg.oncePerScope {
		return refuse(ErrNoScope)
	}
	if run := runscope.Of(ctx); run != "" {
		return scopePrefix + hash("run", run, t.assignment.ID, input), true, nil
	}
	return freshPrefix + rand.Text(), true, nil
}

// hash turns strings into a short name; no two lists share one.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// run is the one path of a call.
func (r *Registry) run(ctx context.Context, t *Tool, input string) (*Result, error) {
	op, repeated, err := r.ops.open(ctx, t, input)
	if err != nil {
		return nil, err
	}
	res, err := op.wait(ctx)
	if err != nil {
		return nil, err
	}
	res = res.clone()
	res.Repeated = repeated
	res.maxShown = t.cfg.maxObservation
	if res.Input != input {
		res.Note = joinNotes(res.Note, "this call's input was not used, because only one Job of this Assignment may be started here; the earlier one was started with: "+SafeLine(res.Input, 200))
	}
	return res, nil
}

// wait joins the operation, starting or resuming the work on it, until the
// outcome is known, the work fails, the wait budget is used up or the caller's
// context ends.
func (op *operation) wait(ctx context.Context) (*Result, error) {
	var enough <-chan time.Time
	if d := op.tool.cfg.waitBudget; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		enough = t.C
	}
	for {
		op.mu.Lock()
		if op.result != nil {
			defer op.mu.Unlock()
			return op.result, nil
		}
		if op.run == nil {
			if !op.reg.life.enter() { // left by finish or fail
				defer op.mu.Unlock()
				return nil, op.errorLocked(ErrClosed)
			}
			rctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
			op.run = &run{ctx: rctx, cancel: cancel, done: make(chan struct{}), told: make(chan struct{})}
			op.postLocked(op.run, (*operation).begin)
		}
		r := op.run
		joined := !r.leaving
		if joined {
			r.callers++
		}
		told := r.told
		if !joined {
			told = nil
		}
		op.mu.Unlock()

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
		case <-enough:
			enough = nil
			select {
			case <-r.done: // at the same moment
			default:
				if !joined {
					continue
				}
				res := op.pending(r)
				op.mu.Lock()
				r.callers--
				over := op.run != r
				op.mu.Unlock()
				if !over {
					return res, nil
				}
				<-r.done // it has just ended
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
		if res != nil {
			return res, nil
		}
		if joined {
			return nil, r.err
		}
		// The run that was winding down is over: begin another.
	}
}

// leave takes a caller out. The last one parks the operation.
func (op *operation) leave(ctx context.Context, r *run, joined bool) error {
	cause := context.Cause(ctx)
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

func (op *operation) errorLocked(cause error) *JobError {
	return &JobError{Phase: op.phase, Key: op.key, JobID: op.jobID, Assignment: op.tool.assignment.Name, Err: cause}
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
	op.reg.life.again()
	return true
}

// sort takes the mail out until there is none.
func (op *operation) sort() {
	defer op.reg.life.leave()
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
	var err error
	func() {
		defer recoverAs(&err, errBackendPanic)
		do(op)
	}()
	if err != nil {
		op.fail(err)
	}
}

var errBackendPanic = errors.New("duvotool: panic")

// recoverAs turns a panic into an error of the given kind.
func recoverAs(err *error, kind error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s", kind, SafeLine(fmt.Sprint(p), 500))
	}
}

// at notes how far the operation has come.
func (op *operation) at(p Phase, jobID string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.phase, op.jobID = p, jobID
}

// finish ends the run with an outcome.
func (op *operation) finish(res *Result) {
	if op.run == nil {
		return
	}
	op.job.rest(nil)
	_ = op.audit(AuditOutcome, func(r *AuditRecord) { r.Outcome, r.Status, r.Error = res.Outcome, res.Status, res.Note })
	op.mu.Lock()
	op.result = res
	op.ended = time.Now()
	op.news = news{}
	r := op.run
	op.run = nil
	op.suspended = nil
	op.mu.Unlock()
	op.tell(Event{ctx: r.ctx, Kind: EventFinished, JobID: res.JobID, Status: res.Status, Result: res.clone()})
	op.reg.ops.settled(op, res.Outcome, r.detached)
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
	op.mu.Lock()
	op.ended = time.Now()
	r := op.run
	op.run = nil
	op.news.err = err
	r.err = err
	op.suspended = nil
	op.mu.Unlock()
	op.tell(Event{ctx: r.ctx, Kind: EventParked, JobID: op.job.id, Status: op.job.status, Err: err})
	op.over(r)
}

func (op *operation) over(r *run) {
	if t := op.ticket; t != nil {
		op.ticket = nil
		op.reg.queue.leave(t)
	}
	r.cancel(nil)
	close(r.done)
	op.reg.life.leave()
}

// tell sends an event to the observer.
func (op *operation) tell(e Event) {
	e.At = time.Now()
	if e.ctx == nil { // given where the run is over
		e.ctx = op.run.ctx
	}
	e.Key, e.Assignment, e.Caller = op.key, op.tool.assignment, op.caller
	if e.Status != "" || e.Kind == EventStarted || e.Decision != nil {
		op.mu.Lock()
		op.news.status = e.Status
		if e.Kind == EventStarted {
			op.news.started = e.At
		}
		if e.Decision != nil {
			op.news.decisions = op.job.decisions()
		}
		op.mu.Unlock()
	}
	op.reg.events.send(e)
}
