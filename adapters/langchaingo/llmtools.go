package langchaingo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

// LLMTools makes of tools what llms.WithTools takes, each with its own schema.
// The model tells which dialect of JSON Schema is understood: Google's takes
// less than the others, so enums and formats are written into descriptions
// there. A nil model means no particular one; a model of yours that wraps one of
// langchaingo's should have a method Unwrap() llms.Model.
//
// Names are those of the tools, with an underscore for each character that
// providers do not take. Two tools of one name are an error, and so is a schema
// that is not that of an object.
func LLMTools(model llms.Model, ts []tools.Tool) ([]llms.Tool, error) {
	out := make([]llms.Tool, 0, len(ts))
	seen := map[string]bool{}
	google := isGoogle(model)
	for _, t := range ts {
		name := functionName(t.Name())
		if seen[strings.ToUpper(name)] {
			return nil, fmt.Errorf("langchaingo: there are two tools named %q", name)
		}
		seen[strings.ToUpper(name)] = true
		schema, err := parameters(t)
		if err != nil {
			return nil, fmt.Errorf("langchaingo: the schema of the tool %q: %w", name, err)
		}
		if google {
			schema = forGoogle(schema, false)
		}
		out = append(out, llms.Tool{Type: "function", Function: &llms.FunctionDefinition{
			Name: name, Description: describe(t), Parameters: schema,
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

const maxName = 63 // bytes, of Google's models

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

// parameters returns a tool's schema as the providers want it: a map, of an
// object, without what only says which dialect it is.
func parameters(t tools.Tool) (map[string]any, error) {
	text := json.RawMessage(plainParameters)
	if s, ok := t.(interface{ Schema() json.RawMessage }); ok {
		text = s.Schema()
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, err
	}
	if schema["type"] != "object" {
		return nil, fmt.Errorf("its type is %v, and must be object", schema["type"])
	}
	delete(schema, "$schema")
	delete(schema, "$id")
	if schema["properties"] == nil {
		schema["properties"] = map[string]any{}
	}
	return schema, nil
}

// isGoogle knows langchaingo's two providers of Google's models by their types,
// so as not to depend on them.
func isGoogle(model llms.Model) bool {
	kind := provider(model)
	return kind == "*googleai.GoogleAI" || kind == "*vertex.Vertex"
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

// forGoogle rewrites a schema for langchaingo's googleai provider, which drops
// all but type, description, properties, items and required, and refuses lists
// of types. What it drops is told in the description.
func forGoogle(schema map[string]any, nested bool) map[string]any {
	out := map[string]any{}
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }

	if options, key := alternatives(schema); len(options) > 0 {
		// One of several: the first stands for all, and the rest is told.
		base := map[string]any{}
		for k, v := range schema {
			if k != key {
				base[k] = v
			}
		}
		for k, v := range options[0] {
			if base[k] == nil {
				base[k] = v
			}
		}
		if len(options) > 1 {
			if text, err := json.Marshal(options[1:]); err == nil {
				note("Or: %s", text)
			}
		}
		schema = base
	}
	kind, null := oneType(schema)
	if null {
		note("May be null")
	}
	if values, ok := schema["enum"].([]any); ok {
		note("One of: %s", list(values))
	}
	if v, ok := schema["const"]; ok {
		note("Always: %s", list([]any{v}))
	}
	for _, k := range []string{"format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "default"} {
		if v, ok := schema[k]; ok {
			note("%s: %s", k, list([]any{v}))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	if kind == "object" && len(properties) == 0 && nested { // which Google refuses
		kind = "string"
		note("A JSON object")
	}
	out["type"] = kind
	if kind == "object" {
		own := map[string]any{}
		for name, p := range properties {
			if m, ok := p.(map[string]any); ok {
				own[name] = forGoogle(m, true)
			} else {
				own[name] = map[string]any{"type": "string"}
			}
		}
		out["properties"] = own
		if r, ok := schema["required"]; ok {
			out["required"] = r
		}
	}
	if kind == "array" {
		items, _ := schema["items"].(map[string]any)
		out["items"] = forGoogle(items, true)
	}
	text, _ := schema["description"].(string)
	if len(notes) > 0 {
		text = strings.TrimSpace(strings.TrimRight(text, ". ") + ". " + strings.Join(notes, ". ") + ".")
		text = strings.TrimPrefix(text, ". ")
	}
	if text != "" {
		out["description"] = text
	}
	return out
}

// alternatives returns what anyOf or oneOf allow, but for null.
func alternatives(schema map[string]any) (options []map[string]any, key string) {
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		all, ok := schema[key].([]any)
		if !ok {
			continue
		}
		for _, o := range all {
			if m, ok := o.(map[string]any); ok && m["type"] != "null" {
				options = append(options, m)
			}
		}
		return options, key
	}
	return nil, ""
}

// oneType returns the first type that is not null.
func oneType(schema map[string]any) (kind string, null bool) {
	switch t := schema["type"].(type) {
	case string:
		return t, false
	case []any:
		null = slices.Contains(t, any("null"))
		for _, k := range t {
			if s, ok := k.(string); ok && s != "null" {
				return s, null
			}
		}
	}
	switch {
	case schema["properties"] != nil:
		return "object", null
	case schema["items"] != nil:
		return "array", null
	}
	return "string", null
}

// list tells values as a model reads them: texts as they are, all else as JSON.
func list(values []any) string {
	var parts []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			parts = append(parts, s)
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(fmt.Sprint(v))
		}
		parts = append(parts, string(text))
	}
	return strings.Join(parts, ", ")
}
