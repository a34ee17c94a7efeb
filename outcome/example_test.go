package outcome_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// What a program does with each outcome.
func ExampleResult() {
	for _, res := range []*outcome.Result{
		{Outcome: outcome.OutcomeCompleted, JobID: "job 1", Output: "It arrives tomorrow."},
		{Outcome: outcome.OutcomeFailed, JobID: "job 2"},
		{Outcome: outcome.OutcomePending, JobID: "job 3"},
		{Outcome: outcome.OutcomeUnknown},
	} {
		switch res.Outcome {
		case outcome.OutcomeCompleted:
			fmt.Println(res.Output)
		case outcome.OutcomeFailed, outcome.OutcomeStopped, outcome.OutcomeInterrupted, outcome.OutcomeGone:
			fmt.Println("it has ended otherwise:", res.Err())
		case outcome.OutcomePending, outcome.OutcomeExpired:
			fmt.Println("call again with its key, or ask check_job:", res.JobID)
		case outcome.OutcomeUnknown:
			fmt.Println("a person must look: Registry.Candidates and Reconcile")
		}
	}
	var not *outcome.OutcomeError
	fmt.Println(errors.As((&outcome.Result{Outcome: outcome.OutcomeStopped}).Err(), &not), not.Outcome)
	// Output:
	// It arrives tomorrow.
	// it has ended otherwise: duvotool: collecting, Job job 2: the outcome is failed
	// call again with its key, or ask check_job: job 3
	// a person must look: Registry.Candidates and Reconcile
	// true stopped
}

// What a model reads of a Job's output is bounded.
func ExampleResult_Observation() {
	res := &outcome.Result{Outcome: outcome.OutcomeCompleted, Output: strings.Repeat("parcel ", 10_000)}
	whole := len(res.Observation()) // by default
	res.ShowAtMost(100)
	fmt.Println(whole > outcome.DefaultMaxShown, len(res.Observation()) < 1000, len(res.Output))
	// Output: true true 70000
}

// A call that ended without an outcome: how far it had come, and the key with which it
// is taken up again.
func ExampleJobError() {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
		j.AskApproval("Refund 120 EUR", "")
		j.Complete("refunded")
	}}))
	defer d.Close()
	ctx, leave := context.WithCancel(context.Background())
	first := true
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPollInterval(time.Millisecond),
		duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			if first { // the caller leaves while somebody is asked
				first = false
				leave()
				<-ctx.Done()
			}
			return hitl.Approve("kim@example.com", "fine"), ctx.Err()
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(context.Background())
	tool, _ := reg.FindTool("Refunds")
	_, err = tool.Run(ctx, "order 4711")
	var left *outcome.JobError
	if !errors.As(err, &left) {
		fmt.Println(err)
		return
	}
	switch left.Phase {
	case outcome.PhaseNew:
		fmt.Println("nothing was sent")
	case outcome.PhaseStarting:
		fmt.Println("the start was sent; its Job is not known")
	case outcome.PhaseWatching, outcome.PhaseDeciding, outcome.PhaseResponding, outcome.PhaseCollecting:
		fmt.Println("the Job is there:", left.JobID != "", left.Phase)
	}
	res, err := tool.Run(duvotool.WithOperationKey(context.Background(), left.Key), "order 4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome, res.Output, res.JobID == left.JobID)
	// Output:
	// the Job is there: true deciding
	// completed refunded true
}

// What an operator's page tells of errors.
func Example_errors() {
	for _, err := range []error{
		outcome.ErrClosed, outcome.ErrKeyReused, outcome.ErrNoScope, outcome.ErrForeignJob, outcome.ErrOtherJob,
		outcome.ErrUnknownJob, outcome.ErrUnknownKey, &outcome.DecidedError{Entry: hitl.DecisionEntry{Decision: hitl.Deny("lee@example.com", "no")}},
	} {
		var decided *outcome.DecidedError
		switch {
		case errors.As(err, &decided): // it is an outcome.ErrNotPending
			fmt.Println(decided.Entry.By, "was faster", errors.Is(err, outcome.ErrNotPending))
		case errors.Is(err, outcome.ErrClosed):
			fmt.Println("come again")
		case errors.Is(err, outcome.ErrUnknownJob), errors.Is(err, outcome.ErrUnknownKey):
			fmt.Println("there is no such work")
		case errors.Is(err, outcome.ErrKeyReused), errors.Is(err, outcome.ErrNoScope):
			fmt.Println("the program calls it wrongly")
		default: // ErrForeignJob, ErrOtherJob
			fmt.Println("Duvo has told of another Job; nobody was asked")
		}
	}
	// Output:
	// come again
	// the program calls it wrongly
	// the program calls it wrongly
	// Duvo has told of another Job; nobody was asked
	// Duvo has told of another Job; nobody was asked
	// there is no such work
	// there is no such work
	// lee@example.com was faster true
}

// What a model has asked for that cannot be.
func ExampleInputError() {
	err := error(&outcome.InputError{Tool: "order_status", Problem: "order: expected an integer of at least 1, got 0"})
	var input *outcome.InputError
	if errors.As(err, &input) {
		fmt.Println(input.Observation())
	}
	fmt.Println(&outcome.OutputError{JobID: "job 1", Problem: "there is no JSON in it"})
	// Output:
	// No Job was started: order: expected an integer of at least 1, got 0.
	// duvotool: the answer of Job job 1 is not what was asked for: there is no JSON in it
}

// A line for each step, and the same as JSON.
func ExampleEvent() {
	at := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	var log []outcome.EventKind
	tell := func(e outcome.Event) {
		switch e.Kind {
		case outcome.EventQueued, outcome.EventStarted, outcome.EventResumed, outcome.EventStatus, outcome.EventMessage:
			log = append(log, e.Kind) // it is on its way
		case outcome.EventRequested, outcome.EventSuspended:
			fmt.Println("waits for a person:", hitl.SafeLine(e.Request.Title, 40))
		case outcome.EventDecided, outcome.EventDelivered:
			fmt.Println(e.Decision.Verdict, e.Decision.Delivery)
		case outcome.EventFinished:
			fmt.Println("ended:", e.Result.Outcome)
		case outcome.EventParked:
			fmt.Println("given up:", e.Err)
		case outcome.EventRefreshed:
			fmt.Println(e.Changes)
		}
	}
	tell(outcome.Event{Kind: outcome.EventStarted, At: at, JobID: "job 1"})
	tell(outcome.Event{Kind: outcome.EventRequested, At: at, JobID: "job 1", Request: &hitl.Request{Title: "Refund 20 EUR"}})
	tell(outcome.Event{Kind: outcome.EventFinished, At: at, JobID: "job 1", Result: &outcome.Result{Outcome: outcome.OutcomeCompleted}})
	e := outcome.Event{Kind: outcome.EventStarted, At: at, JobID: "job 1"}.WithContext(context.Background())
	line, err := json.Marshal(e)
	fmt.Println(string(line), err, e.Context() != nil)
	// Output:
	// waits for a person: Refund 20 EUR
	// ended: completed
	// {"kind":"started","at":"2030-05-01T12:00:00Z","job_id":"job 1"} <nil> true
}

// What a refresh has found.
func ExampleChanges() {
	c := outcome.Changes{
		Added:   []duvo.Assignment{{Name: "Refunds"}},
		Changed: []outcome.Change{{Before: duvo.Assignment{Name: "Letters"}, After: duvo.Assignment{Name: "Newsletter"}, NameBefore: "letters", NameAfter: "newsletter"}},
	}
	fmt.Println(c.Empty())
	for _, ch := range c.Changed {
		fmt.Println(ch.NameBefore, "is called", ch.NameAfter)
	}
	// Output:
	// false
	// letters is called newsletter
}

// What an operator sees of what is in flight.
func ExampleJobInfo() {
	for _, j := range []outcome.JobInfo{ // of Registry.Jobs
		{Key: "order 4711", Phase: outcome.PhaseDeciding, Request: &hitl.Request{Title: "Refund 20 EUR"}},
		{Key: "order 4712", Unknown: true},
	} {
		switch {
		case j.Unknown:
			fmt.Println(j.Key, "may have started a Job: a person must look")
		case j.Request != nil:
			fmt.Println(j.Key, "waits for a person:", j.Request.Title)
		}
	}
	// Output:
	// order 4711 waits for a person: Refund 20 EUR
	// order 4712 may have started a Job: a person must look
}

// The cases in which a Job is stopped rather than left as it is, and the names of the
// tools that a registry adds.
func ExampleStopCause() {
	opt := duvotool.StopOn(outcome.Cancelled, outcome.TimedOut, outcome.PolicyFailed, outcome.QuestionDenied, outcome.NobodyToAsk)
	fmt.Println(opt != nil, outcome.CheckTool, outcome.ContinueTool)
	// Output: true check_job continue_job
}
