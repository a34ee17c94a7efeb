package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// normal brings a schema, of the newest draft and without references, into one form
// that means the same: parts that must all hold are merged, what is required is
// declared. It refuses an object that nothing can be, as long as it must be there.
func normal(v any, at string, must bool) (any, error) {
	node, ok := v.(map[string]any)
	if !ok {
		return v, nil
	}
	if err := normalParts(node, at, must); err != nil {
		return nil, err
	}
	nothing := func(why string) (any, error) {
		if must {
			return nil, fmt.Errorf("at %s: %s, so no arguments would fit", at, why)
		}
		return false, nil
	}
	if node = mergeParts(node); node == nil || !dropForms(node) {
		return nothing("its parts exclude each other")
	}
	if list, ok := node["type"].([]any); ok && len(list) == 1 {
		node["type"] = list[0]
	}
	if !fitting(node) {
		return nothing("none of its values fits its other rules")
	}
	closeList(node)
	if missing := declare(node); missing != "" {
		return nothing(quoteName(missing) + " is required and not allowed")
	}
	if why, none := contradiction(node); none {
		return nothing(why)
	}
	return node, nil
}

// closeList writes that nothing may stand at a place of a list as the bound that it is.
func closeList(node map[string]any) {
	prefix, _ := node["prefixItems"].([]any)
	if i := slices.Index(prefix, any(false)); i >= 0 {
		prefix, node["items"] = prefix[:i], false
		if node["prefixItems"] = prefix; i == 0 {
			delete(node, "prefixItems")
		}
	}
	if node["items"] != false {
		return
	}
	delete(node, "items")
	none := json.Number(strconv.Itoa(len(prefix)))
	if before, ok := node["maxItems"]; ok {
		node["maxItems"], _ = bound(before, none, -1)
	} else {
		node["maxItems"] = none
	}
}

// normalParts brings the schemas within a schema into their form, in place.
func normalParts(node map[string]any, at string, must bool) error {
	for k, v := range node {
		inner := at + "/" + k
		var err error
		switch {
		case oneSchema[k]:
			node[k], err = normal(v, inner, false)
		case listSchema[k]:
			list, _ := v.([]any)
			for i, s := range list {
				if list[i], err = normal(s, inner+"/"+strconv.Itoa(i), false); err != nil {
					return err
				}
			}
		case namedSchema[k]:
			named, _ := v.(map[string]any)
			required, _ := node["required"].([]any)
			for name, s := range named {
				if named[name], err = normal(s, inner+"/"+name, must && k == "properties" && slices.Contains(required, any(name))); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mergeParts puts the parts of allOf into the schema that has them, and so an
// alternative that is the only one. What has no single form stays. Nil: nothing fits.
func mergeParts(node map[string]any) map[string]any {
	for _, k := range []string{"anyOf", "oneOf"} {
		if list, ok := node[k].([]any); ok && len(list) == 1 {
			all, _ := node["allOf"].([]any)
			node["allOf"] = append(slices.Clone(all), list[0])
			delete(node, k)
		}
	}
	all, ok := node["allOf"].([]any)
	if !ok {
		return node
	}
	delete(node, "allOf")
	var rest []any
	for len(all) > 0 {
		part, isObject := all[0].(map[string]any)
		all = all[1:]
		if !isObject || impossible(node, part) {
			return nil
		}
		merged, ok := merge(node, part)
		if !ok {
			rest = append(rest, part)
			continue
		}
		if inner, ok := merged["allOf"].([]any); ok {
			delete(merged, "allOf")
			all = append(slices.Clone(inner), all...)
		}
		node = merged
	}
	if len(rest) > 0 {
		node["allOf"] = rest
	}
	return node
}

// dropForms leaves out the alternatives that nothing fits, and reports whether there
// are others.
func dropForms(node map[string]any) bool {
	for _, k := range []string{"anyOf", "oneOf"} {
		list, ok := node[k].([]any)
		if !ok {
			continue
		}
		list = slices.DeleteFunc(list, func(f any) bool {
			form, isObject := f.(map[string]any)
			return !isObject && f == false || isObject && (impossible(node, form) || dead(form))
		})
		if node[k] = list; len(list) == 0 {
			return false
		}
	}
	return true
}

// declare names among the properties of an object what it requires, and leaves out
// those that it has no room for. It returns a name that is required and not allowed;
// empty: there is none.
func declare(node map[string]any) (missing string) {
	properties, _ := node["properties"].(map[string]any)
	rest, closed := node["additionalProperties"], node["additionalProperties"] == false
	for name, s := range properties {
		if s == false && closed {
			delete(properties, name)
		}
	}
	isObject := node["type"] == "object"
	required, _ := node["required"].([]any)
	_, patterns := node["patternProperties"]
	for _, r := range required {
		name, ok := r.(string)
		s, declared := properties[name]
		switch {
		case !ok || declared && s != false:
		case isObject && (declared || closed && !patterns):
			return name
		case !declared && !patterns && !closed && (isObject || properties != nil):
			if s = rest; s == nil || s == true {
				s = map[string]any{}
			}
			if properties == nil {
				properties = map[string]any{}
				node["properties"] = properties
			}
			properties[name] = s
		}
	}
	return ""
}

// count adds up the places of a schema, and stops beyond a bound.
func count(v any, bound int) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if n += count(e, bound-n); n > bound {
				return n
			}
		}
	case []any:
		for _, e := range v {
			if n += count(e, bound-n); n > bound {
				return n
			}
		}
	}
	return n
}
