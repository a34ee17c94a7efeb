package duvotool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
)

// The process ends while a Job waits for a person; the next one takes it up.
func ExampleRegistry_Resume() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := duvotool.WithOperationScope(context.Background(), "conversation 7")
	kept := journal.NewMemory() // as bolt.Open keeps it on disk

	first := discovered(d, duvotool.WithJournal(kept), duvotool.WithPolicy(suspend))
	tool, _ := first.FindTool("Refunds")
	res, err := tool.Run(ctx, "Order 4711 arrived broken.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome)
	if err := first.Close(ctx); err != nil {
		fmt.Println(err)
		return
	}

	second := discovered(d, duvotool.WithJournal(kept), duvotool.WithPolicy(suspend), duvotool.WithoutResume())
	defer second.Close(ctx)
	fmt.Println("taken up by itself:", len(second.Resumed()))
	if _, err = second.Resume(ctx, res.JobID); err != nil { // pending, as before
		fmt.Println(err)
		return
	}
	for _, r := range second.Pending() {
		if err := second.Decide(ctx, r, hitl.Approve("kim@example.com", "fine")); err != nil {
			fmt.Println(err)
		}
	}
	if res, err = second.Resume(ctx, res.JobID); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome, res.Output, d.Count("startRun"))
	// Output:
	// pending
	// taken up by itself: 0
	// completed refunded 1
}

// decide at whichever they reach.
func ExampleWithLease() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := duvotool.WithOperationScope(context.Background(), "conversation 7")
	shared := journal.NewShared() // adapters/postgres in earnest
	var replicas [2]*duvotool.Registry
	for i := range replicas {
		replicas[i] = discovered(d, duvotool.WithJournal(shared), duvotool.WithLease(time.Minute), duvotool.WithPolicy(suspend))
		defer replicas[i].Close(ctx)
	}
	tool, _ := replicas[0].FindTool("Refunds")
	res, err := tool.Run(ctx, "Order 4711 arrived broken.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome)
	for len(replicas[1].Pending()) == 0 { // it hears of it in a moment
		time.Sleep(time.Millisecond)
	}
	r := replicas[1].Pending()[0]
	fmt.Println(r.Title, replicas[1].Decide(ctx, r, hitl.Approve("kim@example.com", "fine")))
	res, err = tool.Run(ctx, "Order 4711 arrived broken.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome, res.Output, d.Count("startRun"))
	// Output:
	// pending
	// Refund 120 EUR <nil>
	// completed refunded 1
}
