package offer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/schema"
)

// forms writes a schema that allows several forms, each with what holds for all.
func (l *lowerer) forms(node map[string]any, k string, forms []any, at string) (map[string]any, error) {
	base := maps.Clone(node)
	delete(base, k)
	delete(base, "description")
	var own []any
	for _, f := range forms {
		one := schema.Both(base, f)
		if one == false {
			continue
		}
		own = append(own, one)
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("%s: %w", at, errNothing)
	}
	var told []string
	if k == "oneOf" && several(forms) {
		told = append(told, exactlyOne)
	}
	return l.union(node, own, told, at)
}

// errNothing is that of a schema whose rules leave no value.
var errNothing = errors.New("no value fits all its rules; make them simpler")

const exactlyOne = "oneOf: exactly one of the forms must fit"

// several reports whether more than one form is not just null.
func several(forms []any) bool {
	n := 0
	for _, f := range forms {
		if m, _ := f.(map[string]any); m["type"] != "null" {
			n++
		}
	}
	return n > 1
}

// union offers several forms: OpenAI's strict form as such, Google's as the first one,
// or, of objects, as one with the fields of all, and the others are told.
func (l *lowerer) union(node map[string]any, forms []any, told []string, at string) (map[string]any, error) {
	var own []any
	null := false
	for _, f := range forms {
		if m, _ := f.(map[string]any); m["type"] == "null" {
			null = true
			continue
		}
		own = append(own, f)
	}
	if len(own) == 0 {
		out := map[string]any{"type": "null"}
		if !l.strict {
			out["type"] = "string"
			told = append(told, "Always: null")
		}
		return out, describe(out, node["description"], told, at)
	}
	if !l.strict || len(own) == 1 {
		return l.first(node, own, told, null, at)
	}
	out := map[string]any{}
	var offered []any
	var nothing error
	for _, f := range own {
		one, err := l.node(f, at)
		if errors.Is(err, errNothing) { // the others are left
			nothing = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if inner, ok := one["anyOf"].([]any); ok && one["description"] == nil {
			offered = append(offered, inner...)
			continue
		}
		offered = append(offered, one)
	}
	if len(offered) == 0 {
		return nil, nothing
	}
	out["anyOf"] = distinct(offered)
	if null {
		out = l.orNull(out)
	}
	return out, describe(out, node["description"], told, at)
}

// distinct leaves out what is there already.
func distinct(all []any) (out []any) {
	seen := map[string]bool{}
	for _, v := range all {
		if text := value(v); !seen[text] {
			seen[text] = true
			out = append(out, v)
		}
	}
	return out
}

// first offers one of several forms and tells the others.
func (l *lowerer) first(node map[string]any, forms []any, told []string, null bool, at string) (map[string]any, error) {
	one := forms[0]
	if objects(forms) && len(forms) > 1 {
		all := map[string]any{"type": "object"}
		lift(all, forms, false)
		one = all
		if all := value(forms); slices.Contains(told, exactlyOne) {
			told = append(slices.DeleteFunc(told, func(s string) bool { return s == exactlyOne }), exactlyOne+": "+all)
		} else {
			told = append(told, "anyOf: "+all)
		}
	} else if len(forms) > 1 {
		told = append(told, "Or: "+value(forms[1:]))
	}
	out, err := l.node(one, at)
	if err != nil {
		return nil, err
	}
	description := node["description"]
	if inner, ok := out["description"].(string); ok {
		told = append([]string{strings.TrimRight(inner, ". ")}, told...)
	}
	if null {
		if !l.strict && !slices.Contains(told, "May be null") {
			told = append(told, "May be null")
		}
		out = l.orNull(out)
	}
	return out, describe(out, description, told, at)
}

func objects(forms []any) bool {
	return !slices.ContainsFunc(forms, func(f any) bool { m, _ := f.(map[string]any); return m["type"] != "object" })
}
