package schema_test

import (
	"math/big"
	"strconv"
	"testing"

	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
)

func itoa(i int) string { return strconv.Itoa(i) }

func sameNumber(a, b string) bool {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

// Whatever JSON says, it is read, checked and written without a panic, and the
// canonical form means the same.
func FuzzDecode(f *testing.F) {
	s, err := schema.Parse([]byte(`{"type":"object","required":["a"],"additionalProperties":false,"properties":{
		"a":{"type":"integer","minimum":1,"multipleOf":3},"b":{"type":"array","uniqueItems":true,"items":{"type":"string","format":"date-time"}},
		"c":{"oneOf":[{"type":"number","exclusiveMaximum":1.5},{"type":"null"},{"type":"object","properties":{"d":{"enum":["x",1]}}}]}}}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`{"a":3}`, `{"a":1e400,"b":["2026-01-31T09:30:00Z"],"c":null}`, `{"c":{"d":1.0}}`, `[]`, `"\ud800"`, `{"a":1e999999999}`, `{"b":["x","x"]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := schema.Decode(text)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		canonical := schema.Canonical(v)
		again, err := schema.Decode(canonical)
		require.NoError(t, err, "%s", canonical)
		require.Equal(t, string(canonical), string(schema.Canonical(again)))
		problem := s.Check(v, "the whole", true)
		require.Less(t, len(problem), 20_000)
		require.Equal(t, problem == "", s.Check(again, "the whole", true) == "")
		require.NotContains(t, problem, "cannot be checked")
		s.Tidy(v, true)
		_ = s.Check(v, "the whole", false)
	})
}

// What somebody gives as a schema is used, or refused, and never a panic.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"type":"object"}`, `{"$ref":"#/a","a":{"$ref":"#/b"},"b":true}`, `{"items":[{}, true],"not":{"enum":[1]}}`,
		`{"$schema":"http://json-schema.org/draft-04/schema#","exclusiveMinimum":true,"minimum":1}`, `{"properties":{"a":{"$ref":"#/properties"}}}`, `{"type":"object","properties":{"":{"pattern":"a{1000}{1000}"}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := schema.Parse(text)
		if err != nil {
			return
		}
		require.NotContains(t, s.Check(map[string]any{"a": nil, "b": []any{"x"}}, "the whole", true), "cannot be checked")
		_ = s.Fields()
		again, err := schema.Parse(s.JSON())
		if err == nil { // another $schema may have been what made it valid
			require.Equal(t, string(s.JSON()), string(again.JSON()))
		}
	})
}
