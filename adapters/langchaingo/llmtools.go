package langchaingo

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

// LLMTools makes of tools what llms.WithTools takes, each with its own schema, in
// the dialect of the model's provider; see [duvotool.Dialect]. What Google's form
// cannot hold is told in descriptions. A nil model means no particular one; a model
// of yours that wraps one of langchaingo's should have a method Unwrap() llms.Model.
//
// Names are those of the tools, with an underscore for each character that
// providers do not take; descriptions are cut to what they take. An error are two
// tools of one name, a schema that is not that of an object or that the provider does
// not take, and more tools than it takes at once.
func LLMTools(model llms.Model, ts []tools.Tool) ([]llms.Tool, error) {
	if err := offer.CheckCount(dialect(model), len(ts)); err != nil {
		return nil, errtext.Errorf("langchaingo: %w", err)
	}
	return llmTools(model, ts)
}

func llmTools(model llms.Model, ts []tools.Tool) ([]llms.Tool, error) {
	out := make([]llms.Tool, 0, len(ts))
	seen := map[string]bool{}
	for _, t := range ts {
		name := functionName(t.Name())
		if seen[strings.ToUpper(name)] {
			return nil, fmt.Errorf("langchaingo: there are two tools named %q", name)
		}
		seen[strings.ToUpper(name)] = true
		schema, err := parameters(dialect(model), t)
		if err != nil {
			return nil, errtext.Errorf("langchaingo: the schema of the tool %q: %w", name, err)
		}
		out = append(out, llms.Tool{Type: "function", Function: &llms.FunctionDefinition{
			Name: name, Description: offer.Cut(describe(t), offer.MaxDescription), Parameters: schema,
		}})
	}
	return out, nil
}

// describe returns what the model reads of a tool whose schema it is shown.
func describe(t tools.Tool) string {
	if d, ok := t.(interface{ FunctionDescription() string }); ok {
		return d.FunctionDescription()
	}
	return t.Description()
}

const maxName = offer.MaxName

// functionName makes a name that all providers take: a letter or underscore,
// then letters, digits, underscores and hyphens, 63 at most.
func functionName(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		case (r >= '0' && r <= '9' || r == '-') && b.Len() > 0:
		case r >= '0' && r <= '9':
			b.WriteByte('_')
		default:
			r = '_'
		}
		if b.WriteRune(r); b.Len() >= maxName {
			break
		}
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}

// plainParameters are those of a tool that takes one text.
const plainParameters = `{"type":"object","properties":{"input":{"type":"string","description":"What is to be done, in plain words, with every detail the worker needs."}},"required":["input"],"additionalProperties":false}`

// parameters returns a tool's schema in a dialect, as the providers want it: a map.
func parameters(d offer.Dialect, t tools.Tool) (map[string]any, error) {
	text := json.RawMessage(plainParameters)
	switch own := t.(type) {
	case interface {
		SchemaFor(duvotool.Dialect) (json.RawMessage, error)
	}:
		var err error
		if text, err = own.SchemaFor(duvotool.Dialect(d)); err != nil {
			return nil, err
		}
		return asMap(text)
	case interface{ Schema() json.RawMessage }:
		text = own.Schema()
	}
	s, err := schema.Parse(text)
	if err == nil {
		err = s.RequireObject()
	}
	if err == nil {
		text, err = offer.Schema(d, s.Tree())
	}
	if err != nil {
		return nil, err
	}
	return asMap(text)
}

func asMap(text json.RawMessage) (out map[string]any, err error) {
	return out, json.Unmarshal(text, &out)
}

// ForDialect tells which dialect a model takes, and so its provider's limits, where
// langchaingo's type does not: a server behind the openai provider that takes more tools
// than OpenAI does, say, or a model of your own.
//
//	model = langchaingo.ForDialect(model, duvotool.Anthropic)
func ForDialect(model llms.Model, d duvotool.Dialect) llms.Model { return speaker{model, d} }

type speaker struct {
	llms.Model
	dialect duvotool.Dialect
}

// Unwrap returns the model.
func (s speaker) Unwrap() llms.Model { return s.Model }

// dialect is that of a model. langchaingo's providers are known by their types, so as
// not to depend on them.
func dialect(model llms.Model) offer.Dialect {
	for inner := model; inner != nil; {
		if s, ok := inner.(speaker); ok {
			return offer.Dialect(s.dialect)
		}
		w, ok := inner.(interface{ Unwrap() llms.Model })
		if !ok {
			break
		}
		inner = w.Unwrap()
	}
	switch provider(model) {
	case "*googleai.GoogleAI", "*vertex.Vertex":
		return offer.Gemini
	case "*openai.LLM":
		return offer.OpenAI
	case "*anthropic.LLM":
		return offer.Anthropic
	}
	return offer.Neutral
}

// provider returns the type of a model, or of the one that it wraps.
func provider(model llms.Model) string {
	for range 10 {
		w, ok := model.(interface{ Unwrap() llms.Model })
		if !ok {
			break
		}
		model = w.Unwrap()
	}
	return fmt.Sprintf("%T", model)
}
