package temporal

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

var update = flag.Bool("update", false, "write the histories of testdata anew; with a server alone, see server_test.go")

// histories are those of earlier releases: the files of one are never written again,
// new ones are added beside them.
const histories = "testdata/histories"

// replay replays a file with a workflow.
func replay(path string, w func(workflow.Context, input) (view, error)) error {
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: operationType})
	r.RegisterWorkflowWithOptions(runHolding, workflow.RegisterOptions{Name: holdingType})
	return r.ReplayWorkflowHistoryFromJSONFile(quiet(), path)
}

func quiet() log.Logger {
	return log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func historyFiles(t *testing.T) []string {
	files, err := filepath.Glob(filepath.Join(histories, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// TestReplay replays every stored history. None asks the lifecycle of today what came
// next, so that a later one replays them too.
func TestReplay(t *testing.T) {
	for _, path := range historyFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			require.NoError(t, replay(path, func(ctx workflow.Context, in input) (view, error) {
				return runWith(ctx, in, func(s lifecycle.State, e lifecycle.Event, _ lifecycle.Moment) (lifecycle.State, []lifecycle.Effect) {
					t.Errorf("the lifecycle was asked about %T", e)
					return s, nil
				})
			}))
		})
	}
}

// TestReplayNoticesAnotherHost is the test of the test: a host that carries an effect out
// in another way does not get through.
func TestReplayNoticesAnotherHost(t *testing.T) {
	for _, path := range historyFiles(t) {
		if filepath.Base(path) != "v1-holding.json" {
			require.Error(t, replay(path, func(ctx workflow.Context, in input) (view, error) {
				in.Setup.PostSeconds, in.Audit = 99, false
				_ = workflow.Sleep(ctx, time.Hour)
				return runOperation(ctx, in)
			}), path)
		}
	}
}

// TestServerHistories makes histories of each kind on a real server and replays them.
// With -update it stores them.
func TestServerHistories(t *testing.T) {
	s := startServer(t)
	c := s.client(t)
	d := duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
			if j.AskApproval("Refund 120 EUR", "It arrived damaged.") {
				j.Complete("refunded")
			}
			j.Complete("not refunded")
		}, Resume: func(j *duvotest.Job, message string) { j.Complete("about " + message) }},
		duvotest.Assignment{Name: "Often", Script: func(j *duvotest.Job) {
			for i := range 4 {
				j.AskApproval(fmt.Sprintf("Step %d", i), "")
			}
			j.Complete("all steps")
		}}))
	defer d.Close()
	open := func(p hitl.Policy) *duvotool.Registry {
		reg, err := duvotool.Discover(t.Context(), d.Client(), On(c, "queue", WithMaxEvents(100), WithWorker(worker.Options{Identity: "test"})), duvotool.WithPolicy(p),
			duvotool.WithPollInterval(100*time.Millisecond), duvotool.WithAudit(audit.Slog(slog.New(slog.DiscardHandler))))
		require.NoError(t, err)
		return reg
	}
	key := func(k string) context.Context { return duvotool.WithOperationKey(t.Context(), k) }
	reg := open(putOff)
	refunds := reg.All()[1]
	d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})
	_, err := refunds.Run(key("put-off"), "order 1")
	require.NoError(t, err)
	require.NoError(t, reg.Decide(t.Context(), pendingOf(t.Context(), t, reg), hitl.Decision{Verdict: hitl.Denied, By: "kim@example.com", Reason: "no"}))
	res, err := refunds.Run(key("put-off"), "order 1")
	require.NoError(t, err)
	require.Equal(t, "not refunded", res.Output)
	_, err = reg.Continue(key("follow-up"), res, "the weather")
	require.NoError(t, err)
	_, err = refunds.Run(key("stopped"), "order 2")
	require.NoError(t, err)
	_, err = reg.Stop(t.Context(), pendingOf(t.Context(), t, reg).JobID, "kim@example.com")
	require.NoError(t, err)
	require.NoError(t, reg.Close(context.Background()))

	asked := make(chan struct{}, 1)
	reg = open(hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
		if r.Input == "leave" {
			asked <- struct{}{}
			<-ctx.Done()
			return hitl.Decision{}, ctx.Err()
		}
		return hitl.Decision{Verdict: hitl.Approved, By: "kim@example.com"}, nil
	}))
	refunds = reg.All()[1]
	often := reg.All()[0]
	ctx, leave := context.WithCancel(key("left"))
	go func() { <-asked; leave() }()
	_, err = refunds.Run(ctx, "leave")
	require.ErrorIs(t, err, context.Canceled)
	res, err = often.Run(key("continued"), "go")
	require.NoError(t, err)
	require.Equal(t, "all steps", res.Output)
	require.Len(t, res.Decisions, 4)
	require.NoError(t, reg.Close(context.Background()))
	require.Equal(t, 5, d.Count("respondToHumanRequest"), "of put off and of continued; none of stopped and left")

	keep(t, c)
}

// keep replays the histories of a server, and stores them with -update.
func keep(t *testing.T, c client.Client) {
	all, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	require.NoError(t, err)
	names := map[string]int{}
	for _, w := range all.GetExecutions() {
		name := "holding"
		if w.GetType().GetName() == operationType {
			name = filepath.Base(w.GetExecution().GetWorkflowId()[len("duvotool:queue::"):])
		} else if w.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED || names[name] > 0 {
			continue
		}
		names[name]++
		h := &historypb.History{}
		for it := c.GetWorkflowHistory(t.Context(), w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
			e, err := it.Next()
			require.NoError(t, err)
			h.Events = append(h.Events, e)
		}
		text, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(h)
		require.NoError(t, err)
		file := fmt.Sprintf("v1-%s.json", name)
		if names[name] > 1 {
			file = fmt.Sprintf("v1-%s-%d.json", name, names[name])
		}
		dir := histories
		if !*update {
			dir = t.TempDir()
		}
		require.NoError(t, os.MkdirAll(dir, 0o755))
		path := filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(path, text, 0o644))
		require.NoError(t, replay(path, runOperation), file)
		t.Logf("%s: %d events, %d bytes, %s", file, len(h.Events), len(text), w.GetStatus())
	}
	require.Greater(t, names["continued"], 1, "it did not continue")
}
