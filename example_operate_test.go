package duvotool_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/callbacks"
)

// suspend puts every decision off, for people at a desk.
var suspend = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })

// What a service that runs for months sets for the whole registry.
func ExampleDiscover() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "service")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	records, err := audit.OpenFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer records.Close()
	key := make([]byte, 32) // in earnest: from where your secrets are
	_, _ = rand.Read(key)

	reg, err := duvotool.Discover(ctx, d.Client(),
		duvotool.DiscoverLater(),                  // also while Duvo is down
		duvotool.WithJournal(journal.NewMemory()), // bolt.Open outlives the process
		duvotool.WithJournalKey(key),              // nobody reads it on disk
		duvotool.WithRetention(30*24*time.Hour),   // a key that comes again within is the same work
		duvotool.WithAudit(records),               // who decided what
		duvotool.WithAuditTexts(),                 // and about which words
		duvotool.WithPolicy(suspend),              // people decide, at a desk
		duvotool.WithJobLimit(20),                 // in flight at once
		duvotool.WithRefreshEvery(10*time.Minute), // follow what changes
		duvotool.DrainOnClose(10*time.Second),     // what was started may end
		duvotool.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
		duvotool.WithPollInterval(time.Millisecond)) // on the emulator only
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	fmt.Println(reg.Discovered(), len(reg.Tools()), len(reg.Resumed()))
	// Output: true 3 0
}

// What money needs, for one Assignment.
func ExampleConfigure() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	reg := discovered(d, duvotool.WithPolicy(hitl.LeaveToDuvo()),
		duvotool.Configure(duvotool.ByID(refundsID),
			duvotool.WithPolicy(duvotool.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
				return hitl.Approve("kim@example.com", "fine"), nil
			})),
			duvotool.OncePerScope(),                 // one refund a conversation
			duvotool.TellReason(),                   // the Job reads why it was denied
			duvotool.WithMarkedStarts(),             // its Job is found whatever is lost
			duvotool.WithAssignmentLimit(2),         // in flight at once
			duvotool.WithJobTimeout(20*time.Minute), // without the time of people
			duvotool.StopOn(outcome.TimedOut, outcome.Cancelled, outcome.PolicyFailed, outcome.QuestionDenied, outcome.NobodyToAsk),
			duvotool.WithMaxInput(4<<10),       // bytes
			duvotool.WithMaxObservation(2000))) // characters that the model reads
	defer reg.Close(context.Background())
	tool, _ := reg.FindTool("Refunds")
	_, err := tool.Run(context.Background(), "Order 4711 arrived broken.")
	fmt.Println(errors.Is(err, outcome.ErrNoScope))
	ctx := duvotool.WithOperationScope(context.Background(), "conversation 7")
	for _, words := range []string{"Order 4711 arrived broken.", "Please refund order 4711, it is broken!"} {
		res, err := tool.Run(ctx, words)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(res.Outcome, res.Output, res.Repeated)
	}
	fmt.Println("Jobs:", d.Count("startRun"))
	// Output:
	// true
	// completed refunded false
	// completed refunded true
	// Jobs: 1
}

// Every step of every Job is told, in order.
func ExampleWithObserver() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.WithLiveMessages(), duvotool.WithObserver(func(e outcome.Event) {
		if e.Kind != outcome.EventStatus && e.Kind != outcome.EventMessage {
			fmt.Println(e.Kind)
		}
	}))
	tool, _ := reg.FindTool("Refunds")
	if _, err := tool.Run(ctx, "Order 4711 arrived broken."); err != nil {
		fmt.Println(err)
	}
	if err := reg.Close(ctx); err != nil { // returns when the observer was told all
		fmt.Println(err)
	}
	// Output:
	// started
	// requested
	// decided
	// delivered
	// finished
}

// A printer is langchaingo's handler, as far as tools go.
type printer struct{ callbacks.SimpleHandler }

func (printer) HandleToolStart(_ context.Context, input string) { fmt.Println("starts with", input) }
func (printer) HandleToolEnd(_ context.Context, output string)  { fmt.Println("ended:", output != "") }

// Executors pass no handler to tools, so the registry is given it.
func ExampleWithCallbacks() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.WithCallbacks(printer{}))
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Order status")
	if _, err := tool.Call(ctx, "Where is order 4711?"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// starts with Where is order 4711?
	// ended: true
}

// A model is not held up by a long Job, and asks later how it ended.
func ExampleWithWaitBudget() {
	ready := make(chan struct{})
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Report", Script: func(j *duvotest.Job) {
		<-ready
		j.Complete("42 orders.")
	}}))
	defer d.Close()
	ctx := duvotool.WithOperationScope(context.Background(), "conversation 7")
	reg := discovered(d, duvotool.WithWaitBudget(time.Millisecond))
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Report")
	res, err := tool.Run(ctx, "All orders of May")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome, res.Handle != "")
	close(ready)
	if err := reg.Wait(ctx); err != nil {
		fmt.Println(err)
		return
	}
	check := reg.CheckTool() // among reg.Tools, too
	text, err := check.Call(ctx, `{"handle": "`+res.Handle+`"}`)
	fmt.Println(check.Name(), len(text) > 0, err)
	// Output:
	// pending true
	// check_job true <nil>
}

// A Job that has ended is gone on with.
func ExampleRegistry_Continue() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.WithFollowUps())
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Complaints")
	res, err := tool.Run(ctx, "Order 4711 arrived broken.")
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := reg.Continue(ctx, res, "Send the receipt, too.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(next.JobID == res.JobID, next.Input, "+", next.FollowUp)
	fmt.Println(reg.ContinueTool().Name()) // with which a model does so
	// Output:
	// true Order 4711 arrived broken. + Send the receipt, too.
	// continue_job
}

// Files come from the program, never from the model.
func ExampleWithFiles() {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Check invoices", Script: func(j *duvotest.Job) {
		j.Complete(string(j.Files()["/workspace/may.csv"]))
	}}))
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d)
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Check invoices")
	res, err := tool.Run(duvotool.WithFiles(ctx, fstest.MapFS{"may.csv": {Data: []byte("4711;120")}}), "Check the invoices of May.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Output)
	// Output: 4711;120
}

// For whom a call is made comes from the program, and reaches the policy.
func ExampleWithCaller() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	reg := discovered(d, duvotool.WithPolicy(hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
		fmt.Println("asked for by", r.Caller.User, "of", r.Caller.Tenant)
		return hitl.Deny("kim@example.com", "not today"), nil
	})))
	ctx := duvotool.WithCaller(context.Background(), hitl.Caller{Tenant: "shop 3", User: "lee@example.com"})
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Refunds")
	if _, err := tool.Run(ctx, "Order 4711 arrived broken."); err != nil {
		fmt.Println(err)
	}
	// Output: asked for by lee@example.com of shop 3
}

// An operator sees what is in flight, and stops one.
func ExampleRegistry_Stop() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.WithPolicy(suspend))
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Refunds")
	res, err := tool.Run(ctx, "Order 4711 arrived broken.")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, j := range reg.Jobs() {
		fmt.Println(j.Assignment.Name, j.Phase, j.Request.Title)
	}
	req := reg.Pending()[0]
	fmt.Println("may be approved:", reg.CheckDecision(ctx, req, hitl.Approve("kim@example.com", "")) == nil)
	res, err = reg.Stop(ctx, res.JobID, "kim@example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome)
	// Output:
	// Refunds deciding Refund 120 EUR
	// may be approved: true
	// stopped
}

// A webhook wakes the reading of a Job.
func ExampleWithWebhook() {
	const secret = "a secret of the two of them"
	mux := http.NewServeMux()
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Report", Script: func(j *duvotest.Job) { j.Complete("42 orders.") }}),
		duvotest.WithWebhookSecret(secret), duvotest.WithWebhookClient(duvotest.InMemory(mux)))
	defer d.Close()
	ctx := context.Background()
	reg, err := duvotool.Discover(ctx, d.Client(),
		duvotool.WithPollInterval(time.Hour), // by itself it would be read late
		duvotool.WithWebhook("http://127.0.0.1/duvo", secret),
		duvotool.WithWebhookSignature("X-Signature")) // a plain form beside Standard Webhooks
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	mux.Handle("POST /duvo", reg.Webhook())
	tool, _ := reg.FindTool("Report")
	res, err := tool.Run(ctx, "All orders of May")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Output)
	// Output: 42 orders.
}

// A server of which more is known is dealt with faster.
func ExampleTrustKeys() {
	d := shop()
	defer d.Close()
	reg := discovered(d,
		duvotool.TrustKeys(),                     // it honours keys, and checks responses
		duvotool.TrustLists(),                    // and its lists are right
		duvotool.WithPostTimeout(20*time.Second), // one that answers fast
		duvotool.WithSettleTime(10*time.Second))  // and has no late effects
	defer reg.Close(context.Background())
	fmt.Println(len(reg.Tools()))
	// Output: 3
}

// What a backend can do beside the few methods that each must have.
func ExampleBackend() {
	d := shop()
	defer d.Close()
	var b duvotool.Backend = d.Client()
	_, stops := b.(duvotool.JobStopper)
	_, lists := b.(duvotool.JobLister)
	_, tells := b.(duvotool.JobMessenger)
	_, folders := b.(duvotool.FolderLister)
	_, files := b.(duvotool.FileStager)
	_, marks := b.(duvotool.SandboxMaker)
	fmt.Println(stops, lists, tells, folders, files, marks)
	var _ duvotool.Backend = (*duvo.Client)(nil)
	// Output: true true true true true true
}

// Two replicas of a service share a database: each operation has one owner, and people
