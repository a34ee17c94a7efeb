// Package schema makes the JSON Schemas that models are offered, from Go types
// or from JSON, and tells in words what of a value does not fit one.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A Schema is a JSON Schema that stands for itself: it has no references, so
// every provider of models takes it. It is never changed.
type Schema struct {
	root     map[string]any
	text     json.RawMessage
	compiled *jsonschema.Schema
	lenient  bool // nulls stand for what is empty, whoever wrote them
}

// place is the name that a schema is compiled under. Nothing is loaded from it.
const place = "mem:///schema.json"

// Parse reads a JSON Schema, of draft 2020-12 unless its $schema says
// otherwise, and puts what its references refer to in their place. References
// must be to places in the schema itself, and not run in a circle.
func Parse(text []byte) (*Schema, error) {
	v, err := Decode(text)
	if err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	root, ok := v.(map[string]any)
	if !ok {
		if b, isBool := v.(bool); !isBool || !b {
			return nil, errors.New("the schema is not a JSON object")
		}
		root = map[string]any{} // what a Go interface has
	}
	draft := any(newest)
	if d, ok := root["$schema"]; ok {
		draft = d
	}
	year := older(draft)
	if year > 0 {
		if _, err := compile(root, draft); err != nil { // as somebody wrote it
			return nil, err
		}
		draft = newest
	}
	in := &inliner{root: root, draft: year}
	plain, err := in.schema(root, "#")
	if err != nil {
		return nil, err
	}
	flat, _ := plain.(map[string]any)
	if flat, err = settle(flat); err != nil {
		return nil, err
	}
	s := &Schema{root: flat}
	if s.text, err = marshal(flat); err != nil {
		return nil, err
	}
	if s.compiled, err = compile(flat, draft); err != nil {
		return nil, err
	}
	return s, nil
}

// settle brings a schema into its normal form. Nothing in it is shared: what stands
// in several places is normal in each.
func settle(flat map[string]any) (map[string]any, error) {
	own, err := normal(deep(flat), "#", true)
	if err != nil {
		return nil, err
	}
	if count(own, maxPlaces) > maxPlaces {
		return nil, fmt.Errorf("the schema has more than %d places once its parts are merged", maxPlaces)
	}
	root, ok := own.(map[string]any)
	if !ok {
		return nil, errors.New("the schema allows nothing")
	}
	if root["type"] == nil && kindsIn(root) == anObject {
		root["type"] = "object" // as all its forms say
	}
	return root, nil
}

// maxPlaces bounds what a schema holds, each keyword and value counted.
const maxPlaces = 20 * maxNodes

func deep(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = deep(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = deep(e)
		}
		return out
	}
	return v
}

// nowhere loads nothing: a schema cannot make this program read files or ask
// servers.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, errors.New("nothing is loaded from outside")
}

func compile(flat map[string]any, draft any) (s *jsonschema.Schema, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the schema cannot be used: %v", p)
		}
	}()
	doc := maps.Clone(flat)
	doc["$schema"] = draft
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.AssertFormat()
	if err := c.AddResource(place, doc); err != nil {
		return nil, fmt.Errorf("the schema cannot be used: %w", err)
	}
	if s, err = c.Compile(place); err != nil {
		return nil, fmt.Errorf("the schema cannot be used: %w", err)
	}
	return s, nil
}

// JSON returns the schema, with names in order. It is the caller's.
func (s *Schema) JSON() json.RawMessage { return bytes.Clone(s.text) }

// RequireObject returns an error unless the schema is of an object.
func (s *Schema) RequireObject() error {
	if s.root["type"] != "object" {
		return errNoObject
	}
	return nil
}

// Has reports whether an object of the schema has a property with this name.
func (s *Schema) Has(name string) bool {
	return property(s.root, name) != nil
}

func property(node map[string]any, name string) map[string]any {
	properties, _ := node["properties"].(map[string]any)
	p, _ := properties[name].(map[string]any)
	return p
}

// Check tells in words what of a decoded value does not fit: which places, and
// what is expected there. It returns "" for a value that fits. what names the
// value as a whole. Only with quote set are pieces of the value quoted.
func (s *Schema) Check(v any, what string, quote bool) (problem string) {
	defer func() {
		if p := recover(); p != nil {
			problem = fmt.Sprintf("%s cannot be checked: %v", what, p)
		}
	}()
	err := s.compiled.Validate(v)
	if err == nil {
		return ""
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return fmt.Sprintf("%s cannot be checked: %v", what, err)
	}
	return (&reader{schema: s.root, value: v, what: what, quote: quote}).tell(invalid)
}
