package temporal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// closingError is the type of the error of an activity that did nothing, because its
// worker ends.
const closingError = "closing"

func errClosing() error {
	return temporal.NewApplicationError("the worker ends", closingError)
}

const (
	maxKept   = 256 << 10 // bytes of a Job's messages, and of its last words, that go into a history
	fenceTime = 5 * time.Second
)

// enter begins what an activity does with the state of its order, until leave is called. A
// worker that ends begins nothing: another one does it.
func (h *host) enter(ord order) (s *lifecycle.State, leave func(), err error) {
	if !h.eng.Enter() {
		return nil, nil, errClosing()
	}
	if s, err = ord.State.state(); err != nil {
		h.eng.Exit()
		return nil, nil, err
	}
	return s, h.eng.Exit, nil
}

// carry carries out an exchange, and returns its answer. A send begins only while the
// server still waits for this very activity, and while its window is open.
func (h *host) carry(ctx context.Context, ord order) (reply, error) {
	s, leave, err := h.enter(ord)
	if err != nil {
		return reply{}, err
	}
	defer leave()
	told := make(chan lifecycle.Event, 16)
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	seat, err := h.eng.Seat(ctx, s, engine.Hosting{
		Post: func(e lifecycle.Event) { told <- e },
		Hold: func(job string) error { return h.hold(ctx, id, s, job) },
	})
	if err != nil {
		return reply{}, err
	}
	h.seats.lend(id, seat)
	defer context.AfterFunc(ctx, func() { seat.Leave(context.Cause(ctx)) })()
	defer h.beats(ctx)()
	f := ord.Effect.Effect
	if w, name := windowOf(f); w != nil {
		left, why := h.mayBegin(ctx, *w, ord.Epoch)
		if why != "" {
			seat.Remember(tooLate(why))
			return h.reply(lifecycle.Sent{Name: name, Reply: lifecycle.TooLate, Text: why}, seat), nil
		}
		f = within(f, seat.Window(left))
	}
	seat.Carry(f)
	return h.reply(bounded(<-told), seat), nil
}

// beats sends heartbeats until the function that it returns is called.
func (h *host) beats(ctx context.Context) (end func()) {
	if activity.GetInfo(ctx).HeartbeatTimeout == 0 {
		return func() {}
	}
	over := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(activity.GetInfo(ctx).HeartbeatTimeout / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				activity.RecordHeartbeat(ctx)
			case <-over:
				return
			}
		}
	})
	return func() { close(over); beating.Wait() }
}

// reply is what an activity has come to.
func (h *host) reply(e lifecycle.Event, seat *engine.Seat) reply {
	return reply{Event: event{e}, Print: h.eng.Credential(), Notes: seat.Notes()}
}

// tooLate is what callers are told of a send that was not begun.
func tooLate(why string) notes {
	return notes{lifecycle.CauseTooLate: engine.NoteOf(fmt.Errorf("%w: %s", duvo.ErrTooLate, why))}
}

// windowOf returns when a send may begin, and its name; nil: it sends nothing.
func windowOf(f lifecycle.Effect) (*lifecycle.Window, uint64) {
	switch f := f.(type) {
	case lifecycle.StartJob:
		return &f.Window, f.Name
	case lifecycle.Respond:
		return &f.Window, f.Name
	case lifecycle.Post:
		return &f.Window, f.Name
	case lifecycle.StopJob:
		return &f.Window, f.Name
	}
	return nil, 0
}

// within lets a send begin in another window.
func within(f lifecycle.Effect, w lifecycle.Window) lifecycle.Effect {
	switch f := f.(type) {
	case lifecycle.StartJob:
		f.Window = w
		return f
	case lifecycle.Respond:
		f.Window = w
		return f
	case lifecycle.Post:
		f.Window = w
		return f
	case lifecycle.StopJob:
		f.Window = w
		return f
	}
	return f
}

// mayBegin reports for how long a send may begin from now on; why is why it may not.
// The server is asked whether it still waits for this activity: one that was taken
// back, or whose worker was frozen until the server has given it up, sends nothing.
// Then both clocks are looked at: the server's, as far as it is known here, and ours.
func (h *host) mayBegin(ctx context.Context, w lifecycle.Window, epoch lifecycle.Time) (left time.Duration, why string) {
	asking, cancel := context.WithTimeout(ctx, fenceTime)
	defer cancel()
	if err := h.c.RecordActivityHeartbeat(asking, activity.GetInfo(ctx).TaskToken); err != nil {
		return 0, "the server does not wait for it any more: " + err.Error()
	}
	now := h.clockOf(ctx)()
	m := momentAt(now, epoch)
	if h.clock == nil {
		m.Wall = max(m.Wall, lifecycle.Time(time.Now().UnixNano()))
	}
	if !w.Open(m) {
		return 0, "the worker came to it too late"
	}
	return min(w.To.Mono-m.Mono, time.Duration(w.To.Wall-m.Wall)), ""
}

// clockOf returns a clock that shows the server's time, or earlier: that at which the
// server handed the activity out, and what has passed here since.
func (h *host) clockOf(ctx context.Context) func() time.Time {
	if h.clock != nil {
		return h.clock(activity.GetInfo(ctx).WorkflowExecution.ID)
	}
	handed, begun := activity.GetInfo(ctx).StartedTime, time.Now()
	return func() time.Time {
		now := time.Now()
		at := handed.Add(now.Sub(begun))
		if wall := now.Round(0); wall.Before(at) && at.Sub(wall) < time.Hour {
			return wall // ours may run fast, over days
		}
		return at
	}
}

// bounded leaves out of an answer what is too large for a history.
func bounded(e lifecycle.Event) lifecycle.Event {
	c, ok := e.(lifecycle.Collected)
	if !ok {
		return e
	}
	note := func(text string) {
		if c.Note != "" {
			text = c.Note + "; " + text
		}
		c.Note = text
	}
	if c.Part.Least() > maxKept {
		c.Part = lifecycle.Transcript{}
	}
	part, err := c.Part.Written()
	switch {
	case err != nil: // a backend of the program's own has made what JSON cannot tell
		part = lifecycle.Transcript{}
		note("its messages could not be written, so they are not kept here: " + hitl.SafeLine(err.Error(), 300))
	case part.Size() > maxKept:
		part = lifecycle.Transcript{}
	}
	c.Part = part
	if n := len(c.Output) + len(c.Data); n > maxKept {
		c.Output, c.Data, c.Part = "", nil, lifecycle.Transcript{}
		note(fmt.Sprintf("its output of %d bytes is more than is kept here; Duvo has it", n))
	}
	return c
}

// write writes lines of the audit, and makes a claim that is recorded with them.
func (h *host) write(ctx context.Context, ord order) (reply, error) {
	s, leave, err := h.enter(ord)
	if err != nil {
		return reply{}, err
	}
	defer leave()
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	seat, err := h.eng.Seat(ctx, s, engine.Hosting{Post: func(lifecycle.Event) {}})
	if err != nil {
		return reply{}, err
	}
	defer h.beats(ctx)()
	for _, claim := range ord.Claims {
		if reusable(claim) {
			if _, err := h.take(ctx, claim, holding{Operation: id}); err != nil {
				return reply{Failed: true}, nil
			}
		}
	}
	written, err := seat.Write(s, ord.Lines, ord.Begins)
	got := h.reply(nil, seat)
	got.Written, got.Failed = written, err != nil
	return got, nil
}

// claim makes a Job or a request an operation's, and answers whose it is.
func (h *host) claim(ctx context.Context, ord order) (reply, error) {
	s, err := ord.State.state()
	if err != nil {
		return reply{}, err
	}
	f, ok := ord.Effect.Effect.(lifecycle.Claim)
	if !ok {
		return reply{}, fmt.Errorf("temporal: %T claims nothing", ord.Effect.Effect)
	}
	own := holding{Operation: activity.GetInfo(ctx).WorkflowExecution.ID}
	if p := s.Record.Request(f.Request); f.Request != "" && p != nil {
		if own.Entry, err = pack(engine.Entry(p)); err != nil {
			return reply{}, err
		}
	}
	for i, claim := range ord.Claims {
		theirs, err := h.take(ctx, claim, own)
		switch {
		case err != nil:
			h.eng.Log().Error("duvotool: claiming", "claim", claim, "error", err)
			return reply{Event: event{lifecycle.Claimed{Name: f.Name, Failed: true}}}, nil
		case theirs == nil:
		case i == 0 && f.Request != "":
			// Nobody has decided: it is not our Job.
			return reply{Event: event{lifecycle.Claimed{Name: f.Name, TakenBy: "the operation whose Job it is"}}}, nil
		default:
			return reply{Event: event{lifecycle.Claimed{Name: f.Name, TakenBy: takenBy(theirs)}}}, nil
		}
	}
	return reply{Event: event{lifecycle.Claimed{Name: f.Name}}}, nil
}

// hold makes the Job that a start was answered with the operation's.
func (h *host) hold(ctx context.Context, id string, s *lifecycle.State, job string) error {
	if s.Record.Order.After != nil {
		return nil
	}
	theirs, err := h.take(ctx, jobClaim(job), holding{Operation: id})
	if err == nil && theirs != nil {
		return fmt.Errorf("%w: Job %s", outcome.ErrForeignJob, job)
	}
	return err
}

// take makes a claim for as long as its operation goes on, and for as long after as the
// namespace remembers what has ended. It returns whose it is instead; nil: it is ours.
func (h *host) take(ctx context.Context, claim string, own holding) (*holding, error) {
	opts := client.StartWorkflowOptions{
		ID: h.claimID(claim), TaskQueue: h.cfg.queue, WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}
	if reusable(claim) {
		opts.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	_, err := h.c.ExecuteWorkflow(ctx, opts, holdingType, own)
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &there) {
		return nil, err
	}
	theirs, err := h.holder(ctx, claim)
	if err != nil || theirs.Operation == own.Operation {
		return nil, err
	}
	return &theirs, nil
}

// holder returns whose a claim is.
func (h *host) holder(ctx context.Context, claim string) (theirs holding, err error) {
	v, err := h.c.QueryWorkflow(ctx, h.claimID(claim), "", holderQuery)
	if err == nil {
		err = v.Get(&theirs)
	}
	return theirs, err
}

// release ends claims. One that has ended is as good.
func (h *host) release(ctx context.Context, ord order) error {
	for _, claim := range ord.Claims {
		err := h.c.SignalWorkflow(ctx, h.claimID(claim), "", releaseSignal, nil)
		if gone := (*serviceerror.NotFound)(nil); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return nil
}

// tell tells the observer, the audit and the log.
func (h *host) tell(ctx context.Context, ord order) error {
	s, leave, err := h.enter(ord)
	if err != nil {
		return err
	}
	defer leave()
	seat, err := h.eng.Seat(ctx, s, engine.Hosting{Post: func(lifecycle.Event) {}})
	if err != nil {
		return err
	}
	for _, f := range ord.Tells {
		seat.Tell(s, f.Effect)
	}
	return nil
}

// ask asks the policy. Whoever waits for its answer is no worker's slot.
func (h *host) ask(ctx context.Context, ord order) (reply, error) {
	s, leave, err := h.enter(ord)
	if err != nil {
		return reply{}, err
	}
	defer leave()
	f, ok := ord.Effect.Effect.(lifecycle.AskPolicy)
	if !ok {
		return reply{}, fmt.Errorf("temporal: %T asks nothing", ord.Effect.Effect)
	}
	var seat *engine.Seat
	p := h.later.begin(ctx, func() { seat.Carry(lifecycle.EndAsk{Request: f.Ticket.ID, Turn: f.Turn, Cause: lifecycle.AskLeft}) })
	if p == nil {
		return reply{}, errClosing()
	}
	seat, err = h.eng.Seat(context.WithoutCancel(ctx), s, engine.Hosting{Post: func(e lifecycle.Event) { p.complete(h.reply(e, seat), nil) }})
	if err != nil {
		p.abandon()
		return reply{}, err
	}
	seat.Carry(f)
	p.ready()
	return p.wait(ctx)
}

// takenBy tells who has decided a request, or has a Job, instead.
func takenBy(theirs *holding) string {
	var d hitl.DecisionEntry
	if len(theirs.Entry) == 0 || theirs.Entry.unpack(&d) != nil {
		return "another operation"
	}
	return fmt.Sprintf("%s by %s", d.Verdict, hitl.Decider(d.By))
}
