package typed

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
)

// An Input is what a tool takes; nil: plain text. It is never changed, and safe for
// concurrent use.
type Input struct {
	schema  *schema.Schema
	goType  reflect.Type // nil: the schema was given as JSON
	message func(arguments []byte) (string, error)

	mu    sync.Mutex
	forms map[offer.Dialect]form // of the schema, that were asked for
}

type form struct {
	text json.RawMessage
	err  error
}

// plain is what a tool without options takes. Its message is made elsewhere.
var plain = &Input{schema: mustParse(`{"type":"object","properties":{"input":{"type":"string",
	"description":"What is to be done, in plain words, with every detail the worker needs."}},
	"required":["input"],"additionalProperties":false}`)}

func mustParse(text string) *schema.Schema {
	s, err := schema.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return s
}

// InputOf is arguments of the Go type T, a struct, of which render makes the message
// to the Job; nil: the message is the arguments as JSON.
func InputOf[T any](render func(T) (string, error)) (*Input, error) {
	s, err := schema.Of(reflect.TypeFor[T](), false)
	if err != nil {
		return nil, err
	}
	if err := s.RequireObject(); err != nil {
		return nil, fmt.Errorf("%w; use a struct", err)
	}
	return &Input{schema: s, goType: reflect.TypeFor[T](), message: func(arguments []byte) (string, error) {
		v, err := Decode[T](arguments)
		if err != nil {
			return "", err
		}
		if render == nil {
			return string(arguments), nil
		}
		return render(v)
	}}, nil
}

// InputSchema is arguments that fit a JSON Schema.
func InputSchema(raw json.RawMessage) (*Input, error) {
	s, err := schema.Parse(raw)
	if err == nil {
		err = s.RequireObject()
	}
	if err != nil {
		return nil, err
	}
	return &Input{schema: s, message: func(arguments []byte) (string, error) { return string(arguments), nil }}, nil
}

// As returns what is taken where a program gives arguments of the type T: a string
// for plain text, else the very type of the input, or one that is made of T.
func As[T any](in *Input, tool string) (*Input, error) {
	t := reflect.TypeFor[T]()
	switch {
	case in == nil && t.Kind() == reflect.String:
	case in == nil:
		own, err := InputOf[T](nil)
		if err != nil {
			return nil, errtext.Errorf("duvotool: As: the input %s: %w", t, err)
		}
		return own, nil
	case in.goType != nil && in.goType != t:
		return nil, fmt.Errorf("duvotool: As: %s takes %s, not %s", tool, in.goType, t)
	}
	return in, nil
}

func (in *Input) orPlain() *Input {
	if in == nil {
		return plain
	}
	return in
}

// JSON is the schema of the arguments, whatever a provider takes.
func (in *Input) JSON() json.RawMessage { return in.orPlain().schema.JSON() }

// SchemaFor is the schema of the arguments in a dialect. It is the caller's.
func (in *Input) SchemaFor(d offer.Dialect) (json.RawMessage, error) {
	in = in.orPlain()
	in.mu.Lock()
	defer in.mu.Unlock()
	f, ok := in.forms[d]
	if !ok {
		f.text, f.err = offer.Schema(d, in.schema.Tree())
		if in.forms == nil {
			in.forms = map[offer.Dialect]form{}
		}
		in.forms[d] = f
	}
	return slices.Clone(f.text), f.err
}

// SchemaIn writes a schema that no tool of a type has in a dialect.
func SchemaIn(d offer.Dialect, text json.RawMessage) (json.RawMessage, error) {
	s, err := schema.Parse(text)
	if err == nil {
		text, err = offer.Schema(d, s.Tree())
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

// Hint adds to a description what the arguments are, for models that are not shown
// the schema. Both together are within what providers take.
func (in *Input) Hint(description string) string {
	if in == nil {
		return offer.Cut(description, offer.MaxDescription)
	}
	hint := " The input is " + offer.Cut(safetext.OneLine(in.schema.Fields(), maxHint), maxHint) + "."
	room := max(leastTold, offer.MaxDescription-utf8.RuneCountInString(hint)-1)
	if description = offer.Cut(description, room); !strings.HasSuffix(description, ".") && !strings.HasSuffix(description, "…") {
		description += "."
	}
	return description + hint
}
