package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// A Host runs the operations of a registry elsewhere than in this process: it keeps
// their states, steps them by package lifecycle, and has an [Engine] carry out what
// comes of that, by a [Seat]. An Engine does all of that itself. The methods are those
// of Registry and Tool in package duvotool, and as there they may be called at once.
type Host interface {
	Run(ctx context.Context, w *Work, input string) (*outcome.Result, error)
	RunUntil(ctx context.Context, w *Work, input string, enough <-chan time.Time) (*outcome.Result, error)
	Continue(ctx context.Context, w *Work, after *outcome.Result, message string) (*outcome.Result, error)
	Check(ctx context.Context, handle string) (*outcome.Result, error)
	After(ctx context.Context, handle string) (after *outcome.Result, known bool, err error)
	Lookup(ctx context.Context, key string) (*outcome.Result, error)

	Pending() []hitl.Request
	Decide(ctx context.Context, req hitl.Request, d hitl.Decision) error
	CheckDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error

	Jobs() []outcome.JobInfo
	Resumed() []outcome.JobInfo
	Resume(ctx context.Context, jobID string) (*outcome.Result, error)
	Wait(ctx context.Context) error
	Stop(ctx context.Context, jobID, by string) (*outcome.Result, error)
	Candidates(ctx context.Context, unknown outcome.JobInfo) ([]duvo.Job, error)
	Reconcile(ctx context.Context, unknown outcome.JobInfo, jobID, by string) error

	// Begin begins to work, once the Assignments are known.
	Begin(ctx context.Context) error
	// Leave ends that, as far as ctx allows. What goes on goes on without this process.
	Leave(ctx context.Context) error
}

// Begin is Host's: it takes up what the journal holds unfinished.
func (eng *Engine) Begin(ctx context.Context) error { return eng.TakeUp(ctx) }

// Leave is Host's. What the engine runs ends by [Engine.Close].
func (eng *Engine) Leave(context.Context) error { return nil }

var _ Host = (*Engine)(nil)

// A Seat is where an operation that lives elsewhere is worked on. It may be used by
// several goroutines.
type Seat struct {
	op *operation
	r  *run
}

// Seat makes a place to work on an operation in this state. The context has the
// values with which Duvo, policies and audit logs are called; its end does nothing.
func (eng *Engine) Seat(ctx context.Context, s *lifecycle.State, h Hosting) (*Seat, error) {
	o := s.Record.Order
	w, err := eng.catalog.WorkFor(*o.Assignment, o.Folder)
	if err != nil {
		return nil, err
	}
	op := &operation{eng: eng, work: w, order: o, state: s, hosted: &h}
	op.run = &run{op: op, first: WithCallerOf(ctx, o.Caller), detached: true}
	return &Seat{op, op.run}, nil
}

// Update lets the operation be in another state.
func (t *Seat) Update(s *lifecycle.State) {
	t.op.mu.Lock()
	defer t.op.mu.Unlock()
	t.op.state = s
}

// Leave ends what is under way, and lets nothing begin any more.
func (t *Seat) Leave(cause error) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.r.leaveLocked(cause)
}

// Carry carries an effect out, in goroutines of its own: Hosting.Told takes in what
// comes of it, where the effect is answered. It is not for saving, loading and
// claiming, which are the host's. The caller has entered the engine, see
// [Engine.Enter].
func (t *Seat) Carry(f lifecycle.Effect) { t.op.carry(t.r, t.op.latest(), f) }

// Window is from now on for a while, by the engine's clocks.
func (t *Seat) Window(d time.Duration) lifecycle.Window {
	now := t.op.eng.clock()
	return lifecycle.Window{From: now, To: now.Add(d)}
}

// Watching reports whether the Job is read, and lets it be read now.
func (t *Seat) Watching(now bool) bool {
	w := t.r.watching()
	if w != nil && now {
		w.Now()
	}
	return w != nil
}

// WatchFrom lets what is sent to the Job move the reads of another seat's watch.
func (t *Seat) WatchFrom(other *Seat) {
	w := other.r.watching()
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.r.watch = w
}

// Write writes lines of the audit, as far as it goes. begins tells that the record
// announces what begins something: then the audit must be able to take more. It
// returns how many lines were written and need not be again.
func (t *Seat) Write(s *lifecycle.State, lines []lifecycle.Line, begins bool) (written int, err error) {
	for _, line := range lines {
		if err := t.op.audit(t.r, s, line, ""); err != nil && line.Kind.Binding() {
			t.r.note(lifecycle.CauseJournal, err)
			return written, err
		}
		written++
	}
	if begins && t.op.eng.cfg.Audit != nil {
		if err := t.op.eng.auditable(t.r.Context()); err != nil {
			t.r.note(lifecycle.CauseJournal, err)
			return written, err
		}
	}
	return written, nil
}

// Begins reports whether a record announces what is to be sent for the first time.
func Begins(r *lifecycle.Record) bool { return begins(r) }

// Tell tells the observer, the audit and the log of an effect that tells of something.
func (t *Seat) Tell(s *lifecycle.State, f lifecycle.Effect) {
	op := t.op
	switch f := f.(type) {
	case lifecycle.Tell:
		op.notice(t.r, s, f)
	case lifecycle.Finish:
		if f.Callers == nil {
			op.tell(t.r, outcome.Event{Kind: outcome.EventFinished, JobID: s.Record.Job, Status: statusOf(s), Result: op.result(s)})
		}
	case lifecycle.EndCalls:
		res := t.Ended(s, f)
		_ = op.audit(t.r, s, lifecycle.Line{Kind: lifecycle.LineOutcome, Text: string(f.Outcome)}, res.Note)
		op.tell(t.r, outcome.Event{Kind: outcome.EventFinished, JobID: s.Record.Job, Status: statusOf(s), Result: res})
	case lifecycle.Release:
		if f.Callers == nil {
			phase, err := op.refusedWith(t.r, s, f)
			op.logGivenUp(s.Record.Job, phase, f.Cause)
			op.tell(t.r, outcome.Event{Kind: outcome.EventParked, JobID: s.Record.Job, Status: statusOf(s), Err: err})
		}
	}
}

// Result is what the operation has come to.
func (t *Seat) Result(s *lifecycle.State) *outcome.Result { return t.op.result(s) }

// Interim is what callers get who do not wait for the end.
func (t *Seat) Interim(s *lifecycle.State) *outcome.Result { return t.op.interim(s) }

// Ended is what callers get whose calls end before the operation does.
func (t *Seat) Ended(s *lifecycle.State, f lifecycle.EndCalls) *outcome.Result {
	res := t.op.soFar(s, outcome.Outcome(f.Outcome))
	res.Note = joinNotes(res.Note, f.Note)
	return res
}

// Refused is the error that callers get.
func (t *Seat) Refused(s *lifecycle.State, f lifecycle.Release) error {
	_, err := t.op.refusedWith(t.r, s, f)
	return err
}

// Error is an error of a call that has come so far.
func (t *Seat) Error(cause error) error { return t.op.errorAt(t.op.latest(), cause) }

// Standing tells how the operation stands, perhaps by a read of its Job.
func (t *Seat) Standing(ctx context.Context) (*outcome.Result, error) {
	return t.op.standing(ctx, true)
}

// Info is how the operation stands; ok tells that it is to be listed.
func (t *Seat) Info() (i outcome.JobInfo, ok bool) { return t.op.info() }

// Show bounds what a Result shows to a model as the tool says, and says so where the
// input of the call was not used.
func (t *Seat) Show(res *outcome.Result, input string, follow bool) {
	res.ShowAtMost(t.op.work.Settings.MaxObservation)
	if !follow && res.Input != input && !t.op.tells(input) {
		res.Note = joinNotes(res.Note, "this call's input was not used, because only one Job of this Assignment may be started here; the earlier one was started with: "+hitl.SafeLine(res.Input, 200))
	}
}

// Pending lists the requests that were put off.
func (t *Seat) Pending() (out []hitl.Request) {
	s := t.op.latest()
	for i := range s.Live.Asks {
		if a := &s.Live.Asks[i]; a.Suspended && a.Ticket != nil && a.Ticket.Shown != nil {
			out = append(out, shownAt(a.Ticket, firstSeen(s, a.ID)))
		}
	}
	return out
}

// Decided checks a decision from outside, and makes an event of it; the answer to that
// has the name reply. An error says why it decides nothing.
func (t *Seat) Decided(ctx context.Context, req hitl.Request, d hitl.Decision, reply string) (lifecycle.Decide, error) {
	if err := decides(ctx, req, d); err != nil {
		return lifecycle.Decide{}, err
	}
	shown, err := t.op.decidable(ctx, &req, &d)
	if err != nil {
		return lifecycle.Decide{}, err
	}
	return lifecycle.Decide{Request: shown.ID, Digest: req.Digest(), Build: shown.Build, Decision: sealed(shown, d.Clone().Via(viaRegistry)), Reply: reply}, nil
}

// Fate is what whoever decided from outside is told.
func (t *Seat) Fate(f lifecycle.Fate, s *lifecycle.State, request string) error {
	return t.op.fateError(fate{f, s, t.r}, request)
}

// ToReconcile makes an event of what a person has found.
func (t *Seat) ToReconcile(ctx context.Context, jobID, by string) (lifecycle.Reconciled, error) {
	e := lifecycle.Reconciled{Job: jobID, By: by}
	if hitl.PersonKey(by) == "" {
		return e, errors.New("duvotool: reconciling: it is not said who reconciles")
	}
	if jobID == "" {
		return e, nil
	}
	job, err := t.op.eng.jobToReconcile(ctx, t.op, jobID)
	if err == nil {
		e.Job, e.Created, e.Build, e.Status = job.ID, wallOf(job.CreatedAt), job.BuildID, string(job.Status)
	}
	return e, err
}

// Candidates lists the Jobs that the operation may have started.
func (t *Seat) Candidates(ctx context.Context) ([]duvo.Job, error) {
	return t.op.eng.candidates(ctx, t.op, t.op.firstSent())
}

// Entry is what is told of a request's decision.
func Entry(p *lifecycle.Request) hitl.DecisionEntry { return entryOf(p) }

// A Call is what a call asks for, before anything is known of its operation.
type Call struct {
	State lifecycle.State
	Fresh bool // nobody has called with its key before
}

// Call makes the operation of a call; follow is nil unless it goes on with a Job.
func (eng *Engine) Call(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp) (*Call, error) {
	key, err := keyFor(ctx, w.folded(), input, follow)
	if err != nil {
		return nil, err
	}
	refuse := func(err error) (*Call, error) { return nil, eng.ops.failed(w, key.key, err) }
	switch {
	case key.known:
		return refuse(outcome.ErrNoScope)
	case ctx.Value(filesKey{}) != nil:
		return refuse(errors.New("files cannot be staged where operations live elsewhere"))
	case follow == nil && !eng.catalog.Offered(w.Assignment.ID):
		return nil, &outcome.InputError{Tool: w.Name, Problem: "this Assignment is no longer offered; use another tool", Gone: true}
	}
	key.scope, _ = ctx.Value(scopeKey{}).(string)
	op := eng.ops.newOperation(ctx, w, key, startInput(ctx, input, follow), callerOf(ctx), follow)
	s := *op.state
	s.Live.Replica, s.Record.Unkeyed, s.Record.Order.Handle = hostReplica, false, ""
	kept := *s.Live.Options
	kept.Forgets = false // by the host
	s.Live.Options = &kept
	return &Call{s, key.fresh}, nil
}

// hostReplica stands for whoever hosts an operation: it is one, however many processes
// work for it.
const hostReplica = "host"

// FollowUp makes what a call asks for that goes on with the Job of a Result, with the
// context for it.
func FollowUp(ctx context.Context, after *outcome.Result, message string) (context.Context, *lifecycle.FollowUp) {
	return context.WithValue(ctx, startKey{}, after.Input), &lifecycle.FollowUp{Job: after.JobID, Turn: after.Key, Text: message, Known: after.FollowUp,
		HasResult: after.Output != "" || len(after.Messages) > 0}
}

// KeyOf names the operation with a key of the caller of ctx.
func KeyOf(ctx context.Context, key string) (tenant, name string) { return callerOf(ctx).Tenant, key }

// BarOf names what bars an Assignment from a scope; empty: nothing does.
func BarOf(o *lifecycle.Order) string {
	if o.Scope == "" || o.After != nil {
		return ""
	}
	return digest.Of("bar", o.Caller.Tenant, o.Scope, strings.ToLower(o.Assignment.ID))
}

// WorkOf returns the work of an order.
func (eng *Engine) WorkOf(o *lifecycle.Order) (*Work, error) {
	return eng.catalog.WorkFor(*o.Assignment, o.Folder)
}

// Enter begins something that the engine's end waits for; false: it is closed. Exit
// ends it.
func (eng *Engine) Enter() bool { return eng.life.Enter() }

// Exit ends what Enter began.
func (eng *Engine) Exit() { eng.life.Leave() }

// Clock reads both clocks of the engine.
func (eng *Engine) Clock() lifecycle.Moment { return eng.clock() }

// Credential returns a print of what requests are authorized with.
func (eng *Engine) Credential() string { return eng.credential() }

// Setup returns the configuration. It must not be changed.
func (eng *Engine) Setup() *Config { return &eng.cfg }

// Log returns the log.
func (eng *Engine) Log() *slog.Logger { return eng.log }

// Refusal is the error of a call that cannot go on, for a reason of the host's.
func (w *Work) Refusal(key string, err error) error {
	return &outcome.JobError{Phase: outcome.PhaseNew, Key: key, Assignment: w.Assignment.Name, Err: err}
}
