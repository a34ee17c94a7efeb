package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/internal/safetext"
)

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
