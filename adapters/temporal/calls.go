package temporal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Run is the one path of a call: it starts or joins the workflow of its key, and waits
// for the outcome. It implements engine.Host, as do those that follow.
func (h *host) Run(ctx context.Context, w *engine.Work, input string) (*outcome.Result, error) {
	return h.run(ctx, w, input, nil, nil)
}

func (h *host) RunUntil(ctx context.Context, w *engine.Work, input string, enough <-chan time.Time) (*outcome.Result, error) {
	return h.run(ctx, w, input, nil, enough)
}

func (h *host) Continue(ctx context.Context, w *engine.Work, after *outcome.Result, message string) (*outcome.Result, error) {
	ctx, follow := engine.FollowUp(ctx, after, message)
	return h.run(ctx, w, message, follow, nil)
}

// Check and After are for handles, which there are none of.
func (h *host) Check(context.Context, string) (*outcome.Result, error) { return nil, nil }

func (h *host) After(context.Context, string) (*outcome.Result, bool, error) { return nil, false, nil }

// A caller's way through one call.
type calling struct {
	h      *host
	w      *engine.Work
	id     string // of the workflow
	caller string
	order  *lifecycle.Order // nil: that of the operation
	begin  *input           // what the workflow begins with; nil: it is there
	enough <-chan time.Time
}

func (h *host) run(ctx context.Context, w *engine.Work, in string, follow *lifecycle.FollowUp, enough <-chan time.Time) (*outcome.Result, error) {
	made, err := h.eng.Call(ctx, w, in, follow)
	if err != nil {
		return nil, err
	}
	o := made.State.Record.Order
	if h.left.Load() {
		return nil, w.Refusal(o.Key, outcome.ErrClosed)
	}
	c := &calling{h: h, w: w, id: h.workflowOf(o.Caller.Tenant, o.Key), caller: rand.Text(), order: o, enough: enough}
	barred, err := h.barred(ctx, o, c.id)
	if err != nil {
		return nil, w.Refusal(o.Key, err)
	}
	if barred != "" {
		c.id, c.order = barred, nil
	} else {
		begin := input{Fresh: made.Fresh, Audit: h.eng.Setup().Audit != nil, Setup: h.setup()}
		if begin.State, err = pack(made.State); err != nil {
			return nil, w.Refusal(o.Key, err)
		}
		c.begin = &begin
	}
	a, err := c.wait(ctx)
	if err != nil {
		return nil, err
	}
	return c.result(ctx, a, in, follow)
}

func (h *host) setup() setup {
	return setup{PostSeconds: int((h.eng.Setup().PostTimeout + time.Second - 1) / time.Second), HeartbeatSeconds: int(h.cfg.heartbeat / time.Second), MaxEvents: h.cfg.maxEvents}
}

// barred returns the workflow of an operation whose outcome nobody knows, and which bars
// its Assignment from the scope; empty: there is none.
func (h *host) barred(ctx context.Context, o *lifecycle.Order, own string) (string, error) {
	bar := engine.BarOf(o)
	if bar == "" {
		return "", nil
	}
	by, err := h.holder(ctx, barClaim(bar))
	switch gone := (*serviceerror.NotFound)(nil); {
	case errors.As(err, &gone):
		return "", nil
	case err != nil:
		return "", err
	case by.Operation == own:
		return "", nil
	}
	v, err := h.view(ctx, by.Operation)
	if err != nil {
		return "", err
	}
	s, err := v.State.state()
	if err != nil || !s.Record.Barred() {
		return "", err // it was lifted
	}
	return by.Operation, nil
}

// wait starts or joins the workflow, and waits until it answers the caller, or the
// caller's context ends, or the registry is closed. Where the workflow continues as a
// new one, or the server is away for a while, it comes back.
func (c *calling) wait(ctx context.Context) (*answer, error) {
	during, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.h.closing, cancel)()
	joined := false
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		a, err := c.once(during, &joined)
		switch {
		case err == nil && a.Kind != answerAgain:
			return a, nil
		case err == nil:
			pause = 50 * time.Millisecond
		case ctx.Err() != nil:
			return nil, c.leave(ctx)
		case c.h.closing.Err() != nil:
			return nil, c.failed(outcome.ErrClosed)
		case !joined || !passes(err):
			return nil, c.failed(err)
		default:
			c.h.eng.Log().Warn("duvotool: waiting for a workflow", "workflow", c.id, "error", err)
		}
		select {
		case <-time.After(pause):
		case <-during.Done():
		}
	}
}

// once starts or joins the workflow and waits for one answer of its.
func (c *calling) once(ctx context.Context, joined *bool) (*answer, error) {
	if c.begin != nil && !*joined {
		_, err := c.h.c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
			ID: c.id, TaskQueue: c.h.cfg.queue, WorkflowExecutionErrorWhenAlreadyStarted: true,
			WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			StaticSummary: c.w.Assignment.Name,
		}, operationType, *c.begin)
		var over *serviceerror.WorkflowExecutionAlreadyStarted
		if errors.As(err, &over) {
			*joined = true
			return c.ended(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	*joined = true
	handle, err := c.h.c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: c.caller, WorkflowID: c.id, UpdateName: callUpdate, Args: []any{call{ID: c.caller, Order: c.order}}, WaitForStage: client.WorkflowUpdateStageAccepted,
	})
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return c.ended(ctx)
	}
	if err != nil {
		return nil, err
	}
	defer c.budget(ctx)()
	var a answer
	if err := handle.Get(ctx, &a); err != nil {
		if errors.As(err, &gone) {
			return c.ended(ctx)
		}
		return nil, err
	}
	return &a, nil
}

// budget tells the workflow once the caller has waited long enough. The function that
// it returns ends that.
func (c *calling) budget(ctx context.Context) (end func()) {
	if c.enough == nil {
		return func() {}
	}
	ctx, end = context.WithCancel(ctx)
	go func() {
		select {
		case <-ctx.Done():
		case <-c.enough:
			_ = c.h.update(ctx, c.id, budgetUpdate, nil, call{ID: c.caller})
		}
	}()
	return end
}

// update has a workflow do something, and waits for what it returns; out may be nil. A
// run that is not found may just have been followed by another.
func (h *host) update(ctx context.Context, id, name string, out any, args ...any) (err error) {
	var gone *serviceerror.NotFound
	for range 3 {
		if err = h.updateOnce(ctx, id, name, out, args...); !errors.As(err, &gone) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

func (h *host) updateOnce(ctx context.Context, id, name string, out any, args ...any) error {
	handle, err := h.c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		return err
	}
	return handle.Get(ctx, out)
}

// ended is what a workflow tells that has ended. One that has only continued as a new
// one is called again.
func (c *calling) ended(ctx context.Context) (*answer, error) {
	var v view
	soon, cancel := context.WithTimeout(ctx, endedTime)
	defer cancel()
	err := c.h.c.GetWorkflow(soon, c.id, "").Get(soon, &v)
	if err != nil && soon.Err() != nil && ctx.Err() == nil {
		return &answer{Kind: answerAgain}, nil
	}
	if err != nil {
		return nil, err
	}
	return &answer{Kind: answerResult, State: v.State, Notes: v.Notes}, nil
}

// passes reports whether an error may pass by itself.
func passes(err error) bool {
	var app *temporal.ApplicationError
	var exec *temporal.WorkflowExecutionError
	var gone *serviceerror.NotFound
	var bad *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &app): // an accepted update of a run that has ended since
		return app.Type() == "AcceptedUpdateCompletedWorkflow"
	case errors.As(err, &exec), errors.As(err, &gone), errors.As(err, &bad):
		return false
	}
	return true
}

// leave tells the workflow that the caller has left, and returns the caller's error.
// Once it returns nothing is begun for the caller any more.
func (c *calling) leave(ctx context.Context) error {
	still, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	var v view
	if err := c.h.update(still, c.id, leaveUpdate, &v, call{ID: c.caller}); err != nil {
		if gone := (*serviceerror.NotFound)(nil); !errors.As(err, &gone) {
			c.h.eng.Log().Error("duvotool: Temporal could not be told that a caller has left, so its Job goes on", "workflow", c.id, "error", err)
		}
		return c.failed(context.Cause(ctx))
	}
	s, err := v.State.state()
	if err != nil {
		return c.failed(context.Cause(ctx))
	}
	seat, err := c.h.reader(ctx, s, v.Notes)
	if err != nil {
		return c.failed(context.Cause(ctx))
	}
	return seat.Error(context.Cause(ctx))
}

// endedTime is how long a workflow that has ended may take to tell its result.
const endedTime = 3 * time.Second

// leaveTime is how long telling that a caller leaves may take.
const leaveTime = 15 * time.Second

// failed is the error of a call of which nothing more is known.
func (c *calling) failed(err error) error {
	key := ""
	if c.order != nil {
		key = c.order.Key
	}
	return c.w.Refusal(key, err)
}

// reader makes a seat from which an operation is only looked at.
func (h *host) reader(ctx context.Context, s *lifecycle.State, n notes) (*engine.Seat, error) {
	seat, err := h.eng.Seat(context.WithoutCancel(ctx), s, engine.Hosting{Post: func(lifecycle.Event) {}, Hold: func(string) error { return nil }})
	if err == nil {
		seat.Remember(n)
	}
	return seat, err
}

// result makes of an answer what the caller gets.
func (c *calling) result(ctx context.Context, a *answer, in string, follow *lifecycle.FollowUp) (*outcome.Result, error) {
	if a.Kind == answerLeft {
		return nil, c.failed(errors.New("the call was ended from elsewhere"))
	}
	s, err := a.State.state()
	if err != nil {
		return nil, c.failed(err)
	}
	if c.order != nil && !s.Record.Order.Same(c.order) {
		return nil, c.failed(engine.Reused(s.Record.Order.Assignment.Name))
	}
	seat, err := c.h.reader(ctx, s, a.Notes)
	if err != nil {
		return nil, c.failed(err)
	}
	res, err := read(seat, s, a)
	if err != nil {
		return nil, err
	}
	res.Repeated = !a.First
	seat.Show(res, in, follow != nil)
	return res, nil
}

func read(seat *engine.Seat, s *lifecycle.State, a *answer) (*outcome.Result, error) {
	switch f := a.Effect.Effect.(type) {
	case lifecycle.EndCalls:
		return seat.Ended(s, f), nil
	case lifecycle.Release:
		return nil, seat.Refused(s, f)
	}
	switch {
	case a.Kind == answerInterim:
		return seat.Interim(s), nil
	case s.Record.Result == nil:
		return nil, seat.Error(errors.New("its workflow has ended, and nothing was started; call with another key"))
	}
	return seat.Result(s), nil
}

// view asks a workflow how its operation stands.
func (h *host) view(ctx context.Context, id string) (v view, err error) {
	got, err := h.c.QueryWorkflow(ctx, id, "", viewQuery)
	if err == nil {
		err = got.Get(&v)
	}
	return v, err
}

func (h *host) Lookup(ctx context.Context, key string) (*outcome.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if h.left.Load() {
		return nil, outcome.ErrClosed
	}
	tenant, _ := engine.KeyOf(ctx, key)
	seat, s, err := h.look(ctx, h.workflowOf(tenant, key))
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return nil, fmt.Errorf("%w: %q", outcome.ErrUnknownKey, key)
	}
	if err != nil {
		return nil, err
	}
	res, err := seat.Standing(ctx)
	if err != nil {
		return nil, err
	}
	res.Repeated = true
	seat.Show(res, s.Record.Order.Input, true)
	return res, nil
}

// look reads how the operation of a workflow stands.
func (h *host) look(ctx context.Context, id string) (*engine.Seat, *lifecycle.State, error) {
	v, err := h.view(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	s, err := v.State.state()
	if err != nil {
		return nil, nil, err
	}
	seat, err := h.reader(ctx, s, v.Notes)
	return seat, s, err
}
