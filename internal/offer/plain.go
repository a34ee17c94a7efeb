package offer

import (
	"maps"
	"reflect"
	"slices"

	"github.com/duvotool/duvotool/internal/schema"
)

// atNoRoot are keywords that OpenAI and Anthropic refuse beside the type object of a
// tool's arguments: "schema must have type 'object' and not have 'oneOf'/'anyOf'/
// 'allOf'/'enum'/'not' at the top level", and "input_schema does not support oneOf,
// allOf, or anyOf at the top level". A const is an enum of one.
var atNoRoot = []string{"anyOf", "oneOf", "allOf", "not", "enum", "const"}

// plainRoot makes a plain object of the root: with properties, and without what is
// refused there, which its description then tells. What is checked stays.
func plainRoot(tree map[string]any) (map[string]any, error) {
	root := maps.Clone(tree)
	var told []string
	for _, k := range atNoRoot {
		v, ok := root[k]
		if !ok {
			continue
		}
		delete(root, k)
		told = append(told, note(k, v))
		if k == "anyOf" || k == "oneOf" || k == "allOf" {
			lift(root, listOf(v), k == "allOf")
		}
	}
	if root["properties"] == nil {
		root["properties"] = map[string]any{}
	}
	return root, describe(root, root["description"], told, "the arguments")
}

// lift declares the properties that the forms of an object have, so that they can be
// given at all. What all forms require is required; with every set, what any does.
func lift(root map[string]any, forms []any, every bool) {
	properties, _ := root["properties"].(map[string]any)
	own := maps.Clone(properties)
	if own == nil {
		own = map[string]any{}
	}
	found := map[string][]any{}
	needed := map[string]int{}
	for _, f := range forms {
		form, _ := f.(map[string]any)
		p, _ := form["properties"].(map[string]any)
		for name, s := range p {
			if _, known := properties[name]; !known && s != false && !slices.ContainsFunc(found[name], func(o any) bool { return reflect.DeepEqual(o, s) }) {
				found[name] = append(found[name], s)
			}
		}
		for _, r := range listOf(form["required"]) {
			if name, ok := r.(string); ok {
				needed[name]++
			}
		}
	}
	if root["additionalProperties"] != false {
		for name, all := range found {
			own[name] = all[0]
			if len(all) > 1 {
				own[name] = map[string]any{"anyOf": all}
			}
		}
	}
	required := slices.Clone(listOf(root["required"]))
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if _, known := own[name]; known && (every || needed[name] == len(forms)) && !slices.Contains(required, any(name)) {
			required = append(required, name)
		}
	}
	root["properties"] = own
	if len(required) > 0 {
		root["required"] = required
	}
}

// plain writes a schema of the newest draft as everybody takes it: each property is
// an object, each list says what its items are.
func plain(v any) any {
	node, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := maps.Clone(node)
	schema.EachPart(node, func(k, name string, i int, part any) {
		own := plain(part)
		switch {
		case i == schema.Named:
			if own == false {
				own = map[string]any{"not": map[string]any{}}
			}
			if same(out[k], node[k]) {
				out[k] = maps.Clone(node[k].(map[string]any))
			}
			out[k].(map[string]any)[name] = own
		case i >= 0:
			if same(out[k], node[k]) {
				out[k] = slices.Clone(node[k].([]any))
			}
			out[k].([]any)[i] = own
		default:
			out[k] = own
		}
	})
	if text, ok := out["description"].(string); ok {
		out["description"] = Cut(text, maxTold)
	}
	if slices.Contains(listOf(out["type"]), any("array")) && out["items"] == nil {
		out["items"] = map[string]any{}
	}
	return out
}

// same reports whether two maps or lists are one.
func same(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
