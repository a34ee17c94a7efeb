package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
)

// A Refund is what the tool takes.
type Refund struct {
	Order  int64  `json:"order" jsonschema:"minimum=1,description=The number on the invoice"`
	Reason string `json:"reason" jsonschema:"enum=broken,enum=late"`
	Note   string `json:"note,omitempty"`
}

// A Receipt is what its Job answers.
type Receipt struct {
	Paid json.Number `json:"paid" jsonschema:"minimum=0"`
}

// A model is offered the schema of a Go type, and a program calls the same tool
// with Go values.
func ExampleAs() {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds an order.",
		Script: func(j *duvotest.Job) {
			fmt.Println("The Job is told", j.Input())
			j.Complete("Done: {\"paid\": 120.00}")
		}}))
	defer d.Close()
	ctx := context.Background()

	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPollInterval(time.Millisecond),
		duvotool.Configure(duvotool.ByID(refundsID),
			duvotool.InputOf[Refund](),   // what a model is offered, and held to
			duvotool.OutputOf[Receipt](), // what the Job's answer must decode into
			duvotool.CorrectOnce()))      // and if it does not, ask it once
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	refunds, err := reg.Tool("Refunds")
	if err != nil {
		fmt.Println(err)
		return
	}

	// A model's tool call: its mistake costs no Job.
	text, err := refunds.CallArguments(ctx, json.RawMessage(`{"order": "4711", "reason": "broken"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(text)

	// A program's call.
	typed, err := duvotool.As[Refund, Receipt](refunds)
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, res, err := typed.Run(ctx, Refund{Order: 4711, Reason: "broken"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(receipt.Paid, res.Outcome)
	// Output:
	// No Job was started: the arguments cannot be used: order: expected an integer of at least 1, got the text "4711".
	// The Job is told {"order":4711,"reason":"broken"}
	// 120 completed
}
