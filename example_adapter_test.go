package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
)

// What a provider's API takes and gives, whatever its types are called in a SDK.
type (
	function struct {
		name, description string
		parameters        json.RawMessage
	}
	toolMessage struct{ callID, text string }
	answer      struct {
		text  string
		calls []duvotool.ModelCall
	}
)

// A scriptedModel stands for a provider's client.
type scriptedModel struct{ turn int }

func (m *scriptedModel) ask(functions []function, told []toolMessage) answer {
	if m.turn++; m.turn > 1 {
		return answer{text: "Done: " + functions[0].name}
	}
	return answer{calls: []duvotool.ModelCall{
		{ID: "call_1", Name: "refunds", Arguments: json.RawMessage(`{"input":"order 4711"}`)},
		{ID: "call_2", Name: "refnds", Arguments: json.RawMessage(`{"input":"order 12"}`)},
	}}
}

// An agent's loop, for any framework or SDK: offer the tools, run what the model asks for,
// hand back what it is to read, until it asks for nothing more.
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
	model, conversationID := &scriptedModel{}, "conversation-7"

	ctx = duvotool.WithOperationScope(ctx, conversationID) // a repeated call is the same Job
	var told []toolMessage
	for {
		shown := reg.Callables() // once a turn
		var functions []function
		for _, t := range shown {
			schema, err := t.SchemaFor(duvotool.OpenAI) // of the arguments
			if err != nil {
				fmt.Println(err)
				return
			}
			functions = append(functions, function{t.Name(), t.FunctionDescription(), schema})
		}
		said := model.ask(functions, told)
		if len(said.calls) == 0 {
			fmt.Println(said.text)
			return
		}
		replies, err := duvotool.RunCalls(ctx, shown, said.calls) // at the same time
		if err != nil {                                           // the context or the registry has ended
			fmt.Println(err) // each Job that goes on is named in it
			return
		}
		for _, r := range replies { // r.Err is for your log, r.Result for your program
			told = append(told, toolMessage{r.ID, r.Text})
			fmt.Println(r.ID, r.IsError, r.Result != nil && r.Result.Output == "Refunded.")
		}
	}
	// Output:
	// call_1 false true
	// call_2 true false
	// Done: refunds
}

// A tool that the model was not offered is told to it, with the one that it may have meant.
func ExampleRunCalls_unknownTool() {
	d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: "Refunds"}))
	defer d.Close()
	reg, err := duvotool.Discover(context.Background(), d.Client())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(context.Background())
	replies, err := duvotool.RunCalls(context.Background(), reg.Callables(), []duvotool.ModelCall{{ID: "call_2", Name: "refnds"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(replies[0].Text)
	// Output:
	// There is no tool "refnds" among those that you were offered. Did you mean refunds? The tools are: refunds.
}
