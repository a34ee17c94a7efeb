package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// ContinueTool returns the tool continue_job, with which the model goes on with
// a Job that has ended; see [WithFollowUps]. It is among [Registry.Tools] if any
// tool has that option. Like check_job it knows the handles that the same
// tenant, user and operation scope were given, and no Job IDs.
func (r *Registry) ContinueTool() tools.Tool { return &continueTool{r} }

// handleAnyCase finds a handle as a model may write it, and where it stands.
var handleAnyCase = regexp.MustCompile(`(?i)job-[a-z2-7]{26}`)

type continueTool struct{ reg *Registry }

func (c *continueTool) Name() string { return outcome.ContinueTool }

func (c *continueTool) Description() string {
	return "Goes on with a Job that has ended: says something to its worker, who remembers what was done, and waits for the answer. The input is the handle that the Job's tool gave, such as job-abcdefghijklmnopqrstuvwxyz, then a space and the message. " + typedFollowUps
}

// typedFollowUps tells a model what it may say to the Jobs of typed tools.
const typedFollowUps = "To a Job of a tool that takes arguments, the message is such arguments again, as JSON and with nothing beside it."

// FunctionDescription is Description for agents that offer the Schema.
func (c *continueTool) FunctionDescription() string {
	return "Goes on with a Job that has ended: says something to its worker, who remembers what was done, and waits for the answer. " + typedFollowUps
}

// Schema is the JSON Schema of the arguments, for agents that show it.
func (c *continueTool) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"handle":{"type":"string","description":"The handle that the Job's tool gave"},"message":{"type":"string","description":"What to say to the worker: plain words, or, where the Job's tool takes arguments, such arguments as JSON"}},"required":["handle","message"],"additionalProperties":false}`)
}

// SchemaFor is Schema in a dialect.
func (c *continueTool) SchemaFor(d Dialect) (json.RawMessage, error) {
	return typed.SchemaIn(offer.Dialect(d), c.Schema())
}

// CallArguments is Call with the arguments of Schema.
func (c *continueTool) CallArguments(ctx context.Context, args json.RawMessage) (string, error) {
	reply, err := c.Invoke(ctx, args)
	return reply.text(err)
}

// Invoke takes the arguments of Schema.
func (c *continueTool) Invoke(ctx context.Context, args json.RawMessage) (Reply, error) {
	var in struct{ Handle, Message string }
	raw, err := schema.Find(args)
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil {
		return c.reg.ownCall(ctx, string(args), func() (Reply, error) {
			return refused(`The arguments must be an object with the texts "handle" and "message".`), nil
		})
	}
	// A handle in the message may be a Job's words, and what stands beside one in its
	// own field is no message.
	return c.say(ctx, string(args), handleAnyCase.FindString(in.Handle), in.Message)
}

// Call takes one text: the handle, and behind it the message, as models write it
// who know no arguments.
func (c *continueTool) Call(ctx context.Context, input string) (string, error) {
	text := react.Input(input)
	handle, message := "", ""
	if at := handleAnyCase.FindStringIndex(text); at != nil {
		handle, message = text[at[0]:at[1]], strings.TrimLeft(text[at[1]:], " \t\r\n:,-")
	}
	reply, err := c.say(ctx, text, handle, message)
	return reply.text(err)
}

func (c *continueTool) say(ctx context.Context, input, handle, message string) (Reply, error) {
	return c.reg.ownCall(ctx, input, func() (Reply, error) { return c.call(ctx, strings.ToLower(handle), message) })
}

func (c *continueTool) call(ctx context.Context, handle, message string) (Reply, error) {
	if handle == "" {
		return refused("The input holds no handle. Give the handle that the Job's tool gave, such as job-abcdefghijklmnopqrstuvwxyz, and then the message."), nil
	}
	after, known, err := c.reg.eng.After(ctx, handle)
	switch {
	case err != nil:
		return replyOf(nil, err)
	case !known:
		return refused(fmt.Sprintf("There is no Job with the handle %s in this conversation that could go on.", handle)), nil
	case after == nil:
		return refused("Nothing was said to the Job: it has not ended."), nil
	}
	res, err := c.reg.Continue(ctx, after, message)
	var bad *outcome.InputError
	if errors.As(err, &bad) {
		return refused("Nothing was said to the Job: " + bad.Problem + "."), nil
	}
	return replyOf(res, err)
}
