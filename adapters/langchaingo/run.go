package langchaingo

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	safely "github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

// RunCalls runs the tool calls of one turn and returns their responses, in the
// order of the calls. Those of duvotool's tools run at the same time, as far
// as the registry's limits go; others, that say nothing about concurrent use,
// one after the other.
//
// A call that fails, that names no tool or that has arguments which make no
// sense is told in its response and takes nothing from the others. The error is
// for the end of the context or the registry only, and joins those of all calls
// that were cut off: each [*outcome.JobError] in it has the operation key with
// which its Job is taken up again. The responses are complete even so.
//
// Give it the same tools that [LLMTools] was given for this turn: a name that the
// model was shown may be another's after a refresh.
//
// The operations are those of ctx: give it a scope with
// [duvotool.WithOperationScope], so that a model that repeats itself starts no
// second Job.
func RunCalls(ctx context.Context, ts []tools.Tool, calls []llms.ToolCall) ([]llms.ToolCallResponse, error) {
	offered := make([]duvotool.Callable, len(ts))
	for i, t := range ts {
		offered[i] = callable{t}
	}
	asked := make([]duvotool.ModelCall, len(calls))
	for i, c := range calls {
		if asked[i].ID = c.ID; c.FunctionCall != nil {
			asked[i].Name, asked[i].Arguments = c.FunctionCall.Name, json.RawMessage(c.FunctionCall.Arguments)
		}
	}
	replies, err := duvotool.RunCalls(ctx, offered, asked)
	out := make([]llms.ToolCallResponse, len(calls))
	for i, r := range replies {
		out[i] = llms.ToolCallResponse{ToolCallID: r.ID, Name: r.Name, Content: r.Text}
		switch {
		case calls[i].FunctionCall == nil:
			out[i].Content = "The call names no tool."
		case r.Err != nil && endsRun(ctx, r.Err):
			out[i].Content = "The call was given up: the program is stopping. What it may have started goes on."
		}
	}
	return out, err
}

// A callable is any langchaingo tool as the root's runner takes it.
type callable struct{ tools.Tool }

func (c callable) Name() string { return functionName(c.Tool.Name()) }

func (c callable) FunctionDescription() string { return describe(c.Tool) }

func (c callable) SchemaFor(d duvotool.Dialect) (json.RawMessage, error) {
	schema, err := parameters(offer.Dialect(d), c.Tool)
	if err != nil {
		return nil, err
	}
	return json.Marshal(schema)
}

// OneAtATime is for tools that say nothing about concurrent use.
func (c callable) OneAtATime() bool { return !concurrent(c.Tool) }

func (c callable) Invoke(ctx context.Context, args json.RawMessage) (duvotool.Reply, error) {
	if own, ok := c.Tool.(duvotool.Callable); ok {
		return own.Invoke(ctx, args)
	}
	text, err := invoke(ctx, c.Tool, string(args))
	return duvotool.Reply{Text: text, IsError: err != nil}, err
}

// An argumentsTool is offered with its schema, and may be called at once with
// others.
type argumentsTool interface {
	tools.Tool
	Schema() json.RawMessage
	CallArguments(ctx context.Context, arguments json.RawMessage) (string, error)
}

func concurrent(t tools.Tool) bool {
	_, ok := t.(argumentsTool)
	return ok
}

// invoke calls a tool with the arguments of a model's call. The error is nil
// unless the run is over.
func invoke(ctx context.Context, t tools.Tool, args string) (string, error) {
	return guarded(func() (string, error) { return call(ctx, t, args) })
}

// guarded calls what may panic or end its goroutine: that is what the call comes
// to, and takes nothing from the others of its turn.
func guarded(f func() (string, error)) (out string, err error) {
	if err := safely.Run(errBroke, func() error { out, err = f(); return nil }); err != nil {
		return "The tool failed: it panicked or ended its goroutine. What it had begun may have been done.", nil
	}
	return out, err
}

var errBroke = errors.New("langchaingo: a tool panicked")

func call(ctx context.Context, t tools.Tool, args string) (out string, err error) {
	if strings.TrimSpace(args) == "" {
		args = "{}"
	}
	if a, ok := t.(argumentsTool); ok {
		out, err = a.CallArguments(ctx, json.RawMessage(args))
		return observe(ctx, out, err)
	}
	input, problem := textInput(args)
	if problem != "" {
		return problem, nil
	}
	out, err = t.Call(ctx, input)
	return observe(ctx, out, err)
}

// textInput finds the one text that a tool without a schema takes.
func textInput(args string) (input, problem string) {
	const want = `The tool was not called: the arguments must be a JSON object with the text field "input".`
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(args), &fields); err != nil || fields == nil {
		return "", want
	}
	value, ok := fields["input"]
	if !ok {
		return "", want
	}
	if json.Unmarshal(value, &input) != nil {
		input = string(value) // an object or a number: as it stands
	}
	return input, ""
}

// observe tells an error as the model can use it. It passes on the error that
// ends the run.
func observe(ctx context.Context, out string, err error) (string, error) {
	switch {
	case err == nil:
		return out, nil
	case endsRun(ctx, err):
		return "", err
	}
	var job *outcome.JobError
	if !errors.As(err, &job) { // of a tool of the program's own
		return "The tool failed: " + hitl.SafeLine(err.Error(), 300), nil
	}
	return duvotool.ErrorText(err), nil
}

// endsRun reports whether a call ended with its run, or with the registry.
func endsRun(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, outcome.ErrClosed)
}
