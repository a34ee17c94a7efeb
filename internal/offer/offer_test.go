package offer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
)

func tree(t require.TestingT, text string) map[string]any {
	s, err := schema.Parse([]byte(text))
	require.NoError(t, err, text)
	return s.Tree()
}

// one is a schema of arguments with one field.
func one(field string) string {
	return `{"type":"object","required":["v"],"properties":{"v":` + field + `}}`
}

// What Google's form cannot hold is told in words, and what it refuses is gone.
func TestGeminiForm(t *testing.T) {
	for field, want := range map[string]string{
		`{"type":["string","null"],"enum":["x","y",null],"description":"The letter."}`: `{"type":"string","nullable":true,"enum":["x","y"],"description":"The letter. May be null. One of: x, y."}`,
		`{"anyOf":[{"type":"null"},{"type":"integer","minimum":3}]}`:                   `{"type":"integer","nullable":true,"minimum":3,"description":"minimum: 3. May be null."}`,
		`{"oneOf":[{"type":"string"},{"type":"number"}]}`:                              `{"type":"string","description":"oneOf: exactly one of the forms must fit. Or: [{\"type\":\"number\"}]."}`,
		`{"type":"array","items":{"const":7}}`:                                         `{"type":"array","items":{"type":"integer","description":"Always: 7."}}`,
		`{"type":"object"}`:                                                            `{"type":"string","description":"A JSON object, written as text."}`,
		`{"type":"object","additionalProperties":{"type":"integer"}}`:                  `{"type":"string","description":"A JSON object, written as text, of this JSON Schema: {\"additionalProperties\":{\"type\":\"integer\"},\"type\":\"object\"}."}`,
		`true`: `{"type":"string"}`,
		`{"properties":{"h":{"type":"boolean"}}}`:                       `{"type":"object","properties":{"h":{"type":"boolean"}}}`,
		`{"type":"array","items":false}`:                                `{"type":"array","maxItems":0,"items":{"type":"string"},"description":"maxItems: 0."}`,
		`{"type":"array","items":{"type":"string"},"uniqueItems":true}`: `{"type":"array","items":{"type":"string"},"description":"uniqueItems: true."}`,
		`{"allOf":[{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}},{"type":"object","required":["b"],"properties":{"b":{"type":"string"}}}]}`: `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}`,
		`{"type":"string","contentEncoding":"base64"}`:                            `{"type":"string","description":"Encoded as base64."}`,
		`{"type":"string","not":{"enum":["x"]}}`:                                  `{"type":"string","description":"not: {\"enum\":[\"x\"]}."}`,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["b"]}`: `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}`,
	} {
		out, err := offer.Tree(offer.Gemini, tree(t, one(field)))
		require.NoError(t, err)
		got, err := json.Marshal(out["properties"].(map[string]any)["v"])
		require.NoError(t, err)
		require.JSONEq(t, want, string(got), field)
		require.Equal(t, []any{"v"}, out["required"])
	}
	out, err := offer.Schema(offer.Gemini, tree(t, `{"type":"object","additionalProperties":false}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"object","properties":{"nothing":{"type":"string","description":"Leave it out: there are no arguments."}}}`, string(out))
}

// In OpenAI's strict form nothing is optional, and what may be left out may be null.
func TestStrictForm(t *testing.T) {
	out, err := offer.Schema(offer.OpenAIStrict, tree(t, `{"type":"object","required":["a"],"properties":{
		"a":{"type":"string","minLength":1,"format":"date","default":"x"},
		"b":{"type":"integer","maximum":9},
		"c":{"type":"object","properties":{"d":{"enum":["x","y"]}}},
		"e":{"type":"object","additionalProperties":{"type":"string"}},
		"f":{"oneOf":[{"type":"string","format":"uri"},{"type":"array","items":{"type":"boolean"},"uniqueItems":true}]},
		"g":{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false},
		"h":{}}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"object","additionalProperties":false,"required":["a","b","c","e","f","g","h"],"properties":{
		"a":{"type":"string","format":"date","description":"minLength: 1. default: x."},
		"b":{"type":["integer","null"],"maximum":9},
		"c":{"anyOf":[{"type":"object","additionalProperties":false,"required":["d"],"properties":{"d":{"anyOf":[{"type":"string","enum":["x","y"]},{"type":"null"}]}}},{"type":"null"}]},
		"e":{"type":["string","null"],"description":"A JSON object, written as text, of this JSON Schema: {\"additionalProperties\":{\"type\":\"string\"},\"type\":\"object\"}."},
		"f":{"anyOf":[{"type":"string","description":"format: uri."},{"type":"array","items":{"type":"boolean"},"description":"uniqueItems: true."},{"type":"null"}],"description":"oneOf: exactly one of the forms must fit."},
		"g":{"anyOf":[{"type":"array","maxItems":2,"items":{"anyOf":[{"type":"integer"},{"type":"string"}]}},{"type":"null"}],"description":"prefixItems: [{\"type\":\"integer\"},{\"type\":\"string\"}]."},
		"h":{"type":["string","number","boolean","null"]}}}`, string(out))
}

// What is larger than its provider takes is refused.
func TestLimits(t *testing.T) {
	deep, wide, many, long := `{"type":"string"}`, []string{}, []string{}, strings.Repeat("x", 2000)
	for range 11 {
		deep = one(deep)
	}
	for i := range 1001 {
		wide = append(wide, fmt.Sprintf(`"a%d":{"type":"string"}`, i))
		many = append(many, fmt.Sprintf(`"b%d"`, i))
	}
	for says, c := range map[string]struct {
		dialect offer.Dialect
		schema  string
	}{
		"objects lie 11 deep in each other":      {offer.OpenAIStrict, deep},
		"has 1001 values of enums":               {offer.OpenAIStrict, one(`{"enum":[` + strings.Join(many, ",") + `]}`)},
		"the field v: the rules that no":         {offer.Gemini, one(`{"type":"string","pattern":"` + long + `"}`)},
		`the field "v.a b": Google's API takes`:  {offer.Gemini, one(one(`{"type":"string"}`)[:0] + `{"type":"object","properties":{"a b":true}}`)},
		`the field "a b": Anthropic's API takes`: {offer.MCP, `{"type":"object","properties":{"a b":true}}`},
	} {
		_, err := offer.Schema(c.dialect, tree(t, c.schema))
		require.ErrorContains(t, err, says)
	}
	_, err := offer.Schema(offer.OpenAIStrict, tree(t, `{"type":"object","properties":{`+strings.Join(wide, ",")+`}}`))
	require.NoError(t, err)
	require.ErrorContains(t, offer.CheckCount(offer.OpenAI, 129), "at most 128 in a request. Offer duvo_search")
	require.ErrorContains(t, offer.CheckCount(offer.Gemini, 513), "duvo_run")
	require.NoError(t, offer.CheckCount(offer.Gemini, 512))
	require.NoError(t, offer.CheckCount(offer.Anthropic, 5000))
	for _, n := range []int{5, 10, 11, 12} {
		require.LessOrEqual(t, utf8.RuneCountInString(offer.Cut(strings.Repeat("é", n), 10)), 10)
	}
}

// Whatever somebody gives as a schema, each form of it is made without a panic, and
// holds no more than its provider takes.
func FuzzForms(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":["string","null"]}}}`)
	f.Add(`{"type":"object","anyOf":[{"anyOf":[{"items":true}]}],"properties":{"b":{"prefixItems":[false,{"const":null}]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := schema.Parse([]byte(text))
		if err != nil || s.RequireObject() != nil {
			return
		}
		before := string(s.JSON())
		for _, d := range dialects {
			out, err := offer.Tree(d, s.Tree())
			if err != nil {
				continue
			}
			require.Equal(t, "object", out["type"])
			require.IsType(t, map[string]any{}, out["properties"])
			for _, k := range []string{"anyOf", "oneOf", "allOf", "not", "enum", "const", "$ref"} {
				require.NotContains(t, out, k)
			}
			if d == offer.Gemini {
				checkGemini(t, out)
			}
		}
		require.Equal(t, before, string(s.JSON()))
		again, err := schema.Parse(s.JSON())
		require.NoError(t, err)
		require.Equal(t, before, string(again.JSON()), "its form is the same again")
	})
}

func checkGemini(t *testing.T, m map[string]any) {
	require.IsType(t, "", m["type"])
	if p, ok := m["properties"].(map[string]any); ok {
		require.NotEmpty(t, p)
		for _, v := range p {
			checkGemini(t, v.(map[string]any))
		}
		for _, r := range listIn(m["required"]) {
			require.Contains(t, p, r)
		}
	}
	if m["type"] == "array" {
		checkGemini(t, m["items"].(map[string]any))
	}
}

func listIn(v any) []any {
	list, _ := v.([]any)
	return list
}
