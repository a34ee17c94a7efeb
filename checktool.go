package duvotool

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// handlePattern is the form of a handle.
var handlePattern = regexp.MustCompile(`job-[a-z2-7]{26}`)

// CheckTool returns the tool check_job, which tells the model how a Job is
// doing whose call returned before its end; see [WithWaitBudget]. It is among
// [Registry.Tools] if any tool has a wait budget.
//
// It only reads. Handles are random, and each is good for the tenant, user and
// operation scope that it was given to alone; Job IDs are not known. So a model
// can neither look at the Jobs of another conversation nor be talked into it.
// With a journal a handle is good for as long as its operation is remembered.
func (r *Registry) CheckTool() tools.Tool { return &checkTool{r} }

type checkTool struct{ reg *Registry }

func (c *checkTool) Name() string { return outcome.CheckTool }

func (c *checkTool) Description() string {
	return "Tells how a Job is doing that had not ended when its tool returned. The input is the handle that the tool gave, such as job-abcdefghijklmnopqrstuvwxyz. It waits a while for the Job to end. It starts nothing."
}

// Schema is the JSON Schema of the arguments, for agents that show it.
func (c *checkTool) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"handle":{"type":"string","description":"The handle that the tool gave"}},"required":["handle"],"additionalProperties":false}`)
}

// FunctionDescription is Description.
func (c *checkTool) FunctionDescription() string { return c.Description() }

// SchemaFor is Schema in a dialect.
func (c *checkTool) SchemaFor(d Dialect) (json.RawMessage, error) {
	return typed.SchemaIn(offer.Dialect(d), c.Schema())
}

// CallArguments is Call with the arguments of Schema.
func (c *checkTool) CallArguments(ctx context.Context, args json.RawMessage) (string, error) {
	return c.Call(ctx, string(args)) // which finds the handle wherever it stands
}

func (c *checkTool) Call(ctx context.Context, input string) (string, error) {
	reply, err := c.Invoke(ctx, json.RawMessage(input))
	return reply.text(err)
}

// Invoke finds the handle wherever it stands in the arguments.
func (c *checkTool) Invoke(ctx context.Context, args json.RawMessage) (Reply, error) {
	return c.reg.ownCall(ctx, string(args), func() (Reply, error) { return c.call(ctx, string(args)) })
}

func (c *checkTool) call(ctx context.Context, input string) (Reply, error) {
	handle := handlePattern.FindString(strings.ToLower(react.Input(input)))
	if handle == "" {
		return refused("The input holds no handle. Give the handle that the tool gave, such as job-abcdefghijklmnopqrstuvwxyz."), nil
	}
	res, err := c.reg.eng.Check(ctx, handle)
	if err == nil && res == nil {
		return refused(fmt.Sprintf("There is no Job with the handle %s in this conversation.", handle)), nil
	}
	return replyOf(res, err)
}
