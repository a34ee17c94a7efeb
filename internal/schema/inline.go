package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Where a schema has schemas within it.
var (
	oneSchema   = words("items additionalItems additionalProperties unevaluatedItems unevaluatedProperties not if then else contains propertyNames contentSchema")
	listSchema  = words("allOf anyOf oneOf prefixItems")
	namedSchema = words("properties patternProperties dependentSchemas dependencies")
	annotations = words("title description default examples deprecated readOnly writeOnly $comment")
	dropped     = words("$schema $id id $anchor $defs definitions $comment")
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// An inliner puts in place of each reference what it refers to: providers of
// models take no $ref.
type inliner struct {
	root  map[string]any
	draft int      // an older one, see older
	open  []string // references that are being put in place
	nodes int
}

func (in *inliner) schema(v any, at string) (any, error) {
	if in.nodes++; in.nodes > maxNodes {
		return nil, fmt.Errorf("the schema has more than %d places once its references are put in place", maxNodes)
	}
	switch v := v.(type) {
	case bool:
		if v {
			return map[string]any{}, nil
		}
		return false, nil
	case map[string]any:
		return in.object(v, at)
	}
	return nil, fmt.Errorf("at %s: a schema is an object or a boolean", at)
}

func (in *inliner) object(node map[string]any, at string) (any, error) {
	for _, k := range []string{"$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor"} {
		if _, ok := node[k]; ok {
			return nil, fmt.Errorf("at %s: %s is not supported; write the schema out", at, k)
		}
	}
	if _, ok := node["$id"]; ok && at != "#" {
		return nil, fmt.Errorf("at %s: a schema within a schema cannot have an $id of its own here", at)
	}
	out := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(node)) {
		v, err := in.keyword(k, node[k], at)
		if err != nil {
			return nil, err
		}
		if !dropped[k] && k != "$ref" {
			out[k] = v
		}
	}
	translate(out, in.draft)
	ref, ok := node["$ref"]
	if !ok {
		return out, nil
	}
	target, err := in.follow(ref, at)
	if err != nil {
		return nil, err
	}
	return beside(target, out), nil
}

// keyword handles one keyword of a schema object.
func (in *inliner) keyword(k string, v any, at string) (any, error) {
	at += "/" + k
	switch {
	case dropped[k], k == "$ref":
		return nil, nil
	case oneSchema[k]:
		if list, ok := v.([]any); ok && k == "items" {
			return in.list(list, at)
		}
		if b, ok := v.(bool); ok && k != "items" {
			return b, nil // as usual, and shorter than an empty object
		}
		return in.schema(v, at)
	case listSchema[k]:
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("at %s: a list of schemas is expected", at)
		}
		return in.list(list, at)
	case namedSchema[k]:
		named, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("at %s: an object is expected", at)
		}
		out := make(map[string]any, len(named))
		for name, s := range named {
			if _, ok := s.([]any); ok && k == "dependencies" {
				out[name] = s
				continue
			}
			var err error
			if out[name], err = in.schema(s, at+"/"+name); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (in *inliner) list(list []any, at string) (any, error) {
	out := make([]any, len(list))
	for i, s := range list {
		var err error
		if out[i], err = in.schema(s, at+"/"+strconv.Itoa(i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// follow returns what a reference refers to, with its own references in place.
func (in *inliner) follow(v any, at string) (any, error) {
	ref, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("at %s: a $ref is a text", at)
	}
	if ref != "#" && !strings.HasPrefix(ref, "#/") {
		return nil, fmt.Errorf("at %s: the reference %.200q is not to a place in the schema itself, such as #/$defs/name", at, ref)
	}
	if slices.Contains(in.open, ref) || ref == "#" {
		return nil, fmt.Errorf("at %s: the schema is recursive: %.200q refers to itself, and a model's tools take no schema without an end", at, ref)
	}
	target, err := resolve(in.root, ref)
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", at, err)
	}
	in.open = append(in.open, ref)
	defer func() { in.open = in.open[:len(in.open)-1] }()
	return in.schema(target, ref)
}

// beside puts what stands beside a reference together with what it refers to. Its
// title and description win.
func beside(target any, own map[string]any) any {
	if len(own) == 0 {
		return target
	}
	all, _ := own["allOf"].([]any)
	own["allOf"] = append(slices.Clone(all), target)
	return own
}

// resolve finds the place that a pointer such as #/$defs/name names.
func resolve(root any, pointer string) (any, error) {
	path, err := url.PathUnescape(strings.TrimPrefix(pointer, "#"))
	if err != nil {
		return nil, fmt.Errorf("the reference %.200q is not well-formed", pointer)
	}
	v := root
	if path == "" {
		return v, nil
	}
	for _, token := range strings.Split(path[1:], "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		var ok bool
		switch at := v.(type) {
		case map[string]any:
			v, ok = at[token]
		case []any:
			i, err := strconv.Atoi(token)
			if ok = err == nil && i >= 0 && i < len(at); ok {
				v = at[i]
			}
		}
		if !ok {
			return nil, fmt.Errorf("the reference %.200q refers to nothing", pointer)
		}
	}
	return v, nil
}

// marshal writes a schema without escapes that a model would have to read.
func marshal(v any) (json.RawMessage, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return json.RawMessage(strings.TrimSpace(b.String())), nil
}
