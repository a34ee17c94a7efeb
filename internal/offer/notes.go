package offer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxTold bounds a description in a schema, in characters. Nobody publishes a bound;
// what is longer drowns the rest.
const maxTold = 4000

// note tells a rule of a schema in words.
func note(keyword string, v any) string {
	switch keyword {
	case "enum":
		return "One of: " + values(v)
	case "const":
		return "Always: " + value(v)
	case "contentEncoding":
		return "Encoded as " + value(v)
	}
	return keyword + ": " + value(v)
}

// values tells values as a model reads them: texts as they are, all else as JSON.
func values(v any) string {
	var parts []string
	for _, e := range listOf(v) {
		parts = append(parts, value(e))
	}
	return strings.Join(parts, ", ")
}

func value(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// describe writes a description and what is told besides. A rule is told whole, or
// the schema is refused.
func describe(out map[string]any, description any, told []string, at string) error {
	text, _ := description.(string)
	rules := ""
	if len(told) > 0 {
		rules = strings.Join(told, ". ") + "."
	}
	n := utf8.RuneCountInString(rules)
	if n > maxTold/2 {
		return fmt.Errorf("%s: the rules that no schema of this provider can hold take %d characters to tell, and at most %d are told; make them simpler", at, n, maxTold/2)
	}
	text = Cut(text, maxTold-n-2)
	if rules != "" {
		if text = strings.TrimRight(text, ". "); text != "" {
			text += ". "
		}
		text += rules
	}
	if text == "" {
		delete(out, "description")
		return nil
	}
	out["description"] = text
	return nil
}
