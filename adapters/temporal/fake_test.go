package temporal

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// A fake is a Temporal made of the SDK's test environments: one for each run of a
// workflow. It keeps to the rules of IDs, and has the worker that began last do the
// activities.
type fake struct {
	t      *testing.T
	log    log.Logger
	late   time.Duration // how late workers are
	tick   time.Duration // how often workflows' clocks move
	renews bool          // each run ends as soon as it may, and another follows

	mu      sync.Mutex
	closed  bool
	refusal error // of heartbeats
	flows   map[string]*flow
	runs    int
	hosts   []*host
}

// A flow is the latest run of a workflow.
type flow struct {
	id, kind string
	f        *fake
	input    any
	env      *testsuite.TestWorkflowEnvironment
	started  chan struct{}
	over     chan struct{}
	done     chan struct{}
	result   []byte // once it is done
	err      error
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, tick: 200 * time.Millisecond, flows: map[string]*flow{}, log: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	t.Cleanup(f.close)
	return f
}

// onFake is On for a fake.
func (f *fake) option() Option {
	return func(c *config) error {
		c.test = func(h *host) {
			h.later = newLater(f, 0, true)
			h.clock = f.clock
			f.mu.Lock()
			defer f.mu.Unlock()
			f.hosts = append(f.hosts, h)
		}
		return nil
	}
}

// close ends all workflows.
func (f *fake) close() {
	f.mu.Lock()
	f.closed = true
	all := make([]*flow, 0, len(f.flows))
	for _, w := range f.flows {
		all = append(all, w)
	}
	f.mu.Unlock()
	for _, w := range all {
		w.inside(w.env.CancelWorkflow) // not before it has begun
	}
	for _, w := range all {
		<-w.done
	}
}

// worker returns the host that does activities; nil: there is none now.
func (f *fake) worker() *host {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.hosts) - 1; i >= 0; i-- {
		if h := f.hosts[i]; !h.left.Load() {
			return h
		}
	}
	return nil
}

func (f *fake) clock(id string) func() time.Time {
	w, _ := f.find(id)
	return func() time.Time { return w.env.Now().Add(f.late) }
}

func (f *fake) find(id string) (*flow, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.flows[id]; w != nil {
		return w, nil
	}
	return nil, serviceerror.NewNotFound("there is no workflow " + id)
}

func (w *flow) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (f *fake) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, kind any, args ...any) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.flows[o.ID]; w != nil {
		open := !w.isDone()
		switch {
		case open && o.WorkflowIDConflictPolicy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
			return w, nil
		case open, o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
			return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("it is there", "", "")
		}
	}
	return f.begin(o.ID, kind.(string), args[0]), nil
}

// begin begins a run. Called with mu held.
func (f *fake) begin(id, kind string, in any) *flow {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(f.log)
	f.runs++
	w := &flow{id: id, kind: kind, f: f, input: in, env: suite.NewTestWorkflowEnvironment(), started: make(chan struct{}), over: make(chan struct{}), done: make(chan struct{})}
	f.flows[id] = w
	w.env.SetTestTimeout(10 * 365 * 24 * time.Hour)
	w.env.SetWorkflowRunTimeout(0)
	w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: "queue"})
	w.env.SetContinueAsNewSuggested(f.renews)
	begun := sync.OnceFunc(func() { close(w.started) })
	w.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in input) (view, error) {
		w.keepTime(ctx)
		begun()
		return runOperation(ctx, in)
	}, workflow.RegisterOptions{Name: operationType})
	w.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, h holding) (holding, error) {
		w.keepTime(ctx)
		begun()
		return runHolding(ctx, h)
	}, workflow.RegisterOptions{Name: holdingType})
	w.register()
	go w.run(in)
	return w
}

// keepTime lets the environment's clock go with the test's: it skips time where no
// activity is under way, and stands still where nothing is waited for.
func (w *flow) keepTime(ctx workflow.Context) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * 365 * 24 * time.Hour})
	workflow.ExecuteActivity(ctx, "time")
	var tick func()
	tick = func() { w.env.RegisterDelayedCallback(tick, w.f.tick) }
	tick()
}

// register has activities done by the worker that is there when they are begun.
func (w *flow) register() {
	does := func(name string, do func(*host) func(context.Context, order) (reply, error)) {
		w.env.RegisterActivityWithOptions(func(ctx context.Context, ord order) (reply, error) {
			for { // what a worker hands over the next one does
				if h := w.f.worker(); h != nil {
					r, err := do(h)(ctx, ord)
					if closing := (*temporal.ApplicationError)(nil); !errors.As(err, &closing) || closing.Type() != closingError {
						if err != nil && !temporal.IsCanceledError(err) {
							w.f.t.Errorf("%s: %v", name, err)
						}
						return r, err
					}
				}
				select {
				case <-time.After(100 * time.Millisecond):
				case <-w.over:
					return reply{}, nil
				}
			}
		}, activity.RegisterOptions{Name: name})
	}
	w.env.RegisterActivityWithOptions(func() error { <-w.over; return nil }, activity.RegisterOptions{Name: "time"})
	alone := func(f func(context.Context, order) error) func(context.Context, order) (reply, error) {
		return func(ctx context.Context, ord order) (reply, error) { return reply{}, f(ctx, ord) }
	}
	type act = func(context.Context, order) (reply, error)
	does(carryActivity, func(h *host) act { return h.carry })
	does(writeActivity, func(h *host) act { return h.write })
	does(claimActivity, func(h *host) act { return h.claim })
	does(askActivity, func(h *host) act { return h.ask })
	does(watchActivity, func(h *host) act { return h.watch })
	does(releaseActivity, func(h *host) act { return alone(h.release) })
	does(tellActivity, func(h *host) act { return alone(h.tell) })
}

func (w *flow) run(in any) {
	w.env.ExecuteWorkflow(w.kind, in)
	close(w.over)
	w.err = w.env.GetWorkflowError()
	var next *workflow.ContinueAsNewError
	if errors.As(w.err, &next) {
		var in input
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
			panic(err)
		}
		w.f.mu.Lock()
		if !w.f.closed {
			w.f.begin(w.id, w.kind, in)
		}
		w.f.mu.Unlock()
	} else if w.err == nil {
		var raw json.RawMessage
		if w.err = w.env.GetWorkflowResult(&raw); w.err == nil {
			w.result = raw
		}
	}
	close(w.done)
}

// inside runs f where the environment runs its workflow. It returns false where that has
// ended.
func (w *flow) inside(f func()) bool {
	select {
	case <-w.started:
	case <-w.done:
		return false
	}
	ran := make(chan struct{})
	w.env.RegisterDelayedCallback(func() { f(); close(ran) }, 0)
	select {
	case <-ran:
		return true
	case <-w.done:
		return false
	}
}

func (w *flow) GetID() string    { return w.id }
func (w *flow) GetRunID() string { return "" }

func (w *flow) GetFirstExecutionRunID() string { return "" }
func (nothing) GetFirstExecutionRunID() string { return "" }
func (w *flow) Get(ctx context.Context, out any) error {
	return w.GetWithOptions(ctx, out, client.WorkflowRunGetOptions{})
}

func (w *flow) GetWithOptions(ctx context.Context, out any, _ client.WorkflowRunGetOptions) error {
	select {
	case <-w.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if now, _ := w.f.find(w.id); now != w {
		return now.Get(ctx, out) // it was continued
	}
	if w.err != nil {
		return w.err
	}
	return json.Unmarshal(w.result, out)
}

func (f *fake) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	w, err := f.find(id)
	if err != nil {
		return nothing{err}
	}
	return w
}

// nothing is a workflow that is not there.
type nothing struct{ err error }

func (nothing) GetID() string                    { return "" }
func (nothing) GetRunID() string                 { return "" }
func (n nothing) Get(context.Context, any) error { return n.err }
func (n nothing) GetWithOptions(context.Context, any, client.WorkflowRunGetOptions) error {
	return n.err
}
