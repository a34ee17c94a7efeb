package duvotool

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
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

// OfferTo names the dialects in which the tools are going to be offered: [Discover]
// refuses a tool whose arguments one of them cannot hold, by the tool's name and the
// field. The default is [Neutral] alone. Given more than once, they add up.
func OfferTo(dialects ...Dialect) Option {
	return optionFunc(func(c *config) error {
		if len(dialects) == 0 {
			return errors.New("OfferTo: no dialects")
		}
		for _, d := range dialects {
			if _, ok := offer.Of(offer.Dialect(d)); !ok {
				return fmt.Errorf("OfferTo: there is no dialect %.40q", string(d))
			}
		}
		c.dialects = append(slices.Clone(c.dialects), dialects...)
		return nil
	})
}

// checkOffer refuses a tool that cannot be offered.
func (c config) checkOffer(t *Tool) error {
	dialects := c.dialects
	if len(dialects) == 0 {
		dialects = []Dialect{Neutral}
	}
	for _, d := range dialects {
		if _, err := t.SchemaFor(d); err != nil {
			return err
		}
	}
	return nil
}

// SchemaFor is [Tool.Schema] in a dialect. Where a dialect has no words for a rule,
// the rule is told in a description, and arguments that break it are refused as an
// observation. The error names the field of arguments that it cannot hold at all.
func (t *Tool) SchemaFor(d Dialect) (json.RawMessage, error) {
	if t == nil {
		return nil, errNilTool
	}
	spec := plainInput
	if t.input != nil {
		spec = t.input
	}
	text, err := spec.schemas.in(d, spec.schema)
	if err != nil {
		return nil, errtext.Errorf("duvotool: the tool %q (Assignment %q) cannot be offered: %w", t.work.Name, safetext.OneLine(t.work.Assignment.Name, 80), err)
	}
	return text, nil
}

// written are the forms of one schema that were asked for. It is safe for concurrent
// use.
type written struct {
	mu    sync.Mutex
	forms map[Dialect]form
}

type form struct {
	text json.RawMessage
	err  error
}

func (w *written) in(d Dialect, s *schema.Schema) (json.RawMessage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, ok := w.forms[d]
	if !ok {
		f.text, f.err = offer.Schema(offer.Dialect(d), s.Tree())
		if w.forms == nil {
			w.forms = map[Dialect]form{}
		}
		w.forms[d] = f
	}
	return slices.Clone(f.text), f.err
}

// ofSchema writes a schema that was not made by a tool of ours in a dialect, as tools
// of the registry's own have it.
func ofSchema(d Dialect, text json.RawMessage) (json.RawMessage, error) {
	s, err := schema.Parse(text)
	if err == nil {
		text, err = offer.Schema(offer.Dialect(d), s.Tree())
	}
	if err != nil {
		return nil, errtext.Errorf("duvotool: %w", err)
	}
	return text, nil
}

const (
	// maxHint bounds what a description tells of the arguments, in characters, and
	// leastTold is what of the description is left beside it.
	maxHint   = 700
	leastTold = 300
)

// withHint adds to a typed tool's description what its arguments are, for models
// that are not shown the schema. Both together are within what providers take.
func (t *Tool) withHint(description string) string {
	if t.input == nil {
		return offer.Cut(description, offer.MaxDescription)
	}
	hint := " The input is " + offer.Cut(safetext.OneLine(t.input.schema.Fields(), maxHint), maxHint) + "."
	room := max(leastTold, offer.MaxDescription-utf8.RuneCountInString(hint)-1)
	if description = offer.Cut(description, room); !strings.HasSuffix(description, ".") && !strings.HasSuffix(description, "…") {
		description += "."
	}
	return description + hint
}
