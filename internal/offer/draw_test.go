package offer_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// drawSchema draws a schema, of something of everything.
func drawSchema(t *rapid.T, depth int) any {
	kinds := []string{"string", "integer", "number", "boolean", "enum", "mixed", "const", "any", "types", "text"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "object", "array", "map", "anyOf", "oneOf", "allOf", "tuple", "nullable", "open", "patterns", "split")
	}
	out := object{}
	if rapid.IntRange(0, 3).Draw(t, "described") == 0 {
		out["description"] = "What it is."
	}
	sub := func() any { return drawSchema(t, depth-1) }
	maybe := func(k string, v any) {
		if rapid.IntRange(0, 3).Draw(t, k) == 0 {
			out[k] = v
		}
	}
	n := func() int { return rapid.IntRange(0, 3).Draw(t, "n") }
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "string", "text":
		out["type"] = "string"
		maybe("minLength", n())
		maybe("maxLength", n()+rapid.IntRange(0, 2).Draw(t, "more"))
		maybe("pattern", rapid.SampledFrom([]string{"^[a-z]*$", "a"}).Draw(t, "p"))
		maybe("format", rapid.SampledFrom([]string{"date", "email", "date-time", "uri"}).Draw(t, "f"))
		maybe("not", object{"enum": []any{"a"}})
	case "integer", "number":
		out["type"] = kind
		maybe("minimum", n()-2)
		maybe("exclusiveMaximum", n()+rapid.IntRange(0, 3).Draw(t, "more"))
		maybe("maximum", n())
		maybe("multipleOf", 1+n())
	case "boolean":
		out["type"] = kind
	case "enum":
		out["enum"] = []any{"a", "b"}
		maybe("type", "string")
		maybe("maxLength", n()/2)
	case "mixed":
		out["enum"] = []any{"a", 1, nil, true, 2.5}
		maybe("minimum", 2)
		maybe("type", []any{"integer", "null"})
	case "const":
		out["const"] = rapid.SampledFrom([]any{"a", 1, true, nil}).Draw(t, "c")
	case "any":
		maybe("minLength", 2)
	case "types":
		out["type"] = []any{rapid.SampledFrom([]any{"string", "boolean"}).Draw(t, "t"), rapid.SampledFrom([]any{"integer", "null", "number"}).Draw(t, "u")}
		maybe("minLength", 2)
		maybe("minimum", 2)
	case "object", "open", "split":
		drawObject(t, out, depth, kind)
	case "array":
		out["type"] = "array"
		maybe("minItems", n()/2)
		maybe("maxItems", rapid.IntRange(0, 3).Draw(t, "most"))
		maybe("uniqueItems", true)
		maybe("contains", object{"const": "a"})
		maybe("minContains", n())
		maybe("items", false)
		if out["items"] == nil {
			out["items"] = sub()
		}
	case "tuple":
		out["type"] = "array"
		out["prefixItems"] = []any{sub(), sub()}
		maybe("items", rapid.SampledFrom([]any{false, object{"type": "integer"}}).Draw(t, "rest"))
	case "map":
		out["type"], out["additionalProperties"] = "object", sub()
		maybe("propertyNames", object{"pattern": "^[a-c]"})
		maybe("minProperties", 1)
	case "patterns":
		out["type"], out["patternProperties"] = "object", object{"^a": sub()}
		maybe("additionalProperties", false)
	case "anyOf", "oneOf", "allOf":
		out[kind] = []any{sub(), sub()}
		maybe("type", "object")
	case "nullable":
		out["anyOf"] = []any{sub(), object{"type": "null"}}
	}
	return out
}

func drawObject(t *rapid.T, out object, depth int, kind string) {
	out["type"] = "object"
	own := object{}
	required := []any{}
	for _, name := range rapid.SampledFrom([][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}, {}}).Draw(t, "names") {
		own[name] = drawSchema(t, depth-1)
		if rapid.Bool().Draw(t, "required") {
			required = append(required, name)
		}
	}
	out["properties"] = own
	if len(required) > 0 {
		out["required"] = required
	}
	maybe := func(k string, v any) {
		if rapid.IntRange(0, 4).Draw(t, k) == 0 {
			out[k] = v
		}
	}
	if kind == "object" {
		out["additionalProperties"] = false
	}
	maybe("minProperties", 1)
	maybe("maxProperties", rapid.IntRange(0, 3).Draw(t, "most"))
	maybe("dependentRequired", object{"a": []any{"b"}})
	maybe("not", object{"required": []any{"a", "b"}})
	if rapid.IntRange(0, 4).Draw(t, "if") == 0 {
		out["if"], out["then"] = object{"required": []any{"a"}}, object{"required": []any{"b"}}
	}
	if kind == "split" {
		out["oneOf"] = []any{object{"required": []any{"a"}}, object{"required": []any{"b"}, "properties": object{"c": drawSchema(t, 0)}}}
	}
}

var texts = []string{"", "a", "b", "ab", "abc", "abcd", "A", "2026-01-31", "2026-01-31T09:30:00Z", "kim@example.com", "https://example.com/", "12",
	"{}", `{"a":1}`, `{"a":"a","b":"ab"}`, `{"a":null}`, `{"b":{"a":"a"}}`, "[]", `["a"]`, "null", "AQI=", "10.0.0.1", `{"a":{"name":"ab","count":null}}`, `{"-1":true}`}

// drawValue draws what a model may write that is held to a form. Not all of it fits.
func drawValue(t *rapid.T, form any) any {
	node, ok := form.(object)
	if !ok {
		return "a"
	}
	if forms, ok := node["anyOf"].([]any); ok {
		return drawValue(t, rapid.SampledFrom(forms).Draw(t, "form"))
	}
	if all, ok := node["enum"].([]any); ok {
		return rapid.SampledFrom(all).Draw(t, "value")
	}
	kind, _ := node["type"].(string)
	if list, ok := node["type"].([]any); ok {
		kind = rapid.SampledFrom(list).Draw(t, "type").(string)
	}
	if node["nullable"] == true && rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return nil
	}
	switch kind {
	case "integer":
		return json.Number(fmt.Sprint(rapid.IntRange(-3, 6).Draw(t, "integer")))
	case "number":
		return rapid.SampledFrom([]any{json.Number("0.5"), json.Number("1"), json.Number("2"), json.Number("3.0")}).Draw(t, "number")
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "null":
		return nil
	case "array":
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, drawValue(t, node["items"]))
		}
		return out
	case "object":
		return drawFields(t, node)
	}
	return rapid.SampledFrom(texts).Draw(t, "text")
}

func drawFields(t *rapid.T, node object) any {
	out := object{}
	properties, _ := node["properties"].(object)
	names := []string{}
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	required, _ := node["required"].([]any)
	for _, name := range names {
		if slices.Contains(required, any(name)) || rapid.Bool().Draw(t, "given") {
			out[name] = drawValue(t, properties[name])
		}
	}
	return out
}
