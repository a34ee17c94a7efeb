package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// limits are pairs of keywords that leave nothing of a kind of value where the first
// is more than the second.
var limits = []struct {
	of          kinds
	least, most string
	equal       bool // they leave something where they are equal
}{
	{aNumber, "minimum", "maximum", true},
	{aNumber, "minimum", "exclusiveMaximum", false},
	{aNumber, "exclusiveMinimum", "maximum", false},
	{aNumber, "exclusiveMinimum", "exclusiveMaximum", false},
	{aText, "minLength", "maxLength", true},
	{aList, "minItems", "maxItems", true},
	{anObject, "minProperties", "maxProperties", true},
}

// contradiction tells in words why no value fits a schema, of which the parts are in
// normal form. It errs on the side of one that does.
func contradiction(node map[string]any) (why string, none bool) {
	if t, ok := node["type"]; ok && slices.ContainsFunc(listOf(t), func(t any) bool { name, _ := t.(string); return kindNamed(name) == 0 }) {
		return "", false // there is no such type, which is told elsewhere
	}
	left := kindsIn(node)
	why = "its types and values exclude each other"
	rule := func(of kinds, words string) {
		if left&of != 0 {
			left &^= of
			why = words
		}
	}
	for _, l := range limits {
		least, ok1 := rational(node[l.least])
		most, ok2 := rational(node[l.most])
		if ok1 && ok2 && (least.Cmp(most) > 0 || !l.equal && least.Cmp(most) == 0) {
			rule(l.of, fmt.Sprintf("%s is %s and %s is %s", l.least, literal(node[l.least]), l.most, literal(node[l.most])))
		}
	}
	if words := noNumber(node); words != "" {
		rule(aNumber, words)
	}
	if words := noList(node); words != "" {
		rule(aList, words)
	}
	if words := noObject(node); words != "" {
		rule(anObject, words)
	}
	return why, left == 0
}

// outOfBounds reports whether nothing is within the bounds of two schemas.
func outOfBounds(a, b map[string]any) bool {
	both := map[string]any{}
	take := func(k string) {
		x, ok1 := a[k]
		y, ok2 := b[k]
		switch {
		case ok1 && ok2:
			if one, ok := mergeKeyword(k, x, y); ok {
				both[k] = one
			}
		case ok1:
			both[k] = x
		case ok2:
			both[k] = y
		}
	}
	for _, l := range limits {
		take(l.least)
		take(l.most)
	}
	take("type")
	_, none := contradiction(both)
	return none
}

// noNumber tells why no number of a schema is a multiple of what it must be one of.
func noNumber(node map[string]any) string {
	types := listOf(node["type"])
	step, stepped := rational(node["multipleOf"])
	switch whole := slices.Contains(types, any("integer")) && !slices.Contains(types, any("number")); {
	case stepped && step.Sign() <= 0, !stepped && !whole:
		return ""
	case !stepped:
		step = big.NewRat(1, 1)
	case whole: // of the multiples of p/q, in lowest terms, the whole ones are those of p
		step = new(big.Rat).SetInt(step.Num())
	}
	low, hasLow := rational(node["minimum"])
	high, hasHigh := rational(node["maximum"])
	openLow, openHigh := false, false
	if x, ok := rational(node["exclusiveMinimum"]); ok && (!hasLow || x.Cmp(low) >= 0) {
		low, hasLow, openLow = x, true, true
	}
	if x, ok := rational(node["exclusiveMaximum"]); ok && (!hasHigh || x.Cmp(high) <= 0) {
		high, hasHigh, openHigh = x, true, true
	}
	if !hasLow || !hasHigh {
		return ""
	}
	// The least multiple that is at least, or more than, the lower bound.
	times := new(big.Rat).Quo(low, step)
	n := new(big.Int).Div(times.Num(), times.Denom()) // rounded down
	if !times.IsInt() || openLow {
		n.Add(n, big.NewInt(1))
	}
	least := new(big.Rat).Mul(new(big.Rat).SetInt(n), step)
	if c := least.Cmp(high); c < 0 || c == 0 && !openHigh {
		return ""
	}
	of := "integer"
	if stepped {
		of = "multiple of " + literal(node["multipleOf"])
	}
	return "its bounds leave no " + of
}

// noList tells why a list cannot hold what it must.
func noList(node map[string]any) string {
	contains, has := node["contains"]
	if !has {
		return ""
	}
	least := any(json.Number("1"))
	if v, ok := node["minContains"]; ok {
		least = v
	}
	n, ok := rational(least)
	if !ok || n.Sign() <= 0 {
		return ""
	}
	if contains == false {
		return "it must contain what nothing fits"
	}
	for _, k := range []string{"maxContains", "maxItems"} {
		if most, ok := rational(node[k]); ok && n.Cmp(most) > 0 {
			return fmt.Sprintf("it must contain %s and %s is %s", literal(least), k, literal(node[k]))
		}
	}
	return ""
}

// noObject tells why an object has no room for what it requires.
func noObject(node map[string]any) string {
	required := map[any]bool{}
	for _, name := range listOf(node["required"]) {
		if name != nil {
			required[name] = true
		}
	}
	if most, ok := rational(node["maxProperties"]); ok && most.Cmp(big.NewRat(int64(len(required)), 1)) < 0 {
		return fmt.Sprintf("it requires %d fields and maxProperties is %s", len(required), literal(node["maxProperties"]))
	}
	least, ok := rational(node["minProperties"])
	if _, patterns := node["patternProperties"]; !ok || patterns || node["additionalProperties"] != false {
		return ""
	}
	room := 0
	properties, _ := node["properties"].(map[string]any)
	for _, p := range properties {
		if p != false {
			room++
		}
	}
	if least.Cmp(big.NewRat(int64(room), 1)) > 0 {
		return fmt.Sprintf("minProperties is %s and it has %d", literal(node["minProperties"]), room)
	}
	return ""
}

// fitting leaves out the values of an enum that the rest of a schema does not take,
// and reports whether any is left; so for a const. The rest says nothing more then,
// and is left out too.
func fitting(node map[string]any) bool {
	list, isEnum := node["enum"].([]any)
	one, isConst := node["const"]
	if !isEnum && !isConst {
		return true
	}
	rest := map[string]any{}
	for k, v := range node {
		if k != "enum" && !annotations[k] {
			rest[k] = v
		}
	}
	fits, err := compile(rest, newest)
	if err != nil {
		return true // the whole is not better, and that is told
	}
	if !isEnum {
		list = []any{one}
	}
	list = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return fits.Validate(v) != nil })
	switch {
	case len(list) == 0:
		return false
	case isConst:
		delete(node, "enum")
		list = []any{one}
	default:
		node["enum"] = list
	}
	if kinds := kindsIn(map[string]any{"enum": list}); kinds&(aList|anObject) != 0 {
		return true // what it says of parts helps to read them
	}
	for k := range rest {
		if k != "type" && k != "const" {
			delete(node, k)
		}
	}
	return true
}
