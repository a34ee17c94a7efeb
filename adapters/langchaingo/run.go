package langchaingo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	safely "github.com/duvotool/duvotool/internal/guard"
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
	byName := map[string]tools.Tool{}
	for _, t := range ts {
		byName[strings.ToUpper(functionName(t.Name()))] = t
	}
	out := make([]llms.ToolCallResponse, len(calls))
	ends := make([]error, len(calls))
	var running sync.WaitGroup
	var inTurn []func()
	for i, c := range calls {
		out[i].ToolCallID = c.ID
		if c.FunctionCall == nil {
			out[i].Content = "The call names no tool."
			continue
		}
		out[i].Name = c.FunctionCall.Name
		t := byName[strings.ToUpper(c.FunctionCall.Name)]
		if t == nil {
			out[i].Content = fmt.Sprintf("There is no tool %q.", hitl.SafeLine(c.FunctionCall.Name, 100))
			continue
		}
		run := func() { out[i].Content, ends[i] = invoke(ctx, t, c.FunctionCall.Arguments) }
		if !concurrent(t) {
			inTurn = append(inTurn, run)
			continue
		}
		running.Go(run)
	}
	for _, run := range inTurn {
		run()
	}
	running.Wait()
	for i, err := range ends {
		if err != nil {
			out[i].Content = "The call was given up: the program is stopping. What it may have started goes on."
		}
	}
	return out, errors.Join(ends...)
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
	case ctx.Err() != nil, errors.Is(err, outcome.ErrClosed):
		return "", err
	}
	var job *outcome.JobError
	if !errors.As(err, &job) { // of a tool of the program's own
		return "The tool failed: " + hitl.SafeLine(err.Error(), 300), nil
	}
	return duvotool.ErrorText(err), nil
}
