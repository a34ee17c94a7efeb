package temporal

import (
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The names under which workflows and activities are registered, and their handlers.
// Histories hold them.
const (
	operationType = "duvotool.operation"
	holdingType   = "duvotool.holding"

	carryActivity   = "duvotool.carry"
	writeActivity   = "duvotool.write"
	claimActivity   = "duvotool.claim"
	releaseActivity = "duvotool.release"
	askActivity     = "duvotool.ask"
	watchActivity   = "duvotool.watch"
	tellActivity    = "duvotool.tell"

	callUpdate      = "call"
	leaveUpdate     = "leave"
	budgetUpdate    = "budget"
	decideUpdate    = "decide"
	stopUpdate      = "stop"
	reconcileUpdate = "reconcile"
	viewQuery       = "view"

	holderQuery   = "holder"
	releaseSignal = "release"

	waitsMemo = "duvotool.waits" // whether a request waits for a decision from outside
)

// An operation is a workflow that hosts one operation of package lifecycle. Its
// coroutines run one at a time, and feed never blocks, so nothing comes in between.
type operation struct {
	ctx   workflow.Context
	in    input
	epoch lifecycle.Time

	next     stepper
	s        *lifecycle.State
	steps    int
	queue    []lifecycle.Event
	stepping bool
	tells    []effect // not told yet
	telling  int      // activities that tell

	callers  []*caller
	last     int
	fates    map[string]lifecycle.Fate // of decisions from outside, by their replies
	notes    notes
	again    bool     // callers are sent away, to come back to the run that follows
	gone     []string // the latest callers who left before they were here
	attended int      // people whose wishes are being fulfilled

	cancelSend workflow.CancelFunc // of the start, response or message that is in flight; nil: none is, or it was cancelled
	cancelWake workflow.CancelFunc
	asks       []asking
	watching   string // the Job; empty: none
	watchNo    int    // of the latest activity that watches
	cancelRead workflow.CancelFunc
	claims     []string // held
	written    int      // lines of the audit that wait for their record, and are written
	waits      bool     // as the memo tells
}

type asking struct {
	turn   uint64
	cancel workflow.CancelFunc
}

// runOperation is the workflow. It ends with the operation's outcome; one that is
// parked, or whose outcome is unknown, waits for whoever comes.
func runOperation(ctx workflow.Context, in input) (view, error) {
	return runWith(ctx, in, lifecycle.Step)
}

// A stepper is lifecycle.Step.
type stepper func(lifecycle.State, lifecycle.Event, lifecycle.Moment) (lifecycle.State, []lifecycle.Effect)

func runWith(ctx workflow.Context, in input, step stepper) (view, error) {
	o := &operation{ctx: ctx, in: in, next: step, epoch: in.Epoch, fates: map[string]lifecycle.Fate{}, notes: in.Notes, last: in.Last, claims: in.Claims, written: in.Written}
	if o.epoch == 0 {
		o.epoch = lifecycle.Time(workflow.Now(ctx).UnixNano())
	}
	if o.notes == nil {
		o.notes = notes{}
	}
	var err error
	if o.s, err = in.State.state(); err != nil {
		return view{}, temporal.NewNonRetryableApplicationError(err.Error(), "state", err)
	}
	for i := range in.Callers {
		o.callers = append(o.callers, &in.Callers[i])
	}
	if err := o.handle(); err != nil {
		return view{}, err
	}
	o.takeUp()
	for {
		if err := workflow.Await(ctx, func() bool { return o.over() || o.mayContinue() }); err != nil {
			return view{}, err // it was cancelled: nothing more is sent
		}
		if o.over() {
			return o.end()
		}
		if next, ok := o.renewed(); ok {
			return view{}, workflow.NewContinueAsNewError(ctx, operationType, next)
		}
	}
}

// now reads the workflow's clock, which is the server's. It only grows, whoever runs
// the workflow, so that it is the monotonic clock too.
func (o *operation) now() lifecycle.Moment { return momentAt(workflow.Now(o.ctx), o.epoch) }

// momentAt is what the clocks of an operation show at a time of the server.
func momentAt(t time.Time, epoch lifecycle.Time) lifecycle.Moment {
	wall := lifecycle.Time(t.UnixNano())
	return lifecycle.Moment{Wall: wall, Mono: time.Duration(wall-epoch) + time.Second}
}

// feed takes in what has happened.
func (o *operation) feed(e lifecycle.Event) {
	o.queue = append(o.queue, e)
	if o.stepping {
		return
	}
	o.stepping = true
	for len(o.queue) > 0 {
		e := o.queue[0]
		o.queue = o.queue[1:]
		o.step(e)
	}
	o.stepping = false
	o.tell()
	o.tellWaits()
}

// step takes in one event. What that comes to is in the history, so that it is the
// same when the workflow is replayed, by whatever release: another lifecycle counts
// from the next event on.
func (o *operation) step(e lifecycle.Event) {
	now := o.now()
	var text []byte
	err := workflow.SideEffect(o.ctx, func(workflow.Context) any {
		after, effects := o.next(*o.s, e, now)
		st := step{State: &after}
		for _, f := range effects {
			if save, ok := f.(lifecycle.Save); ok {
				save.Record = nil // it is the state's
				f = save
			}
			st.Effects = append(st.Effects, effect{f})
		}
		text, err := pack(st)
		if err != nil {
			panic(err) // the task fails, and is tried again
		}
		return []byte(text) // which is not written as text once more
	}).Get(&text)
	var st step
	if err == nil {
		err = packed(text).unpack(&st)
	}
	if err != nil {
		panic(err)
	}
	ran, read := o.s.Live.Running, o.s.Live.Read
	o.s = st.State
	o.steps++
	for _, f := range st.Effects {
		o.carry(f.Effect)
	}
	if o.cancelSend != nil && !o.s.Wanted() {
		o.cancelSend()
		o.cancelSend = nil
	}
	if o.watching != "" && read != nil && o.s.Live.Read == nil {
		o.watch(o.s.Live.Wish) // what was read counts no more, so that every read is news
	}
	if ran && !o.s.Live.Running {
		o.endRun()
	}
}

// takeUp goes on where the run before has ended.
func (o *operation) takeUp() {
	l := &o.s.Live
	if l.Watching {
		o.watching = o.s.Record.Job
		o.watch(l.Wish)
	}
	if l.Wake != 0 {
		o.wake(l.Wake)
	}
}

// mayContinue reports whether the history is long enough for another run to follow,
// and nothing is under way that would be lost.
func (o *operation) mayContinue() bool {
	l := &o.s.Live
	if o.steps == 0 || l.Exchange.Name != 0 || len(o.asks) > 0 || len(o.queue) > 0 || o.telling > 0 || o.attended > 0 {
		return false
	}
	info := workflow.GetInfo(o.ctx)
	most := o.in.Setup.MaxEvents
	return info.GetContinueAsNewSuggested() || most > 0 && info.GetCurrentHistoryLength() > most
}

// renewed makes what the next run begins with. It returns false where something has
// come up while callers were sent away.
func (o *operation) renewed() (next input, ok bool) {
	o.again = true
	defer func() { o.again = false }()
	err := workflow.Await(o.ctx, func() bool { return workflow.AllHandlersFinished(o.ctx) || !o.mayContinue() })
	if err != nil || !o.mayContinue() {
		return input{}, false
	}
	next = o.in
	next.State, err = pack(o.s)
	if err != nil {
		panic(err)
	}
	next.Epoch, next.Notes, next.Last, next.Claims, next.Written, next.Callers = o.epoch, o.notes, o.last, o.claims, o.written, nil
	for _, c := range o.callers {
		next.Callers = append(next.Callers, *c)
	}
	return next, true
}

// over reports whether the workflow has nothing more to do. An outcome that is unknown
// waits for a person, and what is parked for whoever calls again.
func (o *operation) over() bool {
	r, l := &o.s.Record, &o.s.Live
	if l.Running || l.Exchange.Name != 0 || len(o.queue) > 0 || o.telling > 0 || o.steps == 0 || !workflow.AllHandlersFinished(o.ctx) {
		return false
	}
	if r.Result != nil {
		return r.Result.Outcome != lifecycle.Unknown
	}
	return o.in.Fresh && r.Done()
}

// end gives back what the operation holds, and tells what it has come to.
func (o *operation) end() (view, error) {
	if o.cancelWake != nil {
		o.cancelWake()
	}
	if err := o.release(o.ctx, o.claims); err != nil {
		return view{}, err
	}
	return o.view(), nil
}

// endRun gives back what others wait for. Whoever decided from outside and was not
// told is told that there is nothing to decide.
func (o *operation) endRun() {
	if f := o.s.Record.Order.After; f != nil && !inDoubt(&o.s.Record) {
		turn := turnClaim(f.Job)
		if i := slices.Index(o.claims, turn); i >= 0 {
			o.claims = slices.Delete(slices.Clone(o.claims), i, i+1)
			workflow.Go(o.ctx, func(ctx workflow.Context) { _ = o.release(ctx, []string{turn}) })
		}
	}
}

// inDoubt reports whether a message that was sent may still take effect unseen.
func inDoubt(r *lifecycle.Record) bool {
	m := r.Message().Attempt
	return r.Result == nil && (m.Open || m.Earlier)
}

func (o *operation) release(ctx workflow.Context, claims []string) error {
	if len(claims) == 0 {
		return nil
	}
	o.telling++
	defer func() { o.telling-- }()
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute}), releaseActivity, order{Claims: claims}).Get(ctx, nil)
}

// view is what is known now.
func (o *operation) view() view {
	text, err := pack(o.s)
	if err != nil {
		panic(err)
	}
	return view{State: text, Notes: o.notes}
}

// tellWaits lets lists of workflows tell which ones wait for a decision from outside.
func (o *operation) tellWaits() {
	waits := slices.ContainsFunc(o.s.Live.Asks, func(a lifecycle.Ask) bool { return a.Suspended }) && o.s.Live.Running
	if waits != o.waits {
		o.waits = waits
		_ = workflow.UpsertMemo(o.ctx, map[string]any{waitsMemo: waits}) // a list that does not tell is no harm
	}
}

// tell tells the observer and the log.
func (o *operation) tell() {
	if len(o.tells) == 0 {
		return
	}
	text, err := pack(o.s)
	if err != nil {
		panic(err)
	}
	ord := order{State: text, Tells: o.tells}
	o.tells = nil
	o.telling++
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		defer func() { o.telling-- }()
		ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: once})
		_ = workflow.ExecuteLocalActivity(ctx, tellActivity, ord).Get(ctx, nil)
	})
}

// once is for what is not tried again by Temporal: what comes next is decided by the
// lifecycle alone.
var once = &temporal.RetryPolicy{MaximumAttempts: 1}

// runHolding is the workflow that stands for a claim: it is there, under the ID of what
// is claimed, until it is released, and remembered as long as others that have ended.
func runHolding(ctx workflow.Context, h holding) (holding, error) {
	err := workflow.SetQueryHandler(ctx, holderQuery, func() (holding, error) { return h, nil })
	if err != nil {
		return h, err
	}
	released := workflow.GetSignalChannel(ctx, releaseSignal)
	return h, workflow.Await(ctx, func() bool { return released.Len() > 0 })
}

// The names of claims.
func jobClaim(job string) string          { return "job:" + strings.ToLower(job) }
func turnClaim(job string) string         { return "turn:" + strings.ToLower(job) }
func barClaim(bar string) string          { return "bar:" + bar }
func requestClaim(job, req string) string { return "request:" + strings.ToLower(job+":"+req) }

// reusable reports whether a claim may be made again once it was released.
func reusable(claim string) bool {
	return strings.HasPrefix(claim, turnClaim("")) || strings.HasPrefix(claim, barClaim(""))
}

// barred reports whether the outcome bars the Assignment from its scope.
func (o *operation) barred() (claim string, yes bool) {
	bar := engine.BarOf(o.s.Record.Order)
	return barClaim(bar), bar != "" && o.s.Record.Barred()
}
