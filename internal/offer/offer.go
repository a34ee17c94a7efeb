// Package offer makes of a tool's schema what a model is offered, in the dialect of
// those that take it, and keeps names, texts and numbers within their limits. What
// a dialect cannot say its descriptions tell; what cannot be offered at all is
// refused, by the name of the field.
package offer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Dialect names what a provider or host takes as the schema of a tool.
type Dialect string

// The dialects.
const (
	Neutral      Dialect = "neutral"
	OpenAI       Dialect = "openai"
	OpenAIStrict Dialect = "openai-strict"
	Anthropic    Dialect = "anthropic"
	Gemini       Dialect = "gemini"
	MCP          Dialect = "mcp"
)

// Limits are what a dialect's provider takes. Zero is no published bound.
type Limits struct {
	Tools       int            // in one request
	Description int            // characters of a tool's description
	Key         *regexp.Regexp // names of the arguments; nil: any
	EveryKey    bool           // also the names within arguments
	Depth       int            // objects within objects
	Properties  int            // in all
	Enum        int            // values of all enums together
	Names       int            // characters of all names and values of enums together
}

var (
	// Anthropic's API answers a request with "tools.N.custom.input_schema.properties:
	// Property keys should match pattern" for any other name among the arguments; names
	// within them it does not look at.
	anthropicKey = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

	// Google: "Parameter names must start with a letter or an underscore and must
	// only contain chars a-z, A-Z, 0-9, or underscores with a maximum length of 64",
	// FunctionDeclaration.parameters in
	// cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/FunctionDeclaration.
	geminiKey = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,63}$`)
)

// MaxName is the strictest bound of a tool's name, in bytes: the first published
// one of Google's, "a maximum length of 63"
// (ai.google.dev/api/python/google/ai/generativelanguage/FunctionDeclaration). OpenAI,
// Anthropic and later Google take 64, and MCP 128
// (modelcontextprotocol.io/specification/2025-11-25/server/tools#tool-names).
const MaxName = 63

// MaxDescription is OpenAI's bound of a function's description, in characters: a
// longer one is answered with "string too long. Expected a string with maximum
// length 1024". Nobody else publishes one.
const MaxDescription = 1024

var limits = map[Dialect]Limits{
	// What all of them take. The number of tools is OpenAI's.
	Neutral: {Tools: 128, Description: MaxDescription, Key: anthropicKey},
	// "A max of 128 functions are supported", platform.openai.com/docs/api-reference/chat/create.
	OpenAI: {Tools: 128, Description: MaxDescription},
	// platform.openai.com/docs/guides/structured-outputs, "Supported schemas": 5000
	// properties, 10 levels of nesting, 120,000 characters of names and values,
	// 1000 values of enums.
	OpenAIStrict: {Tools: 128, Description: MaxDescription, Depth: 10, Properties: 5000, Enum: 1000, Names: 120_000},
	Anthropic:    {Description: MaxDescription, Key: anthropicKey},
	// "At most 512 function declarations can be specified", the API's own words.
	Gemini: {Tools: 512, Description: MaxDescription, Key: geminiKey, EveryKey: true},
	// A host hands the tools on to any of the others; how many it shows at once is its own.
	MCP: {Description: MaxDescription, Key: anthropicKey},
}

// Of returns the limits of a dialect; false where there is none of that name.
func Of(d Dialect) (Limits, bool) {
	l, ok := limits[d]
	return l, ok
}

// CheckCount tells why so many tools cannot be offered at once.
func CheckCount(d Dialect, n int) error {
	l := limits[d]
	if l.Tools == 0 || n <= l.Tools {
		return nil
	}
	return fmt.Errorf("%d tools are too many: %s takes at most %d in a request. Offer duvo_search with duvo_run (SearchTool, RunTool), or the one tool duvo (RouterTool), or fewer Assignments (Keep)", n, d.provider(), l.Tools)
}

func (d Dialect) provider() string {
	switch d {
	case OpenAI, OpenAIStrict, Neutral:
		return "OpenAI's API"
	case Anthropic, MCP:
		return "Anthropic's API"
	case Gemini:
		return "Google's API"
	}
	return string(d)
}

const mark = "…"

// Cut shortens a text to max characters, its mark included.
func Cut(text string, max int) string {
	if utf8.RuneCountInString(text) <= max {
		return text
	}
	r := []rune(text)
	return strings.TrimRight(string(r[:max-1]), " ") + mark
}

// Schema makes the schema of a tool's arguments in a dialect. The tree is one that
// package schema has brought into its normal form; it is not changed.
func Schema(d Dialect, tree map[string]any) (json.RawMessage, error) {
	out, err := Tree(d, tree)
	if err != nil {
		return nil, err
	}
	return marshal(out)
}

// Tree is Schema before it is written.
func Tree(d Dialect, tree map[string]any) (map[string]any, error) {
	l, ok := Of(d)
	if !ok {
		return nil, fmt.Errorf("there is no dialect %.40q", string(d))
	}
	root, err := plainRoot(tree)
	if err != nil {
		return nil, err
	}
	if err := checkKeys(d, l, root, "", true); err != nil {
		return nil, err
	}
	var f *form
	switch d {
	case OpenAIStrict:
		f = strictForm
	case Gemini:
		f = geminiForm
	default:
		return plain(root).(map[string]any), nil
	}
	low := &lowerer{form: f}
	out, err := low.root(root)
	if err != nil {
		return nil, err
	}
	return out, l.check(d, out)
}

// checkKeys refuses names of arguments that the provider does not take.
func checkKeys(d Dialect, l Limits, node map[string]any, at string, top bool) error {
	if l.Key == nil || !top && !l.EveryKey {
		return nil
	}
	properties, _ := node["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !l.Key.MatchString(name) {
			return fmt.Errorf("the field %.200q: %s takes no such name, only those that match %s; rename it", at+name, keyOwner(d), l.Key)
		}
		if p, ok := properties[name].(map[string]any); ok {
			if err := checkKeys(d, l, p, at+name+".", false); err != nil {
				return err
			}
		}
	}
	for _, k := range []string{"items", "anyOf", "oneOf", "allOf", "prefixItems"} {
		for _, v := range listOf(node[k]) {
			if p, ok := v.(map[string]any); ok && !top {
				if err := checkKeys(d, l, p, at, false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keyOwner names whose rule the names of arguments keep to.
func keyOwner(d Dialect) string {
	if d == Gemini {
		return d.provider()
	}
	return Anthropic.provider()
}

// listOf returns a list as it is, and anything else as a list of one.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// check refuses a schema that is larger than its provider takes.
func (l Limits) check(d Dialect, root map[string]any) error {
	var size struct{ properties, enum, names int }
	var walk func(v any, depth int) error
	walk = func(v any, depth int) error {
		node, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		properties, _ := node["properties"].(map[string]any)
		if node["type"] == "object" {
			depth++
		}
		if l.Depth > 0 && depth > l.Depth {
			return fmt.Errorf("objects lie %d deep in each other, and %s takes %d", depth, d.provider(), l.Depth)
		}
		size.properties += len(properties)
		for _, e := range listOf(node["enum"]) {
			size.enum++
			size.names += utf8.RuneCountInString(value(e))
		}
		for name, p := range properties {
			size.names += utf8.RuneCountInString(name)
			if err := walk(p, depth); err != nil {
				return fmt.Errorf("the field %.200q: %w", name, err)
			}
		}
		for _, e := range slices.Concat(listOf(node["items"]), listOf(node["anyOf"])) {
			if err := walk(e, depth); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(root, 0); err != nil {
		return err
	}
	for _, b := range []struct {
		what   string
		is, at int
	}{{"fields", size.properties, l.Properties}, {"values of enums", size.enum, l.Enum}, {"characters of names and values", size.names, l.Names}} {
		if b.at > 0 && b.is > b.at {
			return fmt.Errorf("the schema has %d %s, and %s takes at most %d", b.is, b.what, d.provider(), b.at)
		}
	}
	return nil
}

var errMap = errors.New("the arguments are names of any kind, and this provider takes named fields only; put the map into a field of a struct")

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
