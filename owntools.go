package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/duvotool/duvotool/internal/directory"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/internal/toolname"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// An ownTool is a tool of the registry's own, beside those of Assignments.
type ownTool struct {
	name        string
	description func() string // for models that read no schema
	function    func() string // beside the schema
	schema      func() json.RawMessage
	invoke      func(ctx context.Context, arguments json.RawMessage) (Reply, error)
	// call takes what models write that know no arguments.
	call func(ctx context.Context, input string) (Reply, error)
}

// Name is the tool's, as the model writes it.
func (o *ownTool) Name() string { return o.name }

// Description is what a model reads that is shown no schema.
func (o *ownTool) Description() string { return o.description() }

// FunctionDescription is Description for agents that offer the Schema, within what
// providers take.
func (o *ownTool) FunctionDescription() string { return offer.Cut(o.function(), offer.MaxDescription) }

// Schema is the JSON Schema of the arguments.
func (o *ownTool) Schema() json.RawMessage { return o.schema() }

// SchemaFor is Schema in a dialect.
func (o *ownTool) SchemaFor(d Dialect) (json.RawMessage, error) {
	return typed.SchemaIn(offer.Dialect(d), o.schema())
}

// Call takes one text, as models write it who know no arguments.
func (o *ownTool) Call(ctx context.Context, input string) (string, error) {
	reply, err := o.call(ctx, input)
	return reply.text(err)
}

// CallArguments is Call with the arguments of Schema.
func (o *ownTool) CallArguments(ctx context.Context, arguments json.RawMessage) (string, error) {
	reply, err := o.invoke(ctx, arguments)
	return reply.text(err)
}

// Invoke takes the arguments of Schema.
func (o *ownTool) Invoke(ctx context.Context, arguments json.RawMessage) (Reply, error) {
	return o.invoke(ctx, arguments)
}

// String names the tool.
func (o *ownTool) String() string { return "duvotool.Tool(" + o.name + ")" }

func always[T any](v T) func() T { return func() T { return v } }

// ownCall frames a call of one of the registry's own tools: it is told to the
// callbacks, and refused once the context has ended or the registry is closed.
func (r *Registry) ownCall(ctx context.Context, input string, call func() (Reply, error)) (Reply, error) {
	return r.invoke(ctx, input, func() (Reply, error) {
		switch {
		case ctx.Err() != nil:
			return replyOf(nil, &outcome.JobError{Phase: outcome.PhaseNew, Err: context.Cause(ctx)})
		case r.life.IsClosed():
			return replyOf(nil, &outcome.JobError{Phase: outcome.PhaseNew, Err: outcome.ErrClosed})
		}
		return call()
	})
}

// handlePattern finds a handle as a model may write it.
var handlePattern = regexp.MustCompile(`(?i)job-[a-z2-7]{26}`)

// CheckTool returns the tool check_job, which tells the model how a Job is
// doing whose call returned before its end; see [WithWaitBudget]. It is among
// [Registry.Tools] if any tool has a wait budget.
//
// It only reads. Handles are random, and each is good for the tenant, user and
// operation scope that it was given to alone; Job IDs are not known. So a model
// can neither look at the Jobs of another conversation nor be talked into it.
// With a journal a handle is good for as long as its operation is remembered.
func (r *Registry) CheckTool() tools.Tool {
	const description = "Tells how a Job is doing that had not ended when its tool returned. The input is the handle that the tool gave, such as job-abcdefghijklmnopqrstuvwxyz. It waits a while for the Job to end. It starts nothing."
	check := func(ctx context.Context, input string) (Reply, error) { // wherever the handle stands
		return r.ownCall(ctx, input, func() (Reply, error) { return r.check(ctx, input) })
	}
	return &ownTool{
		name: outcome.CheckTool, description: always(description), function: always(description),
		schema: always(json.RawMessage(`{"type":"object","properties":{"handle":{"type":"string","description":"The handle that the tool gave"}},"required":["handle"],"additionalProperties":false}`)),
		invoke: func(ctx context.Context, arguments json.RawMessage) (Reply, error) {
			return check(ctx, string(arguments))
		},
		call: check,
	}
}

func (r *Registry) check(ctx context.Context, input string) (Reply, error) {
	handle := strings.ToLower(handlePattern.FindString(react.Input(input)))
	if handle == "" {
		return refused("The input holds no handle. Give the handle that the tool gave, such as job-abcdefghijklmnopqrstuvwxyz."), nil
	}
	res, err := r.ops.Check(ctx, handle)
	if err == nil && res == nil {
		return refused(fmt.Sprintf("There is no Job with the handle %s in this conversation.", handle)), nil
	}
	return replyOf(res, err)
}

// ContinueTool returns the tool continue_job, with which the model goes on with
// a Job that has ended; see [WithFollowUps]. It is among [Registry.Tools] if any
// tool has that option. Like check_job it knows the handles that the same
// tenant, user and operation scope were given, and no Job IDs.
func (r *Registry) ContinueTool() tools.Tool {
	const (
		does  = "Goes on with a Job that has ended: says something to its worker, who remembers what was done, and waits for the answer. "
		call  = "The input is the handle that the Job's tool gave, such as job-abcdefghijklmnopqrstuvwxyz, then a space and the message. "
		typed = "To a Job of a tool that takes arguments, the message is such arguments again, as JSON and with nothing beside it."
	)
	return &ownTool{
		name: outcome.ContinueTool, description: always(does + call + typed), function: always(does + typed),
		schema: always(json.RawMessage(`{"type":"object","properties":{"handle":{"type":"string","description":"The handle that the Job's tool gave"},"message":{"type":"string","description":"What to say to the worker: plain words, or, where the Job's tool takes arguments, such arguments as JSON"}},"required":["handle","message"],"additionalProperties":false}`)),
		invoke: r.continueWith, call: r.continueText,
	}
}

// continueWith takes a handle and a message as arguments.
func (r *Registry) continueWith(ctx context.Context, arguments json.RawMessage) (Reply, error) {
	var in struct{ Handle, Message string }
	raw, err := schema.Find(arguments)
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	return r.ownCall(ctx, string(arguments), func() (Reply, error) {
		if err != nil {
			return refused(`The arguments must be an object with the texts "handle" and "message".`), nil
		}
		// A handle in the message may be a Job's words, and what stands beside one in its
		// own field is no message.
		return r.continueJob(ctx, handlePattern.FindString(in.Handle), in.Message)
	})
}

// continueText takes the handle, and behind it the message.
func (r *Registry) continueText(ctx context.Context, input string) (Reply, error) {
	text := react.Input(input)
	handle, message := "", ""
	if at := handlePattern.FindStringIndex(text); at != nil {
		handle, message = text[at[0]:at[1]], strings.TrimLeft(text[at[1]:], " \t\r\n:,-")
	}
	return r.ownCall(ctx, text, func() (Reply, error) { return r.continueJob(ctx, handle, message) })
}

func (r *Registry) continueJob(ctx context.Context, handle, message string) (Reply, error) {
	handle = strings.ToLower(handle)
	if handle == "" {
		return refused("The input holds no handle. Give the handle that the Job's tool gave, such as job-abcdefghijklmnopqrstuvwxyz, and then the message."), nil
	}
	after, known, err := r.ops.After(ctx, handle)
	switch {
	case err != nil:
		return replyOf(nil, err)
	case !known:
		return refused(fmt.Sprintf("There is no Job with the handle %s in this conversation that could go on.", handle)), nil
	case after == nil:
		return refused("Nothing was said to the Job: it has not ended."), nil
	}
	res, err := r.Continue(ctx, after, message)
	var bad *outcome.InputError
	if errors.As(err, &bad) {
		return refused("Nothing was said to the Job: " + bad.Problem + "."), nil
	}
	return replyOf(res, err)
}

// SearchTool returns the tool duvo_search, with which a model finds Assignments
// in a catalog that is too large to be offered whole. It only reads what was
// discovered. Offer it together with [Registry.RunTool]:
//
//	agent := agents.NewOpenAIFunctionsAgent(model, []tools.Tool{reg.SearchTool(), reg.RunTool()})
func (r *Registry) SearchTool() tools.Tool {
	describe := func() string { return directory.SearchDescription(r.latest.Load().Catalog) }
	search := func(ctx context.Context, input string) (Reply, error) {
		return r.ownCall(ctx, input, func() (Reply, error) {
			query, ok := directory.Query(input)
			if !ok {
				return refused(`The arguments must be an object with the text field "query": the task in a few words.`), nil
			}
			return Reply{Text: directory.Found(r.latest.Load().Catalog, query)}, nil
		})
	}
	return &ownTool{
		name: toolname.Search, description: describe, function: describe,
		schema: always(json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","description":"The task in a few words"}},"required":["query"],"additionalProperties":false}`)),
		invoke: func(ctx context.Context, arguments json.RawMessage) (Reply, error) {
			return search(ctx, string(arguments))
		},
		call: search,
	}
}

// RouterTool returns the tool duvo, one tool for the whole catalog: its
// arguments are an Assignment, by the name of its tool, and the input. It is
// for catalogs of some dozens up to a thousand; beyond, and where every word of
// the prompt counts, use [Registry.SearchTool].
//
// A call is the same as one of the Assignment's own tool: it has the same
// operation key, policy and limits. Its names are those of the last
// [Registry.Refresh].
func (r *Registry) RouterTool() tools.Tool { return r.router(toolname.Router, true) }

// RunTool returns the tool duvo_run, which is that of [Registry.RouterTool]
// without the list of Assignments: the model has their names from
// [Registry.SearchTool].
func (r *Registry) RunTool() tools.Tool { return r.router(toolname.Run, false) }

func (r *Registry) router(name string, listed bool) *ownTool {
	now := func() directory.Router { return directory.Router{Catalog: r.latest.Load().Catalog, Listed: listed} }
	invoke := func(ctx context.Context, arguments json.RawMessage) (Reply, error) {
		offered := r.latest.Load()
		i, input, problem := directory.Router{Catalog: offered.Catalog, Listed: listed}.Route(arguments)
		if problem != "" {
			return r.ownCall(ctx, string(arguments), func() (Reply, error) { return refused(problem), nil })
		}
		text := directory.Input(input)
		// Run tells the model if there is no input.
		return r.invoke(ctx, text, func() (Reply, error) { return replyOf(offered.tools[i].Run(ctx, text)) })
	}
	return &ownTool{
		name:        name,
		description: func() string { return now().Description() },
		function:    func() string { return now().FunctionDescription() },
		schema:      func() json.RawMessage { return now().Schema() },
		invoke:      invoke,
		call: func(ctx context.Context, input string) (Reply, error) {
			return invoke(ctx, json.RawMessage(react.Input(input)))
		},
	}
}
