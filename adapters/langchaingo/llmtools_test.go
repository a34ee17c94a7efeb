package langchaingo_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/stretchr/testify/require"
)

func TestFunctionName(t *testing.T) {
	for in, want := range map[string]string{
		"refunds": "refunds", "Google Search": "Google_Search", "9 lives": "_9_lives", "-x": "_x", "": "_", "日本": "__",
		strings.Repeat("a", 80): strings.Repeat("a", 63),
	} {
		got := langchaingo.FunctionName(in)
		require.Equal(t, want, got)
		require.Regexp(t, regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,62}$`), got)
	}
}

// What langchaingo's googleai provider drops is told in words, and what it
// refuses is gone.
func TestForGoogle(t *testing.T) {
	var in, want map[string]any
	require.NoError(t, json.Unmarshal([]byte(`{"type":"object","required":["a"],"additionalProperties":false,"properties":{
		"a":{"type":["string","null"],"enum":["x","y"],"description":"The letter."},
		"b":{"anyOf":[{"type":"null"},{"type":"integer","minimum":3}]},
		"c":{"oneOf":[{"type":"string"},{"type":"number"}]},
		"d":{"type":"array","items":{"const":7}},
		"e":{"type":"object"},
		"f":true,
		"g":{"properties":{"h":{"type":"boolean"}}}}}`), &in))
	require.NoError(t, json.Unmarshal([]byte(`{"type":"object","required":["a"],"properties":{
		"a":{"type":"string","description":"The letter. May be null. One of: x, y."},
		"b":{"type":"integer","description":"minimum: 3."},
		"c":{"type":"string","description":"Or: [{\"type\":\"number\"}]."},
		"d":{"type":"array","items":{"type":"string","description":"Always: 7."}},
		"e":{"type":"string","description":"A JSON object."},
		"f":{"type":"string"},
		"g":{"type":"object","properties":{"h":{"type":"boolean"}}}}}`), &want))
	require.Equal(t, want, langchaingo.ForGoogle(in, false))
}

// Whatever a tool's schema holds, what is made of it for Google is plain.
func FuzzForGoogle(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":["string","null"]}}}`)
	f.Add(`{"anyOf":[{"anyOf":[{"items":[1]}]}],"type":[1],"properties":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var schema map[string]any
		if json.Unmarshal([]byte(text), &schema) != nil || schema == nil {
			return
		}
		var check func(m map[string]any)
		check = func(m map[string]any) {
			require.IsType(t, "", m["type"])
			if d, ok := m["description"]; ok {
				require.IsType(t, "", d)
			}
			if p, ok := m["properties"].(map[string]any); ok {
				for _, v := range p {
					check(v.(map[string]any))
				}
			}
			if m["type"] == "array" {
				check(m["items"].(map[string]any))
			}
		}
		check(langchaingo.ForGoogle(schema, false))
	})
}
