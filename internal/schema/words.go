package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const (
	maxProblems  = 6      // that are told at once
	maxCollected = 10_000 // that are looked at
	maxQuoted    = 60     // characters of a piece of the value
	maxName      = 80
	maxChoices   = 30 // of an enum
	maxAbout     = 200
)

// A reader turns what a validator found into words.
type reader struct {
	schema map[string]any
	value  any
	what   string
	quote  bool
}

func (r *reader) tell(e *jsonschema.ValidationError) string {
	var all []string
	r.collect(e, &all)
	slices.Sort(all) // the validator goes through objects in any order
	all = slices.Compact(all)
	more := ""
	if n := len(all) - maxProblems; n > 0 {
		all, more = all[:maxProblems], fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(all, "; ") + more
}

func (r *reader) collect(e *jsonschema.ValidationError, all *[]string) {
	if len(*all) > maxCollected {
		return
	}
	switch k := e.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
		if best := closest(e.Causes); best != nil {
			r.collect(best, all)
		} else {
			*all = append(*all, r.leaf(e))
		}
		return
	case *kind.Required:
		node := r.node(e)
		for _, name := range k.Missing {
			*all = append(*all, fmt.Sprintf("%s is missing: expected %s", r.place(e.InstanceLocation, name), expected(property(node, name))))
		}
		return
	case *kind.AdditionalProperties:
		node := r.node(e)
		known, _ := node["properties"].(map[string]any)
		for _, name := range slices.Sorted(slices.Values(k.Properties)) {
			*all = append(*all, fmt.Sprintf("%s is not known: %s", r.place(e.InstanceLocation, name), knownNames(known)))
		}
		return
	}
	if len(e.Causes) > 0 {
		for _, c := range e.Causes {
			r.collect(c, all)
		}
		return
	}
	*all = append(*all, r.leaf(e))
}

// closest returns the alternative that came furthest: the one whose problem
// lies deepest. Alternatives that only allow null are left out.
func closest(causes []*jsonschema.ValidationError) *jsonschema.ValidationError {
	var best *jsonschema.ValidationError
	depth := -1
	for _, c := range causes {
		if t, ok := c.ErrorKind.(*kind.Type); ok && len(t.Want) == 1 && t.Want[0] == "null" {
			continue
		}
		d := deepest(c)
		if best != nil && d == depth {
			return nil // no telling which was meant
		}
		if d > depth {
			best, depth = c, d
		}
	}
	return best
}

func deepest(e *jsonschema.ValidationError) int {
	d := len(e.InstanceLocation)
	for _, c := range e.Causes {
		d = max(d, deepest(c))
	}
	return d
}

func (r *reader) leaf(e *jsonschema.ValidationError) string {
	at := r.place(e.InstanceLocation)
	node := r.node(e)
	want := expected(node)
	got := r.show(lookup(r.value, e.InstanceLocation))
	switch k := e.ErrorKind.(type) {
	case *kind.Type, *kind.Enum, *kind.Const, *kind.Format, *kind.Pattern, *kind.OneOf, *kind.AnyOf, *kind.ContentEncoding,
		*kind.Minimum, *kind.Maximum, *kind.ExclusiveMinimum, *kind.ExclusiveMaximum, *kind.MultipleOf:
		if one, ok := k.(*kind.OneOf); ok && len(one.Subschemas) > 1 {
			return fmt.Sprintf("%s fits more than one of its forms: expected %s", at, want)
		}
		return fmt.Sprintf("%s: expected %s, got %s", at, want, got)
	case *kind.MinLength:
		return fmt.Sprintf("%s: expected %s, got %d characters", at, want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("%s: expected %s, got %d characters", at, want, k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("%s: expected %s, got %d", at, want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("%s: expected %s, got %d", at, want, k.Got)
	case *kind.MinProperties:
		return fmt.Sprintf("%s: expected at least %d fields, got %d", at, k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("%s: expected at most %d fields, got %d", at, k.Want, k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("%s: expected no item twice, got the same at %d and %d", at, k.Duplicates[0], k.Duplicates[1])
	case *kind.DependentRequired:
		return fmt.Sprintf("%s: with %s there must also be %s", at, quoteName(k.Prop), quoteNames(k.Missing))
	case *kind.Dependency:
		return fmt.Sprintf("%s: with %s there must also be %s", at, quoteName(k.Prop), quoteNames(k.Missing))
	case *kind.FalseSchema:
		return fmt.Sprintf("%s is not allowed here", at)
	}
	keyword := strings.Join(e.ErrorKind.KeywordPath(), "/")
	if keyword == "" {
		keyword = "not"
	}
	return fmt.Sprintf("%s does not fit the rule %q of its schema", at, keyword)
}

// node returns the schema that a problem is about.
func (r *reader) node(e *jsonschema.ValidationError) map[string]any {
	_, pointer, _ := strings.Cut(e.SchemaURL, "#")
	v, err := resolve(r.schema, "#"+pointer)
	if err != nil {
		return nil
	}
	node, _ := v.(map[string]any)
	return node
}

// place names a place in the value, as in customer.lines[2].sku.
func (r *reader) place(location []string, more ...string) string {
	var b strings.Builder
	v := r.value
	for _, token := range append(slices.Clone(location), more...) {
		switch at := v.(type) {
		case []any:
			fmt.Fprintf(&b, "[%s]", token)
			v = nil
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(at) {
				v = at[i]
			}
			continue
		case map[string]any:
			v = at[token]
		default:
			v = nil
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if isWord(token) {
			b.WriteString(token)
		} else {
			b.WriteString(quoteName(token))
		}
	}
	if b.Len() == 0 {
		return r.what
	}
	return safetext.OneLine(b.String(), 4*maxName)
}

func isWord(s string) bool {
	for _, c := range s {
		if !(c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func lookup(v any, location []string) any {
	for _, token := range location {
		switch at := v.(type) {
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		case map[string]any:
			v = at[token]
		}
	}
	return v
}

func (r *reader) show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		if r.quote {
			return safetext.OneLine(string(v), maxQuoted)
		}
		return "a number"
	case string:
		if r.quote {
			return "the text " + strconv.Quote(safetext.OneLine(v, maxQuoted))
		}
		return "a text"
	case []any:
		return "a list"
	}
	return "an object"
}
