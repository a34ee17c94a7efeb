package offer

import (
	"encoding/json"
	"slices"
	"strings"
)

// typesOf returns the types that a schema allows but null, and whether null is
// allowed. None: any, or it cannot be told.
func typesOf(node map[string]any) (types []string, null bool) {
	for _, t := range listOf(node["type"]) {
		switch s, _ := t.(string); s {
		case "null":
			null = true
		case "":
		default:
			types = append(types, s)
		}
	}
	all, has := allowed(node)
	if has {
		null = null || node["type"] == nil
		null = null && slices.Contains(all, nil)
	}
	if len(types) > 0 || node["type"] != nil {
		if has {
			types = slices.DeleteFunc(types, func(t string) bool { return len(enumOf(node, t)) == 0 })
		}
		return types, null
	}
	if has {
		for _, v := range all {
			if t := typeOf(v); t != "null" && !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
		if slices.Contains(types, "number") { // which holds integers too
			types = slices.DeleteFunc(types, func(t string) bool { return t == "integer" })
		}
		return types, null
	}
	switch { // what is said of one type alone is meant for it
	case node["properties"] != nil:
		return []string{"object"}, false
	case node["items"] != nil || node["prefixItems"] != nil:
		return []string{"array"}, false
	case node["allOf"] != nil:
		for _, part := range listOf(node["allOf"]) {
			if m, ok := part.(map[string]any); ok {
				if types, _ := typesOf(m); len(types) > 0 {
					return types[:1], false
				}
			}
		}
	}
	return nil, false
}

// allowed are the values of an enum or const.
func allowed(node map[string]any) (all []any, has bool) {
	if c, ok := node["const"]; ok {
		return []any{c}, true
	}
	all, has = node["enum"].([]any)
	return all, has
}

// enumOf are the values of an enum or const that are of a type; nil: there is none.
func enumOf(node map[string]any, t string) (out []any) {
	all, has := allowed(node)
	if !has {
		return nil
	}
	out = []any{}
	for _, v := range all {
		if of := typeOf(v); of == t || of == "integer" && t == "number" {
			out = append(out, v)
		}
	}
	return out
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if whole, fraction, ok := strings.Cut(string(v), "."); !strings.ContainsAny(string(v), "eE") && (!ok || strings.Trim(fraction, "0") == "") && whole != "" {
			return "integer"
		}
	}
	return "number"
}
