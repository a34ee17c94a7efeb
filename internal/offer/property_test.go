package offer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type object = map[string]any

var dialects = []offer.Dialect{offer.Neutral, offer.OpenAI, offer.OpenAIStrict, offer.Anthropic, offer.Gemini, offer.MCP}

func compiled(t require.TestingT, tree any) *jsonschema.Schema {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("mem:///x.json", tree))
	s, err := c.Compile("mem:///x.json")
	require.NoError(t, err)
	return s
}

func decoded(t require.TestingT, v any) any {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return out
}

// leaves are the rules that a value breaks: the places in the schema.
func leaves(e *jsonschema.ValidationError) (out []string) {
	if len(e.Causes) > 0 {
		for _, c := range e.Causes {
			out = append(out, leaves(c)...)
		}
	}
	_, at, _ := strings.Cut(e.SchemaURL, "#")
	switch path := e.ErrorKind.KeywordPath(); {
	case len(path) > 0:
		at += "/" + path[0]
	case len(e.Causes) == 0:
		at += "/not" // which has no path of its own
	}
	return append(out, at)
}

// told are all descriptions of a form, of its parts too.
func told(v any) (out []string) {
	switch v := v.(type) {
	case object:
		for k, e := range v {
			if s, ok := e.(string); ok && k == "description" {
				out = append(out, s)
			}
			out = append(out, told(e)...)
		}
	case []any:
		for _, e := range v {
			out = append(out, told(e)...)
		}
	}
	return out
}

var oneOf = regexp.MustCompile(`One of: (.*?)\.( |$)`)

// isTold reports whether a description tells the rule at a place of a schema, or one
// that holds it.
func isTold(tree any, place string, descriptions []string) bool {
	at := tree
	for _, token := range strings.Split(strings.TrimPrefix(place, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := at.(type) {
		case object:
			at = v[token]
		case []any:
			var i int
			_, _ = fmt.Sscan(token, &i)
			at = v[i]
		}
		text, isText := at.(string)
		if !isText {
			raw, _ := json.Marshal(at)
			text = string(raw)
		}
		quoted, _ := json.Marshal(at)
		labels := []string{token + ": " + text, "Always: " + text, "JSON Schema: " + text, `"` + token + `":` + string(quoted)}
		if token == "type" && at == "object" {
			labels = append(labels, "A JSON object, written as text")
		}
		if list, ok := at.([]any); ok {
			var parts []string
			for _, e := range list {
				if s, ok := e.(string); ok {
					parts = append(parts, s)
					continue
				}
				raw, _ := json.Marshal(e)
				parts = append(parts, string(raw))
			}
			for _, d := range descriptions { // those of them that fit besides
				for _, found := range oneOf.FindAllStringSubmatch(d, -1) {
					if !slices.ContainsFunc(strings.Split(found[1], ", "), func(s string) bool { return !slices.Contains(parts, s) }) {
						return true
					}
				}
			}
		}
		if token == "additionalProperties" {
			labels = append(labels, "Leave it out: there are no arguments")
		}
		if token == "oneOf" {
			labels = append(labels, "oneOf: exactly one")
		}
		if m, ok := at.(object); ok { // as JSON Schema it is told whole
			own := object{}
			for k, v := range m {
				if k != "description" {
					own[k] = v
				}
			}
			raw, _ := json.Marshal(own)
			labels = append(labels, "JSON Schema: "+string(raw), string(raw))
		}
		for _, d := range descriptions {
			for _, l := range labels {
				if strings.Contains(d, l) {
					return true
				}
			}
		}
	}
	return false
}

// anyTold reports whether one of the rules that a value breaks is told.
func anyTold(tree any, check *jsonschema.Schema, v any, descriptions []string) bool {
	var wrong *jsonschema.ValidationError
	if !errors.As(check.Validate(v), &wrong) {
		return false
	}
	return slices.ContainsFunc(leaves(wrong), func(place string) bool { return isTold(tree, place, descriptions) })
}

// bare leaves of Google's form what langchaingo's provider leaves of it.
func bare(v any) any {
	node := v.(object)
	out := object{}
	for _, k := range []string{"type", "description", "required"} {
		if e, ok := node[k]; ok {
			out[k] = e
		}
	}
	if items, ok := node["items"]; ok {
		out["items"] = bare(items)
	}
	if properties, ok := node["properties"].(object); ok {
		own := object{}
		for name, p := range properties {
			own[name] = bare(p)
		}
		out["properties"] = own
	}
	return out
}

// withoutNulls leaves out what is null, as it is read where some form fits then.
func withoutNulls(v any) any {
	fields, ok := v.(object)
	if !ok {
		return v
	}
	out := object{}
	for name, f := range fields {
		if f != nil {
			out[name] = withoutNulls(f)
		}
	}
	return out
}

// Whatever passes an offered form passes the check, or breaks a rule that the form
// cannot hold and one of its descriptions tells.
func TestWhatIsOfferedIsAccepted(t *testing.T) {
	passed, refused := map[string]int{}, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		root := object{}
		drawObject(t, root, 3, rapid.SampledFrom([]string{"object", "open", "split"}).Draw(t, "root"))
		text, err := json.Marshal(root)
		require.NoError(t, err)
		s, err := schema.Parse(text)
		if err != nil {
			return
		}
		tree := decoded(t, s.Tree())
		check := compiled(t, tree)
		for _, d := range dialects {
			offered, err := offer.Schema(d, s.Tree())
			if err != nil {
				continue
			}
			var form any
			require.NoError(t, json.Unmarshal(offered, &form))
			forms := []any{form}
			if d == offer.Gemini {
				forms = append(forms, bare(form))
			}
			for i, form := range forms {
				name := []string{string(d), "googleai"}[i]
				holds := compiled(t, decoded(t, form))
				descriptions := told(form)
				for range 5 {
					v := drawFields(t, form.(object))
					if holds.Validate(decoded(t, v)) != nil {
						continue
					}
					raw, _ := json.Marshal(v)
					read, err := s.Read(raw)
					require.NoError(t, err)
					written := decoded(t, v) // a text that passes as JSON is read as that where it does not fit as a text
					read = s.Tidy(read, false)
					problem := s.Check(read, "the whole", true)
					if problem == "" {
						passed[name]++
						continue
					}
					refused[name]++
					require.True(t, anyTold(tree, check, read, descriptions) || anyTold(tree, check, written, descriptions) ||
						anyTold(tree, check, withoutNulls(written), descriptions), "%s\nof %s\noffered as %s: %s\nallows %s, and the check says: %s", name, text, d, offered, raw, problem)
				}
			}
		}
	})
	for _, d := range append([]offer.Dialect{"googleai"}, dialects...) {
		t.Log(d, passed[string(d)], "accepted,", refused[string(d)], "told")
		require.Positive(t, passed[string(d)])
	}
}
