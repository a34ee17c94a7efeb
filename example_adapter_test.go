package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
)

// answer stands for what a model's API returns.
type answer struct{ calls []duvotool.ModelCall }

// One turn of an agent's loop, for any framework: offer the tools, run what the model
// asks for, and hand back what it is to read.
func ExampleRunCalls() {
	d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) { j.Complete("Refunded.") }}))
	defer d.Close()
	ctx := context.Background()
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPollInterval(time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	ask := func([]json.RawMessage) answer {
		return answer{[]duvotool.ModelCall{
			{ID: "call_1", Name: "refunds", Arguments: json.RawMessage(`{"input":"order 4711"}`)},
			{ID: "call_2", Name: "refnds", Arguments: json.RawMessage(`{"input":"order 12"}`)},
		}}
	}

	ctx = duvotool.WithOperationScope(ctx, "conversation-7") // a repeated call is the same Job
	shown := reg.Callables()                                 // once a turn
	var schemas []json.RawMessage
	for _, t := range shown {
		schema, err := t.SchemaFor(duvotool.OpenAI)
		if err != nil {
			fmt.Println(err)
			return
		}
		schemas = append(schemas, schema)
	}
	replies, err := duvotool.RunCalls(ctx, shown, ask(schemas).calls)
	if err != nil { // the run is over; each Job that goes on is named in it
		fmt.Println(err)
		return
	}
	for _, r := range replies {
		fmt.Println(r.ID, r.IsError, r.Result != nil && r.Result.Output == "Refunded.")
	}
	fmt.Println(replies[1].Text)
	// Output:
	// call_1 false true
	// call_2 true false
	// There is no tool "refnds" among those that you were offered. Did you mean refunds? The tools are: refunds.
}
