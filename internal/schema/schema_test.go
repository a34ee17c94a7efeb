package schema_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

type Money struct {
	Amount   json.Number `json:"amount" jsonschema:"exclusiveMinimum=0"`
	Currency string      `json:"currency" jsonschema:"enum=EUR,enum=USD"`
}

type Line struct {
	SKU   string   `json:"sku" jsonschema:"pattern=^[A-Z]{2}-[0-9]+$"`
	Count uint8    `json:"count"`
	Tags  []string `json:"tags,omitempty" jsonschema:"uniqueItems=true,maxItems=3"`
	Price *Money   `json:"price,omitempty" jsonschema:"nullable"`
}

type Order struct {
	ID       int64 `json:"id" jsonschema:"minimum=1,description=The number of the order\\, as on the invoice"`
	Customer struct {
		Email string     `json:"email" jsonschema:"format=email"`
		Host  netip.Addr `json:"host,omitzero"`
	} `json:"customer"`
	Lines    []Line             `json:"lines" jsonschema:"minItems=1"`
	Due      time.Time          `json:"due"`
	Urgent   bool               `json:"urgent,omitempty"`
	Weights  map[string]float64 `json:"weights,omitempty"`
	Anything any                `json:"anything,omitempty"`
	Raw      json.RawMessage    `json:"raw,omitempty"`
	_        chan int
	Hidden   chan int `json:"-"`
}

func of(t *testing.T, typ reflect.Type) *schema.Schema {
	t.Helper()
	s, err := schema.Of(typ, false)
	require.NoError(t, err)
	return s
}

func TestOfAStruct(t *testing.T) {
	s := of(t, reflect.TypeFor[Order]())
	var pretty map[string]any
	require.NoError(t, json.Unmarshal(s.JSON(), &pretty))
	text, err := json.MarshalIndent(pretty, "", "  ")
	require.NoError(t, err)
	golden(t, "order.schema.json", append(text, '\n'))
	require.NoError(t, s.RequireObject())
	require.NotContains(t, string(s.JSON()), `"$`)
	golden(t, "order.fields.txt", []byte(s.Fields()+"\n"))
	s.JSON()[0] = 'x'
	require.Equal(t, byte('{'), s.JSON()[0], "it is the caller's own")
	require.Equal(t, of(t, reflect.TypeFor[*Order]()).JSON(), s.JSON())
}

// Each way to be wrong is told in words that name the place and what is
// expected there.
func TestWords(t *testing.T) {
	s := of(t, reflect.TypeFor[Order]())
	good := `{"id":1,"customer":{"email":"kim@example.com"},"lines":[{"sku":"AB-1","count":2}],"due":"2026-01-31T09:30:00Z"}`
	var b strings.Builder
	for _, c := range []struct{ name, path, value string }{
		{"good", "", ""},
		{"missing", "id", ""},
		{"missing within", "customer.email", ""},
		{"text for a number", "id", `"12"`},
		{"fraction", "id", "1.5"},
		{"whole as float", "id", "2.0"},
		{"too small", "id", "0"},
		{"date", "due", `"tomorrow"`},
		{"day without a time", "due", `"2026-01-31"`},
		{"email", "customer.email", `"kim"`},
		{"unknown", "amout", "1"},
		{"unknown within", "customer.e-mail of him", `"x"`},
		{"empty list", "lines", "[]"},
		{"object for a list", "lines", "{}"},
		{"pattern", "lines", `[{"sku":"x\u202ey","count":1}]`},
		{"negative", "lines", `[{"sku":"AB-1","count":1},{"sku":"AB-1","count":-1}]`},
		{"twice the same", "lines", `[{"sku":"AB-1","count":1,"tags":["a","b","a"]}]`},
		{"too many", "lines", `[{"sku":"AB-1","count":1,"tags":["a","b","c","d"]}]`},
		{"null that may be", "lines", `[{"sku":"AB-1","count":1,"price":null}]`},
		{"enum", "lines", `[{"sku":"AB-1","count":1,"price":{"amount":1,"currency":"GBP"}}]`},
		{"number as text", "lines", `[{"sku":"AB-1","count":1,"price":{"amount":"1","currency":"EUR"}}]`},
		{"optional null", "urgent", "null"},
		{"required null", "id", "null"},
		{"map", "weights", `{"a":1,"b":"heavy"}`},
		{"not a boolean", "urgent", `"yes"`},
		{"many", "lines", `[{},{},{},{}]`},
		{"anything", "anything", `[1,{"x":null}]`},
	} {
		v := change(t, good, c.path, c.value)
		problem := s.Check(s.Tidy(v, false), "the whole", true)
		b.WriteString(c.name + ": " + problem + "\n")
	}
	b.WriteString("a list: " + s.Check([]any{}, "the whole", true) + "\n")
	golden(t, "order.words.txt", []byte(b.String()))
}

// change sets a place of an object, or removes it.
func change(t *testing.T, text, path, value string) any {
	t.Helper()
	v, err := schema.Decode([]byte(text))
	require.NoError(t, err)
	if path == "" {
		return v
	}
	at := v.(map[string]any)
	names := strings.Split(path, ".")
	for _, n := range names[:len(names)-1] {
		at = at[n].(map[string]any)
	}
	last := names[len(names)-1]
	if value == "" {
		delete(at, last)
		return v
	}
	at[last], err = schema.Decode([]byte(value))
	require.NoError(t, err)
	return v
}

// Pieces of a value are quoted only where that is asked for.
func TestWordsWithoutQuotes(t *testing.T) {
	s := of(t, reflect.TypeFor[Money]())
	for _, text := range []string{`{"amount":"evil","currency":"evil"}`, `{"amount":1,"currency":"evil"}`, `"evil"`, `["evil"]`} {
		v, err := schema.Decode([]byte(text))
		require.NoError(t, err)
		problem := s.Check(v, "the answer", false)
		require.NotEmpty(t, problem)
		require.NotContains(t, problem, "evil")
	}
}

type Tree struct {
	Name     string `json:"name"`
	Children []Tree `json:"children"`
}

type Ping struct{ Pong map[string]*Pong }
type Pong struct{ Ping []Ping }
type Embeds struct {
	*Embeds
	A int
}
type (
	L0 struct{ A, B, C, D L1 }
	L1 struct{ A, B, C, D L2 }
	L2 struct{ A, B, C, D L3 }
	L3 struct{ A, B, C, D L4 }
	L4 struct{ A, B, C, D L5 }
	L5 struct{ A, B, C, D L6 }
	L6 struct{ A, B, C, D L7 }
	L7 struct{ A int }
)
type ownDecoder struct{ A int }

func (*ownDecoder) UnmarshalJSON([]byte) error { return nil }

func TestRefusedTypes(t *testing.T) {
	for name, c := range map[string]struct {
		t    reflect.Type
		says string
	}{
		"recursive":        {reflect.TypeFor[Tree](), "the field children: the type schema_test.Tree is recursive"},
		"in turns":         {reflect.TypeFor[Ping](), "the field Pong.Ping: the type schema_test.Ping is recursive"},
		"embeds itself":    {reflect.TypeFor[Embeds](), "recursive"},
		"multiplies":       {reflect.TypeFor[L0](), "schema_test.L0: the schema would have more than"},
		"channel":          {reflect.TypeFor[struct{ C chan int }](), "the field C: JSON has nothing for the type chan int"},
		"function":         {reflect.TypeFor[func()](), "JSON has nothing"},
		"keys":             {reflect.TypeFor[map[float64]int](), "no names of the type float64"},
		"an interface":     {reflect.TypeFor[struct{ E error }](), "cannot be decoded into the interface error; use a concrete type, or any"},
		"decodes itself":   {reflect.TypeFor[struct{ X []ownDecoder }](), "give it a JSONSchema method"},
		"URL":              {reflect.TypeFor[struct{ U *url.URL }](), "use a string"},
		"complex":          {reflect.TypeFor[complex128](), "JSON has nothing"},
		"recursive by map": {reflect.TypeFor[map[string]Tree](), "recursive"},
	} {
		_, err := schema.Of(c.t, false)
		if name == "an interface" {
			c.says = "nothing can be decoded into the interface error"
		}
		require.ErrorContains(t, err, c.says, name)
	}
	// A type may stand in several places as long as it is not within itself.
	_, err := schema.Of(reflect.TypeFor[struct{ A, B Money }](), false)
	require.NoError(t, err)
	list := of(t, reflect.TypeFor[[]int]())
	require.Error(t, list.RequireObject())
}

func TestReferencesArePutInPlace(t *testing.T) {
	s, err := schema.Parse([]byte(`{
		"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/refund",
		"type": "object", "required": ["to", "$ref"],
		"definitions": {"money": {"type": "object", "properties": {"amount": {"$ref": "#/definitions/a~1b"}}, "required": ["amount"]}, "a/b": {"type": "integer"}},
		"properties": {
			"to": {"$ref": "#/definitions/money", "description": "what to pay"},
			"more": {"type": "array", "items": {"$ref": "#/definitions/money", "minProperties": 1}},
			"$ref": {"type": "string"},
			"same": {"$ref": "#/properties/to"},
			"any": true
		}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"type": "object", "required": ["to", "$ref"], "properties": {
		"to": {"type": "object", "description": "what to pay", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
		"more": {"type": "array", "items": {"minProperties": 1, "type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}},
		"$ref": {"type": "string"},
		"same": {"type": "object", "description": "what to pay", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
		"any": {}
	}}`, string(s.JSON()))
	v, err := schema.Decode([]byte(`{"to":{"amount":"x"},"more":[{}],"$ref":"y"}`))
	require.NoError(t, err)
	require.Equal(t, `more[0].amount is missing: expected an integer; more[0]: expected at least 1 fields, got 0; to.amount: expected an integer, got the text "x"`, s.Check(v, "the whole", true))
}

// Of alternatives the one is told that the value came closest to, or all of them.
func TestWordsOfAlternatives(t *testing.T) {
	s, err := schema.Parse([]byte(`{"type":"object","properties":{
		"price":{"oneOf":[{"type":"object","properties":{"amount":{"type":"number"}},"required":["amount"]},{"type":"null"}]},
		"id":{"anyOf":[{"type":"integer","minimum":1},{"type":"string","format":"uuid"}]},
		"both":{"oneOf":[{"type":"integer"},{"type":"number"}]},
		"kind":{"const":"refund"}, "not":{"not":{"type":"string"}}, "never":false, "two":{"type":["integer","null"]}},
		"dependentRequired":{"price":["id"]},"maxProperties":3}`))
	require.NoError(t, err)
	for text, want := range map[string]string{
		`{"id":1,"price":"x"}`:           `price: expected an object with "amount", got the text "x"`,
		`{"id":1,"price":{"amount":""}}`: `price.amount: expected a number, got the text ""`,
		`{"id":true}`:                    `id: expected an integer of at least 1 or a UUID such as 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11, got true`,
		`{"both":1}`:                     `both fits more than one of its forms: expected an integer or a number`,
		`{"kind":"x"}`:                   `kind: expected "refund", got the text "x"`,
		`{"not":"x"}`:                    `not does not fit the rule "not" of its schema`,
		`{"never":1}`:                    `never is not allowed here`,
		`{"two":"x"}`:                    `two: expected an integer or null, got the text "x"`,
		`{"price":null}`:                 `the whole: with "price" there must also be "id"`,
		`{"a":1,"b":2,"c":3,"d":4}`:      `the whole: expected at most 3 fields, got 4`,
	} {
		v, err := schema.Decode([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, s.Check(v, "the whole", true), text)
	}
}

func TestRefusedSchemas(t *testing.T) {
	for text, says := range map[string]string{
		`{"type":"object","properties":{"a":{"$ref":"#"}}}`: "recursive",
		`{"type":"object","$defs":{"a":{"items":{"$ref":"#/$defs/b"}},"b":{"$ref":"#/$defs/a"}},"properties":{"x":{"$ref":"#/$defs/a"}}}`: "recursive",
		`{"type":"object","properties":{"a":{"$ref":"https://example.com/x.json"}}}`:                                                      "not to a place in the schema itself",
		`{"type":"object","properties":{"a":{"$ref":"file:///etc/passwd"}}}`:                                                              "not to a place in the schema itself",
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/none"}}}`:                                                                    "refers to nothing",
		`{"type":"object","properties":{"a":{"$ref":7}}}`:                                                                                 "a $ref is a text",
		`{"type":"object","properties":{"a":{"$dynamicRef":"#x"}}}`:                                                                       "not supported",
		`{"type":"object","properties":{"a":{"$id":"https://example.com/a","type":"string"}}}`:                                            "$id of its own",
		`{"type":"object","properties":[]}`:                                                                                               "an object is expected",
		`{"type":"object","properties":{"a":7}}`:                                                                                          "a schema is an object or a boolean",
		`{"type":"object","anyOf":{}}`:                                                                                                    "a list of schemas",
		`{"type":"thing"}`:                                                                                                                "cannot be used",
		`{"type":"object","properties":{"a":{"pattern":"("}}}`:                                                                            "cannot be used",
		`{"type":"object","properties":{"a":{"minimum":1e999999999}}}`:                                                                    "out of range",
		`{"$schema":"https://example.com/mine","type":"object"}`:                                                                          "cannot be used",
		`{"$schema":7,"type":"object"}`:                                                                                                   "cannot be used",
		`[]`:                                                                                                                              "not a JSON object",
		`false`:                                                                                                                           "not a JSON object",
		``:                                                                                                                                "not JSON",
		`{} {}`:                                                                                                                           "more after the JSON value",
	} {
		_, err := schema.Parse([]byte(text))
		require.ErrorContains(t, err, says, text)
	}
	for _, text := range []string{`{}`, `true`, `{"type":["object","null"]}`, `{"type":"string"}`} {
		s, err := schema.Parse([]byte(text))
		require.NoError(t, err)
		require.Error(t, s.RequireObject(), text)
	}
	// Nothing is read from outside, as a dialect either.
	outside := filepath.Join(t.TempDir(), "mine.json")
	require.NoError(t, os.WriteFile(outside, []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema"}`), 0o600))
	_, err := schema.Parse([]byte(`{"$schema":"file://` + outside + `","type":"object"}`))
	require.ErrorContains(t, err, "nothing is loaded from outside")
	// References that double at each step.
	bomb := `{"type":"object","$defs":{"a0":{"type":"string"}`
	for i := 1; i < 40; i++ {
		n, m := string(rune('a'+i/10))+string(rune('0'+i%10)), string(rune('a'+(i-1)/10))+string(rune('0'+(i-1)%10))
		bomb += `,"` + n + `":{"allOf":[{"$ref":"#/$defs/` + m + `"},{"$ref":"#/$defs/` + m + `"}]}`
	}
	_, err = schema.Parse([]byte(bomb + `},"properties":{"x":{"$ref":"#/$defs/d9"}}}`))
	require.ErrorContains(t, err, "more than")
}

func TestDecode(t *testing.T) {
	for text, says := range map[string]string{
		"":                         "empty",
		"  ":                       "empty",
		`{"a":`:                    "ends too soon",
		`{"a" 1}`:                  "at byte",
		`{} x`:                     "more after",
		"\"\xff\"":                 "UTF-8",
		`{"a":[1e999]}`:            "out of range",
		`1e-100000000000000000`:    "out of range",
		strings.Repeat("9", 500):   "out of range",
		strings.Repeat("[", 20000): "depth",
	} {
		_, err := schema.Decode([]byte(text))
		require.ErrorContains(t, err, says, text[:min(len(text), 40)])
	}
}

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":1,"a":{"d":[],"c":"<&>\u00e9\u2028"}}`: `{"a":{"c":"<&>é\u2028","d":[]},"b":1}`,
		`9007199254740993`:                           `9007199254740993`,
		`-9223372036854775808`:                       `-9223372036854775808`,
		`18446744073709551615`:                       `18446744073709551615`,
		`1.0`:                                        `1`, `1e3`: `1000`, `10.50`: `10.5`, `-0`: `0`, `0.000`: `0`, `1.5e-3`: `0.0015`, `123.456e2`: `12345.6`,
		`1E+2`: `100`, `0.1`: `0.1`, `1e100`: `1e100`, `-12e99`: `-1.2e100`, `1e-100`: `1e-100`,
		`null`: `null`, ` [ true , false ] `: `[true,false]`,
	} {
		v, err := schema.Decode([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, string(schema.Canonical(v)), text)
	}
}

// A number keeps its value, and has one form.
func TestCanonicalNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?`).Draw(t, "digits")
		exp := rapid.IntRange(-90, 90).Draw(t, "exp")
		v, err := schema.Decode([]byte(digits))
		if err != nil {
			t.Fatal(err)
		}
		once := string(schema.Canonical(v))
		again, _ := schema.Decode([]byte(once))
		if string(schema.Canonical(again)) != once {
			t.Fatalf("%s became %s and then %s", digits, once, schema.Canonical(again))
		}
		if !sameNumber(digits, once) {
			t.Fatalf("%s became %s", digits, once)
		}
		e := digits + "e" + json.Number(itoa(exp)).String()
		v, _ = schema.Decode([]byte(e))
		if !sameNumber(e, string(schema.Canonical(v))) {
			t.Fatalf("%s became %s", e, schema.Canonical(v))
		}
	})
}

func TestTidy(t *testing.T) {
	type args struct {
		List []int          `json:"list"`
		Map  map[string]int `json:"map"`
		Note string         `json:"note,omitempty"`
		In   []struct {
			More *string `json:"more,omitempty"`
		} `json:"in,omitempty"`
		Null *string `json:"null,omitempty" jsonschema:"nullable"`
	}
	s := of(t, reflect.TypeFor[args]())
	const text = `{"list":null,"map":null,"note":null,"in":[{"more":null}],"null":null}`
	for lists, want := range map[bool]string{true: `{"in":[{}],"list":[],"map":{},"null":null}`, false: `{"in":[{}],"list":null,"map":null,"null":null}`} {
		v, err := schema.Decode([]byte(text))
		require.NoError(t, err)
		v = s.Tidy(v, lists)
		require.Equal(t, want, string(schema.Canonical(v)))
		require.Equal(t, lists, s.Check(v, "the whole", true) == "")
	}
}
