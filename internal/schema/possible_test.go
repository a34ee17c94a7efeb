package schema_test

import (
	"testing"

	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
)

// What no value fits is refused where it must be there, by the name of the field and
// with the reason; where it may be left out it is what nothing fits.
func TestWhatNothingFits(t *testing.T) {
	for field, why := range map[string]string{
		`{"type":"integer","minimum":5,"maximum":3}`:                                                       "minimum is 5 and maximum is 3",
		`{"minimum":5,"exclusiveMaximum":5,"type":"number"}`:                                               "minimum is 5 and exclusiveMaximum is 5",
		`{"exclusiveMinimum":5,"maximum":5,"type":["integer"]}`:                                            "exclusiveMinimum is 5 and maximum is 5",
		`{"type":"number","exclusiveMinimum":5,"exclusiveMaximum":5.0}`:                                    "exclusiveMinimum is 5",
		`{"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":6}`:                                     "leave no integer",
		`{"type":"integer","minimum":1.2,"maximum":1.8}`:                                                   "leave no integer",
		`{"type":"number","minimum":11,"maximum":19,"multipleOf":10}`:                                      "leave no multiple of 10",
		`{"type":"integer","minimum":1,"maximum":2,"multipleOf":1.5}`:                                      "leave no multiple of 1.5",
		`{"type":"number","minimum":1,"multipleOf":0}`:                                                     "multipleOf",
		`{"type":"string","minLength":3,"maxLength":2}`:                                                    "minLength is 3 and maxLength is 2",
		`{"type":"array","minItems":3,"maxItems":2}`:                                                       "minItems is 3 and maxItems is 2",
		`{"type":"array","items":{"type":"string","minLength":2,"maxLength":1},"minItems":1}`:              "minItems is 1 and maxItems is 0",
		`{"type":"array","prefixItems":[{"type":"string"},false],"minItems":2}`:                            "minItems is 2 and maxItems is 1",
		`{"type":"array","contains":{"const":1},"minContains":3,"maxItems":2}`:                             "it must contain 3 and maxItems is 2",
		`{"type":"array","contains":{"type":"integer","minimum":2,"maximum":1}}`:                           "it must contain what nothing fits",
		`{"type":"object","minProperties":2,"maxProperties":1}`:                                            "minProperties is 2 and maxProperties is 1",
		`{"type":"object","properties":{"x":{},"y":{}},"required":["x","y"],"maxProperties":1}`:            "requires 2 fields and maxProperties is 1",
		`{"type":"object","properties":{"x":{}},"additionalProperties":false,"minProperties":2}`:           "minProperties is 2 and it has 1",
		`{"enum":["abc","abcd"],"maxLength":2}`:                                                            "none of its values",
		`{"type":"integer","enum":[1,2],"minimum":5}`:                                                      "none of its values",
		`{"const":"a","pattern":"^b"}`:                                                                     "none of its values",
		`{"enum":[]}`:                                                                                      "none of its values",
		`{"type":"integer","minimum":5,"allOf":[{"maximum":3}]}`:                                           "its parts exclude each other",
		`{"type":"integer","minimum":5,"anyOf":[{"maximum":3},{"type":"string"}]}`:                         "its parts exclude each other",
		`{"type":["integer","string"],"minimum":5,"maximum":3,"minLength":2,"maxLength":1}`:                "minLength is 2 and maxLength is 1",
		`{"type":"object","properties":{"x":{"type":"integer","minimum":5,"maximum":3}},"required":["x"]}`: "at #/properties/amount/properties/x: minimum is 5",
	} {
		_, err := schema.Parse([]byte(`{"type":"object","properties":{"amount":` + field + `},"required":["amount"]}`))
		require.ErrorContains(t, err, why, field)
		require.ErrorContains(t, err, "/properties/amount", field)
		if why == "multipleOf" { // which is no schema at all
			continue
		}
		s, err := schema.Parse([]byte(`{"type":"object","properties":{"amount":` + field + `}}`))
		require.NoError(t, err, field)
		require.JSONEq(t, `{"type":"object","properties":{"amount":false}}`, string(s.JSON()), field)
	}
}

// What a value fits is taken, however narrow.
func TestWhatOneValueFits(t *testing.T) {
	for field, value := range map[string]string{
		`{"type":"integer","minimum":5,"maximum":5}`:                                                     `5`,
		`{"type":"integer","exclusiveMinimum":4,"exclusiveMaximum":6}`:                                   `5`,
		`{"type":"number","exclusiveMinimum":5,"exclusiveMaximum":6}`:                                    `5.5`,
		`{"type":"number","minimum":11,"maximum":20,"multipleOf":10}`:                                    `20`,
		`{"type":"integer","minimum":-4,"maximum":-2,"multipleOf":1.5}`:                                  `-3`,
		`{"type":"string","minLength":2,"maxLength":2}`:                                                  `"ab"`,
		`{"minimum":5,"maximum":3}`:                                                                      `"a text"`,
		`{"type":["integer","null"],"minimum":5,"maximum":3}`:                                            `null`,
		`{"type":"array","contains":{"const":1},"minContains":0,"maxItems":0}`:                           `[]`,
		`{"type":"array","items":{"type":"string","minLength":2,"maxLength":1}}`:                         `[]`,
		`{"type":"object","additionalProperties":false,"maxProperties":0}`:                               `{}`,
		`{"type":"object","patternProperties":{"^a":{}},"minProperties":1,"additionalProperties":false}`: `{"a":1}`,
	} {
		s, err := schema.Parse([]byte(`{"type":"object","properties":{"amount":` + field + `},"required":["amount"]}`))
		require.NoError(t, err, field)
		v, err := s.Read([]byte(`{"amount":` + value + `}`))
		require.NoError(t, err)
		require.Empty(t, s.Check(v, "the whole", true), field)
	}
}

// Of an enum those values are left that the other rules take.
func TestValuesThatDoNotFitAreLeftOut(t *testing.T) {
	s, err := schema.Parse([]byte(`{"type":"object","properties":{"n":{"type":"integer","enum":[1,5,"x",9],"minimum":2}}}`))
	require.NoError(t, err)
	require.Contains(t, string(s.JSON()), `"enum":[5,9]`)
}
