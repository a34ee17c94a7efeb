package offer

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A form is a part of JSON Schema that a provider holds its models to.
type form struct {
	keep    map[string]bool // rules that it can hold
	formats map[string]bool
	strict  bool // OpenAI's: nothing is optional, and there are alternatives
}

// strictForm is that of platform.openai.com/docs/guides/structured-outputs, "Supported
// schemas": all fields required, additionalProperties false, optional ones as a union
// with null, and these rules.
var strictForm = &form{strict: true,
	keep:    set("enum pattern format multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems"),
	formats: set("date-time time date duration email hostname ipv4 ipv6 uuid"),
}

// geminiForm is what ai.google.dev/api/caching#Schema and langchaingo's googleai
// provider both keep. That provider drops every rule, so each is told as well; the
// rules that are kept are there for adapters that send them.
var geminiForm = &form{keep: set("enum minItems maxItems minimum maximum format"), formats: set("date-time")}

func set(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// rules are the keywords that say something about values of a type.
var rules = map[string][]string{
	"string":  strings.Fields("format pattern minLength maxLength contentEncoding contentMediaType contentSchema"),
	"number":  strings.Fields("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
	"integer": strings.Fields("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
	"array":   strings.Fields("minItems maxItems uniqueItems contains minContains maxContains unevaluatedItems"),
	"object":  strings.Fields("minProperties maxProperties propertyNames patternProperties dependentRequired dependentSchemas unevaluatedProperties"),
	"":        strings.Fields("not if then else allOf default"),
}

type lowerer struct{ *form }

// node writes a schema in the form. at names the place in errors.
func (l *lowerer) node(v any, at string) (out map[string]any, err error) {
	node, ok := v.(map[string]any)
	switch {
	case v == false:
		return map[string]any{"type": "string", "description": "Nothing is allowed here; leave it out."}, nil
	case !ok || len(node) == 0:
		return l.anything(map[string]any{}, at)
	}
	for _, k := range []string{"anyOf", "oneOf"} {
		if forms, ok := node[k].([]any); ok {
			return l.forms(node, k, forms, at)
		}
	}
	types, null := typesOf(node)
	switch {
	case len(types) == 0 && null:
		types = []string{"null"}
	case len(types) == 0:
		return l.anything(node, at)
	case len(types) > 1:
		var forms []any
		for _, t := range types {
			own := maps.Clone(node)
			own["type"] = t
			delete(own, "description")
			delete(own, "enum")
			delete(own, "const")
			if e := enumOf(node, t); e != nil {
				own["enum"] = e
			}
			forms = append(forms, own)
		}
		if null {
			forms = append(forms, map[string]any{"type": "null"})
		}
		var told []string
		if all, ok := node["enum"]; ok && !l.strict {
			told = append(told, note("enum", all))
		}
		return l.union(node, forms, told, at)
	}
	if out, err = l.typed(node, types[0], null, at); err == nil && null && types[0] != "null" {
		out = l.orNull(out)
	}
	return out, err
}

// typed writes a schema of one type. null tells that the values of its enum may be
// null too.
func (l *lowerer) typed(node map[string]any, t string, null bool, at string) (map[string]any, error) {
	out := map[string]any{"type": t}
	var told []string
	if null && !l.strict {
		told = append(told, "May be null")
	}
	if e := enumOf(node, t); e != nil {
		told = append(told, l.enum(out, node, t, e)...)
	}
	switch t {
	case "array":
		more, err := l.list(out, node, at)
		if err != nil {
			return nil, err
		}
		told = append(told, more...)
	case "object":
		if len(fieldsOf(node)) == 0 && !(l.strict && isEmpty(node)) {
			return l.asText(node, told, at)
		}
		if err := l.object(out, node, at); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.Concat(rules[t], rules[""]) {
		v, ok := node[k]
		if !ok {
			continue
		}
		kept := l.keep[k] && (k != "format" || l.formats[value(v)])
		if kept {
			out[k] = v
		}
		if !kept || !l.strict {
			told = append(told, note(k, v))
		}
	}
	return out, describe(out, node["description"], told, at)
}

// enum writes the values that are allowed. Lists and objects are written as text.
func (l *lowerer) enum(out, node map[string]any, t string, all []any) []string {
	own := slices.Clone(all)
	if t == "array" || t == "object" {
		out["type"] = "string"
		for i, e := range own {
			own[i] = value(e)
		}
	}
	if l.strict || out["type"] == "string" { // Google has enums of texts alone
		out["enum"] = own
	}
	if l.strict {
		return nil
	}
	if c, ok := node["const"]; ok {
		return []string{note("const", c)}
	}
	return []string{note("enum", own)}
}

func (l *lowerer) list(out, node map[string]any, at string) (told []string, err error) {
	if out["type"] == "string" {
		return nil, nil
	}
	items, ok := node["items"]
	if !ok {
		items = map[string]any{}
	}
	if prefix, ok := node["prefixItems"].([]any); ok {
		told = append(told, note("prefixItems", prefix))
		forms := slices.Clone(prefix)
		if atMost, ok := node["maxItems"].(json.Number); !ok || string(atMost) != strconv.Itoa(len(prefix)) {
			told = append(told, "The items after these: "+value(items))
			forms = append(forms, items)
		}
		out["items"], err = l.union(map[string]any{}, forms, nil, at+"[]")
		return told, err
	}
	out["items"], err = l.node(items, at+"[]")
	return told, err
}

// fieldsOf are the properties that an object can have.
func fieldsOf(node map[string]any) map[string]any {
	properties, _ := node["properties"].(map[string]any)
	out := map[string]any{}
	for name, p := range properties {
		if p != false {
			out[name] = p
		}
	}
	return out
}

// isEmpty reports whether an object can have no properties at all.
func isEmpty(node map[string]any) bool {
	_, patterns := node["patternProperties"]
	return node["additionalProperties"] == false && !patterns || node["maxProperties"] == json.Number("0")
}

func (l *lowerer) object(out, node map[string]any, at string) error {
	if out["type"] == "string" {
		return nil
	}
	fields := fieldsOf(node)
	own := map[string]any{}
	needed := []any{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p, err := l.node(fields[name], join(at, name))
		if err != nil {
			return err
		}
		required := slices.Contains(listOf(node["required"]), any(name))
		if l.strict && !required {
			p = l.orNull(p)
		}
		if own[name] = p; required || l.strict {
			needed = append(needed, name)
		}
	}
	out["properties"] = own
	if l.strict {
		out["additionalProperties"] = false
	}
	if len(needed) > 0 || l.strict {
		out["required"] = needed
	}
	return nil
}

func join(at, name string) string {
	if at == "" {
		return "the field " + name
	}
	return at + "." + name
}

// asText offers an object whose names are not known beforehand as a text: neither
// form has such an object. What is handed over is read back by schema.Schema.Tidy.
func (l *lowerer) asText(node map[string]any, told []string, at string) (map[string]any, error) {
	out := map[string]any{"type": "string"}
	rest := maps.Clone(node)
	delete(rest, "description")
	delete(rest, "title")
	what := "A JSON object, written as text"
	if len(rest) > 1 {
		what += ", of this JSON Schema: " + value(rest)
	}
	return out, describe(out, node["description"], append(told, what), at)
}

// anything offers a schema that any kind of value may fit.
func (l *lowerer) anything(node map[string]any, at string) (map[string]any, error) {
	var told []string
	for _, k := range slices.Sorted(maps.Keys(node)) {
		if k != "description" && k != "title" && k != "type" && k != "examples" {
			told = append(told, note(k, node[k]))
		}
	}
	if !l.strict {
		out := map[string]any{"type": "string"}
		return out, describe(out, node["description"], told, at)
	}
	out := map[string]any{"type": []any{"string", "number", "boolean", "null"}}
	return out, describe(out, node["description"], told, at)
}

// root writes the arguments themselves.
func (l *lowerer) root(root map[string]any) (map[string]any, error) {
	out := map[string]any{"type": "object"}
	if len(fieldsOf(root)) == 0 && !isEmpty(root) && root["additionalProperties"] != nil { // which a map of anything has too
		return nil, errMap
	}
	if err := l.object(out, root, ""); err != nil {
		return nil, err
	}
	if p := out["properties"].(map[string]any); len(p) == 0 && !l.strict {
		// Google: "properties: should be non-empty for OBJECT type".
		p[nothing] = map[string]any{"type": "string", "description": "Leave it out: there are no arguments."}
	}
	var told []string
	for _, k := range slices.Concat(rules["object"], rules[""]) {
		if v, ok := root[k]; ok {
			told = append(told, note(k, v))
		}
	}
	return out, describe(out, root["description"], told, "the arguments")
}

// nothing is the one field of arguments that have none.
const nothing = "nothing"

// orNull lets a schema be null as well.
func (l *lowerer) orNull(out map[string]any) map[string]any {
	if !l.strict {
		out["nullable"] = true
		return out
	}
	if forms, ok := out["anyOf"].([]any); ok {
		for _, f := range forms {
			if m, _ := f.(map[string]any); m["type"] == "null" {
				return out
			}
		}
		out["anyOf"] = append(slices.Clone(forms), map[string]any{"type": "null"})
		return out
	}
	if slices.Contains(listOf(out["type"]), any("null")) {
		return out
	}
	if out["enum"] == nil && out["properties"] == nil && out["items"] == nil {
		out["type"] = append(slices.Clone(listOf(out["type"])), "null")
		return out
	}
	union := map[string]any{"anyOf": []any{out, map[string]any{"type": "null"}}}
	if d, ok := out["description"]; ok {
		union["description"] = d
		delete(out, "description")
	}
	return union
}
