package schema

import (
	"encoding/json"
	"maps"
	"math/big"
	"reflect"
	"slices"
)

// merge makes one schema of two that must both hold. It reports false where JSON
// Schema has no single form for that.
func merge(a, b map[string]any) (map[string]any, bool) {
	for k := range b {
		if k == "unevaluatedProperties" || k == "unevaluatedItems" {
			return nil, false // it would see what stands beside it
		}
	}
	if clash(a, b, "if", "then", "else") || clash(a, b, "contains", "minContains", "maxContains") {
		return nil, false
	}
	out := maps.Clone(a)
	for k, v := range b {
		before, both := a[k]
		switch {
		case objectWords[k], k == "prefixItems", k == "items": // below
		case !both, annotations[k] && before == "":
			out[k] = v
		case annotations[k], reflect.DeepEqual(before, v):
		default:
			one, ok := mergeKeyword(k, before, v)
			if !ok {
				return nil, false
			}
			out[k] = one
		}
	}
	if !mergeObject(out, a, b) || !mergeList(out, a, b) || !mergeType(out) {
		return nil, false
	}
	return out, true
}

// objectWords are keywords that mean something together.
var objectWords = words("properties patternProperties additionalProperties")

// clash reports whether both schemas have one of keywords that belong together.
func clash(a, b map[string]any, keywords ...string) bool {
	has := func(m map[string]any) bool {
		return slices.ContainsFunc(keywords, func(k string) bool { _, ok := m[k]; return ok })
	}
	return has(a) && has(b)
}

// mergeKeyword joins two values of a keyword that stands for itself.
func mergeKeyword(k string, a, b any) (any, bool) {
	switch k {
	case "type":
		return mergeTypes(a, b)
	case "required":
		x, _ := a.([]any)
		y, _ := b.([]any)
		out := slices.Clone(x)
		for _, name := range y {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		return out, true
	case "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties":
		return bound(a, b, 1)
	case "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties":
		return bound(a, b, -1)
	case "uniqueItems":
		return a == true || b == true, true
	case "enum":
		x, _ := a.([]any)
		y, _ := b.([]any)
		var out []any
		for _, v := range x {
			if slices.ContainsFunc(y, func(o any) bool { return reflect.DeepEqual(o, v) }) {
				out = append(out, v)
			}
		}
		return out, len(out) > 0
	case "propertyNames":
		return both(a, b), true
	case "dependentRequired":
		x, _ := a.(map[string]any)
		y, _ := b.(map[string]any)
		out := maps.Clone(x)
		for name, v := range y {
			if before, ok := out[name]; ok {
				v, _ = mergeKeyword("required", before, v)
			}
			out[name] = v
		}
		return out, true
	case "allOf":
		x, _ := a.([]any)
		y, _ := b.([]any)
		return append(slices.Clone(x), y...), true
	}
	return nil, false
}

// bound takes the greater of two numbers, or, with the sign turned, the lesser.
func bound(a, b any, sign int) (any, bool) {
	x, ok1 := rational(a)
	y, ok2 := rational(b)
	if !ok1 || !ok2 {
		return nil, false
	}
	if x.Cmp(y)*sign >= 0 {
		return a, true
	}
	return b, true
}

func rational(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	if _, ok := splitNumber(string(n)); !ok {
		return nil, false
	}
	return new(big.Rat).SetString(string(n))
}

func mergeTypes(a, b any) (any, bool) {
	var out []any
	for _, x := range listOf(a) {
		for _, y := range listOf(b) {
			one := x
			if x == "number" && y == "integer" {
				one = y
			} else if x != y && !(x == "integer" && y == "number") {
				continue
			}
			if !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	switch len(out) {
	case 0:
		return nil, false
	case 1:
		return out[0], true
	}
	return out, true
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// both is the schema of what fits two.
func both(a, b any) any {
	x, ok1 := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	switch {
	case a == false || b == false:
		return false
	case !ok1:
		return b
	case !ok2, reflect.DeepEqual(a, b):
		return a
	}
	if impossible(x, y) {
		return false
	}
	if one, ok := merge(x, y); ok {
		if _, none := contradiction(one); none || dead(one) {
			return false
		}
		return one
	}
	return map[string]any{"allOf": []any{a, b}}
}

// dead reports whether an object requires a property that nothing fits.
func dead(node map[string]any) bool {
	if node["type"] != "object" {
		return false
	}
	properties, _ := node["properties"].(map[string]any)
	required, _ := node["required"].([]any)
	return slices.ContainsFunc(required, func(r any) bool { name, _ := r.(string); return properties[name] == false })
}

// impossible reports whether nothing fits both of two schemas, by their types, values
// and bounds.
func impossible(a, b map[string]any) bool {
	for _, k := range []string{"type", "enum"} {
		x, ok1 := a[k]
		y, ok2 := b[k]
		if ok1 && ok2 {
			if _, ok := mergeKeyword(k, x, y); !ok {
				return true
			}
		}
	}
	return !anyValue(a, b) || !anyValue(b, a) || kindsIn(a)&kindsIn(b) == 0 || outOfBounds(a, b)
}

// kindsIn is kindsOf for a schema that is not compiled.
func kindsIn(v any) kinds {
	node, ok := v.(map[string]any)
	if !ok {
		if v == false {
			return 0
		}
		return anything
	}
	can := anything
	among := func(list []any, of func(any) kinds) {
		var in kinds
		for _, e := range list {
			in |= of(e)
		}
		can &= in
	}
	if t, ok := node["type"]; ok {
		among(listOf(t), func(e any) kinds { s, _ := e.(string); return kindNamed(s) })
	}
	if c, ok := node["const"]; ok {
		can &= kindOf(c)
	}
	if list, ok := node["enum"].([]any); ok {
		among(list, kindOf)
	}
	for _, k := range []string{"anyOf", "oneOf"} {
		if list, ok := node[k].([]any); ok {
			among(list, kindsIn)
		}
	}
	all, _ := node["allOf"].([]any)
	for _, part := range all {
		can &= kindsIn(part)
	}
	return can
}

// anyValue reports whether one of the values that a schema is bound to, if it is,
// may fit another one.
func anyValue(a, b map[string]any) bool {
	values, ok := a["enum"].([]any)
	if c, has := a["const"]; has {
		values, ok = []any{c}, true
	}
	if !ok {
		return true
	}
	return slices.ContainsFunc(values, func(v any) bool {
		if c, has := b["const"]; has && !reflect.DeepEqual(c, v) {
			return false
		}
		if all, has := b["enum"].([]any); has && !slices.ContainsFunc(all, func(o any) bool { return reflect.DeepEqual(o, v) }) {
			return false
		}
		types, has := b["type"]
		return !has || slices.ContainsFunc(listOf(types), func(t any) bool {
			return ofType(v, t)
		})
	})
}

// ofType reports whether a value is of a type.
func ofType(v, t any) bool {
	name, _ := t.(string)
	if n, ok := v.(json.Number); ok && name == "integer" {
		split, ok := splitNumber(string(n))
		return ok && split.point >= len(split.digits)
	}
	return kindNamed(name) == kindOf(v)
}

// mergeObject joins what two schemas say of properties. A name that one of them has
// a schema for must, for the other, be one of its additional ones.
func mergeObject(out, a, b map[string]any) bool {
	const rest = "additionalProperties"
	restA, hasA := a[rest]
	restB, hasB := b[rest]
	_, patternA := a["patternProperties"]
	_, patternB := b["patternProperties"]
	if (patternA || patternB) && (hasA || hasB) { // what is additional, patterns decide
		if hasProperties(a) && hasProperties(b) {
			return false
		}
		for k := range objectWords {
			if v, ok := b[k]; ok {
				out[k] = v
			}
		}
		return true
	}
	pa, _ := a["properties"].(map[string]any)
	pb, _ := b["properties"].(map[string]any)
	own := map[string]any{}
	for _, side := range []struct {
		mine, other map[string]any
		rest        any
		has         bool
	}{{pa, pb, restB, hasB}, {pb, pa, restA, hasA}} {
		for name, s := range side.mine {
			if o, ok := side.other[name]; ok {
				own[name] = both(s, o)
			} else if side.has {
				own[name] = both(s, side.rest)
			} else {
				own[name] = s
			}
		}
	}
	if pa != nil || pb != nil {
		out["properties"] = own
	}
	switch {
	case hasA && hasB:
		out[rest] = both(restA, restB)
	case hasB:
		out[rest] = restB
	}
	return mergePatterns(out, a, b)
}

func hasProperties(m map[string]any) bool {
	return clash(m, m, "properties", "patternProperties", "additionalProperties")
}

func mergePatterns(out, a, b map[string]any) bool {
	pa, _ := a["patternProperties"].(map[string]any)
	pb, _ := b["patternProperties"].(map[string]any)
	if pa == nil && pb == nil {
		return true
	}
	own := maps.Clone(pa)
	if own == nil {
		own = map[string]any{}
	}
	for p, s := range pb {
		if before, ok := own[p]; ok {
			s = both(before, s)
		}
		own[p] = s
	}
	out["patternProperties"] = own
	return true
}

// mergeList joins what two schemas say of a list's items.
func mergeList(out, a, b map[string]any) bool {
	prefixA, _ := a["prefixItems"].([]any)
	prefixB, _ := b["prefixItems"].([]any)
	itemsA, hasA := a["items"]
	itemsB, hasB := b["items"]
	own := make([]any, max(len(prefixA), len(prefixB)))
	at := func(prefix []any, rest any, has bool, i int) any {
		switch {
		case i < len(prefix):
			return prefix[i]
		case has:
			return rest
		}
		return map[string]any{}
	}
	for i := range own {
		own[i] = both(at(prefixA, itemsA, hasA, i), at(prefixB, itemsB, hasB, i))
	}
	if len(own) > 0 {
		out["prefixItems"] = own
	}
	switch {
	case hasA && hasB:
		out["items"] = both(itemsA, itemsB)
	case hasB:
		out["items"] = itemsB
	}
	return true
}

// mergeType is false for a type that no value of the enum has; it leaves the rest to
// the check.
func mergeType(out map[string]any) bool {
	c, has := out["const"]
	list, enum := out["enum"].([]any)
	return !has || !enum || slices.ContainsFunc(list, func(v any) bool { return reflect.DeepEqual(v, c) })
}
