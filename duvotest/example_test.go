package duvotest_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"strings"
	"testing/fstest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

// A Job asks, is answered, and its record tells what became of it.
func Example() {
	refunds := duvotest.Assignment{
		ID: "a9000000-0000-4000-8000-000000000001", Name: "Refunds",
		Script: func(j *duvotest.Job) {
			if j.AskApproval("Refund 120 EUR", "The order arrived damaged.") {
				j.Complete("Refunded.")
			}
			j.Complete("Not refunded.")
		},
	}
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx, client := context.Background(), d.Client()

	job, err := client.StartJob(ctx, duvo.StartJob{AssignmentID: refunds.ID, Message: "Order 4711"})
	if err != nil {
		log.Fatal(err)
	}
	for range time.Tick(time.Millisecond) {
		if job, err = client.Job(ctx, job.ID); err != nil {
			log.Fatal(err)
		}
		if job.Pending != nil {
			break
		}
	}
	fmt.Println("Asked:", job.Pending.Title)
	no := false
	if err := client.Respond(ctx, duvo.Response{JobID: job.ID, RequestID: job.Pending.ID, Approved: &no}); err != nil {
		log.Fatal(err)
	}

	record, _ := d.Job(job.ID)
	fmt.Println("Approved:", *record.Requests[0].Response.Approved)
	fmt.Println("Through the API:", !record.Requests[0].Response.Elsewhere)
	// Output:
	// Asked: Refund 120 EUR
	// Approved: false
	// Through the API: true
}

// The connection breaks after a Job was started. The same key finds that Job
// instead of starting a second one.
func ExampleDuvo_Inject() {
	scenario, err := duvotest.LoadScenario(strings.NewReader(`{"assignments": [{"name": "Newsletter", "steps": [{"complete": "Sent."}]}]}`))
	if err != nil {
		log.Fatal(err)
	}
	d := duvotest.New(duvotest.WithScenario(scenario))
	defer d.Close()
	d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})

	client := d.Client(duvo.WithRetries(1, 0)) // which tries once
	start := duvo.StartJob{AssignmentID: scenario.Assignments()[0].ID, IdempotencyKey: "newsletter of May"}
	_, err = client.StartJob(context.Background(), start)
	fmt.Println("May have started one:", duvo.MayHaveTakenEffect(err))
	_, err = client.StartJob(context.Background(), start)
	fmt.Println("Second try:", err)
	fmt.Println("Jobs:", len(d.Jobs()))
	for _, r := range d.Requests() {
		fmt.Printf("%s: fault %q, effect %v, replay %v\n", r.Op, r.Fault, r.Effect, r.Replay)
	}
	// Output:
	// May have started one: true
	// Second try: <nil>
	// Jobs: 1
	// startRun: fault "reset after", effect true, replay false
	// startRun: fault "", effect false, replay true
}

// A Job reads the files that were staged for it.
func ExampleJob_Files() {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{
		ID: "a9000000-0000-4000-8000-000000000001", Name: "Count orders",
		Script: func(j *duvotest.Job) {
			orders := j.Files()["/workspace/orders.csv"]
			j.AskApproval("Report it?", fmt.Sprintf("%d orders", bytes.Count(orders, []byte("\n"))))
		},
	}))
	defer d.Close()
	ctx, client := context.Background(), d.Client()

	sandbox, err := client.StageFiles(ctx, fstest.MapFS{"orders.csv": {Data: []byte("4711\n4712\n")}}) // or os.DirFS, embed.FS
	if err != nil {
		log.Fatal(err)
	}
	job, err := client.StartJob(ctx, duvo.StartJob{AssignmentID: "a9000000-0000-4000-8000-000000000001", SandboxID: sandbox})
	if err != nil {
		log.Fatal(err)
	}
	for job.Pending == nil {
		if job, err = client.Job(ctx, job.ID); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(job.Pending.Description)
	fmt.Println(len(d.SandboxFiles(sandbox)), d.Count("uploadSandboxFile"), d.Count(duvotest.UploadToURL)) // the last: of large ones
	// Output:
	// 2 orders
	// 1 1 0
}
