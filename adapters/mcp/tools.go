package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/outcome"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/tmc/langchaingo/tools"
)

// describe tells a host of a tool; the error names one that no host could take.
func (s *Server) describe(t duvotool.Callable) (*sdk.Tool, error) {
	schema, err := t.SchemaFor(duvotool.MCP)
	if err != nil {
		return nil, err
	}
	title := strings.ReplaceAll(t.Name(), "_", " ")
	if own, ok := t.(*duvotool.Tool); ok {
		title = own.Assignment().Name
	}
	title = hitl.SafeLine(title, 200)
	yes := true
	hints := &sdk.ToolAnnotations{Title: title, DestructiveHint: &yes, OpenWorldHint: &yes}
	if s.onlyReads(t.Name()) {
		hints.ReadOnlyHint, hints.DestructiveHint = true, nil
	}
	return &sdk.Tool{Name: t.Name(), Title: title, Description: t.FunctionDescription(), InputSchema: schema, Annotations: hints}, nil
}

// onlyReads reports whether a tool starts nothing.
func (s *Server) onlyReads(name string) bool {
	return name == outcome.CheckTool || name == s.reg.SearchTool().Name()
}

// handler makes the handler of a tool. A call about a Job that was given a handle
// carries what that Job asks meanwhile.
func (s *Server) handler(t duvotool.Callable) sdk.ToolHandler {
	return func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		handle := ""
		if t.Name() == outcome.CheckTool {
			handle = handleForm.FindString(strings.ToLower(string(req.Params.Arguments)))
		}
		return s.serve(ctx, req, handle, t)
	}
}

// callable returns a tool as what a server offers.
func callable(t tools.Tool) duvotool.Callable {
	if c, ok := duvotool.AsCallable(t); ok {
		return c
	}
	return ownTool{t}
}

// An ownTool is a tool of the program's own among those of a registry. What it says
// is shown as it is; of its errors the kind alone is told.
type ownTool struct{ tools.Tool }

// withSchema is a tool that takes arguments of a schema.
type withSchema interface {
	Schema() json.RawMessage
	CallArguments(context.Context, json.RawMessage) (string, error)
}

// FunctionDescription is what the tool says beside its schema, if it tells that apart.
func (o ownTool) FunctionDescription() string {
	text := o.Description()
	if f, ok := o.Tool.(interface{ FunctionDescription() string }); ok {
		text = f.FunctionDescription()
	}
	return offer.Cut(text, offer.MaxDescription)
}

const plainSchema = `{"type":"object","properties":{"input":{"type":"string","description":"What is to be done, in plain words, with every detail that is needed."}},"required":["input"],"additionalProperties":false}`

// SchemaFor is the tool's own schema, or that of one text.
func (o ownTool) SchemaFor(d duvotool.Dialect) (json.RawMessage, error) {
	text := json.RawMessage(plainSchema)
	if own, ok := o.Tool.(withSchema); ok {
		text = own.Schema()
	}
	var root struct {
		Type any `json:"type"`
	}
	if json.Unmarshal(text, &root) != nil || root.Type != "object" {
		return nil, fmt.Errorf("the schema of the tool %.80q is not that of an object", o.Name())
	}
	s, err := schema.Parse(text)
	if err == nil {
		text, err = offer.Schema(offer.Dialect(d), s.Tree())
	}
	if err != nil {
		return nil, fmt.Errorf("the tool %.80q cannot be offered: %w", o.Name(), err)
	}
	return text, nil
}

// Invoke calls the tool.
func (o ownTool) Invoke(ctx context.Context, arguments json.RawMessage) (duvotool.Reply, error) {
	out, err := o.invoke(ctx, arguments)
	var unfit unfitError
	switch {
	case errors.As(err, &unfit):
		return duvotool.Reply{Text: unfit.Error(), IsError: true}, nil
	case err != nil:
		return duvotool.Reply{Text: duvotool.ErrorText(err), IsError: true}, err
	case out == "":
		out = "The tool said nothing."
	}
	return duvotool.Reply{Text: out}, nil
}

func (o ownTool) invoke(ctx context.Context, arguments json.RawMessage) (string, error) {
	if own, ok := o.Tool.(withSchema); ok {
		return own.CallArguments(ctx, arguments)
	}
	input, err := inputOf(arguments)
	if err != nil {
		return "", err
	}
	return o.Call(ctx, input)
}

// An unfitError tells a model why what it gave could not be used.
type unfitError string

func (e unfitError) Error() string { return "Nothing was done: " + string(e) + "." }

// inputOf reads the arguments of a tool of [plainSchema].
func inputOf(arguments json.RawMessage) (string, error) {
	var fields map[string]json.RawMessage
	var input string
	if json.Unmarshal(arguments, &fields) != nil {
		return "", unfitError("the arguments are not a JSON object with the field input")
	}
	if json.Unmarshal(fields["input"], &input) != nil {
		return "", unfitError("the argument input is missing or no text")
	}
	for name := range fields {
		if name != "input" {
			return "", unfitError(fmt.Sprintf("there is no argument %q; everything goes into input", hitl.SafeLine(name, 80)))
		}
	}
	return input, nil
}
