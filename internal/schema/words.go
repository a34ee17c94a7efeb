package schema

import (
	"encoding/json"
	"fmt"
	"maps"
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

// expected tells what a schema allows.
func expected(node map[string]any) string {
	if c, ok := node["const"]; ok {
		return literal(c)
	}
	if list, ok := node["enum"].([]any); ok {
		return "one of " + literals(list)
	}
	for _, k := range []string{"oneOf", "anyOf"} {
		if list, ok := node[k].([]any); ok {
			return alternatives(list)
		}
	}
	if all, ok := node["allOf"].([]any); ok && node["type"] == nil && len(all) == 1 {
		if only, ok := all[0].(map[string]any); ok {
			return expected(only)
		}
	}
	switch t := node["type"].(type) {
	case string:
		return expectedType(t, node)
	case []any:
		var parts []string
		for _, e := range t {
			if s, ok := e.(string); ok {
				parts = append(parts, expectedType(s, node))
			}
		}
		return strings.Join(parts, " or ")
	}
	return "a value that fits its schema"
}

func alternatives(list []any) string {
	var parts []string
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && len(parts) < maxProblems {
			parts = append(parts, expected(m))
		}
	}
	return strings.Join(slices.Compact(parts), " or ")
}

var formats = map[string]string{
	"date-time": "a date and time such as 2026-01-31T09:30:00Z",
	"date":      "a date such as 2026-01-31",
	"time":      "a time such as 09:30:00Z",
	"duration":  "a duration such as PT15M",
	"email":     "an e-mail address",
	"uri":       "a URL such as https://example.com/page",
	"uuid":      "a UUID such as 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11",
	"ipv4":      "an IPv4 address",
	"ipv6":      "an IPv6 address",
	"hostname":  "a host name",
}

func expectedType(t string, node map[string]any) string {
	switch t {
	case "string":
		s := "a text"
		if format, ok := node["format"].(string); ok {
			if s = formats[format]; s == "" {
				s = fmt.Sprintf("a text of the format %.40q", format)
			}
		}
		if p, ok := node["pattern"].(string); ok {
			s += " that matches the pattern " + safetext.OneLine(p, 200)
		}
		return s + bounds(node, "minLength", "maxLength", " of at least %s characters", " of at most %s characters")
	case "integer":
		return "an integer" + numberBounds(node)
	case "number":
		return "a number" + numberBounds(node)
	case "boolean":
		return "true or false"
	case "array":
		s := "a list"
		if items, ok := node["items"].(map[string]any); ok && items["type"] != nil {
			s += ", each " + expected(items)
		}
		return s + bounds(node, "minItems", "maxItems", ", with at least %s items", ", with at most %s items")
	case "object":
		if p, ok := node["properties"].(map[string]any); ok && len(p) > 0 {
			return "an object with " + fieldNames(node)
		}
		return "an object"
	case "null":
		return "null"
	}
	return "a value that fits its schema"
}

// bounds joins a lower and an upper bound.
func bounds(node map[string]any, lower, upper, least, most string) string {
	var parts []string
	if v, ok := node[lower]; ok {
		parts = append(parts, fmt.Sprintf(least, literal(v)))
	}
	if v, ok := node[upper]; ok {
		parts = append(parts, fmt.Sprintf(most, literal(v)))
	}
	return strings.Replace(strings.Join(parts, " and"), " and of ", " and ", 1)
}

func numberBounds(node map[string]any) string {
	s := bounds(node, "minimum", "maximum", " of at least %s", " of at most %s")
	s += bounds(node, "exclusiveMinimum", "exclusiveMaximum", " greater than %s", " less than %s")
	if m, ok := node["multipleOf"]; ok {
		s += " that is a multiple of " + literal(m)
	}
	return s
}

func literals(list []any) string {
	var parts []string
	for i, v := range list {
		if i == maxChoices {
			parts = append(parts, fmt.Sprintf("… (%d in all)", len(list)))
			break
		}
		parts = append(parts, literal(v))
	}
	return strings.Join(parts, ", ")
}

func literal(v any) string {
	text, err := marshal(v)
	if err != nil {
		return "?"
	}
	return safetext.OneLine(string(text), maxName)
}

func knownNames(properties map[string]any) string {
	if len(properties) == 0 {
		return "there are no fields"
	}
	return "the fields are " + quoteNames(slices.Sorted(maps.Keys(properties)))
}

func fieldNames(node map[string]any) string {
	properties, _ := node["properties"].(map[string]any)
	required, _ := node["required"].([]any)
	names := slices.Sorted(maps.Keys(properties))
	for i, n := range names {
		if i == maxChoices {
			names = append(names[:i], fmt.Sprintf("… (%d in all)", len(properties)))
			break
		}
		names[i] = quoteName(n)
		if !slices.Contains(required, any(n)) {
			names[i] += " (optional)"
		}
	}
	return strings.Join(names, ", ")
}

func quoteName(s string) string { return strconv.Quote(safetext.OneLine(s, maxName)) }

func quoteNames(names []string) string {
	var parts []string
	for i, n := range names {
		if i == maxChoices {
			parts = append(parts, fmt.Sprintf("… (%d in all)", len(names)))
			break
		}
		parts = append(parts, quoteName(n))
	}
	return strings.Join(parts, ", ")
}

// Fields tells what an object of the schema holds, in a sentence's words, for
// models that are not shown the schema.
func (s *Schema) Fields() string {
	properties, _ := s.root["properties"].(map[string]any)
	required, _ := s.root["required"].([]any)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p, _ := properties[name].(map[string]any)
		optional := ""
		if !slices.Contains(required, any(name)) {
			optional = "optional, "
		}
		about, _ := p["description"].(string)
		if about != "" {
			about = ": " + safetext.OneLine(about, maxAbout)
		}
		parts = append(parts, fmt.Sprintf("%s (%s%s%s)", quoteName(name), optional, expected(p), about))
	}
	if len(parts) == 0 {
		return "a JSON object"
	}
	return "a JSON object with " + strings.Join(parts, ", ")
}
