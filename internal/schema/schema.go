// Package schema makes the JSON Schemas that models are offered, from Go types
// or from JSON, and tells in words what of a value does not fit one.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A Schema is a JSON Schema that stands for itself: it has no references, so
// every provider of models takes it. It is never changed.
type Schema struct {
	root     map[string]any
	text     json.RawMessage
	compiled *jsonschema.Schema
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
	draft := any("https://json-schema.org/draft/2020-12/schema")
	if d, ok := root["$schema"]; ok {
		draft = d
	}
	in := &inliner{root: root}
	plain, err := in.schema(root, "#")
	if err != nil {
		return nil, err
	}
	flat := plain.(map[string]any) // an object stays one
	s := &Schema{root: flat}
	if s.text, err = marshal(flat); err != nil {
		return nil, err
	}
	if s.compiled, err = compile(flat, draft); err != nil {
		return nil, err
	}
	return s, nil
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
	doc := map[string]any{"$schema": draft}
	for k, v := range flat {
		doc[k] = v
	}
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

// Tidy removes what a writer of JSON puts where there is nothing: a null for an
// optional property that cannot be null. With lists set it makes empty lists and
// objects of nulls where such are required, which is how Go writes a nil slice
// and map. The value is changed and returned.
func (s *Schema) Tidy(v any, lists bool) any { return tidy(s.root, v, lists) }

func tidy(node map[string]any, v any, lists bool) any {
	switch v := v.(type) {
	case map[string]any:
		required, _ := node["required"].([]any)
		for name, e := range v {
			p := property(node, name)
			if p == nil {
				continue
			}
			switch {
			case e != nil || allowsNull(p):
				v[name] = tidy(p, e, lists)
			case !slices.Contains(required, any(name)):
				delete(v, name)
			case lists && p["type"] == "array":
				v[name] = []any{}
			case lists && p["type"] == "object" && p["properties"] == nil:
				v[name] = map[string]any{}
			}
		}
	case []any:
		items, ok := node["items"].(map[string]any)
		if !ok {
			break
		}
		for i, e := range v {
			v[i] = tidy(items, e, lists)
		}
	}
	return v
}

func property(node map[string]any, name string) map[string]any {
	properties, _ := node["properties"].(map[string]any)
	p, _ := properties[name].(map[string]any)
	return p
}

// allowsNull errs on the side of yes: then a null stays and is checked.
func allowsNull(node map[string]any) bool {
	for _, k := range []string{"const", "enum"} {
		if _, ok := node[k]; ok {
			return true
		}
	}
	switch t := node["type"].(type) {
	case string:
		return t == "null"
	case []any:
		return slices.Contains(t, any("null"))
	}
	return true
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
