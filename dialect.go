package duvotool

import (
	"encoding/json"

	"github.com/duvotool/duvotool/internal/offer"
)

// A Dialect is a form of JSON Schema in which a model is offered a tool's arguments;
// see [Tool.SchemaFor]. What is accepted is the same in all of them.
type Dialect string

// The dialects.
const (
	// Neutral is draft 2020-12 as every provider takes it: a plain object with
	// properties at the root, no references, no unusual names.
	Neutral Dialect = Dialect(offer.Neutral)
	// OpenAI is for function tools without "strict".
	OpenAI Dialect = Dialect(offer.OpenAI)
	// OpenAIStrict is for those with "strict": true. What may be left out may be null
	// there, and is taken as left out.
	OpenAIStrict Dialect = Dialect(offer.OpenAIStrict)
	// Anthropic is for Claude's tools.
	Anthropic Dialect = Dialect(offer.Anthropic)
	// Gemini is for the function declarations of Google's models, in their subset of
	// OpenAPI's schemas.
	Gemini Dialect = Dialect(offer.Gemini)
	// MCP is for hosts of the Model Context Protocol, which hand the tools on to any
	// of the others.
	MCP Dialect = Dialect(offer.MCP)
)

// SchemaFor is [Tool.Schema] in a dialect. Where a dialect has no words for a rule,
// the rule is told in a description, and arguments that break it are refused as an
// observation. The error names the field of arguments that it cannot hold at all.
func (t *Tool) SchemaFor(d Dialect) (json.RawMessage, error) {
	if t == nil {
		return nil, errNilTool
	}
	return t.entry.SchemaFor(offer.Dialect(d))
}

// Schema returns the JSON Schema of the arguments that [Tool.CallArguments]
// takes, in the [Neutral] dialect: that of [InputOf] or [InputSchema], else an
// object with one required text, "input". It is of an object, has no references, and
// is the caller's. What a model is offered that is not taken beyond that, its
// descriptions tell.
func (t *Tool) Schema() json.RawMessage {
	for _, d := range []Dialect{Neutral, OpenAI} { // the second one takes any name, for a tool that OfferTo keeps from others
		if text, err := t.SchemaFor(d); err == nil {
			return text
		}
	}
	return t.entry.Input.JSON()
}
