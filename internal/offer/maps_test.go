package offer_test

import (
	"testing"

	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
)

// Arguments of names that are not known beforehand are refused where a provider has no
// words for them, whatever their values are: else the tool could be called with nothing
// only. A tool without arguments is offered as such.
func TestMapsAsArguments(t *testing.T) {
	for text, isMap := range map[string]bool{
		`{"type":"object","additionalProperties":{"type":"integer"}}`:                     true,
		`{"type":"object","additionalProperties":true}`:                                   true,
		`{"type":"object","additionalProperties":{}}`:                                     true,
		`{"type":"object","properties":{},"additionalProperties":true,"maxProperties":3}`: true,
		`{"type":"object"}`:                                                                  false,
		`{"type":"object","properties":{}}`:                                                  false,
		`{"type":"object","properties":{},"additionalProperties":false}`:                     false,
		`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":true}`: false,
		`{"type":"object","maxProperties":0,"additionalProperties":true}`:                    false,
	} {
		s, err := schema.Parse([]byte(text))
		require.NoError(t, err, text)
		for _, d := range dialects {
			_, err := offer.Schema(d, s.Tree())
			if isMap && (d == offer.OpenAIStrict || d == offer.Gemini) {
				require.ErrorContains(t, err, "put the map into a field of a struct", text)
				continue
			}
			require.NoError(t, err, "%s %s", d, text)
		}
	}
}

// A field whose rules leave no value is refused by its name where the provider has no
// words for those rules, and not offered as something else.
func TestFieldsThatNothingFits(t *testing.T) {
	const none = `{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"required":["y"],"oneOf":[{"properties":{"x":{"type":"string"}},"required":["x"]},{"properties":{"y":{"type":"string"}}}]}`
	for text, refused := range map[string]bool{
		`{"type":"object","properties":{"a":` + none + `},"required":["a"]}`:                               true,
		`{"type":"object","properties":{"a":{"anyOf":[` + none + `,{"type":"string"}]}},"required":["a"]}`: false,
		`{"type":"object","properties":{"a":{"type":"array","items":` + none + `,"minItems":1}}}`:          true,
	} {
		s, err := schema.Parse([]byte(text))
		if err != nil {
			require.True(t, refused)
			continue
		}
		out, err := offer.Schema(offer.OpenAIStrict, s.Tree())
		if refused {
			require.Error(t, err, "%s", out)
			require.Regexp(t, `^the field a(\[\])?: no value fits`, err.Error())
			continue
		}
		require.NoError(t, err)
		require.NotContains(t, string(out), `"null"`)
	}
}
