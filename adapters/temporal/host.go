package temporal

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// A Client is what is needed of a [client.Client].
type Client interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	GetWorkflow(ctx context.Context, workflowID string, runID string) client.WorkflowRun
	UpdateWorkflow(ctx context.Context, options client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
	SignalWorkflow(ctx context.Context, workflowID string, runID string, signalName string, arg any) error
	QueryWorkflow(ctx context.Context, workflowID string, runID string, queryType string, args ...any) (converter.EncodedValue, error)
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	CompleteActivity(ctx context.Context, taskToken []byte, result any, err error) error
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}

// An Option sets up what [On] does.
type Option func(*config) error

type config struct {
	queue     string
	heartbeat time.Duration // within which a worker's death is noticed
	maxEvents int
	worker    worker.Options
	callsOnly bool
	test      func(*host) // for Temporal's test environment; nil elsewhere
}

// WithHeartbeat sets how long a worker that died or hangs may go unnoticed: then
// another reads its Jobs and asks its policies. The default is a minute; less than
// three seconds is refused. Three heartbeats are sent in that time for each Job that is
// watched.
func WithHeartbeat(d time.Duration) Option {
	return func(c *config) error {
		if d < 3*time.Second {
			return fmt.Errorf("WithHeartbeat: %v is too short; at least 3s are needed", d)
		}
		c.heartbeat = d
		return nil
	}
}

// WithMaxEvents bounds the events of a history: with more the workflow continues as a
// new one, as soon as nothing is in flight. Zero, the default, leaves that to the
// server.
func WithMaxEvents(n int) Option {
	return func(c *config) error {
		if n < 0 || n > 0 && n < 100 {
			return fmt.Errorf("WithMaxEvents: %d makes no sense; at least 100 are needed", n)
		}
		c.maxEvents = n
		return nil
	}
}

// WithWorker sets the options of the worker, such as how much it does at once.
func WithWorker(o worker.Options) Option {
	return func(c *config) error { c.worker = o; return nil }
}

// CallsOnly lets the registry run no worker: it starts and joins workflows, lists what
// waits and decides, and processes elsewhere do the work, with the same Assignments,
// policies and audit.
func CallsOnly() Option { return func(c *config) error { c.callsOnly = true; return nil } }

// On lets the operations of a registry live on a Temporal server, in the client's
// namespace. taskQueue names the queue that its workers share: all processes with the
// same Duvo team, policies and options. See the package documentation for what is
// different from a registry without it.
func On(c Client, taskQueue string, opts ...Option) duvotool.Option {
	cfg := config{queue: taskQueue, heartbeat: time.Minute}
	var bad error
	switch {
	case c == nil:
		bad = errors.New("temporal.On: the client is nil")
	case taskQueue == "":
		bad = errors.New("temporal.On: the task queue has no name")
	}
	for _, o := range opts {
		if err := o(&cfg); err != nil {
			bad = errors.Join(bad, errtext.Errorf("temporal.On: %w", err))
		}
	}
	return duvotool.OnHost(func(e *engine.Engine) (engine.Host, error) {
		if bad != nil {
			return nil, bad
		}
		return newHost(e, c, cfg)
	})
}

// A host is the engine.Host on Temporal: of calls (calls.go), of people (people.go),
// and of workers (activities.go).
type host struct {
	eng   *engine.Engine
	c     Client
	cfg   config
	later *later
	seats *seats
	w     worker.Worker // nil: there is none

	closing context.Context // ends with Leave
	close   context.CancelFunc
	left    atomic.Bool

	// For Temporal's test environment, whose time is its own; nil elsewhere.
	clock func(workflowID string) func() time.Time
}

func newHost(e *engine.Engine, c Client, cfg config) (*host, error) {
	setup := e.Setup()
	for _, no := range []struct {
		is   bool
		what string
	}{
		{setup.Journal != nil, "WithJournal: Temporal's histories are the journal"},
		{setup.OffersCheck, "WithWaitBudget: check_job's handles are not kept on Temporal; use Start and Lookup with keys"},
		{setup.JobLimit > 0, "WithJobLimit: calls of several processes stand in no line"},
	} {
		if no.is {
			return nil, fmt.Errorf("duvotool: temporal.On does not go with %s", no.what)
		}
	}
	h := &host{eng: e, c: c, cfg: cfg}
	h.seats = &seats{h: h, of: map[string]*watched{}}
	h.closing, h.close = context.WithCancel(context.Background())
	if cfg.test != nil {
		cfg.test(h)
	} else {
		h.later = newLater(c, cfg.heartbeat/3, false)
	}
	return h, nil
}

// Begin starts the worker. It implements engine.Host.
func (h *host) Begin(context.Context) error {
	full, ok := h.c.(client.Client)
	if h.cfg.callsOnly || !ok {
		return nil
	}
	opts := h.cfg.worker
	if opts.WorkerStopTimeout == 0 {
		opts.WorkerStopTimeout = h.eng.Setup().PostTimeout + sendSlack // a send that has begun ends
	}
	w := worker.New(full, h.cfg.queue, opts)
	h.register(w)
	if err := w.Start(); err != nil {
		return errtext.Errorf("duvotool: starting the Temporal worker: %w", err)
	}
	h.w = w
	return nil
}

// A registry takes workflows and activities.
type registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

func (h *host) register(r registry) {
	r.RegisterWorkflowWithOptions(runOperation, workflow.RegisterOptions{Name: operationType})
	r.RegisterWorkflowWithOptions(runHolding, workflow.RegisterOptions{Name: holdingType})
	for name, f := range map[string]any{
		carryActivity: h.carry, writeActivity: h.write, claimActivity: h.claim, releaseActivity: h.release,
		askActivity: h.ask, watchActivity: h.watch, tellActivity: h.tell,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// Leave ends the worker, and the calls: what they wait for goes on. It implements
// engine.Host.
func (h *host) Leave(ctx context.Context) error {
	if h.left.Swap(true) {
		return nil
	}
	h.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if h.w != nil {
			h.w.Stop()
		}
		h.later.stop(ctx)
		h.seats.stop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errtext.Errorf("duvotool: the Temporal worker has not ended: %w", context.Cause(ctx))
	}
}

// workflowOf names the workflow of the operation with a key. The task queue is part of
// it: registries with different queues know nothing of one another.
func (h *host) workflowOf(tenant, key string) string {
	id := "duvotool:" + url.QueryEscape(h.cfg.queue) + ":" + url.QueryEscape(tenant) + ":" + url.QueryEscape(key)
	if len(id) > maxID {
		id = "duvotool:#" + digest.Of("workflow", h.cfg.queue, tenant, key)
	}
	return id
}

// claimID names the workflow that stands for a claim.
func (h *host) claimID(claim string) string {
	id := "duvotool-claim:" + url.QueryEscape(h.cfg.queue) + ":" + url.QueryEscape(claim)
	if len(id) > maxID {
		id = "duvotool-claim:#" + digest.Of("claim", h.cfg.queue, claim)
	}
	return id
}

// maxID is the longest ID of a workflow that tells what it is of.
const maxID = 400
