package temporal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

var refunds = duvotest.Assignment{Name: "Refunds", Description: "Refunds.", Script: func(j *duvotest.Job) {
	if j.AskApproval("Refund 120 EUR", "") {
		j.Complete("refunded")
	}
	j.Complete("not refunded")
}}

// hosted runs f in a bubble of time, with a Duvo and a Temporal in memory.
func hosted(t *testing.T, f func(t *testing.T, d *duvotest.Duvo, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(refunds))
		t.Cleanup(d.Close)
		f(t, d, newFake(t))
	})
}

func open(t *testing.T, b duvotool.Backend, f *fake, opts ...duvotool.Option) *duvotool.Registry {
	t.Helper()
	reg, err := duvotool.Discover(t.Context(), b, append([]duvotool.Option{On(f, "queue", f.option()), duvotool.WithPolicy(approving)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reg.Close(context.Background())) })
	return reg
}

var approving = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
	return hitl.Approve("kim@example.com", ""), nil
})

func keyed(t *testing.T, key string) context.Context {
	return duvotool.WithOperationKey(t.Context(), key)
}

// A record of an audit, or a failure to write it.
type book struct {
	mu     sync.Mutex
	events []audit.Event
	fails  bool
}

func (b *book) Record(_ context.Context, r audit.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails {
		return errors.New("the disk is full")
	}
	b.events = append(b.events, r.Event)
	return nil
}

// TestAudit: what is sent was written before, and once.
func TestAudit(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		b := &book{}
		var told []outcome.EventKind
		var mu sync.Mutex
		reg := open(t, d.Client(), f, duvotool.WithAudit(b), duvotool.WithObserver(func(e outcome.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Kind)
		}))
		_, err := reg.All()[0].Run(keyed(t, "key"), "order 1")
		require.NoError(t, err)
		require.Equal(t, []audit.Event{audit.Requested, audit.Decided, audit.Sent, audit.Delivered, audit.Outcome}, b.events)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, kind := range []outcome.EventKind{outcome.EventStarted, outcome.EventRequested, outcome.EventDecided, outcome.EventDelivered, outcome.EventFinished} {
			require.Contains(t, told, kind)
		}
	})
}

// TestWithoutAuditNothingIsSent: a record that cannot be written sends nothing, and starts
// nothing.
func TestWithoutAuditNothingIsSent(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, d.Client(), f, duvotool.WithAudit(&book{fails: true}))
		ctx, cancel := context.WithTimeout(keyed(t, "key"), time.Minute)
		defer cancel()
		_, err := reg.All()[0].Run(ctx, "order 1")
		require.Error(t, err)
		require.Zero(t, d.Count("respondToHumanRequest"))
	})
}

// TestWhatTheServerHasGivenUpIsNotSent: a worker sends only what the server waits for.
func TestWhatTheServerHasGivenUpIsNotSent(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, d.Client(), f)
		f.refuses(serviceerror.NewNotFound("the activity has timed out"))
		_, err := reg.All()[0].Run(keyed(t, "key"), "order 1")
		require.ErrorIs(t, err, duvo.ErrTooLate)
		require.Zero(t, d.Count("startRun"))

		f.refuses(nil)
		res, err := reg.All()[0].Run(keyed(t, "key"), "order 1")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Equal(t, 1, d.Count("startRun"))
	})
}

// TestALateWorkerSendsNothing: the window is looked at by the server's clock.
func TestALateWorkerSendsNothing(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, d.Client(), f)
		f.late = 10 * time.Minute
		_, err := reg.All()[0].Run(keyed(t, "key"), "order 1")
		require.ErrorIs(t, err, duvo.ErrTooLate)
		require.Zero(t, d.Count("startRun"))
	})
}

// TestAJobIsOneOperations: a start that is answered with the Job of another operation is
// refused, and nothing is sent to that.
func TestAJobIsOneOperations(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, &confused{Client: d.Client()}, f)
		first, err := reg.All()[0].Run(keyed(t, "one"), "order 1")
		require.NoError(t, err)
		_, err = reg.All()[0].Run(keyed(t, "two"), "order 2")
		require.ErrorIs(t, err, outcome.ErrForeignJob)
		require.Len(t, d.Jobs(), 1)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))

		resumed, err := reg.Resume(t.Context(), first.JobID)
		require.NoError(t, err)
		require.Equal(t, first.Output, resumed.Output)
		_, err = reg.Resume(t.Context(), "another")
		require.ErrorIs(t, err, outcome.ErrUnknownJob)
	})
}

// confused answers every start with the first Job.
type confused struct {
	*duvo.Client
	mu    sync.Mutex
	first *duvo.Job
}

func (c *confused) StartJob(ctx context.Context, s duvo.StartJob) (duvo.Job, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first != nil {
		return *c.first, nil
	}
	job, err := c.Client.StartJob(ctx, s)
	if err == nil {
		c.first = &job
	}
	return job, err
}

// TestUnknown: a start of which nobody can tell what it did bars its Assignment from its
// scope, until a person tells.
func TestUnknown(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a quarter of an hour of the workflow's time; it runs without -short")
	}
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, d.Client(), f)
		f.tick = time.Second // it takes a quarter of an hour
		var mended atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op != "startRun" || mended.Load() {
				return nil
			}
			return &duvotest.Fault{Kind: duvotest.ResetAfter}
		})
		scoped := duvotool.WithOperationScope(t.Context(), "conversation")
		res, err := reg.All()[0].Run(scoped, "order 1")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		starts := d.Count("startRun")

		barred, err := reg.All()[0].Run(scoped, "order 2")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, barred.Outcome)
		require.Equal(t, res.Key, barred.Key)
		require.Equal(t, starts, d.Count("startRun"), "what is barred was started")

		jobs := reg.Jobs()
		require.Len(t, jobs, 1)
		require.True(t, jobs[0].Unknown)
		candidates, err := reg.Candidates(t.Context(), jobs[0])
		require.NoError(t, err)
		require.Len(t, candidates, 1)
		require.NoError(t, reg.Reconcile(t.Context(), jobs[0], candidates[0].ID, "kim@example.com"))
		require.NoError(t, reg.Wait(t.Context()))
		res, err = reg.All()[0].Run(scoped, "order 1")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)

		mended.Store(true)
		other, err := reg.All()[0].Run(scoped, "order 2")
		require.NoError(t, err)
		require.Equal(t, "refunded", other.Output)
		require.Len(t, d.Jobs(), 2)
	})
}

// TestOnRefuses: what is not there on Temporal is told when the registry is made.
func TestOnRefuses(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		for name, opts := range map[string][]duvotool.Option{
			"WithJournal":    {On(f, "queue"), duvotool.WithJournal(journal.NewMemory())},
			"WithWaitBudget": {On(f, "queue"), duvotool.WithWaitBudget(time.Minute)},
			"WithJobLimit":   {On(f, "queue"), duvotool.WithJobLimit(3)},
			"client":         {On(nil, "queue")},
			"task queue":     {On(f, "")},
			"WithHeartbeat":  {On(f, "queue", WithHeartbeat(time.Second))},
			"WithMaxEvents":  {On(f, "queue", WithMaxEvents(7))},
		} {
			_, err := duvotool.Discover(t.Context(), d.Client(), opts...)
			require.ErrorContains(t, err, name)
		}
	})
}

// TestFreshKeysLeaveNothing: an operation that started nothing, and whose key nobody has,
// ends with its call.
func TestFreshKeysLeaveNothing(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, d.Client(), f)
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 422})
		_, err := reg.All()[0].Run(t.Context(), "order 1")
		var bad *outcome.InputError
		require.ErrorAs(t, err, &bad, "%v", err)
		time.Sleep(time.Second)
		require.False(t, slices.ContainsFunc(f.all(), func(w *flow) bool { return !w.isDone() }))
	})
}

// TestTheWorkflowRefusesDecisions: whatever a client sends, a decision about another text
// than the one that waits, or about what was decided, does not get into the workflow.
func TestTheWorkflowRefusesDecisions(t *testing.T) {
	hosted(t, func(t *testing.T, d *duvotest.Duvo, f *fake) {
		reg := open(t, d.Client(), f, duvotool.WithPolicy(putOff))
		_, err := reg.All()[0].Run(keyed(t, "key"), "order 1")
		require.NoError(t, err)
		req := reg.Pending()[0]
		h := f.worker()
		id := h.workflowOf("", "key")
		seat, _, err := h.look(t.Context(), id)
		require.NoError(t, err)
		good, err := seat.Decided(t.Context(), req, hitl.Approve("kim@example.com", ""), "reply")
		require.NoError(t, err)
		refused := func(e lifecycle.Decide, kind string) {
			t.Helper()
			var app *temporal.ApplicationError
			err := h.update(t.Context(), id, decideUpdate, nil, e)
			require.ErrorAs(t, err, &app, "%v", err)
			require.Equal(t, kind, app.Type())
		}
		other, unknown, empty, unnamed := good, good, good, good
		other.Digest, unknown.Request, empty.Decision, unnamed.Reply = "another", "another", nil, ""
		refused(other, changedError)
		refused(unknown, notPendingError)
		refused(empty, notPendingError)
		refused(unnamed, notPendingError)
		require.Zero(t, d.Count("respondToHumanRequest"))

		require.NoError(t, h.update(t.Context(), id, decideUpdate, nil, good))
		good.Reply = "another reply"
		err = h.update(t.Context(), id, decideUpdate, nil, good)
		require.Error(t, err)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	})
}
