package duvotool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// shop is an emulated team with a few Assignments.
func shop() *duvotest.Duvo {
	says := func(words string) duvotest.Script { return func(j *duvotest.Job) { j.Complete(words) } }
	return duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{Name: "Order status", Folder: "Support", Description: "Looks up where a parcel is.", Script: says("It arrives tomorrow.")},
		duvotest.Assignment{Name: "Complaints", Folder: "Support/Complaints", Description: "Settles a complaint about a broken order.", Script: says("Settled.")},
		duvotest.Assignment{Name: "Newsletter", Folder: "Marketing", Description: "Writes to all customers.", Script: says("Sent.")},
	))
}

// discovered makes a registry that reads Jobs at the emulator's pace.
func discovered(d *duvotest.Duvo, opts ...duvotool.Option) *duvotool.Registry {
	reg, err := duvotool.Discover(context.Background(), d.Client(), append(opts, duvotool.WithPollInterval(time.Millisecond))...)
	if err != nil {
		panic(err)
	}
	return reg
}

// An agent is given the tools, and calls one.
func Example() {
	d := shop() // in place of duvo.FromEnv and the real Duvo
	defer d.Close()
	ctx := context.Background()
	reg, err := duvotool.Discover(ctx, d.Client(), // every request is denied: the default
		duvotool.WithPollInterval(time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	var offered []tools.Tool = reg.Tools()
	for _, tool := range offered {
		fmt.Println(tool.Name())
	}
	text, err := offered[2].Call(ctx, "Where is order 4711?") // as a model would
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(text) > 0)

	tool, err := reg.Tool("Order status") // as your program would
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := tool.Run(ctx, "Where is order 4711?")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Outcome+":", res.Output)
	fmt.Println(tool.Assignment().Name+":", tool.Description())
	// Output:
	// complaints
	// newsletter
	// order_status
	// true
	// completed: It arrives tomorrow.
	// Order status: Looks up where a parcel is.
}

// Offer what the agent needs, under names that do not collide with those of its own
// tools.
func ExampleKeep() {
	d := shop()
	defer d.Close()
	reg := discovered(d,
		duvotool.Keep(duvotool.InFolder("Support"), duvotool.ByName("Newsletter"), duvotool.ByPattern("Winter*").Optional()),
		duvotool.ReserveNames("order_status"), // a tool of the program's own
		duvotool.ShortNames(24))
	defer reg.Close(context.Background())
	for _, t := range reg.All() {
		fmt.Printf("%.12s in %s\n", t.Name(), t.Folder())
	}
	fmt.Println(duvotool.ByName("Newsletter"))
	// Output:
	// complaints in Support/Complaints
	// newsletter in Marketing
	// order_status in Support
	// name "Newsletter"
}

// What is new or reads differently is offered once somebody has looked at it.
func ExampleWithAcceptance() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.WithRefreshEvery(time.Hour), duvotool.WithAcceptance(func(c outcome.Change) bool {
		return c.After.Name != "Refunds" // look it up in a list that a person keeps
	}))
	defer reg.Close(ctx)
	if err := d.AddAssignment(duvotest.Assignment{Name: "Refunds"}); err != nil {
		fmt.Println(err)
		return
	}
	changes, err := reg.Refresh(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range changes.Held {
		fmt.Println("held back:", a.Name)
	}
	_, err = reg.Tool("Refunds")
	fmt.Println(errors.Is(err, hitl.ErrNoTool), err)
	// Output:
	// held back: Refunds
	// true duvotool: there is no tool with this name, ID or name of an Assignment: "Refunds"; there are "complaints", "newsletter", "order_status"
}

// In a large catalog a model looks for what it needs.
func ExampleRegistry_Search() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d)
	defer reg.Close(ctx)
	var best []duvotool.Match = reg.Search("where is my package", 1)
	for _, m := range best {
		fmt.Println(m.Name())
	}
	// A model does the same by two tools, or has one tool for the whole catalog.
	for _, t := range []tools.Tool{reg.SearchTool(), reg.RunTool(), reg.RouterTool()} {
		fmt.Println(t.Name())
	}
	text, err := reg.RouterTool().Call(ctx, `{"assignment": "order_status", "input": "Where is order 4711?"}`)
	fmt.Println(text != "", err)
	// Output:
	// order_status
	// duvo_search
	// duvo_run
	// duvo
	// true <nil>
}

// A tool's arguments are a schema of your own, in the words of each provider.
func ExampleInputSchema() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.OfferTo(duvotool.OpenAI, duvotool.OpenAIStrict, duvotool.Anthropic, duvotool.Gemini, duvotool.MCP),
		duvotool.Configure(duvotool.ByName("Order status"),
			duvotool.InputSchema(json.RawMessage(`{"type": "object", "properties": {"order": {"type": "integer", "minimum": 1}}, "required": ["order"]}`))))
	defer reg.Close(ctx)
	tool, err := reg.Tool("Order status")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, dialect := range []duvotool.Dialect{duvotool.Neutral, duvotool.OpenAIStrict} {
		schema, err := tool.SchemaFor(dialect)
		fmt.Println(string(schema), err)
	}
	fmt.Println(len(tool.Schema()) > 0, tool.FunctionDescription())
	res, err := tool.RunArguments(ctx, json.RawMessage(`{"order": 4711}`))
	fmt.Println(res.Input, err)
	_, err = tool.RunArguments(ctx, json.RawMessage(`{"order": 0}`))
	fmt.Println(err)
	// Output:
	// {"properties":{"order":{"minimum":1,"type":"integer"}},"required":["order"],"type":"object"} <nil>
	// {"additionalProperties":false,"properties":{"order":{"minimum":1,"type":"integer"}},"required":["order"],"type":"object"} <nil>
	// true Looks up where a parcel is.
	// {"order":4711} <nil>
	// duvotool: order_status: the arguments cannot be used: order: expected an integer of at least 1, got 0
}

// An OrderNumber is what the next tool takes.
type OrderNumber struct {
	Order int64 `json:"order" jsonschema:"minimum=1"`
}

// What the Job is told is a sentence, and what makes no sense starts none.
func ExampleRenderInput() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.Configure(duvotool.ByName("Order status"), duvotool.RenderInput(func(in OrderNumber) (string, error) {
		if in.Order < 1000 {
			return "", fmt.Errorf("orders before 1000 were never shipped")
		}
		return fmt.Sprintf("Where is order %d?", in.Order), nil
	})))
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Order status")
	res, err := tool.RunArguments(ctx, json.RawMessage(`{"order": 4711}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Input)
	reply, err := tool.Invoke(ctx, json.RawMessage(`{"order": 7}`))
	fmt.Println(reply.IsError, err, reply.Text)
	// Output:
	// Where is order 4711?
	// true <nil> No Job was started: the arguments cannot be used: orders before 1000 were never shipped.
}

// Every tool of a registry can be called from any framework.
func ExampleCallable() {
	d := shop()
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d)
	defer reg.Close(ctx)
	search, ok := duvotool.AsCallable(reg.SearchTool())
	fmt.Println(search.Name(), ok)
	for _, c := range reg.Callables() {
		if c.Name() != "order_status" {
			continue
		}
		reply, err := c.Invoke(ctx, json.RawMessage(`{"input": "Where is order 4711?"}`))
		fmt.Println(reply.Result.Output, reply.IsError, err)
	}
	fmt.Println("calls in one turn:", duvotool.MaxTurnCalls)
	// Output:
	// duvo_search true
	// It arrives tomorrow. false <nil>
	// calls in one turn: 128
}

// A model is never shown the text of an error: that is the program's.
func ExampleErrorText() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := context.Background()
	reg := discovered(d, duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Decision{}, fmt.Errorf("the database at 10.0.0.7 is down")
	})))
	defer reg.Close(ctx)
	tool, _ := reg.FindTool("Refunds")
	_, err := tool.Run(ctx, "Order 4711 arrived broken.")
	text := duvotool.ErrorText(err)
	fmt.Println(err != nil, len(text) > 0)
	// Output: true true
}

// A policy in the short names of this package; package hitl has all of them.
func ExamplePolicy() {
	var small duvotool.Policy = duvotool.AutoApprove(duvotool.For(refundsID).TitleMatches(`Refund \d{1,2} EUR`))
	ask := duvotool.Forward(func(_ context.Context, r duvotool.Request) (duvotool.Decision, error) {
		if r.Kind == duvo.Question {
			return duvotool.Deny("kim@example.com", "ask me by phone"), nil
		}
		return duvotool.Approve("kim@example.com", "it was broken"), nil
	})
	askToRefund(hitl.FirstOf(small, ask, duvotool.AlwaysDeny()))
	// Output: completed: refunded (approved by kim@example.com: it was broken)
}
