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
